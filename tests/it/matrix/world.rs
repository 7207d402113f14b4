//! API Management services, their blobs, the records, and time; and processes that see them through a fate.

use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use apim_dr::{
    domain::{
        Answer, AttemptId, AzureError, BlobLook, BlobRef, Continuation, Credentials, Entry, Kind, Operation,
        OperationId, Plan, RequestIds, Secret, ServiceId, ServiceName, ServiceStatus, TargetName,
    },
    emulator::accounts,
    keys::StateKey,
    ports::{
        Access, ApiManagement, Appended, Blobs, Cause, Claim, Clock, Deadlines, Hold, Journal, Opening,
        Order, Poll, Ports, Pruned, ReadError, RecordsError, Since,
    },
    records::Records,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::memory::InMemory;
use tokio::sync::Notify;

/// How long Azure works on a backup or a restore.
const WORK: SignedDuration = SignedDuration::from_mins(3);
/// Shorter than the default, so that the matrix has fewer looks; longer than a POST may take.
pub(super) const SETTLE: Duration = Duration::from_mins(4);

/// What befalls one access of a process to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It is not done, and fails.
    Refused,
    /// It is done, and fails all the same.
    AnswerLost,
    /// The process dies at it, before or after it is done.
    DiesBefore,
    DiesAfter,
    /// The process stands still before it, until it is woken.
    Paused,
}

/// Counts the accesses of a process and lets one of them go wrong.
#[derive(Debug, Default)]
pub(super) struct Fate {
    seen: AtomicUsize,
    mishap: Option<(usize, Mishap)>,
    pub(super) struck: AtomicBool,
    /// Its mishap has struck: it is dead, stands still, or goes on with an error.
    pub(super) stopped: Notify,
    pub(super) wake: Notify,
}

impl Fate {
    pub(super) fn new(mishap: Option<(usize, Mishap)>) -> Self {
        Self { mishap, ..Self::default() }
    }

    /// Does `access` as its fate wills; others get their turn before and after.
    async fn meet<T>(&self, access: impl Future<Output = T>, failed: impl FnOnce() -> T) -> T {
        tokio::task::yield_now().await;
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let mishap = self.mishap.filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
        self.struck.fetch_or(mishap.is_some(), Ordering::SeqCst);
        match mishap {
            Some(Mishap::DiesBefore) => self.die().await,
            Some(Mishap::Paused) => {
                self.stopped.notify_one();
                self.wake.notified().await;
            }
            Some(Mishap::Refused) => {
                self.stopped.notify_one();
                return failed();
            }
            Some(Mishap::AnswerLost) => self.stopped.notify_one(),
            Some(Mishap::DiesAfter) | None => {}
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
        self.stopped.notify_one();
        pending::<()>().await;
    }
}

/// A POST that Azure took.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) kind: Kind,
    service: String,
    blob: String,
    ends: Timestamp,
    written: bool,
}

impl Run {
    pub(super) fn never_ends(&mut self) {
        self.ends = Timestamp::MAX;
    }
}

/// What is there, whoever looks.
#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Arc<InMemory>,
    pub(super) records: Records,
    millis: AtomicI64,
    /// POSTs that arrived, by attempt; with how many of them were taken.
    pub(super) posts: Mutex<HashMap<AttemptId, (usize, usize)>>,
    pub(super) runs: Mutex<BTreeMap<String, Run>>,
    /// By name: the attempts that wrote it.
    pub(super) blobs: Mutex<HashMap<String, Vec<String>>>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        let store = Arc::new(InMemory::new());
        Arc::new(Self {
            records: Records::on(store.clone(), StateKey::generate()),
            store,
            millis: AtomicI64::new(0),
            posts: Mutex::default(),
            runs: Mutex::default(),
            blobs: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T01:00:00Z".parse().unwrap();
        start + SignedDuration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.millis.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(super) fn accepted(&self) -> usize {
        self.posts.lock().unwrap().values().map(|(_, taken)| taken).sum()
    }

    /// Ends what is over: a backup writes its blob at its end.
    fn settle(&self) {
        let now = self.now();
        for (attempt, run) in self.runs.lock().unwrap().iter_mut() {
            if run.ends <= now && !run.written {
                run.written = true;
                if run.kind == Kind::Backup {
                    let mut blobs = self.blobs.lock().unwrap();
                    blobs.entry(run.blob.clone()).or_default().push(attempt.clone());
                }
            }
        }
    }

    fn is_busy(&self, service: &ServiceName) -> bool {
        self.settle();
        let runs = self.runs.lock().unwrap();
        runs.values().any(|run| !run.written && run.service == service.as_str())
    }

    fn post(&self, plan: &Plan, attempt: AttemptId) -> Answer {
        let busy = self.is_busy(&plan.service.name);
        let mut posts = self.posts.lock().unwrap();
        let (arrived, taken) = posts.entry(attempt).or_default();
        *arrived += 1;
        if busy {
            return Answer::Busy { error: AzureError::local("another works"), after_seconds: None };
        }
        *taken += 1;
        let ends = self.now() + WORK;
        let service = plan.service.name.to_string();
        let run = Run { kind: plan.kind, service, blob: plan.blob.name.to_string(), ends, written: false };
        self.runs.lock().unwrap().insert(attempt.to_string(), run);
        let continuation = Continuation::Location(format!("https://management.azure.com//{attempt}"));
        Answer::Accepted { continuation: Some(continuation), after_seconds: 60, ids: RequestIds::default() }
    }
}

/// A process, as far as the world sees it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) world: Arc<World>,
    pub(super) fate: Fate,
    /// How far its clock is ahead of Azure's.
    ahead: SignedDuration,
}

fn lost() -> RecordsError {
    RecordsError::Store { action: "reach", path: "the store".to_owned(), source: "it was scripted".into() }
}

fn scripted() -> AzureError {
    AzureError::local("it was scripted")
}

impl Process {
    pub(super) fn new(world: &Arc<World>, mishap: Option<(usize, Mishap)>) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), fate: Fate::new(mishap), ahead: SignedDuration::ZERO })
    }

    /// One whose own clock is wrong.
    pub(super) fn ahead(world: &Arc<World>, ahead: SignedDuration) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), fate: Fate::default(), ahead })
    }

    pub(super) fn ports(self: &Arc<Self>) -> Ports {
        let deadlines = Deadlines { backup: Duration::from_hours(6), restore: Duration::from_hours(12) };
        Ports {
            clock: self.clone(),
            azure: self.clone(),
            blobs: self.clone(),
            journal: self.clone(),
            deadlines,
            settle: SETTLE,
        }
    }
}

#[async_trait]
impl Clock for Process {
    fn now(&self) -> Timestamp {
        self.world.now() + self.ahead
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.world.millis.load(Ordering::SeqCst).unsigned_abs())
    }

    /// Time passes in small steps, so that nobody sleeps through what another does meanwhile.
    async fn sleep(&self, pause: Duration) {
        let end = self.world.now() + pause;
        while self.world.now() < end {
            self.world.advance(Duration::from_secs(5));
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[async_trait]
impl ApiManagement for Process {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn service(&self, service: &ServiceId, _: &Access) -> Result<ServiceStatus, ReadError> {
        let look = async {
            let state = if self.world.is_busy(&service.name) { "Updating" } else { "Succeeded" };
            Ok(ServiceStatus {
                tier: None,
                provisioning_state: state.to_owned(),
                target_provisioning_state: String::new(),
            })
        };
        self.fate.meet(look, || Err(ReadError::Transient(scripted()))).await
    }

    async fn prepare(&self, _: &Plan, _: &Access) -> Result<(), ReadError> {
        self.fate.meet(async { Ok(()) }, || Err(ReadError::Transient(scripted()))).await
    }

    /// The time is checked right before the bytes leave: a process that stands still does so before that.
    async fn start(&self, order: Order<'_>, may_post: &(dyn Fn() -> bool + Sync)) -> Answer {
        let post = async {
            if !may_post() {
                return Answer::NotSent { reason: "too late".to_owned() };
            }
            assert_eq!(
                order.access.credentials.access_key.as_ref().map(Secret::expose),
                Some(accounts::ACCOUNT_KEY)
            );
            self.world.post(order.plan, order.attempt)
        };
        self.fate.meet(post, || Answer::Unknown { error: scripted() }).await
    }

    async fn poll(&self, continuation: &Continuation, _: &Access) -> Poll {
        let look = async {
            self.world.settle();
            let attempt = continuation.url().rsplit('/').next().unwrap();
            let run = self.world.runs.lock().unwrap()[attempt].clone();
            if run.written {
                return Poll::Succeeded { ids: RequestIds::default() };
            }
            // Azure moves the address once.
            let continuation = Continuation::Location(format!("https://management.azure.com/{attempt}"));
            Poll::Running { continuation, after: Duration::from_mins(1) }
        };
        let failed = || Poll::Unread { error: scripted(), after: Duration::from_mins(1), lasting: false };
        self.fate.meet(look, failed).await
    }
}

#[async_trait]
impl Blobs for Process {
    async fn look(&self, blob: &BlobRef, _: Option<&Secret>) -> BlobLook {
        let look = async {
            self.world.settle();
            match self.world.blobs.lock().unwrap().get(blob.name.as_str()) {
                None => BlobLook::Absent,
                Some(writers) => BlobLook::Present { e_tag: writers.len().to_string(), size: 1 },
            }
        };
        self.fate.meet(look, || BlobLook::Unread { reason: "it was scripted".to_owned() }).await
    }
}

/// Every access of a process to the journal is one to the records, as its fate wills.
macro_rules! journal {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Journal for Process {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$result, RecordsError> {
                self.fate.meet(self.world.records.$name($($argument),*), || Err(lost())).await
            })*
        }
    };
}

journal! {
    claimed(cause: &Cause, opening: &Opening) -> Option<Claim>;
    claim(cause: &Cause, opening: &Opening) -> Claim;
    open(opening: &Opening, credentials: &Credentials) -> ();
    open_operations() -> Vec<OperationId>;
    opening(id: OperationId) -> Option<Opening>;
    credentials(operation: &Operation) -> Credentials;
    keep_answer(id: OperationId, attempt: AttemptId, answer: &Answer, credentials: &Credentials) -> ();
    kept_answer(id: OperationId, attempt: AttemptId) -> Option<Answer>;
    append(entry: &Entry) -> Appended;
    last(id: OperationId) -> Option<Entry>;
    entries(id: OperationId) -> Vec<Entry>;
    operations(limit: usize) -> Vec<OperationId>;
    hold(operation: &Operation, now: Timestamp) -> Hold;
    holder(service: &ServiceName, now: Timestamp) -> Option<OperationId>;
    since(target: &TargetName, schedule: &str, now: Timestamp) -> Since;
    close(terminal: &Entry) -> ();
    claim_pruning(now: Timestamp) -> bool;
    prune(before: Timestamp) -> Pruned;
}
