//! Entries of the journal.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use jiff::Timestamp;
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};

use crate::{
    domain::{
        Answer, AttemptId, AzureError, BlobLook, Conclusion, Entry, Event, Failure, FailureKind,
        MAX_UNKNOWN_STARTS, Operation, OperationId, Phase, RequestIds, Sight, Verification,
    },
    keys::StateKey,
    ports::{Journal as _, RecordsError},
    records::Records,
    view::{OperationView, story},
};

/// Reads an object as an entry, and carries its operation on.
///
/// - What is no entry, or not the one that its name says, is told as corrupt.
/// - What is one is written as it was read.
/// - Its operation can be told, and takes a step or refuses it: what is closed stays so unless Azure took it after all,
///   it succeeds by what was seen only, and it is not started again beyond the limit.
pub fn entries(bytes: &[u8]) {
    let entry = serde_json::from_slice::<Entry>(bytes).ok();
    if let Ok(id) = "01a1fb9e-0680-7000-8000-000000000000".parse() {
        is_read_as(bytes, id, 1, entry.as_ref());
    }
    let Some(entry) = entry else { return };
    is_read_as(bytes, entry.operation.id, entry.seq, Some(&entry));
    is_written(&entry);
    is_told(&entry);
    for event in steps(&entry.operation) {
        for at in [entry.at, Timestamp::MIN, Timestamp::MAX] {
            let Ok(next) = entry.then(event.clone(), at) else { continue };
            follows(&entry.operation, &event, &next.operation);
            is_written(&next);
            is_told(&next);
        }
    }
}

/// Reads the object where the entry of that number would be.
fn is_read_as(bytes: &[u8], id: OperationId, seq: u32, entry: Option<&Entry>) {
    let Ok(key) = StateKey::from_base64("ZXhhbXBsZS1rZXktbm90LXNlY3JldC0zMi1ieXRlcyE=") else { return };
    let store = Arc::new(InMemory::new());
    let path = Path::from(format!("operations/{}/{id}/{seq:06}.json", id.month()));
    let put = store.put(&path, bytes.to_vec().into()).now_or_never();
    assert!(put.is_some_and(|put| put.is_ok()), "{path}");
    let records = Records::on(store, key);
    let is_it = |entry: &&Entry| {
        (entry.operation.id, entry.seq) == (id, seq)
            && entry.version <= Entry::VERSION
            && entry.seq < Entry::END
    };
    match (records.last(id).now_or_never(), entry.filter(is_it)) {
        (Some(Ok(Some(read))), Some(entry)) => assert_eq!(read, *entry),
        (Some(Err(RecordsError::Corrupt { path: told, reason })), None) => {
            assert_eq!(told, path.to_string());
            assert!(!reason.is_empty() && !reason.chars().any(char::is_control), "{reason:?}");
        }
        (read, entry) => panic!("{read:?} of {entry:?}"),
    }
}

fn is_written(entry: &Entry) {
    let written = serde_json::to_vec(entry).unwrap_or_default();
    match serde_json::from_slice::<Entry>(&written) {
        Ok(read) => {
            assert_eq!(read, *entry);
            assert_eq!(serde_json::to_vec(&read).unwrap_or_default(), written);
        }
        Err(error) => panic!("{error} in {entry:?}"),
    }
}

fn is_told(entry: &Entry) {
    let operation = &entry.operation;
    assert!(!story::headline(operation).is_empty());
    let _ = (story::event(entry, None), story::event(entry, Some(operation)));
    assert!(serde_json::to_value(OperationView::from(operation)).is_ok());
}

/// One of each kind that may move it, for its newest attempt and for another.
fn steps(operation: &Operation) -> Vec<Event> {
    let error = AzureError::local("said");
    let failed = |kind| Event::Failed { failure: Failure { kind, error: error.clone() } };
    let until = operation.due;
    let mut steps = vec![
        Event::Waited { reason: "busy".to_owned(), until },
        Event::Started {
            attempt: AttemptId::random(),
            post_until: until,
            blob: BlobLook::Absent,
            tier: None,
        },
        Event::Completed { ids: RequestIds::default(), attempt: None },
        Event::Found { blob: BlobLook::Absent },
        Event::Verified { verification: Verification::unverified("not looked") },
        Event::CancelRequested,
        Event::Canceled,
        Event::Skipped { reason: "late".to_owned() },
        failed(FailureKind::Refused),
        failed(FailureKind::OutcomeUnknown),
        Event::Failed { failure: operation.failed_by_azure(error.clone()) },
        Event::Failed { failure: operation.unknown_outcome() },
    ];
    for attempt in operation.unanswered() {
        let accepted =
            Answer::Accepted { continuation: None, after_seconds: u32::MAX, ids: RequestIds::default() };
        let busy = Answer::Busy { error: error.clone(), after_seconds: Some(u32::MAX) };
        let refused = Answer::Refused { error: error.clone() };
        let answers = [accepted, busy, refused, Answer::Unknown { error: error.clone() }];
        steps.extend(answers.map(|answer| Event::Answered { attempt, answer }));
    }
    let sight = Sight { busy: None, blob: BlobLook::Absent, holds: true };
    let minute = Duration::from_mins(1);
    match operation.conclude(&sight, Timestamp::MAX, minute, minute) {
        Conclusion::StartAgain => assert!(operation.may_restart()),
        Conclusion::Record(event) => steps.push(event),
        Conclusion::LookAgain => {}
    }
    steps
}

fn follows(before: &Operation, event: &Event, after: &Operation) {
    let is_taken = matches!(event, Event::Answered { answer: Answer::Accepted { .. }, .. });
    assert!(!before.phase.is_closed() || after.phase.is_closed() || is_taken, "{event:?}");
    assert!(after.attempts.len() <= before.attempts.len() + 1);
    if matches!(event, Event::Started { .. }) {
        assert!(before.phase == Phase::Pending || after.restarts < MAX_UNKNOWN_STARTS, "{}", before.restarts);
    }
    if before.phase == after.phase {
        return;
    }
    let is_right = match after.phase {
        Phase::Succeeded => matches!(event, Event::Verified { .. } | Event::Found { .. }),
        Phase::Verifying => matches!(event, Event::Completed { .. }),
        Phase::Running => after.followed.is_some(),
        _ => true,
    };
    assert!(is_right, "{} by {event:?}", after.phase);
}
