//! Older recovery points go after a backup: every access of that goes wrong in every way, while somebody else retires,
//! restores from what is to go, adopts, or overwrites.

use std::ops::RangeInclusive;

use apim_dr::{
    domain::{BlobRef, Policy, RecoveryPoint, Retention, Secret, ServiceId},
    workflows::{Adopted, Retirement, Shelf, adopt, retire},
};
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::json;

use super::{shelf, world::STANDBY, *};

/// Recovery points of the service that is backed up, oldest first.
const OLD: [&str; 2] = ["old1", "old2"];
/// One of another service, in the same container.
const THEIRS: &str = "theirs";
/// Blobs that nobody of ours made, and that nobody adopts.
const STRANGER: &str = "stranger";
/// One that somebody adopts.
const FOREIGN: &str = "foreign";
/// The same, but it is written when it is adopted.
const NEW_FOREIGN: &str = "foreign-new";

pub(super) fn policy(keep: usize) -> Policy {
    let keep_last = Some(u32::try_from(keep).unwrap());
    Policy { rules: Retention { keep_last, ..Retention::default() }, time_zone: TimeZone::UTC }
}

fn backup() -> (Plan, Credentials) {
    order(Kind::Backup, &json!({}))
}

fn named(name: &str) -> BlobRef {
    BlobRef { name: name.parse().unwrap(), ..backup().0.blob }
}

/// What there is before the backup.
pub(super) async fn fill(world: &World) {
    let service = backup().0.service;
    let neighbour = ServiceId { name: "neighbour".parse().unwrap(), ..service.clone() };
    for (name, service, age) in [(THEIRS, &neighbour, 4), (OLD[0], &service, 3), (OLD[1], &service, 2)] {
        let at = world.now() - SignedDuration::from_hours(age);
        world.put_point(service, named(name), at).await;
    }
    for name in [STRANGER, FOREIGN] {
        world.shelf.put(name, world.now() - SignedDuration::from_hours(1));
    }
}

/// A restore of what is to go, into another service.
pub(super) async fn open_restore(driver: &Driver) -> OperationId {
    let fields = json!({ "apimInstance": STANDBY, "backupName": OLD[0] });
    let (mut plan, credentials) = order(Kind::Restore, &fields);
    plan.source = Some(backup().0.service.name);
    open(driver.ports(), plan, &credentials, &Cause::Request, IfBusy::Wait).await.unwrap().operation.id
}

/// The next slot's backup, which overwrites what is to go.
pub(super) async fn open_overwriting(driver: &Driver, keep: usize) {
    let (mut plan, credentials) = order(Kind::Backup, &json!({ "backupName": OLD[0] }));
    plan.retention = Some(policy(keep));
    open(driver.ports(), plan, &credentials, &slot("2026-11-22T01:00:00Z"), IfBusy::Wait).await.unwrap();
}

pub(super) async fn retire_by_hand(driver: &Driver, keep: usize) -> Retirement {
    let (plan, credentials) = backup();
    let shelf = Shelf {
        service: &plan.service.name,
        container: &plan.blob.place(),
        policy: &policy(keep),
        access_key: credentials.access_key.as_ref(),
    };
    retire(driver.ports(), shelf, usize::MAX).await.unwrap()
}

/// Takes in an old blob of somebody else's, and one that was written just now.
pub(super) async fn adopt_both(world: &World, driver: &Driver) {
    let (plan, credentials) = backup();
    let key: Option<&Secret> = credentials.access_key.as_ref();
    world.shelf.put(NEW_FOREIGN, world.now());
    for name in [FOREIGN, NEW_FOREIGN] {
        let adopted = adopt(driver.ports(), &plan.service, named(name), key).await.unwrap();
        assert!(matches!(adopted, Adopted::Ours(_)), "{adopted:?}");
    }
}

/// What must hold when all is quiet, and a last retirement has gone through.
pub(super) async fn check_retired(world: &Arc<World>, keep: usize) {
    // No mark says anything for longer.
    world.advance(Duration::from_mins(5));
    let marks: Vec<_> = world.store.list(Some(&Path::from("retiring"))).try_collect().await.unwrap();
    for mark in marks {
        let bytes = object_store::ObjectStoreExt::get(&*world.store, &mark.location).await.unwrap();
        let mark: serde_json::Value = serde_json::from_slice(&bytes.bytes().await.unwrap()).unwrap();
        let until: Timestamp = mark["until"].as_str().unwrap().parse().unwrap();
        assert!(until <= world.now(), "a mark stands until {until}");
    }
    let lying = |world: &World| -> Vec<_> { world.list().into_iter().map(|blob| blob.name).collect() };
    let before = lying(world);
    let points = world.points().await;
    let standing = shelf::standing(&points);
    let service = backup().0.service;
    let its: Vec<_> = standing.iter().copied().filter(|point| point.service == service).collect();
    // A blob whose point was not called deleted yet is gone already.
    let there: Vec<_> =
        its.iter().copied().filter(|point| before.contains(&point.blob.name.to_string())).collect();
    let may_go = |name: &String| {
        there.iter().any(|point| point.blob.name.as_str() == name && shelf::may_go(point, &there, keep))
    };
    let kept: Vec<_> = before.iter().filter(|name| !may_go(name)).cloned().collect();

    let driver = Driver::new(Process::new(world, None).ports());
    let retirement = retire_by_hand(&driver, keep).await;
    assert!(retirement.halted.is_none() && retirement.unreadable.is_empty(), "{retirement:?}");
    assert_eq!(lying(world), kept, "{retirement:?}");
    for name in [STRANGER, THEIRS] {
        assert!(kept.iter().any(|kept| kept == name), "{name} is gone");
    }
    let newest = its.iter().find(|point| point.is_verified()).unwrap();
    assert!(kept.contains(&newest.blob.name.to_string()), "the newest that is verified is gone: {newest:?}");

    let (points, gone) = (world.points().await, world.gone().await);
    for point in &gone {
        let (lies, known) = (world.shelf.find(point.blob.name.as_str()), point.verification.seen().unwrap());
        assert!(lies.is_none_or(|lies| !lies.is_same(known)), "it is called deleted: {point:?}");
    }
    for point in shelf::standing(&points) {
        let lies = world.shelf.find(point.blob.name.as_str());
        assert!(lies.is_some_and(|lies| lies.is_same(point.verification.seen().unwrap())), "{point:?}");
    }
    for operation in all(world).await {
        let point = RecoveryPoint::of(&operation);
        assert!(
            point.is_none_or(|point| points.iter().chain(&gone).any(|known| known.id == point.id)),
            "{operation:#?}"
        );
    }
    assert_eq!(*world.broken.lock().unwrap(), [""; 0]);
}

/// The accesses of closing: from the last entry to when the marker is gone.
fn closing(deeds: &[Deed]) -> RangeInclusive<usize> {
    let recorded = deeds.iter().position(|deed| *deed == Deed::Record).unwrap();
    let forgotten = deeds.iter().position(|deed| *deed == Deed::Forget).unwrap();
    recorded - 1..=forgotten
}

/// Every access of closing goes wrong once, in every way.
async fn retires(keep: usize, second: Second) {
    let case = Case { keep: Some(keep), ..Case::of(Kind::Backup, second) };
    let deeds = deeds(case).await;
    // Long enough for a mark to say nothing any more, and for a restore that waited for that to run.
    let anywhere = [Refused, Dies, Paused(Soon), Paused(After(600)), Paused(AtTheEnd)];
    let changes = [AnswerLost, Blind, Late(After(600))];
    for number in closing(&deeds) {
        live_through(case, number, &anywhere).await;
        if deeds[number] != Deed::Read {
            live_through(case, number, &changes).await;
        }
    }
}

#[tokio::test]
async fn a_backup_retires_older_ones_whatever_happens_while_another_sweeps() {
    retires(1, Second::Sweep).await;
    retires(2, Second::Sweep).await;
}

#[tokio::test]
async fn a_backup_retires_older_ones_whatever_happens_beside_another_retirement() {
    retires(1, Second::Retire).await;
}

#[tokio::test]
async fn a_backup_retires_older_ones_whatever_happens_when_a_restore_of_one_begins() {
    retires(1, Second::Restore).await;
    retires(2, Second::Restore).await;
}

#[tokio::test]
async fn a_backup_retires_nothing_whatever_happens_while_a_restore_runs() {
    retires(1, Second::Restoring).await;
}

#[tokio::test]
async fn a_backup_retires_older_ones_whatever_happens_while_strangers_are_adopted() {
    retires(1, Second::Adopt).await;
}

#[tokio::test]
async fn a_backup_retires_older_ones_whatever_happens_while_one_is_overwritten() {
    retires(1, Second::Overwrite).await;
    retires(2, Second::Overwrite).await;
}

/// What was deleted, by name: those of a batch go at the same time.
fn gone(world: &World) -> Vec<String> {
    let mut gone = world.shelf.deleted.lock().unwrap().clone();
    gone.sort();
    gone
}

#[tokio::test]
async fn older_ones_go_by_themselves() {
    let case = Case { keep: Some(1), ..Case::of(Kind::Backup, Second::Sweep) };
    let world = case.world().await;
    first(case, Process::new(&world, None)).await;
    assert_eq!(gone(&world), OLD);
}

/// Somebody dies right after the last entry, and whoever closes has heard nothing of Azure's time, and stands still
/// while a restore begins.
#[tokio::test]
async fn who_closes_by_a_clock_that_is_behind_deletes_nothing_under_a_restore() {
    let case = Case { keep: Some(1), ..Case::of(Kind::Backup, Second::Sweep) };
    let last_entry = *closing(&deeds(case).await).start();
    for number in 0.. {
        let world = case.world().await;
        let dead = Process::new(&world, Some((last_entry, Dies)));
        tokio::select! {
            () = first(case, dead.clone()) => panic!("it lives"),
            () = dead.fate.stopped.notified() => {}
        }
        let mishap = Some((number, Paused(AtTheEnd)));
        let behind = Process::ahead(&world, SignedDuration::from_mins(-10), mishap);
        let driver = Driver::new(behind.ports());
        let mut sweep = pin!(driver.sweep(Duration::ZERO));
        let stopped = tokio::select! {
            swept = &mut sweep => { swept.unwrap(); false }
            () = behind.fate.stopped.notified() => true,
        };
        if !stopped {
            assert_eq!(gone(&world), OLD);
            return;
        }
        let other = Driver::new(Process::new(&world, None).ports());
        let id = open_restore(&other).await;
        other.drive(id, world.now(), |_| ()).await.unwrap().unwrap();
        behind.fate.wake.notify_one();
        sweep.await.unwrap();
        assert_eq!(*world.broken.lock().unwrap(), [""; 0], "at {number}");
    }
}
