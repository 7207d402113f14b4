//! What happens to an operation, one entry each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Answer, AttemptId, BlobLook, BlobRef, Continuation, Failure, Finding, OperationId, RequestIds, Tier,
    Verification,
};

/// What happened to an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    Opened,
    /// What a look before the start found.
    Checked {
        findings: Vec<Finding>,
    },
    /// Before a restore its service is backed up, by this operation.
    SafetyBackupOpened {
        operation: OperationId,
        blob: BlobRef,
    },
    /// That backup was seen in its container.
    SafetyBackupVerified,
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
        /// Of the service, as it was seen right before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Tier>,
    },
    /// What became of that POST; possibly long after somebody else had to decide without it.
    Answered {
        attempt: AttemptId,
        answer: Answer,
    },
    /// Azure moved the place where to ask, or can be asked again.
    Moved {
        continuation: Continuation,
        until: Timestamp,
    },
    /// It may run, but cannot be asked about until somebody changes something; or Azure calls it done, but its blob is not
    /// as it should be, or cannot be read now.
    Unread {
        reason: String,
        until: Timestamp,
    },
    /// Nobody knows what became of it; the service was seen idle for the first time, the blob as it was.
    SeenIdle {
        until: Timestamp,
    },
    /// Nobody knows what became of it; the service works again.
    SeenBusy {
        state: String,
        until: Timestamp,
    },
    /// Azure's own terminal answer: done.
    Completed {
        ids: RequestIds,
        /// Which attempt's it is, if not the one that is followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptId>,
    },
    /// No terminal answer, but the service idle again and a new blob.
    Found {
        blob: BlobLook,
    },
    /// The look after the end.
    Verified {
        verification: Verification,
    },
    /// Somebody asked us to stop watching.
    CancelRequested,
    Canceled,
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
            Self::Checked { .. } => "checked",
            Self::SafetyBackupOpened { .. } => "safetyBackupOpened",
            Self::SafetyBackupVerified => "safetyBackupVerified",
            Self::Waited { .. } => "waited",
            Self::Started { .. } => "started",
            Self::Answered { .. } => "answered",
            Self::Moved { .. } => "moved",
            Self::Unread { .. } => "unread",
            Self::SeenIdle { .. } => "seenIdle",
            Self::SeenBusy { .. } => "seenBusy",
            Self::Completed { .. } => "completed",
            Self::Found { .. } => "found",
            Self::Verified { .. } => "verified",
            Self::CancelRequested => "cancelRequested",
            Self::Canceled => "canceled",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// The step is not one that this operation may take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an operation that is {phase} cannot take the step {event:?}")]
pub struct IllegalEvent {
    pub phase: super::Phase,
    pub event: Box<Event>,
}
