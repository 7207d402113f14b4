//! API Management services, the records, and time.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use apim_dr::{
    domain::{
        Answer, AttemptId, AzureError, BlobLook, BlobRef, Continuation, Kind, Operation, Phase, Plan,
        RequestIds, Seen, ServiceName,
    },
    keys::StateKey,
    ports::{Deletion, Journal as _, Listed},
    records::Records,
};
use jiff::{SignedDuration, Timestamp};
use object_store::memory::InMemory;

use super::shelf::Shelf;

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

/// Another service, whose restores take long.
pub(super) const STANDBY: &str = "standby";

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
    pub(super) fails: bool,
    written: bool,
    pub(super) gone: bool,
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
    pub(super) key: StateKey,
    pub(super) deadline: Duration,
    pub(super) millis: AtomicI64,
    /// When those that sleep wake, and how much was done, so that time need not pass in vain.
    pub(super) sleepers: Mutex<Vec<Timestamp>>,
    pub(super) doings: Arc<AtomicUsize>,
    /// What Azure does with the next POSTs; the others are taken.
    replies: Mutex<VecDeque<Reply>>,
    /// POSTs that arrived, by attempt; with how many of them were taken.
    pub(super) posts: Mutex<HashMap<AttemptId, (usize, usize)>>,
    pub(super) runs: Mutex<BTreeMap<String, Run>>,
    pub(super) shelf: Shelf,
    /// How many of a service's recovery points the rules keep, if there are any.
    pub(super) keep: Option<usize>,
    /// The service cannot be found.
    pub(super) missing: AtomicBool,
    /// What must never be, and was.
    pub(super) broken: Mutex<Vec<String>>,
    /// The notices that the hook was told, in order.
    pub(super) told: Mutex<Vec<String>>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Self::with(&[], Duration::from_hours(6), None)
    }

    /// A world in which Azure gives these replies first, operations may start until `deadline`, and so many recovery
    /// points are kept.
    pub(super) fn with(replies: &[Reply], deadline: Duration, keep: Option<usize>) -> Arc<Self> {
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
            shelf: Shelf::default(),
            keep,
            missing: AtomicBool::default(),
            broken: Mutex::default(),
            told: Mutex::default(),
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
    pub(super) fn settle(&self) {
        let now = self.now();
        for run in self.runs.lock().unwrap().values_mut() {
            if run.kind == Kind::Backup && !run.fails && !run.written && run.ends - CLEANUP <= now {
                run.written = true;
                self.shelf.put(&run.blob, run.ends - CLEANUP);
            }
        }
    }

    pub(super) fn is_busy(&self, service: &ServiceName) -> bool {
        self.settle();
        let now = self.now();
        self.runs.lock().unwrap().values().any(|run| run.ends > now && run.service == service.as_str())
    }

    /// Whether a restore reads that blob.
    pub(super) fn is_read(&self, blob: &str) -> bool {
        let now = self.now();
        let reads = |run: &Run| run.kind == Kind::Restore && run.blob == blob && run.ends > now;
        self.runs.lock().unwrap().values().any(reads)
    }

    pub(super) fn blob(&self, name: &str) -> BlobLook {
        self.settle();
        self.shelf.find(name).map_or(BlobLook::Absent, BlobLook::Present)
    }

    pub(super) fn list(&self) -> Vec<Listed> {
        self.settle();
        self.shelf.list()
    }

    pub(super) async fn delete(&self, blob: &BlobRef, expected: &Seen) -> Deletion {
        self.settle();
        let name = blob.name.as_str();
        match self.shelf.find(name) {
            None => Deletion::Gone,
            Some(lying) if !lying.is_same(expected) => Deletion::Changed,
            Some(lying) => {
                self.check_delete(blob, &lying).await;
                self.shelf.delete(name);
                Deletion::Deleted
            }
        }
    }

    pub(super) fn post(&self, plan: &Plan, attempt: AttemptId) -> Answer {
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
        let is_missing = plan.kind == Kind::Restore && self.blob(plan.blob.name.as_str()) == BlobLook::Absent;
        let work = if plan.service.name.as_str() == STANDBY { WORK * 4 } else { WORK };
        let run = Run {
            kind: plan.kind,
            service: plan.service.name.to_string(),
            blob: plan.blob.name.to_string(),
            ends: self.now() + work,
            fails: fails || is_missing,
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
    pub(super) async fn check_post(&self, plan: &Plan, id: AttemptId) {
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
                let (name, seen) = (plan.blob.name.as_str(), &attempt.blob);
                let now_there = self.blob(name);
                // A backup writes it anew, whatever was there.
                let may_have_gone = plan.kind == Kind::Backup && self.shelf.was_deleted(name);
                if !matches!(seen, BlobLook::Unread { .. })
                    && *seen != now_there
                    && !(may_have_gone && now_there == BlobLook::Absent)
                {
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
        self.note(wrong.iter().map(|wrong| format!("a POST left, and {wrong}")));
    }

    /// Notes what must never be.
    pub(super) fn note(&self, broken: impl IntoIterator<Item = String>) {
        self.broken.lock().unwrap().extend(broken);
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

pub(super) fn scripted() -> AzureError {
    AzureError::local("it was scripted")
}
