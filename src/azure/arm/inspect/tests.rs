use std::fmt::Debug;

use serde_json::{Value, json};

use super::*;
use crate::{
    azure::{
        arm::tests::{Bed, access, plan},
        testing::{Reply, Seen, Server},
    },
    ports::{ApiManagement, Poll},
};

const SUBSCRIPTION: &str = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const SERVICE: &str = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/gruppe-%C3%BC.%281%29/\
                       providers/Microsoft.ApiManagement/service/sampleapim";
/// As Azure tells it, and as it is asked.
const ACCOUNT: &str =
    "/subscriptions/s/resourceGroups/grüße/providers/Microsoft.Storage/storageAccounts/storage1";
const ACCOUNT_PATH: &str =
    "/subscriptions/s/resourceGroups/gr%C3%BC%C3%9Fe/providers/Microsoft.Storage/storageAccounts/storage1";
const PRINCIPAL: &str = "9a1c0000-75f3-4b89-88ae-282baac4ef64";

fn service() -> ServiceId {
    plan().service
}

/// An answer of any kind, so that one table can hold them all.
fn told<T: Debug>(read: Result<T, ReadError>) -> Result<String, ReadError> {
    read.map(|read| format!("{read:?}"))
}

/// Everything that can be asked with a token, by name.
async fn all(arm: &Arm) -> Vec<(&'static str, Result<String, ReadError>)> {
    let (service, access) = (service(), access());
    let (subscription, account) = (&service.subscription, "storage1".parse().unwrap());
    let container = "backups".parse().unwrap();
    let change = IdentityChange { system_assigned: true, ..IdentityChange::default() };
    vec![
        ("inventory", told(arm.inventory(&service, &access).await)),
        ("counts", told(arm.counts(&service, &access).await)),
        ("workspaces", told(arm.workspaces(&service, &access).await)),
        ("diagnostics", told(arm.diagnostics(&service, &access).await)),
        ("portal_revision", told(arm.portal_revision(&service, &access).await)),
        ("connectivity", told(arm.connectivity(&service, &access).await)),
        ("deleted_service", told(arm.deleted_service(&service, &access).await)),
        ("account", told(arm.account(subscription, &account, &access).await)),
        ("account_exists", told(arm.account_exists(subscription, &account, &access).await)),
        ("cors_methods", told(arm.cors_methods(ACCOUNT, &access).await)),
        ("container_exists", told(arm.container_exists(ACCOUNT, &container, &access).await)),
        ("roles", told(arm.roles(ACCOUNT, PRINCIPAL, &access).await)),
        ("change_identity", told(arm.change_identity(&service, &change, &access).await)),
    ]
}

fn refusal(code: &str) -> String {
    json!({"error": {"code": code, "message": "m"}}).to_string()
}

fn listed(items: &Value) -> Reply {
    Reply::json(200, json!({ "value": items }).to_string())
}

#[tokio::test]
async fn everything_is_asked_where_azure_has_it() {
    let bed = Bed::start(|_| Reply::json(404, refusal("NotFound"))).await;
    all(&bed.arm).await;
    let mut seen: Vec<_> =
        bed.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    let counts = ["apis", "products", "subscriptions", "users"];
    // At the same time, so in any order; the first that fails ends the others.
    seen.retain(|seen| {
        !counts.iter().any(|it| seen.ends_with(&format!("/{it}?api-version=2024-05-01&$top=1")))
    });
    let v = "?api-version=2024-05-01";
    assert_eq!(
        seen,
        [
            format!("GET {SERVICE}{v}"),
            format!("GET {SERVICE}/workspaces{v}&$top=1"),
            format!(
                "GET {SERVICE}/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview"
            ),
            format!("GET {SERVICE}/portalRevisions{v}"),
            format!("GET {SERVICE}/networkstatus{v}"),
            format!("GET {SUBSCRIPTION}/providers/Microsoft.ApiManagement/deletedservices{v}"),
            format!("GET {SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01"),
            format!(
                "POST {SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability?api-version=2023-05-01"
            ),
            format!("GET {ACCOUNT_PATH}/blobServices/default?api-version=2023-05-01"),
            format!("GET {ACCOUNT_PATH}/blobServices/default/containers/backups?api-version=2023-05-01"),
            format!(
                "GET {ACCOUNT_PATH}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01\
                 &$filter=principalId%20eq%20%27{PRINCIPAL}%27"
            ),
            format!("PATCH {SERVICE}{v}"),
        ]
    );
    assert_eq!(bed.arm.api_version(), "2024-05-01");
}

#[tokio::test]
async fn a_missing_right_is_named_with_what_it_is_needed_on() {
    let bed = Bed::start(|_| Reply::json(403, refusal("AuthorizationFailed"))).await;
    let service = service().to_string();
    let rights: Vec<_> = all(&bed.arm)
        .await
        .into_iter()
        .map(|(name, read)| match read {
            Err(ReadError::Definite(error)) if error.status == Some(403) => error.remedy.unwrap(),
            read => panic!("{name}: {read:?}"),
        })
        .collect();
    let on_service =
        |right: &str| format!("grant the caller Microsoft.ApiManagement/service/{right} on {service}");
    let on = |right: &str, on: &str| format!("grant the caller {right} on {on}");
    assert!(
        ["apis", "products", "subscriptions", "users"]
            .iter()
            .any(|it| rights[1] == on_service(&format!("{it}/read"))),
        "{}",
        rights[1]
    );
    let expected = [
        on_service("read"),
        rights[1].clone(),
        on_service("workspaces/read"),
        on("Microsoft.Insights/diagnosticSettings/read", &service),
        on_service("portalRevisions/read"),
        on_service("networkStatus/read"),
        on("Microsoft.ApiManagement/deletedservices/read", SUBSCRIPTION),
        on("Microsoft.Storage/storageAccounts/read", SUBSCRIPTION),
        on("Microsoft.Storage/checknameavailability/read", SUBSCRIPTION),
        on("Microsoft.Storage/storageAccounts/blobServices/read", ACCOUNT),
        on("Microsoft.Storage/storageAccounts/blobServices/containers/read", ACCOUNT),
        on("Microsoft.Authorization/roleAssignments/read", ACCOUNT),
        on_service("write"),
    ];
    assert_eq!(rights, expected);
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_will_not() {
    let check = async |status, body: &str, transient: bool| {
        let body = body.to_owned();
        let bed = Bed::start(move |_| Reply::json(status, body.clone())).await;
        for (name, read) in all(&bed.arm).await {
            let error = read.unwrap_err();
            assert_eq!(matches!(error, ReadError::Transient(_)), transient, "{status} {name}: {error}");
        }
    };
    check(503, &refusal("ServerBusy"), true).await;
    check(404, &refusal("SubscriptionNotFound"), false).await;
    check(302, "", false).await;
}

#[tokio::test]
async fn an_answer_that_is_not_of_its_kind_is_no_answer() {
    for body in ["<html>", "{}", "[7]", r#"{"value":7}"#, r#"{"value":[{"#] {
        let bed = Bed::start(move |_| Reply::json(200, body)).await;
        for (name, read) in all(&bed.arm).await {
            // Of a container, and of a change, the status says it all.
            let expected = !["container_exists", "change_identity"].contains(&name);
            assert_eq!(matches!(read, Err(ReadError::Transient(_))), expected, "{name} {body}: {read:?}");
        }
    }
}

#[tokio::test]
async fn a_change_is_sent_once_and_a_question_again() {
    let bed = Bed::start(|_| Reply::status(503)).await;
    let change = IdentityChange { system_assigned: true, ..IdentityChange::default() };
    assert!(bed.arm.change_identity(&service(), &change, &access()).await.is_err());
    assert_eq!(bed.seen().len(), 1);
    assert_eq!(bed.seen()[0].body, r#"{"identity":{"type":"SystemAssigned"}}"#);
    let account = "storage1".parse().unwrap();
    assert!(bed.arm.account_exists(&service().subscription, &account, &access()).await.is_err());
    let posts = bed.seen().into_iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 4);
    assert_eq!(
        bed.seen().pop().unwrap().body,
        r#"{"name":"storage1","type":"Microsoft.Storage/storageAccounts"}"#
    );
}

#[tokio::test]
async fn a_change_that_runs_is_followed_by_the_poller() {
    let bed = Bed::start(|seen| {
        let place =
            format!("http://{}/op/1?api-version=2022-08-01&asyncResponse", seen.header("host").unwrap());
        let status = if seen.method == "PATCH" { r#"{"id":"i"}"# } else { r#"{"status":"InProgress"}"# };
        Reply::json(200, status).with("location", &place).with("azure-asyncoperation", &place)
    })
    .await;
    let change = IdentityChange { system_assigned: true, ..IdentityChange::default() };
    let continuation = bed.arm.change_identity(&service(), &change, &access()).await.unwrap().unwrap();
    let poll = bed.arm.poll(&continuation, &access()).await;
    assert!(matches!(poll, Poll::Running { .. }), "{poll:?}");
    assert_eq!(bed.seen().pop().unwrap().target, "/op/1?api-version=2022-08-01&asyncResponse");
}

/// What there is under a path, a page with one item each; `count` beside them if it is told.
fn pages(seen: &Seen, pages: usize, count: Option<u64>) -> Reply {
    let page: usize = seen.target.split_once("page=").map_or(0, |(_, page)| page.parse().unwrap_or_default());
    let next = format!("http://{}/next?page={}", seen.header("host").unwrap(), page + 1);
    let next = if page + 1 < pages { next } else { String::new() };
    Reply::json(200, json!({"value": [{"name": "n"}], "count": count, "nextLink": next}).to_string())
}

#[tokio::test]
async fn what_a_backup_carries_is_counted_by_azure_or_page_by_page() {
    let check = async |there, count, expected: u64, asked: usize| {
        let bed = Bed::start(move |seen| pages(seen, there, count)).await;
        assert_eq!(bed.arm.workspaces(&service(), &access()).await, Ok(expected), "{there} {count:?}");
        assert_eq!(bed.seen().len(), asked, "{there} {count:?}");
    };
    check(3, Some(250), 250, 1).await;
    check(1, Some(1), 1, 1).await;
    check(1, None, 1, 1).await;
    check(3, None, 3, 4).await;
    // That of the page only.
    check(3, Some(1), 3, 4).await;
    let bed = Bed::start(|seen| {
        let counted = ["/apis?", "/products?", "/subscriptions?", "/users?"];
        let at = counted.iter().position(|path| seen.target.contains(path)).unwrap();
        Reply::json(200, json!({"value": [{}], "count": 10 + at, "nextLink": "http://x/"}).to_string())
    })
    .await;
    let expected = Counts { apis: 10, products: 11, subscriptions: 12, users: 13 };
    assert_eq!(bed.arm.counts(&service(), &access()).await, Ok(expected));
}

#[tokio::test]
async fn a_list_is_followed_to_its_end_on_azures_own_host_only() {
    let account = "storage1".parse().unwrap();
    let find = async |bed: &Bed| bed.arm.account(&service().subscription, &account, &access()).await;
    let bed = Bed::start(|seen| {
        let next = format!("http://{}/next?%24skiptoken=a%3D", seen.header("host").unwrap());
        if seen.target.starts_with("/next") {
            listed(&json!([{"id": "/s/storage1", "name": "Storage1"}]))
        } else {
            let value = json!([{"id": "/s/storage10", "name": "storage10"}]);
            Reply::json(200, json!({"value": value, "nextLink": next}).to_string())
        }
    })
    .await;
    let found = find(&bed).await.unwrap().unwrap();
    assert_eq!(found.id, "/s/storage1");
    assert_eq!(bed.seen().pop().unwrap().target, "/next?%24skiptoken=a%3D");

    let stranger = Server::start(|_, _| listed(&json!([]))).await;
    let link = stranger.url.clone();
    let bed = Bed::start(move |_| Reply::json(200, json!({"value": [], "nextLink": link}).to_string())).await;
    let error = find(&bed).await.unwrap_err();
    assert!(matches!(&error, ReadError::Definite(error) if error.remedy.is_some()), "{error}");
    assert_eq!(stranger.seen().len(), 0);

    let bed = Bed::start(|seen| pages(seen, usize::MAX, None)).await;
    let endless = bed.arm.portal_revision(&service(), &access()).await;
    assert!(matches!(endless, Err(ReadError::Definite(_))), "{endless:?}");
    assert_eq!(bed.seen().len(), 50);
}

#[tokio::test]
async fn where_workspaces_are_unknown_there_are_none() {
    let check = async |status, code: &str, expected: Option<u64>| {
        let body = refusal(code);
        let bed = Bed::start(move |_| Reply::json(status, body.clone())).await;
        let read = bed.arm.workspaces(&service(), &access()).await;
        assert_eq!(read.ok(), expected, "{status} {code}");
    };
    check(404, "InvalidResourceType", Some(0)).await;
    check(400, "NoRegisteredProviderFound", Some(0)).await;
    // What BasicV2 answers.
    check(400, "MethodNotAllowedInPricingTier", Some(0)).await;
    check(404, "ResourceNotFound", None).await;
    check(403, "AuthorizationFailed", None).await;
}

#[tokio::test]
async fn a_container_is_missing_only_where_its_account_is_not() {
    let check = async |status, code: &str, expected: Option<bool>| {
        let body = refusal(code);
        let bed = Bed::start(move |_| Reply::json(status, body.clone())).await;
        let container = "backups".parse().unwrap();
        let read = bed.arm.container_exists(ACCOUNT, &container, &access()).await;
        assert_eq!(read.as_ref().ok(), expected.as_ref(), "{status} {code}: {read:?}");
        read.err().map(|error| match error {
            ReadError::Definite(error) | ReadError::Transient(error) => error.remedy.unwrap_or_default(),
        })
    };
    check(200, "", Some(true)).await;
    check(404, "ContainerNotFound", Some(false)).await;
    for code in ["ResourceNotFound", "Unheard"] {
        let remedy = check(404, code, None).await;
        assert_eq!(remedy.unwrap(), format!("check that there is {ACCOUNT}"));
    }
    let remedy = check(404, "ResourceGroupNotFound", None).await;
    assert_eq!(remedy.unwrap(), "check subscription and resource group");
}

#[tokio::test]
async fn a_name_is_taken_or_free_or_none_that_an_account_may_have() {
    for (body, expected) in [
        (json!({"nameAvailable": true}), Some(false)),
        (json!({"nameAvailable": false, "reason": "AlreadyExists", "message": "m"}), Some(true)),
        (json!({"nameAvailable": false, "reason": "AccountNameInvalid"}), Some(false)),
        (json!({"reason": "AlreadyExists"}), None),
    ] {
        let answer = body.to_string();
        let bed = Bed::start(move |_| Reply::json(200, answer.clone())).await;
        let account = "storage1".parse().unwrap();
        let read = bed.arm.account_exists(&service().subscription, &account, &access()).await;
        assert_eq!(read.ok(), expected, "{body}");
    }
}

#[tokio::test]
async fn a_deleted_service_is_found_in_whichever_place_it_was() {
    let deleted = |name: &str| json!({"name": name, "location": "West US", "properties": {}});
    for (name, expected) in [("SampleApim", true), ("sampleapim2", false)] {
        let items = json!([deleted("other"), deleted(name)]);
        let bed = Bed::start(move |_| listed(&items)).await;
        let found = bed.arm.deleted_service(&service(), &access()).await.unwrap();
        let there = DeletedService { location: "West US".into(), purged: None };
        assert_eq!(found, expected.then_some(there), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_asked_about_what_is_no_id() {
    let bed = Bed::start(|_| listed(&json!([]))).await;
    for principal in ["", "x' or '1' eq '1", "contoso"] {
        let roles = bed.arm.roles(ACCOUNT, principal, &access()).await;
        assert!(matches!(roles, Err(ReadError::Definite(_))), "{principal}: {roles:?}");
    }
    let elsewhere = bed.arm.cors_methods("/subscriptions/s/../../other", &access()).await;
    assert!(matches!(elsewhere, Err(ReadError::Definite(_))), "{elsewhere:?}");
    assert_eq!(bed.seen().len(), 0);
}

#[tokio::test]
async fn a_gateway_is_asked_without_a_token_and_without_following() {
    let check = async |status, expected: Probe| {
        let bed = Bed::start(move |_| Reply::status(status).with("location", "/elsewhere")).await;
        for slash in ["", "/"] {
            assert_eq!(bed.arm.probe(&format!("{}{slash}", bed.server.url)).await, expected);
            let seen = bed.server.seen().pop().unwrap();
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/status-0123456789abcdef"));
            assert_eq!(seen.header("authorization"), None);
        }
        assert_eq!(bed.server.seen().len(), 2);
    };
    check(200, Probe::Up).await;
    for status in [204, 302, 404, 503] {
        check(status, Probe::Answered { status }).await;
    }
}

#[tokio::test]
async fn why_no_gateway_answers_is_told_without_what_may_be_secret() {
    let bed = Bed::start(|_| Reply::status(200)).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, part) in [
        (format!("http://{nobody}"), "refused"),
        ("http://gateway.example".to_owned(), "https"),
        ("https://gateway.example/?sig=s3cret".to_owned(), "query"),
        ("https://user:s3cret@gateway.example".to_owned(), "password"),
        ("gateway".to_owned(), "URL"),
    ] {
        let Probe::NoAnswer { reason } = bed.arm.probe(&url).await else { panic!("{url} answered") };
        assert!(reason.contains(part) && !reason.contains("s3cret"), "{url}: {reason}");
    }
    assert_eq!(bed.server.seen().len(), 0);
}
