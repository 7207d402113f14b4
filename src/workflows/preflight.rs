//! Looking before a start: gathers the facts, in parallel, and says what speaks against it.

use futures::{FutureExt as _, future::OptionFuture, join};

use super::verify::{alike, source};
use crate::{
    domain::{
        AccountFacts, AzureError, DeletedService, Finding, Inventory, Kind, Plan, ServiceStatus, Severity,
        preflight::{Facts, Looked, busy, findings, principal, sorted, unreachable},
    },
    ports::{Access, Inspection, Ports, ReadError},
};

/// What a check came to.
#[derive(Debug, Clone)]
pub struct Checked {
    /// `None`: it cannot be read.
    pub service: Option<(ServiceStatus, Inventory)>,
    /// What blocks first.
    pub findings: Vec<Finding>,
}

/// Everything that speaks against an operation now, the service itself included. Changes nothing.
pub async fn check(ports: &Ports, plan: &Plan, access: &Access) -> Checked {
    match ports.inspection.inventory(&plan.service, access).await {
        Ok((status, inventory)) => {
            let mut findings = Box::pin(preflight(ports, plan, access, &inventory, Scope::Whole)).await;
            findings.extend(busy(plan, &status));
            // Whoever ordered it knows better.
            for ignored in findings.iter_mut().filter(|finding| plan.ignores(finding)) {
                ignored.severity = Severity::Warns;
            }
            Checked { service: Some((status, inventory)), findings: sorted(findings) }
        }
        Err(error) => {
            let error = told(error);
            let deleted = deleted(&*ports.inspection, plan, access, &error).await;
            Checked { service: None, findings: vec![unreachable(plan, &error, deleted.as_ref())] }
        }
    }
}

/// The service of this name that was deleted, if that is why it is not there.
pub(super) async fn deleted(
    inspection: &dyn Inspection,
    plan: &Plan,
    access: &Access,
    error: &AzureError,
) -> Option<DeletedService> {
    if error.status != Some(404) {
        return None;
    }
    inspection.deleted_service(&plan.service, access).await.ok().flatten()
}

/// How much of a restore is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of it.
    Whole,
    /// Not what it reads: that is looked at right before it starts.
    WithoutSource,
}

/// What speaks against an operation on a service that was just read.
pub(super) async fn preflight(
    ports: &Ports,
    plan: &Plan,
    access: &Access,
    inventory: &Inventory,
    scope: Scope,
) -> Vec<Finding> {
    let inspection = &*ports.inspection;
    let service = &plan.service;
    // Only these tiers have workspaces; and only a service in a network has a status of it.
    let may_have_workspaces =
        inventory.tier.as_ref().is_some_and(|tier| tier.0.eq_ignore_ascii_case("Premium"));
    let workspaces = when(may_have_workspaces, inspection.workspaces(service, access));
    let connectivity = when(inventory.network.is_injected(), inspection.connectivity(service, access));
    let key = access.credentials.access_key.as_ref();
    let reads = plan.kind == Kind::Restore && scope == Scope::Whole;
    let source = OptionFuture::from(reads.then(|| source(ports, plan, key)));
    let account = around(inspection, plan, access, inventory);
    let (workspaces, connectivity, around, source) = join!(workspaces, connectivity, account, source);
    let Around { account, exists, cors_methods, container_exists, roles } = around;
    let mut found = findings(&Facts {
        plan,
        api_version: &inspection.api_version(),
        now: ports.azure.now(),
        inventory,
        workspaces,
        connectivity,
        account,
        account_exists: exists,
        cors_methods,
        container_exists,
        roles,
        source,
    });
    for missing in found.iter_mut().filter(|finding| finding.code == "backup.missing") {
        missing.remedy = alike(ports, &plan.blob, key).await;
    }
    found
}

/// What is known of the storage account.
struct Around {
    account: Looked<Option<AccountFacts>>,
    exists: Option<Looked<bool>>,
    cors_methods: Option<Looked<Vec<String>>>,
    container_exists: Option<Looked<bool>>,
    roles: Option<Looked<Vec<crate::domain::RoleAssignment>>>,
}

async fn around(inspection: &dyn Inspection, plan: &Plan, access: &Access, inventory: &Inventory) -> Around {
    let subscription = &plan.service.subscription;
    let account = inspection.account(subscription, &plan.blob.account, access).await.map_err(told);
    let mut around =
        Around { account, exists: None, cors_methods: None, container_exists: None, roles: None };
    match &around.account {
        Ok(Some(AccountFacts { id, .. })) => {
            let roles = principal(plan, inventory).map(|principal| inspection.roles(id, principal, access));
            let (cors, container, roles) = join!(
                inspection.cors_methods(id, access),
                inspection.container_exists(id, &plan.blob.container, access),
                OptionFuture::from(roles),
            );
            around.cors_methods = Some(cors.map_err(told));
            around.container_exists = Some(container.map_err(told));
            around.roles = roles.map(|roles| roles.map_err(told));
        }
        Ok(None) => {
            let exists = inspection.account_exists(subscription, &plan.blob.account, access).await;
            around.exists = Some(exists.map_err(told));
        }
        Err(_) => {}
    }
    around
}

/// Asks only if something depends on it.
async fn when<T>(wanted: bool, question: impl Future<Output = Result<T, ReadError>>) -> Option<Looked<T>> {
    OptionFuture::from(wanted.then_some(question.map(|answer| answer.map_err(told)))).await
}

pub(super) fn told(error: ReadError) -> AzureError {
    let (ReadError::Definite(error) | ReadError::Transient(error)) = error;
    error
}
