//! Storage accounts and their blobs, in memory. Knows nothing of HTTP.

use std::collections::BTreeMap;

use axum::body::Bytes;
use jiff::Timestamp;

use super::accounts;

/// A container: its blobs by name, in the order in which they are listed.
pub type Container = BTreeMap<String, Blob>;

/// One storage account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Base64; either opens the account.
    pub keys: [String; 2],
    pub containers: BTreeMap<String, Container>,
    /// `allowSharedKeyAccess`; null, the service's default, means `true`.
    pub allow_shared_key: Option<bool>,
    /// Whether `networkAcls.defaultAction` is `Deny`, with the bypass `AzureServices`.
    pub firewall: bool,
    /// `allowedMethods` of the blob service's only CORS rule; empty: CORS is off.
    pub cors_methods: Vec<String>,
    /// How often something was written; makes `ETag`s differ.
    writes: u64,
}

/// One block blob.
#[derive(Debug, Clone)]
pub struct Blob {
    pub content: Bytes,
    pub content_type: String,
    /// With its quotes.
    pub etag: String,
    pub last_modified: Timestamp,
}

impl Default for Account {
    /// The default account: one empty container, open to keys and to the internet.
    fn default() -> Self {
        let second =
            "c2Vjb25kLWVtdWxhdG9yLWtleS1ub3QtYS1zZWNyZXQtc2Vjb25kLWVtdWxhdG9yLWtleS1ub3QtYS1zZWNyZQ==";
        Self {
            keys: [accounts::ACCOUNT_KEY.to_owned(), second.to_owned()],
            containers: BTreeMap::from([(accounts::CONTAINER.to_owned(), Container::new())]),
            allow_shared_key: None,
            firewall: false,
            cors_methods: Vec::new(),
            writes: 0,
        }
    }
}

impl Account {
    /// Writes a blob over whatever was there, into a container that is made if it is missing.
    pub fn put(
        &mut self,
        container: &str,
        name: &str,
        content: Bytes,
        content_type: &str,
        at: Timestamp,
    ) -> &Blob {
        self.writes += 1;
        let etag = format!("\"0x8D{:08X}{:05X}\"", at.as_second(), self.writes);
        let blob = Blob { content, content_type: content_type.to_owned(), etag, last_modified: at };
        let blobs = self.containers.entry(container.to_owned()).or_default();
        blobs.entry(name.to_owned()).insert_entry(blob).into_mut()
    }

    /// One blob, if container and blob are there.
    pub fn blob(&self, container: &str, name: &str) -> Option<&Blob> {
        self.containers.get(container)?.get(name)
    }
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
}

impl RoleAssignment {
    /// Whether it lets `principal` write blobs in the container (or account) whose ARM id is
    /// `resource`.
    pub(super) fn allows_blobs(&self, principal: &str, resource: &str) -> bool {
        let writes =
            [accounts::BLOB_DATA_CONTRIBUTOR, accounts::BLOB_DATA_OWNER].contains(&self.role.as_str());
        writes && self.principal == principal && is_within(resource, &self.scope)
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
