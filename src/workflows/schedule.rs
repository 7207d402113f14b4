//! The schedules: each instant of a target's that is due becomes one backup, or one drill.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Draw, Error, IfBusy, Opened, choose::is_used, draw, drill_plan, is_claimed, open};
use crate::{
    domain::{Kind, Operation, Schedule, Target, TargetName},
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
    known: Mutex<HashMap<(TargetName, Kind), Known>>,
}

/// One of the schedules: of a target's backups, or of its drills, which are restores.
#[derive(Debug, Clone, Copy)]
struct Series<'a> {
    target: &'a Target,
    kind: Kind,
    schedule: &'a Schedule,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    since: Since,
    /// The newest slot that is there, whoever opened it; or that cannot be opened, and that was told.
    slot: Option<Timestamp>,
}

/// A slot that was due, and what became of it.
#[derive(Debug)]
pub struct Due {
    pub target: TargetName,
    pub kind: Kind,
    pub opened: Result<Operation, Error>,
}

impl Due {
    /// What was due, in words.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Backup => self.target.to_string(),
            Kind::Restore => format!("drill of {}", self.target),
        }
    }
}

impl Agenda {
    pub fn new(targets: Vec<Target>) -> Self {
        Self { targets, known: Mutex::default() }
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The next instant of any schedule after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.series().filter_map(|series| series.schedule.next(now)).min()
    }

    fn series(&self) -> impl Iterator<Item = Series<'_>> {
        self.targets.iter().flat_map(|target| {
            let backups = Series { target, kind: Kind::Backup, schedule: &target.schedule };
            let drills = target.drill.as_ref().and_then(|drill| drill.schedule.as_ref());
            let drills = drills.map(|schedule| Series { target, kind: Kind::Restore, schedule });
            [Some(backups), drills].into_iter().flatten()
        })
    }

    /// Opens what is due `now` and was not opened yet. A timer may fire early: `fired` is the instant that it means.
    /// One target that fails never stops the others; the next call tries it again.
    pub async fn open_due(&self, ports: &Ports, now: Timestamp, fired: Option<Timestamp>) -> Vec<Due> {
        let mut looks = Vec::new();
        for series in self.series() {
            looks.push(self.look_at(ports, series, now, fired));
        }
        let looks: Vec<_> = stream::iter(looks).buffered(TARGETS_AT_ONCE).collect().await;
        looks.into_iter().flatten().collect()
    }

    async fn look_at(
        &self,
        ports: &Ports,
        series: Series<'_>,
        now: Timestamp,
        fired: Option<Timestamp>,
    ) -> Option<Due> {
        let Series { target, kind, .. } = series;
        let opened = self.open_one(ports, series, now, fired).await.transpose()?;
        if let Err(error) = &opened {
            tracing::error!(
                target.name = %target.name,
                operation.kind = %kind,
                error = error as &dyn std::error::Error,
                "this target's slot cannot be opened; the others are"
            );
        }
        Some(Due { target: target.name.clone(), kind, opened })
    }

    async fn open_one(
        &self,
        ports: &Ports,
        series: Series<'_>,
        now: Timestamp,
        fired: Option<Timestamp>,
    ) -> Result<Option<Operation>, Error> {
        let Series { target, kind, schedule } = series;
        let ahead = |fired: &Timestamp| *fired > now && schedule.latest(*fired) == Some(*fired);
        let now = fired.filter(ahead).unwrap_or(now);
        let known = match self.known(series) {
            Some(known) => known,
            None => Known { since: since(ports, series, now).await?, slot: None },
        };
        let due = schedule.due(known.since.at, now).filter(|instant| Some(*instant) > known.slot);
        let Some(instant) = due else {
            self.remember(series, known);
            return Ok(None);
        };
        let opened = match kind {
            Kind::Backup => open_backup(ports, target, instant, known.since).await?,
            Kind::Restore => self.open_drill(ports, target, instant).await?,
        };
        self.remember(series, Known { slot: Some(instant), ..known });
        let Some(operation) = opened else { return Ok(None) };
        let late = now.duration_since(instant) > LATE;
        tracing::info!(
            target.name = %target.name,
            slot = %instant,
            late,
            operation.id = %operation.id,
            operation.kind = operation.plan.word(),
            "slot opened"
        );
        Ok(Some(operation))
    }

    /// Creates `slots/{target}.drill/{instant}` exactly once; `None`: somebody did before, or there is nothing to hold a
    /// drill with. That is told once, and the next instant tries again.
    async fn open_drill(
        &self,
        ports: &Ports,
        target: &Target,
        instant: Timestamp,
    ) -> Result<Option<Operation>, Error> {
        let cause = Cause::Drill { target: target.name.clone(), instant };
        let plan = async {
            let plan = drill_plan(target, &self.targets, &ports.bounds)?;
            // Whoever died after claiming the instant has chosen already.
            if is_claimed(ports, &cause, &plan).await? {
                return Ok(plan);
            }
            let key = target.credentials.access_key.as_ref();
            draw(ports, plan, Draw::Newest { verified: true }, key).await
        };
        match plan.await {
            Ok(plan) => {
                let opened = open(ports, plan, &target.credentials, &cause, IfBusy::Wait).await?;
                Ok((!opened.joined).then_some(opened.operation))
            }
            Err(
                error @ (Error::NoRecoveryPoint { .. } | Error::NoDrill { .. } | Error::DrillRefused { .. }),
            ) => {
                tracing::error!(
                    target.name = %target.name,
                    slot = %instant,
                    error = &error as &dyn std::error::Error,
                    "no drill is held"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn known(&self, series: Series<'_>) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&series.key()).copied()
    }

    fn remember(&self, series: Series<'_>, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(series.key(), known);
    }
}

impl Series<'_> {
    fn key(self) -> (TargetName, Kind) {
        (self.target.name.clone(), self.kind)
    }
}

async fn since(ports: &Ports, series: Series<'_>, now: Timestamp) -> Result<Since, Error> {
    let Series { target, kind, schedule } = series;
    let schedule = schedule.to_string();
    let since = match kind {
        Kind::Backup => ports.journal.since(&target.name, &schedule, now).await,
        Kind::Restore => ports.journal.drills_since(&target.name, &schedule, now).await,
    };
    since.map_err(|source| Error::Schedule { target: target.name.clone(), source })
}

/// Creates `slots/{target}/{instant}` exactly once; `None`: somebody did before.
async fn open_backup(
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
