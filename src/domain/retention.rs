//! Which recovery points to keep: restic's `forget`, with guards of our own.
//!
//! Each rule looks at the points newest first, and keeps the newest of every calendar unit that has one: so many units
//! (`keepDaily`), or those of a length of time before the newest point (`keepWithinDaily`). While backups stand still,
//! so does what goes. If a rule comes to the end with counts left, it keeps the oldest point too: the history stays as
//! long as it may. A point that one rule keeps is kept.
//!
//! The guards: nothing goes without a rule, or without a verified point. The newest verified one never goes, nor what is
//! locked, nor what is dated in the future, which does not count either. A point that was not verified never takes the
//! place of one that was.

use std::{cmp::Reverse, collections::HashSet, fmt};

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::Within;

/// The rules. A count of 0 is no rule, as in restic. An unknown rule is refused: without it more would go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_hourly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_daily: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_weekly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_monthly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_yearly: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within: Option<Within>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_hourly: Option<Within>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_daily: Option<Within>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_weekly: Option<Within>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_monthly: Option<Within>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within_yearly: Option<Within>,
    /// How many verified points stay whatever the rules say. Not a rule by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_keep: Option<u32>,
}

/// What retention looks at. `key` tells the caller which point it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<K> {
    pub key: K,
    pub at: Timestamp,
    pub verified: bool,
    /// Why nobody may delete it, such as a legal hold.
    pub locked: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<K> {
    pub key: K,
    pub fate: Fate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// For all these reasons; there is one at least.
    Keep(Vec<Reason>),
    Remove,
}

/// Why a point is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Among the last so many.
    Last(u32),
    /// The newest of a period that is counted.
    Newest(Period),
    /// The oldest of all, while counts were left; its period has a newer one.
    Oldest(Period),
    Within(Within),
    NewestWithin(Period, Within),
    OldestWithin(Period, Within),
    NewestVerified,
    /// Among the newest so many that are verified.
    AtLeast(u32),
    NoneVerified,
    NoRule,
    InFuture,
    Locked(String),
}

/// One hour, day, week, month or year of a calendar. An hour that is repeated is one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    Hour(Date, i8),
    Day(Date),
    /// An ISO week, from Monday on, and the year that it belongs to.
    Week(i16, i8),
    Month(i16, i8),
    Year(i16),
}

impl Retention {
    /// Whether there is no rule, so that nothing ever goes.
    pub fn is_empty(&self) -> bool {
        self.rules().next().is_none()
    }

    /// What becomes of the points of one service in one container, newest first. `zone` has the calendar; `now` tells
    /// only which points are dated in the future.
    ///
    /// There is one decision for each key. Of points that share one the newest stands, since a blob that was written
    /// twice holds what was written last; a lock on any of them holds.
    pub fn plan<K: Clone + Ord>(
        &self,
        points: &[Candidate<K>],
        zone: &TimeZone,
        now: Timestamp,
    ) -> Vec<Decision<K>> {
        let points = newest_first(points);
        let mut reasons = vec![Vec::new(); points.len()];
        let future = points.partition_point(|point| point.at > now);
        reasons[..future].fill(vec![Reason::InFuture]);

        let moment = |(index, point): (usize, &Candidate<K>)| Moment {
            index,
            at: point.at,
            local: zone.to_datetime(point.at),
        };
        let all: Vec<Moment> = points.iter().enumerate().skip(future).map(moment).collect();
        let verified: Vec<Moment> =
            all.iter().filter(|moment| points[moment.index].verified).copied().collect();
        for rule in self.rules() {
            rule.select(&verified, zone, |index, reason| reasons[index].push(reason));
            // These decide about the others only.
            rule.select(&all, zone, |index, reason| {
                if !points[index].verified {
                    reasons[index].push(reason);
                }
            });
        }

        let newest_verified = |count: usize| &verified[..count.min(verified.len())];
        let mut keep = |moments: &[Moment], reason: Reason| {
            for moment in moments {
                reasons[moment.index].push(reason.clone());
            }
        };
        keep(newest_verified(1), Reason::NewestVerified);
        if let Some(least) = self.min_keep {
            keep(newest_verified(least as usize), Reason::AtLeast(least));
        }
        if verified.is_empty() {
            keep(&all, Reason::NoneVerified);
        }
        if self.is_empty() {
            keep(&all, Reason::NoRule);
        }
        let decide = |(point, mut reasons): (Candidate<K>, Vec<Reason>)| {
            reasons.extend(point.locked.map(Reason::Locked));
            let fate = if reasons.is_empty() { Fate::Remove } else { Fate::Keep(reasons) };
            Decision { key: point.key, fate }
        };
        points.into_iter().zip(reasons).map(decide).collect()
    }

    fn rules(&self) -> impl Iterator<Item = Rule> {
        let counted = [
            (Unit::Point, self.keep_last),
            (Unit::Hour, self.keep_hourly),
            (Unit::Day, self.keep_daily),
            (Unit::Week, self.keep_weekly),
            (Unit::Month, self.keep_monthly),
            (Unit::Year, self.keep_yearly),
        ];
        let within = [
            (Unit::Point, self.keep_within),
            (Unit::Hour, self.keep_within_hourly),
            (Unit::Day, self.keep_within_daily),
            (Unit::Week, self.keep_within_weekly),
            (Unit::Month, self.keep_within_monthly),
            (Unit::Year, self.keep_within_yearly),
        ];
        let counted = counted.into_iter().filter_map(|(unit, count)| {
            let count = count.filter(|count| *count > 0)?;
            Some(Rule { unit, reach: Reach::Count(count) })
        });
        let within = within
            .into_iter()
            .filter_map(|(unit, within)| Some(Rule { unit, reach: Reach::Within(within?) }));
        counted.chain(within)
    }
}

/// One point per key, newest first. Points of the same instant stand in the order of their keys, not of the input.
fn newest_first<K: Clone + Ord>(points: &[Candidate<K>]) -> Vec<Candidate<K>> {
    let mut points = points.to_vec();
    points.sort_unstable_by(|a, b| {
        let order = |point| {
            let Candidate { key, at, verified, locked }: &Candidate<K> = point;
            (key, Reverse(*at), *verified, locked)
        };
        order(a).cmp(&order(b))
    });
    points.dedup_by(|older, newest| {
        let is_same = older.key == newest.key;
        if is_same && newest.locked.is_none() {
            newest.locked = older.locked.take();
        }
        is_same
    });
    points.sort_by_key(|point| Reverse(point.at));
    points
}

/// When a point was made, and at which place of the list it stands.
#[derive(Clone, Copy)]
struct Moment {
    index: usize,
    at: Timestamp,
    local: DateTime,
}

struct Rule {
    unit: Unit,
    reach: Reach,
}

#[derive(Clone, Copy)]
enum Reach {
    Count(u32),
    Within(Within),
}

impl Rule {
    /// Names the points that this rule keeps of `moments`, which are sorted newest first.
    ///
    /// Restic compares a point's period with that of the point before only. Where the clocks go back over midnight it
    /// so counts a day twice; here each counts once, so that what is kept is kept again.
    fn select(&self, moments: &[Moment], zone: &TimeZone, mut keep: impl FnMut(usize, Reason)) {
        let Some((newest, oldest)) = moments.first().zip(moments.last()) else { return };
        let (mut left, after) = match self.reach {
            Reach::Count(count) => (count, None),
            Reach::Within(within) => (u32::MAX, within.before(newest.at, zone)),
        };
        let mut seen = HashSet::new();
        for moment in moments {
            if left == 0 || after.is_some_and(|after| moment.at <= after) {
                return;
            }
            let period = self.unit.period(moment.local);
            let is_newest = period.is_none_or(|period| seen.insert(period));
            if is_newest || moment.index == oldest.index {
                left -= 1;
                keep(moment.index, self.reason(period, is_newest));
            }
        }
    }

    fn reason(&self, period: Option<Period>, is_newest: bool) -> Reason {
        match (self.reach, period, is_newest) {
            (Reach::Count(count), None, _) => Reason::Last(count),
            (Reach::Count(_), Some(period), true) => Reason::Newest(period),
            (Reach::Count(_), Some(period), false) => Reason::Oldest(period),
            (Reach::Within(within), None, _) => Reason::Within(within),
            (Reach::Within(within), Some(period), true) => Reason::NewestWithin(period, within),
            (Reach::Within(within), Some(period), false) => Reason::OldestWithin(period, within),
        }
    }
}

/// What a rule takes one of.
#[derive(Clone, Copy)]
enum Unit {
    Point,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// The period that `local` falls in. None if every point is its own.
    fn period(self, local: DateTime) -> Option<Period> {
        Some(match self {
            Self::Point => return None,
            Self::Hour => Period::Hour(local.date(), local.hour()),
            Self::Day => Period::Day(local.date()),
            Self::Week => {
                let week = local.iso_week_date();
                Period::Week(week.year(), week.week())
            }
            Self::Month => Period::Month(local.year(), local.month()),
            Self::Year => Period::Year(local.year()),
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(date, hour) => write!(f, "hourly {date}T{hour:02}"),
            Self::Day(date) => write!(f, "daily {date}"),
            Self::Week(year, week) => write!(f, "weekly {year:04}-W{week:02}"),
            Self::Month(year, month) => write!(f, "monthly {year:04}-{month:02}"),
            Self::Year(year) => write!(f, "yearly {year:04}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(count) => write!(f, "last {count}"),
            Self::Newest(period) => write!(f, "{period}"),
            Self::Oldest(period) => write!(f, "oldest {period}"),
            Self::Within(within) => write!(f, "within {within}"),
            Self::NewestWithin(period, within) => write!(f, "{period} within {within}"),
            Self::OldestWithin(period, within) => write!(f, "oldest {period} within {within}"),
            Self::NewestVerified => f.write_str("newest verified"),
            Self::AtLeast(count) => write!(f, "at least {count}"),
            Self::NoneVerified => f.write_str("none is verified"),
            Self::NoRule => f.write_str("no rule"),
            Self::InFuture => f.write_str("dated in the future"),
            Self::Locked(why) => write!(f, "kept by lock: {why}"),
        }
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "retention_guard_tests.rs"]
mod guard_tests;

#[cfg(test)]
#[path = "retention_restic_tests.rs"]
mod restic_tests;

#[cfg(test)]
#[path = "retention_properties.rs"]
mod properties;
