//! What became of an attempt, and of an operation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AzureError, Counts, Probe, RequestIds};

/// Where to ask about a running operation. The URL is kept verbatim: Azure Resource Manager's own
/// double slashes and `%3D` included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Continuation {
    /// `Location`: 202 means running; what comes then is the operation's own answer.
    Location(String),
    /// `Azure-AsyncOperation`: always 200, the body names the state.
    StatusMonitor(String),
}

impl Continuation {
    pub fn url(&self) -> &str {
        let (Self::Location(url) | Self::StatusMonitor(url)) = self;
        url
    }
}

/// What the answer to one POST (or its absence) means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// 2xx: Azure took it. Without a continuation there is nothing to poll.
    Accepted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continuation: Option<Continuation>,
        /// `Retry-After` in seconds.
        after_seconds: u32,
        ids: RequestIds,
    },
    /// A definite no: nothing was started.
    Refused { error: AzureError },
    /// 409 or 429: not now.
    Busy {
        error: AzureError,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_seconds: Option<u32>,
    },
    /// It may or may not have started. Never posted again blindly.
    Unknown { error: AzureError },
    /// Certainly nothing was sent.
    NotSent { reason: String },
}

/// What one look at a blob showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum BlobLook {
    Absent,
    Present(Seen),
    /// Nobody looked, or it may not be read.
    Unread {
        reason: String,
    },
}

/// A blob as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// As the service sent it, perhaps without its quotes: a listing has none.
    pub e_tag: String,
    /// In bytes.
    pub size: u64,
    /// When it was last written, in the service's time: whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Base64, if the service knows it: it does not for what was uploaded in blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// Why nobody may delete it now: a lease, a legal hold, a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
}

impl Seen {
    /// Whether nobody wrote it in between.
    pub fn is_same(&self, other: &Self) -> bool {
        self.has(&other.e_tag)
    }

    pub fn has(&self, e_tag: &str) -> bool {
        self.e_tag.trim_matches('"') == e_tag.trim_matches('"')
    }
}

/// On what a success rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Evidence {
    /// Azure Resource Manager's own terminal answer.
    Arm,
    /// The service idle again and a new blob, after an answer was lost.
    Blob,
}

/// Whether the recovery point was seen where it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verification {
    /// A blob with content, that was not there before the start.
    Verified { blob: Seen },
    Unverified {
        reason: String,
        /// What was seen all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blob: Option<Seen>,
    },
    /// After a restore: how the service is now.
    Looked { aftermath: Aftermath },
}

/// What a look at a service showed after a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aftermath {
    /// What is not as it should be, each in a sentence.
    #[serde(default)]
    pub differences: Vec<String>,
    /// What there is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// What there was when the backup was taken, if anybody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Counts>,
    /// `None`: it cannot be asked from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Probe>,
}

impl Verification {
    pub fn unverified(reason: impl Into<String>) -> Self {
        Self::Unverified { reason: reason.into(), blob: None }
    }

    /// Why nobody saw it.
    pub fn doubt(&self) -> Option<&str> {
        match self {
            Self::Unverified { reason, .. } => Some(reason),
            Self::Verified { .. } | Self::Looked { .. } => None,
        }
    }

    /// The blob, if anybody saw it.
    pub fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Verified { blob } => Some(blob),
            Self::Unverified { blob, .. } => blob.as_ref(),
            Self::Looked { .. } => None,
        }
    }
}

/// Which kind of failure, for whoever has to decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// A look before the start found that it cannot work: nothing was sent.
    Blocked,
    /// Azure said no, before anything ran.
    Refused,
    /// Azure ran it and says that it failed.
    Failed,
    /// Nobody can tell what became of it.
    OutcomeUnknown,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub kind: FailureKind,
    pub error: AzureError,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            FailureKind::OutcomeUnknown => write!(f, "outcome unknown: {}", self.error),
            FailureKind::Blocked | FailureKind::Refused | FailureKind::Failed => self.error.fmt(f),
        }
    }
}
