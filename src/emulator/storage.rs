//! Storage accounts and their blobs, in memory. Knows nothing of HTTP.

use std::collections::BTreeMap;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::accounts;

/// A container: its blobs by name, in the order in which they are listed.
pub type Container = BTreeMap<String, Blob>;

/// One storage account.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, as in ARM")]
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Base64; either opens the account.
    pub keys: [String; 2],
    #[serde(skip)]
    pub containers: BTreeMap<String, Container>,
    /// As ARM spells regions of storage accounts: `australiacentral`.
    pub location: String,
    /// `Standard_GRS`, `Standard_LRS` and so on.
    pub sku: String,
    /// `isHnsEnabled`: whether it is a data lake.
    pub hns: bool,
    /// Whether it is one of the subscription. If not, its name is taken and its blobs can be opened, but ARM
    /// does not show it there.
    pub listed: bool,
    /// `allowSharedKeyAccess`; null, the service's default, means `true`.
    pub allow_shared_key: Option<bool>,
    /// Whether `networkAcls.defaultAction` is `Deny`.
    pub firewall: bool,
    /// Whom a firewall lets pass: `Logging`, `Metrics`, `AzureServices` with commas between them, or `None`.
    pub bypass: String,
    /// Addresses and ranges.
    pub ip_rules: Vec<String>,
    /// ARM ids of subnets.
    pub virtual_network_rules: Vec<String>,
    pub resource_access_rules: Vec<ResourceAccessRule>,
    /// `Enabled`, `Disabled`, `SecuredByPerimeter`, or null. Those that are not `Enabled` are a firewall as
    /// well; that a perimeter heeds the same exceptions is unverified.
    pub public_network_access: Option<String>,
    /// `allowedMethods` of the blob service's only CORS rule; empty: CORS is off.
    pub cors_methods: Vec<String>,
    /// Whether the backups written here have a `Content-MD5`. What is put in one piece has one; what is
    /// committed as a list of blocks has none.
    pub backups_have_md5: bool,
    /// How often something was written; makes `ETag`s differ.
    #[serde(skip)]
    writes: u64,
}

/// One resource that a firewall lets pass.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceAccessRule {
    pub tenant_id: String,
    /// An ARM id.
    pub resource_id: String,
}

/// One block blob.
#[derive(Debug, Clone)]
pub struct Blob {
    pub content: Bytes,
    pub content_type: String,
    /// With its quotes.
    pub etag: String,
    /// That an overwritten blob counts as created anew is unverified.
    pub created: Timestamp,
    pub last_modified: Timestamp,
    /// Base64.
    pub content_md5: Option<String>,
    /// `None` is the account's own, `Hot`. What is in `Archive` cannot be read.
    pub access_tier: Option<String>,
    pub locks: Vec<Lock>,
}

/// What keeps a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Lock {
    LegalHold,
    /// A locked immutability policy.
    Policy {
        until: Timestamp,
    },
    /// An infinite lease, whose id nobody here has.
    Lease,
    /// At least one: the blob may be overwritten, but not be deleted without them.
    Snapshots,
}

impl Lock {
    /// The code with which the Blob service refuses.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::LegalHold => "BlobImmutableDueToLegalHold",
            Self::Policy { .. } => "BlobImmutableDueToPolicy",
            Self::Lease => "LeaseIdMissing",
            Self::Snapshots => "SnapshotsPresent",
        }
    }
}

impl Blob {
    /// The lock that keeps it from being overwritten, and from being deleted together with its snapshots.
    pub(super) fn locked(&self, at: Timestamp) -> Option<&Lock> {
        let over = |lock: &Lock| matches!(lock, Lock::Policy { until } if *until <= at);
        self.locks.iter().find(|lock| **lock != Lock::Snapshots && !over(lock))
    }

    pub(super) fn has_snapshots(&self) -> bool {
        self.locks.contains(&Lock::Snapshots)
    }

    pub(super) fn is_archived(&self) -> bool {
        self.access_tier.as_deref() == Some("Archive")
    }
}

impl Default for Account {
    /// The default account: one empty container, open to keys and to the internet, in neither region of the
    /// services.
    fn default() -> Self {
        let second =
            "c2Vjb25kLWVtdWxhdG9yLWtleS1ub3QtYS1zZWNyZXQtc2Vjb25kLWVtdWxhdG9yLWtleS1ub3QtYS1zZWNyZQ==";
        Self {
            keys: [accounts::ACCOUNT_KEY.to_owned(), second.to_owned()],
            containers: BTreeMap::from([(accounts::CONTAINER.to_owned(), Container::new())]),
            location: "australiacentral".to_owned(),
            sku: "Standard_GRS".to_owned(),
            hns: false,
            listed: true,
            allow_shared_key: None,
            firewall: false,
            bypass: "AzureServices".to_owned(),
            ip_rules: Vec::new(),
            virtual_network_rules: Vec::new(),
            resource_access_rules: Vec::new(),
            public_network_access: Some("Enabled".to_owned()),
            cors_methods: Vec::new(),
            backups_have_md5: true,
            writes: 0,
        }
    }
}

impl Account {
    /// Whether only exceptions are let in.
    pub(super) fn is_closed(&self) -> bool {
        self.firewall || self.public_network_access.as_deref().is_some_and(|access| access != "Enabled")
    }

    /// Whether its exceptions let a service in that comes with its system-assigned identity.
    pub(super) fn trusts(&self, service: &str) -> bool {
        let bypasses = || self.bypass.split(',').any(|one| one.trim().eq_ignore_ascii_case("AzureServices"));
        let named = |rule: &ResourceAccessRule| {
            rule.tenant_id.eq_ignore_ascii_case(accounts::TENANT_ID)
                && rule.resource_id.eq_ignore_ascii_case(service)
        };
        bypasses() || self.resource_access_rules.iter().any(named)
    }

    /// This account with settings of another: the blobs stay.
    pub(super) fn with_settings_of(self, other: Self) -> Self {
        Self { containers: self.containers, writes: self.writes, ..other }
    }

    /// Writes a blob over whatever was there, locked or not, into a container that is made if it is
    /// missing. Snapshots stay.
    pub fn put(
        &mut self,
        container: &str,
        name: &str,
        content: Bytes,
        content_type: &str,
        at: Timestamp,
    ) -> &mut Blob {
        self.writes += 1;
        let etag = format!("\"0x8D{:08X}{:05X}\"", at.as_second(), self.writes);
        let blobs = self.containers.entry(container.to_owned()).or_default();
        let snapshots = blobs.get(name).is_some_and(Blob::has_snapshots);
        let blob = Blob {
            content_md5: Some(content_md5(&content)),
            content,
            content_type: content_type.to_owned(),
            etag,
            created: at,
            last_modified: at,
            access_tier: None,
            locks: if snapshots { vec![Lock::Snapshots] } else { Vec::new() },
        };
        blobs.entry(name.to_owned()).insert_entry(blob).into_mut()
    }

    /// Writes the blob of a backup; the error is the Blob service's code.
    pub(super) fn put_backup(
        &mut self,
        container: &str,
        name: &str,
        content: Bytes,
        at: Timestamp,
    ) -> Result<(), &'static str> {
        if let Some(lock) = self.blob(container, name).and_then(|old| old.locked(at)) {
            return Err(lock.code());
        }
        let has_md5 = self.backups_have_md5;
        let blob = self.put(container, name, content, "application/octet-stream", at);
        blob.content_md5 = blob.content_md5.take().filter(|_| has_md5);
        Ok(())
    }

    /// One blob, if container and blob are there.
    pub fn blob(&self, container: &str, name: &str) -> Option<&Blob> {
        self.containers.get(container)?.get(name)
    }
}

/// The check sum as `Content-MD5` holds it.
pub(super) fn content_md5(content: &[u8]) -> String {
    STANDARD.encode(Md5::digest(content))
}

/// A role assignment, as far as storage needs one.
#[derive(Debug, Clone)]
pub struct RoleAssignment {
    /// A GUID.
    pub name: String,
    /// ARM id of a subscription, resource group, account or container.
    pub scope: String,
    /// GUID of the role definition.
    pub role: String,
    pub principal: String,
    /// `ServicePrincipal`, `User`, `Group`, `ForeignGroup`, `Device`.
    pub principal_type: String,
    /// Narrows it; the emulated Blob service does not look at it.
    pub condition: Option<String>,
}

/// What somebody wants to do with blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

impl RoleAssignment {
    /// Whether it lets `principal` read or write blobs in the container (or account) whose ARM id is
    /// `resource`.
    pub(super) fn allows_blobs(&self, wanted: Use, principal: &str, resource: &str) -> bool {
        let role = self.role.as_str();
        let allows = [accounts::BLOB_DATA_CONTRIBUTOR, accounts::BLOB_DATA_OWNER].contains(&role)
            || wanted == Use::Read && role == accounts::BLOB_DATA_READER;
        allows && self.principal == principal && is_within(resource, &self.scope)
    }
}

/// Whether the ARM id `resource` is `scope` or below it.
pub(super) fn is_within(resource: &str, scope: &str) -> bool {
    let (resource, scope) = (resource.to_ascii_lowercase(), scope.trim_end_matches('/').to_ascii_lowercase());
    resource.strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// ARM id of a storage account in the default resource group.
pub(super) fn account_id(account: &str) -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Storage/storageAccounts/{account}",
        accounts::SUBSCRIPTION_ID,
        accounts::RESOURCE_GROUP
    )
}

/// ARM id of a container.
pub(super) fn container_id(account: &str, container: &str) -> String {
    format!("{}/blobServices/default/containers/{container}", account_id(account))
}
