//! The commands on operations, as processes: what they print, and how they exit.

use std::{fs, path::PathBuf, time::Duration};

use apim_dr::emulator::{Clock as EmulatedClock, Config, Effect, Fault, accounts};
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    bed::{but, seed},
    process::{Ended, Place, send},
};

/// An Azure whose time stands still until a test moves it.
pub(crate) async fn standing_still() -> Place {
    let clock = EmulatedClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
    Place::on(Config { clock, ..Config::default() }).await
}

/// Runs a command to its end, and lets time pass while it waits. Not while it posts: a POST may take half a minute, and
/// would find itself too late.
pub(crate) async fn run(place: &Place, arguments: &[&str], input: &str) -> Ended {
    let mut command = Box::pin(place.run(arguments, input));
    loop {
        tokio::select! {
            ended = &mut command => return ended,
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                if !is_posting(place) {
                    place.emulator.clock().advance(Duration::from_secs(2));
                }
            }
        }
    }
}

/// Whether the newest entry of an operation says that it starts.
fn is_posting(place: &Place) -> bool {
    let paths = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let newest = |operation: PathBuf| {
        let entries = paths(operation).into_iter();
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).max()
    };
    let operations = paths(place.records().join("operations")).into_iter().flat_map(paths);
    operations.filter_map(newest).any(|entry| {
        let entry: Value = serde_json::from_slice(&fs::read(entry).unwrap()).unwrap();
        entry["event"]["type"] == "started"
    })
}

/// The newest operation's id, and its JSON.
async fn newest(place: &Place) -> (String, Value) {
    let listed = place.run(&["operations", "list", "--limit", "1", "--output", "json"], "").await;
    let row = serde_json::from_str::<Value>(&listed.out).unwrap()[0].clone();
    (row["id"].as_str().unwrap().to_owned(), row)
}

/// The lines of a story behind its head, each without its time, ids and addresses.
async fn story(place: &Place, id: &str) -> String {
    let shown = place.run(&["operations", "show", id], "").await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let (_, lines) = shown.out.split_once("\n\n").unwrap();
    let url = place.emulator.url();
    let plain = |line: &str| {
        let (_, what) = line.split_once("Z  ").unwrap();
        let what = what.split(": error sending request").next().unwrap();
        what.split(' ').map(|word| word.replace(&url, "")).map(shorten).collect::<Vec<_>>().join(" ")
    };
    lines.trim_end().lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// Ids are random, times move, and the addresses of Azure are long.
fn shorten(word: String) -> String {
    if word.starts_with("/subscriptions/") {
        return format!("/.../{}", word.rsplit('/').next().unwrap());
    }
    let bare = word.trim_matches(['(', ')']);
    if bare.len() == 36 && bare.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        return word.replace(bare, "ID");
    }
    if word.starts_with("2026-") { "TIME:".to_owned() } else { word }
}

/// A second later than anything before, so that it is the newest.
async fn start(place: &Place, instance: &str) -> String {
    place.emulator.clock().advance(Duration::from_secs(1));
    let body = but(seed("backup"), &json!({ "apimInstance": instance })).to_string();
    place.run(&["backup", "--payload", "-", "--no-wait"], &body).await;
    newest(place).await.0
}

async fn cancel(place: &Place, id: &str) -> Ended {
    place.run(&["operations", "cancel", id], "").await
}

#[tokio::test]
async fn a_lost_start_a_second_attempt_and_a_success_read_as_a_story() {
    let mut place = standing_still().await;
    place.set("APIM_DR_SETTLE", "3m");
    place.emulator.inject(Fault::once("POST", "/backup?", Effect::ResetBefore));
    let ended = run(&place, &["backup", "--payload", "-"], &seed("backup").to_string()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((place.emulator.posts("backup"), place.emulator.accepted("backup")), (2, 1));
    let (id, row) = newest(&place).await;
    assert_eq!(
        (&row["phase"], &row["attempts"], &row["evidence"]),
        (&json!("Succeeded"), &json!(2), &json!("arm"))
    );
    assert_snapshot!(story(&place, &id).await, @r"
    opened
    starts, attempt 1 (ID)
    the answer was lost: POST /.../backup
    the service is idle, and no new blob was seen: waits to see whether that lasts
    nothing was seen of the start before: starts again, attempt 2 (ID)
    Azure took it (request ID)
    Azure still works, and moved the address to ask
    Azure says that it is done (request ID)
    verified: the blob is there, 4217 bytes
    ");
    let listed = place.run(&["operations", "list"], "").await;
    let rows: Vec<Vec<_>> = listed.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "KIND", "PHASE", "OPENED", "INSTANCE", "BLOB"]);
    let blob = "apimdrstorage/backup/apimbackup";
    assert_eq!(
        (&rows[1][..3], &rows[1][4..]),
        (&[&*id, "backup", "Succeeded"][..], &[accounts::SERVICE, blob][..])
    );
    assert_eq!(rows.len(), 2, "{listed:?}");
}

#[tokio::test]
async fn what_waits_is_cancelled_before_it_begins() {
    let place = standing_still().await;
    place.emulator.with_service(accounts::SERVICE, |it| it.target_provisioning_state = "Updating".into());
    let id = start(&place, accounts::SERVICE).await;
    for _ in 0..2 {
        // The second time it is cancelled already, which is what was asked for.
        let cancelled = cancel(&place, &id).await;
        assert_eq!((cancelled.code, cancelled.err.as_str()), (Some(0), ""), "{cancelled:?}");
        assert!(
            cancelled.out.starts_with("backup of sampleapim was cancelled before it began\n"),
            "{cancelled:?}"
        );
    }
    assert_snapshot!(story(&place, &id).await, @r"
    opened
    waits until TIME: the service is busy: it is Succeeded, going to Updating
    cancellation was asked for
    cancelled before it began
    ");
    let followed = place.run(&["operations", "follow", &id], "").await;
    assert_eq!(followed.code, Some(1), "{followed:?}");
    assert_eq!(place.emulator.posts("backup"), 0);
}

#[tokio::test]
async fn what_runs_is_cancelled_for_us_only_and_the_next_waits_for_azure() {
    let place = standing_still().await;
    let id = start(&place, accounts::SERVICE).await;
    let cancelled = cancel(&place, &id).await;
    assert_eq!((cancelled.code, cancelled.err.as_str()), (Some(0), ""), "{cancelled:?}");
    let says = "backup of sampleapim was cancelled: no longer watched; what Azure does goes on\n";
    assert!(cancelled.out.starts_with(says), "{cancelled:?}");
    assert_snapshot!(story(&place, &id).await, @r"
    opened
    starts, attempt 1 (ID)
    Azure took it (request ID)
    cancellation was asked for
    cancelled: no longer watched; what Azure does goes on
    ");
    // Nobody has the instance any more, but Azure works on it.
    let next = start(&place, accounts::SERVICE).await;
    assert_ne!(next, id);
    assert!(newest(&place).await.1["waiting"].as_str().unwrap().starts_with("the service is busy"));
    let followed = run(&place, &["operations", "follow", &next], "").await;
    assert_eq!((followed.code, place.emulator.accepted("backup")), (Some(0), 2), "{followed:?}");
}

#[tokio::test]
async fn what_is_being_started_is_cancelled_when_it_is_certain_and_what_has_ended_is_not() {
    let place = standing_still().await;
    place.emulator.inject(Fault::once("POST", "/backup?", Effect::ResetAfter));
    let id = start(&place, accounts::SERVICE).await;
    let asked = cancel(&place, &id).await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.out.starts_with("backup of sampleapim may have started, the answer was lost"), "{asked:?}");
    let later = format!(
        "it is cancelled as soon as it is certain whether Azure took it: apim-dr operations follow {id}"
    );
    assert!(asked.err.contains(&later), "{asked:?}");
    let followed = run(&place, &["operations", "follow", &id], "").await;
    // Its blob came first.
    assert_eq!(followed.code, Some(0), "{followed:?}");
    assert_snapshot!(story(&place, &id).await, @r"
    opened
    starts, attempt 1 (ID)
    the answer was lost: POST /.../backup
    cancellation was asked for
    the service is idle, and there is a new blob
    ");

    let too_late = cancel(&place, &id).await;
    assert_eq!(too_late.code, Some(1), "{too_late:?}");
    assert!(too_late.out.starts_with("backup of sampleapim succeeded"), "{too_late:?}");
    assert_eq!(too_late.err, "error: it had ended already; there is nothing to cancel\n");
    let nobody = cancel(&place, "01a20000-0000-7000-8000-000000000000").await;
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(6), ""), "{nobody:?}");
}

#[tokio::test]
async fn a_backup_left_by_ctrl_c_is_followed_to_its_end() {
    let place = standing_still().await;
    place.write("body.json", &seed("backup").to_string());
    let mut child = place.command(&["backup", "--payload", "body.json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("it runs").contains("runs in Azure") {}
    send("-INT", &child).await;
    let mut rest = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        rest.push(line);
    }
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    let (id, row) = newest(&place).await;
    assert_eq!(row["phase"], "Running");
    let expected = [
        "stopping after this step; Ctrl-C again leaves at once".to_owned(),
        format!("interrupted; Azure goes on with it. Follow it: apim-dr operations follow {id}"),
    ];
    assert_eq!(rest, expected);
    let followed = run(&place, &["operations", "follow", &id], "").await;
    assert_eq!((followed.code, place.emulator.posts("backup")), (Some(0), 1), "{followed:?}");
    assert!(followed.out.starts_with("backup of sampleapim succeeded"), "{followed:?}");
}
