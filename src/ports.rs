//! What workflows ask of the world: the time, Azure API Management, and the records.
//!
//! Each has one real adapter (`azure`, `records`, [`SystemClock`]) and stand-ins that work.

mod catalog;
mod inspection;
mod journal;
mod telling;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::domain::{
    Answer, AttemptId, AzureError, BlobLook, BlobRef, Bounds, Caller, Concerns, ContainerRef, Continuation,
    Credentials, Kind, Plan, RequestIds, Secret, Seen, ServiceId, ServiceStatus,
};

pub use catalog::{Catalog, Mark, Points};
pub use inspection::Inspection;
pub use journal::{Appended, Cause, Claim, Ended, Hold, Journal, Opening, Pruned, Since};
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
    /// What may begin at all.
    pub bounds: Bounds,
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
