//! What workflows ask of the world: the time, Azure API Management, and the records.
//!
//! Each has one real adapter (`azure`, `records`, [`SystemClock`]) and stand-ins that work.

mod inspection;
mod telling;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::domain::{
    Answer, AttemptId, AzureError, BlobLook, BlobName, BlobRef, Caller, Choice, Concerns, ContainerRef,
    Continuation, Credentials, DailyCheck, Deleted, Entry, Kind, Operation, OperationId, Phase, Plan,
    RecoveryPoint, RequestIds, Secret, Seen, ServiceId, ServiceName, ServiceStatus, Snapshot, TargetName,
};

pub use inspection::Inspection;
pub use telling::{
    Alarms, Delivery, Found, Hooks, Letters, NotDelivered, Outbox, Standing, UnreadAlarm, Waiting,
};

/// Everything a workflow may touch.
#[derive(Debug, Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub azure: Arc<dyn ApiManagement>,
    pub inspection: Arc<dyn Inspection>,
    pub blobs: Arc<dyn Blobs>,
    pub journal: Arc<dyn Journal>,
    pub catalog: Arc<dyn Catalog>,
    pub alarms: Arc<dyn Alarms>,
    pub outbox: Arc<dyn Outbox>,
    pub hooks: Arc<dyn Hooks>,
    /// Whom news concern.
    pub concerns: Concerns,
    /// How long after its opening a backup, and a restore, may start.
    pub deadlines: Deadlines,
    /// How long a service must be seen idle, and its blob unchanged, before a start whose answer was lost counts as
    /// not begun. Longer than every ordinary recorded backup: none was ever looked at while it ran.
    pub settle: Duration,
}

/// Until when an operation may start, counted from its opening.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    pub backup: Duration,
    pub restore: Duration,
}

impl Deadlines {
    pub fn of(self, kind: Kind) -> Duration {
        match kind {
            Kind::Backup => self.backup,
            Kind::Restore => self.restore,
        }
    }
}

/// The time, and waiting for it.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant, on a clock that nobody sets and that goes on while the machine sleeps.
    fn elapsed(&self) -> Duration;
    async fn sleep(&self, pause: Duration);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time enters")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[cfg(target_os = "linux")]
    fn elapsed(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        // Negative never: it counts from the machine's start.
        clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    fn elapsed(&self) -> Duration {
        use std::{sync::LazyLock, time::Instant};
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGAN.elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// Who calls Azure Resource Manager, with the secrets that the request brought. All of them: an answer to any call may
/// echo any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub caller: Caller,
    pub credentials: Credentials,
}

/// A start as it is posted.
#[derive(Debug)]
pub struct Order<'a> {
    pub plan: &'a Plan,
    pub access: &'a Access,
    pub attempt: AttemptId,
}

/// Why the service could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Asking again without a change will not help.
    #[error("{0}")]
    Definite(AzureError),
    /// The same question may be answered later.
    #[error("{0}")]
    Transient(AzureError),
}

/// What one look at a running operation told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Still running; ask there, then.
    Running { continuation: Continuation, after: Duration },
    /// The operation's own success.
    Succeeded { ids: RequestIds },
    /// The operation's own failure, or its cancellation by Azure.
    Failed(AzureError),
    /// The look failed, not the operation: ask again. `lasting`: it will fail again until somebody changes
    /// something.
    Unread { error: AzureError, after: Duration, lasting: bool },
    /// The address refused us (403, 404, 410), which says nothing of the operation.
    Refused(AzureError),
}

/// API Management behind Azure Resource Manager.
#[async_trait]
pub trait ApiManagement: Debug + Send + Sync {
    /// Azure Resource Manager's time: the `Date` of its answers and what has elapsed here since. Before the first
    /// answer it is our own.
    fn now(&self) -> Timestamp;

    /// Reads the service.
    async fn service(&self, service: &ServiceId, access: &Access) -> Result<ServiceStatus, ReadError>;

    /// Gets ready to start: whatever may fail before anything is sent (a token, an api-version that is too
    /// old for the plan's storage access).
    async fn prepare(&self, plan: &Plan, access: &Access) -> Result<(), ReadError>;

    /// Posts one start, at most twice: again only after a 401. `may_post` is asked right before each POST,
    /// with the token at hand; if it says no, nothing is sent.
    async fn start(&self, order: Order<'_>, may_post: &(dyn Fn() -> bool + Sync)) -> Answer;

    /// Asks once about a running operation.
    async fn poll(&self, continuation: &Continuation, access: &Access) -> Poll;
}

/// A blob as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Any text: others write here, too.
    pub name: String,
    pub seen: Seen,
}

/// What came of deleting a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    Deleted,
    /// There is none.
    Gone,
    /// Somebody has written it since; it stays.
    Changed,
    /// Nobody may delete it now: a lease, a legal hold, a policy, or snapshots.
    Locked {
        reason: String,
    },
    /// It may be gone, or go any moment.
    Unknown {
        reason: String,
    },
    /// It was refused; it stays.
    Refused {
        reason: String,
    },
}

/// The containers that backups lie in. Each is opened with the account's key if there is one, else with the connection
/// that the settings have for the account, else as the app itself.
#[async_trait]
pub trait Blobs: Debug + Send + Sync {
    /// Looks once at a blob. That it cannot be read is an answer like any other.
    async fn look(&self, blob: &BlobRef, access_key: Option<&Secret>) -> BlobLook;

    /// All blobs of a container, by name. Ends with the reason if it cannot be read further.
    fn list<'a>(
        &'a self,
        container: &'a ContainerRef,
        access_key: Option<&'a Secret>,
    ) -> BoxStream<'a, Result<Listed, String>>;

    /// Deletes a blob if it is still the one that was seen.
    async fn delete(&self, blob: &BlobRef, seen: &Seen, access_key: Option<&Secret>) -> Deletion;
}

/// The recovery points of a service, as far as they can be read.
#[derive(Debug, Default)]
pub struct Points {
    /// Those that were not deleted; also those that were overwritten.
    pub points: Vec<RecoveryPoint>,
    pub unreadable: Vec<RecordsError>,
}

/// That a blob is about to be deleted, as it stands in the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it is.
    pub path: String,
    /// Its writer deletes nothing from then on.
    pub until: Timestamp,
}

/// The catalogue of recovery points.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The services that have recovery points, in small letters.
    async fn services(&self) -> Result<Vec<ServiceName>, RecordsError>;

    /// The recovery points of a service; with `since`, those whose operation was opened no earlier.
    async fn points(&self, service: &ServiceName, since: Option<Timestamp>) -> Result<Points, RecordsError>;

    /// Records a point. That it is there already is fine.
    async fn record(&self, point: &RecoveryPoint) -> Result<(), RecordsError>;

    /// Records that somebody saw the blob of a point that was not verified before.
    async fn record_verified(
        &self,
        point: &RecoveryPoint,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<(), RecordsError>;

    /// Records that a point is gone.
    async fn record_deleted(&self, point: &RecoveryPoint, deleted: &Deleted) -> Result<(), RecordsError>;

    /// Says that a service has backups under this name.
    async fn own(&self, blob: &BlobRef, service: &ServiceName) -> Result<(), RecordsError>;

    /// The services that have, or had, backups under this name, in small letters.
    async fn owners(&self, blob: &BlobRef) -> Result<Vec<ServiceName>, RecordsError>;

    /// Says that a container is to be left as it is until an instant, because of this restore.
    async fn freeze(
        &self,
        container: &ContainerRef,
        restore: OperationId,
        until: Timestamp,
    ) -> Result<(), RecordsError>;

    /// A restore because of which a container is to be left as it is.
    async fn frozen(
        &self,
        container: &ContainerRef,
        now: Timestamp,
    ) -> Result<Option<OperationId>, RecordsError>;

    /// Says that a blob is about to be deleted, until an instant. A restore that starts meanwhile waits.
    async fn mark(&self, blob: &BlobRef, until: Timestamp) -> Result<Mark, RecordsError>;

    /// Takes that back, or says that it is done.
    async fn unmark(&self, mark: &Mark) -> Result<(), RecordsError>;

    /// Until when a blob may be deleted by somebody who said so; `None`: nobody does.
    async fn marked(&self, blob: &BlobRef, now: Timestamp) -> Result<Option<Timestamp>, RecordsError>;

    /// Records what the backup of an operation does not carry. That it is there already is fine.
    async fn record_snapshot(&self, id: OperationId, snapshot: &Snapshot) -> Result<(), RecordsError>;

    /// What was recorded with an operation.
    async fn snapshot(
        &self,
        service: &ServiceName,
        id: OperationId,
    ) -> Result<Option<Snapshot>, RecordsError>;

    /// The newest that can be read, and with which operation it was recorded. Fails if there are some and none can be.
    async fn newest_snapshot(
        &self,
        service: &ServiceName,
    ) -> Result<Option<(OperationId, Snapshot)>, RecordsError>;
}

/// Why the records could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The store did not do it; nothing is known to have happened.
    #[error("{action} {path} failed")]
    Store {
        action: &'static str,
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object that nobody of ours wrote, or a newer version did.
    #[error("{path} is not a record of this version: {reason}")]
    Corrupt { path: String, reason: String },
    /// The sealed credentials of an operation cannot be opened.
    #[error("the credentials of this operation cannot be opened: {reason}")]
    Sealed { reason: String },
}

/// What came of appending an entry.
#[derive(Debug)]
pub enum Appended {
    /// It stands.
    Written,
    /// Another entry has that number.
    Taken,
}

/// Whether an operation holds its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Ours,
    /// Another open operation does.
    Theirs(OperationId),
}

/// What is kept of an operation while it is open, so that anybody can carry it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub id: OperationId,
    pub plan: Plan,
    pub opened: Timestamp,
    pub deadline: Timestamp,
}

/// What makes two openings one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// One instant of a target's schedule.
    Slot { target: TargetName, instant: Timestamp },
    /// One instant of the schedule of a target's drills.
    Drill { target: TargetName, instant: Timestamp },
    /// A caller's `Idempotency-Key` on one route, for ever, and a mark of the body that came with it.
    Key { route: &'static str, key: String, body: String },
    /// The same kind, service and blob, while such a one is open.
    Request,
    /// Likewise, but for the time in the blob's name: `alike` is what all such names have in common.
    Named { alike: BlobName },
}

impl Cause {
    /// What makes a repetition of a request one with it, whenever it comes. `plan` has the plain name.
    pub fn request(plan: &Plan, choice: &Choice) -> Self {
        match choice {
            Choice::Dated(naming) => Self::Named { alike: naming.timeless(plan) },
            Choice::Plain | Choice::Pick(_) => Self::Request,
        }
    }
}

/// Whose opening it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Ours,
    /// Somebody opened it before; its first entry may be missing yet.
    Theirs(Box<Opening>),
    /// The key was used before, with another body.
    OtherBody,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub id: OperationId,
    pub kind: Kind,
    /// Of which target it was a drill, if it was one.
    pub drill: Option<TargetName>,
    pub phase: Phase,
    pub opened: Timestamp,
    /// When its last attempt was; `None`: it had none.
    pub started: Option<Timestamp>,
    pub closed: Timestamp,
    /// Account, container and name of the backup that it wrote or read, with slashes between.
    pub blob: String,
    /// It was the safety backup of a restore.
    pub safety: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

/// What pruning came to.
#[derive(Debug, Default)]
pub struct Pruned {
    /// How many objects were deleted.
    pub deleted: usize,
    /// What is as old and stays, because nobody can tell that it is over.
    pub left: Vec<RecordsError>,
}

/// Since when a target has its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    pub at: Timestamp,
    /// It had another one before.
    pub changed: bool,
}

/// The journal of all operations. Objects are created if absent and never changed.
#[async_trait]
pub trait Journal: Debug + Send + Sync {
    /// Whose opening this is, if anybody's; changes nothing.
    async fn claimed(&self, cause: &Cause, opening: &Opening) -> Result<Option<Claim>, RecordsError>;

    /// Makes the opening ours, unless somebody was before us.
    async fn claim(&self, cause: &Cause, opening: &Opening) -> Result<Claim, RecordsError>;

    /// Stores the plan and its sealed credentials as open, unless that was done before: what stands then. A plan
    /// belongs to the credentials that stand beside it.
    async fn open(&self, opening: &Opening, credentials: &Credentials) -> Result<Opening, RecordsError>;

    /// The operations that are open, and those that were closed without an answer that came.
    async fn open_operations(&self) -> Result<Vec<OperationId>, RecordsError>;

    /// What was stored when the operation was opened; `None` once it is closed.
    async fn opening(&self, id: OperationId) -> Result<Option<Opening>, RecordsError>;

    /// The secrets that came with an open operation.
    async fn credentials(&self, operation: &Operation) -> Result<Credentials, RecordsError>;

    /// Stores an answer that came after its operation was closed, so that it is not lost and the operation is
    /// found again.
    async fn keep_answer(
        &self,
        id: OperationId,
        attempt: AttemptId,
        answer: &Answer,
        credentials: &Credentials,
    ) -> Result<(), RecordsError>;

    /// The answer that was stored so.
    async fn kept_answer(&self, id: OperationId, attempt: AttemptId) -> Result<Option<Answer>, RecordsError>;

    /// Creates the entry if nobody has created one with its number.
    async fn append(&self, entry: &Entry) -> Result<Appended, RecordsError>;

    /// The newest entry.
    async fn last(&self, id: OperationId) -> Result<Option<Entry>, RecordsError>;

    /// All entries, oldest first.
    async fn entries(&self, id: OperationId) -> Result<Vec<Entry>, RecordsError>;

    /// The operations opened since, newest first, at most `limit`.
    async fn operations(&self, limit: usize) -> Result<Vec<OperationId>, RecordsError>;

    /// Takes the service for the operation, unless another open operation has it.
    async fn hold(&self, operation: &Operation, now: Timestamp) -> Result<Hold, RecordsError>;

    /// Who holds a service, if it is open; changes nothing.
    async fn holder(
        &self,
        service: &ServiceName,
        now: Timestamp,
    ) -> Result<Option<OperationId>, RecordsError>;

    /// Since when a target has this schedule: `now`, if it had none or another.
    async fn since(&self, target: &TargetName, schedule: &str, now: Timestamp)
    -> Result<Since, RecordsError>;

    /// The same of the schedule of its drills.
    async fn drills_since(
        &self,
        target: &TargetName,
        schedule: &str,
        now: Timestamp,
    ) -> Result<Since, RecordsError>;

    /// The same of either, if anybody has said it; changes nothing.
    async fn known_since(
        &self,
        target: &TargetName,
        kind: Kind,
        schedule: &str,
    ) -> Result<Option<Timestamp>, RecordsError>;

    /// Whether a target was looked at on this day (UTC).
    async fn is_checked(&self, target: &TargetName, now: Timestamp) -> Result<bool, RecordsError>;

    /// Records the look of its day, and tells whether that was the first one.
    async fn record_check(&self, check: &DailyCheck) -> Result<bool, RecordsError>;

    /// The newest look at a target, of this day or the week before.
    async fn newest_check(
        &self,
        target: &TargetName,
        now: Timestamp,
    ) -> Result<Option<DailyCheck>, RecordsError>;

    /// Writes the history of a closed operation, then forgets that it was open.
    async fn close(&self, terminal: &Entry) -> Result<(), RecordsError>;

    /// The newest operations of a service that have ended, newest first: those that ended on the day of `since` or later,
    /// or else as many as tell how long one takes.
    async fn history(
        &self,
        service: &ServiceName,
        since: Option<Timestamp>,
    ) -> Result<Vec<Ended>, RecordsError>;

    /// Whether the pruning of this day (UTC) is ours: of all that ask, one is told so; and none if the time seems to
    /// have jumped.
    async fn claim_pruning(&self, now: Timestamp) -> Result<bool, RecordsError>;

    /// Deletes what is over since `before`. What is open stays, however old. A failure leaves the rest for the next
    /// time.
    async fn prune(&self, before: Timestamp) -> Result<Pruned, RecordsError>;
}
