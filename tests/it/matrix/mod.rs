//! The promise, at every access to the world: whichever of them fails, whoever dies or stands still at it, whatever
//! somebody else does meanwhile, a request is carried out once, and called succeeded only if it was.
//!
//! Generated: for every access of one process, every [`Mishap`], backup and restore, and every [`Second`]. The rules
//! themselves come from an explicit-state model (docs/ARCHITECTURE.md, "Exactly once"); this holds the program to them.
//!
//! Rules that were broken once to see this fail, one of each kind:
//! - a start although another open operation holds the service; a holder that counts as gone when it expires; a
//!   contender that goes on although it is not the highest
//! - a POST without a look at `post_until`
//! - a POST although the entry that announces it may not stand, or is somebody else's
//! - an answer that is dropped when another entry was written meanwhile
//! - an answer after the end that is not kept beside the journal before it opens the operation again
//! - a failure of an older attempt that decides while a newer one may run; the plan of one caller with the secrets of
//!   another; a verdict before Azure's time was asked (all three were real)
//! - a recovery point that is recorded when its marker is gone
//! - a look for open restores that is left out, also only where another blob's mark failed (that was real); one before
//!   the marks; a restore that does not look at marks; a deletion when the mark says nothing any more; a mark by a clock
//!   that has not heard Azure (that was real)
//! - a deletion of whatever lies there now; the newest verified point unprotected
//! - an end that is told when its marker is gone

mod carried;
mod case;
mod check;
mod crowd;
mod fate;
mod late;
mod moments;
mod process;
mod retiring;
mod seen;
mod shelf;
mod stages;
mod told;
mod world;

use std::{pin::pin, sync::Arc, sync::atomic::Ordering, time::Duration};

use apim_dr::{
    domain::{
        AttemptId, Callback, Credentials, Event, Evidence, Failure, FailureKind, Kind, Operation,
        OperationId, Phase, Plan, Secret, Verification,
    },
    payload::{self, Order, StartPolicy},
    ports::{Cause, Claim, Clock, Journal as _, Opening},
    workflows::{Driver, Error, IfBusy, Opened, Swept, open, request_cancel},
};
use futures::{
    TryStreamExt as _,
    future::{join, join3},
};
use jiff::Timestamp;
use object_store::{ObjectStore as _, path::Path};

use case::{Case, Second, order, slot};
use check::check;
use fate::{
    Deed, Fate,
    Mishap::{self, AnswerLost, Blind, Dies, Late, Paused, Refused},
    Wake::{After, AtTheEnd, Soon},
};
use process::Process;
use world::{OTHER_GROUP, OTHER_KEY, Reply, World};

/// Carries on what is open until nothing is.
async fn sweep_until_quiet(process: &Arc<Process>, driver: &Driver) {
    let end = process.world.now() + Duration::from_hours(80);
    let mut quiet = 0;
    while quiet < 2 {
        assert!(process.world.now() < end, "it never ends");
        match driver.sweep(Duration::from_mins(1)).await {
            Ok(Swept { open: 0, .. }) => quiet += 1,
            Ok(Swept { failed, .. }) => {
                assert_eq!(failed, 0, "a drive gave up");
                quiet = 0;
            }
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        Clock::sleep(&**process, Duration::from_secs(20)).await;
    }
}

/// A process whose caller repeats what failed, as callers do.
async fn first(case: Case, process: Arc<Process>) {
    let driver = Driver::new(process.ports());
    while let Err(error) = case.open(&driver).await {
        assert!(error.is_transient(), "{error}");
    }
    sweep_until_quiet(&process, &driver).await;
}

async fn second(case: Case, world: &Arc<World>, other: &Fate) {
    let process = Process::new(world, None);
    let driver = Driver::new(process.ports());
    match case.second {
        Second::Sweep | Second::Restoring => {}
        Second::Retire => drop(retiring::retire_by_hand(&driver, case.keep.unwrap()).await),
        Second::Restore => drop(retiring::open_restore(&driver).await),
        Second::Adopt => retiring::adopt_both(world, &driver).await,
        Second::Overwrite => retiring::open_overwriting(&driver, case.keep.unwrap()).await,
        Second::EqualRequest => {
            let open_before = all(world).await.into_iter().find(|operation| !operation.phase.is_closed());
            let (plan, credentials) = case.other_order();
            let opened = open(driver.ports(), plan, &credentials, &case.cause(), IfBusy::Wait).await;
            // It may have been closed between the two looks; then this is another one, and rightly so.
            let is_closed = |id| async move {
                world.records.last(id).await.unwrap().unwrap().operation.phase.is_closed()
            };
            if let Some(before) = open_before
                && !is_closed(before.id).await
            {
                assert_eq!(
                    opened.unwrap().operation.id,
                    before.id,
                    "an equal request that is open is joined"
                );
            }
        }
        Second::Cancel => {
            for id in world.records.open_operations().await.unwrap() {
                match request_cancel(driver.ports(), id).await {
                    // Stored, but without its first entry.
                    Ok(_) | Err(Error::NotFound(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        Second::NextSlot => {
            let (plan, credentials) = order(Kind::Backup, &serde_json::json!({}));
            let next = slot("2026-11-22T01:00:00Z");
            let fire = |plan| open(driver.ports(), plan, &credentials, &next, IfBusy::Wait);
            let fired = join(fire(plan.clone()), fire(plan)).await;
            assert_eq!(fired.0.unwrap().operation.id, fired.1.unwrap().operation.id);
        }
    }
    if let Some((_, Paused(Soon) | Late(Soon))) = case.mishap {
        driver.sweep(Duration::ZERO).await.unwrap();
        other.wake.notify_one();
    }
    sweep_until_quiet(&process, &driver).await;
}

async fn all(world: &World) -> Vec<Operation> {
    let mut operations = Vec::new();
    for id in world.records.operations(usize::MAX).await.unwrap() {
        operations.extend(world.records.last(id).await.unwrap().map(|entry| entry.operation));
    }
    operations
}

/// Lives through one case.
async fn live(case: Case) {
    let world = case.world().await;
    let process = Process::new(&world, case.mishap);
    let fate = &process.fate;
    let mut victim = pin!(first(case, process.clone()));
    let stopped = tokio::select! {
        () = &mut victim => false,
        () = fate.stopped.notified() => true,
    };
    match case.mishap {
        Some((_, Paused(AtTheEnd) | Late(AtTheEnd))) if stopped => {
            second(case, &world, fate).await;
            fate.wake.notify_one();
            victim.await;
        }
        Some((_, Paused(After(seconds)) | Late(After(seconds)))) if stopped => {
            let wake = async {
                Clock::sleep(&*Process::new(&world, None), Duration::from_secs(seconds)).await;
                fate.wake.notify_one();
            };
            join3(victim, second(case, &world, fate), wake).await;
        }
        Some((_, Paused(Soon) | Late(Soon) | Refused | AnswerLost | Blind)) if stopped => {
            join(victim, second(case, &world, fate)).await;
        }
        _ => second(case, &world, fate).await,
    }
    let last = Process::new(&world, None);
    let driver = Driver::new(last.ports());
    if all(&world).await.is_empty() {
        // Its opening was never finished; whoever asked asks again.
        case.open(&driver).await.unwrap();
    }
    sweep_until_quiet(&last, &driver).await;
    check(case, &world).await;
    if let Some(keep) = case.keep {
        retiring::check_retired(&world, keep).await;
    }
    let deeds = fate.deeds.lock().unwrap().clone();
    if case.is_plain() && case.mishap.is_some_and(|(at, mishap)| tells(mishap, deeds[at])) {
        for operation in all(&world).await {
            let is_well = matches!(operation.phase, Phase::Succeeded | Phase::Canceled);
            assert!(is_well || check::came_too_late(&world, &operation), "{operation:#?}");
        }
    }
    assert!(case.mishap.is_none() || fate.struck.load(Ordering::SeqCst));
}

/// Whether somebody who lives through this can tell in time what became of every POST: then nothing ends unknown.
fn tells(mishap: Mishap, deed: Deed) -> bool {
    match mishap {
        Refused | AnswerLost | Blind => deed != Deed::Post,
        Dies => false,
        Paused(wake) => wake != AtTheEnd,
        Late(wake) => wake != AtTheEnd || deed == Deed::Post,
    }
}

/// What the first process does, if nothing goes wrong.
async fn deeds(case: Case) -> Vec<Deed> {
    let world = case.world().await;
    let process = Process::new(&world, None);
    first(case, process.clone()).await;
    let deeds = process.fate.deeds.lock().unwrap().clone();
    assert!(deeds.len() > 30 && deeds.contains(&Deed::Write), "{deeds:?}");
    deeds
}

/// Names the case in which a test failed.
struct Named(Case);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {:?}", self.0);
        }
    }
}

/// One access goes wrong.
async fn live_through(case: Case, number: usize, mishaps: &[Mishap]) {
    for mishap in mishaps {
        let case = Case { mishap: Some((number, *mishap)), ..case };
        let _named = Named(case);
        Box::pin(live(case)).await;
    }
}

/// Every access goes wrong once, in every way.
async fn survives_everything(kind: Kind, second: Second) {
    let case = Case::of(kind, second);
    let anywhere = [Refused, Dies, Paused(AtTheEnd)];
    let changes = [AnswerLost, Blind, Paused(Soon), Paused(After(100)), Late(AtTheEnd)];
    for (number, deed) in deeds(case).await.into_iter().enumerate() {
        live_through(case, number, &anywhere).await;
        if deed != Deed::Read {
            live_through(case, number, &changes).await;
        }
    }
}

/// Azure says no, or loses its answer, or fails, or time is short, and a start goes wrong besides.
async fn survives_replies(kind: Kind, second: Second, replies: &[&'static [Reply]], deadline: Duration) {
    let mishaps = [Dies, Paused(After(420)), Late(After(420)), Late(AtTheEnd)];
    for replies in replies {
        let case = Case { replies, deadline, ..Case::of(kind, second) };
        let deeds = deeds(case).await;
        for number in (0..deeds.len()).filter(|number| deeds[*number] == Deed::Post) {
            // The entry before it, and the one after.
            for number in number - 1..=number + 1 {
                live_through(case, number, &mishaps).await;
            }
        }
    }
}

const HOURS: Duration = Duration::from_hours(6);
/// Time for one start.
const MINUTES: Duration = Duration::from_mins(4);

/// What matters to a backup alone: it may be started again.
const AGAIN: &[&[Reply]] = &[
    &[Reply::TakenLost],
    &[Reply::TakenFailsLost, Reply::Busy],
    &[Reply::TakenFailsLost, Reply::TakenFails],
    &[Reply::Lost, Reply::Refused],
    &[Reply::Lost, Reply::Lost, Reply::Lost, Reply::Taken],
];
const ONCE: &[&[Reply]] = &[
    &[Reply::TakenFails],
    &[Reply::Busy, Reply::Refused],
    &[Reply::NoAddress],
    &[Reply::NoAddressFails],
    &[Reply::Gone],
];
const LATE: &[&[Reply]] = &[&[Reply::Taken], &[Reply::NoAddressFails], &[Reply::Busy, Reply::TakenLost]];

#[tokio::test]
async fn a_backup_survives_everything_while_another_sweeps() {
    survives_everything(Kind::Backup, Second::Sweep).await;
}

#[tokio::test]
async fn a_backup_survives_everything_beside_an_equal_request() {
    survives_everything(Kind::Backup, Second::EqualRequest).await;
}

#[tokio::test]
async fn a_backup_survives_everything_while_somebody_cancels() {
    survives_everything(Kind::Backup, Second::Cancel).await;
}

#[tokio::test]
async fn a_backup_survives_everything_beside_the_next_slot() {
    survives_everything(Kind::Backup, Second::NextSlot).await;
}

#[tokio::test]
async fn a_restore_survives_everything_while_another_sweeps() {
    survives_everything(Kind::Restore, Second::Sweep).await;
}

#[tokio::test]
async fn a_restore_survives_everything_beside_an_equal_request() {
    survives_everything(Kind::Restore, Second::EqualRequest).await;
}

#[tokio::test]
async fn a_restore_survives_everything_while_somebody_cancels() {
    survives_everything(Kind::Restore, Second::Cancel).await;
}

#[tokio::test]
async fn a_restore_survives_everything_beside_the_next_slot() {
    survives_everything(Kind::Restore, Second::NextSlot).await;
}

#[tokio::test]
async fn a_backup_survives_the_loss_of_its_starts() {
    for second in [Second::Sweep, Second::NextSlot] {
        survives_replies(Kind::Backup, second, AGAIN, HOURS).await;
    }
}

#[tokio::test]
async fn a_backup_survives_what_azure_says() {
    survives_replies(Kind::Backup, Second::Sweep, ONCE, HOURS).await;
    for second in [Second::Sweep, Second::NextSlot] {
        survives_replies(Kind::Backup, second, LATE, MINUTES).await;
    }
}

#[tokio::test]
async fn a_restore_survives_what_azure_says() {
    survives_replies(Kind::Restore, Second::Sweep, ONCE, HOURS).await;
    survives_replies(Kind::Restore, Second::Cancel, &[&[Reply::Lost], &[Reply::TakenFails]], HOURS).await;
    survives_replies(Kind::Restore, Second::NextSlot, LATE, MINUTES).await;
}
