//! Rules of retention, and what they keep.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::said;
use crate::{
    domain::{Candidate, retention_rules, zone},
    payload,
};

/// More than these say no more.
const MOST: usize = 64;

/// Reads rules as JSON, the name of a zone on a second line, and on each line after it a recovery point: minutes of
/// age, perhaps with `verified` or `locked`.
///
/// - Rules that are refused are so with a field and a remedy.
/// - Those that are taken are written as they were read, and their plan is what any plan must be.
pub fn retention(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let rules = lines.next().unwrap_or_default();
    let policy = match payload::retention(rules) {
        Ok(policy) => policy,
        Err(problems) => {
            assert!(!problems.is_empty());
            return said::problems(&problems, serde_json::from_str::<serde_json::Map<_, _>>(rules).is_ok());
        }
    };
    let written = serde_json::to_string(&policy).unwrap_or_default();
    assert_eq!(payload::retention(&written).as_ref(), Ok(&policy), "{written}");
    assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(&policy), "{written}");
    let zone = lines.next().and_then(|name| zone::parse(name).ok()).unwrap_or(TimeZone::UTC);
    let Ok(now) = "2026-11-22T01:00:00Z".parse() else { return };
    let points: Vec<_> =
        lines.take(MOST).enumerate().filter_map(|(key, line)| point(key, line, now)).collect();
    retention_rules::hold(&policy, &points, &zone, now);
}

fn point(key: usize, line: &str, now: Timestamp) -> Option<Candidate<usize>> {
    let mut words = line.split_ascii_whitespace();
    let minutes: i32 = words.next()?.parse().ok()?;
    let at = now.checked_sub(SignedDuration::from_mins(minutes.into())).ok()?;
    let is = |word: &str| line.contains(word);
    Some(Candidate { key, at, verified: is("verified"), locked: is("locked").then(|| "hold".to_owned()) })
}
