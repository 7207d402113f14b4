//! Operations in words, for a terminal.

use std::fmt::Write as _;

use jiff::SignedDuration;

use crate::{
    domain::{AzureError, Entry, Event, Explanation, Finding, Operation},
    view::story::{event, headline, time},
};

/// One line per operation.
pub(super) fn table(operations: &[Operation]) -> String {
    let mut text =
        format!("{:36}  {:7}  {:9}  {:20}  {:20}  {}", "ID", "KIND", "PHASE", "OPENED", "INSTANCE", "BLOB");
    for Operation { id, plan, phase, opened, .. } in operations {
        let opened = time(*opened);
        let name = plan.service.name.as_str();
        // Writing to a string does not fail.
        let _ = write!(text, "\n{id}  {:7}  {phase:9}  {opened}  {name:20}  {}", plan.word(), plan.blob);
    }
    text
}

/// How it ended, or how far it came.
pub(super) fn ending(operation: &Operation) -> String {
    let Operation { id, plan, opened, updated, .. } = operation;
    let mut text = headline(operation);
    if operation.phase.is_closed() {
        let took = SignedDuration::from_secs(updated.duration_since(*opened).as_secs().max(0));
        // How long a drill that succeeded took is the recovery time to expect.
        let name = if operation.recovery_time().is_some() { "RTO" } else { "took" };
        let _ = write!(text, "\n  {name:11}  {took:#}");
    }
    let _ = write!(text, "\n  blob         {}\n  operation    {id}", plan.blob);
    if let Some(failure) = &operation.failure {
        text += &error_lines(&failure.error, operation.explanation());
    }
    text
}

/// Everything that happened, with times, Azure's words and request ids.
pub(super) fn whole(entries: &[Entry], operation: &Operation) -> String {
    let mut text = ending(operation);
    text += "\n";
    let mut before = None;
    for entry in entries {
        let _ = write!(text, "\n{}  {}", time(entry.at), event(entry, before));
        if let Event::Checked { findings } = &entry.event {
            text.extend(findings.iter().map(|finding| noted(finding, 4)));
        }
        before = Some(&entry.operation);
    }
    text
}

/// A finding, and on a line of its own what to do.
pub(super) fn noted(finding: &Finding, indent: usize) -> String {
    let word = if finding.is_blocking() { "blocks" } else { "warns" };
    let remedy = &finding.remedy;
    format!("\n{:indent$}{word:6}  {finding}\n{:indent$}        -> {remedy}", "", "")
}

/// Cause and document as far as they are known today, the rest as it was recorded.
fn error_lines(error: &AzureError, known: Option<&Explanation>) -> String {
    let mut text = String::new();
    let lines = [
        ("cause", known.map(|known| known.cause)),
        ("remedy", error.remedy.as_deref()),
        ("document", known.and_then(|known| known.document)),
        ("request", error.ids.request.as_deref()),
        ("correlation", error.ids.correlation.as_deref()),
    ];
    for (name, said) in lines {
        if let Some(said) = said {
            let _ = write!(text, "\n  {name:11}  {said}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::{
        Aftermath, Answer, AttemptId, BlobLook, Failure, FailureKind, Kind, Plan, Probe, RequestIds,
        Verification, samples::plan,
    };

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
            Event::Started { attempt, post_until: at(3), blob: BlobLook::Absent, tier: None },
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
          cause        the backup is of another tier than the service
          remedy       restore into the same tier
          document     https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore
          request      96ced9a0-3b98-4e8f-9e80-38539e4a15f6
          correlation  a-correlation

        2026-11-21T01:00:00Z  opened
        2026-11-21T01:01:00Z  waits until 2026-11-21T01:02:00Z: the service is busy: it is Updating
        2026-11-21T01:02:00Z  starts, attempt 1 (250b9881-d7a0-4a22-a658-1e597295d7af)
        2026-11-21T01:02:00Z  Azure took it (request 96ced9a0-3b98-4e8f-9e80-38539e4a15f6)
        2026-11-21T01:11:00Z  failed: 400 RestoreFailed: Cannot restore: current SKU is 'Premium', backup SKU is 'Developer' (request 96ced9a0-3b98-4e8f-9e80-38539e4a15f6)
        ");
    }

    /// The story without its head, after these events, a minute each.
    fn told(events: Vec<Event>) -> String {
        let mut entries = entries();
        entries.truncate(1);
        entries[0].operation.plan.kind = Kind::Backup;
        let opened = entries[0].at;
        for (event, minute) in events.into_iter().zip(1_i64..) {
            let at = opened + SignedDuration::from_mins(minute);
            let next = entries.last().unwrap().then(event, at).unwrap();
            entries.push(next);
        }
        let told = whole(&entries, &entries.last().unwrap().operation);
        told.split_once("\n\n").unwrap().1.to_owned()
    }

    fn start(attempt: u8) -> Event {
        let until = "2026-11-21T02:00:00Z".parse().unwrap();
        Event::Started { attempt: id(attempt), post_until: until, blob: BlobLook::Absent, tier: None }
    }

    fn id(attempt: u8) -> AttemptId {
        serde_json::from_value(json!(format!("00000000-0000-4000-8000-00000000000{attempt}"))).unwrap()
    }

    fn answer(attempt: u8, answer: Answer) -> Event {
        Event::Answered { attempt: id(attempt), answer }
    }

    fn yes() -> Answer {
        Answer::Accepted { continuation: None, after_seconds: 60, ids: RequestIds::default() }
    }

    #[test]
    fn a_late_answer_and_what_it_changes_are_told() {
        let lost = Failure { kind: FailureKind::OutcomeUnknown, error: AzureError::local("nobody knows") };
        let nothing = Answer::Unknown { error: AzureError::local("no answer") };
        let events =
            vec![start(1), start(2), answer(2, nothing), Event::Failed { failure: lost }, answer(1, yes())];
        assert_snapshot!(told(events), @r"
        2026-11-21T01:00:00Z  opened
        2026-11-21T01:01:00Z  starts, attempt 1 (00000000-0000-4000-8000-000000000001)
        2026-11-21T01:02:00Z  nothing was seen of the start before: starts again, attempt 2 (00000000-0000-4000-8000-000000000002)
        2026-11-21T01:03:00Z  the answer was lost: no answer
        2026-11-21T01:04:00Z  failed: outcome unknown: nobody knows
        2026-11-21T01:05:00Z  the answer to attempt 1 came late: Azure took it; so it is open again
        ");
    }

    #[test]
    fn a_cancellation_tells_whether_azure_may_go_on() {
        let busy = Answer::Busy { error: AzureError::local("another works"), after_seconds: None };
        let cancel = [Event::CancelRequested, Event::Canceled];
        assert_snapshot!(told([vec![start(1), answer(1, busy)], cancel.to_vec()].concat()), @r"
        2026-11-21T01:00:00Z  opened
        2026-11-21T01:01:00Z  starts, attempt 1 (00000000-0000-4000-8000-000000000001)
        2026-11-21T01:02:00Z  Azure is busy: another works
        2026-11-21T01:03:00Z  cancellation was asked for
        2026-11-21T01:04:00Z  cancelled before it began
        ");
        assert_snapshot!(told([vec![start(1), answer(1, yes())], cancel.to_vec()].concat()), @r"
        2026-11-21T01:00:00Z  opened
        2026-11-21T01:01:00Z  starts, attempt 1 (00000000-0000-4000-8000-000000000001)
        2026-11-21T01:02:00Z  Azure took it
        2026-11-21T01:03:00Z  cancellation was asked for
        2026-11-21T01:04:00Z  cancelled: no longer watched; what Azure does goes on
        ");
    }

    #[test]
    fn a_drill_that_succeeded_tells_its_recovery_time_and_what_was_seen() {
        let attempt = AttemptId::random();
        let aftermath =
            Aftermath { differences: Vec::new(), counts: None, expected: None, gateway: Some(Probe::Up) };
        let looked = Event::Verified { verification: Verification::Looked { aftermath } };
        let until = "2026-11-21T02:00:00Z".parse().unwrap();
        let started = Event::Started { attempt, post_until: until, blob: BlobLook::Absent, tier: None };
        let done = Event::Completed { ids: RequestIds::default(), attempt: None };
        let mut entry = entries().swap_remove(0);
        entry.operation.plan.service.name = "sampleapim-drill".parse().unwrap();
        entry.operation.plan.drill = Some("primary".parse().unwrap());
        let opened = entry.at;
        let events = [started, Event::Answered { attempt, answer: yes() }, done, looked];
        for (event, minute) in events.into_iter().zip([1, 2, 9, 10]) {
            assert_eq!(entry.operation.recovery_time(), None);
            entry = entry.then(event, opened + SignedDuration::from_mins(minute)).unwrap();
        }
        assert_snapshot!(ending(&entry.operation), @r"
        drill of primary in sampleapim-drill succeeded; the service is idle; its gateway answers
          RTO          10m
          blob         apimdrstorage/backup/apimbackup
          operation    01a200be-362e-758d-8556-f0b019d98067
        ");
        assert_snapshot!(table(&[entry.operation]), @r"
        ID                                    KIND     PHASE      OPENED                INSTANCE              BLOB
        01a200be-362e-758d-8556-f0b019d98067  drill    Succeeded  2026-11-21T01:00:00Z  sampleapim-drill      apimdrstorage/backup/apimbackup
        ");
    }

    #[test]
    fn what_was_found_before_the_start_and_a_safety_backup_are_told() {
        let mut entries = entries();
        entries.truncate(1);
        entries[0].operation.plan.safety_backup = true;
        let operation = entries[0].operation.id;
        let blob = entries[0].operation.plan.blob.clone();
        let findings = vec![
            Finding::blocks("backup.tier", "another tier", "scale the target"),
            Finding::warns("account.cors", "it has CORS rules", "remove them"),
        ];
        let events = [
            Event::Checked { findings },
            Event::SafetyBackupOpened { operation, blob },
            Event::SafetyBackupVerified,
        ];
        for event in events {
            let last = entries.last().unwrap();
            let next = last.then(event, last.at + SignedDuration::from_mins(1)).unwrap();
            entries.push(next);
        }
        let told = whole(&entries, &entries.last().unwrap().operation);
        assert_snapshot!(told.split_once("\n\n").unwrap().1, @r"
        2026-11-21T01:00:00Z  opened
        2026-11-21T01:01:00Z  was looked at before its start:
            blocks  backup.tier: another tier
                    -> scale the target
            warns   account.cors: it has CORS rules
                    -> remove them
        2026-11-21T01:02:00Z  the service is backed up first, to apimdrstorage/backup/apimbackup: operation 01a200be-362e-758d-8556-f0b019d98067
        2026-11-21T01:03:00Z  that backup is verified
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
