//! Who turns the crank: one operation until it must wait too long, or all that are open.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Error,
    advance::{Next, Step, Turn, advance},
};
use crate::{
    domain::{Operation, OperationId, later},
    ports::Ports,
};

/// How many steps run at the same time in one process.
const STEPS_AT_ONCE: usize = 64;
/// How many failed steps in a row end a drive; the next sweep takes it up again.
const FAILURES_IN_A_ROW: u32 = 5;

/// Drives operations. One process drives each operation at most once at a time.
#[derive(Debug)]
pub struct Driver {
    ports: Ports,
    /// Closed when the driver was told to stop: then no step begins.
    steps: Semaphore,
    driven: Mutex<HashSet<OperationId>>,
    /// When the next look is due at operations whose last one learned nothing, and so was not recorded. Only a
    /// courtesy to Azure: what is lost with the process is looked at too early once.
    looks: Mutex<HashMap<OperationId, Timestamp>>,
    stop: CancellationToken,
}

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Operations that were found open.
    pub open: usize,
    pub closed: usize,
    /// Operations whose step failed; the others went on.
    pub failed: usize,
}

impl Driver {
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            steps: Semaphore::new(STEPS_AT_ONCE),
            driven: Mutex::default(),
            looks: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Ends every drive after the step it is in, and lets none of these begin a POST. What is left open is
    /// carried on by the next process.
    pub fn stop(&self) {
        self.stop.cancel();
        self.steps.close();
    }

    /// Completes once the driver was told to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Advances one operation until it has ended or would have to wait past `until` (by our own clock), telling
    /// `watch` of every step. `None`: this process drives it already, or was told to stop before the first step.
    pub async fn drive(
        &self,
        id: OperationId,
        until: Timestamp,
        mut watch: impl FnMut(&Operation),
    ) -> Option<Result<Step, Error>> {
        let mut over = None;
        loop {
            let followed = self.follow(id, until, &mut watch, over).await?;
            let Ok(Step { operation, next: Next::At(_) }) = &followed else { return Some(followed) };
            let first = operation.waits_for().filter(|first| Some(*first) != over);
            let Some(first) = first else { return Some(followed) };
            match self.follow(first, until, &mut watch, None).await {
                Some(Ok(Step { next: Next::Closed, .. })) => over = Some(first),
                _ => return Some(followed),
            }
        }
    }

    /// The same for one operation, which ends also where it waits for another one that nobody in this process drives
    /// and that is not `over`.
    async fn follow(
        &self,
        id: OperationId,
        until: Timestamp,
        watch: &mut impl FnMut(&Operation),
        over: Option<OperationId>,
    ) -> Option<Result<Step, Error>> {
        let _claim = Claim::take(self, id)?;
        let mut failures = 0;
        let mut last = None;
        loop {
            let Ok(permit) = self.steps.acquire().await else { return last.map(Ok) };
            let step = self.step(id).await;
            drop(permit);
            match step {
                Ok(step) => {
                    failures = 0;
                    watch(&step.operation);
                    let Next::At(at) = step.next else { return Some(Ok(step)) };
                    let first = step.operation.waits_for().filter(|first| Some(*first) != over);
                    if first.is_some_and(|first| !lock(&self.driven).contains(&first)) {
                        return Some(Ok(step));
                    }
                    // How long is a question of Azure's time, whether we stay so long one of ours.
                    let pause = at.duration_since(self.ports.azure.now()).try_into().unwrap_or_default();
                    if later(self.ports.clock.now(), pause) > until {
                        return Some(Ok(step));
                    }
                    last = Some(step);
                    self.pause(pause).await;
                }
                Err(error) if error.is_transient() && failures < FAILURES_IN_A_ROW => {
                    failures += 1;
                    tracing::warn!(
                        operation.id = %id,
                        error = &error as &dyn std::error::Error,
                        "a step failed; taking it again"
                    );
                    self.pause(Duration::from_secs(1 << failures)).await;
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Advances everything that is open, all at the same time, staying for what falls due within
    /// `linger`. One operation that fails never stops the others.
    pub async fn sweep(&self, linger: Duration) -> Result<Swept, Error> {
        let until = later(self.ports.clock.now(), linger);
        let open = self.ports.journal.open_operations().await.map_err(|source| Error::Sweep { source })?;
        let swept = Swept { open: open.len(), ..Swept::default() };
        let driven =
            stream::iter(open.into_iter().map(|id| async move { (id, self.drive(id, until, |_| ()).await) }));
        let swept = driven.buffer_unordered(usize::MAX).fold(swept, |mut swept, (id, result)| async move {
            match result {
                Some(Ok(Step { next: Next::Closed, .. })) => swept.closed += 1,
                Some(Ok(_)) | None => {}
                Some(Err(error)) => {
                    swept.failed += 1;
                    tracing::error!(operation.id = %id, error = &error as &dyn std::error::Error, "this operation cannot go on; the others do");
                }
            }
            swept
        });
        Ok(swept.await)
    }

    /// Waits, but not longer than until the stop.
    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = self.ports.clock.sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn step(&self, id: OperationId) -> Result<Step, Error> {
        let not_before = lock(&self.looks).get(&id).copied();
        let turn = Turn { not_before, may_start: &|| !self.stop.is_cancelled() };
        // Boxed, so that a thousand operations that wait are not a thousand steps in size.
        let span = tracing::info_span!("step", operation.id = %id);
        let step = Box::pin(advance(&self.ports, id, turn)).instrument(span).await?;
        match step.next {
            Next::At(at) if at > step.operation.due => lock(&self.looks).insert(id, at),
            _ => lock(&self.looks).remove(&id),
        };
        Ok(step)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to drive an operation in this process, which remembers it for so long; given back when dropped.
struct Claim<'a> {
    driver: &'a Driver,
    id: OperationId,
}

impl<'a> Claim<'a> {
    fn take(driver: &'a Driver, id: OperationId) -> Option<Self> {
        if !lock(&driver.driven).insert(id) {
            return None;
        }
        driver.ports.journal.follow(id);
        // Only a claim that was made may exist: dropping one gives it back.
        Some(Self { driver, id })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Before another can take it.
        self.driver.ports.journal.forget(self.id);
        lock(&self.driver.driven).remove(&self.id);
    }
}
