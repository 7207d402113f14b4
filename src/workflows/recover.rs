//! Nobody knows what became of a start, or Azure no longer tells about it: then we look at the service, and at the
//! blob. What follows from what is seen is decided in `domain`.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Error,
    advance::{Next, Step, access_for_watching, given_up, is_given_up, post},
    record::{again, failed, record},
};
use crate::{
    domain::{
        AzureError, BlobLook, Conclusion, Entry, Event, Failure, Finding, Kind, Operation, Sight, Tier, later,
    },
    ports::{Access, Poll, Ports, ReadError},
};

/// Between two looks at a service of which nothing else tells.
const PAUSE: Duration = Duration::from_mins(1);

/// Starting, with its POST over on paper (`due` is `post_until`) and no answer that decides.
pub(super) async fn resolve(
    ports: &Ports,
    entry: Entry,
    may_start: &(dyn Fn() -> bool + Sync),
) -> Result<Step, Error> {
    let operation = &entry.operation;
    let access = access_for_watching(ports, operation).await?;
    // An attempt before the newest, that Azure turned out to have taken: its success is success.
    let older = operation.older_accepted();
    let older: Vec<_> =
        older.filter_map(|attempt| Some((attempt.id, attempt.continuation()?.clone()))).collect();
    let mut runs = None;
    for (attempt, continuation) in older {
        let told = ports.azure.poll(&continuation, &access).await;
        if let Some(until) = post_may_be_under_way(ports, operation) {
            return Ok(Step { next: Next::At(until), operation: entry.operation });
        }
        match told {
            Poll::Succeeded { ids } => {
                let completed = Event::Completed { ids, attempt: Some(attempt) };
                return record(ports, entry, completed).await;
            }
            Poll::Running { after, .. } => runs = runs.max(Some(after)),
            // Decides nothing while a newer one is undecided.
            Poll::Failed(_) | Poll::Unread { .. } | Poll::Refused(_) => {}
        }
    }
    if let Some(after) = runs.filter(|_| !is_given_up(ports, operation)) {
        return Ok(again(ports, entry, after));
    }
    let lost = operation.unknown_outcome().error;
    Box::pin(look(ports, entry, &access, lost, may_start)).await
}

/// Running, but there is nothing to ask, or what we ask refuses to tell (`lost`).
pub(super) async fn watch(
    ports: &Ports,
    entry: Entry,
    access: Access,
    lost: AzureError,
    may_start: &(dyn Fn() -> bool + Sync),
) -> Result<Step, Error> {
    let operation = &entry.operation;
    if operation.waiting.is_none() {
        let what = match operation.plan.kind {
            Kind::Backup => "the service and the blob",
            Kind::Restore => "the service",
        };
        let reason = format!("Azure no longer tells about it ({lost}), so {what} are watched");
        let until = ports.azure.now();
        return record(ports, entry, Event::Unread { reason, until }).await;
    }
    Box::pin(look(ports, entry, &access, lost, may_start)).await
}

/// One look at everything there is to see.
async fn look(
    ports: &Ports,
    entry: Entry,
    access: &Access,
    lost: AzureError,
    may_start: &(dyn Fn() -> bool + Sync),
) -> Result<Step, Error> {
    let operation = &entry.operation;
    let (id, plan) = (operation.id, &operation.plan);
    let service = ports.azure.service(&plan.service, access).await;
    if let Some(until) = post_may_be_under_way(ports, operation) {
        return Ok(Step { next: Next::At(until), operation: entry.operation });
    }
    let (busy, tier) = match service {
        Ok(service) if service.is_idle() => (None, service.tier),
        Ok(service) => (Some(service.to_string()), None),
        Err(error) => return unseen(ports, entry, error).await,
    };
    let blob = match (plan.kind, &busy) {
        (Kind::Backup, None) => ports.blobs.look(&plan.blob, access.credentials.access_key.as_ref()).await,
        _ => BlobLook::Unread { reason: "nobody looked".to_owned() },
    };
    let now = ports.azure.now();
    let holds = busy.is_none() && {
        let holder = ports.journal.holder(&plan.service.name, now).await;
        holder.map_err(|source| Error::Records { action: "watching", id, source })? == Some(id)
    };
    let sight = Sight { busy, blob, holds };
    let pause = PAUSE.min(ports.settle);
    match operation.conclude(&sight, now, ports.settle, pause) {
        Conclusion::LookAgain if is_given_up(ports, operation) => {
            let state = sight.busy.as_deref().unwrap_or("idle, which tells nothing of what it did");
            let failure = given_up(&format!("the service is {state}"));
            record(ports, entry, failed(failure)).await
        }
        Conclusion::LookAgain => Ok(again(ports, entry, pause)),
        Conclusion::Record(Event::Failed { .. }) => {
            record(ports, entry, failed(Failure::unknown(lost))).await
        }
        Conclusion::Record(event) => record(ports, entry, event).await,
        // Only as the one who asked for it.
        Conclusion::StartAgain if access.caller != plan.caller => {
            record(ports, entry, failed(Failure::unknown(lost))).await
        }
        Conclusion::StartAgain => match ports.bounds.objection(plan) {
            Some(Finding { text, remedy, .. }) => {
                let look = "look at the service's activity log, and at the blob";
                let lost = lost.with_remedy(format!("{look}; it was not started again: {text}; {remedy}"));
                record(ports, entry, failed(Failure::unknown(lost))).await
            }
            None => Box::pin(start_again(ports, entry, access, (tier, sight.blob), may_start)).await,
        },
    }
}

/// Until when a POST may be under way: before, nobody decides. That is a question of Azure Resource Manager's time, and
/// a process that had not heard it yet judged by its own clock: so it is asked again after each of its answers.
fn post_may_be_under_way(ports: &Ports, operation: &Operation) -> Option<Timestamp> {
    Some(operation.post_until()).filter(|until| ports.azure.now() < *until)
}

async fn start_again(
    ports: &Ports,
    entry: Entry,
    access: &Access,
    seen: (Option<Tier>, BlobLook),
    may_start: &(dyn Fn() -> bool + Sync),
) -> Result<Step, Error> {
    match ports.azure.prepare(&entry.operation.plan, access).await {
        Ok(()) => Box::pin(post(ports, entry, access, seen, may_start)).await,
        Err(ReadError::Transient(error)) => {
            tracing::warn!(operation.id = %entry.operation.id, azure.error = %error, "it cannot be started again now");
            Ok(again(ports, entry, PAUSE))
        }
        Err(ReadError::Definite(error)) => record(ports, entry, failed(Failure::unknown(error))).await,
    }
}

/// The service could not be looked at.
async fn unseen(ports: &Ports, entry: Entry, error: ReadError) -> Result<Step, Error> {
    let operation = &entry.operation;
    if is_given_up(ports, operation) {
        return record(ports, entry, failed(given_up(&error.to_string()))).await;
    }
    match error {
        ReadError::Definite(error) if error.status == Some(404) => {
            record(ports, entry, failed(Failure::unknown(error))).await
        }
        ReadError::Definite(error) if operation.waiting.is_none() => {
            let reason = format!("the service cannot be looked at: {error}");
            let until = later(ports.azure.now(), PAUSE);
            record(ports, entry, Event::Unread { reason, until }).await
        }
        ReadError::Definite(error) | ReadError::Transient(error) => {
            tracing::warn!(operation.id = %operation.id, azure.error = %error, "the service cannot be looked at; looking again");
            Ok(again(ports, entry, PAUSE))
        }
    }
}
