//! A request becomes one operation in the journal.

use super::Error;
use crate::{
    domain::{Credentials, Entry, Operation, OperationId, Plan, later},
    ports::{Opening, Ports},
};

/// Opens an operation: when this returns, it is stored and will be carried out, whoever dies.
///
/// First what is needed to carry it on (with the secrets sealed), then its first entry. Only the former
/// decides: whoever meets it without the latter writes that.
pub async fn open(ports: &Ports, plan: Plan, credentials: &Credentials) -> Result<Operation, Error> {
    let opened = ports.azure.now();
    let id = OperationId::at(opened);
    let deadline = later(opened, ports.deadlines.of(plan.kind));
    let opening = Opening { id, plan, opened, deadline };
    let failed = |source| Error::Records { action: "opening", id, source };
    ports.journal.open(&opening, credentials).await.map_err(failed)?;
    if let Err(error) = write_first_entry(ports, opening.clone()).await {
        tracing::warn!(
            operation.id = %id,
            error = &error as &dyn std::error::Error,
            "the first entry is not written yet; whoever looks next does it"
        );
    }
    Ok(operation(opening))
}

/// Where an operation stands; `None` if there is none. It may be stored and have no entry yet.
pub async fn read(ports: &Ports, id: OperationId) -> Result<Option<Operation>, Error> {
    let failed = |source| Error::Records { action: "reading", id, source };
    if let Some(entry) = ports.journal.last(id).await.map_err(failed)? {
        return Ok(Some(entry.operation));
    }
    Ok(ports.journal.opening(id).await.map_err(failed)?.map(operation))
}

/// Writes entry 1; that somebody else did is as good.
pub(super) async fn write_first_entry(ports: &Ports, opening: Opening) -> Result<Operation, Error> {
    let entry = Entry::first(operation(opening));
    let Operation { id, plan, .. } = &entry.operation;
    let appended = ports.journal.append(&entry).await;
    appended.map_err(|source| Error::Records { action: "opening", id: *id, source })?;
    tracing::info!(
        operation.id = %id,
        operation.kind = %plan.kind,
        service.name = %plan.service.name,
        blob = %plan.blob,
        "operation opened"
    );
    Ok(entry.operation)
}

fn operation(Opening { id, plan, opened, deadline }: Opening) -> Operation {
    Operation::open(id, plan, opened, deadline)
}
