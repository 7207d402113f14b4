use proptest::prelude::*;

use super::*;
use crate::domain::{RequestIds, samples::*};

#[test]
fn every_phase_takes_its_own_steps_and_no_others() {
    use Phase::{Canceled, Failed, Pending, Running, Skipped, Starting, Succeeded, Verifying};
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
        (Canceled, vec![Event::CancelRequested, Event::Canceled]),
        (Skipped, vec![skipped()]),
    ];
    // What follows on each phase; what is not listed is illegal.
    let table: Vec<(Event, Vec<(Phase, Phase)>)> = vec![
        (Event::Opened, vec![]),
        (waited(), vec![(Pending, Pending)]),
        (started(AttemptId::random()), vec![(Pending, Starting), (Starting, Starting)]),
        (skipped(), vec![(Pending, Skipped)]),
        (moved(), vec![(Running, Running)]),
        (
            Event::Unread { reason: "no token".into(), until: at(60) },
            vec![(Starting, Starting), (Running, Running), (Verifying, Verifying)],
        ),
        (seen_idle(), vec![(Starting, Starting), (Running, Running)]),
        (seen_busy(), vec![(Starting, Starting), (Running, Running)]),
        (found(), vec![(Starting, Succeeded), (Running, Succeeded)]),
        (completed(), vec![(Running, Verifying)]),
        (verified(), vec![(Verifying, Succeeded)]),
        (
            Event::CancelRequested,
            vec![(Pending, Pending), (Starting, Starting), (Running, Running), (Verifying, Verifying)],
        ),
        // Only what somebody asked for.
        (Event::Canceled, vec![]),
        (failure(FailureKind::Refused), vec![(Pending, Failed)]),
        (failure(FailureKind::Failed), vec![(Running, Failed), (Verifying, Failed)]),
        (failure(FailureKind::OutcomeUnknown), vec![(Starting, Failed), (Running, Failed)]),
        (answered(AttemptId::random(), accepted()), vec![]),
    ];
    for (event, legal) in &table {
        for (phase, events) in &before {
            let operation = after(Kind::Backup, events);
            assert_eq!(operation.phase, *phase);
            let next = operation.after(event, at(100)).ok().map(|next| next.phase);
            let expected = legal.iter().find(|(from, _)| from == phase).map(|(_, to)| *to);
            assert_eq!(next, expected, "{} on {phase}", event.name());
        }
    }
}

#[test]
fn a_restore_is_neither_started_again_nor_believed_by_its_blob() {
    let starting = after(Kind::Restore, &[started(AttemptId::random())]);
    for event in [started(AttemptId::random()), found()] {
        assert!(starting.after(&event, at(100)).is_err(), "{}", event.name());
    }
}

#[test]
fn a_backup_is_posted_three_times_at_most_without_knowing_what_became_of_it() {
    let mut operation = operation(Kind::Backup);
    let mut posts = 0;
    while let Ok(next) = operation.after(&started(AttemptId::random()), at(1)) {
        operation = next;
        posts += 1;
    }
    assert_eq!((posts, operation.restarts), (3, 2));
}

#[test]
fn an_answer_decides_what_becomes_of_the_start() {
    let table = [
        (accepted(), Phase::Running, at(2 + 60)),
        (refused(), Phase::Failed, at(2)),
        (
            Answer::Busy { error: AzureError::local("said"), after_seconds: Some(120) },
            Phase::Pending,
            at(122),
        ),
        (busy(), Phase::Pending, at(2 + 15)),
        (not_sent(), Phase::Pending, at(2 + 15)),
        // Nobody else decides before the POST is over.
        (lost(), Phase::Starting, at(90)),
    ];
    for kind in [Kind::Backup, Kind::Restore] {
        for (answer, phase, due) in &table {
            let attempt = AttemptId::random();
            let operation = after(kind, &[started(attempt), answered(attempt, answer.clone())]);
            assert_eq!((operation.phase, operation.due), (*phase, *due), "{answer:?}");
            assert_eq!(operation.attempts[0].answer.as_ref(), Some(answer));
        }
    }
}

#[test]
fn after_a_lost_start_a_definite_no_to_the_next_one_decides_nothing() {
    for answer in [refused(), busy(), not_sent()] {
        let (first, second) = (AttemptId::random(), AttemptId::random());
        let events =
            [started(first), answered(first, lost()), started(second), answered(second, answer.clone())];
        let operation = after(Kind::Backup, &events);
        assert_eq!((operation.phase, operation.due), (Phase::Starting, at(90)), "{answer:?}");
        assert_eq!(operation.may_restart(), answer != refused(), "{answer:?}");
    }
}

#[test]
fn a_yes_of_an_older_attempt_waits_beside_the_newer_one() {
    let (first, second) = (AttemptId::random(), AttemptId::random());
    let both = [started(first), started(second), answered(first, accepted_at("https://a.example/first"))];
    let operation = after(Kind::Backup, &both);
    assert_eq!((operation.phase, operation.followed), (Phase::Starting, None));
    assert_eq!(operation.older_accepted().map(|attempt| attempt.id).collect::<Vec<_>>(), [first]);
    // It is followed only if the newer one certainly started nothing.
    for answer in [refused(), busy(), not_sent()] {
        let next = operation.after(&answered(second, answer), at(9)).unwrap();
        assert_eq!((next.phase, next.followed), (Phase::Running, Some(first)));
        assert_eq!(next.continuation.unwrap().url(), "https://a.example/first");
    }
    let next = operation.after(&answered(second, lost()), at(9)).unwrap();
    assert_eq!((next.phase, next.followed), (Phase::Starting, None));
    let next = operation.after(&answered(second, accepted()), at(9)).unwrap();
    assert_eq!((next.phase, next.followed), (Phase::Running, Some(second)));
    // Its success is success.
    assert_eq!(operation.after(&completed(), at(9)).unwrap().phase, Phase::Verifying);
}

#[test]
fn a_late_yes_opens_again_what_ended_without_knowing() {
    let (first, second) = (AttemptId::random(), AttemptId::random());
    let unknown = failure(FailureKind::OutcomeUnknown);
    let done = || vec![started(first), started(second), answered(second, accepted())];
    let with = |mut events: Vec<Event>, more: &[Event]| {
        events.extend_from_slice(more);
        events
    };
    let table = [
        ("its only start was lost", vec![started(first), unknown.clone()], Phase::Running),
        ("both were lost", vec![started(first), started(second), unknown.clone()], Phase::Running),
        ("a newer yes was followed to that end", with(done(), &[unknown]), Phase::Failed),
        ("a newer one succeeded", with(done(), &[completed(), verified()]), Phase::Succeeded),
        ("Azure called the newer one failed", with(done(), &[failure(FailureKind::Failed)]), Phase::Failed),
        ("it was cancelled", with(done(), &[Event::CancelRequested, Event::Canceled]), Phase::Canceled),
        ("a new blob was found", vec![started(first), found()], Phase::Succeeded),
    ];
    for (case, events, phase) in table {
        let closed = after(Kind::Backup, &events);
        assert!(closed.phase.is_closed(), "{case}");
        let late = closed.after(&answered(first, accepted()), at(50)).unwrap();
        assert_eq!((late.phase, late.reopened), (phase, phase == Phase::Running), "{case}");
        assert_eq!(late.attempts[0].answer, Some(accepted()), "{case}: it is kept");
        assert_eq!(late.failure.is_some(), phase == Phase::Failed, "{case}");
        assert!(late.after(&started(AttemptId::random()), at(60)).is_err(), "{case}: and not started again");
    }
    // Any other answer is kept, and that is all.
    for answer in [refused(), busy(), lost(), not_sent()] {
        let closed = after(Kind::Backup, &[started(first), failure(FailureKind::OutcomeUnknown)]);
        let late = closed.after(&answered(first, answer), at(50)).unwrap();
        assert_eq!((late.phase, &late.failure), (Phase::Failed, &closed.failure));
    }
}

#[test]
fn what_was_skipped_opens_again_too() {
    let (first, second) = (AttemptId::random(), AttemptId::random());
    let events = [started(first), answered(first, not_sent()), started(second)];
    let mut operation = after(Kind::Restore, &events);
    operation = operation.after(&answered(second, busy()), at(9)).unwrap();
    operation = operation.after(&skipped(), at(10)).unwrap();
    operation.attempts[1].answer = None;
    let late = operation.after(&answered(second, accepted()), at(50)).unwrap();
    assert_eq!((late.phase, late.reopened), (Phase::Running, true));
}

#[test]
fn the_failure_of_an_older_attempt_that_opened_it_again_leaves_the_outcome_unknown() {
    let (first, second) = (AttemptId::random(), AttemptId::random());
    let lost = [started(first), started(second), failure(FailureKind::OutcomeUnknown)];
    let said = || AzureError::local("said");
    let older = after(Kind::Backup, &[&lost[..], &[answered(first, accepted())]].concat());
    assert_eq!(older.failed_by_azure(said()).kind, FailureKind::OutcomeUnknown);
    let newest = after(Kind::Backup, &[&lost[..], &[answered(second, accepted())]].concat());
    assert_eq!(newest.failed_by_azure(said()).kind, FailureKind::Failed);
}

#[test]
fn the_failure_of_an_older_attempt_decides_nothing_while_a_newer_one_may_run() {
    let [first, second, third] = [(); 3].map(|()| AttemptId::random());
    let table = [
        (vec![answered(second, lost())], FailureKind::OutcomeUnknown),
        (vec![], FailureKind::OutcomeUnknown),
        (vec![answered(second, busy())], FailureKind::Failed),
    ];
    for (answers, kind) in table {
        let events = [
            &[started(first), started(second)][..],
            &answers,
            &[started(third), answered(first, accepted()), answered(third, refused())],
        ];
        let operation = after(Kind::Backup, &events.concat());
        assert_eq!((operation.phase, operation.followed), (Phase::Running, Some(first)));
        let failure = operation.failed_by_azure(AzureError::local("said"));
        assert_eq!(failure.kind, kind, "{answers:?}");
        // What may still come opens it again.
        let late = operation.after(&Event::Failed { failure }, at(20)).unwrap();
        if let Ok(late) = late.after(&answered(second, accepted()), at(30)) {
            assert_eq!((late.phase, late.followed), (Phase::Running, Some(second)));
        }
    }
}

#[test]
fn one_attempt_has_one_answer() {
    let (first, second) = (AttemptId::random(), AttemptId::random());
    let events = [started(first), answered(first, not_sent()), started(second)];
    let again = after(Kind::Backup, &events);
    assert_eq!((again.phase, again.attempts.len()), (Phase::Starting, 2));
    assert!(again.after(&answered(first, not_sent()), at(9)).is_err());
    assert!(again.after(&answered(AttemptId::random(), accepted()), at(9)).is_err(), "nobody's");
}

#[test]
fn a_start_that_may_be_under_way_is_not_decided_earlier_by_a_wish_to_cancel() {
    let attempt = AttemptId::random();
    let due =
        |events: &[Event]| after(Kind::Backup, events).after(&Event::CancelRequested, at(9)).unwrap().due;
    assert_eq!(due(&[waited()]), at(9));
    assert_eq!(due(&[started(attempt)]), at(90));
    assert_eq!(due(&[started(attempt), answered(attempt, accepted())]), at(9));
}

#[test]
fn a_busy_service_is_looked_at_less_and_less_often() {
    let mut operation = operation(Kind::Backup);
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
    let says = |events: &[Event]| after(Kind::Backup, events).unknown_outcome().to_string();
    let reset = Answer::Unknown { error: AzureError::local("the connection was reset") };
    let no_address = Answer::Accepted { continuation: None, after_seconds: 60, ids: RequestIds::default() };
    assert_eq!(
        says(&[started(attempt), answered(attempt, reset)]),
        "outcome unknown: the connection was reset"
    );
    assert!(says(&[started(attempt)]).contains("between writing down the start and its answer"));
    assert!(says(&[started(attempt), answered(attempt, no_address)]).contains("no address"));
}

fn any_event(ids: [AttemptId; 3]) -> impl Strategy<Value = Event> {
    let id = prop::sample::select(ids.to_vec());
    let answer = prop::sample::select(vec![accepted(), refused(), busy(), lost(), not_sent()]);
    prop_oneof![
        prop::sample::select(vec![
            Event::Opened,
            waited(),
            skipped(),
            moved(),
            Event::Unread { reason: "no token".into(), until: at(60) },
            seen_idle(),
            seen_busy(),
            found(),
            completed(),
            verified(),
            Event::CancelRequested,
            Event::Canceled,
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
    fn whatever_happens_in_whatever_order_the_rules_of_starting_and_ending_hold(
        restore in any::<bool>(),
        events in prop::collection::vec(
            any_event([AttemptId::random(), AttemptId::random(), AttemptId::random()]), 0..32)
    ) {
        let kind = if restore { Kind::Restore } else { Kind::Backup };
        let mut operation = operation(kind);
        for event in &events {
            let Ok(next) = operation.after(event, at(1)) else { continue };
            if operation.phase.is_closed() && next.phase != operation.phase {
                // Only a yes opens again, and only what ended without knowing.
                let yes = matches!(event, Event::Answered { answer: Answer::Accepted { .. }, .. });
                prop_assert!(yes && next.reopened && next.phase == Phase::Running);
                prop_assert!(matches!(operation.phase, Phase::Failed | Phase::Skipped));
                let known = operation.failure.as_ref().is_some_and(|failure| failure.kind != FailureKind::OutcomeUnknown);
                prop_assert!(!known);
            }
            // Success is only ever said after Azure's own word, or of a new blob.
            if next.phase == Phase::Succeeded && operation.phase != Phase::Succeeded {
                let seen = operation.phase == Phase::Verifying || matches!(event, Event::Found { .. });
                prop_assert!(seen);
            }
            if next.attempts.len() > operation.attempts.len() {
                // A start that may have been taken is followed by another of a backup only, and twice at most.
                let may_run = operation.attempts.iter().any(|attempt| matches!(
                    attempt.answer, None | Some(Answer::Unknown { .. } | Answer::Accepted { .. })
                ));
                prop_assert!(!may_run || kind == Kind::Backup && next.restarts == operation.restarts + 1);
                prop_assert!(next.restarts < MAX_UNKNOWN_STARTS);
                prop_assert!(!operation.reopened);
            }
            let stored = serde_json::to_string(&next).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Operation>(&stored).unwrap(), &next);
            operation = next;
        }
    }
}
