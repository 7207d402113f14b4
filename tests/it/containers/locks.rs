//! What is locked: no delete takes it, and the reason is told.

use apim_dr::{
    emulator::{Lock, accounts},
    ports::Deletion,
};
use jiff::SignedDuration;
use reqwest::Method;

use super::{CONTENT, azurite, by_key, emulator};

#[tokio::test]
async fn what_is_locked_stays_and_says_by_what() {
    let emulator = emulator().await;
    let place = by_key(&emulator);
    let now = emulator.clock().now();
    let soon = now + SignedDuration::from_hours(1);
    for (lock, reason, shown) in [
        (Lock::LegalHold, "a legal hold", true),
        (Lock::Policy { until: soon }, "an immutability policy", true),
        (Lock::Lease, "a lease", true),
        (Lock::Snapshots, "snapshots of it", false),
    ] {
        place.put("apimbackup", CONTENT).await;
        assert!(emulator.lock_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "apimbackup", lock));
        let seen = place.seen("apimbackup").await;
        let locked = seen.locked.as_deref();
        assert!(locked.is_some_and(|locked| locked.starts_with(reason)) == shown, "{reason}: {locked:?}");
        let kept = Deletion::Locked { reason: reason.to_owned() };
        assert_eq!(place.delete("apimbackup", &seen).await, kept);
        assert_eq!(place.seen("apimbackup").await, seen, "{reason}");
        emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "apimbackup");
    }
    place.put("apimbackup", CONTENT).await;
    let over = Lock::Policy { until: now - SignedDuration::from_hours(1) };
    assert!(emulator.lock_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "apimbackup", over));
    let seen = place.seen("apimbackup").await;
    assert_eq!(seen.locked, None);
    assert_eq!(place.delete("apimbackup", &seen).await, Deletion::Deleted);
}

#[tokio::test]
async fn a_lease_or_a_snapshot_keeps_a_blob_in_azurite_too() {
    let Some(place) = azurite() else { return };
    let lease = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")];
    for (query, headers, reason, shown) in [
        ("comp=lease&", &lease[..], "a lease", Some("a lease".to_owned())),
        ("comp=snapshot&", &[], "snapshots of it", None),
    ] {
        let name = reason.replace(' ', "-");
        place.put(&name, CONTENT).await;
        place.send(Method::PUT, &name, query, headers, String::new()).await;
        let seen = place.seen(&name).await;
        assert_eq!(seen.locked, shown, "{reason}");
        let kept = Deletion::Locked { reason: reason.to_owned() };
        assert_eq!(place.delete(&name, &seen).await, kept);
        assert_eq!(place.seen(&name).await, seen, "{reason}");
    }
}
