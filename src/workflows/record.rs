//! Writing entries: the next one, an answer that must not be lost, and the end.

use std::time::Duration;

use super::{
    Error,
    advance::{Next, Step},
    retire::retire_after,
    tell::{post_ended, post_started},
};
use crate::{
    domain::{
        Answer, AttemptId, Credentials, Entry, Event, Failure, Kind, MAX_WATCH, Operation, OperationId,
        Phase, RecoveryPoint, later,
    },
    ports::{Appended, Ports, RecordsError},
};

/// How long nothing is deleted from the container of a restore that nobody watches any more, though Azure may go on
/// with it. The longest recorded one took over five hours.
const UNWATCHED: Duration = Duration::from_hours(24);

/// How long an answer is tried to be written down: while the process lives, it is the only one that knows.
const ANSWER_PATIENCE: Duration = MAX_WATCH;

/// Writes the next entry, unless somebody else wrote one meanwhile: then their state is the truth.
pub(super) async fn record(ports: &Ports, entry: Entry, event: Event) -> Result<Step, Error> {
    let next = then(ports, &entry, event)?;
    let id = next.operation.id;
    match ports.journal.append(&next).await.map_err(|source| Error::Records {
        action: "recording",
        id,
        source,
    })? {
        Appended::Written => {
            tell_start(ports, &entry, &next).await;
            Ok(written(ports, next).await)
        }
        Appended::Taken => Ok(Step { next: Next::At(ports.azure.now()), operation: entry.operation }),
    }
}

/// Writes an answer behind whatever was written meanwhile. It must not be lost, so a store that fails is
/// asked again, for as long as the operation would be watched.
///
/// One that comes after the end is kept beside the journal first: opening it again must not go unnoticed if this
/// process dies before somebody else has looked, or after.
pub(super) async fn record_answer(
    ports: &Ports,
    started: Entry,
    attempt: AttemptId,
    answer: Answer,
    credentials: &Credentials,
) -> Result<Step, Error> {
    let id = started.operation.id;
    let mut newest = started;
    let mut failures = 0;
    let began = ports.clock.elapsed();
    loop {
        if !newest.operation.unanswered().any(|unanswered| unanswered == attempt) {
            // Ours, from a try whose own answer was lost, or somebody wrote down what we kept.
            return Ok(written(ports, newest).await);
        }
        match write_answer(ports, &newest, attempt, &answer, credentials).await {
            Ok(Ok(step)) => return Ok(step),
            Ok(Err(meanwhile)) => newest = meanwhile,
            Err(error)
                if error.is_transient() && ports.clock.elapsed().saturating_sub(began) < ANSWER_PATIENCE =>
            {
                tracing::error!(operation.id = %id, error = &error as &dyn std::error::Error, "Azure's answer is not written down yet");
                ports.clock.sleep(Duration::from_secs(1 << failures.min(5))).await;
                failures += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// One try; `Err` inside: the entry that was written meanwhile.
async fn write_answer(
    ports: &Ports,
    newest: &Entry,
    attempt: AttemptId,
    answer: &Answer,
    credentials: &Credentials,
) -> Result<Result<Step, Entry>, Error> {
    let id = newest.operation.id;
    let failed = |source| Error::Records { action: "recording the answer to", id, source };
    if newest.operation.phase.is_closed() {
        ports.journal.keep_answer(id, attempt, answer, credentials).await.map_err(failed)?;
    }
    let next = then(ports, newest, Event::Answered { attempt, answer: answer.clone() })?;
    match ports.journal.append(&next).await.map_err(failed)? {
        Appended::Written => {
            tell_start(ports, newest, &next).await;
            Ok(Ok(written(ports, next).await))
        }
        Appended::Taken => Ok(Err(last(ports, id).await?.ok_or(Error::NotFound(id))?)),
    }
}

/// Writes down an answer that somebody kept and could not.
pub(super) async fn record_kept_answer(ports: &Ports, entry: &Entry) -> Result<Option<Step>, Error> {
    let id = entry.operation.id;
    for attempt in entry.operation.unanswered() {
        let kept = ports.journal.kept_answer(id, attempt).await;
        let kept = kept.map_err(|source| Error::Records { action: "reading", id, source })?;
        if let Some(answer) = kept {
            return record(ports, entry.clone(), Event::Answered { attempt, answer }).await.map(Some);
        }
    }
    Ok(None)
}

/// `entry`, after `before`, stands: if it is the first that says so, Azure took the operation.
async fn tell_start(ports: &Ports, before: &Entry, entry: &Entry) {
    if before.operation.phase != Phase::Running && entry.operation.phase == Phase::Running {
        Box::pin(post_started(ports, entry)).await;
    }
}

async fn written(ports: &Ports, entry: Entry) -> Step {
    log(&entry);
    if entry.operation.phase.is_closed() {
        return closed(ports, entry).await;
    }
    Step { next: Next::At(entry.operation.due), operation: entry.operation }
}

/// Closing may be left half done: the marker stays, and a sweep closes again.
pub(super) async fn closed(ports: &Ports, entry: Entry) -> Step {
    // Boxed: every step may come here, and few do.
    if let Err(error) = Box::pin(close(ports, &entry)).await {
        tracing::warn!(operation.id = %entry.operation.id, error = &error as &dyn std::error::Error, "closing is not finished; the next sweep does it");
    }
    Step { next: Next::Closed, operation: entry.operation }
}

/// A recovery point is in the catalogue, and has its effect on older ones, and those who want to know the end have their
/// letters, before nothing names the operation any more.
async fn close(ports: &Ports, entry: &Entry) -> Result<(), RecordsError> {
    if let Some(point) = RecoveryPoint::of(&entry.operation) {
        ports.catalog.record(&point).await?;
        Box::pin(retire_after(ports, &entry.operation, &point)).await;
    }
    let Operation { id, plan, .. } = &entry.operation;
    if plan.kind == Kind::Restore && entry.operation.may_go_on_in_azure() {
        let until = later(entry.at, UNWATCHED);
        ports.catalog.freeze(&plan.blob.place(), *id, until).await?;
    }
    post_ended(ports, entry).await?;
    ports.journal.close(entry).await
}

/// Nothing was learned: the same state, later.
pub(super) fn again(ports: &Ports, entry: Entry, pause: Duration) -> Step {
    Step { next: Next::At(later(ports.azure.now(), pause)), operation: entry.operation }
}

pub(super) async fn last(ports: &Ports, id: OperationId) -> Result<Option<Entry>, Error> {
    ports.journal.last(id).await.map_err(|source| Error::Records { action: "reading", id, source })
}

pub(super) fn then(ports: &Ports, entry: &Entry, event: Event) -> Result<Entry, Error> {
    let id = entry.operation.id;
    entry.then(event, ports.azure.now()).map_err(|source| Error::Illegal { id, source })
}

pub(super) fn failed(failure: Failure) -> Event {
    Event::Failed { failure }
}

/// One line per entry, with fields that can be searched.
pub(super) fn log(entry: &Entry) {
    let Operation { id, plan, phase, waiting, failure, .. } = &entry.operation;
    let detail = failure.as_ref().map(ToString::to_string).or_else(|| waiting.clone());
    let remedy = failure.as_ref().and_then(|failure| failure.error.remedy.as_deref());
    let cause = entry.operation.explanation().map(|known| known.cause);
    tracing::info!(
        operation.id = %id, operation.kind = %plan.kind, operation.phase = %phase, service.name = %plan.service.name,
        journal.seq = entry.seq, journal.event = entry.event.name(), detail, cause, remedy, "operation is {phase}"
    );
}
