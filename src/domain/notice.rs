//! What is told to people and programs outside, and to whom.

use std::{fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Alarm, ContainerRef, InvalidName, Kind, Operation, OperationId, Phase, Plan, Secret, ServiceName, Target,
    TargetName,
};

/// The name of a configured hook: as a target's.
pub type HookName = TargetName;

/// Something to be told. It has no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The same whenever it is told again, and nothing else has it.
    pub id: String,
    pub at: Timestamp,
    /// The targets that it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetName>,
    pub news: News,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum News {
    /// Azure took it.
    Started {
        operation: Box<Operation>,
    },
    /// Succeeded, Failed, Canceled or Skipped.
    Ended {
        operation: Box<Operation>,
    },
    Alarm {
        alarm: Alarm,
    },
    /// Somebody tries out whether a hook works.
    Test,
}

impl Notice {
    /// That an operation has ended, by the entry `seq` of its journal: a late answer may end it again.
    pub fn ended(operation: &Operation, seq: u32, targets: Vec<TargetName>) -> Self {
        let id = format!("{}.{seq}", operation.id);
        let news = News::Ended { operation: Box::new(operation.clone()) };
        Self { id, at: operation.updated, targets, news }
    }

    /// That Azure took it, by the entry `seq`.
    pub fn started(operation: &Operation, seq: u32, targets: Vec<TargetName>) -> Self {
        let id = format!("{}.{seq}", operation.id);
        let news = News::Started { operation: Box::new(operation.clone()) };
        Self { id, at: operation.updated, targets, news }
    }

    pub fn alarm(alarm: &Alarm) -> Self {
        let Alarm { subject, seq, change, at, condition, .. } = alarm;
        let id = format!("{subject}.{}.{seq}.{}", condition.code, change.as_str());
        let targets = subject.target().cloned().into_iter().collect();
        Self { id, at: *at, targets, news: News::Alarm { alarm: alarm.clone() } }
    }

    /// For those that are tried out; of each instant one.
    pub fn test(at: Timestamp) -> Self {
        Self { id: format!("test.{}", at.as_microsecond()), at, targets: Vec::new(), news: News::Test }
    }

    pub fn topic(&self) -> Topic {
        match &self.news {
            News::Started { .. } => Topic::Started,
            News::Ended { operation } if operation.phase == Phase::Succeeded => Topic::Succeeded,
            News::Ended { .. } => Topic::Failed,
            News::Alarm { .. } => Topic::Alarms,
            News::Test => Topic::Test,
        }
    }
}

/// Which targets rest on which services: whom the news of an operation concern.
#[derive(Debug, Clone, Default)]
pub struct Concerns(Arc<[Concern]>);

#[derive(Debug)]
struct Concern {
    target: TargetName,
    service: ServiceName,
    /// Where its backups go: another target may back the same service up to another place.
    place: ContainerRef,
    standby: Option<ServiceName>,
}

impl Concerns {
    pub fn new(targets: &[Target]) -> Self {
        let concern = |target: &Target| Concern {
            target: target.name.clone(),
            service: target.plan.service.name.clone(),
            place: target.plan.blob.place(),
            standby: target.standby.as_ref().map(|standby| standby.name.clone()),
        };
        Self(targets.iter().map(concern).collect())
    }

    /// Those whose backup it is, whose service or standby it restores, whose recovery point it reads, or whose drill it
    /// is.
    pub fn of(&self, plan: &Plan) -> Vec<TargetName> {
        let concerned = self.0.iter().filter(|concern| {
            let is = |meant: Option<&ServiceName>, service: &ServiceName| {
                meant.is_some_and(|meant| meant.key() == service.key())
            };
            let own = is(Some(&plan.service.name), &concern.service);
            match plan.kind {
                Kind::Backup => own && plan.blob.place() == concern.place,
                Kind::Restore => {
                    own || is(concern.standby.as_ref(), &plan.service.name)
                        || is(plan.source.as_ref(), &concern.service)
                        || plan.drill.as_ref() == Some(&concern.target)
                }
            }
        });
        concerned.map(|concern| concern.target.clone()).collect()
    }
}

/// What a hook may want to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Azure took an operation.
    Started,
    Succeeded,
    /// It failed, or was skipped or cancelled.
    Failed,
    Alarms,
    /// Every hook wants it.
    Test,
}

impl FromStr for Topic {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text {
            "started" => Ok(Self::Started),
            "succeeded" => Ok(Self::Succeeded),
            "failed" => Ok(Self::Failed),
            "alarms" => Ok(Self::Alarms),
            _ => Err(InvalidName { remedy: "take started, succeeded, failed or alarms" }),
        }
    }
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A hook of the settings.
    Hook(HookName),
    /// Whoever started the operation.
    Callback(Callback),
}

/// What is no hook's name, because of its dot.
const CALLBACK: &str = ".callback";

impl Recipient {
    /// Tells those of one notice apart.
    pub fn name(&self) -> &str {
        match self {
            Self::Hook(name) => name.as_str(),
            Self::Callback(_) => CALLBACK,
        }
    }
}

/// Where a request wants its end to be told. Came with the request; all of it is treated as a secret, because an
/// address of Logic Apps has a signature in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// `callbackUrl`, as the HTTP webhook action of Logic Apps sends it.
    Url(Secret),
    /// A task of Azure DevOps that waits for its callback.
    AzureDevOps { url: Secret, token: Secret, job: String, task: String },
}

/// A notice on its way to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub notice: Notice,
    pub to: Recipient,
}

impl Letter {
    /// Nothing else has it. Several processes may prepare one change of an alarm, of which one records it: so the time
    /// is in it.
    pub fn key(&self) -> LetterKey {
        let Notice { id, at, news, .. } = &self.notice;
        let service = match news {
            News::Started { operation } | News::Ended { operation } => {
                format!("{}.", operation.plan.service.name.key())
            }
            News::Alarm { .. } | News::Test => String::new(),
        };
        LetterKey(format!("{service}{id}.{}.{}", at.as_nanosecond(), self.to.name()))
    }
}

/// The name of a letter. It tells which others must not overtake it, so that nobody has to read them: a service, an
/// operation and the number of its entry; or a subject, a code, and the number of a change and what it was. Then the time
/// and the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterKey(String);

impl LetterKey {
    /// As it was told by one that is stored.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its recipient, but for a dot.
    pub fn recipient(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it tells of that operation.
    pub fn is_of(&self, operation: OperationId) -> bool {
        self.parts().0.rsplit('.').nth(1).is_some_and(|part| part == operation.to_string())
    }

    /// What it is about, to its recipient: of letters of one row none overtakes another. A callback is one operation's.
    pub fn row(&self) -> (&str, &str) {
        let (what, _) = self.parts();
        let row = match what.rsplit_once('.') {
            Some((operation, seq)) if is_number(seq) && self.is_callback() => operation,
            Some((operation, seq)) if is_number(seq) => {
                operation.split_once('.').map_or(operation, |(service, _)| service)
            }
            Some((change, _)) => {
                change.rsplit_once('.').map_or(change, |(subject_and_code, _)| subject_and_code)
            }
            None => what,
        };
        (row, if self.is_callback() { CALLBACK } else { self.recipient() })
    }

    /// Where it stands in its row. The changes of an alarm count; operations tell the time.
    pub fn place(&self) -> (i128, i128) {
        let (what, at) = self.parts();
        let mut parts = what.rsplit('.');
        let last = parts.next().unwrap_or_default();
        let number = |text: &str| text.parse().unwrap_or_default();
        if is_number(last) {
            (number(at), number(last))
        } else {
            (parts.next().map(number).unwrap_or_default(), number(at))
        }
    }

    fn is_callback(&self) -> bool {
        self.0.strip_suffix(CALLBACK).is_some_and(|rest| rest.ends_with('.'))
    }

    /// What it is about, with the numbers; and when that was.
    fn parts(&self) -> (&str, &str) {
        let rest = self.0.rsplit_once('.').map_or("", |(rest, _)| rest);
        rest.trim_end_matches('.').rsplit_once('.').unwrap_or((rest, ""))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for LetterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, tz::TimeZone};

    use super::*;
    use crate::domain::{
        BlobRef, Change, Condition, Credentials, Level, NameSuffix, Subject,
        samples::{at, operation, plan},
    };

    fn to(name: &str) -> Recipient {
        if name == CALLBACK {
            return Recipient::Callback(Callback::Url(Secret::new("https://example.com")));
        }
        Recipient::Hook(name.parse().unwrap())
    }

    #[test]
    fn the_key_of_a_letter_tells_its_row_and_its_place_there() {
        let operation = operation(Kind::Backup);
        let service = operation.plan.service.name.key();
        let started = Notice::started(&operation, 3, Vec::new());
        let ended = Notice { at: at(60), ..Notice::ended(&operation, 12, Vec::new()) };
        let alarm = |subject, seq, change| {
            let condition = Condition::new("blocked.account.firewall", Level::Critical, "text", "remedy");
            Notice::alarm(&Alarm { subject, seq, change, at: at(0), since: at(0), condition })
        };
        let primary = || Subject::Target("primary".parse().unwrap());
        let (of_primary, of_app) = ("primary.blocked.account.firewall", "apim.dr.blocked.account.firewall");
        let callback = format!("{service}.{}", operation.id);
        let nanos = |seconds| at(seconds).as_nanosecond();
        for (notice, name, row, place, is_of) in [
            (&started, "ops", service.as_str(), (started.at.as_nanosecond(), 3), true),
            (&ended, "ops", &service, (nanos(60), 12), true),
            (&ended, "callback", &service, (nanos(60), 12), true),
            (&ended, CALLBACK, &callback, (nanos(60), 12), true),
            (&alarm(primary(), 9, Change::Raised), "ops", of_primary, (9, nanos(0)), false),
            (&alarm(primary(), 10, Change::Resolved), "ops", of_primary, (10, nanos(0)), false),
            (&alarm(Subject::App, 1, Change::Reminded), "7", of_app, (1, nanos(0)), false),
            (&Notice::test(at(0)), "ops", "test", (nanos(0), nanos(0) / 1000), false),
        ] {
            let key = Letter { notice: notice.clone(), to: to(name) }.key();
            assert_eq!((key.row(), key.place()), ((row, name), place), "{key}");
            assert_eq!(key.is_of(operation.id), is_of, "{key}");
            assert_eq!(key.recipient(), name.trim_start_matches('.'), "{key}");
        }
        for text in ["", ".", "a", "a.1", "a.1.ops", "..callback", ".callback"] {
            let key = LetterKey::stored(text);
            assert!(text.contains(key.row().0) && key.place() <= (1, 0), "{text:?}");
        }
    }

    fn target(name: &str, container: &str) -> Target {
        let plan = plan("sampleapim");
        let blob = BlobRef { container: container.parse().unwrap(), ..plan.blob.clone() };
        Target {
            name: name.parse().unwrap(),
            schedule: "0 0 1 * * *".parse().unwrap(),
            zone: TimeZone::UTC,
            suffix: NameSuffix::default(),
            plan: Plan { blob, ..plan },
            credentials: Credentials::default(),
            rpo: SignedDuration::from_hours(26),
            standby: Some(super::super::samples::plan("standby").service),
            drill: None,
        }
    }

    #[test]
    fn an_operation_concerns_the_targets_whose_backup_service_standby_point_or_drill_it_is() {
        let concerns = Concerns::new(&[target("near", "backup"), target("far", "elsewhere")]);
        let restore = |service: &str| Plan { kind: Kind::Restore, ..plan(service) };
        let both: &[&str] = &["near", "far"];
        let rows: [(Plan, &[&str]); 7] = [
            (plan("sampleapim"), &["near"]),
            (plan("SampleAPIM"), &["near"]),
            (plan("standby"), &[]),
            (restore("sampleapim"), both),
            (restore("standby"), both),
            (Plan { source: Some("sampleapim".parse().unwrap()), ..restore("other") }, both),
            (Plan { drill: Some("far".parse().unwrap()), ..restore("drill") }, &["far"]),
        ];
        for (plan, expected) in rows {
            let names: Vec<_> = concerns.of(&plan).iter().map(ToString::to_string).collect();
            assert_eq!(names, expected, "{plan:?}");
        }
    }
}
