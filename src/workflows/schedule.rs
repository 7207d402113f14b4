//! The schedule: each target's instant that is due becomes one operation.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Error, IfBusy, Opened, choose::is_used, open};
use crate::{
    domain::{Operation, Target, TargetName},
    ports::{Cause, Ports, Since},
};

/// How many targets are looked at, at the same time.
const TARGETS_AT_ONCE: usize = 64;
/// From then on a slot is called late.
const LATE: SignedDuration = SignedDuration::from_mins(2);

/// The targets, and what this process knows of their slots. A sweep asks the records only about what it does not
/// know; what is lost with the process is asked again.
#[derive(Debug)]
pub struct Agenda {
    targets: Vec<Target>,
    known: Mutex<HashMap<TargetName, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    since: Since,
    /// The newest slot that is there, whoever opened it.
    slot: Option<Timestamp>,
}

/// A slot that was due, and what became of it.
#[derive(Debug)]
pub struct Due {
    pub target: TargetName,
    pub opened: Result<Operation, Error>,
}

impl Agenda {
    pub fn new(targets: Vec<Target>) -> Self {
        Self { targets, known: Mutex::default() }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The next instant of any target after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.targets.iter().filter_map(|target| target.schedule.next(now)).min()
    }

    /// Opens what is due `now` and was not opened yet. A timer may fire early: `fired` is the instant that it means.
    /// One target that fails never stops the others; the next call tries it again.
    pub async fn open_due(&self, ports: &Ports, now: Timestamp, fired: Option<Timestamp>) -> Vec<Due> {
        let mut looks = Vec::new();
        for target in &self.targets {
            looks.push(self.look_at(ports, target, now, fired));
        }
        let looks: Vec<_> = stream::iter(looks).buffered(TARGETS_AT_ONCE).collect().await;
        looks.into_iter().flatten().collect()
    }

    async fn look_at(
        &self,
        ports: &Ports,
        target: &Target,
        now: Timestamp,
        fired: Option<Timestamp>,
    ) -> Option<Due> {
        let opened = self.open_one(ports, target, now, fired).await.transpose()?;
        if let Err(error) = &opened {
            tracing::error!(
                target.name = %target.name,
                error = error as &dyn std::error::Error,
                "this target's slot cannot be opened; the others are"
            );
        }
        Some(Due { target: target.name.clone(), opened })
    }

    async fn open_one(
        &self,
        ports: &Ports,
        target: &Target,
        now: Timestamp,
        fired: Option<Timestamp>,
    ) -> Result<Option<Operation>, Error> {
        let ahead = |fired: &Timestamp| *fired > now && target.schedule.latest(*fired) == Some(*fired);
        let now = fired.filter(ahead).unwrap_or(now);
        let known = match self.known(&target.name) {
            Some(known) => known,
            None => Known { since: since(ports, target, now).await?, slot: None },
        };
        let due = target.schedule.due(known.since.at, now).filter(|instant| Some(*instant) > known.slot);
        let Some(instant) = due else {
            self.remember(target, known);
            return Ok(None);
        };
        let opened = open_slot(ports, target, instant, known.since).await?;
        self.remember(target, Known { slot: Some(instant), ..known });
        let Some(operation) = opened else { return Ok(None) };
        let late = now.duration_since(instant) > LATE;
        tracing::info!(target.name = %target.name, slot = %instant, late, operation.id = %operation.id, "slot opened");
        Ok(Some(operation))
    }

    fn known(&self, target: &TargetName) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(target).copied()
    }

    fn remember(&self, target: &Target, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(target.name.clone(), known);
    }
}

async fn since(ports: &Ports, target: &Target, now: Timestamp) -> Result<Since, Error> {
    let schedule = target.schedule.to_string();
    let since = ports.journal.since(&target.name, &schedule, now).await;
    since.map_err(|source| Error::Schedule { target: target.name.clone(), source })
}

/// Creates `slots/{target}/{instant}` exactly once; `None`: somebody did before.
async fn open_slot(
    ports: &Ports,
    target: &Target,
    instant: Timestamp,
    since: Since,
) -> Result<Option<Operation>, Error> {
    let cause = Cause::Slot { target: target.name.clone(), instant };
    let mut plan = target.scheduled(instant, since.changed.then_some(since.at));
    if is_used(ports, &plan).await? {
        // By a backup of that day that the schedule knows nothing of.
        plan = target.by_hand(instant);
    }
    let Opened { operation, joined } = open(ports, plan, &target.credentials, &cause, IfBusy::Wait).await?;
    Ok((!joined).then_some(operation))
}
