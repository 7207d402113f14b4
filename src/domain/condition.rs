//! What is not as it should be with a target, by its report alone. One rule for what is shown and what is told.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Finding, Health, Phase, PointReport, PointSize, Progress, ReadinessVerdict, Report, Run, RunKind,
    Subject, TargetReport, in_words, readiness::LAST_DAYS,
};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    Warning,
    Critical,
}

impl Level {
    pub fn health(self) -> Health {
        match self {
            Self::Warning => Health::AtRisk,
            Self::Critical => Health::Failing,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Something that is not as it should be, for as long as it is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Stable, in small letters with dots: `rpo`, `backup.missed`. One of a target at most has it.
    pub code: Cow<'static, str>,
    pub level: Level,
    /// One sentence.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Condition {
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        level: Level,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code: code.into(), level, text: text.into(), remedy: remedy.into() }
    }
}

/// Before this part of its RPO the newest recovery point is not at risk.
const AT_RISK_PERCENT: i64 = 80;
/// How long a backup is taken to last where none has ended yet.
const USUAL: i64 = 3600;
/// How long after its deadline an open operation is still let be: the driver skips it by itself.
const GRACE: SignedDuration = SignedDuration::from_mins(10);
/// With fewer sizes before nobody can say what is normal.
const SIZES: usize = 3;
/// A backup that is this many times smaller or larger than those before is told of.
const SIZE_FACTOR: u64 = 2;

/// What is not as it should be with a target at `now`, the worst first. Of the report everything counts but what it says
/// of these.
pub fn conditions(target: &TargetReport, now: Timestamp) -> Vec<Condition> {
    let own = target.history.iter().find(|run| run.kind == RunKind::Backup && run.phase != Phase::Canceled);
    let mut all = Vec::new();
    all.extend(recovery_point(target, now));
    all.extend(own.filter(|run| run.phase != Phase::Succeeded).map(|run| failed(target, run)));
    all.extend(missed(target));
    all.extend(expiring(target, now));
    all.extend(stuck(&target.in_progress, now));
    all.extend(standby(target));
    // What blocked then did not block a backup that came later.
    let check = target.check.as_ref().filter(|check| !has_succeeded_since(target, check.at));
    let findings = check.iter().flat_map(|check| &check.findings);
    all.extend(findings.filter(|finding| finding.is_blocking()).map(blocked));
    all.extend(size(&target.sizes));
    if let [first, ..] = target.unreadable.as_slice() {
        let text = match target.unreadable.len() {
            1 => first.clone(),
            n => format!("{n} records cannot be read, such as: {first}"),
        };
        all.push(corrupt(text));
    }
    all.sort_by_key(|condition| std::cmp::Reverse(condition.level));
    all
}

/// Of operations that are open.
pub fn stuck<'a>(open: impl IntoIterator<Item = &'a Progress>, now: Timestamp) -> Option<Condition> {
    let is_late = |open: &&Progress| now.duration_since(open.deadline) > GRACE;
    let Progress { id, kind, service, phase, stands, .. } = open.into_iter().find(is_late)?;
    let text = format!("the {kind} of {service} is {phase} past its deadline: {stands}");
    let remedy = format!("see what it waits for: apim-dr operations show {id}");
    Some(Condition::new(STUCK, Level::Warning, text, remedy))
}

/// Of records that cannot be read.
pub fn corrupt(text: String) -> Condition {
    const REMEDY: &str = "find out who wrote it: a newer version of apim-dr, or another program; what it is about is left alone \
                          until it can be read";
    Condition::new(CORRUPT, Level::Warning, text, REMEDY)
}

fn back_up(target: &TargetReport) -> String {
    format!("take a backup now: apim-dr backup --target {}", target.name)
}

fn has_succeeded_since(target: &TargetReport, instant: Timestamp) -> bool {
    let is_success = |run: &Run| run.kind == RunKind::Backup && run.phase == Phase::Succeeded;
    target.history.iter().any(|run| is_success(run) && run.opened >= instant)
}

fn recovery_point(target: &TargetReport, now: Timestamp) -> Option<Condition> {
    const CODE: &str = "rpo";
    let Some(PointReport { backup, age_seconds, at, .. }) = &target.newest else {
        let text = "there is no verified recovery point: nothing can be restored that somebody has seen";
        return Some(Condition::new(CODE, Level::Critical, text, back_up(target)));
    };
    let (age, rpo) = (*age_seconds, target.rpo_seconds);
    let [age_told, rpo_told] = [age, rpo].map(|seconds| in_words(SignedDuration::from_secs(seconds)));
    if age > rpo {
        let text = format!(
            "the newest verified recovery point, {backup}, is {age_told} old, where {rpo_told} is the most (RPO)"
        );
        return Some(Condition::new(CODE, Level::Critical, text, back_up(target)));
    }
    if age.saturating_mul(100) < rpo.saturating_mul(AT_RISK_PERCENT) {
        return None;
    }
    // While the next run can come in time, this is how it is between two runs.
    let usual = target.median_seconds.unwrap_or(USUAL);
    let next = target.schedule.next(*at)?;
    let after = |seconds| next.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let broken = at.checked_add(SignedDuration::from_secs(rpo)).unwrap_or(Timestamp::MAX);
    if after(usual) <= broken && now <= after(usual.saturating_mul(2).max(USUAL)) {
        return None;
    }
    let text = format!(
        "the newest verified recovery point, {backup}, is {age_told} old, of {rpo_told} at most (RPO)"
    );
    Some(Condition::new(CODE, Level::Warning, text, back_up(target)))
}

fn failed(target: &TargetReport, run: &Run) -> Condition {
    let how = if run.phase == Phase::Skipped { "was skipped" } else { "failed" };
    let known = target.last_failure.as_ref().filter(|failure| failure.operation == run.id);
    let why = known.map(|failure| &failure.text).or(run.failure.as_ref());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let remedy = known.and_then(|failure| failure.remedy.clone());
    let remedy = remedy.unwrap_or_else(|| format!("see what happened: apim-dr operations show {}", run.id));
    Condition::new(FAILED, Level::Warning, format!("the last backup {how}{why}"), remedy)
}

/// A run that never came, until there is a later success.
fn missed(target: &TargetReport) -> Option<Condition> {
    let since = |instant: &&Timestamp| target.last_success.is_none_or(|success| success < **instant);
    let due: Vec<_> = target.missed.iter().take_while(since).collect();
    let text = match due.as_slice() {
        [] => return None,
        [one] => format!("the backup that was due at {one:.0} has not succeeded"),
        [newest, .., oldest] => format!(
            "{} backups that were due have not succeeded: the first at {oldest:.0}, the last at {newest:.0}",
            due.len()
        ),
    };
    let remedy = "see whether the app runs: its timer, or apim-dr serve; then what the operations say: apim-dr operations list";
    Some(Condition::new(MISSED, Level::Warning, text, remedy))
}

fn expiring(target: &TargetReport, now: Timestamp) -> Option<Condition> {
    let newest = target.newest.as_ref()?;
    let left = newest.restorable_until.duration_since(now);
    let text = match left.is_positive() {
        true if left > LAST_DAYS => return None,
        true => {
            format!("the newest verified recovery point, {}, expires in {}", newest.backup, in_words(left))
        }
        false => format!("the newest verified recovery point, {}, has expired", newest.backup),
    };
    let level = if left.is_positive() { Level::Warning } else { Level::Critical };
    Some(Condition::new("point.expiring", level, text, back_up(target)))
}

fn standby(target: &TargetReport) -> Option<Condition> {
    let standby = target.standby.as_ref()?;
    let readiness = standby.readiness.as_ref()?;
    if readiness.verdict != ReadinessVerdict::NotReady {
        return None;
    }
    let (text, remedy) = match readiness.reasons.as_slice() {
        [] => (String::new(), String::new()),
        [first, ..] => (format!(": {}", first.text), first.remedy.clone()),
    };
    let text = format!("a fail-over to {} would not work{text}", standby.service.name);
    Some(Condition::new(NOT_READY, Level::Critical, text, remedy))
}

fn blocked(finding: &Finding) -> Condition {
    let text = format!("the next backup cannot work: {}", finding.text);
    Condition::new(format!("{BLOCKED}{}", finding.code), Level::Warning, text, finding.remedy.clone())
}

/// The newest size against the median of those before.
fn size(sizes: &[PointSize]) -> Option<Condition> {
    let (newest, before) = sizes.split_last()?;
    let mut before: Vec<_> = before.iter().rev().take(10).map(|point| point.size_bytes).collect();
    if before.len() < SIZES {
        return None;
    }
    before.sort_unstable();
    let usual = before[before.len() / 2];
    let newest = newest.size_bytes;
    if newest.saturating_mul(SIZE_FACTOR) >= usual && newest <= usual.saturating_mul(SIZE_FACTOR) {
        return None;
    }
    let text = format!("the newest backup has {newest} bytes, where {usual} are usual");
    let remedy =
        "see whether somebody has removed or added much: apim-dr compare shows what the instance has";
    Some(Condition::new("size.unusual", Level::Warning, text, remedy))
}

const FAILED: &str = "backup.failed";
const MISSED: &str = "backup.missed";
const CORRUPT: &str = "records.corrupt";
const STUCK: &str = "operation.stuck";
const NOT_READY: &str = "standby.not-ready";
const BLOCKED: &str = "blocked.";

/// Whether a report would tell of a condition of the subject if there were one: what it is seen by could be read.
pub(super) fn is_told(report: &Report, subject: &Subject, code: &str) -> bool {
    // What is open and cannot be read is nobody's: it may be any target's.
    if code == STUCK && report.conditions.iter().any(|condition| condition.code == CORRUPT) {
        return false;
    }
    let Some(name) = subject.target() else { return true };
    let Some(target) = report.targets.iter().find(|target| target.name == *name) else { return false };
    if !target.unreadable.is_empty() {
        return false;
    }
    if code == FAILED || code == MISSED {
        // What is older than the history is not over by that.
        return target.history.iter().any(|run| run.kind == RunKind::Backup);
    }
    if code == NOT_READY {
        return target.standby.as_ref().is_none_or(|standby| standby.readiness.is_some());
    }
    let Some(code) = code.strip_prefix(BLOCKED) else { return true };
    let check = target.check.as_ref();
    check.is_some_and(|check| !check.findings.iter().any(|finding| hides(&finding.code, code)))
}

/// Whether a finding says that what another would be found by could not be read.
fn hides(unread: &str, code: &str) -> bool {
    let family = code.split('.').next().unwrap_or(code);
    match unread {
        // Then nothing else is looked at.
        "service.unreadable" | "service.missing" | "service.soft-deleted" => code != unread,
        // The others are found by its settings, or lie in it.
        "account.unread" | "account.unseen" => {
            ["account", "container", "firewall", "network", "role"].contains(&family) && code != unread
        }
        "service.unknown-parts" => ["api-version", "identity", "tier", "workspaces"].contains(&family),
        "identity.unknown" => family == "identity" && code != unread,
        "tier.unknown" => family == "tier" && code != unread,
        _ => unread.strip_suffix(".unread") == Some(family),
    }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
