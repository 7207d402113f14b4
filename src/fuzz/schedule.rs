//! Schedules.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use crate::domain::Schedule;

/// Reads a schedule, and on a second line the time at which somebody asks.
///
/// - What is none is told with an example.
/// - One that is taken is written as it is read.
/// - Its instants are whole seconds, each after the one before, without an end, and such as its fields say.
/// - There is none between one and the next.
pub fn schedule(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (text, now) = text.split_once('\n').unwrap_or((text, ""));
    let schedule = match text.parse::<Schedule>() {
        Ok(schedule) => schedule,
        Err(error) => return assert_eq!(error.remedy, Schedule::REMEDY),
    };
    let written = schedule.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&schedule), "{text:?}");
    let now: Option<Timestamp> = now.trim().parse().ok().filter(is_near);
    let Some(mut now) = now.or("2026-11-22T01:00:00Z".parse().ok()) else { return };
    assert!(schedule.latest(now).is_none_or(|latest| latest <= now), "{written} at {now}");
    for _ in 0..8 {
        let Some(next) = schedule.next(now) else { panic!("{written} ends at {now}") };
        assert!(next > now && next.subsec_nanosecond() == 0, "{written}: {next} at {now}");
        assert!(fires(&written, TimeZone::UTC.to_datetime(next)), "{written}: {next}");
        assert_eq!(schedule.latest(next), Some(next), "{written}");
        assert_eq!(schedule.fired(Some(next), next), Some(next), "{written}");
        let before = next - SignedDuration::from_secs(1);
        assert!(schedule.latest(before).is_none_or(|latest| latest <= now), "{written}: before {next}");
        now = next;
    }
}

/// Years that anybody will ask about.
fn is_near(now: &Timestamp) -> bool {
    (0..8_000_000_000).contains(&now.as_second())
}

/// Whether the fields say so, read by nobody else.
fn fires(written: &str, at: DateTime) -> bool {
    let mut fields: Vec<&str> = written.split(' ').collect();
    if fields.len() == 5 {
        fields.insert(0, "0");
    }
    // Each with where its field begins.
    let values = [
        (0, at.second()),
        (0, at.minute()),
        (0, at.hour()),
        (1, at.day()),
        (1, at.month()),
        (0, at.weekday().to_sunday_zero_offset()),
    ];
    fields.len() == values.len()
        && fields.iter().zip(values).all(|(field, (from, value))| has(field, from, value.into()))
}

/// Whether a field has the value: one of its parts, each `*`, one value or a range, perhaps in steps.
fn has(field: &str, from: i64, value: i64) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (from, i64::MAX),
            Some((first, last)) => (number(first), number(last)),
            None => (number(range), number(range)),
        };
        (first..=last).contains(&value) && (value - first) % number(step) == 0
    })
}

/// A number, or what the first three letters of a month or weekday stand for.
fn number(text: &str) -> i64 {
    const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";
    const WEEKDAYS: &str = "sunmontuewedthufrisat";
    let name = text.get(..3).unwrap_or_default().to_ascii_lowercase();
    let place = |names: &str| names.find(&name).filter(|_| name.len() == 3).map(|at| at / 3);
    let named = place(MONTHS).map(|place| place + 1).or_else(|| place(WEEKDAYS));
    named.and_then(|place| place.try_into().ok()).or_else(|| text.parse().ok()).unwrap_or(i64::MAX)
}
