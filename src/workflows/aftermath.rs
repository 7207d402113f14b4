//! Looking at a service after a restore that Azure calls done.

use futures::{future::OptionFuture, join};

use super::{
    Error,
    advance::{Step, access_for_watching},
    preflight::told,
    record::{again, record},
    verify::{PAUSE, known},
};
use crate::{
    domain::{
        Aftermath, Counts, Entry, Event, Inventory, Plan, Probe, ServiceStatus, Verdict, Verification,
        counts_differ,
    },
    ports::{Access, Ports, ReadError},
};

/// Verifying a restore: one look. What is not as it should be is told, and takes nothing back: Azure's word stands.
pub(super) async fn verify(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    let operation = &entry.operation;
    let plan = &operation.plan;
    let access = access_for_watching(ports, operation).await?;
    let look = ports.inspection.inventory(&plan.service, &access).await;
    let wrong = match &look {
        Ok((status, _)) if status.is_idle() => None,
        Ok((status, _)) => Some(format!("the service is still busy: it is {status}")),
        Err(ReadError::Transient(error)) => Some(format!("the service cannot be read: {error}")),
        Err(ReadError::Definite(_)) => None,
    };
    if let Some(wrong) = wrong {
        match operation.patience(&wrong, ports.azure.now(), PAUSE) {
            Some(Verdict::LookAgain) => return Ok(again(ports, entry, PAUSE)),
            Some(Verdict::Record(event)) => return record(ports, entry, event).await,
            None => {}
        }
    }
    let verification = match look {
        Ok((status, inventory)) => {
            let aftermath = Box::pin(aftermath(ports, plan, &access, &status, &inventory)).await;
            Verification::Looked { aftermath }
        }
        Err(error) => Verification::unverified(format!("the service cannot be read: {}", told(error))),
    };
    record(ports, entry, Event::Verified { verification }).await
}

async fn aftermath(
    ports: &Ports,
    plan: &Plan,
    access: &Access,
    status: &ServiceStatus,
    inventory: &Inventory,
) -> Aftermath {
    let inspection = &*ports.inspection;
    let gateway = OptionFuture::from(gateway(inventory).map(|url| inspection.probe(url)));
    let (found, expected, gateway) =
        join!(inspection.counts(&plan.service, access), expected(ports, plan), gateway);
    let mut differences = Vec::new();
    if !status.is_idle() {
        differences.push(format!("the service is still busy: it is {status}"));
    }
    let counts = found.map_err(|error| {
        differences.push(format!("what there is now could not be counted: {}", told(error)));
    });
    let counts = counts.ok();
    if let (Some(expected), Some(counts)) = (expected, counts) {
        differences.extend(counts_differ(expected, counts));
    }
    match &gateway {
        Some(Probe::Answered { status }) => {
            differences.push(format!("its gateway answers {status} where it should say that it is up"));
        }
        Some(Probe::NoAnswer { reason }) => {
            differences.push(format!("its gateway does not answer: {reason}"));
        }
        Some(Probe::Up) | None => {}
    }
    Aftermath { differences, counts, expected, gateway }
}

/// The gateway, if it can be asked from here at all.
fn gateway(inventory: &Inventory) -> Option<&str> {
    let is_closed = inventory.gateway_disabled
        || inventory.network.kind.eq_ignore_ascii_case("Internal")
        || inventory
            .public_network_access
            .as_deref()
            .is_some_and(|access| access.eq_ignore_ascii_case("Disabled"));
    inventory.gateway_url.as_deref().filter(|_| !is_closed)
}

/// What there was when the backup was taken.
pub(super) async fn expected(ports: &Ports, plan: &Plan) -> Option<Counts> {
    let point = known(ports, plan).await?;
    ports.catalog.snapshot(&point.service.name, point.id).await.ok().flatten()?.counts
}
