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
#[path = "naming_tests.rs"]
mod tests;
