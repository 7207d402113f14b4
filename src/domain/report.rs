//! What the records tell of the targets at one instant: all that the status page, the metrics, `status` and its JSON
//! show, and all that an alarm is raised for.
//!
//! Lengths of time are in seconds, sizes in bytes, instants in UTC.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    BlobName, Condition, ContainerRef, Explanation, Finding, Kind, OperationId, Phase, Readiness, Schedule,
    ServiceId, ServiceName, TargetName,
};

/// How far back runs are told of.
pub const HISTORY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many instants of a schedule are looked at: of one that fires every minute those of the last hours.
const INSTANTS: usize = 1000;
/// A timer may fire a moment early.
const EARLY: SignedDuration = SignedDuration::from_mins(1);

/// How it stands with a target, or with all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// What was promised holds.
    Ok,
    /// It holds, but will not for long, or nobody knows.
    AtRisk,
    /// It does not hold.
    Failing,
}

impl Health {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AtRisk => "at risk",
            Self::Failing => "failing",
        }
    }

    /// That of something of which these conditions are told.
    pub fn of(conditions: &[Condition]) -> Self {
        conditions.iter().map(|condition| condition.level.health()).max().unwrap_or(Self::Ok)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything, at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When the records were read.
    pub at: Timestamp,
    /// The worst of all.
    pub health: Health,
    pub targets: Vec<TargetReport>,
    /// What is not as it should be with the app itself, the worst first.
    pub conditions: Vec<Condition>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetReport {
    #[schemars(with = "String")]
    pub name: TargetName,
    /// Its API Management service.
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub service: ServiceId,
    /// Account and container of its backups.
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub container: ContainerRef,
    pub health: Health,
    /// What is not as it should be, the worst first.
    pub conditions: Vec<Condition>,
    /// When it is backed up: NCRONTAB, UTC.
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub schedule: Schedule,
    pub next_run: Option<Timestamp>,
    /// How old the newest verified recovery point may be.
    pub rpo_seconds: i64,
    /// The newest verified recovery point. Those of safety backups do not count.
    pub newest: Option<PointReport>,
    pub points: PointCounts,
    /// Sizes of the verified recovery points that stand, oldest first.
    pub sizes: Vec<PointSize>,
    /// What ended in the last 30 days, newest first: backups of the service, restores into it and into its standby,
    /// drills.
    pub history: Vec<Run>,
    /// Instants of the schedule in the last 30 days that no backup had followed by their deadline, newest first.
    pub missed: Vec<Timestamp>,
    /// The newest backup that succeeded, in the history.
    pub last_success: Option<Timestamp>,
    /// How long a backup takes: the median of those in the history that succeeded.
    pub median_seconds: Option<i64>,
    pub in_progress: Vec<Progress>,
    /// The newest operation in the history that failed or was skipped.
    pub last_failure: Option<LastFailure>,
    pub standby: Option<StandbyReport>,
    pub drill: Option<DrillReport>,
    /// What the newest daily look found.
    pub check: Option<CheckReport>,
    /// Records of it that cannot be read.
    pub unreadable: Vec<String>,
}

/// A recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointReport {
    #[schemars(with = "String")]
    pub backup: BlobName,
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub operation: OperationId,
    /// When it was started: from then on changes of the service are not in it.
    pub at: Timestamp,
    pub age_seconds: i64,
    /// API Management restores it until then.
    pub restorable_until: Timestamp,
    pub size_bytes: u64,
}

/// How many recovery points stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointCounts {
    /// Verified, and not expired.
    pub restorable: usize,
    /// Not expired, but nobody saw them.
    pub unverified: usize,
}

/// The size of a recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointSize {
    pub at: Timestamp,
    pub size_bytes: u64,
}

/// What an operation is to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunKind {
    Backup,
    /// Before a restore, of what that overwrites.
    SafetyBackup,
    Restore,
    Drill,
}

impl RunKind {
    pub fn new(kind: Kind, is_drill: bool, is_safety: bool) -> Self {
        match kind {
            Kind::Backup if is_safety => Self::SafetyBackup,
            Kind::Backup => Self::Backup,
            Kind::Restore if is_drill => Self::Drill,
            Kind::Restore => Self::Restore,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::SafetyBackup => "safety backup",
            Self::Restore => "restore",
            Self::Drill => "drill",
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operation that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub id: OperationId,
    pub kind: RunKind,
    /// What it was done to.
    #[schemars(with = "String")]
    pub service: ServiceName,
    /// `Succeeded`, `Failed`, `Canceled` or `Skipped`.
    #[schemars(with = "String")]
    pub phase: Phase,
    pub opened: Timestamp,
    /// When its last attempt was; none if it had none.
    pub started: Option<Timestamp>,
    pub closed: Timestamp,
    /// Why it failed, in Azure's words or ours.
    pub failure: Option<String>,
}

impl Run {
    /// How long it took from its start, if it had one.
    pub fn took_seconds(&self) -> Option<i64> {
        Some(self.closed.duration_since(self.started?).as_secs())
    }
}

/// An operation that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub id: OperationId,
    pub kind: RunKind,
    #[schemars(with = "String")]
    pub service: ServiceName,
    /// `Pending`, `Starting`, `Running` or `Verifying`.
    #[schemars(with = "String")]
    pub phase: Phase,
    /// Where it stands, in a sentence.
    pub stands: String,
    pub opened: Timestamp,
    pub started: Option<Timestamp>,
    /// Since its opening.
    pub elapsed_seconds: i64,
    /// Until then it may start; one that runs longer is watched on.
    pub deadline: Timestamp,
    /// When it should be over: its start and the median of its kind.
    pub expected_end: Option<Timestamp>,
}

/// Why the last one failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub operation: OperationId,
    pub kind: RunKind,
    pub at: Timestamp,
    pub text: String,
    /// Azure's or ours.
    pub code: Option<String>,
    /// Why, where that is known.
    pub cause: Option<String>,
    /// What helps.
    pub remedy: Option<String>,
}

impl LastFailure {
    /// Adds what is known of it today to what was recorded.
    #[must_use]
    pub fn explained(mut self, known: Option<&Explanation>) -> Self {
        if let Some(known) = known {
            self.cause = Some(known.cause.to_owned());
            self.remedy.get_or_insert_with(|| known.remedy.to_owned());
        }
        self
    }
}

/// What is to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandbyReport {
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub service: ServiceId,
    /// Whether a fail-over would work, by the newest daily look; none if nobody could tell.
    pub readiness: Option<Readiness>,
}

/// Where recovery points are tried out, and how long that took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    #[schemars(with = "String")]
    #[serde(serialize_with = "as_text")]
    pub service: ServiceId,
    pub next: Option<Timestamp>,
    /// The newest that ended, however long ago.
    pub last: Option<Run>,
    /// From opening to end, of the newest that succeeded: the recovery time to expect (RTO).
    pub rto_seconds: Option<i64>,
}

/// The newest daily look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    pub at: Timestamp,
    /// What speaks against a backup of the target.
    pub findings: Vec<Finding>,
}

/// The instants of a schedule in the 30 days before `now` that no backup followed which had succeeded by its deadline;
/// newest first. Instants of before `since` do not count, and none does if nobody knows since when it is the schedule.
pub fn missed(
    schedule: &Schedule,
    since: Option<Timestamp>,
    deadline: Duration,
    history: &[Run],
    now: Timestamp,
) -> Vec<Timestamp> {
    let Some(since) = since else { return Vec::new() };
    let from = now.checked_sub(HISTORY).map_or(since, |from| from.max(since));
    let deadline = SignedDuration::try_from(deadline).unwrap_or(SignedDuration::MAX);
    let is_success = |run: &&Run| run.kind == RunKind::Backup && run.phase == Phase::Succeeded;
    let successes: Vec<_> = history.iter().filter(is_success).map(|run| (run.opened, run.closed)).collect();
    let in_time = |instant: Timestamp| {
        successes.iter().any(|(opened, closed)| {
            opened.duration_since(instant) >= -EARLY && closed.duration_since(instant) <= deadline
        })
    };
    let before = |instant: Timestamp| instant.checked_sub(SignedDuration::from_secs(1)).ok();
    let newest = now.checked_sub(deadline).ok().and_then(|over| schedule.latest(over));
    std::iter::successors(newest, |instant| schedule.latest(before(*instant)?))
        .take_while(|instant| instant.duration_since(from) > -EARLY)
        .take(INSTANTS)
        .filter(|instant| !in_time(*instant))
        .collect()
}

fn as_text<T: fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::samples;

    /// Whether everything in a value is what the schema says of it.
    fn check(value: &Value, schema: &Value, root: &Value) {
        let named = |name: &str| &root["$defs"][name.rsplit('/').next().unwrap()];
        let schema = schema["$ref"].as_str().map_or(schema, named);
        if let Some(either) = schema["anyOf"].as_array() {
            let some = either.iter().find(|it| it["type"] != "null").unwrap();
            if !value.is_null() {
                check(value, some, root);
            }
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let known = &schema["properties"][name];
                    assert!(!known.is_null(), "{name} is not in {schema}");
                    check(field, known, root);
                }
                for name in schema["required"].as_array().into_iter().flatten() {
                    assert!(fields.contains_key(name.as_str().unwrap()), "{name} is missing");
                }
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, &schema["items"], root)),
            _ => {
                let of_type = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    _ => "string",
                };
                let told = &schema["type"];
                let fits = told.as_str() == Some(of_type)
                    || told.as_array().is_some_and(|types| types.iter().any(|it| it == of_type))
                    || schema["oneOf"].is_array();
                assert!(fits, "{value} is not {schema}");
            }
        }
    }

    #[test]
    fn the_json_of_a_report_is_what_its_schema_says() {
        let schema = schemars::schema_for!(Report).to_value();
        check(&serde_json::to_value(samples::report()).unwrap(), &schema, &schema);
    }
}
