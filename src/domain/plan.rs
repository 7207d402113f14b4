//! What an operation is to do: everything about it except its secrets.

use std::{collections::BTreeSet, fmt};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    BlobName, ClientId, ContainerName, Finding, Naming, OperationId, Pick, Retention, ServiceId, ServiceName,
    StorageAccount, TargetName, TenantId,
};

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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// What becomes of older recovery points after a backup that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Policy>,
    /// Whose recovery point a restore reads, if that is another service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ServiceName>,
    /// The `ETag` of the recovery point that a restore was left to choose: it reads no other blob under that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    /// Codes of findings that are not to keep it from its start: whoever ordered it knows better.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ignore: BTreeSet<String>,
    /// Of a restore: the service is backed up first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety_backup: bool,
    /// Of a backup: it is the safety backup of this restore. Only who names it means it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_for: Option<OperationId>,
    /// Of a restore that is a drill: the target whose recovery point is tried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<TargetName>,
}

impl Plan {
    /// Whether somebody said that this does not count.
    pub fn ignores(&self, finding: &Finding) -> bool {
        self.ignore.contains(finding.code.as_ref())
    }

    /// What people call it: a backup, a restore, or a drill.
    pub fn word(&self) -> &'static str {
        if self.drill.is_some() { "drill" } else { self.kind.as_str() }
    }

    /// Whether it is a drill that would overwrite the very service whose recovery point it tries out.
    pub fn drills_its_source(&self) -> bool {
        let is_source = |source: &ServiceName| source.key() == self.service.name.key();
        self.drill.is_some() && self.source.as_ref().is_none_or(is_source)
    }
}

/// Which recovery points of a service, in the container that a backup was written to, are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub rules: Retention,
    /// Whose hours, days and weeks are meant.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub time_zone: TimeZone,
}

/// Which blob a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The one that the plan names.
    Plain,
    /// A new one, named by the time at which the backup is opened.
    Dated(Naming),
    /// That of a recovery point in the catalogue.
    Pick(Pick),
}

/// A container of a storage account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRef {
    pub account: StorageAccount,
    pub container: ContainerName,
}

impl fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.container)
    }
}

impl BlobRef {
    /// The container that it lies in.
    pub fn place(&self) -> ContainerRef {
        ContainerRef { account: self.account.clone(), container: self.container.clone() }
    }
}
