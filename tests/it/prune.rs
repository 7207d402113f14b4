//! What old records cost, when they leave, and what one that cannot be read stops.

use std::{
    fmt, fs,
    path::{Path as FilePath, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use apim_dr::{
    domain::{CallbackHosts, Entry, Event, Kind, Operation, OperationId, Plan},
    emulator::accounts,
    keys::StateKey,
    payload::{self, StartPolicy},
    ports::{Cause, Journal as _, Opening, Ports},
    records::Records,
    workflows::{Driver, IfBusy, Opened, Swept, open},
};
use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use reqwest::header;

use crate::bed::{Answer, Bed, seed};

const DAY: Duration = Duration::from_hours(24);

/// Counts what is asked of it, and each name that a listing gives.
#[derive(Debug, Default)]
struct Counting {
    store: InMemory,
    count: Arc<AtomicUsize>,
}

impl Counting {
    fn add(&self, count: usize) -> &InMemory {
        self.count.fetch_add(count, Ordering::Relaxed);
        &self.store
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.add(1).put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.add(1).put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.add(1).get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.add(1).delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let count = self.count.clone();
        let counted = move |_: &_| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        self.add(1).list(prefix).inspect(counted).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        let listed = self.add(1).list_with_delimiter(prefix).await?;
        self.add(listed.common_prefixes.len() + listed.objects.len());
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.add(1).copy_opts(from, to, options).await
    }
}

fn plan() -> (Plan, apim_dr::domain::Credentials) {
    let body = seed("backup").to_string();
    let parsed = payload::parse(Kind::Backup, body.as_bytes(), &StartPolicy::default(), &[]).unwrap();
    let order = parsed.payload.into_order(&CallbackHosts::default()).unwrap();
    (order.plan, order.credentials)
}

/// Records in which so many operations were opened and closed at one time.
async fn with_closed(operations: usize, at: Timestamp) -> (Records, Arc<AtomicUsize>) {
    let store = Counting::default();
    let count = store.count.clone();
    let records = Records::on(Arc::new(store), StateKey::generate());
    let (plan, credentials) = plan();
    for _ in 0..operations {
        let (id, plan) = (OperationId::at(at), plan.clone());
        let opening = Opening { id, plan: plan.clone(), opened: at, deadline: at };
        records.open(&opening, &credentials).await.unwrap();
        let opened = Entry::first(Operation::open(id, plan, at, at));
        let closed = opened.then(Event::Skipped { reason: "late".to_owned() }, at).unwrap();
        records.append(&opened).await.unwrap();
        records.append(&closed).await.unwrap();
        records.close(&closed).await.unwrap();
    }
    count.store(0, Ordering::Relaxed);
    (records, count)
}

#[tokio::test]
async fn what_is_closed_costs_a_sweep_nothing() {
    let mut costs = Vec::new();
    for closed in [10, 1000] {
        let bed = Bed::start().await;
        let app = bed.app().await;
        let (records, count) = with_closed(closed, app.ports().azure.now()).await;
        let ports = Ports { journal: Arc::new(records), ..app.ports().clone() };
        let driver = Driver::new(ports);
        let (plan, credentials) = plan();
        open(driver.ports(), plan, &credentials, &Cause::Request, IfBusy::Wait).await.unwrap();
        let swept = driver.sweep(Duration::from_hours(1)).await.unwrap();
        assert_eq!(swept, Swept { open: 1, closed: 1, failed: 0 });
        assert_eq!(driver.sweep(Duration::ZERO).await.unwrap(), Swept::default());
        costs.push(count.load(Ordering::Relaxed));
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn what_is_young_costs_pruning_nothing() {
    let mut costs = Vec::new();
    for young in [10, 1000] {
        let at = "2026-11-21T01:00:00Z".parse().unwrap();
        let (records, count) = with_closed(young, at).await;
        assert_eq!(records.prune(at).await.unwrap().deleted, 0);
        costs.push(count.load(Ordering::Relaxed));
    }
    assert_eq!(costs[0], costs[1]);
}

async fn with_key(bed: &Bed) -> Answer {
    let request = bed.client.post(format!("{}/api/backup", bed.url)).header("Idempotency-Key", "nightly-1");
    let request = request.header(header::CONTENT_TYPE, "application/json").body(seed("backup").to_string());
    let answer = Answer::of(request.send().await.unwrap()).await;
    bed.settle().await;
    answer
}

#[tokio::test]
async fn a_backup_is_found_by_its_key_after_399_days_and_leaves_the_records_later() {
    let bed = Bed::start().await;
    let link = with_key(&bed).await.header("location");
    assert_eq!(bed.follow(&link).await.status, 200);
    bed.settle().await;
    let history = bed.records().join("history");
    bed.advance(399 * DAY);
    bed.sweep().await;
    bed.settle().await;
    assert_eq!(with_key(&bed).await.header("location"), link);
    assert_eq!(bed.emulator.posts("backup"), 1);
    assert_eq!(bed.get(&link).await.status, 200);
    assert!(history.exists());

    // Its month has to be over, too.
    bed.advance(12 * DAY);
    bed.sweep().await;
    bed.settle().await;
    assert_eq!(bed.get(&link).await.status, 404);
    assert!(!history.exists());
}

fn files_in(folder: &FilePath) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten();
    files.map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn the_records_are_pruned_once_a_day_by_whoever_sweeps_first() {
    let mut bed = Bed::start().await;
    let marks = bed.records().join("pruned");
    let old = bed.records().join("history/sampleapim/20200101/x.json");
    for day in 0..3 {
        fs::create_dir_all(old.parent().unwrap()).unwrap();
        fs::write(&old, "{}").unwrap();
        bed.sweep().await;
        bed.settle().await;
        // The first day has none before it.
        assert_eq!(old.exists(), day == 0, "day {day}");
        assert_eq!(files_in(&marks).len(), day + 1);
        // Not again, whoever asks.
        fs::create_dir_all(old.parent().unwrap()).unwrap();
        fs::write(&old, "{}").unwrap();
        for restarted in [false, true] {
            if restarted {
                bed.restart().await;
            }
            bed.sweep().await;
            bed.settle().await;
            assert!(old.exists(), "day {day}, restarted: {restarted}");
        }
        bed.advance(DAY);
    }
}

#[tokio::test]
async fn pruning_that_fails_fails_no_sweep() {
    let bed = Bed::start().await;
    // A file where the folder would be.
    fs::write(bed.records().join("pruned"), "").unwrap();
    let link = bed.open("/api/backup", &seed("backup")).await;
    assert_eq!(bed.follow(&link).await.status, 200);
    bed.settle().await;
}

const NEWER: &str = r#"{"version":2,"writer":"00000000-0000-4000-8000-000000000000"}"#;

/// Two open operations, and the link and the id of the second.
async fn two_open(bed: &Bed) -> (String, String, String) {
    let ours = bed.open("/api/backup", &accounts::body("backup", accounts::STANDBY)).await;
    let theirs = bed.open("/api/backup", &seed("backup")).await;
    let id = theirs.split("operations/").nth(1).unwrap().split('?').next().unwrap().to_owned();
    (ours, theirs, id)
}

#[tokio::test]
async fn an_operation_that_cannot_be_read_is_named_and_a_sweep_goes_on_with_the_others() {
    let mut bed = Bed::start().await;
    let (ours, _, id) = two_open(&bed).await;
    let entries = files_in(&bed.records().join(format!("operations/202611/{id}")));
    let path = entries.into_iter().max().unwrap();
    fs::write(&path, NEWER).unwrap();
    bed.restart().await;
    let ours = bed.follow(&ours).await;
    assert_eq!(ours.status, 200, "{ours:?}");
    let swept = bed.sweep().await.text;
    assert!(swept.contains("1 open, 0 ended, 1 cannot go on"), "{swept}");
    let app = bed.app().await;
    let drive = app.driver.drive(id.parse().unwrap(), Timestamp::MIN, |_| ()).await;
    let error = format!("{:#}", anyhow::Error::from(drive.unwrap().unwrap_err()));
    let path = path.strip_prefix(bed.records()).unwrap().display().to_string();
    assert!(error.contains(&path) && error.contains("version 2"), "{error}");
}

#[tokio::test]
async fn an_operation_that_runs_is_watched_by_the_app_itself_while_its_marker_cannot_be_read() {
    let mut bed = Bed::start().await;
    let (ours, theirs, id) = two_open(&bed).await;
    let marker = bed.records().join(format!("open/{id}"));
    let content = fs::read(&marker).unwrap();
    fs::write(&marker, NEWER).unwrap();
    bed.restart().await;
    assert_eq!(bed.follow(&ours).await.status, 200);
    // This app has no identity of its own, so it cannot look; but it says so, and goes on trying.
    let watched = bed.get(&theirs).await.json();
    assert!(watched["waiting"].as_str().unwrap().contains("cannot be looked at"), "{watched}");
    fs::write(&marker, content).unwrap();
    assert_eq!(bed.follow(&theirs).await.status, 200);
}

#[tokio::test]
async fn an_operation_whose_holder_cannot_be_read_waits_and_names_it_while_the_others_go_on() {
    let bed = Bed::start().await;
    let lock = bed.records().join("locks/sampleapim/0000000001");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, NEWER).unwrap();
    let ours = bed.open("/api/backup", &accounts::body("backup", accounts::STANDBY)).await;
    let app = bed.app().await;
    let (plan, credentials) = plan();
    let theirs = open(app.ports(), plan, &credentials, &Cause::Request, IfBusy::Wait).await;
    let Opened { operation, .. } = theirs.unwrap();
    assert_eq!(bed.follow(&ours).await.status, 200);
    let operation = app.ports().journal.last(operation.id).await.unwrap().unwrap().operation;
    let waiting = operation.waiting.unwrap();
    assert!(waiting.contains("locks/sampleapim/0000000001"), "{waiting}");
    assert_eq!(bed.emulator.posts("backup"), 1);
}
