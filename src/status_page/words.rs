//! What all pages say in the same way: instants, lengths, sizes, and how something stands. Templates hand over references,
//! so values are taken in both ways.

use std::{borrow::Borrow, fmt};

use askama::filters::HtmlSafe;
use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{Finding, Health, Phase, ReadinessVerdict};

/// An instant, for people and programs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Timestamp,
    format: &'static str,
}

impl Moment {
    pub(super) fn of(at: impl Borrow<Timestamp>) -> Self {
        Self { at: *at.borrow(), format: "%Y-%m-%d %H:%M" }
    }

    /// To the second.
    pub(super) fn exact(at: impl Borrow<Timestamp>) -> Self {
        Self { format: "%Y-%m-%d %H:%M:%S", ..Self::of(at) }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, format } = self;
        let utc = at.to_zoned(TimeZone::UTC);
        write!(f, "<time datetime=\"{at:.0}\">{} UTC</time>", utc.strftime(format))
    }
}

/// It has digits only.
impl HtmlSafe for Moment {}

/// A length of time in its two largest units.
pub(super) fn length(seconds: impl Borrow<i64>) -> String {
    let seconds = (*seconds.borrow()).max(0);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A size in its largest unit, by powers of 1,024.
pub(super) fn size(bytes: impl Borrow<u64>) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (bytes.borrow().saturating_mul(10), 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

/// The class of what stands so: its colour and its icon.
pub(super) fn tone(health: impl Borrow<Health>) -> &'static str {
    match health.borrow() {
        Health::Ok => "ok",
        Health::AtRisk => "risk",
        Health::Failing => "fail",
    }
}

/// A word with the shape and the colour of its tone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Badge {
    tone: &'static str,
    word: &'static str,
}

impl Badge {
    pub(super) const PROGRESS: Self = Self { tone: "info", word: "in progress" };
    pub(super) const UNKNOWN: Self = Self { tone: "off", word: "not known" };

    pub(super) fn of(health: impl Borrow<Health>) -> Self {
        let health = *health.borrow();
        Self { tone: tone(health), word: health.as_str() }
    }

    /// The same, with another word.
    pub(super) fn saying(self, word: &'static str) -> Self {
        Self { word, ..self }
    }

    pub(super) fn ready(verdict: impl Borrow<ReadinessVerdict>) -> Self {
        match verdict.borrow() {
            ReadinessVerdict::Ready => Self { tone: "ok", word: "ready" },
            ReadinessVerdict::AtRisk => Self { tone: "risk", word: "at risk" },
            ReadinessVerdict::NotReady => Self { tone: "fail", word: "not ready" },
        }
    }

    pub(super) fn found(finding: &Finding) -> Self {
        if finding.is_blocking() {
            Self { tone: "fail", word: "blocks" }
        } else {
            Self { tone: "risk", word: "warns" }
        }
    }

    pub(super) fn ended(phase: impl Borrow<Phase>) -> Self {
        let phase = *phase.borrow();
        let tone = match phase {
            Phase::Succeeded => "ok",
            Phase::Failed => "fail",
            Phase::Skipped => "risk",
            Phase::Canceled => "off",
            Phase::Pending | Phase::Starting | Phase::Running | Phase::Verifying => "info",
        };
        Self { tone, word: phase.as_str() }
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tone, word } = self;
        write!(
            f,
            "<span class=\"badge {tone}\"><svg class=\"i\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">\
             <use href=\"#{tone}\"/></svg>{word}</span>"
        )
    }
}

/// Tone and word are ours.
impl HtmlSafe for Badge {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_two_units_at_most() {
        let rows = [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (3660, "1 h 1 min"),
            (172_799, "47 h 59 min"),
            (172_800, "2 d"),
            (180_000, "2 d 2 h"),
        ];
        for (seconds, told) in rows {
            assert_eq!(length(seconds), told, "{seconds}");
        }
    }

    #[test]
    fn a_size_is_told_in_its_largest_unit() {
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (5_242_880, "5 MiB"),
            (u64::MAX, "1677721.5 TiB"),
        ];
        for (bytes, told) in rows {
            assert_eq!(size(bytes), told, "{bytes}");
        }
    }

    #[test]
    fn an_instant_is_told_in_utc_for_people_and_programs() {
        let at: Timestamp = "2026-11-22T01:02:03.7Z".parse().unwrap();
        assert_eq!(
            Moment::of(at).to_string(),
            r#"<time datetime="2026-11-22T01:02:03Z">2026-11-22 01:02 UTC</time>"#
        );
        assert_eq!(
            Moment::exact(at).to_string(),
            r#"<time datetime="2026-11-22T01:02:03Z">2026-11-22 01:02:03 UTC</time>"#
        );
    }
}
