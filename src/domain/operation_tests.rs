use proptest::prelude::*;

use super::*;
use crate::domain::samples::plan;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_222_800 + second).unwrap()
}

fn operation() -> Operation {
    Operation::open(OperationId::at(at(0)), plan("sampleapim"), at(0), at(6 * 3600))
}

fn started(attempt: AttemptId) -> Event {
    Event::Started { attempt, post_until: at(90), blob: BlobLook::Absent }
}

fn answered(attempt: AttemptId, answer: Answer) -> Event {
    Event::Answered { attempt, answer }
}

fn accepted() -> Answer {
    let continuation = Some(Continuation::Location("https://management.azure.com//x".into()));
    Answer::Accepted { continuation, after_seconds: 60, ids: RequestIds::default() }
}

fn failure(kind: FailureKind) -> Event {
    Event::Failed { failure: Failure { kind, error: AzureError::local("said") } }
}

fn moved() -> Event {
    Event::Moved {
        continuation: Continuation::Location("https://management.azure.com/y".into()),
        until: at(200),
    }
}

fn completed() -> Event {
    Event::Completed { ids: RequestIds::default() }
}

fn verified() -> Event {
    Event::Verified { verification: Verification::Unverified { reason: "not looked".into() } }
}

fn waited() -> Event {
    Event::Waited { reason: "busy".into(), until: at(15) }
}

fn skipped() -> Event {
    Event::Skipped { reason: "late".into() }
}

/// The operation after these events, each of which must be legal.
fn after(events: &[Event]) -> Operation {
    events.iter().zip(1..).fold(operation(), |operation, (event, second)| {
        operation.after(event, at(second)).unwrap_or_else(|error| panic!("{error}"))
    })
}

#[test]
fn every_phase_takes_its_own_steps_and_no_others() {
    use Phase::{Failed, Pending, Running, Skipped, Starting, Succeeded, Verifying};
    let attempt = AttemptId::random();
    let running = [started(attempt), answered(attempt, accepted())];
    let verifying = [&running[..], &[completed()]].concat();
    let before: Vec<(Phase, Vec<Event>)> = vec![
        (Pending, vec![]),
        (Starting, vec![started(attempt)]),
        (Running, running.to_vec()),
        (Verifying, verifying.clone()),
        (Succeeded, [&verifying[..], &[verified()]].concat()),
        (Failed, vec![failure(FailureKind::Refused)]),
        (Skipped, vec![skipped()]),
    ];
    // What follows on each phase; what is not listed is illegal.
    let table: Vec<(Event, Vec<(Phase, Phase)>)> = vec![
        (Event::Opened, vec![]),
        (waited(), vec![(Pending, Pending)]),
        (started(AttemptId::random()), vec![(Pending, Starting)]),
        (skipped(), vec![(Pending, Skipped)]),
        (moved(), vec![(Running, Running)]),
        (Event::Unread { reason: "no token".into(), until: at(60) }, vec![(Running, Running)]),
        (completed(), vec![(Running, Verifying)]),
        (verified(), vec![(Verifying, Succeeded)]),
        (failure(FailureKind::Refused), vec![(Pending, Failed)]),
        (failure(FailureKind::Failed), vec![(Running, Failed)]),
        (failure(FailureKind::OutcomeUnknown), vec![(Starting, Failed), (Running, Failed)]),
        (answered(AttemptId::random(), accepted()), vec![]),
    ];
    for (event, legal) in &table {
        for (phase, events) in &before {
            let operation = after(events);
            assert_eq!(operation.phase, *phase);
            let next = operation.after(event, at(100)).ok().map(|next| next.phase);
            let expected = legal.iter().find(|(from, _)| from == phase).map(|(_, to)| *to);
            assert_eq!(next, expected, "{} on {phase}", event.name());
        }
    }
}

#[test]
fn an_answer_decides_what_becomes_of_the_start() {
    let error = || AzureError::local("said");
    let table = [
        (accepted(), Phase::Running, at(2 + 60)),
        (Answer::Refused { error: error() }, Phase::Failed, at(2)),
        (Answer::Busy { error: error(), after_seconds: Some(120) }, Phase::Pending, at(2 + 120)),
        (Answer::Busy { error: error(), after_seconds: None }, Phase::Pending, at(2 + 15)),
        (Answer::NotSent { reason: "said".into() }, Phase::Pending, at(2 + 15)),
        // Nobody else decides before the POST is over.
        (Answer::Unknown { error: error() }, Phase::Starting, at(90)),
    ];
    for (answer, phase, due) in table {
        let attempt = AttemptId::random();
        let operation = after(&[started(attempt), answered(attempt, answer.clone())]);
        assert_eq!((operation.phase, operation.due), (phase, due), "{answer:?}");
        assert_eq!(operation.attempts[0].answer.as_ref(), Some(&answer));
    }
}

#[test]
fn a_late_answer_is_kept_and_decides_nothing() {
    let (first, second) = (AttemptId::random(), AttemptId::random());
    let lost = [started(first), failure(FailureKind::OutcomeUnknown)];
    let closed = after(&[&lost[..], &[answered(first, accepted())]].concat());
    assert_eq!(closed.phase, Phase::Failed);
    assert_eq!(closed.attempts[0].answer, Some(accepted()));

    let not_sent = answered(first, Answer::NotSent { reason: "late".into() });
    let again = after(&[started(first), not_sent.clone(), started(second)]);
    assert_eq!((again.phase, again.attempts.len()), (Phase::Starting, 2));
    assert!(again.after(&not_sent, at(9)).is_err(), "one answer per attempt");
}

#[test]
fn a_busy_service_is_looked_at_less_and_less_often() {
    let mut operation = operation();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push(operation.backoff().as_secs());
        operation = operation.after(&waited(), at(1)).unwrap();
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
}

#[test]
fn a_lost_outcome_tells_what_is_known_of_it() {
    let attempt = AttemptId::random();
    let says = |events: &[Event]| after(events).unknown_outcome().to_string();
    let reset = Answer::Unknown { error: AzureError::local("the connection was reset") };
    let no_address = Answer::Accepted { continuation: None, after_seconds: 60, ids: RequestIds::default() };
    assert_eq!(
        says(&[started(attempt), answered(attempt, reset)]),
        "outcome unknown: the connection was reset"
    );
    assert!(says(&[started(attempt)]).contains("between writing down the start and its answer"));
    assert!(says(&[started(attempt), answered(attempt, no_address)]).contains("no address"));
}

fn any_event(ids: [AttemptId; 2]) -> impl Strategy<Value = Event> {
    let id = prop::sample::select(ids.to_vec());
    let error = || AzureError::local("said");
    let answer = prop::sample::select(vec![
        accepted(),
        Answer::Refused { error: error() },
        Answer::Busy { error: error(), after_seconds: None },
        Answer::Unknown { error: error() },
        Answer::NotSent { reason: "said".into() },
    ]);
    prop_oneof![
        prop::sample::select(vec![
            Event::Opened,
            waited(),
            skipped(),
            moved(),
            Event::Unread { reason: "no token".into(), until: at(60) },
            completed(),
            verified(),
            failure(FailureKind::Refused),
            failure(FailureKind::Failed),
            failure(FailureKind::OutcomeUnknown),
        ]),
        id.clone().prop_map(started),
        (id, answer).prop_map(|(id, answer)| answered(id, answer)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_in_whatever_order_an_ended_operation_stays_as_it_ended(
        events in prop::collection::vec(any_event([AttemptId::random(), AttemptId::random()]), 0..24)
    ) {
        let mut operation = operation();
        for event in &events {
            let Ok(next) = operation.after(event, at(1)) else { continue };
            if operation.phase.is_closed() {
                prop_assert_eq!(next.phase, operation.phase);
                prop_assert_eq!(&next.failure, &operation.failure);
            }
            // Success is only ever said after Azure's own word.
            if next.phase == Phase::Succeeded {
                prop_assert!(matches!(operation.phase, Phase::Verifying | Phase::Succeeded));
            }
            // A start that may have been taken is never followed by another.
            let may_run = operation.attempts.iter().any(|attempt| matches!(
                attempt.answer, None | Some(Answer::Unknown { .. } | Answer::Accepted { .. })
            ));
            prop_assert!(next.attempts.len() == operation.attempts.len() || !may_run);
            let stored = serde_json::to_string(&next).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Operation>(&stored).unwrap(), &next);
            operation = next;
        }
    }
}
