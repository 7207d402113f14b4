//! Retention end to end: what goes after a backup that was verified, and everything that keeps a blob from going.

use std::time::Duration;

use apim_dr::{
    domain::{ContainerRef, OperationId, Policy, RecoveryPoint, Retention, Secret, standing},
    emulator::{Config, Effect, Fault, Lock, accounts},
    workflows::{Outcome, Shelf, plan_retirement, request_cancel},
};
use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};

use crate::{
    azurite::{ACCOUNT, Container},
    bed::{Answer, Bed, but, seed},
    targets::{bed, blobs, finish, target, until},
    verification::APP,
};

/// A backup under this name, after which only so many stay.
fn keeping(last: u32, name: &str) -> Value {
    but(seed("backup"), &json!({ "backupName": name, "retention": { "keepLast": last } }))
}

/// A backup under this name, after which everything stays.
fn plain(name: &str) -> Value {
    but(seed("backup"), &json!({ "backupName": name }))
}

/// A minute later than whatever was before.
async fn back_up(bed: &Bed, body: &Value) -> Answer {
    bed.advance(Duration::from_mins(1));
    let ended = bed.run("/api/backup", body).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    ended
}

async fn back_up_all(bed: &Bed, bodies: &[Value]) {
    for body in bodies {
        back_up(bed, body).await;
    }
}

/// The recovery points of the primary that stand, oldest first.
async fn points(bed: &Bed) -> Vec<RecoveryPoint> {
    let service = accounts::SERVICE.parse().unwrap();
    let points = bed.app().await.ports().catalog.points(&service, None).await.unwrap();
    assert!(points.unreadable.is_empty(), "{:?}", points.unreadable);
    let mut standing = standing(points.points);
    standing.reverse();
    standing
}

async fn names(bed: &Bed) -> Vec<String> {
    points(bed).await.iter().map(|point| point.blob.name.to_string()).collect()
}

/// What a plan that keeps the last so many says of each recovery point, oldest first. It changes nothing.
async fn planned(bed: &Bed, last: u32) -> Vec<(String, Outcome)> {
    let before = (blobs(bed), names(bed).await);
    let container = ContainerRef {
        account: accounts::STORAGE_ACCOUNT.parse().unwrap(),
        container: accounts::CONTAINER.parse().unwrap(),
    };
    let rules = Retention { keep_last: Some(last), ..Retention::default() };
    let shelf = Shelf {
        service: &accounts::SERVICE.parse().unwrap(),
        container: &container,
        policy: &Policy { rules, time_zone: TimeZone::UTC },
        access_key: Some(&Secret::new(accounts::ACCOUNT_KEY)),
    };
    let plan = plan_retirement(bed.app().await.ports(), shelf).await.unwrap();
    assert_eq!(before, (blobs(bed), names(bed).await), "a plan changes nothing");
    let mut points = plan.points;
    points.reverse();
    points.into_iter().map(|(point, outcome)| (point.blob.name.to_string(), outcome)).collect()
}

/// The operation that a link is about.
fn id(link: &str) -> OperationId {
    link.split(['/', '?']).find_map(|part| part.parse().ok()).unwrap()
}

/// What is left until so many hours after an instant.
fn until_hours(bed: &Bed, from: Timestamp, hours: i64) -> Duration {
    (from + SignedDuration::from_hours(hours)).duration_since(bed.now()).try_into().unwrap()
}

#[tokio::test]
async fn of_five_backups_the_last_two_stay_as_blobs_and_as_recovery_points() {
    let bed = Bed::start().await;
    for (number, stay) in [(1, 1..=1), (2, 1..=2), (3, 2..=3), (4, 3..=4), (5, 4..=5)] {
        back_up(&bed, &keeping(2, &format!("b{number}"))).await;
        let stay: Vec<_> = stay.map(|number| format!("b{number}")).collect();
        assert_eq!((blobs(&bed), names(&bed).await), (stay.clone(), stay));
    }
    assert!(points(&bed).await.iter().all(RecoveryPoint::is_verified));
}

#[tokio::test]
async fn of_five_days_of_a_schedule_the_last_two_stay() {
    let bed = bed(&[target("primary", &json!({ "retention": { "keepLast": 2 } }))]).await;
    for day in 21..=25 {
        until(&bed, &format!("2026-11-{day}T01:00:10Z"));
        finish(&bed).await;
    }
    let stay = ["primary_20261124".to_owned(), "primary_20261125".to_owned()];
    assert_eq!((blobs(&bed), names(&bed).await), (stay.to_vec(), stay.to_vec()));
    assert_eq!(bed.emulator.accepted("backup"), 5);
}

#[tokio::test]
async fn an_operation_that_failed_or_is_unverified_removes_nothing() {
    let bed = Bed::start().await;
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    let failing = Effect::FailOperation {
        after_polls: 1,
        status: 400,
        code: "BackupFailed".into(),
        message: "scripted".into(),
    };
    for effect in [failing, Effect::NoBlob, Effect::PartialBlob] {
        bed.emulator.inject(Fault::once("POST", "/backup?", effect));
        assert_eq!(bed.run("/api/backup", &keeping(1, "b3")).await.status, 424);
        assert_eq!(names(&bed).await, ["b1", "b2"]);
        assert_eq!(blobs(&bed)[..2], ["b1", "b2"]);
    }
    bed.emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "b3");
    let headers = [("x-ms-error-code".to_owned(), "AuthorizationFailure".to_owned())].into();
    let unread = Effect::Status { status: 403, body: None, headers };
    bed.emulator.inject(Fault { times: u32::MAX, ..Fault::once("HEAD", "/blob/", unread) });
    let unverified = back_up(&bed, &keeping(1, "b4")).await;
    assert_eq!(unverified.json()["verification"]["result"], "unverified");
    bed.emulator.clear_faults();
    assert_eq!(blobs(&bed), ["b1", "b2", "b4"]);
    back_up(&bed, &keeping(1, "b5")).await;
    assert_eq!(blobs(&bed), ["b5"]);
}

#[tokio::test]
async fn a_blob_that_somebody_locked_is_kept_until_the_lock_is_gone() {
    for (lock, planned_as) in [
        (Lock::LegalHold, Some("a legal hold")),
        (Lock::Policy { until: "2027-01-01T00:00:00Z".parse().unwrap() }, Some("an immutability policy")),
        (Lock::Lease, Some("a lease")),
        // No look tells of snapshots.
        (Lock::Snapshots, None),
    ] {
        let bed = Bed::start().await;
        back_up_all(&bed, &[plain("b1"), plain("b2"), plain("b3")]).await;
        bed.emulator.lock_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "b1", lock.clone());
        let plan = planned(&bed, 1).await;
        match (&plan[0].1, planned_as) {
            (Outcome::KeptByLock { reason }, Some(says)) => assert!(reason.contains(says), "{reason}"),
            (outcome, says) => assert_eq!((outcome, says), (&Outcome::ToGo, None), "{lock:?}"),
        }
        assert_eq!(plan[1], ("b2".to_owned(), Outcome::ToGo));
        assert!(matches!(plan[2].1, Outcome::Kept(_)), "{plan:?}");

        back_up(&bed, &keeping(1, "b4")).await;
        assert_eq!(
            (blobs(&bed), names(&bed).await),
            (["b1", "b4"].map(str::to_owned).to_vec(), vec!["b1".to_owned(), "b4".to_owned()])
        );
        bed.emulator
            .with_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "b1", |blob| blob.locks.clear());
        back_up(&bed, &keeping(1, "b5")).await;
        assert_eq!(blobs(&bed), ["b5"], "{lock:?}");
    }
}

#[tokio::test]
async fn blobs_of_others_and_those_that_others_overwrote_stay() {
    let bed = Bed::start().await;
    let put = |name: &str| {
        bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "not ours");
    };
    put("apimbackup_20261101");
    put("notes.txt");
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    put("b1");
    assert_eq!(planned(&bed, 1).await[0], ("b1".to_owned(), Outcome::Overwritten));
    // One of another service, in the same container.
    back_up(&bed, &but(plain("standby"), &json!({ "apimInstance": accounts::STANDBY }))).await;
    back_up(&bed, &keeping(1, "b3")).await;
    assert_eq!(blobs(&bed), ["apimbackup_20261101", "b1", "b3", "notes.txt", "standby"]);
}

#[tokio::test]
async fn a_blob_that_is_overwritten_between_the_look_and_the_deletion_stays() {
    let bed = Bed::start().await;
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    bed.emulator.inject(Fault::once("DELETE", "/backup/b1", Effect::Slow { millis: 500, processed: false }));
    let overwrite = async {
        while !bed
            .emulator
            .requests()
            .iter()
            .any(|request| request.path.ends_with("/backup/b1") && request.method == "DELETE")
        {
            tokio::task::yield_now().await;
        }
        bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "b1", "not ours");
    };
    let body = keeping(1, "b3");
    tokio::join!(back_up(&bed, &body), overwrite);
    assert_eq!(blobs(&bed), ["b1", "b3"]);
    assert_eq!(names(&bed).await, ["b1", "b3"]);
}

#[tokio::test]
async fn from_a_container_that_cannot_be_listed_nothing_goes() {
    let bed = Bed::start().await;
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    let refused = Effect::Status { status: 403, body: None, headers: std::collections::BTreeMap::new() };
    bed.emulator.inject(Fault { times: u32::MAX, ..Fault::once("GET", "comp=list", refused) });
    back_up(&bed, &keeping(1, "b3")).await;
    assert!(planned(&bed, 1).await.iter().all(|(_, outcome)| *outcome == Outcome::Unseen));
    bed.emulator.clear_faults();
    assert_eq!((blobs(&bed).len(), names(&bed).await.len()), (3, 3));
    back_up(&bed, &keeping(1, "b4")).await;
    assert_eq!(blobs(&bed), ["b4"]);
}

#[tokio::test]
async fn while_a_restore_is_open_its_container_stays_as_it_is() {
    let bed = Bed::start().await;
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    let backup = bed.open("/api/backup", &keeping(1, "b3")).await;
    bed.sweep_for(Duration::from_mins(5)).await;
    let restore = json!({ "apimInstance": accounts::STANDBY, "backupName": "b1" });
    let restore = bed.open("/api/restore", &but(seed("restore"), &restore)).await;
    assert_eq!(bed.follow(&backup).await.status, 200);
    assert_eq!(bed.get(&restore).await.status, 202, "the restore still runs");
    assert_eq!((blobs(&bed).len(), names(&bed).await.len()), (3, 3));
    assert_eq!(bed.follow(&restore).await.status, 200);
    back_up(&bed, &keeping(1, "b4")).await;
    assert_eq!((blobs(&bed), names(&bed).await), (vec!["b4".to_owned()], vec!["b4".to_owned()]));
}

#[tokio::test]
async fn after_a_restore_was_cancelled_its_container_stays_for_a_day_since_azure_may_go_on_with_it() {
    let bed = Bed::start().await;
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    let restore = json!({ "apimInstance": accounts::STANDBY, "backupName": "b1" });
    let link = bed.open("/api/restore", &but(seed("restore"), &restore)).await;
    assert_eq!(bed.get(&link).await.json()["phase"], "Running");
    request_cancel(bed.app().await.ports(), id(&link)).await.unwrap();
    bed.sweep().await;
    assert_eq!(bed.get(&link).await.json()["phase"], "Canceled");
    let cancelled = bed.now();

    back_up(&bed, &keeping(1, "b3")).await;
    assert_eq!((blobs(&bed).len(), names(&bed).await.len()), (3, 3));
    bed.advance(until_hours(&bed, cancelled, 23));
    back_up(&bed, &keeping(1, "b4")).await;
    assert_eq!((blobs(&bed).len(), names(&bed).await.len()), (4, 4));
    bed.advance(until_hours(&bed, cancelled, 24));
    back_up(&bed, &keeping(1, "b5")).await;
    assert_eq!((blobs(&bed), names(&bed).await), (vec!["b5".to_owned()], vec!["b5".to_owned()]));
}

#[tokio::test]
async fn a_restore_that_was_cancelled_before_it_began_keeps_nothing() {
    let bed = Bed::start().await;
    back_up_all(&bed, &[plain("b1"), plain("b2")]).await;
    bed.emulator.with_service(accounts::STANDBY, |it| it.target_provisioning_state = "Updating".into());
    let restore = json!({ "apimInstance": accounts::STANDBY, "backupName": "b1" });
    let link = bed.open("/api/restore", &but(seed("restore"), &restore)).await;
    request_cancel(bed.app().await.ports(), id(&link)).await.unwrap();
    bed.sweep().await;
    assert_eq!(bed.get(&link).await.json()["phase"], "Canceled");
    back_up(&bed, &keeping(1, "b3")).await;
    assert_eq!(blobs(&bed), ["b3"]);
}

#[tokio::test]
async fn whoever_follows_what_ended_long_ago_does_not_repeat_its_retention() {
    // Everything by its own identity: it could, with no secret of anybody's.
    let bed = Bed::with(&APP).await;
    let own = json!({ "applicationId": null, "clientSecret": null, "tenantId": null, "accessKey": null,
        "accessType": "SystemAssignedManagedIdentity" });
    let old = but(keeping(1, "b1"), &own).to_string();
    let post = || async {
        let request = bed.client.post(format!("{}/api/backup", bed.url)).body(old.clone());
        let answer = Answer::of(request.header("idempotency-key", "k").send().await.unwrap()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        bed.settle().await;
        answer.header("location")
    };
    let link = post().await;
    assert_eq!(bed.follow(&link).await.status, 200);
    back_up_all(&bed, &[plain("b2"), plain("b3")]).await;
    assert_eq!(post().await, link);
    let driver = &bed.app().await.driver;
    let step = driver.drive(id(&link), Timestamp::MAX, |_| ()).await.unwrap().unwrap();
    assert!(step.operation.phase.is_closed() && step.operation.plan.retention.is_some());
    bed.sweep().await;
    assert_eq!((blobs(&bed).len(), names(&bed).await.len()), (3, 3));
}

#[tokio::test]
async fn a_body_brings_no_other_rules_for_the_recovery_points_of_a_target() {
    let with = |name: &str, fields: &Value| target(name, &but(json!({ "schedule": "0 0 22 * * *" }), fields));
    let bed = bed(&[
        with("primary", &json!({ "retention": { "keepLast": 2 } })),
        with("standby", &json!({ "apimInstance": accounts::STANDBY })),
    ])
    .await;
    let of_standby = json!({ "apimInstance": accounts::STANDBY });
    for (body, target) in [
        (keeping(1, "b1"), "primary"),
        (but(keeping(1, "b1"), &json!({ "apimInstance": "SampleAPIM" })), "primary"),
        (json!({ "target": "primary", "backupName": "b1", "retention": { "keepLast": 3 } }), "primary"),
        // This one keeps all.
        (but(keeping(1, "b1"), &of_standby), "standby"),
    ] {
        let answer = bed.post("/api/backup", &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let says = format!("not that of the target {target}, which has these recovery points");
        assert!(answer.text.contains("retention") && answer.text.contains(&says), "{answer:?}");
    }
    bed.settle().await;
    assert_eq!(bed.emulator.posts("backup"), 0);
    for body in [keeping(2, "b1"), but(plain("s1"), &of_standby)] {
        back_up(&bed, &body).await;
    }
    let elsewhere = but(keeping(1, "b2"), &json!({ "containerName": "elsewhere" }));
    let answer = bed.post("/api/backup", &elsewhere).await;
    assert_eq!(answer.status, 202, "in another container they are others: {answer:?}");
    bed.settle().await;
}

#[tokio::test]
async fn a_targets_policy_holds_for_whoever_names_the_target() {
    let fields = json!({ "schedule": "0 0 22 * * *", "retention": { "keepLast": 1 } });
    let bed = bed(&[target("primary", &fields)]).await;
    let named = |name: &str| json!({ "target": "primary", "backupName": name });
    back_up(&bed, &named("b1")).await;
    // It is about the target's own backups.
    for name in ["s1", "s2"] {
        back_up(&bed, &but(named(name), &json!({ "apimInstance": accounts::STANDBY }))).await;
    }
    assert_eq!(blobs(&bed), ["b1", "s1", "s2"]);
    back_up(&bed, &named("b2")).await;
    assert_eq!(blobs(&bed), ["b2", "s1", "s2"]);
}

#[tokio::test]
async fn on_azurite_too_the_last_two_stay() {
    let Some(container) = Container::create() else { return };
    let blob_endpoint = Some(container.endpoint.replace(ACCOUNT, "{account}"));
    let bed = Bed::on(Config { blob_endpoint, ..Config::default() }, &[]).await;
    let place =
        json!({ "storageAccount": ACCOUNT, "accessKey": container.key, "containerName": container.name });
    container.store().put(&"foreign/one".into(), "not ours".into()).await.unwrap();
    for number in 1..=5 {
        let ended = back_up(&bed, &but(keeping(2, &format!("b {number}/ü")), &place)).await;
        assert_eq!(ended.json()["verification"]["result"], "verified", "{ended:?}");
    }
    let stored: Vec<_> = container.store().list(None).try_collect().await.unwrap();
    let stored: Vec<_> = stored.iter().map(|blob| blob.location.as_ref()).collect();
    assert_eq!(stored, ["b 4/ü", "b 5/ü", "foreign/one"]);
    assert_eq!(names(&bed).await, ["b 4/ü", "b 5/ü"]);
}
