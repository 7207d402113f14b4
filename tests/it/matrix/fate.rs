//! What befalls the accesses of a process to the world.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

/// What befalls one access of a process to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It is not done, and fails.
    Refused,
    /// It is done, and fails all the same.
    AnswerLost,
    /// So, and the next access fails as well: whoever reads back what it did learns nothing.
    Blind,
    /// The process dies when it is done.
    Dies,
    /// The process stands still before it.
    Paused(Wake),
    /// The process stands still when it is done, its answer in hand.
    Late(Wake),
}

/// When a process that stands still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// When the other process did what it is there for, and looked at everything once.
    Soon,
    /// Seconds later.
    After(u64),
    /// When everything is quiet.
    AtTheEnd,
}

/// What a process does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Read,
    Write,
    /// A write to the catalogue.
    Record,
    /// The deletion of a marker.
    Forget,
    Post,
}

/// Counts the accesses of a process and lets one of them go wrong.
#[derive(Debug, Default)]
pub(super) struct Fate {
    seen: AtomicUsize,
    /// The world's.
    doings: Arc<AtomicUsize>,
    /// What it did, in order.
    pub(super) deeds: Mutex<Vec<Deed>>,
    mishap: Option<(usize, Mishap)>,
    /// Nothing answers.
    pub(super) down: AtomicBool,
    pub(super) struck: AtomicBool,
    /// Its mishap has struck: it is dead, stands still, or goes on with an error.
    pub(super) stopped: Notify,
    pub(super) wake: Notify,
}

impl Fate {
    pub(super) fn new(doings: Arc<AtomicUsize>, mishap: Option<(usize, Mishap)>) -> Self {
        Self { doings, mishap, ..Self::default() }
    }

    /// Does `access` as its fate wills; others get their turn before and after.
    pub(super) async fn meet<T>(
        &self,
        deed: Deed,
        access: impl Future<Output = T>,
        failed: impl FnOnce() -> T,
    ) -> T {
        tokio::task::yield_now().await;
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        self.deeds.lock().unwrap().push(deed);
        self.doings.fetch_add(1, Ordering::SeqCst);
        let is_blind = self.mishap.is_some_and(|(at, mishap)| mishap == Mishap::Blind && at + 1 == number);
        if is_blind || self.down.load(Ordering::SeqCst) {
            return failed();
        }
        let mishap = self.mishap.filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
        self.struck.fetch_or(mishap.is_some(), Ordering::SeqCst);
        match mishap {
            Some(Mishap::Paused(_)) => {
                self.stopped.notify_one();
                self.wake.notified().await;
            }
            Some(Mishap::Refused) => {
                self.stopped.notify_one();
                return failed();
            }
            _ => {}
        }
        let done = access.await;
        if mishap.is_some() {
            self.stopped.notify_one();
        }
        match mishap {
            Some(Mishap::Dies) => pending().await,
            Some(Mishap::Late(_)) => self.wake.notified().await,
            Some(Mishap::AnswerLost | Mishap::Blind) => return failed(),
            _ => tokio::task::yield_now().await,
        }
        done
    }
}
