//! One step of one operation: read its last entry, do the one next thing, write the next entry, say
//! when to come back.
//!
//! Nothing lives in memory between steps, so any step may be repeated, lost, or run by another
//! process at the same time.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, open::write_first_entry};
use crate::{
    domain::{
        Answer, AttemptId, AzureError, Caller, Credentials, Entry, Event, Failure, FailureKind, Kind,
        MAX_WATCH, Operation, OperationId, POST_MARGIN, POST_TIMEOUT, Phase, Verification, later,
    },
    ports::{Access, Appended, Hold, Order, Poll, Ports, ReadError, RecordsError},
};

/// About four minutes with the pauses between them.
const ANSWER_RETRIES: u32 = 12;

/// When an operation wants its next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    At(Timestamp),
    /// It has ended.
    Closed,
}

/// What a step came to.
#[derive(Debug, Clone)]
pub struct Step {
    pub operation: Operation,
    pub next: Next,
}

/// What its driver lets a step do.
pub(super) struct Turn<'a> {
    /// A look that learned nothing is not recorded; its driver remembers when the next one is due.
    pub(super) not_before: Option<Timestamp>,
    /// Whether a POST may still begin. A process that was told to stop would not live to hear its answer.
    pub(super) may_start: &'a (dyn Fn() -> bool + Sync),
}

/// Takes the next step of an operation, if it is due.
pub(super) async fn advance(ports: &Ports, id: OperationId, turn: Turn<'_>) -> Result<Step, Error> {
    let Some(entry) = last(ports, id).await? else {
        let opening = ports.journal.opening(id).await;
        let opening = opening.map_err(|source| Error::Records { action: "reading", id, source })?;
        let operation = write_first_entry(ports, opening.ok_or(Error::NotFound(id))?).await?;
        return Ok(Step { next: Next::At(operation.due), operation });
    };
    if entry.operation.phase.is_closed() {
        return Ok(closed(ports, entry).await);
    }
    let due = turn.not_before.unwrap_or(Timestamp::MIN).max(entry.operation.due);
    if ports.azure.now() < due {
        return Ok(Step { next: Next::At(due), operation: entry.operation });
    }
    match entry.operation.phase {
        Phase::Pending => start(ports, entry, turn.may_start).await,
        Phase::Starting => resolve(ports, entry).await,
        Phase::Running => poll(ports, entry).await,
        Phase::Verifying => {
            let verification = verify(&entry.operation);
            record(ports, entry, Event::Verified { verification }).await
        }
        Phase::Succeeded | Phase::Failed | Phase::Canceled | Phase::Skipped => Ok(closed(ports, entry).await),
    }
}

/// Pending: under the lock, with the service seen idle, one POST.
async fn start(ports: &Ports, entry: Entry, may_start: &(dyn Fn() -> bool + Sync)) -> Result<Step, Error> {
    let operation = &entry.operation;
    let (id, plan) = (operation.id, &operation.plan);
    let failed = |source| Error::Records { action: "starting", id, source };
    if later(ports.azure.now(), POST_TIMEOUT) > operation.deadline {
        let why = operation.waiting.as_deref().unwrap_or("nobody was there to start it in time");
        let reason = format!("its deadline leaves no time for a start: {why}");
        return record(ports, entry, Event::Skipped { reason }).await;
    }
    let credentials = match ports.journal.credentials(id).await {
        Ok(credentials) => credentials,
        Err(error @ RecordsError::Sealed { .. }) => {
            let error = AzureError::local(error.to_string()).with_remedy(
                "send the request again; keep APIM_DR_STATE_KEY the same while operations are open",
            );
            return record(ports, entry, refused(error)).await;
        }
        Err(error @ RecordsError::Corrupt { .. }) => return wait(ports, entry, error.to_string()).await,
        Err(source) => return Err(failed(source)),
    };
    let access = Access { caller: plan.caller.clone(), client_secret: credentials.client_secret };
    // What cannot work is said at once, not after the service was waited for.
    match ports.azure.prepare(plan, &access).await {
        Ok(()) => {}
        Err(ReadError::Transient(error)) => return wait(ports, entry, error.to_string()).await,
        Err(ReadError::Definite(error)) => return record(ports, entry, refused(error)).await,
    }
    match ports.journal.hold(operation, ports.azure.now()).await {
        Ok(Hold::Ours) => {}
        Ok(Hold::Theirs(other)) => {
            let reason =
                format!("operation {other} has the service; apim-dr operations show {other} tells why");
            return wait(ports, entry, reason).await;
        }
        Err(error @ RecordsError::Corrupt { .. }) => return wait(ports, entry, error.to_string()).await,
        Err(source) => return Err(failed(source)),
    }
    match ports.azure.service(&plan.service, &access).await {
        Ok(service) if service.is_idle() => {}
        Ok(service) => return wait(ports, entry, format!("the service is busy: it is {service}")).await,
        Err(ReadError::Transient(error)) => return wait(ports, entry, error.to_string()).await,
        Err(ReadError::Definite(error)) => return record(ports, entry, refused(error)).await,
    }
    if !may_start() {
        return Ok(Step { next: Next::At(operation.due), operation: entry.operation });
    }
    let attempt = AttemptId::random();
    let post_until = later(ports.azure.now(), POST_TIMEOUT + POST_MARGIN);
    let blob = ports.blobs.look(&plan.blob, credentials.access_key.as_ref()).await;
    let started = then(ports, &entry, Event::Started { attempt, post_until, blob })?;
    match ports.journal.append(&started).await {
        Ok(Appended::Written) => log(&started),
        Ok(Appended::Taken) => return Ok(Step { next: Next::At(operation.due), operation: entry.operation }),
        Err(source) => {
            // It may stand all the same. Nothing was sent, and whoever finds it should know.
            return match last(ports, id).await? {
                Some(newest) if newest.writer == started.writer => {
                    let reason = format!("writing down the start failed: {source}");
                    record_answer(ports, newest, attempt, Answer::NotSent { reason }).await
                }
                _ => Err(failed(source)),
            };
        }
    }
    let in_time =
        || may_start() && later(ports.azure.now(), POST_TIMEOUT) <= post_until.min(operation.deadline);
    let access_key = credentials.access_key.as_ref();
    let answer = ports.azure.start(Order { plan, access: &access, access_key, attempt }, &in_time).await;
    record_answer(ports, started, attempt, answer).await
}

/// Starting, with its POST over on paper (`due` is `post_until`) and no answer in the journal.
///
/// Whether it is over is a question of Azure Resource Manager's time: a process that has not heard it yet
/// judges by its own clock, so it asks first.
async fn resolve(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    let operation = &entry.operation;
    let access = access_for_watching(ports, operation).await?;
    let asked = ports.azure.service(&operation.plan.service, &access).await;
    if let Err(ReadError::Transient(error)) = asked
        && !is_given_up(ports, operation)
    {
        tracing::warn!(operation.id = %operation.id, azure.error = %error, "Azure cannot be asked; asking again");
        return Ok(Step {
            next: Next::At(later(ports.azure.now(), operation.backoff())),
            operation: entry.operation,
        });
    }
    if ports.azure.now() < operation.due {
        return Ok(Step { next: Next::At(operation.due), operation: entry.operation });
    }
    let failure = operation.unknown_outcome();
    record(ports, entry, Event::Failed { failure }).await
}

/// Running: one look at what Azure says.
async fn poll(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    let operation = &entry.operation;
    let Some(continuation) = operation.continuation.clone() else {
        let failure = operation.unknown_outcome();
        return record(ports, entry, Event::Failed { failure }).await;
    };
    if is_given_up(ports, operation) {
        let last = operation.waiting.as_deref().unwrap_or("Azure still called it running");
        let error = AzureError::local(format!("gave up watching after 48 hours: {last}"));
        return record(ports, entry, unknown(error)).await;
    }
    let access = access_for_watching(ports, operation).await?;
    match ports.azure.poll(&continuation, &access).await {
        Poll::Running { continuation: same, after }
            if same == continuation && operation.waiting.is_none() =>
        {
            Ok(Step { next: Next::At(later(ports.azure.now(), after)), operation: entry.operation })
        }
        Poll::Running { continuation, after } => {
            let until = later(ports.azure.now(), after);
            record(ports, entry, Event::Moved { continuation, until }).await
        }
        Poll::Unread { error, after, lasting } => {
            let reason = format!("Azure took it, but it cannot be looked at: {error}");
            let until = later(ports.azure.now(), after);
            // Once is enough for what will be the same at every look.
            if lasting && operation.waiting.as_ref() != Some(&reason) {
                return record(ports, entry, Event::Unread { reason, until }).await;
            }
            tracing::warn!(operation.id = %operation.id, azure.error = %error, "a look failed; looking again");
            Ok(Step { next: Next::At(until), operation: entry.operation })
        }
        Poll::Succeeded { ids } => record(ports, entry, Event::Completed { ids }).await,
        Poll::Failed(error) => {
            let failure = Failure { kind: FailureKind::Failed, error };
            record(ports, entry, Event::Failed { failure }).await
        }
        Poll::Refused(error) => record(ports, entry, unknown(error)).await,
    }
}

fn is_given_up(ports: &Ports, operation: &Operation) -> bool {
    operation.started().is_some_and(|started| ports.azure.now() > later(started, MAX_WATCH))
}

/// A seal that no longer opens must not end what already runs: it is watched with the app's own identity.
async fn access_for_watching(ports: &Ports, operation: &Operation) -> Result<Access, Error> {
    match ports.journal.credentials(operation.id).await {
        Ok(Credentials { client_secret, .. }) => {
            Ok(Access { caller: operation.plan.caller.clone(), client_secret })
        }
        Err(error @ RecordsError::Sealed { .. }) => {
            tracing::warn!(operation.id = %operation.id, "{error}; watching with the app's own identity");
            Ok(Access { caller: Caller::App, client_secret: None })
        }
        Err(source) => Err(Error::Records { action: "watching", id: operation.id, source }),
    }
}

fn verify(operation: &Operation) -> Verification {
    let reason = match operation.plan.kind {
        Kind::Backup => "this version does not look into the backup account",
        Kind::Restore => "this version does not look at the service after a restore",
    };
    Verification::Unverified { reason: reason.to_owned() }
}

async fn wait(ports: &Ports, entry: Entry, reason: String) -> Result<Step, Error> {
    let until = later(ports.azure.now(), entry.operation.backoff()).min(last_chance(&entry.operation));
    record(ports, entry, Event::Waited { reason, until }).await
}

/// Right after the last instant at which it could start, so that it is skipped in time.
fn last_chance(operation: &Operation) -> Timestamp {
    later(operation.deadline.checked_sub(POST_TIMEOUT).unwrap_or(Timestamp::MIN), Duration::from_secs(1))
}

/// Writes the next entry, unless somebody else wrote one meanwhile: then their state is the truth.
async fn record(ports: &Ports, entry: Entry, event: Event) -> Result<Step, Error> {
    let next = then(ports, &entry, event)?;
    let id = next.operation.id;
    match ports.journal.append(&next).await.map_err(|source| Error::Records {
        action: "recording",
        id,
        source,
    })? {
        Appended::Written => Ok(written(ports, next).await),
        Appended::Taken => Ok(Step { next: Next::At(ports.azure.now()), operation: entry.operation }),
    }
}

/// Writes an answer behind whatever was written meanwhile. It must not be lost, so a store that fails is
/// asked again for minutes, not once.
async fn record_answer(
    ports: &Ports,
    started: Entry,
    attempt: AttemptId,
    answer: Answer,
) -> Result<Step, Error> {
    let id = started.operation.id;
    let mut newest = started;
    let mut failures = 0;
    loop {
        if newest.operation.attempts.iter().any(|known| known.id == attempt && known.answer.is_some()) {
            // Ours, from a try whose own answer was lost.
            return Ok(written(ports, newest).await);
        }
        let next = then(ports, &newest, Event::Answered { attempt, answer: answer.clone() })?;
        let taken = match ports.journal.append(&next).await {
            Ok(Appended::Written) => return Ok(written(ports, next).await),
            Ok(Appended::Taken) => last(ports, id).await,
            Err(source) => Err(Error::Records { action: "recording the answer to", id, source }),
        };
        match taken {
            Ok(entry) => newest = entry.ok_or(Error::NotFound(id))?,
            Err(error) if error.is_transient() && failures < ANSWER_RETRIES => {
                tracing::error!(operation.id = %id, error = &error as &dyn std::error::Error, "Azure's answer is not written down yet");
                ports.clock.sleep(Duration::from_secs(1 << failures.min(5))).await;
                failures += 1;
            }
            Err(error) => return Err(error),
        }
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
async fn closed(ports: &Ports, entry: Entry) -> Step {
    if let Err(error) = ports.journal.close(&entry).await {
        tracing::warn!(operation.id = %entry.operation.id, error = &error as &dyn std::error::Error, "closing is not finished; the next sweep does it");
    }
    Step { next: Next::Closed, operation: entry.operation }
}

async fn last(ports: &Ports, id: OperationId) -> Result<Option<Entry>, Error> {
    ports.journal.last(id).await.map_err(|source| Error::Records { action: "reading", id, source })
}

fn then(ports: &Ports, entry: &Entry, event: Event) -> Result<Entry, Error> {
    let id = entry.operation.id;
    entry.then(event, ports.azure.now()).map_err(|source| Error::Illegal { id, source })
}

fn refused(error: AzureError) -> Event {
    Event::Failed { failure: Failure { kind: FailureKind::Refused, error } }
}

fn unknown(error: AzureError) -> Event {
    Event::Failed { failure: Failure { kind: FailureKind::OutcomeUnknown, error } }
}

/// One line per entry, with fields that can be searched.
fn log(entry: &Entry) {
    let Operation { id, plan, phase, waiting, failure, .. } = &entry.operation;
    let detail = failure.as_ref().map(ToString::to_string).or_else(|| waiting.clone());
    tracing::info!(
        operation.id = %id, operation.kind = %plan.kind, operation.phase = %phase, service.name = %plan.service.name,
        journal.seq = entry.seq, journal.event = entry.event.name(), detail, "operation is {phase}"
    );
}
