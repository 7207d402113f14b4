//! What an operation is to do: everything about it except its secrets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BlobName, ClientId, ContainerName, ServiceId, StorageAccount, TenantId};

/// Backup or restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Backup,
    Restore,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The blob that a backup writes or a restore reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobRef {
    pub account: StorageAccount,
    pub container: ContainerName,
    pub name: BlobName,
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.container, self.name)
    }
}

/// How API Management reaches the storage account (`accessType`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StorageAccess {
    /// With the account's key, which came with the request.
    AccessKey,
    SystemAssignedManagedIdentity,
    UserAssignedManagedIdentity {
        client_id: ClientId,
    },
}

/// Who calls Azure Resource Manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Caller {
    /// The app's own identity, as set by `APIM_DR_CREDENTIAL`.
    App,
    /// The application that the request names, with the secret that it brought.
    Application { tenant: TenantId, client_id: ClientId },
}

/// The whole order, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub kind: Kind,
    pub service: ServiceId,
    pub blob: BlobRef,
    pub access: StorageAccess,
    pub caller: Caller,
}
