//! The identities of a service: read, changed by one PATCH, and followed until Azure is done.

use std::time::Duration;

use super::preflight::{Scope, preflight};
use crate::{
    domain::{
        AzureError, Finding, IdentityChange, IdentityRequest, Inventory, Plan, ServiceId, ServiceStatus,
        StorageAccess, preflight::principal,
    },
    ports::{Access, Poll, Ports, ReadError},
};

/// The first look comes no earlier: by the ARM RPC no pause is shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Longer than any recorded update. What has not ended then is no longer watched.
const WATCH: Duration = Duration::from_hours(2);

/// What a service has.
#[derive(Debug, Clone)]
pub struct Identities {
    pub status: ServiceStatus,
    pub inventory: Inventory,
    /// `None`: there is no storage account that it is known to reach by an identity.
    pub role: Option<Role>,
}

/// Whether an identity may write to a storage account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Assigned,
    /// Azure does not tell the identity's principal, as it does for a while after it was assigned.
    NoPrincipal,
    /// What is missing, or cannot be read.
    Doubted(Vec<Finding>),
}

/// Why identities could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the service cannot be read: {0}")]
    Unread(ReadError),
    #[error("the service is busy, and nothing was changed: {0}")]
    Busy(AzureError),
    #[error("nothing was changed: {0}")]
    Refused(AzureError),
    #[error("Azure began, and says that it failed: {0}")]
    Failed(AzureError),
    /// It is never sent again.
    #[error("it cannot be told what became of the change: {0}")]
    Unknown(AzureError),
    #[error("Azure says that it is done, and the service does not show it")]
    Unseen,
}

/// Reads the identities; with a plan also what the one that it means may do.
pub async fn identities(
    ports: &Ports,
    service: &ServiceId,
    plan: Option<&Plan>,
    access: &Access,
) -> Result<Identities, IdentityError> {
    let read = ports.inspection.inventory(service, access).await;
    let (status, inventory) = read.map_err(IdentityError::Unread)?;
    let role = match plan.filter(|plan| plan.access != StorageAccess::AccessKey) {
        Some(plan) => {
            let findings = Box::pin(preflight(ports, plan, access, &inventory, Scope::WithoutSource)).await;
            let findings: Vec<_> = findings.into_iter().filter(is_of_role).collect();
            Some(match (findings.is_empty(), principal(plan, &inventory)) {
                (false, _) => Role::Doubted(findings),
                (true, None) => Role::NoPrincipal,
                (true, Some(_)) => Role::Assigned,
            })
        }
        None => None,
    };
    Ok(Identities { status, inventory, role })
}

/// Whether it says something of the identity, or of its role; or why nobody can.
fn is_of_role(finding: &Finding) -> bool {
    let unseen = ["account.missing", "account.unread", "account.unseen"];
    finding.code.starts_with("identity.")
        || finding.code.starts_with("role.")
        || unseen.contains(&finding.code.as_ref())
}

/// Sends the change once, and waits until Azure is done with it. `runs` is called when Azure has taken it.
pub async fn change_identity(
    ports: &Ports,
    service: &ServiceId,
    status: &ServiceStatus,
    change: &IdentityChange,
    access: &Access,
    runs: impl FnOnce(),
) -> Result<(), IdentityError> {
    if !status.is_idle() {
        return Err(IdentityError::Busy(AzureError::local(format!("it is {status}"))));
    }
    let mut continuation = match ports.inspection.change_identity(service, change, access).await {
        Ok(Some(continuation)) => continuation,
        Ok(None) => return Ok(()),
        Err(ReadError::Definite(error)) => return Err(IdentityError::Refused(error)),
        Err(ReadError::Transient(error)) if matches!(error.status, Some(409 | 429)) => {
            return Err(IdentityError::Busy(error));
        }
        Err(ReadError::Transient(error)) => return Err(IdentityError::Unknown(error)),
    };
    runs();
    let began = ports.clock.elapsed();
    let mut pause = FIRST_PAUSE;
    loop {
        ports.clock.sleep(pause).await;
        let late = ports.clock.elapsed().saturating_sub(began) > WATCH;
        match ports.azure.poll(&continuation, access).await {
            Poll::Succeeded { .. } => return Ok(()),
            Poll::Failed(error) => return Err(IdentityError::Failed(error)),
            Poll::Refused(error) | Poll::Unread { error, lasting: true, .. } => {
                return Err(IdentityError::Unknown(error));
            }
            // Newer versions may end such a change with an empty answer: then the service tells.
            Poll::Unread { .. } if has_changed(ports, service, change, access).await => return Ok(()),
            Poll::Unread { error, .. } if late => return Err(IdentityError::Unknown(error)),
            Poll::Running { .. } if late => {
                return Err(IdentityError::Unknown(AzureError::local("it still runs after two hours")));
            }
            Poll::Running { continuation: moved, after } => (continuation, pause) = (moved, after),
            Poll::Unread { after, .. } => pause = after,
        }
    }
}

/// Whether the service is idle, and has exactly the identities that it was to have.
async fn has_changed(ports: &Ports, service: &ServiceId, change: &IdentityChange, access: &Access) -> bool {
    let Ok((status, inventory)) = ports.inspection.inventory(service, access).await else { return false };
    let keys = |ids: &mut dyn Iterator<Item = &String>| {
        ids.map(|id| id.to_ascii_lowercase()).collect::<std::collections::BTreeSet<_>>()
    };
    status.is_idle()
        && inventory.identity.system_assigned == change.system_assigned
        && keys(&mut inventory.identity.user_assigned.keys()) == keys(&mut change.user_assigned.iter())
}

/// Whether a service has become what was asked for.
pub fn has_become(request: &IdentityRequest, after: &Identities) -> Result<(), IdentityError> {
    match IdentityChange::of(request, &after.inventory) {
        Ok(None) => Ok(()),
        Ok(Some(_)) | Err(_) => Err(IdentityError::Unseen),
    }
}
