//! Azure: the only place that speaks to it. The records get a container that is opened here.
//!
//! - `cloud`: where Azure is, and which places may get a secret
//! - `http`: one client with limits, retries and the ids of each exchange
//! - `entra`: access tokens
//! - `arm`: API Management behind Azure Resource Manager, `arm::lro` its long-running operations, `arm::inspect` what
//!   else is asked of it
//! - `storage`: storage accounts, and what opens them
//! - `blobs`: the containers that backups lie in
//!
//! Knows no operation, no journal and no schedule: one call, one answer.

mod arm;
mod blobs;
mod cloud;
mod entra;
mod http;
mod storage;
#[cfg(test)]
mod testing;

#[cfg(any(test, fuzzing))]
pub(crate) use arm::lro_rules;
pub use arm::{ApiVersion, Arm, ArmConfig};
pub use blobs::BlobReader;
pub use cloud::{Cloud, Endpoints, Overrides, secure};
pub use entra::{Credential, TokenConfig, TokenEndpoint};
pub use http::Limits;
pub use storage::{BlobAccess, BlobService, Storage, storage_advice};

/// A setting whose value cannot be used, and what it must be. The value is not told: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {must}")]
pub struct InvalidSetting {
    pub setting: &'static str,
    pub must: &'static str,
}
