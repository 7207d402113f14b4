//! Alarms: conditions that somebody is told of once when they begin, once when they are over, and daily meanwhile.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Condition, Level, Report, TargetName, condition::is_told};

/// How long an alarm stands until it is told of again.
pub const REMINDER: SignedDuration = SignedDuration::from_hours(24);
/// For how long nobody has told of an alarm of a target that is gone from everybody's settings.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(25);

/// Whose condition it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    App,
    Target(TargetName),
}

impl Subject {
    pub fn target(&self) -> Option<&TargetName> {
        match self {
            Self::App => None,
            Self::Target(target) => Some(target),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // No target's name has a dot.
            Self::App => f.write_str("apim.dr"),
            Self::Target(target) => target.fmt(f),
        }
    }
}

/// What became of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    Raised,
    /// It stands, and is critical now.
    Worsened,
    /// It stands, for another day.
    Reminded,
    Resolved,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Worsened => "worsened",
            Self::Reminded => "reminded",
            Self::Resolved => "resolved",
        }
    }
}

/// An alarm after a change: the newest of its code and subject is how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    pub subject: Subject,
    /// From 1, without gaps, for each subject and code.
    pub seq: u32,
    pub change: Change,
    pub at: Timestamp,
    /// When it was raised.
    pub since: Timestamp,
    /// As it is; of one that is resolved, as it was told of last.
    pub condition: Condition,
}

impl Alarm {
    pub fn stands(&self) -> bool {
        self.change != Change::Resolved
    }

    pub fn is_of(&self, subject: &Subject, code: &str) -> bool {
        self.subject == *subject && self.condition.code == code
    }

    /// What is to be told now, if anything. `last` is how the alarm of the condition's code stands, `condition` what is
    /// seen `now`.
    pub fn next(
        subject: &Subject,
        last: Option<&Self>,
        condition: Option<&Condition>,
        now: Timestamp,
    ) -> Option<Self> {
        let standing = last.filter(|last| last.stands());
        let (change, condition) = match (standing, condition) {
            (None, None) => return None,
            (None, Some(condition)) => (Change::Raised, condition),
            (Some(last), None) => (Change::Resolved, &last.condition),
            (Some(last), Some(condition)) => match last.condition.level {
                Level::Warning if condition.level == Level::Critical => (Change::Worsened, condition),
                _ if now.duration_since(last.at) >= REMINDER => (Change::Reminded, condition),
                _ => return None,
            },
        };
        Some(Self {
            subject: subject.clone(),
            seq: last.map_or(1, |last| last.seq + 1),
            change,
            at: now,
            since: standing.map_or(now, |last| last.since),
            condition: condition.clone(),
        })
    }
}

/// What is to be told by a report, where the `alarms` stand so. An alarm is over only if the report would say so if it
/// were not: while nobody can tell, it stands. `is_complete`: the report has all targets that this process was given; the
/// alarms of others end once nobody reminds of them.
pub fn changes(alarms: &[Alarm], report: &Report, is_complete: bool) -> Vec<Alarm> {
    let mut changes = Vec::new();
    let app = (Subject::App, report.conditions.as_slice());
    let targets = report.targets.iter();
    let targets = targets.map(|target| (Subject::Target(target.name.clone()), target.conditions.as_slice()));
    let seen: Vec<_> = [app].into_iter().chain(targets).collect();
    for (subject, condition) in seen.iter().flat_map(|(subject, all)| all.iter().map(move |it| (subject, it)))
    {
        let last = alarms.iter().find(|last| last.is_of(subject, &condition.code));
        changes.extend(Alarm::next(subject, last, Some(condition), report.at));
    }
    for last in alarms.iter().filter(|last| last.stands()) {
        let Alarm { subject, condition, .. } = last;
        let of = seen.iter().find(|(known, _)| known == subject);
        if of.is_some_and(|(_, all)| all.iter().any(|seen| seen.code == condition.code)) {
            continue;
        }
        // Another process may have the target: then it reminds of what it sees.
        let is_over = match of {
            Some(_) => is_told(report, subject, &condition.code),
            None if is_complete && report.at.duration_since(last.at) < FORGOTTEN => continue,
            None => is_complete,
        };
        let condition = (!is_over).then_some(condition);
        changes.extend(Alarm::next(subject, Some(last), condition, report.at));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Health, samples::at};

    const DAY: i64 = 24 * 3600;

    fn condition(level: Level) -> Condition {
        Condition::new("rpo", level, "text", "remedy")
    }

    fn subject() -> Subject {
        Subject::Target("primary".parse().unwrap())
    }

    /// The third change of an alarm that was raised at 10.
    fn last(change: Change, level: Level) -> Alarm {
        let condition = condition(level);
        Alarm { subject: subject(), seq: 3, change, at: at(100), since: at(10), condition }
    }

    #[test]
    fn a_condition_is_told_of_when_it_begins_worsens_and_ends_and_daily_meanwhile() {
        use Change::{Raised, Reminded, Resolved, Worsened};
        use Level::{Critical, Warning};
        type Row = (Option<(Change, Level)>, Option<Level>, i64, Option<(Change, u32, i64)>);
        let rows: [Row; 15] = [
            (None, None, 0, None),
            (None, Some(Warning), 0, Some((Raised, 1, 0))),
            (None, Some(Critical), 0, Some((Raised, 1, 0))),
            (Some((Raised, Warning)), Some(Warning), 100, None),
            (Some((Raised, Warning)), Some(Warning), 100 + DAY - 1, None),
            (Some((Raised, Warning)), Some(Warning), 100 + DAY, Some((Reminded, 4, 10))),
            (Some((Reminded, Critical)), Some(Critical), 100 + DAY, Some((Reminded, 4, 10))),
            (Some((Raised, Warning)), Some(Critical), 101, Some((Worsened, 4, 10))),
            (Some((Raised, Warning)), Some(Critical), 100 + DAY, Some((Worsened, 4, 10))),
            (Some((Worsened, Critical)), Some(Warning), 101, None),
            (Some((Worsened, Critical)), None, 101, Some((Resolved, 4, 10))),
            (Some((Reminded, Warning)), None, 101, Some((Resolved, 4, 10))),
            (Some((Resolved, Warning)), None, 100 + DAY, None),
            (Some((Resolved, Warning)), Some(Warning), 101, Some((Raised, 4, 101))),
            (Some((Resolved, Critical)), Some(Critical), 100 + DAY, Some((Raised, 4, 100 + DAY))),
        ];
        for (before, seen, second, expected) in rows {
            let before = before.map(|(change, level)| last(change, level));
            let seen = seen.map(condition);
            let next = Alarm::next(&subject(), before.as_ref(), seen.as_ref(), at(second));
            let told = next.as_ref().map(|next| (next.change, next.seq, next.since));
            let expected = expected.map(|(change, seq, since)| (change, seq, at(since)));
            assert_eq!(told, expected, "{before:?} then {seen:?} at {second}");
            let of = seen.or(before.map(|before| before.condition));
            assert!(next.is_none_or(|next| Some(next.condition) == of && next.at == at(second)));
        }
    }

    #[test]
    fn a_target_that_is_gone_ends_its_alarms_if_nobody_tells_of_them_and_all_settings_could_be_read() {
        let alarm = last(Change::Raised, Level::Warning);
        let report = Report { at: at(200), health: Health::Ok, targets: Vec::new(), conditions: Vec::new() };
        assert_eq!(changes(std::slice::from_ref(&alarm), &report, false), []);
        let days_later = Report { at: at(100 + DAY), ..report.clone() };
        let reminded = changes(std::slice::from_ref(&alarm), &days_later, false);
        assert_eq!(
            reminded,
            [Alarm { seq: 4, change: Change::Reminded, at: at(100 + DAY), ..alarm.clone() }]
        );
        // Another process may have it, and reminds of it every day.
        let hours_later = |hours: i64| Report { at: at(100 + hours * 3600), ..report.clone() };
        assert_eq!(changes(std::slice::from_ref(&alarm), &hours_later(24), true), []);
        let end = hours_later(25);
        let over = changes(std::slice::from_ref(&alarm), &end, true);
        assert_eq!(over, [Alarm { seq: 4, change: Change::Resolved, at: end.at, ..alarm.clone() }]);
        assert_eq!(changes(&over, &end, true), []);
    }

    #[test]
    fn what_no_target_tells_is_the_apps_own() {
        let invalid = Condition::new("targets.invalid", Level::Critical, "text", "remedy");
        let report =
            Report { at: at(0), health: Health::Failing, targets: Vec::new(), conditions: vec![invalid] };
        let raised = changes(&[], &report, false);
        let [Alarm { subject: Subject::App, seq: 1, change: Change::Raised, .. }] = raised.as_slice() else {
            panic!("{raised:?}");
        };
        assert_eq!(changes(&raised, &report, false), []);
    }
}
