//! An operation and the steps it may take.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Answer, AttemptId, AzureError, BlobLook, Continuation, Evidence, Failure, FailureKind, OperationId, Plan,
    RequestIds, Verification,
};

/// The longest time a POST may take: the client's own limit for the whole request.
pub const POST_TIMEOUT: Duration = Duration::from_secs(30);
/// What `post_until` adds to [`POST_TIMEOUT`], so that a slow driver gives up before others look.
pub const POST_MARGIN: Duration = Duration::from_mins(1);
/// How long a running operation is watched. The longest recorded one took over five hours.
pub const MAX_WATCH: Duration = Duration::from_hours(48);
/// Longest pause between two looks at a busy service.
const MAX_BACKOFF: Duration = Duration::from_mins(5);
const FIRST_BACKOFF: Duration = Duration::from_secs(15);

/// Where an operation stands; in the order in which it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was sent; waits for its turn.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What happened to an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    Opened,
    /// It cannot start yet.
    Waited {
        reason: String,
        until: Timestamp,
    },
    /// A POST is about to be sent.
    Started {
        attempt: AttemptId,
        post_until: Timestamp,
        blob: BlobLook,
    },
    /// What became of that POST.
    Answered {
        attempt: AttemptId,
        answer: Answer,
    },
    /// Azure moved the place where to ask, or can be asked again.
    Moved {
        continuation: Continuation,
        until: Timestamp,
    },
    /// It runs, but cannot be looked at until somebody changes something.
    Unread {
        reason: String,
        until: Timestamp,
    },
    /// Azure's own terminal answer: done.
    Completed {
        ids: RequestIds,
    },
    /// The look after the end.
    Verified {
        verification: Verification,
    },
    Failed {
        failure: Failure,
    },
    Skipped {
        reason: String,
    },
}

impl Event {
    /// Its name in logs and stories.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Waited { .. } => "waited",
            Self::Started { .. } => "started",
            Self::Answered { .. } => "answered",
            Self::Moved { .. } => "moved",
            Self::Unread { .. } => "unread",
            Self::Completed { .. } => "completed",
            Self::Verified { .. } => "verified",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// The step is not one that this operation may take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an operation that is {phase} cannot take the step {event:?}")]
pub struct IllegalEvent {
    pub phase: Phase,
    pub event: Box<Event>,
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
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Where to ask Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Continuation>,
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
            attempts: Vec::new(),
            continuation: None,
            evidence: None,
            verification: None,
            failure: None,
        }
    }

    /// The state after `event`, which happened `at`.
    pub fn after(&self, event: &Event, at: Timestamp) -> Result<Self, IllegalEvent> {
        let mut next = self.clone();
        next.updated = at;
        next.due = at;
        match (self.phase, event) {
            (Phase::Pending, Event::Waited { reason, until }) => next.wait(reason.clone(), *until),
            (Phase::Pending, Event::Started { attempt, post_until, blob }) => {
                next.phase = Phase::Starting;
                next.waiting = None;
                next.due = *post_until;
                next.attempts.push(Attempt {
                    id: *attempt,
                    started: at,
                    post_until: *post_until,
                    blob: blob.clone(),
                    answer: None,
                });
            }
            (Phase::Pending, Event::Skipped { reason }) => {
                next.phase = Phase::Skipped;
                next.waiting = Some(reason.clone());
            }
            (_, Event::Answered { attempt, answer }) => return self.answered(next, *attempt, answer, event),
            (Phase::Running, Event::Moved { continuation, until }) => {
                next.continuation = Some(continuation.clone());
                next.waiting = None;
                next.due = *until;
            }
            (Phase::Running, Event::Unread { reason, until }) => {
                next.waiting = Some(reason.clone());
                next.due = *until;
            }
            (Phase::Running, Event::Completed { .. }) => {
                next.phase = Phase::Verifying;
                next.waiting = None;
            }
            (Phase::Verifying, Event::Verified { verification }) => {
                next.phase = Phase::Succeeded;
                next.evidence = Some(Evidence::Arm);
                next.verification = Some(verification.clone());
            }
            (phase, Event::Failed { failure }) if may_fail(phase, failure.kind) => next.fail(failure.clone()),
            _ => return Err(self.illegal(event)),
        }
        Ok(next)
    }

    /// How long to wait before looking at a busy service again: longer each time.
    pub fn backoff(&self) -> Duration {
        FIRST_BACKOFF.saturating_mul(1 << self.waits.min(8)).min(MAX_BACKOFF)
    }

    /// When Azure took it, if it did.
    pub fn started(&self) -> Option<Timestamp> {
        self.attempts.last().map(|attempt| attempt.started)
    }

    /// An answer is always kept; it decides something only while its attempt is the newest and open.
    fn answered(
        &self,
        mut next: Self,
        attempt: AttemptId,
        answer: &Answer,
        event: &Event,
    ) -> Result<Self, IllegalEvent> {
        let Some(position) =
            self.attempts.iter().position(|known| known.id == attempt && known.answer.is_none())
        else {
            return Err(self.illegal(event));
        };
        let post_until = self.attempts[position].post_until;
        next.attempts[position].answer = Some(answer.clone());
        if position + 1 != self.attempts.len() || self.phase != Phase::Starting {
            next.due = self.due;
            return Ok(next);
        }
        match answer {
            Answer::Accepted { continuation, after_seconds, .. } => {
                next.phase = Phase::Running;
                next.waits = 0;
                next.continuation.clone_from(continuation);
                next.due = later(next.updated, Duration::from_secs(u64::from(*after_seconds)));
            }
            Answer::Refused { error } => {
                next.fail(Failure { kind: FailureKind::Refused, error: error.clone() });
            }
            Answer::Busy { error, after_seconds } => {
                let pause =
                    after_seconds.map_or(Duration::ZERO, |seconds| Duration::from_secs(u64::from(seconds)));
                next.phase = Phase::Pending;
                next.wait(format!("Azure is busy: {error}"), later(next.updated, pause.max(self.backoff())));
            }
            Answer::NotSent { reason } => {
                next.phase = Phase::Pending;
                next.wait(format!("nothing was sent: {reason}"), later(next.updated, self.backoff()));
            }
            Answer::Unknown { .. } => next.due = post_until,
        }
        Ok(next)
    }

    fn wait(&mut self, reason: String, until: Timestamp) {
        self.waiting = Some(reason);
        self.waits = self.waits.saturating_add(1);
        self.due = until;
    }

    fn fail(&mut self, failure: Failure) {
        self.phase = Phase::Failed;
        self.waiting = None;
        self.failure = Some(failure);
    }

    fn illegal(&self, event: &Event) -> IllegalEvent {
        IllegalEvent { phase: self.phase, event: Box::new(event.clone()) }
    }

    /// The outcome of the newest attempt that was lost, as the failure that says so.
    pub fn unknown_outcome(&self) -> Failure {
        let error = match self.attempts.last().and_then(|attempt| attempt.answer.as_ref()) {
            Some(Answer::Unknown { error }) => error.clone(),
            Some(Answer::Accepted { ids, .. }) => {
                let mut error =
                    AzureError::local("Azure took the request but gave no address to ask about it");
                error.ids = ids.clone();
                error
            }
            _ => AzureError::local("the process stopped between writing down the start and its answer"),
        };
        Failure { kind: FailureKind::OutcomeUnknown, error }
    }
}

/// `at` plus `pause`, or the end of time.
pub fn later(at: Timestamp, pause: Duration) -> Timestamp {
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}

fn may_fail(phase: Phase, kind: FailureKind) -> bool {
    match kind {
        FailureKind::Refused => phase == Phase::Pending,
        FailureKind::Failed => phase == Phase::Running,
        FailureKind::OutcomeUnknown => matches!(phase, Phase::Starting | Phase::Running),
    }
}

#[cfg(test)]
#[path = "operation_tests.rs"]
mod tests;
