//! What settings allow by name: the instances that are restored into, and the storage accounts that backups lie in.

use apim_dr::emulator::{Effect, Fault, accounts};
use serde_json::json;

use crate::{
    bed::{Bed, but, put_backup, seed},
    process::Place,
    targets::target,
};

const ELSEWHERE: &str = "attackerstorage";

#[tokio::test]
async fn only_accounts_that_are_listed_are_backed_up_into_and_restored_from() {
    let bed = Bed::with(&[("APIM_DR_STORAGE_ACCOUNTS", "other, ApimDrStorage")]).await;
    for kind in ["backup", "restore"] {
        let body = but(seed(kind), &json!({"storageAccount": ELSEWHERE}));
        let refused = bed.post(&format!("/api/{kind}"), &body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let problems = refused.json()["problems"].clone();
        assert_eq!(problems[0]["field"], "storageAccount", "{refused:?}");
        assert!(problems[0]["remedy"].as_str().unwrap().contains("APIM_DR_STORAGE_ACCOUNTS"), "{refused:?}");
        assert_eq!(problems.as_array().unwrap().len(), 1, "{refused:?}");
    }
    assert!(bed.emulator.requests().is_empty());
    for kind in ["backup", "restore"] {
        let ended = bed.run(&format!("/api/{kind}"), &seed(kind)).await;
        assert_eq!(ended.status, 200, "{ended:?}");
    }
}

#[tokio::test]
async fn a_target_and_a_command_elsewhere_are_refused_and_the_other_targets_are_backed_up() {
    let mut place = Place::start().await;
    let theirs = target("theirs", &json!({"storageAccount": ELSEWHERE, "apimInstance": accounts::STANDBY}));
    place.set("APIM_DR_TARGETS", &json!([target("ours", &json!({})), theirs]).to_string());
    place.set("PRIMARY_SECRET", accounts::CLIENT_SECRET);
    place.set("PRIMARY_KEY", accounts::ACCOUNT_KEY);
    assert_eq!(place.run(&["targets", "validate"], "").await.code, Some(0));
    place.set("APIM_DR_STORAGE_ACCOUNTS", accounts::STORAGE_ACCOUNT);
    let invalid = place.run(&["targets", "validate"], "").await;
    let told = "APIM_DR_TARGETS: targets[1] (theirs).storageAccount: ";
    assert_eq!(
        (invalid.code, invalid.err.contains(told), invalid.err.contains("APIM_DR_STORAGE_ACCOUNTS")),
        (Some(64), true, true),
        "{invalid:?}"
    );
    let elsewhere = place.run(&["backup", "--target", "ours", "--storage-account-name", ELSEWHERE], "").await;
    assert_eq!(
        (elsewhere.code, elsewhere.err.contains("APIM_DR_STORAGE_ACCOUNTS")),
        (Some(64), true),
        "{elsewhere:?}"
    );
    assert!(place.emulator.requests().is_empty());
    let ours = place.run(&["backup", "--target", "ours"], "").await;
    assert_eq!((ours.code, place.emulator.accepted("backup")), (Some(0), 1), "{ours:?}");
}

#[tokio::test]
async fn what_waits_does_not_begin_once_it_is_not_allowed_any_more() {
    for (kind, setting, allowed, code) in [
        ("restore", "APIM_DR_RESTORE_TARGETS", accounts::STANDBY, "restore.not-allowed"),
        ("restore", "APIM_DR_STORAGE_ACCOUNTS", ELSEWHERE, "account.not-allowed"),
        ("backup", "APIM_DR_STORAGE_ACCOUNTS", ELSEWHERE, "account.not-allowed"),
    ] {
        let mut bed = Bed::start().await;
        put_backup(&bed);
        let runs = bed.open("/api/backup", &but(seed("backup"), &json!({"backupName": "first"}))).await;
        let waits = bed.open(&format!("/api/{kind}?queue=true"), &seed(kind)).await;
        assert_eq!(bed.get(&waits).await.json()["phase"], "Pending");
        bed.set(setting, allowed);
        bed.restart().await;
        let ended = bed.follow(&waits).await;
        let failure = &ended.json()["failure"];
        assert_eq!((ended.status.as_u16(), &failure["kind"]), (424, &json!("blocked")), "{ended:?}");
        assert_eq!(failure["error"]["code"], code, "{ended:?}");
        assert!(failure["error"]["remedy"].as_str().unwrap().contains(setting), "{ended:?}");
        // What Azure has is followed to its end.
        assert_eq!(bed.follow(&runs).await.status, 200);
        assert_eq!((bed.emulator.posts("backup"), bed.emulator.posts("restore")), (1, 0), "{kind} {setting}");
    }
}

#[tokio::test]
async fn a_backup_whose_answer_was_lost_is_not_posted_again_once_its_account_is_not_allowed_any_more() {
    let mut bed = Bed::start().await;
    bed.emulator.inject(Fault::once("POST", "/backup?", Effect::ResetBefore));
    let link = bed.open("/api/backup", &seed("backup")).await;
    bed.set("APIM_DR_STORAGE_ACCOUNTS", ELSEWHERE);
    bed.restart().await;
    let ended = bed.follow(&link).await;
    assert_eq!((ended.status.as_u16(), bed.emulator.posts("backup")), (424, 1), "{ended:?}");
    assert!(ended.text.contains("outcome unknown"), "{ended:?}");
    let remedy = ended.json()["failure"]["error"]["remedy"].clone();
    assert!(remedy.as_str().unwrap().contains("not started again"), "{ended:?}");
    assert!(remedy.as_str().unwrap().contains("APIM_DR_STORAGE_ACCOUNTS"), "{ended:?}");
}
