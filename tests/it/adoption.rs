//! The catalogue beside what lies in the container: what is adopted, made anew, and verified later.

use std::{fs, time::Duration};

use apim_dr::{
    domain::{BlobRef, Policy, RecoveryPoint, Retention, Secret, ServiceId, standing},
    emulator::accounts,
    workflows::{Adopted, Outcome, Shelf, adopt, rebuild, retire},
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::{
    bed::{Bed, but, seed},
    targets::blobs,
    verification::APP,
};

/// A backup whose blob only the app's own identity may read.
fn without_key(name: &str) -> Value {
    let fields =
        json!({ "backupName": name, "accessKey": null, "accessType": "SystemAssignedManagedIdentity" });
    but(seed("backup"), &fields)
}

/// A minute later than whatever was before; gives the operation's id.
async fn back_up(bed: &Bed, body: &Value) -> String {
    bed.advance(Duration::from_mins(1));
    let ended = bed.run("/api/backup", body).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    ended.json()["id"].as_str().unwrap().to_owned()
}

/// Backs up while the app's identity may read no blob.
async fn back_up_unseen(bed: &Bed, name: &str) {
    let roles = bed.emulator.with_roles(|roles| roles.clone());
    bed.emulator.with_roles(|roles| {
        roles.retain(|role| role.principal != accounts::APPLICATION_PRINCIPAL_ID);
    });
    back_up(bed, &without_key(name)).await;
    bed.emulator.with_roles(|now| *now = roles);
}

/// All recovery points of the primary, oldest first.
async fn points(bed: &Bed) -> Vec<RecoveryPoint> {
    let service = accounts::SERVICE.parse().unwrap();
    let points = bed.app().await.ports().catalog.points(&service, None).await.unwrap();
    assert!(points.unreadable.is_empty(), "{:?}", points.unreadable);
    points.points
}

fn service() -> ServiceId {
    ServiceId {
        subscription: accounts::SUBSCRIPTION_ID.parse().unwrap(),
        resource_group: accounts::RESOURCE_GROUP.parse().unwrap(),
        name: accounts::SERVICE.parse().unwrap(),
    }
}

fn blob(name: &str) -> BlobRef {
    BlobRef {
        account: accounts::STORAGE_ACCOUNT.parse().unwrap(),
        container: accounts::CONTAINER.parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

async fn adopted(bed: &Bed, name: &str) -> Adopted {
    let key = Secret::new(accounts::ACCOUNT_KEY);
    adopt(bed.app().await.ports(), &service(), blob(name), Some(&key)).await.unwrap()
}

/// What retention says by rules that keep the last so many, newest first. It has the app's own right only.
async fn retired(bed: &Bed, last: u32) -> Vec<(String, Outcome)> {
    let rules = Retention { keep_last: Some(last), ..Retention::default() };
    let shelf = Shelf {
        service: &service().name,
        container: &blob("any").place(),
        policy: &Policy { rules, time_zone: TimeZone::UTC },
        access_key: None,
    };
    let points = retire(bed.app().await.ports(), shelf, usize::MAX).await.unwrap().points;
    points.into_iter().map(|(point, outcome)| (point.blob.name.to_string(), outcome)).collect()
}

#[tokio::test]
async fn the_blob_of_a_backup_is_a_recovery_point_already_whether_it_was_seen_or_not() {
    let bed = Bed::with(&APP).await;
    let seen = back_up(&bed, &without_key("seen")).await;
    back_up_unseen(&bed, "unseen").await;
    let before = points(&bed).await;
    assert_eq!(before.iter().map(RecoveryPoint::is_verified).collect::<Vec<_>>(), [true, false]);
    bed.advance(Duration::from_hours(1));
    for (name, known) in ["seen", "unseen"].into_iter().zip(&before) {
        assert_eq!(adopted(&bed, name).await, Adopted::Known(Box::new(known.clone())), "{name}");
    }
    assert_eq!((before[0].id.to_string(), points(&bed).await), (seen, before));
}

#[tokio::test]
async fn while_a_backup_may_be_about_to_write_it_a_blob_is_not_adopted() {
    let bed = Bed::start().await;
    back_up(&bed, &seed("backup")).await;
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "apimbackup", "not ours");
    let link = bed.open("/api/backup", &seed("backup")).await;
    let refused = adopted(&bed, "apimbackup").await;
    assert!(
        matches!(&refused, Adopted::Refused { reason } if reason.contains("may be about to write it")),
        "{refused:?}"
    );
    assert_eq!(bed.follow(&link).await.status, 200);
    let known = adopted(&bed, "apimbackup").await;
    assert!(matches!(&known, Adopted::Known(point) if link.contains(&point.id.to_string())), "{known:?}");
}

#[tokio::test]
async fn a_catalogue_that_was_lost_is_made_anew_and_what_was_adopted_meanwhile_hides_nothing() {
    let bed = Bed::with(&APP).await;
    back_up(&bed, &without_key("b1")).await;
    back_up(&bed, &without_key("b2")).await;
    back_up_unseen(&bed, "b3").await;
    // In place of the first.
    back_up(&bed, &without_key("b1")).await;
    let before = points(&bed).await;
    assert_eq!(before.len(), 4);

    fs::remove_dir_all(bed.records().join("catalog")).unwrap();
    assert_eq!(points(&bed).await, []);
    for name in ["b2", "b3"] {
        let ours = adopted(&bed, name).await;
        assert!(matches!(ours, Adopted::Ours(_)), "{ours:?}");
    }
    for _ in 0..2 {
        let rebuilt = rebuild(bed.app().await.ports()).await.unwrap();
        assert_eq!((rebuilt.points, rebuilt.unreadable.len()), (4, 0));
        let mut made = points(&bed).await;
        assert_eq!(made.len(), 4 + 2);
        assert_eq!(standing(made.clone()), standing(before.clone()));
        made.retain(|point| point.evidence.is_some());
        assert_eq!(made, before);
    }
}

#[tokio::test]
async fn a_recovery_point_that_nobody_could_see_is_verified_by_retention_once_somebody_can() {
    let bed = Bed::with(&APP).await;
    back_up_unseen(&bed, "b1").await;
    back_up_unseen(&bed, "b2").await;
    bed.advance(Duration::from_hours(1));
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "b2", "written an hour later");
    // What this look proves counts from then on, so nothing goes yet by another rule than that of the newest.
    let outcomes = retired(&bed, 5).await;
    assert_eq!(outcomes[0], ("b2".to_owned(), Outcome::Overwritten));
    assert!(matches!(&outcomes[1], (name, Outcome::Kept(_)) if name == "b1"), "{outcomes:?}");
    let verified: Vec<_> = points(&bed).await.iter().map(RecoveryPoint::is_verified).collect();
    assert_eq!(verified, [true, false]);

    // The newest that is verified never goes, but an older one does.
    back_up(&bed, &without_key("b3")).await;
    retired(&bed, 1).await;
    assert_eq!(blobs(&bed), ["b2", "b3"]);
}

#[tokio::test]
async fn without_the_right_nothing_is_verified_and_nothing_goes() {
    let bed = Bed::with(&APP).await;
    back_up_unseen(&bed, "b1").await;
    back_up(&bed, &without_key("b2")).await;
    let roles = bed.emulator.with_roles(std::mem::take);
    assert!(retired(&bed, 1).await.iter().all(|(_, outcome)| *outcome == Outcome::Unseen));
    let verified: Vec<_> = points(&bed).await.iter().map(RecoveryPoint::is_verified).collect();
    assert_eq!((verified, blobs(&bed).len()), (vec![false, true], 2));
    bed.emulator.with_roles(|now| *now = roles);
    retired(&bed, 1).await;
    assert_eq!(blobs(&bed), ["b2"]);
}
