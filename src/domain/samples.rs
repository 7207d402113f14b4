//! A plan, and what may befall an operation, for the tests.

mod report;

use jiff::Timestamp;

pub(crate) use report::{HOSTILE, report};

use super::{
    Answer, AttemptId, AzureError, BlobLook, BlobRef, Caller, Continuation, Event, Failure, FailureKind,
    Kind, Operation, OperationId, Plan, RequestIds, Seen, ServiceId, StorageAccess, Verification,
};

/// A backup by key, called by the app itself.
pub(crate) fn plan(instance: &str) -> Plan {
    Plan {
        kind: Kind::Backup,
        service: ServiceId {
            subscription: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap(),
            resource_group: "apimdrresourcegroup".parse().unwrap(),
            name: instance.parse().unwrap(),
        },
        blob: BlobRef {
            account: "apimdrstorage".parse().unwrap(),
            container: "backup".parse().unwrap(),
            name: "apimbackup".parse().unwrap(),
        },
        access: StorageAccess::AccessKey,
        caller: Caller::App,
        retention: None,
        source: None,
        e_tag: None,
        ignore: std::collections::BTreeSet::new(),
        safety_backup: false,
        safety_for: None,
        drill: None,
    }
}

/// Seconds after the operation was opened.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_222_800 + second).unwrap()
}

/// Opened at 0, with six hours to start.
pub(crate) fn operation(kind: Kind) -> Operation {
    let plan = Plan { kind, ..plan("sampleapim") };
    Operation::open(OperationId::at(at(0)), plan, at(0), at(6 * 3600))
}

/// What `kind` is after these events, one each second, all of which must be legal.
pub(crate) fn after(kind: Kind, events: &[Event]) -> Operation {
    events.iter().zip(1..).fold(operation(kind), |operation, (event, second)| {
        operation.after(event, at(second)).unwrap_or_else(|error| panic!("{error}"))
    })
}

pub(crate) fn seen(e_tag: &str) -> Seen {
    Seen { e_tag: e_tag.to_owned(), size: 1, modified: None, md5: None, locked: None }
}

pub(crate) fn present(e_tag: &str) -> BlobLook {
    BlobLook::Present(seen(e_tag))
}

pub(crate) fn unread() -> BlobLook {
    BlobLook::Unread { reason: "no right".to_owned() }
}

pub(crate) fn started(attempt: AttemptId) -> Event {
    Event::Started { attempt, post_until: at(90), blob: BlobLook::Absent, tier: None }
}

pub(crate) fn answered(attempt: AttemptId, answer: Answer) -> Event {
    Event::Answered { attempt, answer }
}

pub(crate) fn accepted() -> Answer {
    accepted_at("https://management.azure.com//x")
}

pub(crate) fn accepted_at(url: &str) -> Answer {
    let continuation = Some(Continuation::Location(url.to_owned()));
    Answer::Accepted { continuation, after_seconds: 60, ids: RequestIds::default() }
}

pub(crate) fn refused() -> Answer {
    Answer::Refused { error: AzureError::local("said") }
}

pub(crate) fn busy() -> Answer {
    Answer::Busy { error: AzureError::local("said"), after_seconds: None }
}

pub(crate) fn lost() -> Answer {
    Answer::Unknown { error: AzureError::local("said") }
}

pub(crate) fn not_sent() -> Answer {
    Answer::NotSent { reason: "said".to_owned() }
}

pub(crate) fn failure(kind: FailureKind) -> Event {
    Event::Failed { failure: Failure { kind, error: AzureError::local("said") } }
}

pub(crate) fn moved() -> Event {
    let continuation = Continuation::Location("https://management.azure.com/y".to_owned());
    Event::Moved { continuation, until: at(200) }
}

pub(crate) fn completed() -> Event {
    Event::Completed { ids: RequestIds::default(), attempt: None }
}

pub(crate) fn verified() -> Event {
    Event::Verified { verification: Verification::unverified("not looked") }
}

pub(crate) fn waited() -> Event {
    Event::Waited { reason: "busy".to_owned(), until: at(15) }
}

pub(crate) fn skipped() -> Event {
    Event::Skipped { reason: "late".to_owned() }
}

pub(crate) fn seen_idle() -> Event {
    Event::SeenIdle { until: at(150) }
}

pub(crate) fn seen_busy() -> Event {
    Event::SeenBusy { state: "Updating".to_owned(), until: at(150) }
}

pub(crate) fn found() -> Event {
    Event::Found { blob: present("new") }
}
