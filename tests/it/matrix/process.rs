//! A process, which sees the world through a fate.

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use apim_dr::{
    domain::{
        Answer, AzureError, BlobLook, BlobRef, Bounds, Concerns, ContainerRef, Continuation, HookName,
        Notice, Plan, Recipient, RequestIds, Secret, Seen, ServiceId, ServiceStatus,
    },
    emulator::accounts,
    ports::{
        Access, ApiManagement, Blobs, Clock, Deadlines, Deletion, Hooks, Listed, NotDelivered, Order, Poll,
        Ports, ReadError,
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
    PutMultipartOptions, PutOptions, PutPayload, PutResult, path::Path,
};

use super::{
    fate::{Deed, Fate, Mishap},
    seen,
    world::{OTHER_GROUP, OTHER_KEY, SETTLE, World, scripted},
};

/// How long a request to the container may take: then it is given up, whether its bytes have left or not.
const PATIENCE: SignedDuration = SignedDuration::from_secs(25);

/// A process, as far as the world sees it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) world: Arc<World>,
    pub(super) fate: Arc<Fate>,
    /// How far its own clock is ahead, until it hears Azure's.
    ahead: Mutex<SignedDuration>,
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
    pub(super) fn ahead(
        world: &Arc<World>,
        by: SignedDuration,
        mishap: Option<(usize, Mishap)>,
    ) -> Arc<Self> {
        let process = Self::new(world, mishap);
        *process.ahead.lock().unwrap() = by;
        process
    }

    /// Azure's time came with an answer.
    fn hears(&self) {
        *self.ahead.lock().unwrap() = SignedDuration::ZERO;
    }

    pub(super) fn ports(self: &Arc<Self>) -> Ports {
        let deadline = self.world.deadline;
        let store = Store { world: self.world.clone(), fate: self.fate.clone() };
        let records = Arc::new(Records::on(Arc::new(store), self.world.key.clone()));
        Ports {
            clock: self.clone(),
            azure: self.clone(),
            inspection: Arc::new(seen::Seen(self.clone())),
            blobs: self.clone(),
            catalog: records.clone(),
            alarms: records.clone(),
            outbox: records.clone(),
            journal: records,
            hooks: self.clone(),
            concerns: Concerns::default(),
            bounds: Bounds::default(),
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
            // A process may have died in its sleep: it never wakes.
            let now = world.now();
            let ends = world.sleepers.lock().unwrap().clone();
            let first = ends.into_iter().filter(|end| *end > now).min().unwrap_or(now);
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
        let began = self.world.now();
        let delete = async {
            if self.world.now() > began + PATIENCE {
                return Deletion::Unknown { reason: "it was given up".to_owned() };
            }
            self.world.delete(blob, seen).await
        };
        let failed = || Deletion::Unknown { reason: "it was scripted".to_owned() };
        self.fate.meet(Deed::Write, delete, failed).await
    }
}

/// One that wants to be told everything.
#[async_trait]
impl Hooks for Process {
    fn wanting(&self, _: &Notice) -> Vec<HookName> {
        vec!["ops".parse().unwrap()]
    }

    fn refuses(&self, _: &Recipient) -> Option<String> {
        None
    }

    fn is_one_row(&self, _: &str) -> bool {
        false
    }

    async fn send(&self, notice: &Notice, _: &Recipient) -> Result<(), NotDelivered> {
        let send = async {
            self.world.told.lock().unwrap().push(notice.id.clone());
            Ok(())
        };
        let failed =
            || Err(NotDelivered { reason: "it was scripted".to_owned(), lasting: false, expected: false });
        self.fate.meet(Deed::Post, send, failed).await
    }
}

/// The store of all, as one process sees it.
#[derive(Debug)]
struct Store {
    world: Arc<World>,
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
        let deed = if location.as_ref().starts_with("catalog/") { Deed::Record } else { Deed::Write };
        let put = self.world.store.put_opts(location, payload, options);
        self.fate.meet(deed, put, || Err(reset())).await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(object_store::Error::NotImplemented { operation: String::new(), implementer: String::new() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.fate.meet(Deed::Read, self.world.store.get_opts(location, options), || Err(reset())).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let (world, fate) = (self.world.clone(), self.fate.clone());
        let delete = async move {
            let locations: Vec<_> = locations.collect().await;
            let markers = locations.iter().flatten().filter_map(|path| path.as_ref().strip_prefix("open/"));
            let markers: Vec<_> = markers.map(str::to_owned).collect();
            let deed = if markers.is_empty() { Deed::Write } else { Deed::Forget };
            let delete = async {
                for marker in &markers {
                    world.check_forgotten(marker).await;
                }
                world.store.delete_stream(stream::iter(locations).boxed()).collect::<Vec<_>>().await
            };
            fate.meet(deed, delete, || vec![Err(reset())]).await
        };
        stream::once(delete).flat_map(stream::iter).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let (store, fate, prefix) = (self.world.store.clone(), self.fate.clone(), prefix.cloned());
        let list = async move {
            let list = async { store.list(prefix.as_ref()).collect::<Vec<_>>().await };
            fate.meet(Deed::Read, list, || vec![Err(reset())]).await
        };
        stream::once(list).flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.fate.meet(Deed::Read, self.world.store.list_with_delimiter(prefix), || Err(reset())).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(object_store::Error::NotImplemented { operation: String::new(), implementer: String::new() })
    }
}
