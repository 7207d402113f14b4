//! Carrying letters: whoever comes by tries those that are due, and none overtakes another of its row.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::tell::PREPARED;
use crate::{
    domain::{Letter, LetterKey, News, Notice, OperationId, Recipient},
    ports::{Delivery, Found, Letters, NotDelivered, Ports, RecordsError, Waiting},
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
/// Whose try is so old that nobody carries it: between two tries that are due is an hour at most.
const ABANDONED: SignedDuration = SignedDuration::from_hours(2);
/// Carries letters.
#[derive(Debug, Default)]
pub struct Courier {
    /// What could not be read, so that it is told once.
    unreadable: Mutex<HashSet<String>>,
}

impl Courier {
    /// Tries every letter that is due; with `only`, those of these operations. One that fails, or hangs, stops those of its
    /// row and no other. What is being sent goes on among the `tasks` if this is dropped.
    pub async fn deliver(&self, ports: &Ports, tasks: &TaskTracker, only: Option<&[OperationId]>) {
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
        let rows = rows(waiting, |name| ports.hooks.is_one_row(name)).into_iter();
        let rows = rows.map(|row| self.carry_row(ports, tasks, row, only));
        stream::iter(rows).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// From the oldest on, as far as it goes.
    async fn carry_row(
        &self,
        ports: &Ports,
        tasks: &TaskTracker,
        row: Vec<Waiting>,
        only: Option<&[OperationId]>,
    ) {
        for (n, waiting) in (1..).zip(&row) {
            if only.is_some_and(|only| only.iter().all(|id| !waiting.key.is_of(*id))) {
                if ports.azure.now().duration_since(waiting.at) < ABANDONED {
                    return;
                }
                continue;
            }
            match carry(ports, tasks, waiting, n < row.len()).await {
                Ok(Carried::Over) => {}
                Ok(Carried::Waits) => return,
                Err(error @ RecordsError::Corrupt { .. }) => self.tell_unreadable(&error),
                Err(error) => {
                    return tracing::warn!(
                        letter = %waiting.key,
                        error = &error as &dyn std::error::Error,
                        "what became of this letter is not recorded; it is tried again"
                    );
                }
            }
        }
    }

    fn tell_unreadable(&self, error: &RecordsError) {
        let text = error.to_string();
        if self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(text) {
            tracing::warn!("a letter that waits is left alone: {error}");
        }
    }
}

/// The letters that must not overtake each other, each row from its oldest on.
fn rows(waiting: Vec<Waiting>, is_one_row: impl Fn(&str) -> bool) -> Vec<Vec<Waiting>> {
    let mut rows: BTreeMap<(String, String), Vec<Waiting>> = BTreeMap::new();
    for letter in waiting {
        let (about, to) = letter.key.row();
        let about = if is_one_row(to) { "" } else { about };
        rows.entry((about.to_owned(), to.to_owned())).or_default().push(letter);
    }
    for row in rows.values_mut() {
        row.sort_by_key(|letter| letter.key.place());
    }
    rows.into_values().collect()
}

/// What the oldest letter of a row is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It rests, or somebody has it in hand.
    Rests,
    /// It rests, and keeps others waiting: it may not be needed any more.
    Look,
    Try,
}

/// A try counts until its pause is over; one far ahead of us was taken by a clock that was wrong.
fn turn(Waiting { tries, at, .. }: &Waiting, others_wait: bool, now: Timestamp) -> Turn {
    let waited = now.duration_since(*at);
    if *tries == 0 || waited >= pause(*tries) || waited < -LONGEST {
        Turn::Try
    } else if others_wait && waited >= SHORTEST {
        Turn::Look
    } else {
        Turn::Rests
    }
}

/// How long after the n-th try the next one comes.
fn pause(tries: u32) -> SignedDuration {
    let doubled = SHORTEST.checked_mul(1 << tries.saturating_sub(1).min(16));
    doubled.map_or(LONGEST, |pause| pause.min(LONGEST))
}

/// Whether the next one of its row may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// It is delivered, or given up.
    Over,
    Waits,
}

/// Looks whether a letter is ours to tell, and still to be told, before it takes the next try and sends it.
async fn carry(
    ports: &Ports,
    tasks: &TaskTracker,
    waiting: &Waiting,
    others_wait: bool,
) -> Result<Carried, RecordsError> {
    let Waiting { key, tries, .. } = waiting;
    let now = ports.azure.now();
    let turn = turn(waiting, others_wait, now);
    if turn == Turn::Rests {
        return Ok(Carried::Waits);
    }
    let Found { mut letter, posted } = match ports.outbox.letter(key).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Carried::Over),
        Err(error @ RecordsError::Sealed { .. }) => {
            return leave(ports, waiting, "the callback", error.to_string()).await;
        }
        Err(error) => return Err(error),
    };
    let to = letter.to.name().trim_start_matches('.').to_owned();
    if let Some(reason) = ports.hooks.refuses(&letter.to) {
        return leave(ports, waiting, &to, reason).await;
    }
    let age = now.duration_since(posted);
    if let News::Alarm { alarm } = &letter.notice.news {
        let recorded = ports.alarms.alarm(&alarm.subject, &alarm.condition.code, alarm.seq).await?;
        match recorded.map(|recorded| Notice::alarm(&recorded)) {
            // As it was recorded: of several that prepared it at the same moment each has its own words.
            Some(recorded) if recorded.id == letter.notice.id && recorded.at == letter.notice.at => {
                letter.notice = recorded;
            }
            None if age < PREPARED => return Ok(Carried::Waits),
            _ => return drop_quietly(ports, key, "the alarm was not changed so").await,
        }
    }
    if is_overtaken(ports, &letter, *tries).await? {
        tracing::info!(hook.name = to, letter = %key, "not told: what came after it is");
        return drop_quietly(ports, key, "it was overtaken by what came after it").await;
    }
    let began = ports.clock.elapsed();
    if turn == Turn::Look || !ports.outbox.take(waiting, ports.azure.now()).await? {
        return Ok(Carried::Waits);
    }
    if ports.clock.elapsed().saturating_sub(began) > PROMPT {
        // Another process may send it by now.
        return Ok(Carried::Waits);
    }
    // What was sent must be written down, or it is sent again.
    let sent = send(ports.clone(), key.clone(), letter, age).in_current_span();
    match tasks.spawn(sent).await.map_err(JoinError::try_into_panic) {
        Ok(carried) => carried,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends.
        Err(Err(_)) => Ok(Carried::Waits),
    }
}

/// Another process may have other settings, and be able to tell them: for a day.
async fn leave(
    ports: &Ports,
    Waiting { key, at, .. }: &Waiting,
    to: &str,
    reason: String,
) -> Result<Carried, RecordsError> {
    if ports.azure.now().duration_since(*at) < PATIENCE {
        return Ok(Carried::Waits);
    }
    give_up(ports, key, to, reason).await
}

/// Whether what came later says all that it would. Whoever is not told ends hears of a start all the same.
async fn is_overtaken(
    ports: &Ports,
    Letter { notice, to }: &Letter,
    tries: u32,
) -> Result<bool, RecordsError> {
    match (&notice.news, to) {
        (News::Started { operation }, Recipient::Hook(name)) => {
            let last = match ports.journal.last(operation.id).await {
                Ok(last) => last,
                // It is told as far as it is known.
                Err(RecordsError::Corrupt { .. }) => None,
                Err(error) => return Err(error),
            };
            let last = last.filter(|last| last.operation.phase.is_closed());
            let end = last.map(|last| Notice::ended(&last.operation, last.seq, notice.targets.clone()));
            Ok(end.is_some_and(|end| ports.hooks.wanting(&end).contains(name)))
        }
        (News::Alarm { alarm }, _) if alarm.stands() && tries > 0 => {
            let next = ports.alarms.alarm(&alarm.subject, &alarm.condition.code, alarm.seq + 1).await;
            Ok(next?.is_some())
        }
        _ => Ok(false),
    }
}

/// Sends it once, and writes down what came of it.
async fn send(
    ports: Ports,
    key: LetterKey,
    letter: Letter,
    age: SignedDuration,
) -> Result<Carried, RecordsError> {
    let (id, to) = (&letter.notice.id, letter.to.name().trim_start_matches('.'));
    match ports.hooks.send(&letter.notice, &letter.to).await {
        Ok(()) => {
            tracing::info!(hook.name = to, notice.id = id, "told");
            end(&ports, &key, Delivery::Delivered).await
        }
        Err(NotDelivered { reason, expected: true, lasting: true }) => {
            tracing::info!(hook.name = to, notice.id = id, reason, "not told; perhaps nobody waits for it");
            end(&ports, &key, Delivery::GivenUp { reason }).await
        }
        Err(NotDelivered { reason, lasting, .. }) if lasting || age >= PATIENCE => {
            give_up(&ports, &key, to, reason).await
        }
        Err(NotDelivered { reason, .. }) => {
            tracing::info!(hook.name = to, notice.id = id, reason, "not told yet; it is tried again");
            Ok(Carried::Waits)
        }
    }
}

async fn give_up(ports: &Ports, key: &LetterKey, to: &str, reason: String) -> Result<Carried, RecordsError> {
    tracing::warn!(hook.name = to, letter = %key, reason, "not told, and not tried any more");
    end(ports, key, Delivery::GivenUp { reason }).await
}

async fn drop_quietly(ports: &Ports, key: &LetterKey, reason: &str) -> Result<Carried, RecordsError> {
    end(ports, key, Delivery::GivenUp { reason: reason.to_owned() }).await
}

async fn end(ports: &Ports, key: &LetterKey, delivery: Delivery) -> Result<Carried, RecordsError> {
    ports.outbox.end(key, &delivery, ports.azure.now()).await?;
    Ok(Carried::Over)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(key: &str, tries: u32) -> Waiting {
        Waiting { key: LetterKey::stored(key), tries, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_letter_is_due_at_once_and_then_after_pauses_that_double_up_to_an_hour() {
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
            let waiting = waiting("a", tries);
            let is_due = |seconds| {
                let now = waiting.at + SignedDuration::from_secs(seconds);
                turn(&waiting, false, now) == Turn::Try
            };
            assert!(is_due(seconds), "{tries}");
            assert_eq!(is_due(seconds - 1), tries == 0, "{tries}");
            // A clock that was corrected by little, and one that was wrong.
            assert_eq!(is_due(-3600), tries == 0, "{tries}");
            assert!(is_due(-3601), "{tries}");
        }
    }

    #[test]
    fn one_that_rests_is_looked_at_if_others_wait_for_it_and_nobody_has_it_in_hand() {
        let letter = waiting("a", 7);
        for (seconds, alone, before_others) in [
            (0, Turn::Rests, Turn::Rests),
            (59, Turn::Rests, Turn::Rests),
            (60, Turn::Rests, Turn::Look),
            (3599, Turn::Rests, Turn::Look),
            (3600, Turn::Try, Turn::Try),
            (-60, Turn::Rests, Turn::Rests),
        ] {
            let now = letter.at + SignedDuration::from_secs(seconds);
            assert_eq!(
                (turn(&letter, false, now), turn(&letter, true, now)),
                (alone, before_others),
                "{seconds}"
            );
        }
    }

    #[test]
    fn letters_to_one_recipient_about_one_thing_are_one_row_from_the_oldest_on() {
        const FIRST: &str = "a0000000-0000-7000-8000-000000000001";
        const SECOND: &str = "10000000-0000-7000-8000-000000000002";
        let ops = |n: u32, id: &str, seq: u32, at: u32, to: &str| (n, format!("apim.{id}.{seq}.{at}.{to}"));
        let alarm = |n: u32, what: &str, at: u32| (n, format!("primary.{what}.{at}.ops"));
        // What has one number is one row, in this order.
        let expected = [
            ops(0, FIRST, 3, 90, "beat"),
            ops(0, FIRST, 12, 100, "beat"),
            (0, format!("other.{SECOND}.3.200.beat")),
            ops(1, FIRST, 3, 90, "ops"),
            ops(1, FIRST, 12, 100, "ops"),
            ops(1, SECOND, 2, 100_000, "ops"),
            (2, format!("other.{SECOND}.3.200.ops")),
            ops(3, FIRST, 3, 90, "callback"),
            ops(4, FIRST, 12, 100, ".callback"),
            ops(4, FIRST, 14, 300, ".callback"),
            ops(5, SECOND, 12, 100, ".callback"),
            alarm(6, "rpo.9.raised", 500),
            // A clock was behind: the number counts.
            alarm(6, "rpo.10.resolved", 400),
            alarm(7, "blocked.account.firewall.1.raised", 500),
        ];
        let mut mixed: Vec<_> = expected.iter().map(|(_, key)| waiting(key, 0)).collect();
        mixed.sort_by(|a, b| b.key.cmp(&a.key));
        let found = rows(mixed, |name| name == "beat");
        let of = |row: &Vec<Waiting>| row.iter().map(|letter| letter.key.to_string()).collect::<Vec<_>>();
        let mut found: Vec<_> = found.iter().map(of).collect();
        let mut expected: Vec<Vec<String>> = expected
            .chunk_by(|a, b| a.0 == b.0)
            .map(|row| row.iter().map(|(_, key)| key.clone()).collect())
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
