//! One step of one operation: read its last entry, do the one next thing, write the next entry, say
//! when to come back.
//!
//! Nothing that matters lives in memory between steps, so any step may be repeated, lost, or run by another
//! process at the same time.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Error,
    drill::restored_by_hand,
    open::finish_opening,
    preflight::{Scope, deleted, preflight},
    record::{again, closed, failed, last, log, record, record_answer, record_kept_answer, then},
    recover, safety,
    verify::{self, Sighted},
};
use crate::{
    domain::{
        Answer, AttemptId, AzureError, BlobLook, Caller, Credentials, Entry, Event, Failure, FailureKind,
        Finding, Kind, MAX_WATCH, Operation, OperationId, POST_MARGIN, POST_TIMEOUT, Phase, Tier, later,
        preflight::unreachable,
    },
    ports::{Access, Appended, Hold, Order, Poll, Ports, ReadError, RecordsError},
};

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
        let operation = finish_opening(ports, id).await?;
        return Ok(Step { next: Next::At(operation.due), operation });
    };
    if let Some(step) = record_kept_answer(ports, &entry).await? {
        return Ok(step);
    }
    let operation = &entry.operation;
    let phase = operation.phase;
    if phase.is_closed() {
        return Ok(closed(ports, entry).await);
    }
    if operation.cancel_requested.is_some() && matches!(phase, Phase::Pending | Phase::Running) {
        return record(ports, entry, Event::Canceled).await;
    }
    let due = turn.not_before.unwrap_or(Timestamp::MIN).max(operation.due);
    if ports.azure.now() < due {
        return Ok(Step { next: Next::At(due), operation: entry.operation });
    }
    match phase {
        Phase::Pending => Box::pin(start(ports, entry, turn.may_start)).await,
        Phase::Starting => Box::pin(recover::resolve(ports, entry, turn.may_start)).await,
        Phase::Running => Box::pin(poll(ports, entry, turn.may_start)).await,
        Phase::Verifying => Box::pin(verify::verify(ports, entry)).await,
        Phase::Succeeded | Phase::Failed | Phase::Canceled | Phase::Skipped => Ok(closed(ports, entry).await),
    }
}

/// Pending: under the lock, with the service seen idle and then the blob, one POST.
async fn start(ports: &Ports, entry: Entry, may_start: &(dyn Fn() -> bool + Sync)) -> Result<Step, Error> {
    let operation = &entry.operation;
    let id = operation.id;
    let unreached = |source| Error::Records { action: "starting", id, source };
    if later(ports.azure.now(), POST_TIMEOUT) > operation.deadline {
        let why = operation.waiting.as_deref().unwrap_or("nobody was there to start it in time");
        let reason = format!("its deadline leaves no time for a start: {why}");
        return record(ports, entry, Event::Skipped { reason }).await;
    }
    // It may have waited while the settings were narrowed.
    if let Some(finding) = ports.bounds.objection(&operation.plan) {
        return record(ports, entry, blocked_by(finding)).await;
    }
    if operation.plan.drills_its_source() {
        // Whoever opened it: a drill never overwrites what it is to protect.
        let text =
            format!("{} is what this drill tries out a recovery point of", operation.plan.service.name);
        let finding = Finding::blocks("drill.source", text, "declare another instance as the target's drill");
        return record(ports, entry, blocked_by(finding)).await;
    }
    if operation.plan.drill.is_some() && operation.attempts.is_empty() {
        // It may have waited for hours.
        let service = &operation.plan.service.name;
        if let Some(why) = restored_by_hand(ports, service).await.map_err(unreached)? {
            let finding = Finding::blocks(
                "drill.in-use",
                format!("no drill into {service}: {why}"),
                "restore it by hand, if that is meant, or declare another instance as the target's drill",
            );
            return record(ports, entry, blocked_by(finding)).await;
        }
    }
    if let Some(finding) = operation.blocked_by() {
        let event = blocked_by(finding.clone());
        return record(ports, entry, event).await;
    }
    let credentials = match ports.journal.credentials(operation).await {
        Ok(credentials) => credentials,
        Err(error @ RecordsError::Sealed { .. }) => {
            let error = AzureError::local(error.to_string()).with_remedy(
                "send the request again; keep APIM_DR_STATE_KEY the same while operations are open",
            );
            return record(ports, entry, refused(error)).await;
        }
        Err(error @ RecordsError::Corrupt { .. }) => return wait(ports, entry, error.to_string()).await,
        Err(source) => return Err(unreached(source)),
    };
    let plan = &operation.plan;
    let access = Access { caller: plan.caller.clone(), credentials };
    // What cannot work is said at once, not after the service was waited for.
    match ports.azure.prepare(plan, &access).await {
        Ok(()) => {}
        Err(ReadError::Transient(error)) => return wait(ports, entry, error.to_string()).await,
        Err(ReadError::Definite(error)) => return record(ports, entry, refused(error)).await,
    }
    let entry = match Box::pin(safety::stage(ports, entry, &access)).await? {
        Ok(step) => return Ok(step),
        Err(entry) => entry,
    };
    let operation = &entry.operation;
    let plan = &operation.plan;
    match ports.journal.hold(operation, ports.azure.now()).await {
        Ok(Hold::Ours) => {}
        Ok(Hold::Theirs(other)) => {
            let reason =
                format!("operation {other} has the service; apim-dr operations show {other} tells why");
            return wait(ports, entry, reason).await;
        }
        Err(error @ RecordsError::Corrupt { .. }) => return wait(ports, entry, error.to_string()).await,
        Err(source) => return Err(unreached(source)),
    }
    let (status, inventory) = match ports.inspection.inventory(&plan.service, &access).await {
        Ok(read) => read,
        Err(ReadError::Transient(error)) => return wait(ports, entry, error.to_string()).await,
        Err(ReadError::Definite(error)) => {
            let deleted = deleted(&*ports.inspection, plan, &access, &error).await;
            let blocked = deleted.map(|deleted| unreachable(plan, &error, Some(&deleted)));
            return record(ports, entry, blocked.map_or_else(|| refused(error), blocked_by)).await;
        }
    };
    // Once, and not after it has waited for hours: then Azure tells.
    if operation.waits == 0 && operation.attempts.is_empty() && operation.findings.is_empty() {
        let findings = Box::pin(preflight(ports, plan, &access, &inventory, Scope::WithoutSource)).await;
        if !findings.is_empty() {
            return record(ports, entry, Event::Checked { findings }).await;
        }
    }
    if !status.is_idle() {
        return wait(ports, entry, format!("the service is busy: it is {status}")).await;
    }
    let tier = inventory.tier;
    if plan.kind == Kind::Backup {
        // Before the bytes are there: whoever finds them must know whose they may be.
        ports.catalog.own(&plan.blob, &plan.service.name).await.map_err(unreached)?;
    }
    let blob = match plan.kind {
        Kind::Backup => ports.blobs.look(&plan.blob, access.credentials.access_key.as_ref()).await,
        Kind::Restore => match verify::sight(ports, operation, &access, tier.as_ref()).await? {
            Sighted::Fit(blob) => blob,
            Sighted::Wait { reason } => return wait(ports, entry, reason).await,
            Sighted::Unfit(finding) => return record(ports, entry, blocked_by(finding)).await,
        },
    };
    Box::pin(post(ports, entry, &access, (tier, blob), may_start)).await
}

/// Writes down that it starts, posts, and writes down what became of that. The service was just `seen` idle, of this
/// tier, and then the blob.
pub(super) async fn post(
    ports: &Ports,
    entry: Entry,
    access: &Access,
    seen: (Option<Tier>, BlobLook),
    may_start: &(dyn Fn() -> bool + Sync),
) -> Result<Step, Error> {
    let operation = &entry.operation;
    let (id, plan) = (operation.id, &operation.plan);
    if !may_start() {
        return Ok(Step { next: Next::At(operation.due), operation: entry.operation });
    }
    let attempt = AttemptId::random();
    let post_until = later(ports.azure.now(), POST_TIMEOUT + POST_MARGIN);
    let (tier, blob) = seen;
    let started = then(ports, &entry, Event::Started { attempt, post_until, blob, tier })?;
    match ports.journal.append(&started).await {
        Ok(Appended::Written) => log(&started),
        Ok(Appended::Taken) => return Ok(Step { next: Next::At(operation.due), operation: entry.operation }),
        Err(source) => {
            // It may stand all the same. Nothing was sent, and whoever finds it should know.
            return match last(ports, id).await? {
                Some(newest) if newest.writer == started.writer => {
                    let answer =
                        Answer::NotSent { reason: format!("writing down the start failed: {source}") };
                    record_answer(ports, newest, attempt, answer, &access.credentials).await
                }
                _ => Err(Error::Records { action: "starting", id, source }),
            };
        }
    }
    let in_time =
        || may_start() && later(ports.azure.now(), POST_TIMEOUT) <= post_until.min(operation.deadline);
    let answer = ports.azure.start(Order { plan, access, attempt }, &in_time).await;
    record_answer(ports, started, attempt, answer, &access.credentials).await
}

/// Running: one look at what Azure says; where it says nothing, at the service and the blob.
async fn poll(ports: &Ports, entry: Entry, may_start: &(dyn Fn() -> bool + Sync)) -> Result<Step, Error> {
    let operation = &entry.operation;
    let access = access_for_watching(ports, operation).await?;
    let Some(continuation) = operation.continuation.clone() else {
        let lost = operation.unknown_outcome().error;
        return Box::pin(recover::watch(ports, entry, access, lost, may_start)).await;
    };
    match ports.azure.poll(&continuation, &access).await {
        Poll::Succeeded { ids } => record(ports, entry, Event::Completed { ids, attempt: None }).await,
        Poll::Failed(error) => {
            let failure = operation.failed_by_azure(error);
            record(ports, entry, failed(failure)).await
        }
        Poll::Refused(error) => Box::pin(recover::watch(ports, entry, access, error, may_start)).await,
        Poll::Running { .. } | Poll::Unread { .. } if is_given_up(ports, operation) => {
            let reason = operation.waiting.as_deref().unwrap_or("Azure still called it running");
            let failure = given_up(reason);
            record(ports, entry, failed(failure)).await
        }
        Poll::Running { continuation: same, after }
            if same == continuation && operation.waiting.is_none() && operation.idle_since.is_none() =>
        {
            Ok(again(ports, entry, after))
        }
        Poll::Running { continuation, after } => {
            let until = later(ports.azure.now(), after);
            record(ports, entry, Event::Moved { continuation, until }).await
        }
        Poll::Unread { error, after, lasting } => {
            let reason = format!("Azure took it, but it cannot be looked at: {error}");
            // Once is enough for what will be the same at every look.
            if lasting && operation.waiting.as_ref() != Some(&reason) {
                let until = later(ports.azure.now(), after);
                return record(ports, entry, Event::Unread { reason, until }).await;
            }
            tracing::warn!(operation.id = %operation.id, azure.error = %error, "a look failed; looking again");
            Ok(again(ports, entry, after))
        }
    }
}

pub(super) fn is_given_up(ports: &Ports, operation: &Operation) -> bool {
    operation.started().is_some_and(|started| ports.azure.now() > later(started, MAX_WATCH))
}

pub(super) fn given_up(reason: &str) -> Failure {
    Failure::unknown(AzureError::local(format!("gave up watching after 48 hours: {reason}")))
}

/// Who watches a started operation. A seal that no longer opens, or a marker that cannot be read, must not end what
/// already runs: then it is the app itself, without the secrets.
pub(super) async fn access_for_watching(ports: &Ports, operation: &Operation) -> Result<Access, Error> {
    match ports.journal.credentials(operation).await {
        Ok(credentials) => Ok(Access { caller: operation.plan.caller.clone(), credentials }),
        Err(error @ (RecordsError::Sealed { .. } | RecordsError::Corrupt { .. })) => {
            tracing::warn!(operation.id = %operation.id, "{error}; watching with the app's own identity");
            Ok(Access { caller: Caller::App, credentials: Credentials::default() })
        }
        Err(source) => Err(Error::Records { action: "watching", id: operation.id, source }),
    }
}

async fn wait(ports: &Ports, entry: Entry, reason: String) -> Result<Step, Error> {
    let until = later(ports.azure.now(), entry.operation.backoff()).min(last_chance(&entry.operation));
    record(ports, entry, Event::Waited { reason, until }).await
}

/// Right after the last instant at which it could start, so that it is skipped in time.
fn last_chance(operation: &Operation) -> Timestamp {
    later(operation.deadline.checked_sub(POST_TIMEOUT).unwrap_or(Timestamp::MIN), Duration::from_secs(1))
}

fn refused(error: AzureError) -> Event {
    failed(Failure { kind: FailureKind::Refused, error })
}

pub(super) fn blocked_by(finding: Finding) -> Event {
    failed(Failure { kind: FailureKind::Blocked, error: finding.into_error() })
}
