//! How far back a rule of retention reaches: years, months, days and hours.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::InvalidName;

/// A length of calendar time, never nothing. Written as restic writes it: `1y5m7d2h`, where `m` is months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Within {
    years: u32,
    months: u32,
    days: u32,
    hours: u32,
}

impl Within {
    /// What a valid value looks like.
    pub const REMEDY: &str = "give years, months, days and hours, each once at most and not all zero, such as 14d or \
                              1y5m7d2h (m is months); or as ISO 8601, such as P1Y5M7DT2H or P2W";

    /// The instant that lies this long before `newest` in `zone`. None if that is before all time.
    ///
    /// A month before 31 March is the last of February. Restic lets the day run over, into 3 March; so nothing that it
    /// keeps goes here, and a newer backup never brings back the days of an older one. A local time that the zone
    /// skips or repeats is read as the earlier instant, which keeps more as well. Hours are elapsed ones, as in restic.
    pub(super) fn before(self, newest: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let span =
            Span::new().try_years(self.years).ok()?.try_months(self.months).ok()?.try_days(self.days).ok()?;
        let local = zone.to_datetime(newest).checked_sub(span).ok()?;
        let instant = zone.to_ambiguous_timestamp(local).earlier().ok()?;
        instant.checked_sub(SignedDuration::from_hours(self.hours.into())).ok()
    }
}

impl FromStr for Within {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let within = match text.strip_prefix('P') {
            Some(iso) => from_iso(iso),
            None => from_restic(text),
        };
        let none = Self { years: 0, months: 0, days: 0, hours: 0 };
        within.filter(|within| *within != none).ok_or(InvalidName { remedy: Self::REMEDY })
    }
}

impl TryFrom<String> for Within {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Within> for String {
    fn from(within: Within) -> Self {
        within.to_string()
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')];
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

fn from_restic(text: &str) -> Option<Within> {
    let [years, months, days, hours] = counts(text, ['y', 'm', 'd', 'h'])?.map(|(count, _)| count);
    Some(Within { years, months, days, hours })
}

/// What stands behind the `P`. ISO 8601 has an order, and hours behind a `T`.
fn from_iso(text: &str) -> Option<Within> {
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some(both) => both,
        None => (text, ""),
    };
    let date = counts(date, ['Y', 'M', 'W', 'D'])?;
    let places = date.iter().filter_map(|(_, place)| *place);
    if !places.is_sorted() {
        return None;
    }
    let [years, months, weeks, days] = date.map(|(count, _)| count);
    let [(hours, _)] = counts(time, ['H'])?;
    Some(Within { years, months, days: weeks.checked_mul(7)?.checked_add(days)?, hours })
}

/// How many of each unit, and at which place of the text it stands. Nothing but these units, each once at most.
fn counts<const N: usize>(text: &str, units: [char; N]) -> Option<[(u32, Option<usize>); N]> {
    let mut counts = [(0, None); N];
    for (place, piece) in text.split_inclusive(|c: char| !c.is_ascii_digit()).enumerate() {
        let unit = units.iter().position(|unit| piece.ends_with(*unit))?;
        let digits = piece.strip_suffix(units[unit])?;
        if counts[unit].1.is_some() {
            return None;
        }
        counts[unit] = (digits.parse().ok()?, Some(place));
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_restics_is_written() {
        let rows = [
            // Restic's own table.
            ("9h", "9h"),
            ("3d", "3d"),
            ("4d2h", "4d2h"),
            ("7m5d", "7m5d"),
            ("6m4d8h", "6m4d8h"),
            ("5d7m", "7m5d"),
            ("4h3d9m", "9m3d4h"),
            ("1y5m7d2h", "1y5m7d2h"),
            ("13d23h", "13d23h"),
            ("36m", "36m"),
            ("0y05d", "5d"),
            ("4294967295d", "4294967295d"),
            ("P1Y5M7DT2H", "1y5m7d2h"),
            ("P14D", "14d"),
            ("P2W", "14d"),
            ("P1M1W1D", "1m8d"),
            ("PT36H", "36h"),
            ("P0Y5D", "5d"),
        ];
        for (text, written) in rows {
            let within: Within = text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(within.to_string(), written, "{text:?}");
            assert_eq!(written.parse(), Ok(within), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_length_or_could_mean_another_is_refused() {
        let rows = [
            "",
            " ",
            "5",
            "d",
            "5d ",
            " 5d",
            "5 d",
            "+5d",
            "-5d",
            "5d-3h",
            "5d3",
            "5x",
            "5D",
            "5dd",
            "5d5d",
            "1m2m",
            // Restic knows no weeks, and minutes nobody.
            "2w",
            "1y4m3w1d",
            "5s",
            "5min",
            "\u{7c0}d",
            "5\u{e4}",
            "0d",
            "0y0m0d0h",
            "P0D",
            "PT0H",
            "4294967296d",
            "P613566757W",
            "P613566756W4D",
            "P",
            "PT",
            "P1DT",
            "1D",
            "p1D",
            "PP1D",
            "P-1D",
            "-P1D",
            "P1.5D",
            "P1,5D",
            "P5M1Y",
            "P1D1W",
            "P1D1D",
            "P1H",
            "PT1M",
            "PT1S",
            "PT1D",
            "PT1HT1H",
            "P1y",
            "P1YT1h",
            "P1d",
        ];
        for text in rows {
            assert_eq!(text.parse::<Within>(), Err(InvalidName { remedy: Within::REMEDY }), "{text:?}");
        }
    }

    #[test]
    fn it_is_counted_back_by_the_calendar_of_the_zone_and_hours_by_the_clock() {
        let rows = [
            ("7d", "UTC", "2026-11-21T01:02:03.5Z", "2026-11-14T01:02:03.5Z"),
            ("1y1m1d1h", "UTC", "2026-11-21T01:00:00Z", "2025-10-20T00:00:00Z"),
            ("1y", "UTC", "2024-02-29T12:00:00Z", "2023-02-28T12:00:00Z"),
            // The last of a month, where restic runs over: 3 March, 1 October.
            ("1m", "UTC", "2026-03-31T12:00:00Z", "2026-02-28T12:00:00Z"),
            ("1m", "UTC", "2026-10-31T12:00:00Z", "2026-09-30T12:00:00Z"),
            // Months first, then days.
            ("1m5d", "UTC", "2026-03-31T12:00:00Z", "2026-02-23T12:00:00Z"),
            // A day is 23 or 25 hours long where the clocks change; 24 hours never are.
            ("1d", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T13:00:00Z"),
            ("1d", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T11:00:00Z"),
            ("24h", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T12:00:00Z"),
            ("1d", "Pacific/Auckland", "2026-09-26T20:00:00Z", "2026-09-25T21:00:00Z"),
            // 02:30, which Berlin skips on the 29th and has twice on the 25th: the earlier instant.
            ("1d", "Europe/Berlin", "2026-03-30T00:30:00Z", "2026-03-29T00:30:00Z"),
            ("1d", "Europe/Berlin", "2026-10-26T01:30:00Z", "2026-10-25T00:30:00Z"),
        ];
        for (within, zone, newest, expected) in rows {
            let within: Within = within.parse().unwrap();
            let before = within.before(newest.parse().unwrap(), &TimeZone::get(zone).unwrap());
            assert_eq!(before, Some(expected.parse().unwrap()), "{within} before {newest} in {zone}");
        }
        for forever in ["99999y", "4294967295m", "4294967295d", "4294967295h"] {
            let within: Within = forever.parse().unwrap();
            assert_eq!(
                within.before("2026-11-21T01:00:00Z".parse().unwrap(), &TimeZone::UTC),
                None,
                "{forever}"
            );
        }
    }

    #[test]
    fn it_is_checked_when_it_is_read_back_too() {
        let within: Within = serde_json::from_str("\"P2W\"").unwrap();
        assert_eq!(serde_json::to_string(&within).unwrap(), "\"14d\"");
        assert!(serde_json::from_str::<Within>("\"0d\"").is_err());
    }
}
