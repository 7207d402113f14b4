//! Targets and their schedule, end to end: what the timer and the sweep open, and what they do not open twice.

use std::{fs, time::Duration};

use apim_dr::emulator::accounts;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    bed::{Answer, Bed, but, everything_in, seed},
    process::Place,
};

const SECRETS: [(&str, &str); 2] =
    [("PRIMARY_SECRET", accounts::CLIENT_SECRET), ("PRIMARY_KEY", accounts::ACCOUNT_KEY)];

/// A target of the emulator's primary, with its secrets by reference.
pub(crate) fn target(name: &str, fields: &Value) -> Value {
    let own = json!({ "name": name, "operation": null, "backupName": name, "clientSecret": "env:PRIMARY_SECRET",
        "accessKey": "env:PRIMARY_KEY" });
    but(but(seed("backup"), &own), fields)
}

pub(crate) async fn bed(targets: &[Value]) -> Bed {
    let targets = Value::from(targets).to_string();
    let [secret, key] = SECRETS;
    Bed::with(&[("APIM_DR_TARGETS", &targets), secret, key]).await
}

fn with_secrets(place: &mut Place) {
    for (name, value) in SECRETS {
        place.set(name, value);
    }
}

/// What the host sends when the schedule fires.
async fn fire(bed: &Bed, status: Value) -> Answer {
    let timer = json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": status, "IsPastDue": false });
    bed.post("/timer-trigger", &json!({ "Data": { "timer": timer }, "Metadata": {} })).await
}

fn next(instant: &str) -> Value {
    json!({ "Last": "2026-11-20T01:00:00.0039+00:00", "Next": instant, "LastUpdated": "2026-11-20T01:00:00+00:00" })
}

pub(crate) fn said(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["Logs"][0].as_str().unwrap().to_owned()
}

/// The clock of the test goes to an instant that is still to come.
pub(crate) fn until(bed: &Bed, instant: &str) {
    let at: Timestamp = instant.parse().unwrap();
    bed.advance(at.duration_since(bed.emulator.clock().now()).try_into().unwrap());
}

/// Sweeps until nothing is open.
pub(crate) async fn finish(bed: &Bed) {
    for _ in 0..120 {
        if said(&bed.sweep().await) == "nothing to do" {
            return;
        }
        bed.advance(Duration::from_mins(1));
    }
    panic!("something stays open");
}

pub(crate) fn blobs(bed: &Bed) -> Vec<String> {
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    blobs.into_iter().map(|(name, ..)| name).collect()
}

#[tokio::test]
async fn a_fire_opens_each_targets_slot_once_and_the_blob_has_the_day() {
    let bed = bed(&[target("primary", &json!({}))]).await;
    assert_eq!(said(&fire(&bed, next("2026-11-21T01:00:00+00:00")).await), "opened: primary");
    // The host says it again, somebody runs it by hand, and the sweep comes by.
    for status in [next("2026-11-21T01:00:00+00:00"), next("2026-11-22T01:00:00+00:00"), Value::Null] {
        assert!(said(&fire(&bed, status).await).starts_with("nothing to do"));
    }
    finish(&bed).await;
    assert_eq!((bed.emulator.posts("backup"), blobs(&bed)), (1, vec!["primary_20261121".to_owned()]));
    let records = everything_in(bed.records());
    assert!(!records.contains(accounts::CLIENT_SECRET) && !records.contains(accounts::ACCOUNT_KEY));
}

#[tokio::test]
async fn a_slot_is_opened_once_whoever_restarts() {
    let mut bed = bed(&[target("primary", &json!({}))]).await;
    fire(&bed, next("2026-11-21T01:00:00+00:00")).await;
    for _ in 0..3 {
        bed.restart().await;
        assert!(said(&fire(&bed, next("2026-11-21T01:00:00+00:00")).await).starts_with("nothing to do"));
        finish(&bed).await;
    }
    assert_eq!(bed.emulator.posts("backup"), 1);
}

#[tokio::test]
async fn a_fire_that_comes_early_opens_the_slot_that_it_means() {
    let bed = bed(&[target("primary", &json!({}))]).await;
    assert_eq!(said(&bed.sweep().await), "1 open, 0 ended, 0 cannot go on");
    finish(&bed).await;
    until(&bed, "2026-11-22T00:59:59.992Z");
    assert_eq!(said(&fire(&bed, next("2026-11-22T01:00:00+00:00")).await), "opened: primary");
    bed.advance(Duration::from_millis(20));
    assert!(said(&fire(&bed, next("2026-11-22T01:00:00+00:00")).await).starts_with("nothing to do"));
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["primary_20261121", "primary_20261122"]);
}

#[tokio::test]
async fn a_fire_whose_status_says_nothing_opens_what_is_due() {
    let null = Value::Null;
    let inside = json!(next("2026-11-21T01:00:00+00:00").to_string());
    for status in [null, json!({}), json!(7), json!({ "Next": "soon" }), json!({ "Next": 7 }), inside] {
        let bed = bed(&[target("primary", &json!({}))]).await;
        assert_eq!(said(&fire(&bed, status).await), "opened: primary");
    }
    let bed = bed(&[target("primary", &json!({}))]).await;
    assert_eq!(said(&bed.post("/timer-trigger", &json!([])).await), "opened: primary");
}

#[tokio::test]
async fn a_fire_that_was_lost_is_made_up_by_the_sweep_and_of_three_days_only_the_last() {
    let bed = bed(&[target("primary", &json!({}))]).await;
    finish(&bed).await;
    until(&bed, "2026-11-24T18:30:00Z");
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["primary_20261121", "primary_20261124"]);
    assert_eq!(bed.emulator.posts("backup"), 2);
}

#[tokio::test]
async fn a_new_target_opens_nothing_of_the_past() {
    let later = json!({ "schedule": "0 0 22 * * *" });
    let bed = bed(&[target("primary", &later)]).await;
    assert!(said(&fire(&bed, next("2026-11-21T01:00:00+00:00")).await).starts_with("nothing to do"));
    assert_eq!(said(&bed.sweep().await), "nothing to do");
    until(&bed, "2026-11-21T22:00:10Z");
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["primary_20261121"]);
}

#[tokio::test]
async fn every_target_has_its_own_schedule_and_its_own_days() {
    let twice = json!({ "schedule": "0 0 1,11 * * *", "timeZone": "Pacific/Auckland", "apimInstance": accounts::STANDBY });
    let bed = bed(&[target("daily", &json!({})), target("twice", &twice)]).await;
    finish(&bed).await;
    until(&bed, "2026-11-21T11:00:00Z");
    finish(&bed).await;
    until(&bed, "2026-11-22T01:00:00Z");
    finish(&bed).await;
    let expected = [
        "daily_20261121",
        "daily_20261122",
        "twice_20261121T140000",
        "twice_20261122",
        "twice_20261122T140000",
    ];
    assert_eq!(blobs(&bed), expected);
}

#[tokio::test]
async fn a_target_names_its_backups_by_its_own_suffix() {
    let own = json!({ "schedule": "0 0 1,13 * * *", "timeZone": "New Zealand Standard Time",
        "nameSuffix": "{instance}/{date}/{name}" });
    let bed = bed(&[target("nightly", &own)]).await;
    finish(&bed).await;
    until(&bed, "2026-11-21T13:00:00Z");
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["sampleapim/20261121T140000/nightly", "sampleapim/20261122/nightly"]);
}

#[tokio::test]
async fn one_target_that_fails_never_stops_the_others() {
    let broken = json!({ "apimInstance": "nobody" });
    let bed = bed(&[target("broken", &broken), target("primary", &json!({}))]).await;
    assert_eq!(said(&fire(&bed, Value::Null).await), "opened: broken, primary");
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["primary_20261121"]);
}

#[tokio::test]
async fn a_slot_that_cannot_be_opened_fails_the_timer_and_is_opened_by_a_later_sweep() {
    let bed = bed(&[
        target("broken", &json!({})),
        target("primary", &json!({ "apimInstance": accounts::STANDBY })),
    ])
    .await;
    bed.get("/api/health").await;
    bed.settle().await;
    // A file where the target's folder belongs.
    let in_the_way = bed.records().join("slots/broken");
    fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    fs::write(&in_the_way, "").unwrap();
    let failed = fire(&bed, Value::Null).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{failed:?}");
    assert!(failed.text.contains("the sweep tries again: broken"), "{failed:?}");
    fs::remove_file(&in_the_way).unwrap();
    finish(&bed).await;
    assert_eq!(blobs(&bed), ["broken_20261121", "primary_20261121"]);
}

#[tokio::test]
async fn a_bad_target_is_a_bad_setting_and_stops_nothing_but_the_work() {
    let bed = bed(&[target("primary", &json!({ "accessKey": "env:NO_SUCH" }))]).await;
    let health = bed.get("/api/health").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        health.text.contains("targets[0] (primary).accessKey: the variable NO_SUCH is not set"),
        "{health:?}"
    );
    assert_eq!(bed.get("/").await.status, StatusCode::OK);
    assert_eq!(fire(&bed, Value::Null).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_caller_that_names_a_target_sends_no_secret() {
    let bed = bed(&[target("primary", &json!({ "schedule": "0 0 22 * * *" }))]).await;
    let ended = bed.run("/api/backup", &json!({ "target": "primary" })).await;
    assert_eq!((ended.status, blobs(&bed)), (StatusCode::OK, vec!["primary".to_owned()]), "{ended:?}");
    let restore = json!({ "target": "primary", "apimInstance": accounts::STANDBY });
    let refused = bed.post("/api/restore", &restore).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert_eq!(bed.run("/api/restore", &but(restore, &json!({ "operation": "restore" }))).await.status, 200);
    let dated = json!({ "target": "primary", "nameSuffix": "date" });
    assert_eq!(bed.run("/api/backup", &dated).await.status, StatusCode::OK);
    assert_eq!(blobs(&bed), ["primary", "primary_20261121"]);
    let unknown = bed.post("/api/backup", &json!({ "target": "prymary" })).await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.text.contains("take one of primary")),
        (400, true),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_server_without_a_host_opens_what_is_due_by_itself() {
    let mut place = Place::start().await;
    let targets = json!([target("primary", &json!({ "schedule": "* * * * * *" }))]).to_string();
    place.set("APIM_DR_TARGETS", &targets);
    with_secrets(&mut place);
    let mut server = place.serve().await;
    server.wait_for(|line| line["message"] == "slot opened" && line["target.name"] == "primary").await;
    server.wait_for_phase("Succeeded").await;
    assert_eq!(server.end("-TERM").await, Some(0));
}

#[tokio::test]
async fn the_command_line_lists_and_validates_targets_and_shows_no_secret() {
    let mut place = Place::start().await;
    let none = place.run(&["targets", "list"], "").await;
    assert_eq!((none.code, none.out.as_str()), (Some(0), "no targets are configured\n"), "{none:?}");
    assert_eq!(place.run(&["backup", "--all"], "").await.code, Some(64));

    // The file in the working directory, as it lies beside host.json.
    let open = target("open", &json!({ "accessKey": accounts::ACCOUNT_KEY }));
    place.write("targets.json", &json!([target("primary", &json!({})), open]).to_string());
    with_secrets(&mut place);
    let listed = place.run(&["targets", "list", "--output", "json"], "").await;
    let rows: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(
        (rows[0]["name"].as_str(), rows[1]["schedule"].as_str()),
        (Some("primary"), Some("0 0 1 * * *"))
    );
    assert!(listed.err.contains("targets[1] (open).accessKey: a secret in plain text"), "{listed:?}");
    let table = place.run(&["targets", "list"], "").await;
    let valid = place.run(&["targets", "validate"], "").await;
    assert_eq!((valid.code, valid.out.as_str()), (Some(0), "all is well with primary, open\n"), "{valid:?}");

    place.set("APIM_DR_BACKUP_SCHEDULE", "@daily");
    place.set("PRIMARY_KEY", "@Microsoft.KeyVault(VaultName=v;SecretName=s)");
    let invalid = place.run(&["targets", "validate"], "").await;
    assert_eq!(invalid.code, Some(64), "{invalid:?}");
    for problem in
        ["APIM_DR_BACKUP_SCHEDULE: give", "APIM_DR_TARGETS: targets[0] (primary).accessKey: the variable"]
    {
        assert!(invalid.err.contains(problem), "{invalid:?}");
    }
    for ended in [listed, table, valid, invalid] {
        let shown = ended.out + &ended.err;
        assert!(
            !shown.contains(accounts::ACCOUNT_KEY) && !shown.contains(accounts::CLIENT_SECRET),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn backup_all_follows_every_target_and_tells_by_its_code_how_many_succeeded() {
    let standby = json!({ "apimInstance": accounts::STANDBY });
    let broken = json!({ "apimInstance": "nobody" });
    for (targets, code, backups) in [
        (vec![target("a", &json!({})), target("b", &standby)], 0, 2),
        (vec![target("a", &broken), target("b", &standby)], 3, 1),
        (vec![target("a", &broken)], 1, 0),
    ] {
        let mut place = Place::start().await;
        place.set("APIM_DR_TARGETS", &Value::from(targets).to_string());
        with_secrets(&mut place);
        let ended = place.run(&["backup", "--all"], "").await;
        assert_eq!((ended.code, place.emulator.accepted("backup")), (Some(code), backups), "{ended:?}");
        assert!(ended.err.contains("a: "), "a line for each change: {ended:?}");
        for (name, ..) in place.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER) {
            assert!(name.len() == "a_20261122T010203".len() && name.contains('T'), "{name}");
        }
    }
}

#[tokio::test]
async fn the_command_line_backs_a_target_up_by_its_name() {
    let mut place = Place::start().await;
    place.set("APIM_DR_TARGETS", &json!([target("primary", &json!({}))]).to_string());
    place.set("AZURE_STORAGE_KEY", "bm90LXRoZS1rZXk=");
    with_secrets(&mut place);
    let ended = place.run(&["backup", "--payload", "-"], r#"{"target":"primary"}"#).await;
    assert_eq!((ended.code, place.emulator.accepted("backup")), (Some(0), 1), "{ended:?}");

    let by_target = ["backup", "--payload", "-", "--name-suffix", "/{utc}", "--time-zone", "NZ"];
    let ended = place.run(&by_target, r#"{"target":"primary"}"#).await;
    assert_eq!((ended.code, place.emulator.accepted("backup")), (Some(0), 2), "{ended:?}");
    let blobs = place.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    let in_folder = blobs.iter().filter(|(name, ..)| name.starts_with("primary/") && name.ends_with('Z'));
    assert_eq!(in_folder.count(), 1, "{blobs:?}");
    let wrong = place.run(&["backup", "--name-suffix", "_{day}", "--time-zone", "Auckland"], "").await;
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    assert!(
        wrong.err.contains("nameSuffix: not valid") && wrong.err.contains("timeZone: not valid"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn without_a_host_the_server_itself_opens_what_is_due_and_promptly() {
    let targets = json!([target("primary", &json!({"schedule": "30 10 1 * * *"}))]).to_string();
    let [secret, key] = SECRETS;
    let alone = ("FUNCTIONS_CUSTOMHANDLER_PORT", "");
    // Its clock goes on by what it sleeps, and it looks every minute.
    let bed = Bed::with(&[alone, ("APIM_DR_TARGETS", &targets), secret, key]).await;
    let slot = bed.records().join("slots/primary/20261121T011030Z");
    while !slot.is_file() {
        tokio::task::yield_now().await;
    }
    let slot: Value = serde_json::from_slice(&fs::read(slot).unwrap()).unwrap();
    let opened: Timestamp = slot["opened"].as_str().unwrap().parse().unwrap();
    assert_eq!(opened.as_second(), "2026-11-21T01:10:30Z".parse::<Timestamp>().unwrap().as_second());
}
