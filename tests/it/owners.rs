//! Two instances whose backups have one name in one container: nobody can tell whose the blob is, so nobody calls it
//! verified or deletes it.

use std::time::Duration;

use apim_dr::{
    domain::{CallbackHosts, Kind, Plan, Policy, Retention, Secret},
    emulator::{Effect, Fault, accounts},
    payload::{self, StartPolicy},
    workflows::{Outcome, Shelf, retire},
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::{
    bed::{Answer, Bed, but, seed},
    targets::blobs,
};

const SHARED: &str = "shared";

fn body(instance: &str, name: &str) -> Value {
    but(seed("backup"), &json!({ "apimInstance": instance, "backupName": name }))
}

/// A minute later than whatever was before.
async fn back_up(bed: &Bed, instance: &str, name: &str) -> Answer {
    bed.advance(Duration::from_mins(1));
    bed.run("/api/backup", &body(instance, name)).await
}

/// What became of each recovery point of an instance, oldest first, when all but the last were to go.
pub(crate) async fn retired(bed: &Bed, instance: &str) -> Vec<(String, Outcome)> {
    let text = body(instance, SHARED).to_string();
    let parsed = payload::parse(Kind::Backup, text.as_bytes(), &StartPolicy::default(), &[]);
    let Plan { service, blob, .. } =
        parsed.unwrap().payload.into_order(&CallbackHosts::default()).unwrap().plan;
    let rules = Retention { keep_last: Some(1), ..Retention::default() };
    let shelf = Shelf {
        service: &service.name,
        container: &blob.place(),
        policy: &Policy { rules, time_zone: TimeZone::UTC },
        access_key: Some(&Secret::new(accounts::ACCOUNT_KEY)),
    };
    let mut points = retire(bed.app().await.ports(), shelf, usize::MAX).await.unwrap().points;
    points.reverse();
    points.into_iter().map(|(point, outcome)| (point.blob.name.to_string(), outcome)).collect()
}

fn shared_with(instance: &str) -> Outcome {
    Outcome::Shared { with: instance.parse().unwrap() }
}

#[tokio::test]
async fn a_backup_over_that_of_another_instance_is_unverified_and_neither_is_deleted() {
    let bed = Bed::start().await;
    let first = back_up(&bed, accounts::SERVICE, SHARED).await;
    assert_eq!(first.json()["verification"]["result"], "verified", "{first:?}");
    let second = back_up(&bed, accounts::STANDBY, SHARED).await;
    let verification = &second.json()["verification"];
    assert_eq!((second.status.as_u16(), &verification["result"]), (200, &json!("unverified")), "{second:?}");
    let reason = verification["reason"].as_str().unwrap();
    assert!(reason.starts_with("sampleapim has backups under this name, too"), "{reason}");

    for (instance, name) in [(accounts::SERVICE, "b2"), (accounts::STANDBY, "s2")] {
        let newer = back_up(&bed, instance, name).await;
        assert_eq!(newer.json()["verification"]["result"], "verified", "{newer:?}");
    }
    assert_eq!(retired(&bed, accounts::SERVICE).await[0], (SHARED.to_owned(), Outcome::Overwritten));
    assert_eq!(
        retired(&bed, accounts::STANDBY).await[0],
        (SHARED.to_owned(), shared_with(accounts::SERVICE))
    );
    assert_eq!(blobs(&bed), ["b2", "s2", SHARED]);
}

#[tokio::test]
async fn a_blob_that_another_instance_may_have_written_stays_though_its_backup_failed() {
    let bed = Bed::start().await;
    for name in [SHARED, "b2"] {
        assert_eq!(back_up(&bed, accounts::SERVICE, name).await.status, 200);
    }
    let failing = Effect::FailOperation {
        after_polls: 1,
        status: 400,
        code: "BackupFailed".into(),
        message: "scripted".into(),
    };
    bed.emulator.inject(Fault::once("POST", "/backup?", failing));
    assert_eq!(back_up(&bed, accounts::STANDBY, SHARED).await.status, 424);
    assert_eq!(
        retired(&bed, accounts::SERVICE).await[0],
        (SHARED.to_owned(), shared_with(accounts::STANDBY))
    );
    assert_eq!(blobs(&bed), ["b2", SHARED]);
    // The next one under this name cannot be told from theirs, either.
    let next = back_up(&bed, accounts::SERVICE, SHARED).await;
    assert_eq!(next.json()["verification"]["result"], "unverified", "{next:?}");
}
