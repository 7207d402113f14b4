//! Which blob is meant: the recovery point that a restore leaves to the catalogue, and the name of a new backup on a
//! day that has one.

use std::time::Duration;

use apim_dr::emulator::{Effect, Fault, accounts};
use serde_json::{Value, json};

use crate::{
    bed::{Answer, Bed, but, put_backup, seed},
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
        assert!(answer.text.contains("Nothing was started"), "{body}: {answer:?}");
    }
    bed.settle().await;
    assert_eq!(bed.emulator.posts("restore"), 0);
}

#[tokio::test]
async fn a_recovery_point_whose_blob_is_gone_or_overwritten_is_not_chosen() {
    let bed = bed(&[primary()]).await;
    for name in ["first", "second", "third"] {
        back_up(&bed, name).await;
    }
    let latest = json!({ "target": "primary", "backup": "latest" });
    bed.emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "third");
    assert_eq!(restored(&bed, &latest).await, "second");
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "second", "not ours");
    for choice in ["latest", "latest-verified"] {
        assert_eq!(restored(&bed, &but(latest.clone(), &json!({ "backup": choice }))).await, "first");
    }
    bed.emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "first");
    let into_standby = json!({ "apimInstance": accounts::STANDBY, "operation": "restore" });
    let answer = bed.post("/api/restore", &but(into_standby, &latest)).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert!(answer.text.contains("that is still there"), "{answer:?}");
    assert_eq!(bed.emulator.posts("restore"), 3);
}

#[tokio::test]
async fn a_blob_that_is_overwritten_after_it_was_chosen_is_not_restored() {
    let bed = bed(&[primary()]).await;
    back_up(&bed, "first").await;
    let goes_to = |state: &str| {
        bed.emulator.with_service(accounts::STANDBY, |it| it.target_provisioning_state = state.into());
    };
    goes_to("Updating");
    let fields = json!({ "target": "primary", "apimInstance": accounts::STANDBY, "operation": "restore" });
    let chosen = bed.open("/api/restore", &but(fields, &json!({ "backup": "latest" }))).await;
    // Another backup, of something else, and as good as the first.
    back_up(&bed, "first").await;
    assert_eq!(bed.get(&chosen).await.status, 202);
    goes_to("");
    let ended = bed.follow(&chosen).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    let error = &ended.json()["failure"]["error"];
    let says = "apimdrstorage/backup/first was overwritten since this restore chose it";
    assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    assert_eq!(bed.emulator.posts("restore"), 0);
    for again in [json!({ "backup": "latest" }), json!({ "backupName": "first" })] {
        assert_eq!(restored(&bed, &but(again, &json!({ "target": "primary" }))).await, "first");
    }
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

/// Opens a dated backup that waits for its turn, and is one with no other.
async fn queue(bed: &Bed, key: &str) -> String {
    let body = but(seed("backup"), &json!({ "nameSuffix": "date" })).to_string();
    let request = bed.client.post(format!("{}/api/backup?queue=true", bed.url)).body(body);
    let answer = Answer::of(request.header("idempotency-key", key).send().await.unwrap()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    bed.settle().await;
    bed.advance(Duration::from_secs(2));
    answer.header("location")
}

#[tokio::test]
async fn backups_of_a_day_that_wait_for_their_turn_have_names_of_their_own() {
    for first in ["backup", "restore"] {
        let bed = Bed::start().await;
        if first == "restore" {
            put_backup(&bed);
        }
        let mut links = vec![bed.open(&format!("/api/{first}"), &seed(first)).await];
        for key in ["one", "another", "a third"] {
            links.push(queue(&bed, key).await);
        }
        for link in links {
            let ended = bed.follow(&link).await;
            assert_eq!(ended.status, 200, "{ended:?}");
        }
        assert_eq!(blobs(&bed).len(), 4, "behind a {first}: {:?}", blobs(&bed));
    }
}

#[tokio::test]
async fn a_slot_that_waits_for_a_restore_has_another_name_than_a_request_that_does() {
    let bed = bed(&[target("primary", &json!({ "schedule": "0 0 22 * * *" }))]).await;
    put_backup(&bed);
    // From then on the target is known, and opens what comes.
    bed.sweep().await;
    until(&bed, "2026-11-21T21:59:00Z");
    let restore = bed.open("/api/restore", &seed("restore")).await;
    let dated = json!({ "target": "primary", "nameSuffix": "date" });
    let request = bed.open("/api/backup?queue=true", &dated).await;
    until(&bed, "2026-11-21T22:00:10Z");
    for link in [restore, request] {
        assert_eq!(bed.follow(&link).await.status, 200);
    }
    finish(&bed).await;
    let expected = ["apimbackup", "primary_20261121T215900", "primary_20261121T220000"];
    assert_eq!((blobs(&bed), bed.emulator.accepted("backup")), (expected.map(str::to_owned).to_vec(), 2));
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
