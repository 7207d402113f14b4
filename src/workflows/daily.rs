//! Once a day every target is looked at as before a backup, and its standby as before a restore: what would keep them
//! from working is an alarm on the day that it appears, not on the day that they are needed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt as _, stream};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Error, StandbyLook, check, judge_standby};
use crate::{
    domain::{DailyCheck, ServiceId, StandbyCheck, Target, TargetName},
    ports::{Access, Ports, RecordsError},
};

/// How many targets are looked at, at the same time.
const AT_ONCE: usize = 4;
/// How often a service that cannot be read is looked at again before that is what the day's look came to.
const PATIENCE: u32 = 10;

/// What this process knows of the day's looks, so that the records are asked once a day.
#[derive(Debug, Default)]
pub struct Watch {
    known: Mutex<HashMap<TargetName, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// UTC.
    day: Date,
    /// It was looked at, or is right now.
    done: bool,
    /// How often it could not be read.
    unread: u32,
}

impl Watch {
    /// Looks at the targets that nobody looked at today. One that fails stops no other, and is tried again by the next
    /// call.
    pub async fn look(&self, ports: &Ports, targets: &[Target]) {
        let now = ports.azure.now();
        let mut looks = Vec::new();
        for target in targets {
            if let Some(known) = self.begin(&target.name, now) {
                looks.push(self.look_at(ports, target, now, known));
            }
        }
        stream::iter(looks).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Takes the day's look for this call, unless it was taken before.
    fn begin(&self, target: &TargetName, now: Timestamp) -> Option<Known> {
        let day = now.to_zoned(TimeZone::UTC).date();
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(target).copied().filter(|known| known.day >= day);
        if before.is_some_and(|known| known.done) {
            return None;
        }
        let known = Known { day, done: true, unread: before.map_or(0, |known| known.unread) };
        all.insert(target.clone(), known);
        Some(known)
    }

    async fn look_at(&self, ports: &Ports, target: &Target, now: Timestamp, known: Known) {
        let unread = match look_at(ports, target, now, known.unread >= PATIENCE).await {
            Ok(true) => return,
            Ok(false) => known.unread + 1,
            Err(error) => {
                tracing::warn!(
                    target.name = %target.name,
                    error = &error as &dyn std::error::Error,
                    "the day's look at this target is not recorded; the next sweep tries again"
                );
                known.unread
            }
        };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(target.name.clone(), Known { done: false, unread, ..known });
    }
}

/// Looks and records it, if nobody did today. `false`: the service cannot be read, and that is not to be taken for the
/// day's look yet (`anyway`).
async fn look_at(ports: &Ports, target: &Target, now: Timestamp, anyway: bool) -> Result<bool, RecordsError> {
    if ports.journal.is_checked(&target.name, now).await? {
        return Ok(true);
    }
    let access = Access { caller: target.plan.caller.clone(), credentials: target.credentials.clone() };
    let own = Box::pin(check(ports, &target.plan, &access)).await;
    if own.findings.iter().any(|finding| finding.code == "service.unreadable") && !anyway {
        return Ok(false);
    }
    let standby = match &target.standby {
        Some(standby) => Some(Box::pin(look_at_standby(ports, target, standby, &access, now)).await),
        None => None,
    };
    let check = DailyCheck {
        target: target.name.clone(),
        at: now,
        service: target.plan.service.clone(),
        findings: own.findings,
        standby,
    };
    ports.journal.record_check(&check).await?;
    Ok(true)
}

async fn look_at_standby(
    ports: &Ports,
    target: &Target,
    standby: &ServiceId,
    access: &Access,
    now: Timestamp,
) -> StandbyCheck {
    let service = standby.clone();
    let warn = |error: &Error, message| {
        tracing::warn!(target.name = %target.name, error = error as &dyn std::error::Error, "{message}");
    };
    match Box::pin(judge_standby(ports, target, standby, access, now)).await {
        Ok(StandbyLook { comparison, findings, readiness }) => {
            if let Err(error) = &comparison {
                warn(error, "the target and its standby cannot be compared");
            }
            StandbyCheck { service, findings, readiness: Some(readiness) }
        }
        Err(error) => {
            warn(&error, "whether a fail-over would work cannot be told");
            StandbyCheck { service, findings: Vec::new(), readiness: None }
        }
    }
}
