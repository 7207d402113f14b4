//! What a process sees of a service and its storage account: nothing that speaks against a start. Only whether the
//! service is idle goes through its fate; whoever asks for more can do without an answer.

use std::sync::Arc;

use apim_dr::{
    domain::{
        AccountFacts, Connectivity, ContainerName, Continuation, Counts, DeletedService, Diagnostic,
        IdentityChange, Inventory, Probe, RoleAssignment, ServiceId, ServiceStatus, StorageAccount,
        SubscriptionId,
    },
    ports::{Access, ApiManagement as _, Inspection, ReadError},
};
use async_trait::async_trait;

use super::{process::Process, world::scripted};

#[derive(Debug)]
pub(super) struct Seen(pub(super) Arc<Process>);

fn none<T>() -> Result<T, ReadError> {
    Err(ReadError::Transient(scripted()))
}

#[async_trait]
impl Inspection for Seen {
    fn api_version(&self) -> String {
        "2024-05-01".to_owned()
    }

    async fn inventory(
        &self,
        service: &ServiceId,
        access: &Access,
    ) -> Result<(ServiceStatus, Inventory), ReadError> {
        let status = self.0.service(service, access).await?;
        Ok((status, Inventory::default()))
    }

    async fn counts(&self, _: &ServiceId, _: &Access) -> Result<Counts, ReadError> {
        none()
    }

    async fn workspaces(&self, _: &ServiceId, _: &Access) -> Result<u64, ReadError> {
        none()
    }

    async fn diagnostics(&self, _: &ServiceId, _: &Access) -> Result<Vec<Diagnostic>, ReadError> {
        none()
    }

    async fn portal_revision(&self, _: &ServiceId, _: &Access) -> Result<Option<String>, ReadError> {
        none()
    }

    async fn connectivity(&self, _: &ServiceId, _: &Access) -> Result<Vec<Connectivity>, ReadError> {
        none()
    }

    async fn deleted_service(&self, _: &ServiceId, _: &Access) -> Result<Option<DeletedService>, ReadError> {
        none()
    }

    async fn account(
        &self,
        _: &SubscriptionId,
        _: &StorageAccount,
        _: &Access,
    ) -> Result<Option<AccountFacts>, ReadError> {
        Ok(Some(AccountFacts::default()))
    }

    async fn account_exists(
        &self,
        _: &SubscriptionId,
        _: &StorageAccount,
        _: &Access,
    ) -> Result<bool, ReadError> {
        none()
    }

    async fn cors_methods(&self, _: &str, _: &Access) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    async fn container_exists(&self, _: &str, _: &ContainerName, _: &Access) -> Result<bool, ReadError> {
        Ok(true)
    }

    async fn roles(&self, _: &str, _: &str, _: &Access) -> Result<Vec<RoleAssignment>, ReadError> {
        none()
    }

    async fn probe(&self, _: &str) -> Probe {
        Probe::NoAnswer { reason: scripted().to_string() }
    }

    async fn change_identity(
        &self,
        _: &ServiceId,
        _: &IdentityChange,
        _: &Access,
    ) -> Result<Option<Continuation>, ReadError> {
        none()
    }
}
