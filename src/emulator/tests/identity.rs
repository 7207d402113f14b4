//! Changes of a service's identity.

use serde_json::{Value, json};

use super::{Bed, on, versioned};
use crate::emulator::{Hostname, accounts};

const USER: &str = accounts::USER_IDENTITY_ID;

/// An id of a user-assigned identity.
fn other(number: usize) -> String {
    USER.replace("apimdridentity", &format!("other-{number}"))
}

/// Sends the change and sees it through: its status, and the identity then, if it was begun.
async fn change(bed: &Bed, identity: Value) -> (u16, Value) {
    let body = json!({ "identity": identity });
    let answer = bed.arm("PATCH", &on(accounts::SERVICE, ""), Some(body)).await;
    bed.pass(543);
    (answer.status, bed.get(&on(accounts::SERVICE, "")).await.json()["identity"].clone())
}

fn ids(identity: &Value) -> Vec<String> {
    let ids = identity["userAssignedIdentities"].as_object();
    ids.map(|ids| ids.keys().cloned().collect()).unwrap_or_default()
}

#[tokio::test]
async fn identities_are_added_removed_one_by_one_and_removed_together() {
    let bed = Bed::patient().await;
    for (identity, kind, left) in [
        (
            json!({ "type": "SystemAssigned,UserAssigned", "userAssignedIdentities": { USER: {} } }),
            json!("SystemAssigned, UserAssigned"),
            vec![USER.to_owned()],
        ),
        (
            json!({ "type": "userAssigned", "userAssignedIdentities": { other(1): {} } }),
            json!("UserAssigned"),
            vec![USER.to_owned(), other(1)],
        ),
        (
            json!({ "type": "UserAssigned", "userAssignedIdentities": { USER.to_uppercase(): null } }),
            json!("UserAssigned"),
            vec![other(1)],
        ),
        (json!({ "type": "SystemAssigned" }), json!("SystemAssigned"), vec![]),
        (json!({ "type": "None" }), Value::Null, vec![]),
    ] {
        let (status, after) = change(&bed, identity.clone()).await;
        assert_eq!((status, &after["type"], ids(&after)), (200, &kind, left), "{identity}");
    }
    for wrong in [json!({ "type": "Robot" }), json!({}), Value::Null] {
        assert_eq!(change(&bed, wrong).await.0, 400);
    }
}

#[tokio::test]
async fn more_than_ten_identities_are_refused() {
    let bed = Bed::start().await;
    let some = |count: usize| (0..count).map(|number| (other(number), json!({}))).collect::<Value>();
    let body = |count| json!({ "type": "UserAssigned", "userAssignedIdentities": some(count) });
    assert_eq!(change(&bed, body(11)).await.0, 400);
    let (status, identity) = change(&bed, body(10)).await;
    assert_eq!((status, ids(&identity).len()), (200, 10));
    let eleventh = json!({ "type": "UserAssigned", "userAssignedIdentities": { USER: {} } });
    assert_eq!(change(&bed, eleventh).await.0, 400);
}

#[tokio::test]
async fn the_identity_that_reads_a_certificate_is_not_taken_away() {
    let both = json!({ "type": "SystemAssigned, UserAssigned", "userAssignedIdentities": { USER: {} } });
    for (client, removals) in [
        (None, [("None", 400), ("UserAssigned", 400), ("SystemAssigned", 200)]),
        (
            Some(accounts::USER_IDENTITY_CLIENT_ID),
            [("None", 400), ("SystemAssigned", 400), ("UserAssigned", 200)],
        ),
    ] {
        let bed = Bed::start().await;
        assert_eq!(change(&bed, both.clone()).await.0, 200);
        bed.emulator.with_service(accounts::SERVICE, |service| {
            service.hostnames = vec![Hostname {
                kind: "Proxy".into(),
                host_name: "api.example.com".into(),
                certificate: None,
                key_vault_id: Some("https://vault.example.com/secrets/tls".into()),
                identity_client_id: client.map(str::to_owned),
                certificate_source: Some("KeyVault".into()),
                default_ssl_binding: true,
                negotiate_client_certificate: false,
            }];
        });
        for (kind, status) in removals {
            assert_eq!(change(&bed, json!({ "type": kind })).await.0, status, "{client:?} {kind}");
        }
    }
}

#[tokio::test]
async fn before_2022_a_change_ends_with_the_resource_at_its_location() {
    let bed = Bed::start().await;
    let body = json!({ "identity": { "type": "None" } });
    let answer = bed.arm("PATCH", &versioned(accounts::SERVICE, "", "2021-08-01"), Some(body)).await;
    assert_eq!((answer.status, answer.header("azure-asyncoperation")), (202, None));
    assert_eq!(bed.get(answer.location()).await.status, 202);
    bed.pass(543);
    let ended = bed.get(answer.location()).await;
    assert_eq!((ended.status, ended.json().get("identity")), (200, None));
}
