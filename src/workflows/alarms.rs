//! Looks how it stands with the targets, and tells what has changed: a condition is told of when it begins, when it worsens
//! and when it is over, and daily meanwhile; once, by whichever process records the change.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
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

/// Looking takes no more than one part in so many of a process's time: where a thousand operations end, each in a moment
/// of its own, a look at all of them after each would be a million.
const SHARE: u32 = 10;
/// But nobody who hurries waits longer than this.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// When this process looked, so that the records are read seldom.
#[derive(Debug, Default)]
pub struct Lookout {
    /// Held while it looks: of many that ask at once the first looks for all.
    last: Mutex<Looked>,
    /// How many looks were begun.
    begun: AtomicU64,
    hurries: AtomicBool,
}

/// The last look.
#[derive(Debug, Default)]
struct Looked {
    /// `None`: there was none, or it failed.
    at: Option<Timestamp>,
    /// Its number, if it failed.
    failed: Option<u64>,
    /// By the clock that only measures.
    ended: Duration,
    took: Duration,
}

impl Lookout {
    /// Something has changed: the next look is due at once.
    pub fn hurry(&self) {
        self.hurries.store(true, Ordering::SeqCst);
    }

    /// Looks, if that is due. What fails is told, and done by the next call. `invalid` is what is wrong with targets that
    /// are not among `targets`.
    pub async fn look(&self, ports: &Ports, targets: &[Target], invalid: &[String]) {
        let asked = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.failed.is_some_and(|number| number > asked) {
            // Whoever waited while one failed leaves it to the next sweep: each would wait for all those before it.
            return;
        }
        let now = ports.azure.now();
        let is_fresh = last.at.is_some_and(|last| last <= now && now.duration_since(last) < PAUSE);
        if is_fresh && !self.hurries.load(Ordering::SeqCst) {
            return;
        }
        let rest = rest(last.took, ports.clock.elapsed().saturating_sub(last.ended));
        if !rest.is_zero() {
            ports.clock.sleep(rest).await;
        }
        // Whoever hurries from here on may have changed what was read before.
        self.hurries.store(false, Ordering::SeqCst);
        (last.at, last.failed) = (None, None);
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let (began, now) = (ports.clock.elapsed(), ports.azure.now());
        match look(ports, targets, invalid, now).await {
            Ok(()) => last.at = Some(now),
            Err(error) => {
                last.failed = Some(number);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether an alarm is due cannot be told; the next sweep tries again"
                );
            }
        }
        last.ended = ports.clock.elapsed();
        last.took = last.ended.saturating_sub(began);
    }
}

/// How long to wait after a look that `took` so long, `since` it ended.
fn rest(took: Duration, since: Duration) -> Duration {
    took.saturating_mul(SHARE - 1).min(LONGEST_REST).saturating_sub(since)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_takes_a_tenth_of_the_time_at_most_and_keeps_nobody_long() {
        let check = |took, since, expected| {
            let millis = Duration::from_millis;
            assert_eq!(rest(millis(took), millis(since)), millis(expected), "{took} {since}");
        };
        check(0, 0, 0);
        check(5, 0, 45);
        check(5, 40, 5);
        check(5, 46, 0);
        check(2_000, 1_000, 17_000);
        check(60_000, 0, 30_000);
    }
}
