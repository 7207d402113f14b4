//! Why a workflow stopped.

use crate::{
    domain::{ContainerRef, IllegalEvent, OperationId, ServiceName, TargetName},
    ports::{ReadError, RecordsError},
};

/// Why a workflow stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no operation {0}")]
    NotFound(OperationId),
    #[error("operation {holder} has {service}")]
    Busy { service: ServiceName, holder: OperationId },
    #[error(
        "the catalogue has no {what} of {service} in {container} that is still there; name the blob as backupName, or make the catalogue anew: apim-dr catalog rebuild"
    )]
    NoRecoveryPoint { what: String, service: ServiceName, container: ContainerRef },
    #[error(
        "operation {open} is open for the same restore, without a safety backup; cancel it first (apim-dr operations cancel {open}), or leave out safetyBackup"
    )]
    WithoutSafetyBackup { open: OperationId },
    #[error("the idempotency key was used before, with another body")]
    OtherBody,
    #[error("{action} operation {id} failed")]
    Records {
        action: &'static str,
        id: OperationId,
        #[source]
        source: RecordsError,
    },
    #[error("looking for open operations failed")]
    Sweep {
        #[source]
        source: RecordsError,
    },
    #[error("looking up the schedule of target {target} failed")]
    Schedule {
        target: TargetName,
        #[source]
        source: RecordsError,
    },
    #[error(
        "reading the catalogue of {service} failed; a restore needs no catalogue if it names the blob as backupName"
    )]
    Catalog {
        service: ServiceName,
        #[source]
        source: RecordsError,
    },
    #[error("target {target} has no instance for drills; declare one as its drill")]
    NoDrill { target: TargetName },
    #[error("no drill into {service}: {why}")]
    DrillRefused { service: ServiceName, why: String },
    #[error("the standby {service} cannot be read")]
    UnreadStandby {
        service: ServiceName,
        #[source]
        source: ReadError,
    },
    #[error("the primary {service} cannot be read, and no backup of it has left a snapshot")]
    UnreadPrimary {
        service: ServiceName,
        #[source]
        source: ReadError,
    },
    #[error("the primary {service} cannot be read ({unread}), nor its newest snapshot")]
    UnreadSnapshot {
        service: ServiceName,
        unread: String,
        #[source]
        source: RecordsError,
    },
    #[error("operation {id} is in a state from which it cannot go on")]
    Illegal {
        id: OperationId,
        #[source]
        source: IllegalEvent,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Records { source: RecordsError::Store { .. }, .. }
                | Self::Schedule { source: RecordsError::Store { .. }, .. }
                | Self::Catalog { source: RecordsError::Store { .. }, .. }
                | Self::Sweep { .. }
                | Self::UnreadStandby { source: ReadError::Transient(_), .. }
                | Self::UnreadPrimary { source: ReadError::Transient(_), .. }
                | Self::UnreadSnapshot { source: RecordsError::Store { .. }, .. }
        )
    }
}
