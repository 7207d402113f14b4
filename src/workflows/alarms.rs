//! Looks how it stands with the targets, and tells what has changed: a condition is told of when it begins, when it worsens
//! and when it is over, and daily meanwhile; once, by whichever process records the change.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::{
    report::report,
    tell::{PREPARED, post_notice},
};
use crate::{
    domain::{Alarm, Change, Condition, Notice, Target, changes, corrupt},
    ports::{Ports, RecordsError, Standing, UnreadAlarm},
};

/// How often a process looks.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// When this process looked, so that the records are read seldom.
#[derive(Debug, Default)]
pub struct Lookout {
    /// Held while it looks: of many that ask at once the first looks for all.
    last: Mutex<Option<Timestamp>>,
    hurries: AtomicBool,
}

impl Lookout {
    /// Something has changed: the next look is due at once.
    pub fn hurry(&self) {
        self.hurries.store(true, Ordering::SeqCst);
    }

    /// Looks, if that is due. What fails is told, and done by the next call. `invalid` is what is wrong with targets that
    /// are not among `targets`.
    pub async fn look(&self, ports: &Ports, targets: &[Target], invalid: &[String]) {
        let mut last = self.last.lock().await;
        let now = ports.azure.now();
        let is_fresh = last.is_some_and(|last| last <= now && now.duration_since(last) < PAUSE);
        if !self.hurries.swap(false, Ordering::SeqCst) && is_fresh {
            return;
        }
        *last = None;
        match look(ports, targets, invalid, now).await {
            Ok(()) => *last = Some(now),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "whether an alarm is due cannot be told; the next sweep tries again"
            ),
        }
    }
}

/// How the alarms stand is read first: what somebody else records after that has the number that we would take.
async fn look(
    ports: &Ports,
    targets: &[Target],
    invalid: &[String],
    now: Timestamp,
) -> Result<(), RecordsError> {
    let began = ports.clock.elapsed();
    let Standing { alarms, unreadable } = ports.alarms.alarms().await?;
    let mut report = report(ports, targets, invalid, now).await?;
    if let [first, ..] = unreadable.as_slice() {
        let corrupt =
            corrupt(format!("{} alarms cannot be read, such as: {}", unreadable.len(), first.error));
        if !report.conditions.iter().any(|condition| condition.code == corrupt.code) {
            report.conditions.push(corrupt);
        }
    }
    let is_unread = |alarm: &Alarm| {
        unreadable.iter().any(|UnreadAlarm { subject, code, .. }| {
            *subject == alarm.subject.to_string() && *code == alarm.condition.code
        })
    };
    let mut failed = None;
    for change in changes(&alarms, &report, invalid.is_empty()) {
        if is_unread(&change) {
            continue;
        }
        if let Err(error) = tell(ports, &change, began).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The letters are posted first, prepared: they are carried only if the change is recorded. So whoever dies in between
/// leaves nothing untold that stands.
async fn tell(ports: &Ports, change: &Alarm, began: Duration) -> Result<(), RecordsError> {
    post_notice(ports, &Notice::alarm(change), None).await?;
    let took = ports.clock.elapsed().saturating_sub(began);
    if SignedDuration::try_from(took).is_ok_and(|took| took > PREPARED / 2) {
        // It stood still: what it saw is old, and its letters may have been given up. The next look tells it.
        return Ok(());
    }
    if ports.alarms.record_alarm(change).await? {
        log(change);
    }
    Ok(())
}

/// One line per change, with fields that an alert rule can search.
fn log(Alarm { subject, change, condition, since, .. }: &Alarm) {
    let Condition { code, level, text, remedy } = condition;
    let target = subject.target().map(tracing::field::display);
    let level = level.as_str();
    match change {
        Change::Raised | Change::Worsened | Change::Reminded => tracing::error!(
            target.name = target,
            alarm.code = %code,
            alarm.level = level,
            alarm.since = %since,
            alarm.text = text,
            alarm.remedy = remedy,
            "alarm {}", change.as_str()
        ),
        Change::Resolved => tracing::info!(
            target.name = target,
            alarm.code = %code,
            alarm.level = level,
            alarm.since = %since,
            alarm.text = text,
            "alarm {}", change.as_str()
        ),
    }
}
