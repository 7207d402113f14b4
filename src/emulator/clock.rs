//! The emulator's clock: everything Azure would time is timed by it, and anybody may move it
//! forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that its clones share.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where a manual clock began; `None` follows the system's.
    start: Option<Timestamp>,
    /// Nanoseconds that [`Clock::advance`] has added so far: 584 years fit.
    advanced: AtomicU64,
}

impl Clock {
    /// A clock that follows the system's.
    pub fn system() -> Self {
        Self(Arc::new(Inner { start: None, advanced: AtomicU64::new(0) }))
    }

    /// A clock that stands still at `start` until it is advanced.
    pub fn manual(start: Timestamp) -> Self {
        Self(Arc::new(Inner { start: Some(start), advanced: AtomicU64::new(0) }))
    }

    /// The emulated instant.
    #[expect(clippy::disallowed_methods, reason = "this is where the emulated time enters")]
    pub fn now(&self) -> Timestamp {
        let advanced = self.0.advanced.load(Ordering::SeqCst);
        let start = self.0.start.unwrap_or_else(Timestamp::now);
        let advanced =
            SignedDuration::try_from(Duration::from_nanos(advanced)).unwrap_or(SignedDuration::MAX);
        start.checked_add(advanced).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward; a system clock keeps running from there.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let add = |advanced: u64| Some(advanced.saturating_add(by));
        let _always_some = self.0.advanced.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}
