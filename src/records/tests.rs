//! What every place for the records must do, on each of them.

use std::{fmt, sync::Mutex};

use async_trait::async_trait;
use futures::{
    StreamExt as _,
    future::join_all,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, path::Path,
};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Credentials, Entry, Event, Operation, OperationId, Secret, later, samples::plan},
    ports::{Appended, Hold, Journal as _, Opening},
};

#[allow(dead_code, reason = "the end-to-end tests use more of it")]
#[path = "../../tests/azurite/server.rs"]
mod azurite;

const NOW: &str = "2026-11-21T01:00:00Z";

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
async fn a_service_is_held_by_one_open_operation_whatever_the_case_of_its_name() {
    on_each_place(|records| async move {
        let first = opened(&records, "sampleapim").await;
        let second = opened(&records, "SampleAPIM").await;
        let other = opened(&records, "other").await;
        let hold = async |entry: &Entry| records.hold(&entry.operation, now()).await.unwrap();
        assert_eq!(hold(&first).await, Hold::Ours);
        assert_eq!(hold(&first).await, Hold::Ours);
        assert_eq!(hold(&second).await, Hold::Theirs(first.operation.id));
        assert_eq!(hold(&other).await, Hold::Ours);
        records.append(&skipped(&first)).await.unwrap();
        assert_eq!(hold(&second).await, Hold::Ours);
        assert_eq!(hold(&first).await, Hold::Theirs(second.operation.id));
    })
    .await;
}

#[tokio::test]
async fn of_many_that_want_a_service_at_once_one_gets_it() {
    on_each_place(|records| async move {
        let entries = join_all((0..16).map(|_| opened(&records, "sampleapim"))).await;
        let holds = join_all(entries.iter().map(|entry| records.hold(&entry.operation, now()))).await;
        let ours = holds.iter().filter(|hold| matches!(hold, Ok(Hold::Ours))).count();
        assert_eq!(ours, 1, "{holds:?}");
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_cannot_be_read_counts_until_it_expires() {
    on_each_place(|records| async move {
        // Opened and locked, but its entries are gone.
        let lost = first(opening("sampleapim"));
        records.hold(&lost.operation, now()).await.unwrap();
        let next = opened(&records, "sampleapim").await;
        let hold = async |at| records.hold(&next.operation, at).await.unwrap();
        assert_eq!(hold(hours(7)).await, Hold::Theirs(lost.operation.id));
        assert_eq!(hold(hours(8)).await, Hold::Ours);
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
        for text in [
            "",
            "{",
            "[]",
            r#"{"version":2,"writer":"00000000-0000-4000-8000-000000000000"}"#,
            "{\"version\":1}",
        ] {
            records.store.0.put(&Path::from(path.as_str()), text.as_bytes().to_vec().into()).await.unwrap();
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

#[tokio::test]
async fn a_listing_with_a_gap_is_asked_for_again_once() {
    let store = Arc::new(Failing::default());
    let records = Records { store: Store::new(store.clone()), key: StateKey::generate() };
    let first = opened(&records, "sampleapim").await;
    let second = skipped(&first);
    records.append(&second).await.unwrap();
    let id = first.operation.id;
    *store.unseen.lock().unwrap() = Some("000001.json");
    assert_eq!(records.entries(id).await.unwrap(), [first, second]);
    assert_eq!(*store.unseen.lock().unwrap(), None);
}

/// A store whose next create fails, before it wrote or after, or that does not list a folder
/// or a name.
#[derive(Debug, Default)]
struct Failing {
    store: InMemory,
    next: Mutex<Option<bool>>,
    overwrites: bool,
    unlisted: Mutex<Option<Path>>,
    /// The name that the next listing misses.
    unseen: Mutex<Option<&'static str>>,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failing")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let options = if self.overwrites { PutOptions::default() } else { options };
        let failure = self.next.lock().unwrap().take();
        if failure != Some(false) {
            let put = self.store.put_opts(location, payload, options).await;
            if failure.is_none() {
                return put;
            }
        }
        Err(reset())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let unlisted = self.unlisted.lock().unwrap();
        if prefix.zip(unlisted.as_ref()).is_some_and(|(prefix, unlisted)| prefix.prefix_matches(unlisted)) {
            return stream::once(async { Err(reset()) }).boxed();
        }
        let unseen = self.unseen.lock().unwrap().take();
        let seen = move |object: &object_store::Result<ObjectMeta>| {
            let name = object.as_ref().ok().and_then(|object| object.location.filename());
            std::future::ready(name.is_none() || name != unseen)
        };
        self.store.list(prefix).filter(seen).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

fn reset() -> object_store::Error {
    object_store::Error::Generic { store: "Failing", source: "the connection was reset".into() }
}

fn failing(next: Option<bool>, overwrites: bool) -> Store {
    Store::new(Arc::new(Failing { next: Mutex::new(next), overwrites, ..Failing::default() }))
}

#[tokio::test]
async fn a_store_that_does_not_answer_frees_no_service() {
    let store = Arc::new(Failing::default());
    let records = Records { store: Store::new(store.clone()), key: StateKey::generate() };
    let first = opened(&records, "sampleapim").await;
    let second = opened(&records, "sampleapim").await;
    assert_eq!(records.hold(&first.operation, now()).await.unwrap(), Hold::Ours);
    *store.unlisted.lock().unwrap() = Some(Path::from("operations"));
    // Long after the holder would have expired.
    let error = records.hold(&second.operation, hours(100)).await.unwrap_err();
    assert!(matches!(error, RecordsError::Store { .. }), "{error}");
    *store.unlisted.lock().unwrap() = None;
    assert_eq!(records.hold(&second.operation, hours(100)).await.unwrap(), Hold::Theirs(first.operation.id));
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_settled_by_reading_back_who_wrote_it() {
    let writer = Uuid::new_v4();
    let object = json!({"version": 1, "writer": writer});
    let path = Path::from("x");
    let written = failing(Some(true), false).create(&path, &object, writer).await;
    assert!(matches!(written, Ok(store::Created::Ours)), "{written:?}");
    let not_written = failing(Some(false), false).create(&path, &object, writer).await;
    assert!(matches!(not_written, Err(RecordsError::Store { .. })), "{not_written:?}");

    let taken = failing(None, false);
    let other = Uuid::new_v4();
    taken.create(&path, &json!({"version": 1, "writer": other}), other).await.unwrap();
    assert_eq!(taken.create(&path, &object, writer).await.unwrap(), store::Created::Taken);
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_at_the_start() {
    assert!(failing(None, false).probe().await.is_ok());
    let error = failing(None, true).probe().await.unwrap_err();
    assert!(error.to_string().starts_with("probe"), "{error}");
}
