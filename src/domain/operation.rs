//! An operation: everything that is known of it after an entry of its journal.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Answer, AttemptId, AzureError, BlobLook, BlobRef, Continuation, Evidence, Failure, FailureKind, Finding,
    OperationId, Plan, Tier, Verification,
};

/// The longest time a POST may take: the client's own limit for the whole request.
pub const POST_TIMEOUT: Duration = Duration::from_secs(30);
/// What `post_until` adds to [`POST_TIMEOUT`], so that a slow driver gives up before others look.
pub const POST_MARGIN: Duration = Duration::from_mins(1);
/// How long a started operation is watched. The longest recorded one took over five hours.
pub const MAX_WATCH: Duration = Duration::from_hours(48);
/// Longest pause between two looks at a busy service.
const MAX_BACKOFF: Duration = Duration::from_mins(5);
const FIRST_BACKOFF: Duration = Duration::from_secs(15);

/// Where an operation stands; in the order in which it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was sent, or it was refused; waits for its turn.
    Pending,
    /// A POST is being sent, or its answer was lost.
    Starting,
    /// Azure took it and works.
    Running,
    /// Azure says that it is done; we look for ourselves.
    Verifying,
    Succeeded,
    Failed,
    Canceled,
    /// Its deadline passed before it could start.
    Skipped,
}

impl Phase {
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Skipped)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Verifying => "Verifying",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Skipped => "Skipped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One attempt to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub id: AttemptId,
    pub started: Timestamp,
    /// Until then, in Azure Resource Manager's time, its POST may be under way and nobody else decides.
    pub post_until: Timestamp,
    /// The target blob right before the POST.
    pub blob: BlobLook,
    /// The service's tier right before the POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

impl Attempt {
    /// Whether Azure may work on it, or have done so, as far as the journal knows.
    pub fn may_have_begun(&self) -> bool {
        matches!(self.answer, None | Some(Answer::Accepted { .. } | Answer::Unknown { .. }))
    }

    /// Whether Azure took it, as far as the journal knows.
    pub fn is_accepted(&self) -> bool {
        matches!(self.answer, Some(Answer::Accepted { .. }))
    }

    /// Where to ask about it.
    pub fn continuation(&self) -> Option<&Continuation> {
        match &self.answer {
            Some(Answer::Accepted { continuation, .. }) => continuation.as_ref(),
            _ => None,
        }
    }
}

/// A backup that is made before a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SafetyBackup {
    pub operation: OperationId,
    pub blob: BlobRef,
    pub verified: bool,
}

/// The whole state of an operation after an entry of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    pub id: OperationId,
    pub plan: Plan,
    pub opened: Timestamp,
    /// Until then it may start.
    pub deadline: Timestamp,
    pub phase: Phase,
    pub updated: Timestamp,
    /// When the next step is worth taking.
    pub due: Timestamp,
    /// Why it waits, or what keeps us from looking, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// How often it waited in a row.
    #[serde(default)]
    pub waits: u32,
    /// What a look before the start found; what blocks ends it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The backup of the service that a restore has made first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_backup: Option<SafetyBackup>,
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// How often it was started again although nobody knows what became of the attempt before.
    #[serde(default)]
    pub restarts: u32,
    /// Since when the service has been seen idle, and the blob as it was, while nobody knows what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// The attempt that is followed, once Azure took one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<AttemptId>,
    /// Where to ask Azure about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Continuation>,
    /// It was closed already when an answer came that opened it again.
    #[serde(default)]
    pub reopened: bool,
    /// When somebody asked us to stop watching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_requested: Option<Timestamp>,
    /// On what the success rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Operation {
    /// An operation that was just opened.
    pub fn open(id: OperationId, plan: Plan, opened: Timestamp, deadline: Timestamp) -> Self {
        Self {
            id,
            plan,
            opened,
            deadline,
            phase: Phase::Pending,
            updated: opened,
            due: opened,
            waiting: None,
            waits: 0,
            findings: Vec::new(),
            safety_backup: None,
            attempts: Vec::new(),
            restarts: 0,
            idle_since: None,
            followed: None,
            continuation: None,
            reopened: false,
            cancel_requested: None,
            evidence: None,
            verification: None,
            failure: None,
        }
    }

    /// The backup that it has to wait for.
    pub fn waits_for(&self) -> Option<OperationId> {
        let awaited = self.safety_backup.as_ref().filter(|backup| !backup.verified);
        awaited.filter(|_| self.phase == Phase::Pending).map(|backup| backup.operation)
    }

    /// What keeps it from its start, by the look before it, unless somebody said that it does not count.
    pub fn blocked_by(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.is_blocking() && !self.plan.ignores(finding))
    }

    /// Whether a look before the start ended it.
    pub fn is_blocked(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Blocked)
    }

    /// How long to wait before looking at a busy service again: longer each time.
    pub fn backoff(&self) -> Duration {
        FIRST_BACKOFF.saturating_mul(1 << self.waits.min(8)).min(MAX_BACKOFF)
    }

    /// When its newest attempt was written down.
    pub fn started(&self) -> Option<Timestamp> {
        self.attempts.last().map(|attempt| attempt.started)
    }

    /// Until when the newest POST may be under way, in Azure Resource Manager's time.
    pub fn post_until(&self) -> Timestamp {
        self.attempts.last().map_or(Timestamp::MIN, |attempt| attempt.post_until)
    }

    /// Attempts whose answer nobody has written down: each may still come.
    pub fn unanswered(&self) -> impl Iterator<Item = AttemptId> {
        self.attempts.iter().filter(|attempt| attempt.answer.is_none()).map(|attempt| attempt.id)
    }

    /// Attempts before the newest that Azure turned out to have taken, newest first.
    pub fn older_accepted(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().rev().skip(1).filter(|attempt| attempt.is_accepted())
    }

    /// The failure that says that Azure itself calls the followed attempt failed. It decides nothing of a newer one
    /// that may have been taken, nor of any if it opened the operation again: then the outcome stays unknown.
    pub fn failed_by_azure(&self, error: AzureError) -> Failure {
        let mut newer = self.attempts.iter().rev().take_while(|attempt| Some(attempt.id) != self.followed);
        let undecided = newer.clone().any(Attempt::may_have_begun);
        let kind = if undecided || self.reopened && newer.next().is_some() {
            FailureKind::OutcomeUnknown
        } else {
            FailureKind::Failed
        };
        Failure { kind, error }
    }

    /// How long a drill that succeeded took, from its opening to its end: the recovery time to expect.
    pub fn recovery_time(&self) -> Option<SignedDuration> {
        let is_proof = self.plan.drill.is_some() && self.phase == Phase::Succeeded;
        is_proof.then(|| self.updated.duration_since(self.opened))
    }

    /// The attempt of which Azure said that it is done.
    pub fn completed_attempt(&self) -> Option<&Attempt> {
        let followed = self.attempts.iter().find(|attempt| Some(attempt.id) == self.followed);
        followed.or(self.attempts.last())
    }

    /// Whether it has ended for us, but perhaps not in Azure.
    pub fn may_go_on_in_azure(&self) -> bool {
        let unwatched = match self.phase {
            Phase::Canceled => true,
            Phase::Failed => {
                self.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::OutcomeUnknown)
            }
            _ => false,
        };
        unwatched && self.attempts.iter().any(Attempt::may_have_begun)
    }

    /// The failure that says that nobody can tell what became of it.
    pub fn unknown_outcome(&self) -> Failure {
        let error = match self.attempts.last().and_then(|attempt| attempt.answer.as_ref()) {
            Some(Answer::Unknown { error } | Answer::Refused { error } | Answer::Busy { error, .. }) => {
                error.clone()
            }
            Some(Answer::Accepted { ids, .. }) => {
                let mut error =
                    AzureError::local("Azure took the request but gave no address to ask about it");
                error.ids = ids.clone();
                error
            }
            Some(Answer::NotSent { reason }) => AzureError::local(reason),
            None => AzureError::local("the process stopped between writing down the start and its answer"),
        };
        Failure::unknown(error)
    }
}

/// `at` plus `pause`, or the end of time.
pub fn later(at: Timestamp, pause: Duration) -> Timestamp {
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}
