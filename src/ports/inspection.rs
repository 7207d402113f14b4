//! What else is asked of Azure Resource Manager: for a preflight, for what a backup does not carry, and to change
//! identities.
//!
//! Nothing here starts a backup or a restore. Every question is asked once: whoever asks can do without an answer.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Access, ReadError};
use crate::domain::{
    AccountFacts, Connectivity, ContainerName, Continuation, Counts, DeletedService, Diagnostic,
    IdentityChange, Inventory, Probe, RoleAssignment, ServiceId, ServiceStatus, StorageAccount,
    SubscriptionId,
};

/// Reads of a service and of what lies around it.
#[async_trait]
pub trait Inspection: Debug + Send + Sync {
    /// The api-version with which API Management is called.
    fn api_version(&self) -> String;

    /// The service as it is set up.
    async fn inventory(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<(ServiceStatus, Inventory), ReadError>;

    /// How many there are of what a backup carries. Every revision of an API counts.
    async fn counts(&self, service: &ServiceId, access: &Access) -> Result<Counts, ReadError>;

    /// How many workspaces it has; none where its api-version, or its tier, knows none.
    async fn workspaces(&self, service: &ServiceId, access: &Access) -> Result<u64, ReadError>;

    async fn diagnostics(&self, service: &ServiceId, access: &Access) -> Result<Vec<Diagnostic>, ReadError>;

    /// The name of the developer portal's current revision; `None`: it was never published.
    async fn portal_revision(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<Option<String>, ReadError>;

    /// What a service in a virtual network reaches.
    async fn connectivity(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<Vec<Connectivity>, ReadError>;

    /// The soft-deleted service of this name.
    async fn deleted_service(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<Option<DeletedService>, ReadError>;

    /// The storage account, if it is one of the subscription that the caller may see.
    async fn account(
        &self,
        subscription: &SubscriptionId,
        account: &StorageAccount,
        access: &Access,
    ) -> Result<Option<AccountFacts>, ReadError>;

    /// Whether a storage account of this name exists at all, whoever's it is.
    async fn account_exists(
        &self,
        subscription: &SubscriptionId,
        account: &StorageAccount,
        access: &Access,
    ) -> Result<bool, ReadError>;

    /// The methods that the account's blob service allows other origins; none: CORS is off.
    async fn cors_methods(&self, account_id: &str, access: &Access) -> Result<Vec<String>, ReadError>;

    /// Whether the account has this container. That there is no such account is an error.
    async fn container_exists(
        &self,
        account_id: &str,
        container: &ContainerName,
        access: &Access,
    ) -> Result<bool, ReadError>;

    /// Role assignments of a principal at, above and below a scope. Not those of groups that it is in.
    async fn roles(
        &self,
        scope: &str,
        principal: &str,
        access: &Access,
    ) -> Result<Vec<RoleAssignment>, ReadError>;

    /// Whether the service's gateway answers. Sends no token.
    async fn probe(&self, gateway_url: &str) -> Probe;

    /// Changes the identities of a service; where to ask how that fares, if it is not over at once. Sent once, or
    /// again after a 401. [`ReadError::Transient`]: the service is busy, or Azure may have taken the change: look at
    /// the service before it is sent again.
    async fn change_identity(
        &self,
        service: &ServiceId,
        change: &IdentityChange,
        access: &Access,
    ) -> Result<Option<Continuation>, ReadError>;
}
