//! Guarded restores: planned first, backed up before, looked at afterwards.

use std::{collections::BTreeMap, time::Duration};

use apim_dr::emulator::{Effect, Fault, accounts};
use serde_json::{Value, json};

use crate::{
    bed::{Answer, Bed, but, seed},
    verification::APP,
};

/// A restore of what the primary backed up into its standby.
fn restore(fields: &Value) -> Value {
    let base = json!({ "apimInstance": accounts::STANDBY, "source": accounts::SERVICE });
    but(but(seed("restore"), &base), fields)
}

/// The primary is backed up, with more in it than the standby has.
async fn backed_up(bed: &Bed) {
    bed.emulator.with_service(accounts::SERVICE, |service| service.entities.apis = 7);
    let ended = bed.run("/api/backup", &seed("backup")).await;
    assert_eq!(ended.status, 200, "{ended:?}");
}

fn content(bed: &Bed, name: &str) -> String {
    bed.emulator.with_service(name, |service| service.content.clone()).unwrap()
}

fn started(bed: &Bed) -> (usize, usize) {
    (bed.emulator.accepted("backup"), bed.emulator.accepted("restore"))
}

fn failure(ended: &Answer) -> (u16, Value, String) {
    let failure = &ended.json()["failure"];
    let message = failure["error"]["message"].as_str().unwrap_or_default().to_owned();
    (ended.status.as_u16(), failure["error"]["code"].clone(), message)
}

#[tokio::test]
async fn a_plan_says_what_a_restore_would_do_and_starts_nothing() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    bed.emulator
        .with_service(accounts::SERVICE, |service| service.public_network_access = "Disabled".to_owned());
    bed.advance(Duration::from_hours(2));
    let unconfirmed = restore(&json!({ "operation": null, "backupName": null, "backup": "latest-verified" }));
    let plan = bed.post("/api/restore?plan=true", &unconfirmed).await;
    assert_eq!(plan.status, 200, "{plan:?}");
    let plan = plan.json();
    assert_eq!(plan["backup"]["name"], "apimbackup");
    assert_eq!((&plan["overwritten"]["apis"], &plan["restored"]["apis"]), (&json!(1), &json!(7)));
    assert_eq!((&plan["blocked"], &plan["safetyBackup"]), (&json!(false), &json!(false)));
    assert!(plan["ageSeconds"].as_i64().unwrap() >= 7200, "{plan:#}");
    assert_eq!(plan["findings"], json!([]));
    // The two differ in their regions only, as far as a backup goes.
    assert!(plan["notCarried"].is_array(), "{plan:#}");
    assert_eq!(plan["medianSeconds"], Value::Null);
    assert_eq!(started(&bed), (1, 0));
    assert_eq!(bed.run("/api/restore", &restore(&json!({}))).await.status, 200);
    let again = bed.post("/api/restore?plan=true", &restore(&json!({}))).await.json();
    assert!((540..700).contains(&again["medianSeconds"].as_u64().unwrap()), "{again:#}");
}

#[tokio::test]
async fn a_plan_names_what_would_keep_the_restore_from_its_start() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    bed.emulator.with_service(accounts::STANDBY, |service| {
        service.tier = "Premium".to_owned();
        service.provisioning_state = "Updating".to_owned();
    });
    let plan = bed.post("/api/restore?plan=true", &restore(&json!({}))).await.json();
    let codes: Vec<_> = plan["findings"].as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
    assert_eq!((&plan["blocked"], codes), (&json!(true), vec![json!("backup.tier"), json!("service.busy")]));
    let itself = json!({ "apimInstance": accounts::SERVICE, "source": null });
    let plan = bed.post("/api/restore?plan=true", &restore(&itself)).await.json();
    assert_eq!(plan["findings"][0]["code"], "restore.in-place", "{plan:#}");
    let missing =
        bed.post("/api/restore?plan=true", &restore(&json!({ "backupName": "other" }))).await.json();
    assert_eq!(missing["findings"][0]["code"], "backup.missing", "{missing:#}");
    assert_eq!(started(&bed), (1, 0));
}

#[tokio::test]
async fn after_a_restore_the_service_is_looked_at() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    let ended = bed.run("/api/restore", &restore(&json!({}))).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let aftermath = &ended.json()["verification"]["aftermath"];
    assert_eq!(aftermath["differences"], json!([]));
    assert_eq!((&aftermath["counts"]["apis"], &aftermath["expected"]["apis"]), (&json!(7), &json!(7)));
    assert_eq!(aftermath["gateway"]["result"], "up");
}

#[tokio::test]
async fn what_is_not_as_it_was_after_a_restore_is_in_its_result() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    bed.emulator.with_service(accounts::STANDBY, |service| service.gateway_down = true);
    let fewer = json!({ "value": [], "count": 5 }).to_string();
    let effect = Effect::Status { status: 200, body: Some(fewer), headers: BTreeMap::new() };
    bed.emulator.inject(Fault::once("GET", "standby/apis?", effect));
    let ended = bed.run("/api/restore", &restore(&json!({}))).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let differences = ended.json()["verification"]["aftermath"]["differences"].clone();
    insta::assert_json_snapshot!(differences, @r#"
    [
      "2 APIs fewer than the backup had (5, was 7)",
      "its gateway answers 503 where it should say that it is up"
    ]
    "#);
}

#[tokio::test]
async fn a_service_that_is_busy_after_a_restore_is_waited_for_and_at_last_told() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    let busy = json!({ "name": accounts::STANDBY, "properties": { "targetProvisioningState": "Updating" } });
    for (times, differences) in
        [(3, json!([])), (60, json!(["the service is still busy: it is Succeeded, going to Updating"]))]
    {
        let link = bed.open("/api/restore", &restore(&json!({}))).await;
        let effect = Effect::Status { status: 200, body: Some(busy.to_string()), headers: BTreeMap::new() };
        let look = Fault::once("GET", "sampleapim-standby?", effect);
        bed.emulator.inject(Fault { times, ..look });
        let ended = bed.follow(&link).await;
        assert_eq!(
            (ended.status.as_u16(), &ended.json()["verification"]["aftermath"]["differences"]),
            (200, &differences)
        );
        assert!(bed.story(&link).ends_with(&["completed", "unread", "verified"].map(str::to_owned)));
        bed.emulator.clear_faults();
    }
}

#[tokio::test]
async fn a_safety_backup_comes_first_and_is_verified() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    let before = content(&bed, accounts::STANDBY);
    let link = bed.open("/api/restore", &restore(&json!({ "safetyBackup": true }))).await;
    let waiting = bed.get(&link).await;
    assert!(waiting.json()["customStatus"].as_str().unwrap().contains("safety backup"), "{waiting:?}");
    assert_eq!(started(&bed), (2, 0));
    let ended = bed.follow(&link).await;
    assert_eq!((ended.status.as_u16(), started(&bed)), (200, (2, 1)), "{ended:?}");
    assert_ne!(content(&bed, accounts::STANDBY), before);
    let safety = &ended.json()["safetyBackup"];
    assert_eq!(safety["verified"], true, "{ended:?}");
    let kept = safety["blob"]["name"].as_str().unwrap().to_owned();
    assert!(kept.starts_with("sampleapim-standby_before-restore_2026"), "{kept}");
    let mut story = bed.story(&link);
    story.retain(|event| event != "waited");
    assert_eq!(story[..4], ["opened", "safetyBackupOpened", "safetyBackupVerified", "started"]);
    // Whoever means the newest does not mean it; whoever names it brings back what was there.
    let newest = json!({ "backupName": null, "backup": "latest", "source": accounts::STANDBY });
    assert_eq!(bed.post("/api/restore", &restore(&newest)).await.status, 404);
    let back = restore(&json!({ "backupName": kept, "source": null }));
    assert_eq!(bed.run("/api/restore", &back).await.status, 200);
    assert_eq!(content(&bed, accounts::STANDBY), before);
}

#[tokio::test]
async fn without_its_safety_backup_nothing_is_restored() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    let before = content(&bed, accounts::STANDBY);
    let failing = Effect::FailOperation {
        after_polls: 1,
        status: 400,
        code: "BackupFailed".to_owned(),
        message: "it was scripted".to_owned(),
    };
    for effect in [failing, Effect::NoBlob] {
        bed.emulator.inject(Fault::once("POST", "standby/backup", effect));
        let ended = bed.run("/api/restore", &restore(&json!({ "safetyBackup": true }))).await;
        let (status, code, message) = failure(&ended);
        assert_eq!((status, code), (424, json!("safety-backup.failed")), "{ended:?}");
        assert!(message.contains("nothing was overwritten"), "{message}");
        bed.advance(Duration::from_mins(1));
    }
    assert_eq!((started(&bed).1, content(&bed, accounts::STANDBY)), (0, before));
}

#[tokio::test]
async fn a_safety_backup_that_nobody_can_see_is_none() {
    let bed = Bed::with(&APP).await;
    backed_up(&bed).await;
    bed.emulator
        .with_roles(|roles| roles.retain(|role| role.principal != accounts::APPLICATION_PRINCIPAL_ID));
    let unseen =
        json!({ "accessKey": null, "accessType": "SystemAssignedManagedIdentity", "safetyBackup": true });
    let ended = bed.run("/api/restore", &restore(&unseen)).await;
    let (status, code, message) = failure(&ended);
    assert_eq!((status, code, started(&bed)), (424, json!("safety-backup.failed"), (2, 0)), "{ended:?}");
    assert!(message.contains("nobody could see it"), "{message}");
}

#[tokio::test]
async fn a_crash_between_the_stages_makes_neither_twice() {
    let mut bed = Bed::start().await;
    backed_up(&bed).await;
    let link = bed.open("/api/restore", &restore(&json!({ "safetyBackup": true }))).await;
    let mut restarts = 0;
    while bed.get(&link).await.status == 202 {
        bed.restart().await;
        bed.advance(Duration::from_mins(1));
        bed.sweep().await;
        restarts += 1;
        assert!(restarts < 200, "it never ends");
    }
    let ended = bed.get(&link).await;
    assert_eq!((ended.status.as_u16(), started(&bed)), (200, (2, 1)), "{ended:?}");
}

#[tokio::test]
async fn a_cancelled_restore_leaves_its_safety_backup_alone() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    let link = bed.open("/api/restore", &restore(&json!({ "safetyBackup": true }))).await;
    let id = bed.get(&link).await.json()["id"].as_str().unwrap().parse().unwrap();
    apim_dr::workflows::request_cancel(bed.app().await.ports(), id).await.unwrap();
    let ended = bed.follow(&link).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["phase"]), (424, &json!("Canceled")), "{ended:?}");
    bed.sweep_for(Duration::from_mins(30)).await;
    assert_eq!(started(&bed), (2, 0));
    let list =
        bed.app().await.ports().catalog.points(&accounts::STANDBY.parse().unwrap(), None).await.unwrap();
    assert_eq!(list.points.len(), 1);
}

#[tokio::test]
async fn a_backup_keeps_beside_it_what_it_does_not_carry_and_no_secret() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    let folder = bed.records().join("snapshots").join(accounts::SERVICE);
    let all = crate::bed::everything_in(&folder);
    assert!(all.contains("\"apis\":7") && all.contains("Australia East"), "{all}");
    for secret in [accounts::CLIENT_SECRET, accounts::ACCOUNT_KEY] {
        assert!(!all.contains(secret));
    }
}

#[tokio::test]
async fn a_plan_that_is_not_understood_starts_nothing() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    for path in ["/api/restore?plan=1", "/api/restore?plan", "/api/restore?Plan=yes", "/api/backup?plan=true"]
    {
        let body = if path.contains("backup") { seed("backup") } else { restore(&json!({})) };
        let answer = bed.post(path, &body).await;
        assert!(answer.status == 400 && answer.text.contains("nothing was started"), "{path}: {answer:?}");
    }
    let planned = bed.post("/api/restore?PLAN=True", &restore(&json!({}))).await;
    assert_eq!((planned.status.as_u16(), started(&bed)), (200, (1, 0)));
    assert_eq!(bed.post("/api/restore?plan=false", &restore(&json!({}))).await.status, 202);
}

#[tokio::test]
async fn a_restore_that_wants_a_safety_backup_joins_none_without() {
    let bed = Bed::start().await;
    backed_up(&bed).await;
    bed.emulator
        .with_service(accounts::STANDBY, |service| "Updating".clone_into(&mut service.provisioning_state));
    bed.open("/api/restore", &restore(&json!({}))).await;
    let safe = bed.post("/api/restore", &restore(&json!({ "safetyBackup": true }))).await;
    assert!(safe.status == 409 && safe.text.contains("without a safety backup"), "{safe:?}");
    assert_eq!(bed.post("/api/restore", &restore(&json!({}))).await.status, 202);
}

#[tokio::test]
async fn retention_neither_counts_nor_deletes_a_safety_backup() {
    let bed = Bed::start().await;
    let dated =
        |name: &str| but(seed("backup"), &json!({ "backupName": name, "retention": { "keepLast": 2 } }));
    for name in ["first", "second"] {
        assert_eq!(bed.run("/api/backup", &dated(name)).await.status, 200);
        bed.advance(Duration::from_mins(1));
    }
    let back = json!({ "backupName": "first", "safetyBackup": true });
    let ended = bed.run("/api/restore", &but(seed("restore"), &back)).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let names = || {
        let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
        blobs
            .into_iter()
            .map(|(name, _, _)| name.split("_2026").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bed.run("/api/backup", &dated("third")).await.status, 200);
    assert_eq!(names(), ["sampleapim_before-restore", "second", "third"]);
}
