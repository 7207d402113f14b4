//! The report, made of real records.

use std::{fs, time::Duration};

use apim_dr::{
    domain::{RunKind, TargetReport},
    emulator::{Effect, Fault, accounts},
};
use serde_json::json;
use tracing::Level;

use crate::{
    bed::Bed,
    drills::with_drills,
    logged::Logged,
    targets::{bed, finish, target, until},
};

async fn of(bed: &Bed, name: &str) -> TargetReport {
    let report = bed.app().await.report().await.unwrap();
    report.targets.iter().find(|target| target.name.as_str() == name).unwrap().clone()
}

fn codes(target: &TargetReport) -> Vec<&str> {
    target.conditions.iter().map(|condition| condition.code.as_ref()).collect()
}

#[tokio::test]
async fn of_two_targets_of_one_instance_each_is_judged_by_its_own_container() {
    let bed =
        bed(&[target("near", &json!({})), target("far", &json!({ "containerName": "elsewhere" }))]).await;
    let ended = bed.run("/api/backup", &json!({ "target": "near", "operation": "backup" })).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let (near, far) = (of(&bed, "near").await, of(&bed, "far").await);
    assert_eq!((codes(&near), near.points.restorable, near.history.len()), (vec![], 1, 1));
    assert_eq!((codes(&far), far.points.restorable, far.history.len()), (vec!["rpo"], 0, 0));
}

#[tokio::test]
async fn what_cannot_be_read_of_one_target_is_a_condition_of_it_and_hides_nothing_of_the_others() {
    let bed = bed(&[target("primary", &json!({})), target("other", &json!({ "backupName": "other" }))]).await;
    bed.sweep().await;
    let since = bed.records().join("slots/primary/since/0000000002");
    fs::write(&since, json!({ "version": 2, "writer": "0" }).to_string()).unwrap();
    assert!(codes(&of(&bed, "primary").await).contains(&"records.corrupt"));
    assert!(!codes(&of(&bed, "other").await).contains(&"records.corrupt"));
    fs::remove_file(since).unwrap();
    assert!(!codes(&of(&bed, "primary").await).contains(&"records.corrupt"));
}

#[tokio::test]
async fn what_is_in_progress_is_told_with_when_it_should_be_over() {
    let bed = bed(&[target("primary", &json!({}))]).await;
    let body = json!({ "target": "primary", "operation": "backup", "nameSuffix": "{name}_{utc}" });
    assert_eq!(bed.run("/api/backup", &body).await.status, 200);
    let usual = of(&bed, "primary").await.median_seconds.unwrap();
    bed.advance(Duration::from_secs(1));
    bed.open("/api/backup", &body).await;
    let progress = of(&bed, "primary").await.in_progress.remove(0);
    assert_eq!(progress.phase.as_str(), "Running");
    let (started, end) = (progress.started.unwrap(), progress.expected_end.unwrap());
    assert_eq!(end.duration_since(started).as_secs(), usual);
}

#[tokio::test]
async fn the_last_failure_is_told_with_azures_code_its_cause_and_what_helps() {
    let bed = bed(&[target("primary", &json!({}))]).await;
    let body = r#"{"error": {"code": "AuthorizationFailed", "message": "no"}}"#.to_owned();
    bed.emulator.inject(Fault::once(
        "POST",
        "/backup?",
        Effect::Status { status: 403, body: Some(body), headers: [].into() },
    ));
    let ended = bed.run("/api/backup", &json!({ "target": "primary", "operation": "backup" })).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    let primary = of(&bed, "primary").await;
    let failure = primary.last_failure.as_ref().unwrap();
    assert_eq!((failure.code.as_deref(), failure.kind), (Some("AuthorizationFailed"), RunKind::Backup));
    assert!(failure.cause.as_deref().unwrap().contains("the caller may not do this"), "{failure:?}");
    assert!(failure.remedy.as_deref().unwrap().contains("grant the caller the role"), "{failure:?}");
    let failed = primary.conditions.iter().find(|condition| condition.code == "backup.failed").unwrap();
    assert_eq!(Some(&failed.remedy), failure.remedy.as_ref());
}

#[tokio::test]
async fn a_drill_is_told_with_its_recovery_time_and_beside_its_targets_backups() {
    let bed = with_drills("0 0 3 * * *").await;
    finish(&bed).await;
    until(&bed, "2026-11-21T03:00:10Z");
    finish(&bed).await;
    let primary = of(&bed, "primary").await;
    let kinds: Vec<_> = primary.history.iter().map(|run| run.kind).collect();
    assert_eq!(kinds, [RunKind::Drill, RunKind::Backup]);
    let drill = primary.drill.unwrap();
    let last = drill.last.unwrap();
    assert_eq!(drill.rto_seconds, Some(last.closed.duration_since(last.opened).as_secs()));
    assert_eq!(drill.next, Some("2026-11-22T03:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn a_run_that_no_timer_fired_for_is_missed_and_told_by_whoever_looks_next() {
    let (logged, _logging) = Logged::begin(Level::INFO);
    let bed = bed(&[target("primary", &json!({}))]).await;
    finish(&bed).await;
    bed.settle().await;
    assert_eq!(logged.count(&["alarm raised", "alarm.code=backup.missed"]), 0);
    // The app is gone for a day and a half; then Azure is, when it comes back.
    until(&bed, "2026-11-22T13:00:00Z");
    let busy = |state: &str| {
        bed.emulator
            .with_service(accounts::SERVICE, |service| service.target_provisioning_state = state.into())
            .unwrap();
    };
    busy("Updating");
    let primary = of(&bed, "primary").await;
    assert_eq!(primary.missed, ["2026-11-22T01:00:00Z".parse().unwrap()]);
    bed.sweep().await;
    bed.settle().await;
    assert_eq!(logged.count(&["ERROR", "alarm raised", "alarm.code=backup.missed"]), 1);
    busy("");
    finish(&bed).await;
    bed.settle().await;
    assert_eq!(logged.count(&["INFO", "alarm resolved", "alarm.code=backup.missed"]), 1);
}
