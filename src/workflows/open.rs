//! A request becomes one operation in the journal.

use super::Error;
use crate::{
    domain::{Credentials, Entry, Operation, OperationId, Plan, later},
    ports::{Opening, Ports},
};

/// Opens an operation: when this returns, it is stored and will be carried out, whoever dies.
///
/// First what is needed to carry it on (with the secrets sealed), then its first entry. If only the
/// former was written, whoever meets it writes the latter.
pub async fn open(ports: &Ports, plan: Plan, credentials: &Credentials) -> Result<Operation, Error> {
    let opened = ports.clock.now();
    let id = OperationId::at(opened);
    let deadline = later(opened, ports.deadlines.of(plan.kind));
    let opening = Opening { id, plan, opened, deadline };
    let failed = |source| Error::Records { action: "opening", id, source };
    ports.journal.open(&opening, credentials).await.map_err(failed)?;
    write_first_entry(ports, opening).await
}

/// Writes entry 1; that somebody else did is as good.
pub(super) async fn write_first_entry(ports: &Ports, opening: Opening) -> Result<Operation, Error> {
    let Opening { id, plan, opened, deadline } = opening;
    let entry = Entry::first(Operation::open(id, plan, opened, deadline));
    let appended = ports.journal.append(&entry).await;
    appended.map_err(|source| Error::Records { action: "opening", id, source })?;
    tracing::info!(
        operation.id = %id, operation.kind = %entry.operation.plan.kind, service.name = %entry.operation.plan.service.name,
        blob = %entry.operation.plan.blob, "operation opened"
    );
    Ok(entry.operation)
}
