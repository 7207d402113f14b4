//! The promise, at every access to the world: whichever fails, whoever dies at it, and however many drive the
//! operation, it is started at most once, and called succeeded only if it was.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use apim_dr::{
    domain::{
        Answer, AzureError, BlobLook, BlobRef, Continuation, Credentials, Entry, FailureKind, Kind,
        Operation, OperationId, Phase, Plan, RequestIds, Secret, ServiceId, ServiceStatus,
    },
    emulator::accounts,
    payload::{self, RestorePolicy},
    ports::{
        Access, ApiManagement, Appended, Blobs, Clock, Deadlines, Hold, Journal, Opening, Order, Poll, Ports,
        ReadError, RecordsError,
    },
    records::{Location, Records},
    workflows::{Driver, Error, Swept, open},
};
use async_trait::async_trait;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::bed::seed;

/// What a caller would have sent.
fn order() -> (Plan, Credentials) {
    let body = seed("backup").to_string();
    payload::parse(Kind::Backup, body.as_bytes(), &RestorePolicy::default())
        .unwrap()
        .payload
        .into_order()
        .unwrap()
}

async fn opened(driver: &Driver) -> Result<Operation, Error> {
    let (plan, credentials) = order();
    open(driver.ports(), plan, &credentials).await
}

/// What befalls one access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    /// It is not done, and fails.
    Refused,
    /// It is done, and fails all the same.
    AnswerLost,
    /// The process dies at it, before or after it is done.
    DiesBefore,
    DiesAfter,
}

/// Counts the accesses to the world and lets one of them go wrong.
#[derive(Debug, Default)]
struct Fate {
    seen: AtomicUsize,
    mishap: Mutex<Option<(usize, Mishap)>>,
    struck: AtomicBool,
    died: Notify,
}

impl Fate {
    /// The mishap of this access, if it has one.
    fn next(&self) -> Option<Mishap> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let mishap = self.mishap.lock().unwrap().filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
        self.struck.fetch_or(mishap.is_some(), Ordering::SeqCst);
        mishap
    }

    /// Does `access` as its fate wills; others get their turn before and after.
    async fn meet<T>(&self, access: impl Future<Output = T>, failed: impl FnOnce() -> T) -> T {
        tokio::task::yield_now().await;
        let mishap = self.next();
        if mishap == Some(Mishap::DiesBefore) {
            self.die().await;
        }
        if mishap == Some(Mishap::Refused) {
            return failed();
        }
        let done = access.await;
        tokio::task::yield_now().await;
        match mishap {
            Some(Mishap::DiesAfter) => self.die().await,
            Some(Mishap::AnswerLost) => return failed(),
            _ => {}
        }
        done
    }

    async fn die(&self) {
        self.died.notify_one();
        pending::<()>().await;
    }
}

/// Azure, a clock, and the records behind a fate.
#[derive(Debug)]
struct World {
    fate: Fate,
    records: Records,
    millis: AtomicI64,
    posts: AtomicUsize,
    accepted: AtomicUsize,
    /// Looks until the one that runs is done.
    looks_left: AtomicUsize,
    /// Drives that could not go on.
    stuck: AtomicUsize,
}

fn lost() -> RecordsError {
    RecordsError::Store { action: "reach", path: "the store".to_owned(), source: "it was scripted".into() }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T01:00:00Z".parse().unwrap();
        start + SignedDuration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst).unsigned_abs())
    }

    /// Time passes slowly, so that nobody sleeps through what another does meanwhile.
    async fn sleep(&self, pause: Duration) {
        let end = Clock::now(self) + pause;
        while Clock::now(self) < end {
            self.millis.fetch_add(500, Ordering::SeqCst);
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[async_trait]
impl ApiManagement for World {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    async fn service(&self, _: &ServiceId, _: &Access) -> Result<ServiceStatus, ReadError> {
        let busy = self.looks_left.load(Ordering::SeqCst) > 0;
        let state = if busy { "Updating" } else { "Succeeded" };
        Ok(ServiceStatus {
            tier: None,
            provisioning_state: state.to_owned(),
            target_provisioning_state: String::new(),
        })
    }

    async fn prepare(&self, _: &Plan, _: &Access) -> Result<(), ReadError> {
        Ok(())
    }

    async fn start(&self, order: Order<'_>, may_post: &(dyn Fn() -> bool + Sync)) -> Answer {
        if !may_post() {
            return Answer::NotSent { reason: "too late".to_owned() };
        }
        assert_eq!(order.access_key.map(Secret::expose), Some(accounts::ACCOUNT_KEY));
        self.posts.fetch_add(1, Ordering::SeqCst);
        let taken = async {
            self.accepted.fetch_add(1, Ordering::SeqCst);
            self.looks_left.store(3, Ordering::SeqCst);
            let continuation = Some(Continuation::Location("https://management.azure.com//x".to_owned()));
            Answer::Accepted { continuation, after_seconds: 60, ids: RequestIds::default() }
        };
        self.fate.meet(taken, || Answer::Unknown { error: AzureError::local("it was scripted") }).await
    }

    async fn poll(&self, continuation: &Continuation, _: &Access) -> Poll {
        let left = self.looks_left.load(Ordering::SeqCst).saturating_sub(1);
        self.looks_left.store(left, Ordering::SeqCst);
        if left == 0 {
            return Poll::Succeeded { ids: RequestIds::default() };
        }
        let moved = continuation.url().replace("//x", "/x");
        Poll::Running { continuation: Continuation::Location(moved), after: Duration::from_mins(1) }
    }
}

#[async_trait]
impl Blobs for World {
    async fn look(&self, _: &BlobRef, _: Option<&Secret>) -> BlobLook {
        BlobLook::Unread { reason: "it was scripted".to_owned() }
    }
}

#[async_trait]
impl Journal for World {
    async fn open(&self, opening: &Opening, credentials: &Credentials) -> Result<(), RecordsError> {
        self.fate.meet(self.records.open(opening, credentials), || Err(lost())).await
    }

    async fn open_operations(&self) -> Result<Vec<OperationId>, RecordsError> {
        self.fate.meet(self.records.open_operations(), || Err(lost())).await
    }

    async fn opening(&self, id: OperationId) -> Result<Option<Opening>, RecordsError> {
        self.fate.meet(self.records.opening(id), || Err(lost())).await
    }

    async fn credentials(&self, id: OperationId) -> Result<Credentials, RecordsError> {
        self.fate.meet(self.records.credentials(id), || Err(lost())).await
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, RecordsError> {
        self.fate.meet(self.records.append(entry), || Err(lost())).await
    }

    async fn last(&self, id: OperationId) -> Result<Option<Entry>, RecordsError> {
        self.fate.meet(self.records.last(id), || Err(lost())).await
    }

    async fn entries(&self, id: OperationId) -> Result<Vec<Entry>, RecordsError> {
        self.records.entries(id).await
    }

    async fn operations(&self, limit: usize) -> Result<Vec<OperationId>, RecordsError> {
        self.records.operations(limit).await
    }

    async fn hold(&self, operation: &Operation, now: Timestamp) -> Result<Hold, RecordsError> {
        self.fate.meet(self.records.hold(operation, now), || Err(lost())).await
    }

    async fn close(&self, terminal: &Entry) -> Result<(), RecordsError> {
        self.fate.meet(self.records.close(terminal), || Err(lost())).await
    }
}

impl World {
    async fn new(mishap: Option<(usize, Mishap)>) -> Arc<Self> {
        Arc::new(Self {
            fate: Fate { mishap: Mutex::new(mishap), ..Fate::default() },
            records: Records::open(&Location::Memory, None).await.unwrap(),
            millis: AtomicI64::new(0),
            posts: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            looks_left: AtomicUsize::new(0),
            stuck: AtomicUsize::new(0),
        })
    }

    fn ports(self: &Arc<Self>) -> Ports {
        let deadlines = Deadlines { backup: Duration::from_hours(6), restore: Duration::from_hours(12) };
        Ports {
            clock: self.clone(),
            azure: self.clone(),
            blobs: self.clone(),
            journal: self.clone(),
            deadlines,
        }
    }

    /// A process: it may open an operation, and drives what is open until nothing is.
    async fn live(self: &Arc<Self>, opens: bool) {
        let driver = Driver::new(self.ports());
        if opens {
            // A caller who is told that it failed looks before repeating, and so does this one.
            let _ = opened(&driver).await;
        }
        let mut idle = 0;
        while idle < 2 {
            match driver.sweep(Duration::from_mins(1)).await {
                Ok(Swept { open: 0, .. }) => idle += 1,
                Ok(Swept { failed, .. }) => {
                    self.stuck.fetch_add(failed, Ordering::SeqCst);
                    idle = 0;
                }
                Err(_) => idle = 0,
            }
            Clock::sleep(&**self, Duration::from_secs(1)).await;
        }
    }

    /// Lives in `processes` at once; if one dies they all do, and another begins.
    async fn run(self: &Arc<Self>, processes: usize) {
        let all = join_all((0..processes).map(|number| self.live(number == 0)));
        let dead = tokio::select! {
            _ = all => false,
            () = self.fate.died.notified() => true,
        };
        if dead {
            self.live(false).await;
        }
    }

    async fn only_operation(&self) -> Option<Operation> {
        let ids = self.records.operations(10).await.unwrap();
        assert!(ids.len() <= 1);
        Some(self.records.last(*ids.first()?).await.unwrap().unwrap().operation)
    }
}

/// Every access goes wrong once in this way.
async fn check(processes: usize, mishap: Mishap) {
    for number in 0.. {
        let world = World::new(Some((number, mishap))).await;
        world.run(processes).await;
        let case = format!("{processes} processes, {mishap:?} at access {number}");
        let (posts, accepted) = (world.posts.load(Ordering::SeqCst), world.accepted.load(Ordering::SeqCst));
        assert!(posts <= 1 && accepted <= posts, "{case}: {posts} POSTs, {accepted} taken");
        assert_eq!(world.records.open_operations().await.unwrap(), [], "{case}");
        assert_eq!(world.stuck.load(Ordering::SeqCst), 0, "{case}: a drive gave up");
        match world.only_operation().await {
            // Refused before anything was stored.
            None => assert_eq!(posts, 0, "{case}"),
            Some(operation) => match operation.phase {
                Phase::Succeeded => assert_eq!(accepted, 1, "{case}"),
                Phase::Failed => {
                    assert_eq!(operation.failure.unwrap().kind, FailureKind::OutcomeUnknown, "{case}");
                    let dies = matches!(mishap, Mishap::DiesBefore | Mishap::DiesAfter);
                    assert!(dies || posts == 1, "{case}: whoever lives knows what was not sent");
                }
                phase => panic!("{case}: left {phase}"),
            },
        }
        // Nothing is left behind that others would wait for.
        *world.fate.mishap.lock().unwrap() = None;
        world.looks_left.store(0, Ordering::SeqCst);
        world.live(true).await;
        assert_eq!(world.accepted.load(Ordering::SeqCst), accepted + 1, "{case}: the next one");
        if !world.fate.struck.load(Ordering::SeqCst) {
            assert!(number > 15, "{case}: there were fewer accesses than there are steps");
            return;
        }
    }
}

#[tokio::test]
async fn an_access_that_fails_neither_loses_nor_doubles_an_operation() {
    for processes in [1, 2] {
        check(processes, Mishap::Refused).await;
        check(processes, Mishap::AnswerLost).await;
    }
}

#[tokio::test]
async fn a_death_at_any_access_neither_loses_nor_doubles_an_operation() {
    for processes in [1, 2] {
        check(processes, Mishap::DiesBefore).await;
        check(processes, Mishap::DiesAfter).await;
    }
}

#[tokio::test]
async fn a_process_that_was_told_to_stop_begins_no_post() {
    let world = World::new(None).await;
    let driver = Driver::new(world.ports());
    let id = opened(&driver).await.unwrap().id;
    let step = driver.drive(id, Timestamp::MAX, |_| ());
    tokio::pin!(step);
    // On its way to the start: its service is held, nothing is written down.
    while world.fate.seen.load(Ordering::SeqCst) < 5 {
        assert!(futures::poll!(&mut step).is_pending());
    }
    driver.stop();
    assert!(step.await.is_some());
    assert_eq!(world.posts.load(Ordering::SeqCst), 0);
    assert_eq!(world.only_operation().await.unwrap().attempts, [], "none was written down either");
    assert!(driver.drive(id, Timestamp::MAX, |_| ()).await.is_none(), "no step begins after the stop");
    world.live(false).await;
    assert_eq!(world.only_operation().await.unwrap().phase, Phase::Succeeded);
}

#[tokio::test]
async fn an_operation_is_watched_for_two_days_at_most() {
    let world = World::new(None).await;
    let driver = Driver::new(world.ports());
    let id = opened(&driver).await.unwrap().id;
    driver.drive(id, Clock::now(&*world), |_| ()).await;
    world.looks_left.store(usize::MAX, Ordering::SeqCst);
    world.millis.fetch_add(49 * 3_600_000, Ordering::SeqCst);
    driver.drive(id, Timestamp::MAX, |_| ()).await;
    let failure = world.only_operation().await.unwrap().failure.unwrap();
    assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
    assert!(failure.to_string().contains("gave up watching after 48 hours"), "{failure}");
}
