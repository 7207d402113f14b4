//! What cannot work is said before anything is sent; what may not work is said, and tried.

use apim_dr::emulator::accounts;
use serde_json::json;

use crate::bed::{Answer, Bed, but, seed};

fn codes(ended: &Answer) -> Vec<String> {
    let findings = ended.json()["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// That it was blocked by this, and nothing was sent.
fn assert_blocked(bed: &Bed, ended: &Answer, code: &str) {
    let failure = &ended.json()["failure"];
    assert_eq!((ended.status.as_u16(), &failure["kind"]), (424, &json!("blocked")), "{ended:?}");
    assert_eq!(failure["error"]["code"], code, "{ended:?}");
    assert!(failure["error"]["remedy"].is_string(), "{ended:?}");
    assert_eq!(bed.emulator.posts("backup") + bed.emulator.posts("restore"), 0);
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_its_remedy_and_nothing_is_sent() {
    let bed = Bed::start().await;
    bed.emulator.with_service(accounts::SERVICE, |service| service.tier = "StandardV2".to_owned());
    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| account.allow_shared_key = Some(false));
    let link = bed.open("/api/backup", &seed("backup")).await;
    let ended = bed.follow(&link).await;
    assert_blocked(&bed, &ended, "tier.unsupported");
    assert_eq!(codes(&ended), ["tier.unsupported", "account.keys-refused"]);
    assert_eq!(bed.story(&link), ["opened", "checked", "failed"]);
}

#[tokio::test]
async fn what_may_not_work_is_told_and_tried() {
    let bed = Bed::start().await;
    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| {
        account.cors_methods = vec!["GET".to_owned()];
        account.hns = true;
    });
    let link = bed.open("/api/backup", &seed("backup")).await;
    let ended = bed.follow(&link).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(codes(&ended), ["account.hierarchical-namespace", "account.cors"]);
    assert_eq!(bed.story(&link)[..3], ["opened", "checked", "started"]);
}

#[tokio::test]
async fn what_may_not_be_read_is_a_warning_that_names_the_right() {
    let bed = Bed::start().await;
    bed.emulator.deny("/storageAccounts");
    let ended = bed.run("/api/backup", &seed("backup")).await;
    assert_eq!((ended.status.as_u16(), codes(&ended)), (200, vec!["account.unread".to_owned()]), "{ended:?}");
    let remedy = ended.json()["findings"][0]["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains("Microsoft.Storage/storageAccounts/read"), "{remedy}");
}

#[tokio::test]
async fn where_nothing_speaks_against_it_nothing_is_noted() {
    let bed = Bed::start().await;
    let body =
        but(seed("backup"), &json!({ "accessKey": null, "accessType": "SystemAssignedManagedIdentity" }));
    let link = bed.open("/api/backup", &body).await;
    let ended = bed.follow(&link).await;
    assert_eq!((ended.status.as_u16(), ended.json().get("findings")), (200, None), "{ended:?}");
    assert_eq!(bed.story(&link)[..2], ["opened", "started"]);
}

#[tokio::test]
async fn whoever_knows_better_has_a_finding_ignored() {
    let bed = Bed::start().await;
    bed.emulator.with_service(accounts::SERVICE, |service| service.entities.workspaces = 1);
    bed.emulator.with_service(accounts::SERVICE, |service| service.tier = "Premium".to_owned());
    let ended = bed.run("/api/backup", &seed("backup")).await;
    assert_blocked(&bed, &ended, "workspaces.present");
    let ignoring = but(seed("backup"), &json!({ "ignore": "workspaces.present" }));
    let ended = bed.run("/api/backup", &ignoring).await;
    assert_eq!(
        (ended.status.as_u16(), codes(&ended)),
        (200, vec!["workspaces.present".to_owned()]),
        "{ended:?}"
    );
}

#[tokio::test]
async fn of_a_service_that_was_deleted_it_is_said_until_when_its_name_is_kept() {
    let bed = Bed::start().await;
    bed.emulator.delete_service(accounts::SERVICE);
    let ended = bed.run("/api/restore", &seed("restore")).await;
    assert_blocked(&bed, &ended, "service.soft-deleted");
}

#[tokio::test]
async fn a_firewall_lets_only_a_trusted_identity_through() {
    let bed = Bed::start().await;
    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| account.firewall = true);
    assert_blocked(&bed, &bed.run("/api/backup", &seed("backup")).await, "firewall.access-type");
    let trusted =
        but(seed("backup"), &json!({ "accessKey": null, "accessType": "SystemAssignedManagedIdentity" }));
    let ended = bed.run("/api/backup", &trusted).await;
    assert_eq!((ended.status.as_u16(), codes(&ended)), (200, vec![]), "{ended:?}");
    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| account.bypass = "None".to_owned());
    let ended = bed.run("/api/backup", &trusted).await;
    assert_eq!(ended.json()["failure"]["error"]["code"], "firewall.bypass", "{ended:?}");
}
