//! Decisions only: what an operation is, which step may follow which, and the words for it.
//!
//! Knows no async, no clock, no HTTP and no file format, and imports nothing of ours: whatever is
//! decided here can be replayed in a table.

mod azure_error;
mod credentials;
mod ids;
mod journal;
mod names;
mod operation;
mod outcome;
mod plan;
#[cfg(test)]
pub(crate) mod samples;
mod secret;
mod service;

pub use azure_error::{AzureError, RequestIds};
pub use credentials::Credentials;
pub use ids::{AttemptId, OperationId};
pub use journal::Entry;
pub use names::{
    BlobName, ClientId, ContainerName, InvalidName, ResourceGroup, ServiceName, StorageAccount,
    SubscriptionId, TargetName, TenantId,
};
pub use operation::{
    Attempt, Event, IllegalEvent, MAX_WATCH, Operation, POST_MARGIN, POST_TIMEOUT, Phase, later,
};
pub use outcome::{Answer, BlobLook, Continuation, Evidence, Failure, FailureKind, Verification};
pub use plan::{BlobRef, Caller, Kind, Plan, StorageAccess};
pub use secret::Secret;
pub use service::{ServiceId, ServiceStatus, Tier};
