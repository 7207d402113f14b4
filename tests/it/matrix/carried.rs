//! How letters are carried: a recipient that fails or hangs stops no other, none overtakes another, and what this process
//! cannot tell is left to those who can.

use std::{
    future::pending,
    sync::{Mutex, atomic::AtomicBool},
};

use apim_dr::{
    domain::{
        Alarm, Change, Condition, Entry, HookName, Letter, Level as Severity, News, Notice, Recipient,
        Subject,
    },
    keys::StateKey,
    ports::{Alarms as _, Hooks, Journal as _, NotDelivered, Outbox as _, Ports},
    records::Records,
    workflows::Courier,
};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tracing::Level;

use super::*;
use crate::logged::Logged;

/// As after a restart: nothing is remembered but in the records.
async fn deliver(ports: &Ports) {
    Courier::default().deliver(ports, &TaskTracker::new(), None).await;
}

/// Hooks that do what their names say; `down` is one that does not answer for a while.
#[derive(Debug, Default)]
struct Hooked {
    tried: Mutex<Vec<String>>,
    down: AtomicBool,
    /// What `down` was told.
    told: Mutex<Vec<String>>,
    /// Who is not among the settings.
    unknown: Mutex<Vec<String>>,
    /// Something came to `slow`, and when it may answer.
    arrived: Notify,
    answer: Notify,
}

impl Hooked {
    fn tries(&self, name: &str) -> usize {
        self.tried.lock().unwrap().iter().filter(|tried| *tried == name).count()
    }

    fn ports(self: &Arc<Self>, world: &Arc<World>) -> Ports {
        Ports { hooks: self.clone(), ..Process::new(world, None).ports() }
    }
}

#[async_trait]
impl Hooks for Hooked {
    fn wanting(&self, _: &Notice) -> Vec<HookName> {
        vec!["down".parse().unwrap()]
    }

    fn refuses(&self, to: &Recipient) -> Option<String> {
        let unknown = self.unknown.lock().unwrap();
        unknown.iter().any(|name| name == to.name()).then(|| "not in these settings".to_owned())
    }

    fn is_one_row(&self, name: &str) -> bool {
        name == "beat"
    }

    async fn send(&self, notice: &Notice, to: &Recipient) -> Result<(), NotDelivered> {
        self.tried.lock().unwrap().push(to.name().to_owned());
        let reason = || "it was scripted".to_owned();
        let failed = |lasting| Err(NotDelivered { reason: reason(), lasting, expected: false });
        match to.name() {
            "down" | "beat" if self.down.load(Ordering::SeqCst) => failed(false),
            "down" | "beat" => {
                self.told.lock().unwrap().push(notice.id.clone());
                Ok(())
            }
            ".callback" => Err(NotDelivered { reason: reason(), lasting: true, expected: true }),
            "hangs" => pending().await,
            "slow" => {
                self.arrived.notify_one();
                self.answer.notified().await;
                Ok(())
            }
            "fails" => failed(false),
            "refuses" => failed(true),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_letter_that_fails_is_tried_for_a_day_and_one_that_hangs_or_is_refused_stops_no_other() {
    let (logged, _logging) = Logged::begin(Level::WARN);
    let world = World::new();
    let hooked = Arc::new(Hooked::default());
    let ports = hooked.ports(&world);
    let notice = Notice { id: "a".to_owned(), at: world.now(), targets: Vec::new(), news: News::Test };
    let post = async |name: &str| {
        let to = Recipient::Hook(name.parse().unwrap());
        ports.outbox.post(&Letter { notice: notice.clone(), to }, world.now()).await.unwrap();
    };
    for name in ["fails", "refuses", "works"] {
        post(name).await;
    }
    for _ in 0..24 * 60 + 10 {
        deliver(&ports).await;
        world.advance(Duration::from_mins(1));
    }
    // 0, 1, 3, 7, 15, 31 and 63 minutes after it was posted, then every hour until a day is over.
    assert_eq!(["fails", "refuses", "works"].map(|name| hooked.tries(name)), [7 + 23, 1, 1]);
    for name in ["fails", "refuses"] {
        assert_eq!(
            logged.count(&["WARN", "not tried any more", name, "it was scripted"]),
            1,
            "{}",
            logged.text()
        );
    }
    assert_eq!((logged.count(&["ERROR"]), logged.count(&["works"])), (0, 0), "{}", logged.text());
    assert_eq!(world.records.waiting().await.unwrap().waiting, []);

    let notice = Notice { id: "b".to_owned(), ..notice.clone() };
    for name in ["hangs", "works"] {
        let to = Recipient::Hook(name.parse().unwrap());
        ports.outbox.post(&Letter { notice: notice.clone(), to }, world.now()).await.unwrap();
    }
    let stopped = async {
        while world.records.waiting().await.unwrap().waiting.len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = deliver(&ports) => panic!("it hangs"),
        () = stopped => {}
    }
    assert_eq!((hooked.tries("hangs"), hooked.tries("works")), (1, 2));
}

fn of_operation() -> (Operation, Recipient) {
    let now = Timestamp::UNIX_EPOCH;
    let (plan, credentials) = order(Kind::Backup, &serde_json::json!({}));
    let operation = Operation::open(OperationId::at(now), plan, now, now);
    (operation, Recipient::Callback(credentials.callback.unwrap()))
}

#[tokio::test]
async fn a_callback_that_does_not_open_is_left_for_a_day_and_then_given_up_and_so_told() {
    let (logged, _logging) = Logged::begin(Level::WARN);
    let world = World::new();
    let (operation, to) = of_operation();
    let letter = Letter { notice: Notice::ended(&operation, 2, Vec::new()), to };
    let other = Records::on(world.store.clone(), StateKey::generate());
    other.post(&letter, world.now()).await.unwrap();
    let hooked = Arc::new(Hooked::default());
    let ports = hooked.ports(&world);
    for _ in 0..23 {
        deliver(&ports).await;
        world.advance(Duration::from_hours(1));
    }
    let [waiting] = world.records.waiting().await.unwrap().waiting.try_into().unwrap();
    assert_eq!((waiting.tries, logged.count(&["WARN"])), (0, 0), "{}", logged.text());
    // Whoever has the key can still tell it.
    assert!(other.letter(&letter.key()).await.unwrap().is_some());
    world.advance(Duration::from_hours(1));
    deliver(&ports).await;
    assert_eq!(world.records.waiting().await.unwrap().waiting, []);
    assert_eq!(
        logged.count(&["WARN", "not tried any more", "callback", "another state key"]),
        1,
        "{}",
        logged.text()
    );
    assert_eq!(hooked.tries(".callback"), 0);
}

#[tokio::test]
async fn what_the_settings_of_another_process_allow_is_left_to_it_for_a_day() {
    let (logged, _logging) = Logged::begin(Level::WARN);
    let world = World::new();
    let (operation, callback) = of_operation();
    let notice = Notice::ended(&operation, 2, Vec::new());
    let hook = Recipient::Hook("works".parse().unwrap());
    for to in [callback, hook] {
        world.records.post(&Letter { notice: notice.clone(), to }, world.now()).await.unwrap();
    }
    let hooked = Arc::new(Hooked::default());
    *hooked.unknown.lock().unwrap() = vec!["works".to_owned(), ".callback".to_owned()];
    let ports = hooked.ports(&world);
    deliver(&ports).await;
    world.advance(Duration::from_hours(23));
    deliver(&ports).await;
    let waiting = world.records.waiting().await.unwrap().waiting;
    assert_eq!(waiting.iter().map(|letter| letter.tries).collect::<Vec<_>>(), [0, 0]);
    world.advance(Duration::from_hours(1));
    let knows = Arc::new(Hooked::default());
    *knows.unknown.lock().unwrap() = vec!["works".to_owned()];
    // That nobody waits for it is no reason for a warning.
    deliver(&knows.ports(&world)).await;
    assert_eq!((knows.tries(".callback"), knows.tries("works")), (1, 0));
    assert_eq!(logged.count(&["WARN"]), 1, "{}", logged.text());
    assert_eq!(logged.count(&["WARN", "not tried any more", "works", "not in these settings"]), 1);
    assert_eq!(world.records.waiting().await.unwrap().waiting, []);
}

fn alarm(world: &World, seq: u32, change: Change) -> Alarm {
    let subject = Subject::Target("primary".parse().unwrap());
    let condition = Condition::new("rpo", Severity::Critical, "text", "remedy");
    Alarm { subject, seq, change, at: world.now(), since: world.now(), condition }
}

async fn post(world: &World, notice: Notice, name: &str) {
    let to = Recipient::Hook(name.parse().unwrap());
    world.records.post(&Letter { notice, to }, world.now()).await.unwrap();
}

#[tokio::test]
async fn one_that_was_down_hears_what_counts_in_its_order_and_nothing_that_is_over() {
    let (logged, _logging) = Logged::begin(Level::WARN);
    let world = World::new();
    let hooked = Arc::new(Hooked::default());
    let ports = hooked.ports(&world);
    hooked.down.store(true, Ordering::SeqCst);
    let minutes = async |count: usize| {
        for _ in 0..count {
            deliver(&ports).await;
            world.advance(Duration::from_mins(1));
        }
    };
    let raised = alarm(&world, 1, Change::Raised);
    post(&world, Notice::alarm(&raised), "down").await;
    world.records.record_alarm(&raised).await.unwrap();
    let (operation, _) = of_operation();
    let first = Entry::first(operation);
    world.records.append(&first).await.unwrap();
    let start = Notice { at: world.now(), ..Notice::started(&first.operation, 2, Vec::new()) };
    post(&world, start.clone(), "down").await;
    minutes(40).await;
    assert_eq!(hooked.tries("down"), 2 * 6, "each after 0, 1, 3, 7, 15 and 31 minutes");

    // The end of both, while both rest for half an hour.
    let resolved = alarm(&world, 2, Change::Resolved);
    post(&world, Notice::alarm(&resolved), "down").await;
    world.records.record_alarm(&resolved).await.unwrap();
    let last = first.then(Event::Skipped { reason: "late".into() }, world.now()).unwrap();
    world.records.append(&last).await.unwrap();
    let end = Notice::ended(&last.operation, last.seq, Vec::new());
    post(&world, end.clone(), "down").await;
    hooked.down.store(false, Ordering::SeqCst);
    minutes(1).await;
    let mut told = hooked.told.lock().unwrap().clone();
    told.sort();
    let mut expected = [end.id, Notice::alarm(&resolved).id];
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(world.records.waiting().await.unwrap().waiting, []);
    assert_eq!(logged.count(&["WARN"]), 0, "{}", logged.text());

    // A start that is posted by one that stood still.
    post(&world, Notice { at: world.now(), ..start.clone() }, "down").await;
    // Whoever is not told ends.
    post(&world, start, "works").await;
    minutes(1).await;
    assert_eq!((hooked.told.lock().unwrap().len(), hooked.tries("works")), (2, 1));
}

#[tokio::test]
async fn an_old_success_is_told_before_the_failure_of_today_and_never_after_it() {
    for name in ["down", "beat"] {
        let world = World::new();
        let hooked = Arc::new(Hooked::default());
        let ports = hooked.ports(&world);
        hooked.down.store(true, Ordering::SeqCst);
        let (operation, _) = of_operation();
        let mut expected = Vec::new();
        for seq in [7, 12, 14] {
            let notice = Notice { at: world.now(), ..Notice::ended(&operation, seq, Vec::new()) };
            expected.push(notice.id.clone());
            post(&world, notice, name).await;
            for _ in 0..20 {
                deliver(&ports).await;
                world.advance(Duration::from_mins(1));
            }
        }
        assert_eq!(hooked.tries(name), 6, "only the oldest is tried");
        hooked.down.store(false, Ordering::SeqCst);
        for _ in 0..10 {
            deliver(&ports).await;
            world.advance(Duration::from_mins(1));
        }
        assert_eq!(*hooked.told.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_being_sent_is_written_down_though_whoever_carries_it_is_stopped() {
    let world = World::new();
    let hooked = Arc::new(Hooked::default());
    let ports = hooked.ports(&world);
    let notice = Notice { id: "a".to_owned(), at: world.now(), targets: Vec::new(), news: News::Test };
    post(&world, notice, "slow").await;
    let tasks = TaskTracker::new();
    let courier = Courier::default();
    tokio::select! {
        biased;
        () = courier.deliver(&ports, &tasks, None) => panic!("it waits"),
        () = hooked.arrived.notified() => {}
    }
    hooked.answer.notify_one();
    tasks.close();
    tasks.wait().await;
    assert_eq!(world.records.waiting().await.unwrap().waiting, []);
    assert_eq!(hooked.tries("slow"), 1);
}

#[tokio::test]
async fn of_one_operation_only_its_own_letters_are_carried_and_not_before_those_that_others_carry() {
    let world = World::new();
    let hooked = Arc::new(Hooked::default());
    let ports = hooked.ports(&world);
    let (theirs, callback) = of_operation();
    let mut ours = theirs.clone();
    ours.id = OperationId::at(world.now());
    let only = async |id| Courier::default().deliver(&ports, &TaskTracker::new(), Some(&[id])).await;
    let ended = |operation: &Operation| Notice { at: world.now(), ..Notice::ended(operation, 2, Vec::new()) };
    post(&world, ended(&theirs), "works").await;
    world.advance(Duration::from_mins(1));
    post(&world, ended(&ours), "works").await;
    let letter = Letter { notice: ended(&ours), to: callback };
    world.records.post(&letter, world.now()).await.unwrap();
    only(ours.id).await;
    assert_eq!((hooked.tries("works"), hooked.tries(".callback")), (0, 1));
    // Nobody carries theirs: without a server it would be in the way for ever.
    world.advance(Duration::from_hours(2));
    only(ours.id).await;
    let waiting = world.records.waiting().await.unwrap().waiting;
    assert_eq!((hooked.tries("works"), waiting.len()), (1, 1));
    assert!(waiting[0].key.is_of(theirs.id));
}
