//! Operations in words, for a terminal.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    domain::{Answer, AzureError, Entry, Event, Operation, RequestIds, Verification},
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
        let took = SignedDuration::from_secs(updated.duration_since(*opened).as_secs().max(0));
        let _ = write!(text, "\n  took         {took:#}");
    }
    let _ = write!(text, "\n  blob         {}\n  operation    {id}", plan.blob);
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
        Event::Unread { reason, .. } => reason.clone(),
        Event::SeenIdle { .. } => {
            "the service is idle, the blob as it was: waits whether that lasts".to_owned()
        }
        Event::SeenBusy { state, .. } => format!("the service works: it is {state}"),
        Event::Found { .. } => "the service is idle, and there is a new blob".to_owned(),
        Event::CancelRequested => "cancellation was asked for".to_owned(),
        Event::Canceled => "cancelled: no longer watched; what Azure does goes on".to_owned(),
        Event::Completed { ids } => format!("Azure says that it is done{}", id_words(ids)),
        Event::Verified { verification: Verification::Unverified { reason } } => {
            format!("unverified: {reason}")
        }
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
        let _ = write!(text, "\n  remedy       {remedy}");
    }
    for (name, id) in [("request", &error.ids.request), ("correlation", &error.ids.correlation)] {
        if let Some(id) = id {
            let _ = write!(text, "\n  {name:11}  {id}");
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::domain::{Failure, FailureKind, Kind, Plan, samples::plan};

    const ID: &str = "01a200be-362e-758d-8556-f0b019d98067";

    /// An operation that waited, was taken, and failed.
    fn entries() -> Vec<Entry> {
        let at = |minute: i64| Timestamp::from_second(1_795_222_800 + minute * 60).unwrap();
        let plan = Plan { kind: Kind::Restore, ..plan("sampleapim") };
        let operation = Operation::open(ID.parse().unwrap(), plan, at(0), at(720));
        let attempt = serde_json::from_value(json!("250b9881-d7a0-4a22-a658-1e597295d7af")).unwrap();
        let request = Some("96ced9a0-3b98-4e8f-9e80-38539e4a15f6".to_owned());
        let ids = RequestIds { request, correlation: Some("a-correlation".to_owned()), client: None };
        let continuation =
            serde_json::from_value(json!({"location": "https://management.azure.com/x"})).unwrap();
        let error = AzureError {
            status: Some(400),
            code: Some("RestoreFailed".to_owned()),
            remedy: Some("restore into the same tier".to_owned()),
            ids: ids.clone(),
            ..AzureError::local("Cannot restore: current SKU is 'Premium',\r\n backup SKU is 'Developer'")
        };
        let events = [
            Event::Waited { reason: "the service is busy: it is Updating".to_owned(), until: at(2) },
            Event::Started { attempt, post_until: at(3), blob: crate::domain::BlobLook::Absent },
            Event::Answered {
                attempt,
                answer: Answer::Accepted { continuation: Some(continuation), after_seconds: 60, ids },
            },
            Event::Failed { failure: Failure { kind: FailureKind::Failed, error } },
        ];
        let mut entries = vec![Entry::first(operation)];
        for (event, minute) in events.into_iter().zip([1, 2, 2, 11]) {
            let next = entries.last().unwrap().then(event, at(minute)).unwrap();
            entries.push(next);
        }
        entries
    }

    #[test]
    fn an_operation_reads_as_a_story() {
        let entries = entries();
        assert_snapshot!(whole(&entries, &entries.last().unwrap().operation), @r"
        restore of sampleapim failed: 400 RestoreFailed: Cannot restore: current SKU is 'Premium', backup SKU is 'Developer'
          took         11m
          blob         apimdrstorage/backup/apimbackup
          operation    01a200be-362e-758d-8556-f0b019d98067
          remedy       restore into the same tier
          request      96ced9a0-3b98-4e8f-9e80-38539e4a15f6
          correlation  a-correlation

        2026-11-21T01:00:00Z  opened
        2026-11-21T01:01:00Z  waits until 2026-11-21T01:02:00Z: the service is busy: it is Updating
        2026-11-21T01:02:00Z  starts, attempt 250b9881-d7a0-4a22-a658-1e597295d7af
        2026-11-21T01:02:00Z  Azure took it (request 96ced9a0-3b98-4e8f-9e80-38539e4a15f6)
        2026-11-21T01:11:00Z  failed: 400 RestoreFailed: Cannot restore: current SKU is 'Premium', backup SKU is 'Developer' (request 96ced9a0-3b98-4e8f-9e80-38539e4a15f6)
        ");
    }

    #[test]
    fn operations_read_as_a_table() {
        let entries = entries();
        assert_snapshot!(table(&[entries[0].operation.clone(), entries[4].operation.clone()]), @r"
        ID                                    KIND     PHASE      OPENED                INSTANCE              BLOB
        01a200be-362e-758d-8556-f0b019d98067  restore  Pending    2026-11-21T01:00:00Z  sampleapim            apimdrstorage/backup/apimbackup
        01a200be-362e-758d-8556-f0b019d98067  restore  Failed     2026-11-21T01:00:00Z  sampleapim            apimdrstorage/backup/apimbackup
        ");
    }
}
