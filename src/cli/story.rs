//! Operations in words, for a terminal.

use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    domain::{Answer, AzureError, Entry, Event, Operation, RequestIds},
    view::sentence,
};

/// One line per operation.
pub(super) fn table(operations: &[Operation]) -> String {
    let mut text =
        format!("{:36}  {:7}  {:9}  {:20}  {:20}  {}", "ID", "KIND", "PHASE", "OPENED", "INSTANCE", "BLOB");
    for Operation { id, plan, phase, opened, .. } in operations {
        let opened = time(*opened);
        let name = plan.service.name.as_str();
        // Writing to a string does not fail.
        let _ = write!(text, "\n{id}  {:7}  {phase:9}  {opened}  {name:20}  {}", plan.kind, plan.blob);
    }
    text
}

/// How it ended, or how far it came.
pub(super) fn ending(operation: &Operation) -> String {
    let Operation { id, plan, opened, updated, .. } = operation;
    let mut text = format!("{} of {} {}", plan.kind, plan.service.name, sentence(operation));
    if operation.phase.is_closed() {
        let took = updated.duration_since(*opened).as_secs();
        let _ = write!(text, "\n  took       {:#}", jiff::SignedDuration::from_secs(took));
    }
    let _ = write!(text, "\n  blob       {}\n  operation  {id}", plan.blob);
    if let Some(failure) = &operation.failure {
        text += &error_lines(&failure.error);
    }
    text
}

/// Everything that happened, with times, Azure's words and request ids.
pub(super) fn whole(entries: &[Entry], operation: &Operation) -> String {
    let mut text = ending(operation);
    text += "\n";
    for entry in entries {
        let _ = write!(text, "\n{}  {}", time(entry.at), event(&entry.event));
    }
    text
}

fn event(event: &Event) -> String {
    match event {
        Event::Opened => "opened".to_owned(),
        Event::Waited { reason, until } => format!("waits until {}: {reason}", time(*until)),
        Event::Started { attempt, .. } => format!("starts, attempt {attempt}"),
        Event::Answered { answer, .. } => answered(answer),
        Event::Moved { .. } => "Azure still works, and moved the address to ask".to_owned(),
        Event::Completed { ids } => format!("Azure says that it is done{}", id_words(ids)),
        Event::Verified { .. } => "ended".to_owned(),
        Event::Failed { failure } => format!("failed: {failure}{}", id_words(&failure.error.ids)),
        Event::Skipped { reason } => format!("skipped: {reason}"),
    }
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

fn error_lines(error: &AzureError) -> String {
    let mut text = String::new();
    if let Some(remedy) = &error.remedy {
        let _ = write!(text, "\n  remedy     {remedy}");
    }
    for (name, id) in [("request", &error.ids.request), ("correlation", &error.ids.correlation)] {
        if let Some(id) = id {
            let _ = write!(text, "\n  {name:11}{id}");
        }
    }
    text
}

fn id_words(ids: &RequestIds) -> String {
    ids.request.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default()
}

/// Seconds are enough for people.
fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
