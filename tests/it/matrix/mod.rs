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

mod crowd;
mod late;
mod world;

use std::{pin::pin, sync::Arc, sync::atomic::Ordering, time::Duration};

use apim_dr::{
    domain::{
        AttemptId, Credentials, Event, Evidence, Failure, FailureKind, Kind, Operation, OperationId, Phase,
        Plan,
    },
    payload::{self, RestorePolicy},
    ports::{Cause, Claim, Clock, Journal as _, Opening},
    workflows::{Driver, Error, IfBusy, Opened, Swept, open, request_cancel},
};
use futures::{
    TryStreamExt as _,
    future::{join, join3},
};
use jiff::Timestamp;
use object_store::{ObjectStore as _, path::Path};

use crate::bed::{but, seed};
use world::{
    Deed, Fate,
    Mishap::{self, AnswerLost, Blind, Dies, Late, Paused, Refused},
    OTHER_GROUP, OTHER_KEY, Process, Reply,
    Wake::{After, AtTheEnd, Soon},
    World,
};

/// Who else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// Only carries on what is open.
    Sweep,
    /// Sends the same request, as somebody else.
    EqualRequest,
    /// Cancels whatever is open.
    Cancel,
    /// Two timers fire for the next instant of the schedule, for the same service and blob.
    NextSlot,
}

/// What a caller would have sent.
fn order(kind: Kind, fields: &serde_json::Value) -> (Plan, Credentials) {
    let body = but(seed(kind.as_str()), fields).to_string();
    let parsed = payload::parse(kind, body.as_bytes(), &RestorePolicy::default(), &[]).unwrap();
    parsed.payload.into_order().unwrap()
}

fn slot(instant: &str) -> Cause {
    Cause::Slot { target: "primary".parse().unwrap(), instant: instant.parse().unwrap() }
}

/// What the first process is there for, and what goes wrong.
#[derive(Debug, Clone, Copy)]
struct Case {
    kind: Kind,
    second: Second,
    replies: &'static [Reply],
    deadline: Duration,
    mishap: Option<(usize, Mishap)>,
}

impl Case {
    /// Nothing goes wrong.
    const fn of(kind: Kind, second: Second) -> Self {
        Self { kind, second, replies: &[], deadline: Duration::from_hours(6), mishap: None }
    }

    fn cause(self) -> Cause {
        match (self.kind, self.second) {
            (Kind::Backup, Second::Sweep | Second::Cancel | Second::NextSlot) => slot("2026-11-21T01:00:00Z"),
            _ => Cause::Request,
        }
    }

    async fn open(self, driver: &Driver) -> Result<Opened, Error> {
        let (plan, credentials) = order(self.kind, &serde_json::json!({}));
        open(driver.ports(), plan, &credentials, &self.cause(), IfBusy::Wait).await
    }

    /// An equal request, which somebody else sends.
    fn other_order(self) -> (Plan, Credentials) {
        order(self.kind, &serde_json::json!({ "resourceGroup": OTHER_GROUP, "accessKey": OTHER_KEY }))
    }

    /// Nothing but the mishap goes wrong, and there is time.
    fn is_plain(self) -> bool {
        self.replies.is_empty() && self.deadline >= Duration::from_hours(6)
    }
}

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
        Second::Sweep => {}
        Second::EqualRequest => {
            let open_before = all(world).await.into_iter().find(|operation| !operation.phase.is_closed());
            let (plan, credentials) = case.other_order();
            let opened = open(driver.ports(), plan, &credentials, &case.cause(), IfBusy::Wait).await;
            if let Some(before) = open_before {
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
    let world = World::with(case.replies, case.deadline);
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
    let deeds = fate.deeds.lock().unwrap().clone();
    if case.is_plain() && case.mishap.is_some_and(|(at, mishap)| tells(mishap, deeds[at])) {
        for operation in all(&world).await {
            assert!(matches!(operation.phase, Phase::Succeeded | Phase::Canceled), "{operation:#?}");
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

/// What must hold when all is quiet.
async fn check(case: Case, world: &World) {
    let operations = all(world).await;
    assert!(!operations.is_empty(), "nothing was opened");
    assert_eq!(*world.broken.lock().unwrap(), [""; 0]);
    assert_eq!(world.records.open_operations().await.unwrap(), [], "markers are left");
    let service = operations[0].plan.service.name.clone();
    assert_eq!(world.records.holder(&service, world.now()).await.unwrap(), None, "it is held");
    let posts = world.posts.lock().unwrap().clone();
    for (attempt, (arrived, taken)) in &posts {
        assert!(*arrived <= 1 && *taken <= 1, "attempt {attempt}: {arrived} POSTs, {taken} taken");
    }
    if !matches!(case.second, Second::NextSlot | Second::EqualRequest) {
        assert_eq!(operations.len(), 1, "one request is one operation");
    }
    for operation in &operations {
        check_operation(case, world, operation);
        check_journal(world, operation).await;
        check_history(world, operation).await;
    }
}

/// Of its attempts, those that Azure took and that had ended well by then.
fn done(world: &World, operation: &Operation, by: Timestamp) -> Vec<AttemptId> {
    let runs = world.runs.lock().unwrap();
    let ids = operation.attempts.iter().map(|attempt| attempt.id);
    ids.filter(|id| runs.get(&id.to_string()).is_some_and(|run| run.is_done(by))).collect()
}

fn check_operation(case: Case, world: &World, operation: &Operation) {
    let Operation { id, plan, phase, attempts, .. } = operation;
    let posts = world.posts.lock().unwrap();
    let posted: Vec<_> = attempts.iter().filter(|attempt| posts.contains_key(&attempt.id)).collect();
    let taken = posted.iter().filter(|attempt| posts[&attempt.id].1 > 0).count();
    let done = done(world, operation, world.now()).len();
    let unknown = posted.iter().filter(|attempt| {
        attempt.answer.as_ref().is_none_or(|answer| matches!(answer, apim_dr::domain::Answer::Unknown { .. }))
    });
    let most = if plan.kind == Kind::Backup { 3 } else { 1 };
    assert!(unknown.count() <= most && taken <= most && done <= 1, "{operation:#?}");

    let dies = matches!(case.mishap, Some((_, Dies)));
    let lost = matches!(case.mishap, Some((_, AnswerLost | Blind | Refused)));
    match phase {
        Phase::Succeeded => {
            assert!(done == 1 && operation.evidence.is_some(), "{operation:#?}");
        }
        Phase::Canceled => assert_eq!(case.second, Second::Cancel, "{operation:#?}"),
        Phase::Failed => {
            let Some(Failure { kind, .. }) = operation.failure else { panic!("{operation:#?}") };
            match kind {
                FailureKind::Refused => {
                    assert!(case.replies.contains(&Reply::Refused) && taken == 0, "{operation:#?}");
                }
                FailureKind::Failed => assert!(taken > 0 && done == 0, "{operation:#?}"),
                // A backup tells by its blob, or is started again. Who lives knows what was not sent, and tells late
                // what was taken.
                FailureKind::OutcomeUnknown if case.is_plain() => {
                    assert_eq!(plan.kind, Kind::Restore, "{operation:#?}");
                    assert!(dies || lost || taken == 0, "{operation:#?}");
                }
                FailureKind::OutcomeUnknown => {}
            }
        }
        Phase::Skipped => assert!(!case.is_plain() && taken == 0, "{operation:#?}"),
        phase => panic!("operation {id} was left {phase}"),
    }
}

/// What was called succeeded was so then, and that it ended well, or was cancelled, is the last word.
async fn check_journal(world: &World, operation: &Operation) {
    let entries = world.records.entries(operation.id).await.unwrap();
    for pair in entries.windows(2) {
        let (before, entry) = (&pair[0].operation, &pair[1]);
        let after = &entry.operation;
        if matches!(before.phase, Phase::Succeeded | Phase::Canceled) {
            assert_eq!(after.phase, before.phase, "{entries:#?}");
        } else if after.phase == Phase::Succeeded {
            assert!(!done(world, after, entry.at).is_empty(), "{entries:#?}");
            if after.evidence == Some(Evidence::Arm) {
                assert!(matches!(entry.event, Event::Verified { .. }), "{entries:#?}");
            }
        }
    }
}

/// The newest history of an operation is its last entry's.
async fn check_history(world: &World, operation: &Operation) {
    let last = world.records.last(operation.id).await.unwrap().unwrap();
    let listed: Vec<_> = world.store.list(Some(&Path::from("history"))).try_collect().await.unwrap();
    let id = operation.id.to_string();
    let names = listed.iter().map(|object| &object.location);
    let newest = names
        .filter(|name| name.filename().unwrap().starts_with(&id))
        .max_by_key(|name| name.filename().map(str::to_owned));
    let newest = newest.unwrap_or_else(|| panic!("{id} has no history"));
    assert!(newest.as_ref().ends_with(&format!("{id}.{:06}.json", last.seq)), "{newest}, {last:#?}");
    let bytes =
        object_store::ObjectStoreExt::get(&*world.store, newest).await.unwrap().bytes().await.unwrap();
    let history: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(history["phase"], last.operation.phase.as_str());
}

/// What the first process does, if nothing goes wrong.
async fn deeds(case: Case) -> Vec<Deed> {
    let world = World::with(case.replies, case.deadline);
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
        live(case).await;
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
async fn a_process_that_was_told_to_stop_begins_no_post() {
    let world = World::new();
    let case = Case::of(Kind::Backup, Second::Sweep);
    let process = Process::new(&world, Some((8, Paused(AtTheEnd))));
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
    second(case, &world, &process.fate).await;
    assert_eq!(all(&world).await[0].phase, Phase::Succeeded);
}

/// Opens a backup, and gives it its first steps.
async fn running(world: &Arc<World>) -> (Arc<Process>, Driver, OperationId) {
    let process = Process::new(world, None);
    let driver = Driver::new(process.ports());
    let case = Case::of(Kind::Backup, Second::Sweep);
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

/// Lives until the deed of that number, and stands still before it.
async fn stands_at(
    world: &Arc<World>,
    case: Case,
    number: usize,
) -> (Arc<Process>, impl Future<Output = ()>) {
    let process = Process::new(world, Some((number, Paused(AtTheEnd))));
    let mut life = Box::pin(first(case, process.clone()));
    tokio::select! {
        () = &mut life => panic!("it never paused"),
        () = process.fate.stopped.notified() => {}
    }
    (process, life)
}

#[tokio::test]
async fn nobody_decides_by_a_clock_that_is_ahead_while_a_post_is_under_way() {
    for missing in [false, true] {
        let world = World::new();
        let case = Case::of(Kind::Backup, Second::Cancel);
        let post = deeds(case).await.iter().position(|deed| *deed == Deed::Post).unwrap();
        let (process, life) = stands_at(&world, case, post).await;
        let other = Process::ahead(&world, jiff::SignedDuration::from_mins(10));
        let driver = Driver::new(other.ports());
        let id = world.records.open_operations().await.unwrap()[0];
        if !missing {
            request_cancel(driver.ports(), id).await.unwrap();
        }
        world.missing.store(missing, Ordering::SeqCst);
        driver.sweep(Duration::ZERO).await.unwrap();
        assert_eq!(all(&world).await[0].phase, Phase::Starting);
        world.missing.store(false, Ordering::SeqCst);
        process.fate.wake.notify_one();
        life.await;
        check(case, &world).await;
        assert_eq!(world.accepted(), 1);
    }
}

/// Two equal requests, by two callers: one claims it, the other stores it and dies, and the first goes on.
#[tokio::test]
async fn a_plan_is_carried_out_with_the_secrets_that_came_with_it() {
    let world = World::new();
    let case = Case::of(Kind::Backup, Second::EqualRequest);
    let deeds = deeds(case).await;
    let marker = (0..deeds.len()).filter(|number| deeds[*number] == Deed::Write).nth(1).unwrap();
    let (process, life) = stands_at(&world, case, marker).await;
    let (plan, credentials) = case.other_order();
    let theirs = Opening {
        id: OperationId::at(world.now()),
        plan,
        opened: world.now(),
        deadline: world.now() + jiff::SignedDuration::from_hours(6),
    };
    let claim = world.records.claim(&case.cause(), &theirs).await.unwrap();
    let Claim::Theirs(opening) = claim else { panic!("{claim:?}") };
    world.records.open(&opening, &credentials).await.unwrap();
    process.fate.wake.notify_one();
    life.await;
    check(case, &world).await;
    let operation = &all(&world).await[0];
    assert_eq!((operation.id, operation.phase), (opening.id, Phase::Succeeded));
    assert_eq!(operation.plan, opening.plan);
}

#[tokio::test]
async fn a_start_that_stands_still_past_its_deadline_is_not_posted() {
    let deadline = Duration::from_mins(1);
    let case = Case { deadline, ..Case::of(Kind::Backup, Second::Sweep) };
    let post = deeds(case).await.iter().position(|deed| *deed == Deed::Post).unwrap();
    for number in post - 1..=post {
        // Still within the time of the POST itself.
        live_through(case, number, &[Paused(After(45))]).await;
    }
}
