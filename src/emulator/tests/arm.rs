use serde_json::json;

use super::{Answer, Bed, by_key, group, on, versioned, with};
use crate::emulator::{Config, accounts};

#[tokio::test]
async fn arm_wants_a_live_token_of_its_own_audience() {
    let mut bed = Bed::start().await;
    let path = on(accounts::SERVICE, "");
    let refused = |answer: &Answer, code: &str| {
        assert_eq!((answer.status, answer.code().as_str()), (401, code));
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
    };
    refused(&bed.send("GET", &path, &[], String::new()).await.unwrap(), "AuthenticationFailed");

    let token = std::mem::replace(&mut bed.token, "made-up".to_owned());
    refused(&bed.get(&path).await, "InvalidAuthenticationToken");

    let secret = urlencoding::encode(accounts::CLIENT_SECRET);
    let storage = bed.v1(&[("client_secret", &secret), ("resource", "https://storage.azure.com/")]).await;
    bed.token = storage.json()["access_token"].as_str().unwrap().to_owned();
    refused(&bed.get(&path).await, "InvalidAuthenticationTokenAudience");

    bed.token = token;
    bed.pass(3598);
    assert_eq!(bed.get(&path).await.status, 200);
    bed.pass(1);
    refused(&bed.get(&path).await, "ExpiredAuthenticationToken");
}

#[tokio::test]
async fn every_answer_has_the_recorded_headers_and_the_emulators_date() {
    let bed = Bed::start().await;
    let bearer = format!("Bearer {}", bed.token);
    let headers = [("authorization", bearer.as_str()), ("x-ms-client-request-id", "my-own-id")];
    let first = bed.send("GET", &on(accounts::SERVICE, ""), &headers, String::new()).await.unwrap();
    assert_eq!(first.header("date"), Some("Sun, 01 Mar 2026 01:00:00 GMT"));
    assert_eq!(first.headers.get_all("date").iter().count(), 1);
    assert_eq!(first.header("content-type"), Some("application/json; charset=utf-8"));
    let id = first.header("x-ms-request-id").unwrap();
    let routing = first.header("x-ms-routing-request-id").unwrap();
    assert_eq!(first.header("x-ms-correlation-request-id"), Some(id));
    assert_eq!(routing, format!("AUSTRALIAEAST:20260301T010000Z:{id}"));
    assert_eq!(first.header("x-ms-ratelimit-remaining-subscription-reads"), Some("11999"));
    assert!(!first.headers.values().any(|value| value == "my-own-id"));
    assert_eq!(bed.emulator.requests().last().unwrap().client_request_id.as_deref(), Some("my-own-id"));

    let second = bed.get("/subscriptions/none").await;
    assert_eq!(second.header("x-ms-ratelimit-remaining-subscription-reads"), Some("11998"));
    let write = bed.post(&on(accounts::SERVICE, "/backup"), by_key()).await;
    assert_eq!(write.header("x-ms-ratelimit-remaining-subscription-writes"), Some("1199"));
}

#[tokio::test]
async fn the_service_resource_is_at_rest_and_paths_have_no_case() {
    let bed = Bed::start().await;
    let answer = bed.get(&on(accounts::SERVICE, "").replace("resourceGroups", "RESOURCEGROUPS")).await;
    let service = answer.json();
    assert_eq!(service["id"], format!("{}/providers/Microsoft.ApiManagement/service/sampleapim", group()));
    assert_eq!(service["sku"], json!({ "name": "Developer", "capacity": 1 }));
    assert_eq!(service["location"], accounts::LOCATION);
    assert_eq!(service["identity"]["type"], "SystemAssigned");
    assert_eq!(service["properties"]["provisioningState"], "Succeeded");
    assert_eq!(service["properties"]["targetProvisioningState"], "");
    assert_eq!(answer.header("etag").unwrap(), format!("\"{}\"", service["etag"].as_str().unwrap()));
    assert!(answer.body.contains("\r\n"));

    for list in [group(), format!("/subscriptions/{}", accounts::SUBSCRIPTION_ID)] {
        let list = bed
            .get(&format!("{list}/providers/Microsoft.ApiManagement/service?api-version=2024-05-01"))
            .await
            .json();
        let names: Vec<_> =
            list["value"].as_array().unwrap().iter().map(|service| &service["name"]).collect();
        assert_eq!(names, [accounts::SERVICE, accounts::STANDBY]);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_both_shapes() {
    let bed = Bed::start().await;
    let path = on(accounts::SERVICE, "");
    let gateway = [
        (on("missing", ""), 404, "ResourceNotFound"),
        (path.replace(accounts::RESOURCE_GROUP, "missing"), 404, "ResourceGroupNotFound"),
        (path.replace("aaaaaaaa-", "00000000-"), 404, "SubscriptionNotFound"),
        (path.replace("aaaaaaaa-", "zzz"), 400, "InvalidSubscriptionId"),
        (path.replace("?api-version=2024-05-01", ""), 400, "MissingApiVersionParameter"),
        (versioned(accounts::SERVICE, "", "2024-05-02"), 400, "NoRegisteredProviderFound"),
        (on(accounts::SERVICE, "/nothing"), 404, "EmulatorHasNoSuchRoute"),
    ];
    for (path, status, code) in gateway {
        let answer = bed.get(&path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
        assert_eq!(answer.header("x-ms-failure-cause"), Some("gateway"));
    }
    bed.emulator.delete_service(accounts::SERVICE);
    let answer = bed.get(&path).await;
    let body = json!({
        "code": "ServiceNotFound",
        "message": "Api service does not exist: sampleapim",
        "details": null,
        "innerError": null
    });
    assert_eq!((answer.status, answer.json(), answer.header("x-ms-failure-cause")), (404, body, None));
}

#[tokio::test]
async fn a_bad_backup_request_is_refused_at_once() {
    let bed = Bed::start().await;
    let key = accounts::ACCOUNT_KEY;
    let specifed = |parameter: &str| {
        format!(
            "Invalid parameter: The specifed resource name contains invalid characters.\r\n\r\nParameter name: {parameter}"
        )
    };
    let null =
        |parameter: &str| format!("Invalid parameter: Value cannot be null.\r\nParameter name: {parameter}");
    let cases = [
        (
            with(&json!({ "accessKey": key, "containerName": "backupContainer" })),
            specifed("backupContainerName"),
        ),
        (with(&json!({ "accessKey": key, "containerName": "a--b" })), specifed("backupContainerName")),
        (with(&json!({ "accessKey": key, "storageAccount": "https://x" })), specifed("backupStorageAccount")),
        (with(&json!({ "accessKey": key, "backupName": "a/" })), specifed("backupName")),
        (with(&json!({ "accessKey": key, "backupName": null })), null("backupName")),
        (with(&json!({})), null("accessKey")),
        (with(&json!({ "accessType": "UserAssignedManagedIdentity" })), null("clientId")),
    ];
    for (body, message) in cases {
        let answer = bed.post(&on(accounts::SERVICE, "/backup"), body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidParameters"));
        assert_eq!(answer.message(), message);
    }
    // A version of before managed identities does not know accessType.
    let old = versioned(accounts::SERVICE, "/backup", "2021-01-01-preview");
    let identity = with(&json!({ "accessType": "SystemAssignedManagedIdentity" }));
    assert_eq!(bed.post(&old, identity.clone()).await.message(), null("accessKey"));

    let bearer = format!("Bearer {}", bed.token);
    for (kind, body, status, code) in [
        ("text/plain", "{}", 415, "UnsupportedMediaType"),
        ("application/json; charset=utf-8", "{", 400, "InvalidRequestContent"),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let answer = bed.send("POST", &old, &headers, body.to_owned()).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }

    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| {
        account.cors_methods = vec!["GET".into(), "PATCH".into()];
    });
    let cors = bed.post(&on(accounts::SERVICE, "/backup"), by_key()).await.message();
    assert_eq!(
        cors,
        "Invalid parameter: Requested value 'GET,PATCH' was not found.\r\nParameter name: backupStorageAccount"
    );
    bed.emulator.with_service(accounts::SERVICE, |service| service.tier = "StandardV2".into());
    assert_eq!(bed.post(&on(accounts::SERVICE, "/backup"), identity).await.status, 400);
    assert_eq!((bed.emulator.posts("backup"), bed.emulator.accepted("backup")), (12, 0));
}

#[tokio::test]
async fn a_changed_identity_is_polled_at_its_status_url() {
    let bed = Bed::start().await;
    let body = json!({ "identity": { "type": "UserAssigned", "userAssignedIdentities": { accounts::USER_IDENTITY_ID: {} } } });
    let answer = bed.arm("PATCH", &on(accounts::SERVICE, ""), Some(body.clone())).await;
    assert_eq!(answer.status, 200);
    let url = answer.location();
    assert!(url.ends_with("?api-version=2024-05-01&asyncResponse"), "{url}");
    assert_eq!(answer.header("azure-asyncoperation"), Some(url));
    assert_eq!(answer.json()["properties"]["targetProvisioningState"], "Updating");
    assert_eq!(
        bed.arm("PATCH", &on(accounts::SERVICE, ""), Some(body.clone())).await.code(),
        "ServiceLocked"
    );

    let running = bed.get(url).await;
    assert_eq!(
        (running.status, running.json(), running.location()),
        (200, json!({ "status": "InProgress" }), url)
    );
    bed.pass(543);
    let ended = bed.get(url).await;
    assert_eq!((ended.json(), ended.header("location")), (json!({ "status": "Succeeded" }), None));
    let identity = &bed.get(&on(accounts::SERVICE, "")).await.json()["identity"];
    assert_eq!((&identity["type"], &identity["principalId"]), (&json!("UserAssigned"), &json!(null)));
    let client = &identity["userAssignedIdentities"][accounts::USER_IDENTITY_ID]["clientId"];
    assert_eq!(client, accounts::USER_IDENTITY_CLIENT_ID);

    let old = bed.arm("PATCH", &versioned(accounts::SERVICE, "", "2021-08-01"), Some(body)).await;
    assert_eq!((old.status, old.header("azure-asyncoperation")), (202, None));
    let poll = bed.get(old.location()).await;
    assert_eq!((poll.status, poll.body.as_str()), (202, ""));
}

#[tokio::test]
async fn network_status_is_an_array_or_one_object() {
    let bed = Bed::start().await;
    let all = bed.get(&on(accounts::SERVICE, "/networkstatus")).await.json();
    let one = bed.get(&on(accounts::SERVICE, "/locations/Australia%20East/networkstatus")).await.json();
    assert_eq!(all, json!([{ "location": accounts::LOCATION, "networkStatus": one }]));
    assert_eq!(one["connectivityStatus"][0]["status"], "success");
    assert_eq!(bed.get(&on(accounts::SERVICE, "/locations/mars/networkstatus")).await.status, 400);
}

#[tokio::test]
async fn a_preflight_can_read_the_account_and_the_roles() {
    let bed = Bed::start().await;
    let account =
        format!("{}/providers/Microsoft.Storage/storageAccounts/{}", group(), accounts::STORAGE_ACCOUNT);
    let read = async |path: &str| bed.get(&format!("{account}{path}?api-version=2023-05-01")).await;
    assert_eq!(read("").await.json()["properties"]["networkAcls"]["defaultAction"], "Allow");
    assert_eq!(read("/blobServices/default").await.json()["properties"]["cors"]["corsRules"], json!([]));
    assert_eq!(read("/blobServices/default/containers/backup").await.status, 200);
    assert_eq!(read("/blobServices/default/containers/missing").await.status, 404);
    let keys = bed.post(&format!("{account}/listKeys?api-version=2023-05-01"), json!({})).await.json();
    assert_eq!(keys["keys"][0]["value"], accounts::ACCOUNT_KEY);

    let principal = bed.get(&on(accounts::SERVICE, "")).await.json()["identity"]["principalId"].clone();
    let count = async |scope: &str, filter: &str| {
        let path = format!(
            "{scope}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter={filter}"
        );
        bed.get(&path).await.json()["value"].as_array().unwrap().len()
    };
    let mine = format!("principalId%20eq%20'{}'", principal.as_str().unwrap());
    assert_eq!(count(&account, &mine).await, 1);
    assert_eq!(count(&group(), &mine).await, 1, "below the scope");
    assert_eq!(count(&group(), "atScope()").await, 0);
    assert_eq!(count(&account, "atScope()").await, 5);
}

#[tokio::test]
async fn urls_have_the_public_name_when_there_is_one() {
    let public_url = Some("https://arm.example.com/".to_owned());
    let bed = Bed::with(Config { public_url, ..Config::default() }).await;
    let location = bed.accepted("/backup", by_key()).await;
    assert!(location.starts_with("https://arm.example.com/subscriptions/"), "{location}");
}
