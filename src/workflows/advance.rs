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
        Answer, AttemptId, AzureError, BlobLook, Caller, Credentials, Entry, Event, Failure, FailureKind,
        Kind, MAX_WATCH, Operation, OperationId, POST_MARGIN, POST_TIMEOUT, Phase, Verification, later,
    },
    ports::{Access, Appended, Hold, Order, Poll, Ports, ReadError, RecordsError},
};

/// Just after the deadline, so that the look which skips the operation comes in time.
const TICK: Duration = Duration::from_secs(1);
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

/// Takes the next step of an operation, if it is due.
pub async fn advance(ports: &Ports, id: OperationId) -> Result<Step, Error> {
    let Some(entry) = last(ports, id).await? else {
        let opening = ports.journal.opening(id).await;
        let opening = opening.map_err(|source| Error::Records { action: "reading", id, source })?;
        let operation = write_first_entry(ports, opening.ok_or(Error::NotFound(id))?).await?;
        return Ok(Step { next: Next::At(operation.due), operation });
    };
    if entry.operation.phase.is_closed() {
        return Ok(closed(ports, entry).await);
    }
    if ports.azure.now() < entry.operation.due {
        return Ok(Step { next: Next::At(entry.operation.due), operation: entry.operation });
    }
    match entry.operation.phase {
        Phase::Pending => start(ports, entry).await,
        Phase::Starting => {
            // Its POST is over (`due` is `post_until`) and its answer is not in the journal.
            let failure = entry.operation.unknown_outcome();
            record(ports, entry, Event::Failed { failure }).await
        }
        Phase::Running => poll(ports, entry).await,
        Phase::Verifying => {
            let verification = verify(&entry.operation);
            record(ports, entry, Event::Verified { verification }).await
        }
        Phase::Succeeded | Phase::Failed | Phase::Canceled | Phase::Skipped => Ok(closed(ports, entry).await),
    }
}

/// Pending: under the lock, with the service seen idle, one POST.
async fn start(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    let operation = &entry.operation;
    let (id, plan) = (operation.id, &operation.plan);
    let failed = |source| Error::Records { action: "starting", id, source };
    if ports.azure.now() > operation.deadline {
        let why = operation.waiting.as_deref().unwrap_or("nobody was there to start it");
        let reason = format!("its deadline passed before it could start: {why}");
        return record(ports, entry, Event::Skipped { reason }).await;
    }
    if let Hold::Theirs(other) = ports.journal.hold(operation, ports.azure.now()).await.map_err(failed)? {
        return wait(
            ports,
            entry,
            format!("operation {other} has the service; apim-dr operations show {other} tells why"),
        )
        .await;
    }
    let credentials = match ports.journal.credentials(id).await {
        Ok(credentials) => credentials,
        Err(error @ RecordsError::Sealed { .. }) => {
            let error = AzureError::local(error.to_string()).with_remedy(
                "send the request again; keep APIM_DR_STATE_KEY the same while operations are open",
            );
            return record(ports, entry, refused(error)).await;
        }
        Err(source) => return Err(failed(source)),
    };
    let access = Access { caller: plan.caller.clone(), client_secret: credentials.client_secret };
    let ready = match ports.azure.prepare(plan, &access).await {
        Ok(()) => ports.azure.service(&plan.service, &access).await,
        Err(error) => Err(error),
    };
    match ready {
        Ok(service) if service.is_idle() => {}
        Ok(service) => return wait(ports, entry, format!("the service is busy: it is {service}")).await,
        Err(ReadError::Transient(error)) => return wait(ports, entry, error.to_string()).await,
        Err(ReadError::Definite(error)) => return record(ports, entry, refused(error)).await,
    }
    let deadline = operation.deadline;
    let attempt = AttemptId::random();
    let post_until = later(ports.azure.now(), POST_TIMEOUT + POST_MARGIN);
    let blob = BlobLook::Unread("this version does not look into the backup account".to_owned());
    let started = then(ports, &entry, Event::Started { attempt, post_until, blob })?;
    if let Appended::Taken = ports.journal.append(&started).await.map_err(failed)? {
        return Ok(Step { next: Next::At(ports.azure.now()), operation: entry.operation });
    }
    log(&started);
    let in_time = || later(ports.azure.now(), POST_TIMEOUT) <= post_until.min(deadline);
    let answer = if in_time() {
        let access_key = credentials.access_key.as_ref();
        ports.azure.start(Order { plan, access: &access, access_key, attempt }, &in_time).await
    } else {
        Answer::NotSent { reason: "writing down the start took too long".to_owned() }
    };
    record_answer(ports, started, attempt, answer).await
}

/// Running: one look at what Azure says.
async fn poll(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    let operation = &entry.operation;
    let Some(continuation) = operation.continuation.clone() else {
        let failure = operation.unknown_outcome();
        return record(ports, entry, Event::Failed { failure }).await;
    };
    if operation.started().is_some_and(|started| ports.azure.now() > later(started, MAX_WATCH)) {
        let error = AzureError::local("gave up watching: Azure still called it running after 48 hours");
        return record(ports, entry, unknown(error)).await;
    }
    let access = access_for_polling(ports, operation).await?;
    match ports.azure.poll(&continuation, &access).await {
        Poll::Running { continuation: same, after } if same == continuation => {
            Ok(Step { next: Next::At(later(ports.azure.now(), after)), operation: entry.operation })
        }
        Poll::Running { continuation, after } => {
            let until = later(ports.azure.now(), after);
            record(ports, entry, Event::Moved { continuation, until }).await
        }
        Poll::Unread { error, after } => {
            tracing::warn!(operation.id = %operation.id, azure.error = %error, "a look at the operation failed; asking again");
            Ok(Step { next: Next::At(later(ports.azure.now(), after)), operation: entry.operation })
        }
        Poll::Succeeded { ids } => record(ports, entry, Event::Completed { ids }).await,
        Poll::Failed(error) => {
            let failure = Failure { kind: FailureKind::Failed, error };
            record(ports, entry, Event::Failed { failure }).await
        }
        Poll::Refused(error) => record(ports, entry, unknown(error)).await,
    }
}

/// A seal that no longer opens must not end what already runs: it is watched with the app's own identity.
async fn access_for_polling(ports: &Ports, operation: &Operation) -> Result<Access, Error> {
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
    let until =
        later(ports.azure.now(), entry.operation.backoff()).min(later(entry.operation.deadline, TICK));
    record(ports, entry, Event::Waited { reason, until }).await
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
