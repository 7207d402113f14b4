//! Which blob is meant: the recovery point that a restore leaves to the catalogue, and the name of a new backup on a
//! day that has one.

use std::time::Duration;

use apim_dr::emulator::{Effect, Fault, accounts};
use serde_json::{Value, json};

use crate::{
    bed::{Bed, but, seed},
    targets::{bed, blobs, finish, target, until},
};

/// A target whose schedule is not due during the test.
fn primary() -> Value {
    target("primary", &json!({ "schedule": "0 0 22 * * *" }))
}

/// Backs the primary up under a name, an hour after whatever was before.
async fn back_up(bed: &Bed, name: &str) {
    bed.advance(Duration::from_hours(1));
    bed.emulator.with_service(accounts::SERVICE, |service| service.content = format!("apis at {name}"));
    let ended = bed.run("/api/backup", &json!({ "target": "primary", "backupName": name })).await;
    assert_eq!(ended.status, 200, "{ended:?}");
}

/// First and second are verified, the third could not be looked at. Gives the instant between first and second.
async fn three_backups(bed: &Bed) -> String {
    back_up(bed, "first").await;
    let between = bed.now().to_string();
    back_up(bed, "second").await;
    let headers = [("x-ms-error-code".to_owned(), "AuthorizationFailure".to_owned())].into();
    let unread = Effect::Status { status: 403, body: None, headers };
    bed.emulator.inject(Fault { times: u32::MAX, ..Fault::once("HEAD", "/blob/", unread) });
    back_up(bed, "third").await;
    bed.emulator.clear_faults();
    between
}

/// Restores what these fields mean into the standby, and gives the name of the blob that was read.
async fn restored(bed: &Bed, fields: &Value) -> String {
    let own = json!({ "apimInstance": accounts::STANDBY, "operation": "restore" });
    let ended = bed.run("/api/restore", &but(own, fields)).await;
    assert_eq!(ended.status, 200, "{fields}: {ended:?}");
    let name = ended.json()["input"]["backupName"].as_str().unwrap().to_owned();
    let content = bed.emulator.with_service(accounts::STANDBY, |service| service.content.clone());
    assert_eq!(content, Some(format!("apis at {name}")), "{fields}");
    name
}

#[tokio::test]
async fn a_restore_takes_the_newest_recovery_point_that_is_meant() {
    let bed = bed(&[primary()]).await;
    let between = three_backups(&bed).await;
    for (fields, expected) in [
        (json!({ "backup": "latest" }), "third"),
        (json!({ "backup": "latest-verified" }), "second"),
        (json!({ "at": between }), "first"),
        (json!({ "backup": "latest-verified", "at": between }), "first"),
        (json!({ "backup": "second" }), "second"),
    ] {
        let by_target = but(fields.clone(), &json!({ "target": "primary" }));
        assert_eq!(restored(&bed, &by_target).await, expected, "{by_target}");
        // Every field of its own: then the source says whose recovery points are meant.
        let source =
            json!({ "source": accounts::SERVICE, "backupName": null, "apimInstance": accounts::STANDBY });
        let by_source = but(but(seed("restore"), &source), &fields);
        assert_eq!(restored(&bed, &by_source).await, expected, "{by_source}");
    }
}

#[tokio::test]
async fn where_there_is_no_such_recovery_point_nothing_is_started() {
    let bed = bed(&[primary()]).await;
    let before = bed.now().to_string();
    three_backups(&bed).await;
    let of_standby = json!({ "apimInstance": accounts::STANDBY, "backupName": null, "backup": "latest" });
    let requests = [
        (json!({ "target": "primary", "operation": "restore", "at": before }), "started up to"),
        // The standby has none of its own.
        (but(seed("restore"), &of_standby), accounts::STANDBY),
        (
            json!({ "target": "primary", "operation": "restore", "backup": "latest-verified", "source": "nobody" }),
            "verified recovery point",
        ),
        (
            json!({ "target": "primary", "operation": "restore", "backup": "latest", "containerName": "other" }),
            "apimdrstorage/other",
        ),
    ];
    for (body, says) in requests {
        let answer = bed.post("/api/restore", &body).await;
        assert_eq!(answer.status, 404, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.text.contains(says), "{body}: {answer:?}");
        assert!(answer.text.contains("nothing was started"), "{body}: {answer:?}");
    }
    bed.settle().await;
    assert_eq!(bed.emulator.posts("restore"), 0);
}

#[tokio::test]
async fn a_second_backup_of_a_day_has_its_time_and_overwrites_nothing() {
    let bed = Bed::start().await;
    let body = but(seed("backup"), &json!({ "nameSuffix": "date" }));
    let stored = || bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    assert_eq!(bed.run("/api/backup", &body).await.status, 200);
    let first = stored();
    assert_eq!(first[0].0, "apimbackup_20261121");
    assert_eq!(bed.run("/api/backup", &body).await.status, 200);
    let both = stored();
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    assert!(both[1].0.starts_with("apimbackup_20261121T01"), "{both:?}");
    until(&bed, "2026-11-22T00:00:01Z");
    assert_eq!(bed.run("/api/backup", &body).await.status, 200);
    assert_eq!(stored().last().unwrap().0, "apimbackup_20261122");
}

#[tokio::test]
async fn a_second_backup_of_a_day_that_waits_for_the_first_has_its_own_name() {
    let bed = Bed::start().await;
    let dated = |zone: &str| but(seed("backup"), &json!({ "nameSuffix": "date", "timeZone": zone }));
    let mut links = Vec::new();
    for zone in ["UTC", "Etc/UTC", "Africa/Abidjan"] {
        links.push(bed.open("/api/backup?queue=true", &dated(zone)).await);
        bed.advance(Duration::from_secs(2));
    }
    for link in links {
        assert_eq!(bed.follow(&link).await.status, 200);
    }
    assert_eq!((blobs(&bed).len(), bed.emulator.accepted("backup")), (3, 3), "{:?}", blobs(&bed));
}

#[tokio::test]
async fn two_backups_of_a_day_that_wait_for_a_restore_have_their_own_names() {
    let bed = Bed::start().await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    let mut links = vec![bed.open("/api/restore", &seed("restore")).await];
    for zone in ["UTC", "Etc/UTC"] {
        let body = but(seed("backup"), &json!({ "nameSuffix": "date", "timeZone": zone }));
        links.push(bed.open("/api/backup?queue=true", &body).await);
        bed.advance(Duration::from_secs(2));
    }
    for link in links {
        assert_eq!(bed.follow(&link).await.status, 200);
    }
    assert_eq!((blobs(&bed).len(), bed.emulator.accepted("backup")), (3, 3), "{:?}", blobs(&bed));
}

#[tokio::test]
async fn the_schedule_does_not_overwrite_what_a_request_backed_up_on_its_day() {
    let bed = bed(&[primary()]).await;
    let ended = bed.run("/api/backup", &json!({ "target": "primary", "nameSuffix": "date" })).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let first = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    until(&bed, "2026-11-21T22:00:10Z");
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["primary_20261121", "primary_20261121T220000"]);
    assert_eq!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER)[0], first[0]);
    until(&bed, "2026-11-22T22:00:10Z");
    finish(&bed).await;
    assert_eq!(blobs(&bed).last().unwrap(), "primary_20261122");
}
