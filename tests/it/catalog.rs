//! The commands on recovery points, as processes: what they print, and how they exit.

use std::{collections::BTreeMap, fs, time::Duration};

use apim_dr::emulator::{Effect, Fault, accounts};
use serde_json::{Value, json};

use crate::{
    bed::{but, seed},
    commands::{run, standing_still},
    process::{Ended, Place},
    targets::target,
    verification::APP,
};

/// Sets the only target, with these fields beyond its own.
fn configure(place: &mut Place, fields: &Value) {
    let targets = json!([target("primary", fields)]).to_string();
    place.set("APIM_DR_TARGETS", &targets);
    place.set("PRIMARY_SECRET", accounts::CLIENT_SECRET);
    place.set("PRIMARY_KEY", accounts::ACCOUNT_KEY);
}

/// A place with one target and these backups of it, an hour apart.
async fn with_backups(names: &[&str]) -> Place {
    let mut place = standing_still().await;
    configure(&mut place, &json!({}));
    for name in names {
        let ended = run(&place, &["backup", "--target", "primary", "--backup-name", name], "").await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        place.emulator.clock().advance(Duration::from_hours(1));
    }
    place
}

fn put(place: &Place, name: &str) {
    place.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "not ours");
}

fn blobs(place: &Place) -> Vec<String> {
    let blobs = place.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    blobs.into_iter().map(|(name, ..)| name).collect()
}

/// Runs a command that need not wait, and ends with this code.
#[track_caller]
fn ended(ended: Ended, code: i32) -> Ended {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    ended
}

async fn command(place: &Place, arguments: &[&str], code: i32) -> Ended {
    ended(place.run(arguments, "").await, code)
}

/// The containers that `list` tells of.
async fn listed(place: &Place) -> Value {
    let listed = command(place, &["list", "-o", "json"], 0).await;
    serde_json::from_str(&listed.out).unwrap()
}

fn names(points: &Value) -> Vec<&str> {
    points.as_array().unwrap().iter().map(|point| point["backupName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn recovery_points_are_listed_and_shown_with_what_else_lies_there() {
    let mut place = standing_still().await;
    let nothing = command(&place, &["list"], 0).await;
    assert_eq!(nothing.out, "no recovery points are recorded, and no targets configured\n");
    configure(&mut place, &json!({}));
    for name in ["b1", "b2"] {
        ended(run(&place, &["backup", "--target", "primary", "--backup-name", name], "").await, 0);
    }
    put(&place, "notes.txt");
    let table = command(&place, &["list"], 0).await.out;
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (&lines[0][..], lines[1][..2].to_vec()),
        (&["apimdrstorage/backup"][..], vec!["NAME", "INSTANCE"])
    );
    assert_eq!((&lines[2][..2], &lines[3][..2]), (&["b2", "sampleapim"][..], &["b1", "sampleapim"][..]));
    assert!(table.contains("never deleted unless adopted (apim-dr catalog adopt): 1\nnotes.txt"), "{table}");

    let containers = listed(&place).await;
    let container = &containers[0];
    assert_eq!(
        (containers.as_array().unwrap().len(), &container["notOurs"][0]["name"]),
        (1, &json!("notes.txt"))
    );
    let points = &container["recoveryPoints"];
    assert_eq!(names(points), ["b2", "b1"]);
    let [verified, there] = ["verified", "blob"].map(|field| &points[1][field]);
    assert_eq!((verified, there), (&json!(true), &json!("there")), "{points}");

    let id = points[1]["id"].as_str().unwrap();
    for name in ["b1", "apimdrstorage/backup/b1", id] {
        let shown = command(&place, &["show", name], 0).await.out;
        assert!(shown.starts_with("apimdrstorage/backup/b1\n") && shown.contains(id), "{shown}");
        let shown = command(&place, &["show", name, "-o", "json"], 0).await.out;
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), points[1]);
    }
    let nobody = command(&place, &["show", "notes.txt"], 6).await;
    assert!(nobody.out.is_empty() && nobody.err.contains("no recovery point that stands"), "{nobody:?}");
    let unknown = command(&place, &["list", "--target", "secondary"], 64).await;
    assert!(unknown.err.contains("take one of primary"), "{unknown:?}");
    assert!(
        !table.contains(accounts::ACCOUNT_KEY) && !containers.to_string().contains(accounts::ACCOUNT_KEY)
    );
}

#[tokio::test]
async fn what_no_rule_keeps_is_told_by_a_dry_run_and_deleted_without() {
    let mut place = with_backups(&["b1", "b2", "b3"]).await;
    put(&place, "apimbackup_20261101");
    let without = command(&place, &["prune"], 64).await;
    assert!(without.err.contains("nothing has rules"), "{without:?}");
    let whose = command(&place, &["prune", "--retention", r#"{"keepLast":1}"#], 64).await;
    assert!(whose.err.contains("add --name or --target"), "{whose:?}");
    let wrong =
        command(&place, &["prune", "--target", "primary", "--retention", r#"{"keepLest":1}"#], 64).await;
    assert!(wrong.err.contains("keepLest"), "{wrong:?}");

    configure(&mut place, &json!({ "retention": { "keepLast": 2 } }));
    let dry = ["prune", "--dry-run", "--retention", r#"{"keepLast":1}"#, "--target", "primary"];
    let planned = command(&place, &dry, 0).await.out;
    assert!(planned.ends_with("\n  2 of 3 would go; nothing was deleted\n"), "{planned}");
    let planned = command(&place, &["prune", "--dry-run"], 0).await.out;
    assert!(planned.starts_with("sampleapim in apimdrstorage/backup\n  b3  kept: last 2"), "{planned}");
    assert!(
        planned.ends_with("\n  b1  no rule keeps it\n  1 of 3 would go; nothing was deleted\n"),
        "{planned}"
    );
    assert_eq!(blobs(&place), ["apimbackup_20261101", "b1", "b2", "b3"]);

    let pruned = command(&place, &["prune", "-o", "json"], 0).await.out;
    let pruned: Value = serde_json::from_str(&pruned).unwrap();
    let outcomes: Vec<_> =
        pruned[0]["recoveryPoints"].as_array().unwrap().iter().map(|point| &point["outcome"]).collect();
    assert_eq!(outcomes, ["kept", "kept", "deleted"]);
    assert_eq!(blobs(&place), ["apimbackup_20261101", "b2", "b3"]);
    assert_eq!(names(&listed(&place).await[0]["recoveryPoints"]), ["b3", "b2"]);
    let again = command(&place, &["prune"], 0).await.out;
    assert!(again.ends_with("\n  0 of 2 deleted\n"), "{again}");
}

#[tokio::test]
async fn what_cannot_be_deleted_or_listed_is_told_by_the_exit_code() {
    let mut place = with_backups(&["b1", "b2", "b3"]).await;
    configure(&mut place, &json!({ "retention": { "keepLast": 1 } }));
    let refused = || Effect::Status { status: 403, body: None, headers: BTreeMap::new() };
    place.emulator.inject(Fault { times: u32::MAX, ..Fault::once("GET", "comp=list", refused()) });
    let unlisted = command(&place, &["prune"], 1).await.out;
    assert!(unlisted.contains("nothing goes: the container cannot be listed"), "{unlisted}");
    place.emulator.clear_faults();
    assert_eq!(blobs(&place).len(), 3);

    place.emulator.inject(Fault::once("DELETE", "/backup/b1", refused()));
    let pruned = command(&place, &["prune"], 3).await.out;
    assert!(
        pruned.contains("\n  b2  deleted: no rule keeps it\n  b1  no rule keeps it, but it stays"),
        "{pruned}"
    );
    assert_eq!(blobs(&place), ["b1", "b3"]);
    let pruned = command(&place, &["prune"], 0).await.out;
    assert!(pruned.ends_with("\n  1 of 2 deleted\n"), "{pruned}");
    assert_eq!(blobs(&place), ["b3"]);
}

#[tokio::test]
async fn what_other_tools_left_is_adopted_by_name_or_by_its_looks_and_counts_from_then_on() {
    let mut place = with_backups(&["b1"]).await;
    for name in ["apimbackup_20261101", "apimbackup_20261102", "notes.txt"] {
        put(&place, name);
    }
    let adopt = ["catalog", "adopt", "--target", "primary"];
    let adopting = |names: &'static [&str]| [&adopt[..], names].concat();
    assert_eq!(command(&place, &adopt, 64).await.out, "");
    let (nobody, known) = (command(&place, &adopting(&["nobody"]), 1).await, adopting(&["b1"]));
    assert_eq!(nobody.err, "error: nobody: it is not there\n");
    let known = command(&place, &known, 0).await;
    assert!(known.out.starts_with("apimdrstorage/backup/b1 is a recovery point already: "), "{known:?}");
    let some = command(&place, &adopting(&["apimbackup_20261101", "nobody"]), 3).await;
    assert!(some.out.starts_with("adopted apimdrstorage/backup/apimbackup_20261101, written "), "{some:?}");
    let all = command(&place, &adopting(&["--all"]), 0).await;
    assert!(all.out.starts_with("adopted apimdrstorage/backup/apimbackup_20261102, written "), "{all:?}");
    assert_eq!(command(&place, &adopting(&["--all"]), 0).await.out, "");

    let container = &listed(&place).await[0];
    assert_eq!(
        (&container["notOursCount"], &container["notOurs"][0]["name"]),
        (&json!(1), &json!("notes.txt"))
    );
    let adopted: Vec<_> =
        container["recoveryPoints"].as_array().unwrap().iter().map(|point| &point["adopted"]).collect();
    assert_eq!(adopted, [true, true, false]);

    configure(&mut place, &json!({ "retention": { "keepLast": 1 } }));
    place.emulator.clock().advance(Duration::from_hours(1));
    let backup = run(&place, &["backup", "--target", "primary", "--backup-name", "b2"], "").await;
    assert_eq!(
        (backup.code, blobs(&place)),
        (Some(0), vec!["b2".to_owned(), "notes.txt".to_owned()]),
        "{backup:?}"
    );
}

#[tokio::test]
async fn a_catalogue_that_was_lost_is_made_anew_and_a_restore_takes_the_latest_that_is_verified() {
    let place = with_backups(&["b1", "b2", "b3"]).await;
    let before = listed(&place).await;
    fs::remove_dir_all(place.records().join("catalog")).unwrap();
    let restore = |backup: &'static str, source: &'static str| {
        let target = ["restore", "--target", "primary", "--name", accounts::STANDBY, "--source", source];
        [&target[..], &["--backup", backup, "--yes", "RESTORE sampleapim-standby"]].concat()
    };
    let latest = restore("latest-verified", accounts::SERVICE);
    let lost = command(&place, &latest, 6).await;
    assert!(lost.err.contains("apim-dr catalog rebuild"), "{lost:?}");

    place.emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "b3");
    let rebuilt = command(&place, &["catalog", "rebuild"], 0).await;
    let says = "3 backups of the records are in the catalogue\napimdrstorage/backup: 2 of 3 are there; 0 blobs are not ours\n";
    assert_eq!((rebuilt.out.as_str(), rebuilt.err.as_str()), (says, ""));
    let after = listed(&place).await;
    assert_eq!(names(&after[0]["recoveryPoints"]), ["b2", "b1"]);
    assert_eq!(after[0]["recoveryPoints"][0], before[0]["recoveryPoints"][1]);

    let restored = ended(run(&place, &latest, "").await, 0);
    assert!(restored.out.contains("b2"), "{restored:?}");
    assert_eq!(place.emulator.accepted("restore"), 1);
    let of_standby = command(&place, &restore("latest", accounts::STANDBY), 6).await;
    assert!(of_standby.err.contains("no recovery point of sampleapim-standby"), "{of_standby:?}");
    command(&place, &restore("latest", "wrong/name"), 64).await;
    assert_eq!(place.emulator.posts("restore"), 1);
}

#[tokio::test]
async fn to_follow_what_ended_long_ago_deletes_nothing() {
    let mut place = standing_still().await;
    // Everything by its own identity: it could, with no secret of anybody's.
    for (name, value) in APP {
        place.set(name, value);
    }
    for (name, rules) in [("b1", r#"{"keepLast":1}"#), ("b2", "{}"), ("b3", "{}")] {
        let own = json!({ "backupName": name, "applicationId": null, "clientSecret": null, "tenantId": null,
            "accessKey": null, "accessType": "SystemAssignedManagedIdentity" });
        let body = but(seed("backup"), &own).to_string();
        let backup = run(&place, &["backup", "--payload", "-", "--retention", rules], &body).await;
        ended(backup, 0);
        place.emulator.clock().advance(Duration::from_hours(1));
    }
    let container = &listed(&place).await[0];
    let oldest = container["recoveryPoints"][2]["id"].as_str().unwrap();
    let followed = command(&place, &["operations", "follow", oldest], 0).await;
    assert!(followed.out.starts_with("backup of sampleapim succeeded"), "{followed:?}");
    assert_eq!(blobs(&place), ["b1", "b2", "b3"]);
}

#[tokio::test]
async fn a_wrong_connection_is_a_warning_and_the_key_of_a_target_still_opens_its_container() {
    let mut place = with_backups(&["b1"]).await;
    place.set("APIM_DR_BLOB_CONNECTION", "nonsense");
    for arguments in [&["list"][..], &["show", "b1"], &["operations", "list"]] {
        let said = command(&place, arguments, 0).await;
        assert!(said.err.contains("warning: APIM_DR_BLOB_CONNECTION"), "{said:?}");
        assert!(said.out.contains("b1"), "{said:?}");
    }
    ended(run(&place, &["backup", "--target", "primary", "--backup-name", "b2"], "").await, 0);
    assert_eq!(blobs(&place), ["b1", "b2"]);
}
