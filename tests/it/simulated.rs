//! Simulated time, for tests and benchmarks.

use std::{fmt, time::Duration};

use apim_dr::{emulator::Clock as EmulatedClock, ports::Clock};
use async_trait::async_trait;
use jiff::Timestamp;

/// The emulator's clock, as the app's: waiting moves it, so that nobody sleeps.
#[derive(Clone)]
pub(crate) struct SimulatedClock(pub(crate) EmulatedClock);

impl fmt::Debug for SimulatedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedClock({})", self.0.now())
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.now().as_duration().unsigned_abs()
    }

    async fn sleep(&self, pause: Duration) {
        self.0.advance(pause);
        tokio::task::yield_now().await;
    }
}
