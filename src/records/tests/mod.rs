//! What every place for the records must do, on each of them.

mod alarms;
mod answers;
mod catalog;
mod chains;
mod checks;
mod claims;
mod failing;
mod memory;
mod outbox;
mod prune;
mod snapshots;
mod v1;

use futures::future::join_all;
use jiff::Timestamp;
use object_store::{ObjectStoreExt as _, path::Path};

use super::*;
use crate::{
    domain::{Credentials, Entry, Event, Operation, OperationId, Secret, later, samples::plan},
    ports::{Appended, Cause, Claim, Hold, Journal as _, Opening},
};

#[allow(dead_code, reason = "the end-to-end tests use more of it")]
#[path = "../../../tests/azurite/server.rs"]
mod azurite;

const NOW: &str = "2026-11-21T01:00:00Z";

/// What is not an object of ours, and one of a newer version.
const UNREADABLE: [&str; 5] =
    ["", "{", "[]", r#"{"version":2,"writer":"00000000-0000-4000-8000-000000000000"}"#, "{\"version\":1}"];

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn hours(hours: u64) -> Timestamp {
    later(now(), std::time::Duration::from_hours(hours))
}

fn opening(name: &str) -> Opening {
    Opening { id: OperationId::at(now()), plan: plan(name), opened: now(), deadline: hours(6) }
}

fn credentials() -> Credentials {
    Credentials {
        client_secret: Some(Secret::new("s3cr+t/=&~ü")),
        access_key: Some(Secret::new("bm90IGEgc2VjcmV0")),
        callback: None,
    }
}

fn first(Opening { id, plan, opened, deadline }: Opening) -> Entry {
    Entry::first(Operation::open(id, plan, opened, deadline))
}

fn skipped(entry: &Entry) -> Entry {
    entry.then(Event::Skipped { reason: "late".into() }, now()).unwrap()
}

/// Opens an operation on the instance and writes its first entry.
async fn opened(records: &Records, name: &str) -> Entry {
    let opening = opening(name);
    records.open(&opening, &credentials()).await.unwrap();
    let entry = first(opening);
    assert!(matches!(records.append(&entry).await.unwrap(), Appended::Written));
    entry
}

/// Runs a story on every place, empty at first.
async fn on_each_place<F: Future<Output = ()>>(story: impl Fn(Records) -> F) {
    story(Records::open(&Location::Memory, None).await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Directory(folder.path().join("made").join("here"));
    story(Records::open(&location, None).await.unwrap()).await;
    if let Some(container) = azurite::Container::create() {
        let location = Location::Container { store: container.store(), prefix: "some/where".to_owned() };
        story(Records::open(&location, None).await.unwrap()).await;
    }
}

#[tokio::test]
async fn an_operation_is_kept_from_its_opening_to_its_history() {
    on_each_place(|records| async move {
        let entry = opened(&records, "sampleapim").await;
        let id = entry.operation.id;
        assert_eq!(records.open_operations().await.unwrap(), [id]);
        assert_eq!(records.opening(id).await.unwrap().unwrap().plan, entry.operation.plan);
        assert_eq!(records.credentials(&entry.operation).await.unwrap(), credentials());
        assert_eq!(records.last(id).await.unwrap().unwrap(), entry);

        let terminal = skipped(&entry);
        assert!(matches!(records.append(&terminal).await.unwrap(), Appended::Written));
        assert_eq!(records.entries(id).await.unwrap(), [entry.clone(), terminal.clone()]);
        for _ in 0..2 {
            records.close(&terminal).await.unwrap();
            assert_eq!(records.open_operations().await.unwrap(), []);
        }
        assert_eq!(records.opening(id).await.unwrap(), None);
        assert!(records.credentials(&entry.operation).await.unwrap().is_empty());
        let history = records.store.list(&Path::from("history/sampleapim/20261121")).await.unwrap();
        assert_eq!(history.len(), 1);
        assert_eq!(history[0].filename(), Some(format!("{id}.000002.json").as_str()));
    })
    .await;
}

#[tokio::test]
async fn only_one_of_two_entries_with_one_number_stands() {
    on_each_place(|records| async move {
        let entry = opened(&records, "sampleapim").await;
        let (ours, theirs) = (skipped(&entry), skipped(&entry));
        assert!(matches!(records.append(&ours).await.unwrap(), Appended::Written));
        assert!(matches!(records.append(&theirs).await.unwrap(), Appended::Taken));
        // Repeating our own is as good as having written it.
        assert!(matches!(records.append(&ours).await.unwrap(), Appended::Written));
        assert_eq!(records.last(entry.operation.id).await.unwrap().unwrap(), ours);
    })
    .await;
}

#[tokio::test]
async fn operations_are_listed_newest_first() {
    on_each_place(|records| async move {
        let mut ids = Vec::new();
        for month in 1..=3 {
            for name in ["a", "b"] {
                let opened = format!("2026-0{month}-01T00:00:00Z").parse().unwrap();
                let opening = Opening { id: OperationId::at(opened), opened, ..opening(name) };
                records.append(&first(opening.clone())).await.unwrap();
                ids.push(opening.id);
            }
        }
        ids.sort();
        ids.reverse();
        assert_eq!(records.operations(4).await.unwrap(), ids[..4]);
        assert_eq!(records.operations(100).await.unwrap(), ids);
        assert_eq!(records.operations(0).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_ours_or_newer_is_named_and_stops_only_its_own() {
    on_each_place(|records| async move {
        let entry = opened(&records, "sampleapim").await;
        let path = format!("operations/202611/{}/000002.json", entry.operation.id);
        for text in UNREADABLE {
            records.store.0.put(&Path::from(path.as_str()), text.into()).await.unwrap();
            let error = records.last(entry.operation.id).await.unwrap_err();
            assert!(matches!(error, RecordsError::Corrupt { .. }), "{text:?}: {error}");
            assert!(error.to_string().contains(&path), "{error}");
        }
        let other = opened(&records, "other").await;
        assert_eq!(records.last(other.operation.id).await.unwrap().unwrap(), other);
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_no_other_could_follow_is_named_and_stops_only_its_own() {
    on_each_place(|records| async move {
        for (seq, is_read) in [(999_998, true), (999_999, false), (1_000_000, false), (u32::MAX, false)] {
            let first = opened(&records, "sampleapim").await;
            let id = first.operation.id;
            let tampered = Entry { seq, ..first.clone() };
            records.append(&tampered).await.unwrap();
            let path = format!("operations/202611/{id}/{seq:06}.json");
            match records.entries(id).await {
                Ok(read) => assert!(is_read && read == [first, tampered], "{seq}: {read:?}"),
                Err(error) => {
                    assert!(!is_read && matches!(error, RecordsError::Corrupt { .. }), "{seq}: {error}");
                    assert!(error.to_string().contains(&path), "{error}");
                }
            }
        }
        let other = opened(&records, "other").await;
        assert_eq!(records.last(other.operation.id).await.unwrap().unwrap(), other);
    })
    .await;
}

#[tokio::test]
async fn credentials_sealed_under_another_key_do_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Directory(folder.path().to_owned());
    let records = Records::open(&location, None).await.unwrap();
    let entry = opened(&records, "sampleapim").await;
    let other = Records::open(&location, Some(StateKey::generate())).await.unwrap();
    let error = other.credentials(&entry.operation).await.unwrap_err();
    assert!(matches!(error, RecordsError::Sealed { .. }), "{error}");
    // The stored key is found again.
    let again = Records::open(&location, None).await.unwrap();
    assert_eq!(again.credentials(&entry.operation).await.unwrap(), credentials());
}

#[tokio::test]
async fn processes_that_begin_together_end_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Directory(folder.path().to_owned());
    let opened = join_all((0..8).map(|_| Records::open(&location, None))).await;
    let keys: std::collections::HashSet<_> =
        opened.into_iter().map(|records| records.unwrap().state_key().id()).collect();
    assert_eq!(keys.len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_local_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("records");
    Records::open(&Location::Directory(directory.clone()), None).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("state-key")), 0o600);
    // Nothing of the probe or of the key's making stays.
    let names =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(names.iter().all(|name| name == "state-key" || name == "probe"), "{names:?}");
}
