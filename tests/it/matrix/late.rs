//! An answer that comes when it was given up, and the next operation has the instance already.

use std::{pin::pin, time::Duration};

use apim_dr::{
    domain::{Evidence, FailureKind, Kind, Phase},
    ports::{Clock, Journal as _},
    workflows::{Driver, IfBusy, open},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Case, Second, all, check,
    fate::{Mishap, Wake},
    order,
    process::Process,
    slot, sweep_until_quiet,
};

/// Opens a restore in a process that stops right before it writes down that Azure took it. `false`: it did not stop
/// there at the access of this number.
async fn late(number: usize) -> bool {
    let mishap = Some((number, Mishap::Paused(Wake::AtTheEnd)));
    let case = Case { mishap, ..Case::of(Kind::Restore, Second::NextSlot) };
    let world = case.world().await;
    let process = Process::new(&world, case.mishap);
    let driver = Driver::new(process.ports());
    let mut first = pin!(async {
        let id = case.open(&driver).await.unwrap().operation.id;
        driver.drive(id, Timestamp::MAX, |_| ()).await.unwrap().unwrap()
    });
    tokio::select! {
        _ = &mut first => panic!("it never stopped"),
        () = process.fate.stopped.notified() => {}
    }
    if world.accepted() == 0 {
        return false;
    }

    // The others know nothing of the answer, and give up on it.
    let other = Process::new(&world, None);
    let others = Driver::new(other.ports());
    sweep_until_quiet(&other, &others).await;
    let given_up = all(&world).await.remove(0);
    assert_eq!(
        given_up.failure.as_ref().map(|it| it.kind),
        Some(FailureKind::OutcomeUnknown),
        "{given_up:#?}"
    );
    // The next one starts, and runs.
    let (plan, credentials) = order(Kind::Backup, &json!({ "backupName": "second" }));
    let service = plan.service.name.clone();
    let instant = slot("2026-11-22T01:00:00Z");
    let next = open(others.ports(), plan, &credentials, &instant, IfBusy::Wait).await.unwrap().operation.id;
    others.drive(next, Clock::now(&*other), |_| ()).await.unwrap().unwrap();
    assert_eq!(world.records.last(next).await.unwrap().unwrap().operation.phase, Phase::Running);
    assert_eq!(world.records.holder(&service, world.now()).await.unwrap(), Some(next));

    // Now the first one goes on: its answer opens its operation again, while the next one keeps the instance.
    process.fate.wake.notify_one();
    let told = first.await.operation;
    assert!(told.reopened, "{told:#?}");
    assert_eq!((told.phase, &told.evidence), (Phase::Succeeded, &Some(Evidence::Arm)));
    let running = world.records.last(next).await.unwrap().unwrap().operation;
    assert_eq!(running.phase, Phase::Running, "it is left alone");
    assert_eq!(world.records.holder(&service, world.now()).await.unwrap(), Some(next));

    world.advance(Duration::from_mins(5));
    sweep_until_quiet(&other, &others).await;
    let operations = all(&world).await;
    assert_eq!(operations.len(), 2);
    for operation in &operations {
        assert_eq!((operation.phase, &operation.evidence), (Phase::Succeeded, &Some(Evidence::Arm)));
        assert_eq!(operation.attempts.len(), 1, "{operation:#?}");
    }
    assert_eq!(world.accepted(), 2);
    // The lock is free, no marker is left, and each history is of the last entry.
    check(case, &world).await;
    let events: Vec<_> = world.records.entries(given_up.id).await.unwrap();
    let events: Vec<_> = events.iter().map(|entry| entry.event.name()).collect();
    let expected = ["opened", "started", "seenIdle", "failed", "answered", "completed", "unread", "verified"];
    // Azure is done with it, but the next one has the service by then.
    assert_eq!(events, expected);
    true
}

#[tokio::test]
async fn an_answer_that_comes_late_ends_its_operation_well_while_the_next_one_has_the_instance() {
    for number in 0.. {
        if late(number).await {
            return;
        }
    }
}
