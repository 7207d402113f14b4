//! Who is told what: every end of an operation has its letters, and every condition is told once when it begins and once
//! when it is over, whichever access goes wrong, whoever dies, and whatever does not answer meanwhile.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use apim_dr::{
    domain::{Alarm, Change, DailyCheck, Finding, NameSuffix, Notice, Subject, Target},
    ports::{Alarms as _, Outbox as _, Ports},
    workflows::{Courier, Lookout},
};
use futures::future::join_all;
use jiff::{SignedDuration, tz::TimeZone};
use tokio_util::task::TaskTracker;
use tracing::Level;

use super::*;
use crate::logged::Logged;

/// The letters of an operation tell its ends, each once to the hook and once to its caller, and the last one for sure.
pub(super) async fn check_letters(world: &World, operation: &Operation) {
    let entries = world.records.entries(operation.id).await.unwrap();
    let ends: Vec<_> = entries
        .windows(2)
        .filter(|pair| !pair[0].operation.phase.is_closed() && pair[1].operation.phase.is_closed())
        .map(|pair| pair[1].seq)
        .collect();
    let letters = world.records.waiting().await.unwrap().waiting;
    for to in [".ops", "..callback"] {
        let told: Vec<u32> = letters
            .iter()
            .filter_map(|letter| {
                let of = format!("{}.{}.", operation.plan.service.name.key(), operation.id);
                letter.key.as_str().strip_prefix(&of)?.strip_suffix(to)
            })
            .filter_map(|rest| rest.split('.').next()?.parse().ok())
            .filter(|seq| entries[*seq as usize - 1].operation.phase.is_closed())
            .collect();
        assert_eq!(told.last(), ends.last(), "{to}: {entries:#?}");
        assert!(told.iter().all(|seq| ends.contains(seq)), "{to}: {told:?} of {ends:?}: {entries:#?}");
    }
}

fn target() -> Target {
    let (plan, credentials) = order(Kind::Backup, &serde_json::json!({}));
    Target {
        name: "primary".parse().unwrap(),
        schedule: "0 0 1 * * *".parse().unwrap(),
        zone: TimeZone::UTC,
        suffix: NameSuffix::default(),
        plan,
        credentials,
        rpo: SignedDuration::from_hours(26),
        standby: None,
        drill: None,
    }
}

/// What a process does that tells.
struct Watcher {
    process: Arc<Process>,
    ports: Ports,
    lookout: Lookout,
    courier: Courier,
}

impl Watcher {
    fn new(world: &Arc<World>, mishap: Option<(usize, Mishap)>) -> Self {
        let process = Process::new(world, mishap);
        let ports = process.ports();
        Self { process, ports, lookout: Lookout::default(), courier: Courier::default() }
    }

    /// What it does every few minutes.
    async fn round(&self, targets: &[Target]) {
        self.lookout.look(&self.ports, targets, &[]).await;
        self.deliver().await;
    }

    async fn deliver(&self) {
        self.courier.deliver(&self.ports, &TaskTracker::new(), None).await;
    }

    /// The same, unless it dies of it.
    async fn survives(&self, targets: &[Target]) -> bool {
        tokio::select! {
            () = self.round(targets) => true,
            () = self.process.fate.stopped.notified() => false,
        }
    }

    /// So many rounds; when the target is `gone` from the settings, everybody knows.
    async fn rounds(&self, count: usize, gone: &AtomicBool) {
        for _ in 0..count {
            let targets = if gone.load(Ordering::SeqCst) { vec![] } else { vec![target()] };
            self.round(&targets).await;
            self.process.world.advance(Duration::from_mins(5));
        }
    }
}

const RAISED: &str = "primary.rpo.1.raised";
const RESOLVED: &str = "primary.rpo.2.resolved";

/// A target without a recovery point is there, and later it is gone. One access of the first process goes wrong; another
/// one is there as well. Gives what the first did, and which notices were sent.
async fn tells(mishap: Option<(usize, Mishap)>) -> (Vec<Deed>, Vec<String>) {
    let world = World::new();
    let gone = AtomicBool::default();
    // Another process might have it, and would remind of it within a day.
    let goes = || {
        if !gone.swap(true, Ordering::SeqCst) {
            world.advance(Duration::from_hours(25));
        }
    };
    let first = Watcher::new(&world, mishap);
    let story = async {
        first.rounds(3, &gone).await;
        goes();
        first.rounds(3, &gone).await;
    };
    let second = Watcher::new(&world, None);
    let long = async {
        if !gone.load(Ordering::SeqCst) {
            second.rounds(30, &gone).await;
            goes();
        }
        second.rounds(30, &gone).await;
    };
    {
        let mut story = pin!(story);
        let fate = &first.process.fate;
        let stopped = tokio::select! {
            () = &mut story => false,
            () = fate.stopped.notified() => true,
        };
        match mishap {
            Some((_, Dies)) => {}
            Some((_, Paused(_) | Late(_))) if stopped => {
                long.await;
                fate.wake.notify_one();
                story.await;
            }
            _ if stopped => story.await,
            _ => {}
        }
    }
    if !gone.load(Ordering::SeqCst) {
        second.rounds(30, &gone).await;
        goes();
    }
    second.rounds(30, &gone).await;
    let alarms = world.records.alarms().await.unwrap().alarms;
    assert!(
        matches!(alarms.as_slice(), [Alarm { seq: 2, change: Change::Resolved, .. }]),
        "{mishap:?}: {alarms:#?}"
    );
    let waiting = world.records.waiting().await.unwrap();
    assert!(waiting.waiting.is_empty() && waiting.unreadable.is_empty(), "{mishap:?}: {waiting:#?}");
    let deeds = first.process.fate.deeds.lock().unwrap().clone();
    (deeds, world.told.lock().unwrap().clone())
}

#[tokio::test]
async fn an_alarm_is_told_once_and_so_is_its_end_whichever_access_goes_wrong() {
    let (deeds, told) = tells(None).await;
    assert_eq!(told, [RAISED, RESOLVED]);
    let sends: Vec<_> = (0..deeds.len()).filter(|at| deeds[*at] == Deed::Post).collect();
    let [raised, resolved] = sends.try_into().unwrap();
    for at in 0..deeds.len() {
        for mishap in [Refused, AnswerLost, Blind, Dies, Paused(AtTheEnd), Late(AtTheEnd)] {
            let (_, told) = tells(Some((at, mishap))).await;
            for (id, send) in [(RAISED, raised), (RESOLVED, resolved)] {
                let count = told.iter().filter(|told| *told == id).count();
                // Again only if what went wrong was the sending, or the record of it.
                let most = if at + 1 >= send { 2 } else { 1 };
                assert!((1..=most).contains(&count), "{mishap:?} at {at}: {told:?}");
            }
            assert!(told.iter().all(|id| [RAISED, RESOLVED].contains(&id.as_str())), "{told:?}");
        }
    }
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_in(&mut self, end: usize) -> bool {
        self.below(end) == 0
    }
}

const FIREWALL: &str = "blocked.account.firewall";

/// The changes of an alarm, in order.
async fn changes(world: &World, code: &str) -> Vec<Alarm> {
    let mut changes = Vec::new();
    let subject = Subject::Target(target().name);
    for seq in 1.. {
        match world.records.alarm(&subject, code, seq).await.unwrap() {
            Some(alarm) => changes.push(alarm),
            None => break,
        }
    }
    changes
}

/// Two months of three replicas. Each day somebody looks whether a backup would be blocked, or nobody can.
async fn two_months(seed: u64) {
    const STEP: Duration = Duration::from_mins(20);
    const A_DAY: usize = 72;
    let (mut dice, world, targets) = (Dice(seed), World::new(), [target()]);
    let mut replicas: Vec<_> = (0..3).map(|_| Watcher::new(&world, None)).collect();
    let (mut blocked, mut begun, mut deaths, mut down) = (false, 0, 0, 0);
    for step in 0..60 * A_DAY {
        if step % A_DAY == 0 && step < 58 * A_DAY && !dice.one_in(4) {
            let unread = dice.one_in(3);
            let was = blocked;
            if !unread {
                blocked = dice.one_in(2);
            }
            begun += usize::from(blocked && !was);
            let findings = match (unread, blocked) {
                (true, _) => vec![Finding::warns("service.unreadable", "text", "remedy")],
                (false, true) => vec![Finding::blocks("account.firewall", "text", "remedy")],
                (false, false) => vec![],
            };
            let service = targets[0].plan.service.clone();
            let target = targets[0].name.clone();
            let check = DailyCheck { target, at: world.now(), service, findings, standby: None };
            world.records.record_check(&check).await.unwrap();
        }
        if down == 0 && step < 58 * A_DAY && dice.one_in(75) {
            down = 1 + dice.below(A_DAY / 4);
        }
        for replica in &mut replicas {
            replica.process.fate.down.store(down > 0, Ordering::SeqCst);
            if dice.one_in(150) {
                *replica = Watcher::new(&world, Some((dice.below(60), Dies)));
            }
        }
        down = usize::saturating_sub(down, 1);
        let survived = join_all(replicas.iter().map(|replica| replica.survives(&targets))).await;
        for (replica, survived) in replicas.iter_mut().zip(survived) {
            if !survived {
                deaths += 1;
                *replica = Watcher::new(&world, None);
            }
        }
        world.advance(STEP);
    }
    assert!(begun > 3 && deaths > 5, "{begun} conditions, {deaths} deaths");
    check_months(&world, begun, deaths).await;
}

async fn check_months(world: &World, begun: usize, deaths: usize) {
    let mut ids = Vec::new();
    for (code, begun) in [(FIREWALL, begun), ("rpo", 1)] {
        let changes = changes(world, code).await;
        let count = |change| changes.iter().filter(|alarm| alarm.change == change).count();
        assert_eq!(count(Change::Raised), begun, "{code}");
        let stands = changes.last().unwrap().stands();
        assert_eq!(count(Change::Resolved) + usize::from(stands), begun, "{code}");
        for pair in changes.windows(2) {
            let gap = pair[1].at.duration_since(pair[0].at);
            match (pair[0].stands(), pair[1].change) {
                (false, Change::Raised) | (true, Change::Resolved) => {}
                // A day, and an outage.
                (true, Change::Reminded) => {
                    let hours = SignedDuration::from_hours;
                    assert!((hours(24)..hours(31)).contains(&gap), "{gap} between {pair:#?}");
                }
                _ => panic!("{pair:#?}"),
            }
        }
        ids.extend(changes.iter().map(|alarm| Notice::alarm(alarm).id));
    }
    let mut told = BTreeMap::new();
    for id in world.told.lock().unwrap().iter() {
        *told.entry(id.clone()).or_insert(0) += 1;
    }
    let again: usize = told.values().map(|count| count - 1).sum();
    assert!(again <= deaths, "{again} were told again, with {deaths} deaths");
    ids.sort();
    assert_eq!(told.into_keys().collect::<Vec<_>>(), ids);
    assert!(world.records.waiting().await.unwrap().waiting.is_empty());
}

#[tokio::test]
async fn in_months_of_outages_and_deaths_every_condition_is_told_once_and_reminded_of_daily() {
    for seed in 1..=2 {
        two_months(seed).await;
    }
}

#[tokio::test]
async fn of_many_that_look_where_nobody_answers_two_do_and_the_others_leave_it_to_the_next_sweep() {
    let (logged, _logging) = Logged::begin(Level::WARN);
    let watcher = Watcher::new(&World::new(), None);
    watcher.process.fate.down.store(true, Ordering::SeqCst);
    let look = || watcher.lookout.look(&watcher.ports, &[], &[]);
    let failed = || logged.count(&["WARN", "whether an alarm is due cannot be told"]);
    join_all((0..20).map(|_| look())).await;
    // The first one's was begun before the others asked.
    assert_eq!(failed(), 2, "{}", logged.text());
    look().await;
    assert_eq!(failed(), 3, "nobody leaves it at a failure of before they asked");
}

#[tokio::test]
async fn a_letter_of_a_newer_version_is_left_alone_and_told_once() {
    let (logged, _logging) = Logged::begin(Level::WARN);
    let world = World::new();
    let path = Path::from("outbox/a.1.1.ops/000000.json");
    let newer = r#"{"version":2,"writer":"00000000-0000-4000-8000-000000000000"}"#;
    object_store::ObjectStoreExt::put(&*world.store, &path, newer.into()).await.unwrap();
    let watcher = Watcher::new(&world, None);
    for _ in 0..3 {
        watcher.deliver().await;
        world.advance(Duration::from_hours(30));
    }
    assert_eq!(logged.count(&["WARN", "left alone", "version 2"]), 1, "{}", logged.text());
    assert_eq!(world.records.waiting().await.unwrap().unreadable.len(), 1);
}
