//! Exit codes, for scripts.

use std::process::{ExitCode, Termination};

use crate::domain::{Operation, Phase};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Ok,
    /// 1: an error, or an operation that failed, was cancelled, or whose outcome is unknown.
    Failed,
    /// 2: the two differ, are at risk, or not ready.
    Differs,
    /// 3: some of several did not succeed.
    Partial,
    /// 4: a look before the start found that it cannot work.
    Blocked,
    /// 5: busy, or skipped because it was busy until its deadline.
    Skipped,
    /// 6: there is no such thing.
    NotFound,
    /// 64: wrong usage or an invalid payload.
    Usage,
    /// 130: Ctrl-C.
    Interrupted,
}

/// The command line asks for something that there is not, or that nobody understands: exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(String);

pub(super) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

impl Exit {
    /// Says what is wrong with the command line or the payload.
    pub fn usage(message: &str) -> Self {
        eprintln!("error: {message}");
        Self::Usage
    }

    /// The code for an operation as it is.
    pub(super) fn of(operation: &Operation) -> Self {
        match operation.phase {
            Phase::Failed if operation.is_blocked() => Self::Blocked,
            Phase::Failed | Phase::Canceled => Self::Failed,
            Phase::Skipped => Self::Skipped,
            Phase::Succeeded | Phase::Pending | Phase::Starting | Phase::Running | Phase::Verifying => {
                Self::Ok
            }
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Differs => 2,
            Self::Partial => 3,
            Self::Blocked => 4,
            Self::Skipped => 5,
            Self::NotFound => 6,
            Self::Usage => 64,
            Self::Interrupted => 130,
        })
    }
}
