//! The emulator's clock: everything Azure would time is timed by it, and anybody may move it
//! forward.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A clock that runs is later at any time. This is how often it is told.
const TICK: Duration = Duration::from_millis(50);

/// A clock that its clones share.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where a manual clock began; `None` follows the system's.
    start: Option<Timestamp>,
    /// What [`Clock::advance`] has added so far.
    advanced: watch::Sender<Duration>,
}

impl Clock {
    /// A clock that follows the system's.
    pub fn system() -> Self {
        Self(Arc::new(Inner { start: None, advanced: watch::Sender::default() }))
    }

    /// A clock that stands still at `start` until it is advanced.
    pub fn manual(start: Timestamp) -> Self {
        Self(Arc::new(Inner { start: Some(start), advanced: watch::Sender::default() }))
    }

    /// Whether it stands still until it is advanced.
    pub fn is_manual(&self) -> bool {
        self.0.start.is_some()
    }

    /// The emulated instant.
    #[expect(clippy::disallowed_methods, reason = "this is where the emulated time enters")]
    pub fn now(&self) -> Timestamp {
        let advanced = SignedDuration::try_from(*self.0.advanced.borrow()).unwrap_or(SignedDuration::MAX);
        let start = self.0.start.unwrap_or_else(Timestamp::now);
        start.checked_add(advanced).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward; a system clock keeps running from there.
    pub fn advance(&self, by: Duration) {
        self.0.advanced.send_modify(|advanced| *advanced = advanced.saturating_add(by));
    }

    /// Completes when it is later than `instant`.
    pub(super) async fn passes(&self, instant: Timestamp) {
        let mut advanced = self.0.advanced.subscribe();
        if self.is_manual() {
            while self.now() <= instant && advanced.changed().await.is_ok() {}
            return;
        }
        loop {
            tokio::select! {
                // It fails only without a sender, which is here.
                _ = advanced.changed() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            if self.now() > instant {
                return;
            }
        }
    }

    /// How many wait for a later time.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.advanced.receiver_count()
    }
}
