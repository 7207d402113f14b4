//! Several replicas on one journal, with clocks of their own: what is due is done once.

use std::{sync::Arc, time::Duration};

use apim_dr::{
    app::App,
    emulator::{Service, accounts},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{Bed, but, seed};

/// Three replicas: one is right, one is fast, one is slow.
async fn three(bed: &Bed) -> Vec<Arc<App>> {
    let ahead = [0, 5, -5].map(SignedDuration::from_mins);
    join_all(ahead.map(|ahead| bed.replica(ahead))).await
}

/// All of them sweep at the same time.
async fn sweep_all(replicas: &[Arc<App>]) -> usize {
    let sweeps = replicas.iter().map(|app| app.sweep(Duration::ZERO));
    let swept = join_all(sweeps).await.into_iter().map(Result::unwrap);
    swept
        .map(|swept| {
            assert_eq!(swept.failed, 0, "a drive gave up");
            swept.open
        })
        .max()
        .unwrap()
}

/// The sweeps of all, every three minutes, until nothing is open.
async fn finish(bed: &Bed, replicas: &[Arc<App>]) {
    for _ in 0..60 {
        if sweep_all(replicas).await == 0 {
            return;
        }
        bed.advance(Duration::from_mins(3));
    }
    panic!("something stays open");
}

#[tokio::test]
async fn a_hundred_operations_are_each_posted_once_by_three_replicas_with_three_times() {
    const MANY: usize = 100;
    let bed = Bed::start().await;
    for number in 0..MANY {
        let name = format!("apim{number:03}");
        bed.emulator.add_service(Service::new(&name, accounts::LOCATION));
        // Instances that are busy first, so that the sweeps start them all.
        bed.emulator.with_service(&name, |service| service.target_provisioning_state = "Updating".into());
    }
    let opened = (0..MANY).map(|number| {
        let name = format!("apim{number:03}");
        let body = but(seed("backup"), &json!({ "apimInstance": name, "backupName": name }));
        let bed = &bed;
        async move { bed.open("/api/backup", &body).await }
    });
    let links = join_all(opened).await;
    for number in 0..MANY {
        let name = format!("apim{number:03}");
        bed.emulator.with_service(&name, |service| service.target_provisioning_state.clear());
    }
    let replicas = three(&bed).await;
    finish(&bed, &replicas).await;
    assert_eq!((bed.emulator.posts("backup"), bed.emulator.accepted("backup")), (MANY, MANY));
    for link in links {
        let ended = bed.get(&link).await.json();
        assert_eq!((&ended["phase"], &ended["evidence"]), (&json!("Succeeded"), &json!("arm")), "{ended}");
        let story = bed.story(&link);
        assert_eq!(story.iter().filter(|event| *event == "started").count(), 1, "{story:?}");
    }
}

/// An app with these targets of the emulator's two instances.
async fn with_targets(daily: &Value, hourly: &Value) -> Bed {
    let target = |name: &str, instance: &str, fields: &Value| {
        let own = json!({"name": name, "apimInstance": instance, "operation": null, "backupName": name,
            "clientSecret": "env:S", "accessKey": "env:K"});
        but(but(seed("backup"), &own), fields)
    };
    let targets =
        json!([target("daily", accounts::SERVICE, daily), target("hourly", accounts::STANDBY, hourly)]);
    let secrets = [("S", accounts::CLIENT_SECRET), ("K", accounts::ACCOUNT_KEY)];
    let [secret, key] = secrets;
    Bed::with(&[("APIM_DR_TARGETS", &targets.to_string()), secret, key]).await
}

async fn schedules() -> Bed {
    with_targets(&json!({"schedule": "0 0 1 * * *"}), &json!({"schedule": "0 0 * * * *"})).await
}

/// The clock of the test goes to an instant that is still to come.
fn until(bed: &Bed, at: Timestamp) {
    bed.advance(at.duration_since(bed.now()).try_into().unwrap());
}

fn blobs(bed: &Bed) -> Vec<String> {
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    blobs.into_iter().map(|(name, ..)| name).collect()
}

/// The newest operations of an app, newest first.
async fn newest(app: &App, count: usize) -> Vec<apim_dr::domain::Operation> {
    let journal = &app.ports().journal;
    let ids = journal.operations(count).await.unwrap();
    join_all(ids.into_iter().map(|id| async move { journal.last(id).await.unwrap().unwrap().operation }))
        .await
}

#[tokio::test]
async fn timers_of_two_replicas_that_fire_at_once_open_a_slot_once() {
    // The fires are a moment early, or late.
    for off in [-20, 0, 30_000] {
        let bed = schedules().await;
        let replicas = join_all([0, 0].map(|_| bed.replica(SignedDuration::ZERO))).await;
        finish(&bed, &replicas).await;
        let instant: Timestamp = "2026-11-22T01:00:00Z".parse().unwrap();
        until(&bed, instant + SignedDuration::from_millis(off));
        let fired = join_all(replicas.iter().map(|app| app.fire(Some(instant)))).await;
        let mut opened = Vec::new();
        for due in fired.into_iter().flatten() {
            due.opened.unwrap();
            opened.push(due.target.to_string());
        }
        opened.sort();
        assert_eq!(opened, ["daily", "hourly"], "one replica opened each");
        join_all(replicas.iter().map(|app| app.settle())).await;
        finish(&bed, &replicas).await;
        assert_eq!(bed.emulator.posts("backup"), 4);
        let expected =
            ["daily_20261121", "daily_20261122", "hourly_20261121T010000", "hourly_20261122T010000"];
        assert_eq!(blobs(&bed), expected);
    }
}

#[tokio::test]
async fn a_host_that_slept_for_three_days_opens_the_latest_instant_of_each_target_once() {
    let bed = schedules().await;
    let replicas = three(&bed).await;
    // The first is the one with the right time.
    finish(&bed, &replicas[..1]).await;
    assert_eq!(bed.emulator.posts("backup"), 2);
    let wakes: Timestamp = "2026-11-24T18:25:00Z".parse().unwrap();
    until(&bed, wakes);
    // It is the sweep that makes up for fires that were lost; then the timer says it again.
    sweep_all(&replicas).await;
    join_all(replicas.iter().map(|app| app.fire(None))).await;
    join_all(replicas.iter().map(|app| app.settle())).await;
    finish(&bed, &replicas).await;
    assert_eq!(bed.emulator.posts("backup"), 4);
    let expected = ["daily_20261121", "daily_20261124", "hourly_20261121T010000", "hourly_20261124T180000"];
    assert_eq!(blobs(&bed), expected);
    // The names say which instant each is of, the story when it was opened.
    let mut late = newest(&replicas[0], 2).await;
    late.sort_by_key(|operation| operation.plan.blob.to_string());
    let told: Vec<_> =
        late.iter().map(|operation| (operation.plan.blob.name.as_str(), operation.phase.as_str())).collect();
    assert_eq!(told, [("daily_20261124", "Succeeded"), ("hourly_20261124T180000", "Succeeded")]);
    // By the clock of whoever opened it.
    let earliest = wakes - SignedDuration::from_mins(5);
    assert!(late.iter().all(|operation| operation.opened >= earliest), "{late:#?}");
}
