//! The report, made of real records.

use std::fs;

use apim_dr::domain::TargetReport;
use serde_json::json;

use crate::{
    bed::Bed,
    targets::{bed, target},
};

async fn of(bed: &Bed, name: &str) -> TargetReport {
    let report = bed.app().await.report().await.unwrap();
    report.targets.into_iter().find(|target| target.name.as_str() == name).unwrap()
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
    bed.advance(std::time::Duration::from_secs(1));
    bed.open("/api/backup", &body).await;
    let progress = of(&bed, "primary").await.in_progress.remove(0);
    assert_eq!(progress.phase.as_str(), "Running");
    let (started, end) = (progress.started.unwrap(), progress.expected_end.unwrap());
    assert_eq!(end.duration_since(started).as_secs(), usual);
}
