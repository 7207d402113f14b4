//! What a backup does not carry, looked at.

use futures::future::join4;
use jiff::Timestamp;

use crate::{
    domain::{ServiceId, ServiceStatus, Snapshot},
    ports::{Access, Inspection, ReadError},
};

/// Reads all of it at once. Only a service that cannot be read is an error: what else cannot be is absent, and why stands
/// beside it.
pub async fn take(
    inspection: &dyn Inspection,
    service: &ServiceId,
    access: &Access,
    now: Timestamp,
) -> Result<Snapshot, ReadError> {
    look(inspection, service, access, now).await.map(|(_, snapshot)| snapshot)
}

/// The same, and what the service does right now.
pub(super) async fn look(
    inspection: &dyn Inspection,
    service: &ServiceId,
    access: &Access,
    now: Timestamp,
) -> Result<(ServiceStatus, Snapshot), ReadError> {
    let (inventory, counts, diagnostics, portal) = join4(
        inspection.inventory(service, access),
        inspection.counts(service, access),
        inspection.diagnostics(service, access),
        inspection.portal_revision(service, access),
    )
    .await;
    let (status, inventory) = inventory?;
    let mut unread = Vec::new();
    let counts = read("the numbers of APIs, products, subscriptions and users", counts, &mut unread);
    let diagnostics = read("the diagnostic settings", diagnostics, &mut unread);
    let portal_revision =
        read("the developer portal's revisions", portal, &mut unread).map(Option::unwrap_or_default);
    let service = service.clone();
    let snapshot = Snapshot { service, taken: now, inventory, counts, diagnostics, portal_revision, unread };
    Ok((status, snapshot))
}

/// What was read; else says why not.
fn read<T>(part: &str, result: Result<T, ReadError>, unread: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| unread.push(format!("{part}: {error}"))).ok()
}
