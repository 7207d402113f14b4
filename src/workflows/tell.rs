//! Telling what happened: letters are posted where it happens, and carried by whoever comes by.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{Callback, Entry, Event, Letter, LetterKey, News, Notice, Recipient},
    ports::{Delivery, Letters, NotDelivered, Ports, RecordsError, Taken, Waiting},
};

/// How many letters are carried at the same time: one that hangs delays no other.
const AT_ONCE: usize = 64;
/// How long a try counts at least, and the shortest pause after one.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// How late after a try was taken its letter is still sent: with the half minute that a hook takes at most it is over
/// before the next try.
const PROMPT: Duration = Duration::from_secs(25);
/// How long a letter is tried.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// How long a prepared letter waits for the change of the alarm that it tells of.
pub(super) const PREPARED: SignedDuration = SignedDuration::from_hours(1);

/// Posts a letter to each hook that wants to be told, and one to whoever asked to be.
pub(super) async fn post_notice(
    ports: &Ports,
    notice: &Notice,
    callback: Option<Callback>,
) -> Result<(), RecordsError> {
    let hooks = ports.hooks.wanting(notice).into_iter().map(Recipient::Hook);
    for to in hooks.chain(callback.map(Recipient::Callback)) {
        let letter = Letter { notice: notice.clone(), to };
        ports.outbox.post(&letter, ports.azure.now()).await?;
    }
    Ok(())
}

/// Posts that an operation has ended. It must be told before nothing names the operation any more.
pub(super) async fn post_ended(ports: &Ports, entry: &Entry) -> Result<(), RecordsError> {
    let ended = ending(ports, entry).await?;
    let Entry { seq, operation, .. } = ended.as_ref().unwrap_or(entry);
    let callback = match ports.journal.credentials(operation).await {
        Ok(credentials) => credentials.callback,
        Err(error @ RecordsError::Store { .. }) => return Err(error),
        Err(error) => {
            tracing::warn!(
                operation.id = %operation.id,
                error = &error as &dyn std::error::Error,
                "whoever started the operation is not told its end, if they asked to be"
            );
            None
        }
    };
    let notice = Notice::ended(operation, *seq, ports.concerns.of(&operation.plan));
    post_notice(ports, &notice, callback).await
}

/// The entry that ended it, if that may be another: an answer that came later changes nothing of what was told.
async fn ending(ports: &Ports, last: &Entry) -> Result<Option<Entry>, RecordsError> {
    if !matches!(last.event, Event::Answered { .. }) {
        return Ok(None);
    }
    let entries = match ports.journal.entries(last.operation.id).await {
        Ok(entries) => entries,
        // The end that can be read is told.
        Err(RecordsError::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let entries = entries.into_iter().rev().skip_while(|entry| entry.seq > last.seq);
    Ok(entries.take_while(|entry| entry.operation.phase.is_closed()).last())
}

/// Posts that Azure took an operation. Good to know, so a failure is only told.
pub(super) async fn post_started(ports: &Ports, entry: &Entry) {
    let operation = &entry.operation;
    let notice = Notice::started(operation, entry.seq, ports.concerns.of(&operation.plan));
    if let Err(error) = post_notice(ports, &notice, None).await {
        tracing::warn!(
            operation.id = %operation.id,
            error = &error as &dyn std::error::Error,
            "nobody is told that the operation has started"
        );
    }
}

/// Carries letters.
#[derive(Debug, Default)]
pub struct Courier {
    /// What could not be read, so that it is told once.
    unreadable: Mutex<HashSet<String>>,
}

impl Courier {
    /// Tries every letter that is due. One that fails, or hangs, stops no other.
    pub async fn deliver(&self, ports: &Ports) {
        let Letters { waiting, unreadable } = match ports.outbox.waiting().await {
            Ok(letters) => letters,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::warn!(
                    error,
                    "the letters that wait cannot be listed; the next sweep tries again"
                );
            }
        };
        for error in unreadable {
            self.tell_unreadable(&error);
        }
        let now = ports.azure.now();
        let due = waiting.into_iter().filter(|waiting| is_due(waiting, now));
        // What another process may know is its to try, for a day.
        let is_ours = |waiting: &Waiting| ports.hooks.knows(waiting.key.recipient());
        let due = due.map(|waiting| (is_ours(&waiting), waiting));
        let due = due.filter(|(is_ours, waiting)| *is_ours || now.duration_since(waiting.at) >= PATIENCE);
        let tries = due.map(|(is_ours, waiting)| async move {
            let carried = if is_ours {
                carry(ports, &waiting).await
            } else {
                let reason = "no hook of this name is configured".to_owned();
                give_up(ports, &waiting.key, waiting.key.recipient(), reason).await
            };
            match carried {
                Ok(()) => {}
                Err(error @ RecordsError::Corrupt { .. }) => self.tell_unreadable(&error),
                Err(error) => tracing::warn!(
                    letter = %waiting.key,
                    error = &error as &dyn std::error::Error,
                    "what became of this letter is not recorded; it is tried again"
                ),
            }
        });
        stream::iter(tries).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    fn tell_unreadable(&self, error: &RecordsError) {
        let text = error.to_string();
        if self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(text) {
            tracing::warn!("a letter that waits is left alone: {error}");
        }
    }
}

/// A try counts until its pause is over; one far ahead of us was taken by a clock that was wrong.
fn is_due(Waiting { tries, at, .. }: &Waiting, now: Timestamp) -> bool {
    let waited = now.duration_since(*at);
    *tries == 0 || waited >= pause(*tries) || waited < -LONGEST
}

/// How long after the n-th try the next one comes.
fn pause(tries: u32) -> SignedDuration {
    let doubled = SHORTEST.checked_mul(1 << tries.saturating_sub(1).min(16));
    doubled.map_or(LONGEST, |pause| pause.min(LONGEST))
}

/// Takes the next try of a letter, and sends it.
async fn carry(ports: &Ports, waiting: &Waiting) -> Result<(), RecordsError> {
    let key = &waiting.key;
    let began = ports.clock.elapsed();
    let Taken { mut letter, posted } = match ports.outbox.take(waiting, ports.azure.now()).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return Ok(()),
        Err(error @ RecordsError::Sealed { .. }) => {
            return give_up(ports, key, "the callback", error.to_string()).await;
        }
        Err(error) => return Err(error),
    };
    let age = ports.azure.now().duration_since(posted);
    if let News::Alarm { alarm } = &letter.notice.news {
        let recorded = ports.alarms.alarm(&alarm.subject, &alarm.condition.code, alarm.seq).await?;
        match recorded.map(|recorded| Notice::alarm(&recorded)) {
            // As it was recorded: of several that prepared it at the same moment each has its own words.
            Some(recorded) if recorded.id == letter.notice.id && recorded.at == letter.notice.at => {
                letter.notice = recorded;
            }
            None if age < PREPARED => return Ok(()),
            _ => {
                return end(
                    ports,
                    key,
                    Delivery::GivenUp { reason: "the alarm was not changed so".to_owned() },
                )
                .await;
            }
        }
    }
    if ports.clock.elapsed().saturating_sub(began) > PROMPT {
        // Another process may send it by now.
        return Ok(());
    }
    let to = letter.to.name().trim_start_matches('.');
    match ports.hooks.send(&letter.notice, &letter.to).await {
        Ok(()) => {
            tracing::info!(hook.name = to, notice.id = letter.notice.id, "told");
            end(ports, key, Delivery::Delivered).await
        }
        Err(NotDelivered { reason, lasting }) if lasting || age >= PATIENCE => {
            give_up(ports, key, to, reason).await
        }
        Err(NotDelivered { reason, .. }) => {
            tracing::info!(
                hook.name = to,
                notice.id = letter.notice.id,
                reason,
                "not told yet; it is tried again"
            );
            Ok(())
        }
    }
}

async fn give_up(ports: &Ports, key: &LetterKey, to: &str, reason: String) -> Result<(), RecordsError> {
    tracing::warn!(hook.name = to, letter = %key, reason, "not told, and not tried any more");
    end(ports, key, Delivery::GivenUp { reason }).await
}

async fn end(ports: &Ports, key: &LetterKey, delivery: Delivery) -> Result<(), RecordsError> {
    ports.outbox.end(key, &delivery, ports.azure.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_due_at_once_and_then_after_pauses_that_double_up_to_an_hour() {
        let at = Timestamp::UNIX_EPOCH;
        let rows = [
            (0, 0),
            (1, 60),
            (2, 120),
            (3, 240),
            (6, 1920),
            (7, 3600),
            (8, 3600),
            (40, 3600),
            (u32::MAX, 3600),
        ];
        for (tries, seconds) in rows {
            let waiting = Waiting { key: LetterKey::stored("a"), tries, at };
            let after = |seconds| at + SignedDuration::from_secs(seconds);
            assert!(is_due(&waiting, after(seconds)), "{tries}");
            assert_eq!(is_due(&waiting, after(seconds - 1)), tries == 0, "{tries}");
            // A clock that was corrected by little, and one that was wrong.
            assert_eq!(is_due(&waiting, after(-3600)), tries == 0, "{tries}");
            assert!(is_due(&waiting, after(-3601)), "{tries}");
        }
    }
}
