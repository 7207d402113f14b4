//! Somebody asks us to stop watching an operation.

use super::{
    Error,
    open::finish_opening,
    record::{last, then},
};
use crate::{
    domain::{Event, Operation, OperationId},
    ports::{Appended, Ports},
};

/// Writes down that the operation is to be cancelled, unless it has ended or that stands there already. Whoever
/// advances it next closes it as soon as that is safe. It ends our watching, not what Azure does.
pub async fn request_cancel(ports: &Ports, id: OperationId) -> Result<Operation, Error> {
    loop {
        let Some(entry) = last(ports, id).await? else {
            finish_opening(ports, id).await?;
            continue;
        };
        if entry.operation.phase.is_closed() || entry.operation.cancel_requested.is_some() {
            return Ok(entry.operation);
        }
        let next = then(ports, &entry, Event::CancelRequested)?;
        let appended = ports.journal.append(&next).await;
        match appended.map_err(|source| Error::Records { action: "cancelling", id, source })? {
            Appended::Written => {
                tracing::info!(operation.id = %id, journal.seq = next.seq, "cancellation was asked for");
                return Ok(next.operation);
            }
            Appended::Taken => {}
        }
    }
}
