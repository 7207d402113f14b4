//! The journal of operations, and of what is looked at and due.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use super::RecordsError;
use crate::domain::{
    Answer, AttemptId, BlobName, Choice, Credentials, DailyCheck, Entry, Kind, Operation, OperationId, Phase,
    Plan, ServiceName, TargetName,
};

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

    /// From now on, what is read and written of this operation may be kept in memory, its secrets too.
    fn follow(&self, id: OperationId);

    /// Keeps nothing of this operation in memory any more.
    fn forget(&self, id: OperationId);

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
