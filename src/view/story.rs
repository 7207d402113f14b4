//! What happened to an operation, in sentences.

use jiff::{Timestamp, tz::TimeZone};

use super::{cancelled, looked, sentence};
use crate::domain::{Answer, AttemptId, Entry, Event, Kind, Operation, Plan, RequestIds, Verification};

/// What it is, and where it stands.
pub(crate) fn headline(operation: &Operation) -> String {
    let Plan { service, drill, .. } = &operation.plan;
    let word = operation.plan.word();
    let stands = sentence(operation);
    match drill {
        Some(target) => format!("{word} of {target} in {} {stands}", service.name),
        None => format!("{word} of {} {stands}", service.name),
    }
}

/// What happened, in words; `before` is the operation as it was until then.
pub(crate) fn event(entry: &Entry, before: Option<&Operation>) -> String {
    let operation = &entry.operation;
    match &entry.event {
        Event::Opened => "opened".to_owned(),
        // Whoever prints this goes on with the findings.
        Event::Checked { .. } => "was looked at before its start:".to_owned(),
        Event::SafetyBackupOpened { operation, blob } => {
            format!("the service is backed up first, to {blob}: operation {operation}")
        }
        Event::SafetyBackupVerified => "that backup is verified".to_owned(),
        Event::Waited { reason, until } => format!("waits until {}: {reason}", time(*until)),
        Event::Started { attempt, .. } => started(operation, *attempt, before),
        Event::Answered { attempt, answer } => {
            let late = before.is_some_and(|before| before.phase.is_closed());
            let opened_again = late && !operation.phase.is_closed();
            let newest = operation.attempts.last().is_none_or(|newest| newest.id == *attempt);
            let which = number(operation, *attempt);
            let whose = match (late, newest) {
                (true, _) => format!("the answer to attempt {which} came late: "),
                (false, false) => format!("the answer to attempt {which} came: "),
                (false, true) => String::new(),
            };
            let then = if opened_again { "; so it is open again" } else { "" };
            format!("{whose}{}{then}", answered(answer))
        }
        Event::Moved { .. } => "Azure still works, and moved the address to ask".to_owned(),
        Event::Unread { reason, .. } => reason.clone(),
        Event::SeenIdle { .. } => {
            let blob = if operation.plan.kind == Kind::Backup { ", and no new blob was seen" } else { "" };
            format!("the service is idle{blob}: waits to see whether that lasts")
        }
        Event::SeenBusy { state, .. } => format!("the service works: it is {state}"),
        Event::Found { .. } => "the service is idle, and there is a new blob".to_owned(),
        Event::CancelRequested => "cancellation was asked for".to_owned(),
        Event::Canceled => cancelled(operation).to_owned(),
        Event::Completed { ids, .. } => format!("Azure says that it is done{}", id_words(ids)),
        Event::Verified { verification: Verification::Verified { blob } } => {
            format!("verified: the blob is there, {} bytes", blob.size)
        }
        Event::Verified { verification: Verification::Unverified { reason, .. } } => {
            format!("unverified: {reason}")
        }
        Event::Verified { verification: Verification::Looked { aftermath } } => {
            format!("restored; {}", looked(aftermath))
        }
        Event::Failed { failure } => format!("failed: {failure}{}", id_words(&failure.error.ids)),
        Event::Skipped { reason } => format!("skipped: {reason}"),
    }
}

fn started(operation: &Operation, attempt: AttemptId, before: Option<&Operation>) -> String {
    let words = match before {
        Some(before) if operation.restarts > before.restarts => {
            "nothing was seen of the start before: starts again"
        }
        Some(before) if !before.attempts.is_empty() => "starts again",
        _ => "starts",
    };
    format!("{words}, attempt {} ({attempt})", number(operation, attempt))
}

/// Attempts count from 1.
fn number(operation: &Operation, attempt: AttemptId) -> usize {
    operation.attempts.iter().take_while(|known| known.id != attempt).count() + 1
}

fn answered(answer: &Answer) -> String {
    match answer {
        Answer::Accepted { ids, .. } => format!("Azure took it{}", id_words(ids)),
        Answer::Refused { error } => format!("Azure refused it: {error}{}", id_words(&error.ids)),
        Answer::Busy { error, .. } => format!("Azure is busy: {error}{}", id_words(&error.ids)),
        Answer::Unknown { error } => format!("the answer was lost: {error}{}", id_words(&error.ids)),
        Answer::NotSent { reason } => format!("nothing was sent: {reason}"),
    }
}

fn id_words(ids: &RequestIds) -> String {
    ids.request.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default()
}

/// Seconds are enough for people.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
