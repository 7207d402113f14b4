//! The promise, at every access to the world: whichever of them fails, whoever dies or stands still at it, whatever
//! somebody else does meanwhile, a request is carried out once, and called succeeded only if it was.
//!
//! Generated: for every access of one process, every [`Mishap`], backup and restore, and every [`Second`]. The rules
//! themselves come from an explicit-state model (docs/ARCHITECTURE.md, "Exactly once"); this holds the program to them.
//!
//! Each kind of rule was broken once to see this fail:
mod crowd;
mod late;
mod world;

use std::{pin::pin, sync::Arc, sync::atomic::Ordering, time::Duration};

use apim_dr::{
    domain::{
        Answer, Credentials, Evidence, Failure, FailureKind, Kind, Operation, OperationId, Phase, Plan,
    },
    payload::{self, RestorePolicy},
    ports::{Cause, Clock, Journal as _},
    workflows::{Driver, Error, IfBusy, Opened, Swept, open, request_cancel},
};
use futures::{TryStreamExt as _, future::join};
use jiff::Timestamp;
use object_store::{ObjectStore as _, path::Path};

use crate::bed::{but, seed};
use world::{Mishap, Process, World};

/// Who else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// Only carries on what is open.
    Sweep,
    /// Sends the same request.
    EqualRequest,
    /// Cancels whatever is open.
    Cancel,
    /// Two timers fire for the next instant of the schedule, on the same service.
    NextSlot,
}

/// What a caller would have sent.
fn order(kind: Kind, name: &str) -> (Plan, Credentials) {
    let body = but(seed(kind.as_str()), &serde_json::json!({ "backupName": name })).to_string();
    let parsed = payload::parse(kind, body.as_bytes(), &RestorePolicy::default(), &[]).unwrap();
    parsed.payload.into_order().unwrap()
}

fn slot(instant: &str) -> Cause {
    Cause::Slot { target: "primary".parse().unwrap(), instant: instant.parse().unwrap() }
}

/// What the first process is there for.
#[derive(Debug, Clone, Copy)]
struct Case {
    kind: Kind,
    second: Second,
    mishap: Option<(usize, Mishap)>,
}

impl Case {
    fn cause(self) -> Cause {
        match (self.kind, self.second) {
            (Kind::Backup, Second::Sweep | Second::Cancel | Second::NextSlot) => slot("2026-11-21T01:00:00Z"),
            _ => Cause::Request,
        }
    }

    async fn open(self, driver: &Driver) -> Result<Opened, Error> {
        let (plan, credentials) = order(self.kind, "first");
        open(driver.ports(), plan, &credentials, &self.cause(), IfBusy::Wait).await
    }
}

/// Carries on what is open until nothing is.
async fn sweep_until_quiet(process: &Arc<Process>, driver: &Driver) {
    let mut quiet = 0;
    while quiet < 2 {
        match driver.sweep(Duration::from_mins(1)).await {
            Ok(Swept { open: 0, .. }) => quiet += 1,
            Ok(Swept { failed, .. }) => {
                assert_eq!(failed, 0, "a drive gave up");
                quiet = 0;
            }
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        Clock::sleep(&**process, Duration::from_secs(1)).await;
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

async fn second(case: Case, world: &Arc<World>) {
    let process = Process::new(world, None);
    let driver = Driver::new(process.ports());
    match case.second {
        Second::Sweep => {}
        Second::EqualRequest => {
            let open_before = all(world).await.into_iter().find(|operation| !operation.phase.is_closed());
            let opened = case.open(&driver).await.unwrap().operation;
            if let Some(before) = open_before {
                assert_eq!(opened.id, before.id, "{case:?}: an equal request that is open is joined");
            }
        }
        Second::Cancel => {
            for id in world.records.open_operations().await.unwrap() {
                match request_cancel(driver.ports(), id).await {
                    // Stored, but without its first entry.
                    Ok(_) | Err(Error::NotFound(_)) => {}
                    Err(error) => panic!("{case:?}: {error}"),
                }
            }
        }
        Second::NextSlot => {
            let (plan, credentials) = order(Kind::Backup, "second");
            let next = slot("2026-11-22T01:00:00Z");
            let fire = |plan| open(driver.ports(), plan, &credentials, &next, IfBusy::Wait);
            let fired = join(fire(plan.clone()), fire(plan)).await;
            assert_eq!(fired.0.unwrap().operation.id, fired.1.unwrap().operation.id, "{case:?}");
        }
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

/// Lives through one case; whether its mishap struck.
async fn live(case: Case) -> bool {
    let world = World::new();
    let process = Process::new(&world, case.mishap);
    let fate = &process.fate;
    let mut victim = pin!(first(case, process.clone()));
    let stopped = tokio::select! {
        () = &mut victim => false,
        () = fate.stopped.notified() => true,
    };
    match case.mishap {
        Some((_, Mishap::Paused)) if stopped => {
            second(case, &world).await;
            fate.wake.notify_one();
            victim.await;
        }
        Some((_, Mishap::Refused | Mishap::AnswerLost)) if stopped => {
            join(victim, second(case, &world)).await;
        }
        _ => second(case, &world).await,
    }
    let last = Process::new(&world, None);
    let driver = Driver::new(last.ports());
    if all(&world).await.is_empty() {
        // Its opening was never finished; whoever asked asks again.
        case.open(&driver).await.unwrap();
    }
    sweep_until_quiet(&last, &driver).await;
    check(case, &world).await;
    fate.struck.load(Ordering::SeqCst)
}

/// What must hold when all is quiet.
async fn check(case: Case, world: &World) {
    let operations = all(world).await;
    assert!(!operations.is_empty(), "{case:?}: nothing was opened");
    assert_eq!(world.records.open_operations().await.unwrap(), [], "{case:?}: markers are left");
    let service = operations[0].plan.service.name.clone();
    assert_eq!(world.records.holder(&service, world.now()).await.unwrap(), None, "{case:?}: it is held");
    let posts = world.posts.lock().unwrap().clone();
    for (attempt, (arrived, taken)) in &posts {
        assert!(*arrived <= 1 && *taken <= 1, "{case:?}: attempt {attempt}: {arrived} POSTs, {taken} taken");
    }
    for operation in &operations {
        check_operation(case, world, operation);
        check_history(case, world, operation).await;
    }
}

fn check_operation(case: Case, world: &World, operation: &Operation) {
    let Operation { id, plan, phase, attempts, .. } = operation;
    let posts = world.posts.lock().unwrap();
    let taken: Vec<_> = attempts
        .iter()
        .filter(|attempt| posts.get(&attempt.id).is_some_and(|(_, taken)| *taken > 0))
        .map(|attempt| attempt.id)
        .collect();
    let unknown = attempts.iter().filter(|attempt| {
        let posted = posts.contains_key(&attempt.id);
        posted && matches!(attempt.answer, None | Some(Answer::Unknown { .. }))
    });
    let most = if plan.kind == Kind::Backup { 3 } else { 1 };
    assert!(unknown.count() <= most, "{case:?}: {operation:#?}");
    assert!(plan.kind == Kind::Backup || taken.len() <= 1, "{case:?}: {operation:#?}");

    let dies = matches!(case.mishap, Some((_, Mishap::DiesBefore | Mishap::DiesAfter)));
    let lost = matches!(case.mishap, Some((_, Mishap::AnswerLost | Mishap::Refused)));
    match phase {
        Phase::Succeeded => match operation.evidence {
            // Whatever was taken has ended well by now: it must have been this operation's.
            Some(Evidence::Arm) => assert!(!taken.is_empty(), "{case:?}: {operation:#?}"),
            Some(Evidence::Blob) => {
                let blobs = world.blobs.lock().unwrap();
                let writers = &blobs[plan.blob.name.as_str()];
                assert!(
                    taken.iter().any(|attempt| writers.contains(&attempt.to_string())),
                    "{case:?}: {operation:#?}"
                );
            }
            None => panic!("{case:?}: succeeded without evidence"),
        },
        Phase::Canceled => assert_eq!(case.second, Second::Cancel, "{case:?}: {operation:#?}"),
        Phase::Failed => {
            let kind = operation.failure.as_ref().map(|Failure { kind, .. }| *kind);
            assert_eq!(kind, Some(FailureKind::OutcomeUnknown), "{case:?}: {operation:#?}");
            // A backup tells by its blob, or is started again. Who lives knows what was not sent, and tells late
            // what was taken.
            assert_eq!(plan.kind, Kind::Restore, "{case:?}: {operation:#?}");
            assert!(dies || lost || taken.is_empty(), "{case:?}: {operation:#?}");
        }
        phase => panic!("{case:?}: operation {id} was left {phase}"),
    }
}

/// The newest history of an operation is its last entry's.
async fn check_history(case: Case, world: &World, operation: &Operation) {
    let last = world.records.last(operation.id).await.unwrap().unwrap();
    let listed: Vec<_> = world.store.list(Some(&Path::from("history"))).try_collect().await.unwrap();
    let id = operation.id.to_string();
    let names = listed.iter().map(|object| &object.location);
    let newest = names
        .filter(|name| name.filename().unwrap().starts_with(&id))
        .max_by_key(|name| name.filename().map(str::to_owned));
    let newest = newest.unwrap_or_else(|| panic!("{case:?}: {id} has no history"));
    assert!(
        newest.as_ref().ends_with(&format!("{id}.{:06}.json", last.seq)),
        "{case:?}: {newest}, {last:#?}"
    );
    let bytes =
        object_store::ObjectStoreExt::get(&*world.store, newest).await.unwrap().bytes().await.unwrap();
    let history: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(history["phase"], last.operation.phase.as_str(), "{case:?}");
}

/// Every access goes wrong once, in every way.
async fn matrix(kind: Kind, second: Second) {
    let all = [Mishap::Refused, Mishap::AnswerLost, Mishap::DiesBefore, Mishap::DiesAfter, Mishap::Paused];
    for mishap in all {
        for number in 0.. {
            if !live(Case { kind, second, mishap: Some((number, mishap)) }).await {
                assert!(number > 20, "{kind} {mishap:?}: there were fewer accesses than there are steps");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_backup_survives_everything_while_another_sweeps() {
    matrix(Kind::Backup, Second::Sweep).await;
}

#[tokio::test]
async fn a_backup_survives_everything_beside_an_equal_request() {
    matrix(Kind::Backup, Second::EqualRequest).await;
}

#[tokio::test]
async fn a_backup_survives_everything_while_somebody_cancels() {
    matrix(Kind::Backup, Second::Cancel).await;
}

#[tokio::test]
async fn a_backup_survives_everything_beside_the_next_slot() {
    matrix(Kind::Backup, Second::NextSlot).await;
}

#[tokio::test]
async fn a_restore_survives_everything_while_another_sweeps() {
    matrix(Kind::Restore, Second::Sweep).await;
}

#[tokio::test]
async fn a_restore_survives_everything_beside_an_equal_request() {
    matrix(Kind::Restore, Second::EqualRequest).await;
}

#[tokio::test]
async fn a_restore_survives_everything_while_somebody_cancels() {
    matrix(Kind::Restore, Second::Cancel).await;
}

#[tokio::test]
async fn a_restore_survives_everything_beside_the_next_slot() {
    matrix(Kind::Restore, Second::NextSlot).await;
}

#[tokio::test]
async fn a_process_that_was_told_to_stop_begins_no_post() {
    let world = World::new();
    let case = Case { kind: Kind::Backup, second: Second::Sweep, mishap: None };
    let process = Process::new(&world, Some((8, Mishap::Paused)));
    let driver = Driver::new(process.ports());
    let id = case.open(&driver).await.unwrap().operation.id;
    let mut step = pin!(driver.drive(id, Timestamp::MAX, |_| ()));
    // On its way to the start: its service is held, nothing is written down.
    tokio::select! {
        _ = &mut step => panic!("it never paused"),
        () = process.fate.stopped.notified() => {}
    }
    driver.stop();
    process.fate.wake.notify_one();
    assert!(step.await.is_some());
    assert_eq!(world.accepted(), 0);
    assert_eq!(all(&world).await[0].attempts, [], "none was written down either");
    assert!(driver.drive(id, Timestamp::MAX, |_| ()).await.is_none(), "no step begins after the stop");
    second(case, &world).await;
    assert_eq!(all(&world).await[0].phase, Phase::Succeeded);
}

/// Opens a backup, and gives it its first steps.
async fn running(world: &Arc<World>) -> (Arc<Process>, Driver, OperationId) {
    let process = Process::new(world, None);
    let driver = Driver::new(process.ports());
    let case = Case { kind: Kind::Backup, second: Second::Sweep, mishap: None };
    let id = case.open(&driver).await.unwrap().operation.id;
    driver.drive(id, world.now(), |_| ()).await;
    assert_eq!(all(world).await[0].phase, Phase::Running);
    (process, driver, id)
}

#[tokio::test]
async fn an_operation_is_watched_for_two_days_at_most() {
    let world = World::new();
    let (_, driver, id) = running(&world).await;
    for run in world.runs.lock().unwrap().values_mut() {
        run.never_ends();
    }
    world.advance(Duration::from_hours(47));
    driver.drive(id, world.now(), |_| ()).await;
    assert_eq!(all(&world).await[0].phase, Phase::Running);
    world.advance(Duration::from_hours(2));
    driver.drive(id, world.now(), |_| ()).await;
    let failure = all(&world).await[0].failure.clone().unwrap();
    assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
    assert!(failure.to_string().contains("gave up watching after 48 hours"), "{failure}");
}
