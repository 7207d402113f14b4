//! Telling what happened: letters are posted where it happens.

use jiff::SignedDuration;

use crate::{
    domain::{Callback, Entry, Event, Letter, Notice, Recipient},
    ports::{Ports, RecordsError},
};

/// How long a prepared letter waits for the change of the alarm that it tells of.
pub(super) const PREPARED: SignedDuration = SignedDuration::from_hours(1);

/// Posts a letter to each hook that wants to be told, and one to whoever asked to be.
pub(super) async fn post_notice(
    ports: &Ports,
    notice: &Notice,
    callback: Option<Callback>,
) -> Result<(), RecordsError> {
    let hooks = ports.hooks.wanting(notice).into_iter().map(Recipient::Hook);
    for to in hooks.chain(callback.map(Recipient::Callback)) {
        let letter = Letter { notice: notice.clone(), to };
        ports.outbox.post(&letter, ports.azure.now()).await?;
    }
    Ok(())
}

/// Posts that an operation has ended. It must be told before nothing names the operation any more.
pub(super) async fn post_ended(ports: &Ports, entry: &Entry) -> Result<(), RecordsError> {
    let ended = ending(ports, entry).await?;
    let Entry { seq, operation, .. } = ended.as_ref().unwrap_or(entry);
    let callback = match ports.journal.credentials(operation).await {
        Ok(credentials) => credentials.callback,
        Err(error @ RecordsError::Store { .. }) => return Err(error),
        Err(error) => {
            tracing::warn!(
                operation.id = %operation.id,
                error = &error as &dyn std::error::Error,
                "whoever started the operation is not told its end, if they asked to be"
            );
            None
        }
    };
    let notice = Notice::ended(operation, *seq, ports.concerns.of(&operation.plan));
    post_notice(ports, &notice, callback).await
}

/// The entry that ended it, if that may be another: an answer that came later changes nothing of what was told.
async fn ending(ports: &Ports, last: &Entry) -> Result<Option<Entry>, RecordsError> {
    if !matches!(last.event, Event::Answered { .. }) {
        return Ok(None);
    }
    let entries = match ports.journal.entries(last.operation.id).await {
        Ok(entries) => entries,
        // The end that can be read is told.
        Err(RecordsError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let entries = entries.into_iter().rev().skip_while(|entry| entry.seq > last.seq);
    Ok(entries.take_while(|entry| entry.operation.phase.is_closed()).last())
}

/// Posts that Azure took an operation. Good to know, so a failure is only told.
pub(super) async fn post_started(ports: &Ports, entry: &Entry) {
    let operation = &entry.operation;
    let notice = Notice::started(operation, entry.seq, ports.concerns.of(&operation.plan));
    if let Err(error) = post_notice(ports, &notice, None).await {
        tracing::warn!(
            operation.id = %operation.id,
            error = &error as &dyn std::error::Error,
            "nobody is told that the operation has started"
        );
    }
}
