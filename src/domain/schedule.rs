//! When a target is backed up: NCRONTAB in UTC, and which instant is due.
//!
//! Schedules mean here what they mean to the Functions host: six fields from the second on, or five from the
//! minute on; the day and the weekday must both match; Sunday is 0. What the host would read otherwise than people do
//! (`5/15`, a range that runs backwards) is refused, as is what only other crons know.

use std::{fmt, str::FromStr};

use croner::{Cron, parser::CronParser};
use jiff::{SignedDuration, Timestamp, Unit, tz::TimeZone};

use super::InvalidName;

/// How long before a target was first seen an instant may lie and still be opened; and how far ahead of the clock
/// a timer may fire.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const SEPARATORS: [char; 3] = [',', '-', '/'];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// A schedule that fires at least once. Its instants are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// What a valid value looks like.
    pub const REMEDY: &str = "give an NCRONTAB schedule in UTC that fires: second, minute, hour, day, month, weekday \
                              (0 to 6, Sunday is 0), such as 0 0 1 * * *; with numbers, English names, * , - and / only";

    /// The newest instant that is not after `at_or_before`.
    pub fn latest(&self, at_or_before: Timestamp) -> Option<Timestamp> {
        let second = Timestamp::from_second(at_or_before.as_second()).ok()?.to_zoned(TimeZone::UTC);
        self.cron.find_previous_occurrence(&second, true).ok().map(|found| found.timestamp())
    }

    /// The first instant after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok()?.to_zoned(TimeZone::UTC);
        self.cron.find_next_occurrence(&second, false).ok().map(|found| found.timestamp())
    }

    /// The instant that should have been opened by `now`: the newest, of however many were missed. None from
    /// before the target was first seen, except the fire that it was first seen in.
    pub fn due(&self, first_seen: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.latest(now).filter(|instant| first_seen.duration_since(*instant) < MINUTE)
    }

    /// The instant that a timer means which fires now. `next` is what its status names: of a timer that fires,
    /// that very instant; of one that somebody runs by hand, one that is still to come.
    pub fn fired(&self, next: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let near = |instant: &Timestamp| instant.duration_since(now) <= MINUTE;
        let named = next.and_then(|next| next.round(Unit::Second).ok());
        if let Some(named) = named.filter(|named| near(named) && self.latest(*named) == Some(*named)) {
            return Some(named);
        }
        let candidates = [self.latest(now), self.next(now).filter(near)];
        candidates.into_iter().flatten().min_by_key(|instant| instant.duration_since(now).abs())
    }
}

impl FromStr for Schedule {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = InvalidName { remedy: Self::REMEDY };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let without = match fields.len() {
            6 => 0,
            5 => 1,
            _ => return Err(invalid),
        };
        let plain: Option<Vec<String>> =
            fields.iter().enumerate().map(|(at, field)| plain(without + at, field)).collect();
        let parser = CronParser::builder().dom_and_dow(true).build();
        let cron = plain.and_then(|plain| parser.parse(&plain.join(" ")).ok()).ok_or(invalid.clone())?;
        let schedule = Self { text: fields.join(" "), cron };
        // 31 February parses.
        schedule.next(Timestamp::UNIX_EPOCH).map(|_| schedule).ok_or(invalid)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The field with numbers for names, if it has nothing that only the parser knows.
fn plain(field: usize, text: &str) -> Option<String> {
    const MONTH: usize = 4;
    const WEEKDAY: usize = 5;
    let mut plain = String::new();
    let mut is_step = false;
    for piece in text.split_inclusive(SEPARATORS) {
        let value = piece.trim_end_matches(SEPARATORS);
        let number = if value == "*" || value.bytes().all(|byte| byte.is_ascii_digit()) {
            value.to_owned()
        } else {
            match field {
                MONTH => (position(&MONTHS, value)? + 1).to_string(),
                WEEKDAY => position(&WEEKDAYS, value)?.to_string(),
                _ => return None,
            }
        };
        let is_seven = number.trim_start_matches('0') == "7";
        if number.is_empty() || (field == WEEKDAY && is_seven && !is_step) {
            return None;
        }
        plain += &number;
        plain += &piece[value.len()..];
        is_step = piece.ends_with('/');
    }
    // What ends in a separator lacks its last value.
    (!plain.ends_with(SEPARATORS)).then_some(plain)
}

/// Three letters or more of a name.
fn position(names: &[&str], text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    names.iter().position(|name| text.len() >= 3 && name.starts_with(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap_or_else(|_| panic!("should be taken: {text:?}"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_newest_and_the_next_instant_are_those_of_ncrontab_in_utc() {
        let rows = [
            ("0 0 1 * * *", "2026-11-21T01:00:00Z", "2026-11-21T01:00:00Z", "2026-11-22T01:00:00Z"),
            ("0 0 1 * * *", "2026-11-21T00:59:59.999Z", "2026-11-20T01:00:00Z", "2026-11-21T01:00:00Z"),
            ("0 0 1 * * *", "2026-11-21T01:00:00.7Z", "2026-11-21T01:00:00Z", "2026-11-22T01:00:00Z"),
            // Five fields have no second.
            ("30 1 * * *", "2026-11-21T02:00:00Z", "2026-11-21T01:30:00Z", "2026-11-22T01:30:00Z"),
            ("*/20 * * * * *", "2026-11-21T00:00:19Z", "2026-11-21T00:00:00Z", "2026-11-21T00:00:20Z"),
            // The clocks of Auckland and of Berlin change; UTC has no such hours.
            ("0 30 2 * * *", "2026-09-27T12:00:00Z", "2026-09-27T02:30:00Z", "2026-09-28T02:30:00Z"),
            ("0 30 1 * * *", "2026-10-25T12:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"),
            ("0 */30 1 * * *", "2026-10-25T01:59:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:00:00Z"),
            // Month ends, and a leap day.
            ("0 0 0 31 * *", "2026-05-01T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"),
            ("0 0 0 1 * *", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 0 29 2 *", "2026-11-21T00:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
            // Day and weekday both match: Friday the 13th.
            ("0 0 0 13 * FRI", "2026-11-21T00:00:00Z", "2026-11-13T00:00:00Z", "2027-08-13T00:00:00Z"),
            ("0 0 0 1-7 * Sunday", "2026-11-21T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-06T00:00:00Z"),
            ("0 0 4 * jul,Dec 1-5", "2026-11-21T00:00:00Z", "2026-07-31T04:00:00Z", "2026-12-01T04:00:00Z"),
            ("0 0 4 * * */7", "2026-11-21T00:00:00Z", "2026-11-15T04:00:00Z", "2026-11-22T04:00:00Z"),
        ];
        for (text, now, latest, next) in rows {
            let schedule = schedule(text);
            assert_eq!(schedule.latest(at(now)), Some(at(latest)), "latest of {text} at {now}");
            assert_eq!(schedule.next(at(now)), Some(at(next)), "next of {text} at {now}");
        }
        assert_eq!(schedule(" 0  0 1\t* * * ").to_string(), "0 0 1 * * *");
    }

    #[test]
    fn what_the_host_does_not_know_or_reads_otherwise_is_refused() {
        let rows = [
            "",
            "*",
            "0 0 1 * *  * 2027",
            "0 1 * *",
            "@daily",
            "00:30:00",
            "1.00:00:00",
            // Of other crons.
            "0 0 1 L * *",
            "0 0 1 LW * *",
            "0 0 1 15W * *",
            "0 0 1 ? * *",
            "0 0 1 * * ?",
            "0 0 1 * * 5#2",
            "0 0 1 * * 5L",
            "0 0 1 * * +1",
            "0 0 1 * * 7",
            "0 0 1 * * 1-7",
            "0 0 1 * * 07",
            // The host swaps its ends, and reads 5/1 as 5.
            "0 0 1 * * 6-0",
            "0 0 1 * * Sat-Sun",
            "0 5/15 * * * *",
            "0 0 0 1/1 * *",
            // Out of range, or no values.
            "60 * * * * *",
            "0 60 * * * *",
            "0 0 24 * * *",
            "0 0 0 0 * *",
            "0 0 0 32 * *",
            "0 0 0 * 13 *",
            "0 0 1,,2 * * *",
            "0 0 1, * * *",
            "0 0 -1 * * *",
            "0 0 1- * * *",
            "0 */0 * * * *",
            "0 */ * * * *",
            "0 0 /2 * * *",
            "0 MON 1 * * *",
            "0 0 1 * MON *",
            "0 0 1 * * MO",
            "0 0 1 * * MONDAYS",
            // Never.
            "0 0 0 31 2 *",
            "0 0 0 30 2 *",
            "0 0 0 31 4,6,9,11 *",
        ];
        for text in rows {
            assert_eq!(
                text.parse::<Schedule>().err().map(|error| error.remedy),
                Some(Schedule::REMEDY),
                "{text:?}"
            );
        }
    }

    #[test]
    fn of_what_was_missed_only_the_newest_is_due_and_nothing_from_before_the_target() {
        let long_ago = "2026-01-01T00:00:00Z";
        let rows = [
            // In time, late, and repeated: the same instant.
            (long_ago, "2026-11-21T01:00:00Z", Some("2026-11-21T01:00:00Z")),
            (long_ago, "2026-11-21T01:00:01Z", Some("2026-11-21T01:00:00Z")),
            (long_ago, "2026-11-21T19:00:00Z", Some("2026-11-21T01:00:00Z")),
            // Asleep for three days.
            (long_ago, "2026-11-24T00:30:00Z", Some("2026-11-23T01:00:00Z")),
            // Just made, and made in the middle of a fire.
            ("2026-11-21T19:00:00Z", "2026-11-21T19:00:00Z", None),
            ("2026-11-21T19:00:00Z", "2026-11-22T00:59:59Z", None),
            ("2026-11-21T19:00:00Z", "2026-11-22T01:00:00Z", Some("2026-11-22T01:00:00Z")),
            ("2026-11-21T01:00:59.9Z", "2026-11-21T01:05:00Z", Some("2026-11-21T01:00:00Z")),
            ("2026-11-21T01:01:00Z", "2026-11-21T01:05:00Z", None),
            // First seen by a timer that fired early.
            ("2026-11-21T00:59:59.99Z", "2026-11-21T01:00:00Z", Some("2026-11-21T01:00:00Z")),
        ];
        for (first_seen, now, expected) in rows {
            let due = schedule("0 0 1 * * *").due(at(first_seen), at(now));
            assert_eq!(due, expected.map(at), "first seen {first_seen}, now {now}");
        }
    }

    #[test]
    fn a_timer_means_the_instant_that_it_names_or_the_nearest() {
        let daily = "0 0 1 * * *";
        let one = "2026-11-21T01:00:00Z";
        let rows = [
            (daily, Some(one), "2026-11-21T01:00:00.004Z", one),
            // Early by milliseconds, on either side.
            (daily, Some(one), "2026-11-21T00:59:59.992Z", one),
            (daily, Some("2026-11-21T00:59:59.992Z"), "2026-11-21T00:59:59.995Z", one),
            (daily, Some("2026-11-21T02:00:00+01:00"), "2026-11-21T00:59:59.992Z", one),
            // Late, and a host that was asleep.
            (daily, Some(one), "2026-11-21T01:04:00Z", one),
            (daily, Some(one), "2026-11-24T00:30:00Z", one),
            // Run by hand: what it names is still to come.
            (daily, Some("2026-11-22T01:00:00Z"), "2026-11-21T19:00:00Z", one),
            (daily, Some("2026-11-22T01:00:00Z"), "2026-11-22T00:58:59Z", one),
            // Names nothing, or what is no instant of this schedule.
            (daily, None, "2026-11-21T00:59:59.992Z", one),
            (daily, None, "2026-11-21T01:00:00Z", one),
            (daily, None, "2026-11-21T19:00:00Z", one),
            (daily, Some("0001-01-01T00:00:00Z"), "2026-11-21T01:00:00Z", one),
            (daily, Some("2026-11-21T00:30:00Z"), "2026-11-21T00:59:59.992Z", one),
            ("*/30 * * * * *", None, "2026-11-21T01:00:00.002Z", one),
            ("*/30 * * * * *", None, "2026-11-21T00:59:59.992Z", one),
        ];
        for (text, next, now, expected) in rows {
            let fired = schedule(text).fired(next.map(at), at(now));
            assert_eq!(fired, Some(at(expected)), "{text}, names {next:?}, now {now}");
        }
    }
}
