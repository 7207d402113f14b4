//! API Management services, their blobs, the records, and time; and processes that see them through a fate.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use apim_dr::{
    domain::{
        Answer, AttemptId, AzureError, BlobLook, BlobRef, ContainerRef, Continuation, Kind, Operation, Phase,
        Plan, RequestIds, Secret, Seen, ServiceId, ServiceName, ServiceStatus,
    },
    emulator::accounts,
    keys::StateKey,
    ports::{
        Access, ApiManagement, Blobs, Clock, Deadlines, Deletion, Journal as _, Listed, Order, Poll, Ports,
        ReadError,
    },
    records::Records,
};
use async_trait::async_trait;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use jiff::{SignedDuration, Timestamp};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};

use super::fate::{Deed, Fate, Mishap};

/// How long Azure works on a backup or a restore.
const WORK: SignedDuration = SignedDuration::from_mins(3);
/// A backup has its blob that long before its end.
const CLEANUP: SignedDuration = SignedDuration::from_mins(1);
/// Shorter than the default, so that the matrix has fewer looks; longer than a POST may take.
pub(super) const SETTLE: Duration = Duration::from_mins(4);
/// How long a POST may take, as its driver promises.
const POST: SignedDuration = SignedDuration::from_secs(30);

/// The account key of an equal request that somebody else sends, for another resource group.
pub(super) const OTHER_GROUP: &str = "other";
pub(super) const OTHER_KEY: &str = "b3RoZXI=";

/// What Azure does with a POST, unless it works on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Takes it, and it ends well.
    Taken,
    /// Takes it, and it ends badly, without a blob.
    TakenFails,
    /// The same, but the answer is lost.
    TakenLost,
    TakenFailsLost,
    /// Takes it, and names no address to ask, or one that tells nothing.
    NoAddress,
    NoAddressFails,
    Gone,
    /// Does not take it.
    Lost,
    Busy,
    Refused,
}

/// A POST that Azure took.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) kind: Kind,
    service: String,
    blob: String,
    pub(super) ends: Timestamp,
    fails: bool,
    written: bool,
    gone: bool,
}

impl Run {
    pub(super) fn never_ends(&mut self) {
        self.ends = Timestamp::MAX;
    }

    /// Whether it has ended well by `now`.
    pub(super) fn is_done(&self, now: Timestamp) -> bool {
        self.ends <= now && !self.fails
    }
}

/// What is there, whoever looks.
#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Arc<InMemory>,
    pub(super) records: Records,
    key: StateKey,
    deadline: Duration,
    millis: AtomicI64,
    /// When those that sleep wake, and how much was done, so that time need not pass in vain.
    sleepers: Mutex<Vec<Timestamp>>,
    doings: Arc<AtomicUsize>,
    /// What Azure does with the next POSTs; the others are taken.
    replies: Mutex<VecDeque<Reply>>,
    /// POSTs that arrived, by attempt; with how many of them were taken.
    pub(super) posts: Mutex<HashMap<AttemptId, (usize, usize)>>,
    pub(super) runs: Mutex<BTreeMap<String, Run>>,
    /// By name: the attempts that wrote it.
    pub(super) blobs: Mutex<HashMap<String, Vec<String>>>,
    /// The service cannot be found.
    pub(super) missing: AtomicBool,
    /// What must never be, and was.
    pub(super) broken: Mutex<Vec<String>>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Self::with(&[], Duration::from_hours(6))
    }

    /// A world in which Azure gives these replies first, and operations may start until `deadline`.
    pub(super) fn with(replies: &[Reply], deadline: Duration) -> Arc<Self> {
        let store = Arc::new(InMemory::new());
        let key = StateKey::generate();
        Arc::new(Self {
            records: Records::on(store.clone(), key.clone()),
            store,
            key,
            deadline,
            millis: AtomicI64::new(0),
            sleepers: Mutex::default(),
            doings: Arc::default(),
            replies: Mutex::new(replies.iter().copied().collect()),
            posts: Mutex::default(),
            runs: Mutex::default(),
            blobs: Mutex::default(),
            missing: AtomicBool::default(),
            broken: Mutex::default(),
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

    /// Does what is over: a backup writes its blob shortly before its end.
    fn settle(&self) {
        let now = self.now();
        for (attempt, run) in self.runs.lock().unwrap().iter_mut() {
            if run.kind == Kind::Backup && !run.fails && !run.written && run.ends - CLEANUP <= now {
                run.written = true;
                self.blobs.lock().unwrap().entry(run.blob.clone()).or_default().push(attempt.clone());
            }
        }
    }

    fn is_busy(&self, service: &ServiceName) -> bool {
        self.settle();
        let now = self.now();
        self.runs.lock().unwrap().values().any(|run| run.ends > now && run.service == service.as_str())
    }

    fn blob(&self, name: &str) -> BlobLook {
        self.settle();
        match self.blobs.lock().unwrap().get(name) {
            None => BlobLook::Absent,
            Some(writers) => BlobLook::Present(seen(writers.len())),
        }
    }

    fn list(&self) -> Vec<Listed> {
        self.settle();
        let blobs = self.blobs.lock().unwrap();
        blobs.iter().map(|(name, writers)| Listed { name: name.clone(), seen: seen(writers.len()) }).collect()
    }

    fn delete(&self, blob: &BlobRef, expected: &Seen) -> Deletion {
        self.settle();
        let mut blobs = self.blobs.lock().unwrap();
        match blobs.get(blob.name.as_str()) {
            None => Deletion::Gone,
            Some(writers) if !seen(writers.len()).is_same(expected) => Deletion::Changed,
            Some(_) => {
                blobs.remove(blob.name.as_str());
                Deletion::Deleted
            }
        }
    }

    fn post(&self, plan: &Plan, attempt: AttemptId) -> Answer {
        let busy = self.is_busy(&plan.service.name);
        let reply =
            if busy { Reply::Busy } else { self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Taken) };
        let mut posts = self.posts.lock().unwrap();
        let (arrived, taken) = posts.entry(attempt).or_default();
        *arrived += 1;
        match reply {
            Reply::Busy => {
                return Answer::Busy { error: AzureError::local("another works"), after_seconds: None };
            }
            Reply::Refused => return Answer::Refused { error: scripted() },
            Reply::Lost => return Answer::Unknown { error: scripted() },
            _ => {}
        }
        *taken += 1;
        let fails = matches!(reply, Reply::TakenFails | Reply::TakenFailsLost | Reply::NoAddressFails);
        let run = Run {
            kind: plan.kind,
            service: plan.service.name.to_string(),
            blob: plan.blob.name.to_string(),
            ends: self.now() + WORK,
            fails,
            written: false,
            gone: reply == Reply::Gone,
        };
        self.runs.lock().unwrap().insert(attempt.to_string(), run);
        if matches!(reply, Reply::TakenLost | Reply::TakenFailsLost) {
            return Answer::Unknown { error: scripted() };
        }
        let address = format!("https://management.azure.com//{attempt}");
        let continuation = (!matches!(reply, Reply::NoAddress | Reply::NoAddressFails))
            .then_some(Continuation::Location(address));
        Answer::Accepted { continuation, after_seconds: 60, ids: RequestIds::default() }
    }

    /// What must hold whenever a POST leaves: only who holds the service sends it, as the newest attempt of an
    /// operation that is Starting, in time, and after no other that was taken and did not fail.
    async fn check_post(&self, plan: &Plan, id: AttemptId) {
        let mut wrong = Vec::new();
        let now = self.now();
        match self.operation_with(id).await {
            None => wrong.push("it is not in the journal"),
            Some(operation) => {
                let attempt = operation.attempts.last().unwrap();
                if operation.phase != Phase::Starting || attempt.id != id {
                    wrong.push("somebody decided without it");
                }
                if self.records.holder(&plan.service.name, now).await.unwrap() != Some(operation.id) {
                    wrong.push("its operation does not hold the service");
                }
                if now + POST > attempt.post_until.min(operation.deadline) {
                    wrong.push("it is too late");
                }
                let seen = &attempt.blob;
                if !matches!(seen, BlobLook::Unread { .. }) && *seen != self.blob(plan.blob.name.as_str()) {
                    wrong.push("the blob is not as it was seen");
                }
                let runs = self.runs.lock().unwrap();
                let taken = operation.attempts.iter().filter_map(|attempt| runs.get(&attempt.id.to_string()));
                for run in taken {
                    if run.is_done(now) || run.ends > now {
                        wrong.push("an earlier one was taken");
                    }
                }
            }
        }
        self.broken.lock().unwrap().extend(wrong.iter().map(|wrong| format!("a POST left, and {wrong}")));
    }

    async fn operation_with(&self, attempt: AttemptId) -> Option<Operation> {
        for id in self.records.operations(10).await.unwrap() {
            let last = self.records.last(id).await.unwrap();
            let operation = last.map(|entry| entry.operation);
            let has = |operation: &Operation| operation.attempts.iter().any(|known| known.id == attempt);
            if operation.as_ref().is_some_and(has) {
                return operation;
            }
        }
        None
    }
}

/// A process, as far as the world sees it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) world: Arc<World>,
    pub(super) fate: Arc<Fate>,
    /// How far its own clock is ahead, until it hears Azure's.
    ahead: Mutex<SignedDuration>,
}

/// A blob that was written so often.
fn seen(writes: usize) -> Seen {
    Seen { e_tag: writes.to_string(), size: 1, modified: None, md5: None, locked: None }
}

fn scripted() -> AzureError {
    AzureError::local("it was scripted")
}

impl Process {
    pub(super) fn new(world: &Arc<World>, mishap: Option<(usize, Mishap)>) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            fate: Arc::new(Fate::new(world.doings.clone(), mishap)),
            ahead: Mutex::default(),
        })
    }

    /// One whose own clock is ahead of Azure's.
    pub(super) fn ahead(world: &Arc<World>, by: SignedDuration) -> Arc<Self> {
        let process = Self::new(world, None);
        *process.ahead.lock().unwrap() = by;
        process
    }

    /// Azure's time came with an answer.
    fn hears(&self) {
        *self.ahead.lock().unwrap() = SignedDuration::ZERO;
    }

    pub(super) fn ports(self: &Arc<Self>) -> Ports {
        let deadline = self.world.deadline;
        let store = Store { store: self.world.store.clone(), fate: self.fate.clone() };
        let records = Arc::new(Records::on(Arc::new(store), self.world.key.clone()));
        Ports {
            clock: self.clone(),
            azure: self.clone(),
            blobs: self.clone(),
            catalog: records.clone(),
            journal: records,
            deadlines: Deadlines { backup: deadline, restore: deadline * 2 },
            settle: SETTLE,
        }
    }
}

#[async_trait]
impl Clock for Process {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.world.millis.load(Ordering::SeqCst).unsigned_abs())
    }

    /// Time passes slowly while others do something, and else at once to where the first of all wakes.
    async fn sleep(&self, pause: Duration) {
        let world = &self.world;
        let end = world.now() + pause;
        world.sleepers.lock().unwrap().push(end);
        while world.now() < end {
            let before = world.doings.load(Ordering::SeqCst);
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let first = *world.sleepers.lock().unwrap().iter().min().unwrap();
            let idle = world.doings.load(Ordering::SeqCst) == before;
            let pause = if idle { first.duration_since(world.now()) } else { SignedDuration::from_secs(2) };
            world.advance(pause.try_into().unwrap_or_default());
        }
        let mut sleepers = world.sleepers.lock().unwrap();
        let ours = sleepers.iter().position(|known| *known == end).unwrap();
        sleepers.swap_remove(ours);
        world.doings.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ApiManagement for Process {
    fn now(&self) -> Timestamp {
        self.world.now() + *self.ahead.lock().unwrap()
    }

    async fn service(&self, service: &ServiceId, _: &Access) -> Result<ServiceStatus, ReadError> {
        let look = async {
            self.hears();
            if self.world.missing.load(Ordering::SeqCst) {
                return Err(ReadError::Definite(AzureError { status: Some(404), ..scripted() }));
            }
            let state = if self.world.is_busy(&service.name) { "Updating" } else { "Succeeded" };
            Ok(ServiceStatus {
                tier: None,
                provisioning_state: state.to_owned(),
                target_provisioning_state: String::new(),
            })
        };
        self.fate.meet(Deed::Read, look, || Err(ReadError::Transient(scripted()))).await
    }

    async fn prepare(&self, _: &Plan, _: &Access) -> Result<(), ReadError> {
        self.fate.meet(Deed::Read, async { Ok(()) }, || Err(ReadError::Transient(scripted()))).await
    }

    /// The time is checked right before the bytes leave: a process that stands still does so before that.
    async fn start(&self, order: Order<'_>, may_post: &(dyn Fn() -> bool + Sync)) -> Answer {
        let Order { plan, access, attempt } = order;
        let post = async {
            if !may_post() {
                return Answer::NotSent { reason: "too late".to_owned() };
            }
            let theirs = plan.service.resource_group.as_str() == OTHER_GROUP;
            assert_eq!(
                access.credentials.access_key.as_ref().map(Secret::expose),
                Some(if theirs { OTHER_KEY } else { accounts::ACCOUNT_KEY }),
                "the plan of one, the secrets of another"
            );
            self.world.check_post(plan, attempt).await;
            self.world.post(plan, attempt)
        };
        self.fate.meet(Deed::Post, post, || Answer::Unknown { error: scripted() }).await
    }

    async fn poll(&self, continuation: &Continuation, _: &Access) -> Poll {
        let look = async {
            self.hears();
            self.world.settle();
            let attempt = continuation.url().rsplit('/').next().unwrap();
            let run = self.world.runs.lock().unwrap()[attempt].clone();
            if run.gone {
                return Poll::Refused(scripted());
            }
            if run.ends <= self.world.now() {
                let succeeded = Poll::Succeeded { ids: RequestIds::default() };
                return if run.fails { Poll::Failed(scripted()) } else { succeeded };
            }
            // Azure moves the address once.
            let continuation = Continuation::Location(format!("https://management.azure.com/{attempt}"));
            Poll::Running { continuation, after: Duration::from_mins(1) }
        };
        let failed = || Poll::Unread { error: scripted(), after: Duration::from_mins(1), lasting: false };
        self.fate.meet(Deed::Read, look, failed).await
    }
}

#[async_trait]
impl Blobs for Process {
    async fn look(&self, blob: &BlobRef, _: Option<&Secret>) -> BlobLook {
        let look = async { self.world.blob(blob.name.as_str()) };
        self.fate.meet(Deed::Read, look, || BlobLook::Unread { reason: "it was scripted".to_owned() }).await
    }

    fn list<'a>(
        &'a self,
        _: &'a ContainerRef,
        _: Option<&'a Secret>,
    ) -> BoxStream<'a, Result<Listed, String>> {
        let list = async {
            let list = async { self.world.list().into_iter().map(Ok).collect() };
            self.fate.meet(Deed::Read, list, || vec![Err("it was scripted".to_owned())]).await
        };
        stream::once(list).flat_map(stream::iter).boxed()
    }

    async fn delete(&self, blob: &BlobRef, seen: &Seen, _: Option<&Secret>) -> Deletion {
        let delete = async { self.world.delete(blob, seen) };
        let failed = || Deletion::Unknown { reason: "it was scripted".to_owned() };
        self.fate.meet(Deed::Write, delete, failed).await
    }
}

/// The store of all, as one process sees it.
#[derive(Debug)]
struct Store {
    store: Arc<InMemory>,
    fate: Arc<Fate>,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

fn reset() -> object_store::Error {
    object_store::Error::Generic { store: "Store", source: "it was scripted".into() }
}

#[async_trait]
impl ObjectStore for Store {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let put = self.store.put_opts(location, payload, options);
        self.fate.meet(Deed::Write, put, || Err(reset())).await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(object_store::Error::NotImplemented { operation: String::new(), implementer: String::new() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.fate.meet(Deed::Read, self.store.get_opts(location, options), || Err(reset())).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (store, fate) = (self.store.clone(), self.fate.clone());
        let delete = async move {
            let delete = async { store.delete_stream(locations).collect::<Vec<_>>().await };
            fate.meet(Deed::Write, delete, || vec![Err(reset())]).await
        };
        stream::once(delete).flat_map(stream::iter).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let (store, fate, prefix) = (self.store.clone(), self.fate.clone(), prefix.cloned());
        let list = async move {
            let list = async { store.list(prefix.as_ref()).collect::<Vec<_>>().await };
            fate.meet(Deed::Read, list, || vec![Err(reset())]).await
        };
        stream::once(list).flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.fate.meet(Deed::Read, self.store.list_with_delimiter(prefix), || Err(reset())).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(object_store::Error::NotImplemented { operation: String::new(), implementer: String::new() })
    }
}
