//! A hook of the settings: what it is, and what it wants to be told.

use std::{collections::BTreeSet, str::FromStr};

use super::{HookName, InvalidName, Kind, News, Notice, Operation, Secret, Subject, TargetName, Topic};

/// What is on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// Any program: `CloudEvents`.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Teams that takes a card.
    Teams,
    /// A watch for a heartbeat, as of Healthchecks.
    Ping,
}

impl HookKind {
    /// As `type` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Ping => "ping",
        }
    }

    /// What it wants if nothing is said.
    pub fn default_topics(self) -> BTreeSet<Topic> {
        let topics: &[Topic] = match self {
            Self::Webhook => &[Topic::Started, Topic::Succeeded, Topic::Failed, Topic::Alarms],
            Self::Slack | Self::Teams => &[Topic::Failed, Topic::Alarms],
            Self::Ping => &[Topic::Started, Topic::Succeeded, Topic::Failed],
        };
        topics.iter().copied().collect()
    }
}

impl FromStr for HookKind {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let all = [Self::Webhook, Self::Slack, Self::Teams, Self::Ping];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or(InvalidName { remedy: "take webhook, slack, teams or ping" })
    }
}

/// One of those who are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub name: HookName,
    pub kind: HookKind,
    /// Where it is. A secret: whoever has it may post.
    pub url: Secret,
    /// Of a webhook: what its messages are signed with, in base64.
    pub secret: Option<Secret>,
    pub on: BTreeSet<Topic>,
    /// Only what concerns one of these; none: everything.
    pub targets: Vec<TargetName>,
}

impl Hook {
    /// Whether it is to be told.
    pub fn wants(&self, notice: &Notice) -> bool {
        let topic = notice.topic();
        let is_its_own = match &notice.news {
            // Somebody tries it out.
            News::Test => return true,
            News::Started { operation } | News::Ended { operation } => {
                self.kind != HookKind::Ping || is_heartbeat(operation)
            }
            News::Alarm { .. } => true,
        };
        is_its_own && self.on.contains(&topic) && self.is_concerned(notice)
    }

    fn is_concerned(&self, notice: &Notice) -> bool {
        let of_the_app = matches!(&notice.news, News::Alarm { alarm } if alarm.subject == Subject::App);
        let all = self.targets.is_empty();
        all || of_the_app || notice.targets.iter().any(|target| self.targets.contains(target))
    }
}

/// Whether it tells that backups are made: a drill, a restore, and the backup before one, do not.
fn is_heartbeat(operation: &Operation) -> bool {
    operation.plan.kind == Kind::Backup && operation.plan.safety_for.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Alarm, Change, Condition, Level, OperationId, Phase,
        samples::{at, operation},
    };

    fn hook(kind: HookKind, on: &[Topic], targets: &[&str]) -> Hook {
        Hook {
            name: "ops".parse().unwrap(),
            kind,
            url: Secret::new("https://example.com"),
            secret: None,
            on: if on.is_empty() { kind.default_topics() } else { on.iter().copied().collect() },
            targets: targets.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    fn ended(kind: Kind, phase: Phase) -> Notice {
        let operation = Operation { phase, ..operation(kind) };
        Notice::ended(&operation, 7, vec!["primary".parse().unwrap()])
    }

    fn alarm(subject: Subject, code: &'static str, change: Change) -> Notice {
        let condition = Condition::new(code, Level::Critical, "it is so", "change it");
        Notice::alarm(&Alarm { subject, seq: 1, change, at: at(0), since: at(0), condition })
    }

    #[test]
    fn each_kind_wants_by_default_what_it_is_for() {
        let primary = || Subject::Target("primary".parse().unwrap());
        let started = Notice::started(&operation(Kind::Backup), 2, Vec::new());
        let succeeded = ended(Kind::Backup, Phase::Succeeded);
        let failed = ended(Kind::Backup, Phase::Failed);
        let skipped = ended(Kind::Backup, Phase::Skipped);
        let restored = ended(Kind::Restore, Phase::Succeeded);
        let not_restored = ended(Kind::Restore, Phase::Failed);
        let raised = alarm(primary(), "rpo", Change::Raised);
        let test = Notice::test(at(0));
        let rows = [
            (&started, "webhook ping"),
            (&succeeded, "webhook ping"),
            (&failed, "webhook slack teams ping"),
            (&skipped, "webhook slack teams ping"),
            (&restored, "webhook"),
            (&not_restored, "webhook slack teams"),
            (&raised, "webhook slack teams"),
            (&test, "webhook slack teams ping"),
        ];
        for (notice, expected) in rows {
            let all = [HookKind::Webhook, HookKind::Slack, HookKind::Teams, HookKind::Ping];
            let wanting = all.into_iter().filter(|kind| hook(*kind, &[], &[]).wants(notice));
            assert_eq!(wanting.map(HookKind::as_str).collect::<Vec<_>>().join(" "), expected, "{notice:?}");
        }
    }

    #[test]
    fn neither_a_drill_nor_the_backup_before_a_restore_is_a_heartbeat() {
        let mut drill = operation(Kind::Restore);
        drill.plan.drill = Some("primary".parse().unwrap());
        let mut safety = operation(Kind::Backup);
        safety.plan.safety_for = Some(OperationId::at(at(0)));
        let ping = hook(HookKind::Ping, &[], &[]);
        for operation in [&drill, &safety] {
            assert!(!ping.wants(&Notice::started(operation, 2, Vec::new())));
        }
        assert!(ping.wants(&Notice::started(&operation(Kind::Backup), 2, Vec::new())));
    }

    #[test]
    fn every_change_of_an_alarm_is_told_also_to_those_who_hear_of_the_operation_that_failed() {
        let both = hook(HookKind::Slack, &[Topic::Failed, Topic::Alarms], &[]);
        for change in [Change::Raised, Change::Worsened, Change::Reminded, Change::Resolved] {
            let notice = alarm(Subject::Target("primary".parse().unwrap()), "backup.failed", change);
            assert!(both.wants(&notice), "{change:?}");
        }
    }

    #[test]
    fn a_hook_of_some_targets_hears_of_these_and_of_the_app_itself() {
        let primary = hook(HookKind::Webhook, &[], &["primary"]);
        let other = hook(HookKind::Webhook, &[], &["other", "third"]);
        let failed = ended(Kind::Backup, Phase::Failed);
        assert_eq!((primary.wants(&failed), other.wants(&failed)), (true, false));
        let nobodys = Notice { targets: Vec::new(), ..failed };
        assert_eq!((primary.wants(&nobodys), other.wants(&nobodys)), (false, false));
        let own = alarm(Subject::App, "settings", Change::Raised);
        assert_eq!((primary.wants(&own), other.wants(&own)), (true, true));
        assert!(!hook(HookKind::Webhook, &[Topic::Started], &["other"]).wants(&own));
    }
}
