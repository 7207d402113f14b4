//! Alarms: conditions that somebody is told of once when they begin, once when they are over, and daily meanwhile.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Condition, Level, TargetName};

/// How long an alarm stands until it is told of again.
pub const REMINDER: SignedDuration = SignedDuration::from_hours(24);

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
