//! How the blob of a backup is named: a template, filled when the backup is opened.

use std::{fmt, str::FromStr};

use jiff::{
    Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::{BlobName, BlobRef, InvalidName, Plan};

/// What the name of a backup has beyond `backupName`: `date`, which is `_{date}`, or another template.
///
/// `{name}` is `backupName`, `{instance}` the service, `{date}` `yyyyMMdd` and `{time}` `HHmmss` in a time zone, `{utc}`
/// `yyyyMMddTHHmmssZ`. A template without `{name}` is appended to `backupName`; one with it is the whole name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameSuffix {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name,
    Instance,
    Date,
    Time,
    Utc,
}

/// Which of its day's backups one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    First,
    /// There was one before, or may have been: a name that has only the date has the time, too.
    Later,
}

/// How a request has its backup named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Naming {
    pub suffix: NameSuffix,
    /// Whose days and clock the name has.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub zone: TimeZone,
}

impl Naming {
    /// The backup that is opened at `at`. `plan` has the plain name, and was checked ([`NameSuffix::check`]).
    pub fn plan_at(&self, plan: &Plan, at: Timestamp, occasion: Occasion) -> Plan {
        self.suffix.plan_at(plan, &self.zone, at, occasion)
    }

    /// The one name that stands for all that `plan` may get.
    pub fn timeless(&self, plan: &Plan) -> BlobName {
        let [name, ..] = self.suffix.samples(plan);
        BlobName::filled(name)
    }
}

/// What the clocks show.
#[derive(Clone, Copy)]
struct Clocks {
    local: DateTime,
    utc: DateTime,
    /// Whether `local` is the second pass of an hour that autumn repeats.
    repeated: bool,
}

impl Clocks {
    fn at(zone: &TimeZone, at: Timestamp) -> Self {
        let local = zone.to_datetime(at);
        let first = zone.to_ambiguous_zoned(local).earlier().map(|first| first.timestamp());
        let repeated = first.is_ok_and(|first| first.as_second() < at.as_second());
        Self { local, utc: TimeZone::UTC.to_datetime(at), repeated }
    }
}

impl NameSuffix {
    /// Whether every name that it gives to backups by `plan` is one that Azure takes.
    pub fn check(&self, plan: &Plan) -> Result<(), InvalidName> {
        const TOO_LONG: &str = "shorten backupName or nameSuffix: with its date, and a time if need be, a blob's name has at most 1,024 characters";
        const MISFIT: &str = "change backupName or nameSuffix: together they make a name with \\ ? # or a control character, with an empty or dot segment, or one that ends in a dot or slash";
        for sample in self.samples(plan) {
            let remedy = if sample.chars().count() > BlobName::LONGEST { TOO_LONG } else { MISFIT };
            sample.parse::<BlobName>().map_err(|_| InvalidName { remedy })?;
        }
        Ok(())
    }

    /// One name of each kind, all of the same moment. What else it gives has other digits, and no other length.
    pub(super) fn samples(&self, plan: &Plan) -> [String; 4] {
        let moment = date(2000, 1, 1).at(0, 0, 0, 0);
        [(Occasion::First, false), (Occasion::First, true), (Occasion::Later, false), (Occasion::Later, true)]
            .map(|(occasion, repeated)| {
                self.fill(plan, Clocks { local: moment, utc: moment, repeated }, occasion)
            })
    }

    /// The backup that is opened at `at`, by `plan`, which was checked.
    pub(super) fn plan_at(&self, plan: &Plan, zone: &TimeZone, at: Timestamp, occasion: Occasion) -> Plan {
        let name = BlobName::filled(self.fill(plan, Clocks::at(zone, at), occasion));
        Plan { blob: BlobRef { name, ..plan.blob.clone() }, ..plan.clone() }
    }

    fn fill(&self, plan: &Plan, clocks: Clocks, occasion: Occasion) -> String {
        // Whether it is the zone's clock that tells the backups of a day apart.
        let by_clock = !self.has(&Piece::Utc) && (self.has(&Piece::Time) || occasion == Occasion::Later);
        // What the clock shows twice is said in UTC the second time: no backup overwrites another.
        let (clock, mark) = if by_clock && clocks.repeated { (clocks.utc, "Z") } else { (clocks.local, "") };
        let date = clock.strftime("%Y%m%d").to_string();
        let time = format!("{}{mark}", clock.strftime("%H%M%S"));
        // Folders of days stay so: the time goes to the last date.
        let last_date = self.pieces.iter().rposition(|piece| *piece == Piece::Date);
        let timed = last_date.filter(|_| by_clock && !self.has(&Piece::Time));
        let name = plan.blob.name.as_str();
        let mut filled = if self.has(&Piece::Name) { String::new() } else { name.to_owned() };
        for (place, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Name => filled.push_str(name),
                Piece::Instance => filled.push_str(plan.service.name.as_str()),
                Piece::Date if timed == Some(place) => filled.extend([date.as_str(), "T", &time]),
                Piece::Date => filled.push_str(&date),
                Piece::Time => filled.push_str(&time),
                Piece::Utc => filled.push_str(&clocks.utc.strftime("%Y%m%dT%H%M%SZ").to_string()),
            }
        }
        filled
    }

    fn has(&self, piece: &Piece) -> bool {
        self.pieces.contains(piece)
    }
}

impl Default for NameSuffix {
    /// `date`
    fn default() -> Self {
        Self { pieces: vec![Piece::Text("_".to_owned()), Piece::Date] }
    }
}

impl FromStr for NameSuffix {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        const UNKNOWN: InvalidName = InvalidName {
            remedy: "write date, or a template of {name}, {instance}, {date}, {time} and {utc}; braces have no other use",
        };
        // A time alone comes again the next day.
        const FIXED: InvalidName = InvalidName {
            remedy: "add {date} or {utc}, or each backup would overwrite the last; use backupName alone for a fixed name",
        };
        if text.eq_ignore_ascii_case("date") {
            return Ok(Self::default());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, from_brace) = rest.split_at(open);
            let (placeholder, after) = from_brace.split_once('}').ok_or(UNKNOWN)?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.to_owned()));
            }
            pieces.push(match placeholder {
                "{name" => Piece::Name,
                "{instance" => Piece::Instance,
                "{date" => Piece::Date,
                "{time" => Piece::Time,
                "{utc" => Piece::Utc,
                _ => return Err(UNKNOWN),
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let suffix = Self { pieces };
        if suffix.has(&Piece::Date) || suffix.has(&Piece::Utc) { Ok(suffix) } else { Err(FIXED) }
    }
}

impl TryFrom<String> for NameSuffix {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<NameSuffix> for String {
    fn from(suffix: NameSuffix) -> Self {
        suffix.to_string()
    }
}

impl fmt::Display for NameSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| {
            f.write_str(match piece {
                Piece::Text(text) => text,
                Piece::Name => "{name}",
                Piece::Instance => "{instance}",
                Piece::Date => "{date}",
                Piece::Time => "{time}",
                Piece::Utc => "{utc}",
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::plan;

    fn suffix(text: &str) -> NameSuffix {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// By a plan that has the name `apimbackup` and the instance `sampleapim`.
    fn name(template: &str, zone: &str, at: &str, occasion: Occasion) -> String {
        let naming = Naming { suffix: suffix(template), zone: TimeZone::get(zone).unwrap() };
        let plan = plan("sampleapim");
        naming.suffix.check(&plan).unwrap();
        let name = naming.plan_at(&plan, at.parse().unwrap(), occasion).blob.name;
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        name.as_str().to_owned()
    }

    #[test]
    fn the_first_backup_of_a_day_is_named_as_the_template_says_and_a_later_one_has_a_time_for_sure() {
        let rows = [
            ("date", "apimbackup_20261122", "apimbackup_20261122T080405"),
            ("Date", "apimbackup_20261122", "apimbackup_20261122T080405"),
            ("_{date}", "apimbackup_20261122", "apimbackup_20261122T080405"),
            ("{date}", "apimbackup20261122", "apimbackup20261122T080405"),
            ("-{date}.bak", "apimbackup-20261122.bak", "apimbackup-20261122T080405.bak"),
            ("-{date}-{time}", "apimbackup-20261122-080405", "apimbackup-20261122-080405"),
            ("_{utc}", "apimbackup_20261121T190405Z", "apimbackup_20261121T190405Z"),
            ("_{date}_{utc}", "apimbackup_20261122_20261121T190405Z", "apimbackup_20261122_20261121T190405Z"),
            ("_{time}_{utc}", "apimbackup_080405_20261121T190405Z", "apimbackup_080405_20261121T190405Z"),
            ("{name}{date}", "apimbackup20261122", "apimbackup20261122T080405"),
            ("{date}{name}", "20261122apimbackup", "20261122T080405apimbackup"),
            ("{date}/{name}_{date}", "20261122/apimbackup_20261122", "20261122/apimbackup_20261122T080405"),
            ("_{instance}_{date}", "apimbackup_sampleapim_20261122", "apimbackup_sampleapim_20261122T080405"),
            (
                "{instance}/{name}_{utc}.apimbackup",
                "sampleapim/apimbackup_20261121T190405Z.apimbackup",
                "sampleapim/apimbackup_20261121T190405Z.apimbackup",
            ),
            (
                "{name}/{name}-{date}",
                "apimbackup/apimbackup-20261122",
                "apimbackup/apimbackup-20261122T080405",
            ),
            (" ünï {date}", "apimbackup ünï 20261122", "apimbackup ünï 20261122T080405"),
        ];
        for (template, first, later) in rows {
            let named = |occasion| name(template, "Pacific/Auckland", "2026-11-21T19:04:05.7Z", occasion);
            assert_eq!(
                (named(Occasion::First), named(Occasion::Later)),
                (first.into(), later.into()),
                "{template}"
            );
        }
    }

    #[test]
    fn names_are_right_when_clocks_change() {
        use Occasion::{First, Later};
        let rows = [
            // The two passes of the hour that Berlin repeats, and what follows.
            ("date", "Europe/Berlin", "2026-10-25T00:30:00Z", First, "apimbackup_20261025"),
            ("date", "Europe/Berlin", "2026-10-25T01:30:00Z", First, "apimbackup_20261025"),
            ("date", "Europe/Berlin", "2026-10-25T00:30:00Z", Later, "apimbackup_20261025T023000"),
            ("date", "Europe/Berlin", "2026-10-25T00:59:59.9Z", Later, "apimbackup_20261025T025959"),
            ("date", "Europe/Berlin", "2026-10-25T01:00:00Z", Later, "apimbackup_20261025T010000Z"),
            ("date", "Europe/Berlin", "2026-10-25T01:30:00Z", Later, "apimbackup_20261025T013000Z"),
            ("date", "Europe/Berlin", "2026-10-25T02:00:00Z", Later, "apimbackup_20261025T030000"),
            ("-{date}-{time}", "Europe/Berlin", "2026-10-25T00:30:00Z", First, "apimbackup-20261025-023000"),
            ("-{date}-{time}", "Europe/Berlin", "2026-10-25T01:30:00Z", First, "apimbackup-20261025-013000Z"),
            ("_{utc}", "Europe/Berlin", "2026-10-25T01:30:00Z", Later, "apimbackup_20261025T013000Z"),
            (
                "_{time}_{utc}",
                "Europe/Berlin",
                "2026-10-25T01:30:00Z",
                Later,
                "apimbackup_023000_20261025T013000Z",
            ),
            // In Auckland that hour is still the day before in UTC, and the name is UTC's as a whole.
            ("date", "Pacific/Auckland", "2026-04-04T13:30:00Z", Later, "apimbackup_20260405T023000"),
            ("date", "Pacific/Auckland", "2026-04-04T14:30:00Z", First, "apimbackup_20260405"),
            ("date", "Pacific/Auckland", "2026-04-04T14:30:00Z", Later, "apimbackup_20260404T143000Z"),
            (
                "{date}/{name}-{time}",
                "Pacific/Auckland",
                "2026-04-04T14:30:00Z",
                First,
                "20260404/apimbackup-143000Z",
            ),
            // Half an hour is repeated.
            ("date", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", Later, "apimbackup_20260405T014500"),
            ("date", "Australia/Lord_Howe", "2026-04-04T15:15:00Z", Later, "apimbackup_20260404T151500Z"),
            ("date", "Australia/Lord_Howe", "2026-04-04T15:30:00Z", Later, "apimbackup_20260405T020000"),
            // The hours that spring skips.
            ("date", "Europe/Berlin", "2026-03-29T00:59:59Z", Later, "apimbackup_20260329T015959"),
            ("date", "Europe/Berlin", "2026-03-29T01:00:00Z", Later, "apimbackup_20260329T030000"),
            (
                "-{date}-{time}",
                "America/New_York",
                "2026-03-08T07:00:00Z",
                First,
                "apimbackup-20260308-030000",
            ),
            // Apia had no 30th of December.
            ("date", "Pacific/Apia", "2011-12-30T09:59:59Z", First, "apimbackup_20111229"),
            ("date", "Pacific/Apia", "2011-12-30T10:00:00Z", First, "apimbackup_20111231"),
        ];
        for (template, zone, at, occasion, expected) in rows {
            assert_eq!(
                name(template, zone, at, occasion),
                expected,
                "{template} in {zone} at {at}, {occasion:?}"
            );
        }
    }

    #[test]
    fn braces_hold_one_of_five_words_and_a_template_has_a_date() {
        let all = ["{name}", "{instance}", "{date}", "{time}", "{utc}"];
        for text in [
            "_{day}",
            "_{Date}",
            "_{date",
            "_date}",
            "{{date}}",
            "{}{date}",
            "{ date }",
            "{date}}",
            "{date{utc}}",
        ] {
            let remedy = text.parse::<NameSuffix>().unwrap_err().remedy;
            assert!(all.iter().all(|placeholder| remedy.contains(placeholder)), "{text}: {remedy}");
        }
        for text in ["", "_backup", "{name}", "_{instance}", "_{time}", "dates"] {
            let remedy = text.parse::<NameSuffix>().unwrap_err().remedy;
            assert!(remedy.contains("use backupName alone"), "{text}: {remedy}");
        }
    }

    #[test]
    fn a_suffix_is_its_text_in_records() {
        for (text, written) in [
            ("date", "_{date}"),
            ("_{date}", "_{date}"),
            ("{instance}/{name}-{date}T{time}.x", "{instance}/{name}-{date}T{time}.x"),
            ("{utc}", "{utc}"),
        ] {
            let json = serde_json::to_value(suffix(text)).unwrap();
            assert_eq!(json, written);
            assert_eq!(serde_json::from_value::<NameSuffix>(json).unwrap(), suffix(text));
        }
        assert_eq!(NameSuffix::default(), suffix("date"));
        assert!(serde_json::from_str::<NameSuffix>(r#""{day}""#).is_err());
        let naming = Naming { suffix: suffix("date"), zone: TimeZone::get("Pacific/Auckland").unwrap() };
        let json = serde_json::to_value(&naming).unwrap();
        assert_eq!(json, serde_json::json!({ "suffix": "_{date}", "zone": "Pacific/Auckland" }));
        assert_eq!(serde_json::from_value::<Naming>(json).unwrap(), naming);
    }

    #[test]
    fn names_that_would_not_fit_are_refused_before_there_is_a_backup() {
        let of = |length: usize| {
            let mut plan = plan("sampleapim");
            plan.blob.name = "ü".repeat(length).parse().unwrap();
            plan
        };
        for (template, longest) in [
            ("date", 1007),
            ("-{date}-{time}", 1007),
            ("{utc}", 1008),
            ("_{date}_{utc}", 998),
            ("{instance}/{name}_{utc}.apimbackup", 985),
            ("{name}{name}{utc}", 504),
        ] {
            assert_eq!(suffix(template).check(&of(longest)), Ok(()), "{template}");
            let refused = suffix(template).check(&of(longest + 1)).unwrap_err();
            assert!(refused.remedy.starts_with("shorten"), "{template}: {refused}");
        }
        for template in [
            "_{date}.",
            "_{date}/",
            "/{name}{date}",
            "//{date}",
            "/./{date}",
            "?{date}",
            "\\{utc}",
            "{date}\n",
        ] {
            let refused = suffix(template).check(&of(1)).unwrap_err();
            assert!(refused.remedy.starts_with("change"), "{template}: {refused}");
        }
        assert!(suffix(&format!("{}{{date}}", "/x".repeat(254))).check(&of(1)).is_err());
    }
}
