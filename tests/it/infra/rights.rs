//! The custom roles against what the program asks the emulator for: what they grant is enough, and no more than that.

use std::collections::BTreeSet;

use apim_dr::emulator::{LoggedRequest, accounts};
use serde_json::{Value, json};

use super::arm;
use crate::bed::{Answer, Bed, but, put_backup, seed};

/// Rights on the subscription, which no role on a resource can give: only asked for when the instance, or the
/// account, is not found.
const OF_THE_SUBSCRIPTION: [&str; 2] =
    ["microsoft.apimanagement/deletedservices/read", "microsoft.storage/checknameavailability/read"];

/// The actions of a custom role, in small letters: Azure compares them so.
fn granted(role: &str) -> BTreeSet<String> {
    let roles = arm::deployment().roles;
    roles[role].iter().map(|action| action.to_lowercase()).collect()
}

/// The path as the emulator knows it, and the action that the request asks for.
fn asked(request: &LoggedRequest) -> Option<(String, String)> {
    let path = request.path.split('?').next().unwrap().to_lowercase();
    let segments = path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
    if segments.first() != Some(&"subscriptions") {
        return None;
    }
    let provider = segments.iter().rposition(|segment| *segment == "providers").unwrap();
    let (namespace, named) = segments[provider + 1..].split_first().unwrap();
    // Types and names by turns.
    let kind = [*namespace].into_iter().chain(named.iter().copied().step_by(2)).collect::<Vec<_>>().join("/");
    let verb = match request.method.as_str() {
        "GET" => "read",
        // Azure's own exception.
        "POST" if kind.ends_with("/checknameavailability") => "read",
        "POST" => "action",
        method => panic!("{method} {path}"),
    };
    Some((format!("/{}?", segments.join("/")), format!("{kind}/{verb}")))
}

fn actions(bed: &Bed, is: impl Fn(&LoggedRequest) -> bool) -> BTreeSet<String> {
    let requests = bed.emulator.requests();
    requests.iter().filter(|request| is(request)).filter_map(asked).map(|(_, action)| action).collect()
}

/// As the deployment has it, API Management reaches its storage with its own identity. Who calls is an application, in place
/// of the app's own identity, which only a process of its own can have.
fn body(operation: &str) -> Value {
    but(seed(operation), &json!({ "accessKey": null }))
}

/// One operation on a new bed, which may not do what `denied` says.
async fn run(operation: &str, denied: &[String]) -> (Bed, Answer) {
    let bed = Bed::start().await;
    put_backup(&bed);
    for path in denied {
        bed.emulator.deny(path);
    }
    let ended = bed.run(&format!("/api/{operation}"), &body(operation)).await;
    (bed, ended)
}

/// The paths of everything that an operation asks for but `kept`.
async fn all_but(operation: &str, kept: impl Fn(&str) -> bool) -> Vec<String> {
    let (bed, ended) = run(operation, &[]).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let asked = bed.emulator.requests().iter().filter_map(asked).collect::<BTreeSet<_>>();
    asked.into_iter().filter(|(_, action)| !kept(action)).map(|(path, _)| path).collect()
}

#[tokio::test]
async fn a_role_is_enough_and_holds_nothing_that_is_not_asked_for() {
    for (operation, role) in [("backup", "APIM DR Backup"), ("restore", "APIM DR Restore")] {
        let granted = granted(role);
        let denied = all_but(operation, |action| granted.contains(action)).await;
        assert!(denied.len() > 5, "{denied:?}");
        let (bed, ended) = run(operation, &denied).await;
        assert_eq!(
            (ended.status.as_u16(), &ended.json()["output"]["evidence"]),
            (200, &json!("arm")),
            "{ended:?}"
        );
        assert_eq!(actions(&bed, |request| request.status != Some(403)), granted, "{role}");
    }
}

#[tokio::test]
async fn without_any_one_action_of_its_role_an_operation_is_not_seen_to_succeed() {
    for (operation, role) in [("backup", "APIM DR Backup"), ("restore", "APIM DR Restore")] {
        for action in granted(role) {
            let denied = all_but(operation, |asked| asked != action).await;
            // The address of a running operation is new each time.
            let denied = denied.iter().map(|path| match path.find("/operationresults/") {
                Some(at) => path[..at].to_owned() + "/operationresults/",
                None => path.clone(),
            });
            let (_, ended) = run(operation, &denied.collect::<Vec<_>>()).await;
            assert_ne!(ended.json()["output"]["evidence"], "arm", "{operation} without {action}");
        }
    }
}

#[tokio::test]
async fn the_role_for_looking_is_what_else_is_asked_for() {
    let bed = Bed::start().await;
    bed.emulator.with_service(accounts::SERVICE, |service| {
        // Only such a service has workspaces, and only such a one a status of its network.
        "Premium".clone_into(&mut service.tier);
        "External".clone_into(&mut service.virtual_network_type);
    });
    let ended = bed.run("/api/backup", &body("backup")).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let mut asked = actions(&bed, |_| true);
    // An instance and an account that are not there.
    for missing in [json!({ "apimInstance": "nosuchapim" }), json!({ "storageAccount": "nosuchaccount" })] {
        bed.run("/api/backup", &but(body("backup"), &missing)).await;
    }
    let besides = &actions(&bed, |_| true) - &asked;
    assert_eq!(besides, OF_THE_SUBSCRIPTION.map(str::to_owned).into());
    asked.extend(besides);
    let mut known = granted("APIM DR Backup");
    known.extend(granted("APIM DR Preflight"));
    known.extend(OF_THE_SUBSCRIPTION.map(str::to_owned));
    assert_eq!(asked, known);
}

#[test]
fn no_role_may_change_or_delete_an_instance_or_read_a_secret() {
    let ours = ["APIM DR Backup", "APIM DR Preflight", "APIM DR Restore"];
    assert_eq!(arm::deployment().roles.into_keys().collect::<Vec<_>>(), ours);
    for action in ours.into_iter().flat_map(granted) {
        let posts = ["backup/action", "restore/action"].iter().any(|end| action.ends_with(end));
        assert!(posts || action.ends_with("/read"), "{action}");
        assert!(!action.contains('*') && !action.contains("keys") && !action.contains("secret"), "{action}");
    }
}
