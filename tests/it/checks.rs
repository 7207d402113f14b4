//! The daily looks at the targets, end to end: who tells of what is new, and how often.

use std::{fs, time::Duration};

use apim_dr::emulator::accounts;
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tracing::Level;

use crate::{
    bed::Bed,
    logged::Logged,
    targets::{bed, finish, target, until},
};

/// Two replicas sweep, and the app that is restarted then.
async fn everybody_sweeps(bed: &mut Bed) {
    let replicas = join_all([0, 0].map(|_| bed.replica(SignedDuration::ZERO))).await;
    for swept in join_all(replicas.iter().map(|app| app.sweep(Duration::ZERO))).await {
        swept.unwrap();
    }
    join_all(replicas.iter().map(|app| app.settle())).await;
    for _ in 0..2 {
        bed.restart().await;
        bed.sweep().await;
        bed.settle().await;
    }
}

fn record(bed: &Bed, day: &str) -> Value {
    let path = bed.records().join(format!("checks/primary/{day}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_new_blocker_is_told_once_though_two_replicas_and_a_restart_and_so_is_its_end() {
    let (logged, _logging) = Logged::begin(Level::INFO);
    let mut bed = bed(&[target("primary", &json!({ "schedule": "0 0 22 * * *" }))]).await;
    everybody_sweeps(&mut bed).await;
    assert_eq!(logged.count(&["alarm raised", "blocked."]), 0);
    assert_eq!(record(&bed, "20261121")["findings"], json!([]));

    let tier =
        |tier: &str| bed.emulator.with_service(accounts::SERVICE, |service| service.tier = tier.into());
    tier("StandardV2").unwrap();
    // A day without a sweep lies between.
    until(&bed, "2026-11-23T00:00:10Z");
    everybody_sweeps(&mut bed).await;
    let new = ["ERROR", "alarm raised", "target.name=primary", "alarm.code=blocked.tier.unsupported"];
    let reminded = ["ERROR", "alarm reminded", "alarm.code=blocked.tier.unsupported"];
    assert_eq!(logged.count(&new), 1);
    assert_eq!(record(&bed, "20261123")["findings"][0]["code"], "tier.unsupported");
    until(&bed, "2026-11-24T00:00:10Z");
    everybody_sweeps(&mut bed).await;
    assert_eq!((logged.count(&new), logged.count(&reminded)), (1, 1));

    bed.emulator.with_service(accounts::SERVICE, |service| service.tier = "Developer".into()).unwrap();
    until(&bed, "2026-11-25T00:00:10Z");
    everybody_sweeps(&mut bed).await;
    assert_eq!(logged.count(&["INFO", "alarm resolved", "alarm.code=blocked.tier.unsupported"]), 1);
    assert_eq!((logged.count(&new), logged.count(&reminded)), (1, 1));
}

#[tokio::test]
async fn a_standby_that_a_backup_would_not_restore_into_is_told() {
    let (logged, _logging) = Logged::begin(Level::INFO);
    let mut bed = bed(&[target("primary", &json!({ "standby": accounts::STANDBY }))]).await;
    bed.sweep().await;
    bed.settle().await;
    // Before the first backup there is nothing to restore.
    assert_eq!(record(&bed, "20261121")["standby"]["readiness"]["verdict"], "notReady");
    let told = |what: &str| logged.count(&[what, "alarm.code=standby.not-ready"]);
    assert_eq!((told("alarm raised"), told("alarm resolved")), (1, 0));
    // That there is one now is known without another look at the standby.
    finish(&bed).await;
    bed.settle().await;
    assert_eq!((told("alarm raised"), told("alarm resolved")), (1, 1));
    until(&bed, "2026-11-22T00:00:10Z");
    everybody_sweeps(&mut bed).await;
    assert_ne!(record(&bed, "20261122")["standby"]["readiness"]["verdict"], "notReady");
    assert_eq!((told("alarm raised"), told("alarm resolved")), (1, 1));

    bed.emulator.with_service(accounts::STANDBY, |service| service.tier = "Premium".into()).unwrap();
    until(&bed, "2026-11-23T00:00:10Z");
    everybody_sweeps(&mut bed).await;
    assert_eq!(record(&bed, "20261123")["standby"]["readiness"]["verdict"], "notReady");
    assert_eq!((told("alarm raised"), told("alarm resolved")), (2, 1));
}

#[tokio::test]
async fn a_service_that_cannot_be_read_for_a_moment_is_looked_at_again() {
    use apim_dr::emulator::{Effect, Fault};
    let (logged, _logging) = Logged::begin(Level::INFO);
    let bed = bed(&[target("primary", &json!({ "schedule": "0 0 22 * * *" }))]).await;
    let broken = Effect::Status { status: 400, body: None, headers: std::collections::BTreeMap::new() };
    bed.emulator.inject(Fault::once("GET", "/service/sampleapim?", broken));
    bed.sweep().await;
    bed.settle().await;
    assert!(!bed.records().join("checks").exists());
    bed.sweep().await;
    bed.settle().await;
    assert_eq!(record(&bed, "20261121")["findings"], json!([]));
    assert_eq!(logged.count(&["alarm raised", "blocked."]), 0);
}
