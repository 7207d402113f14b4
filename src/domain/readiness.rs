//! Whether a fail-over would work now.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Difference, Finding, Impact, RecoveryPoint, Tier, in_words};

/// How long before its expiry a recovery point is told of, if there is no newer one.
pub(super) const LAST_DAYS: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What is known of a pair.
#[derive(Debug, Clone, Copy)]
pub struct ReadinessFacts<'a> {
    /// How old the newest verified recovery point may be.
    pub rpo: SignedDuration,
    pub now: Timestamp,
    /// Of the primary.
    pub newest_verified: Option<&'a RecoveryPoint>,
    pub primary_tier: Option<&'a Tier>,
    pub standby_tier: Option<&'a Tier>,
    /// `None`: nobody could tell.
    pub standby_idle: Option<bool>,
    pub differences: &'a [Difference],
    /// Of a look before a restore into the standby.
    pub findings: &'a [Finding],
}

/// Whether a fail-over would work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReadinessVerdict {
    Ready,
    /// It would, with a loss.
    AtRisk,
    NotReady,
}

/// Something that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessReason {
    /// Never [`Impact::Notes`].
    pub severity: Impact,
    pub text: String,
    pub remedy: String,
    /// It is about the recovery points: whoever knows these as they are now knows better.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_points: bool,
}

/// The verdict, and what it rests on, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    pub verdict: ReadinessVerdict,
    pub reasons: Vec<ReadinessReason>,
}

pub fn readiness(facts: ReadinessFacts<'_>) -> Readiness {
    let mut reasons = recovery_point(facts.newest_verified, facts.rpo, facts.now);
    let tier = tier(facts);
    // A wrong tier is told once.
    let differences = facts.differences.iter().filter(|it| it.item != "tier" || tier.is_none());
    reasons.extend(tier.iter().cloned());
    reasons.extend(match facts.standby_idle {
        Some(true) => None,
        Some(false) => {
            let text = "the standby is busy: nothing can be restored into it until that is over";
            Some(ReadinessReason::new(Impact::Risks, text, "wait, then look again"))
        }
        None => {
            let text = "nobody could tell whether the standby is busy";
            Some(ReadinessReason::new(Impact::Risks, text, "look again"))
        }
    });
    let findings = facts.findings.iter().filter(|finding| finding.code != "backup.tier" || tier.is_none());
    let findings = findings.map(|finding| {
        let severity = if finding.is_blocking() { Impact::Breaks } else { Impact::Risks };
        ReadinessReason::new(severity, &finding.text, &finding.remedy)
    });
    reasons.extend(findings);
    let differences = differences.filter(|difference| difference.severity != Impact::Notes);
    reasons.extend(differences.map(|it| ReadinessReason::new(it.severity, &it.text, &it.remedy)));
    judged(reasons)
}

impl Readiness {
    /// What it comes to with the recovery points as they are `now`, and all else as it was.
    #[must_use]
    pub fn renewed(
        self,
        newest_verified: Option<&RecoveryPoint>,
        rpo: SignedDuration,
        now: Timestamp,
    ) -> Self {
        let mut reasons = recovery_point(newest_verified, rpo, now);
        reasons.extend(self.reasons.into_iter().filter(|reason| !reason.of_points));
        judged(reasons)
    }
}

fn judged(mut reasons: Vec<ReadinessReason>) -> Readiness {
    reasons.sort_by_key(|reason| reason.severity);
    let verdict = match reasons.first().map(|reason| reason.severity) {
        None | Some(Impact::Notes) => ReadinessVerdict::Ready,
        Some(Impact::Risks) => ReadinessVerdict::AtRisk,
        Some(Impact::Breaks) => ReadinessVerdict::NotReady,
    };
    Readiness { verdict, reasons }
}

/// Whether there is something to restore, and how much would be lost.
fn recovery_point(
    newest_verified: Option<&RecoveryPoint>,
    rpo: SignedDuration,
    now: Timestamp,
) -> Vec<ReadinessReason> {
    const BACK_UP: &str = "take a backup now: apim-dr backup";
    let reason = |severity, text: String| ReadinessReason {
        of_points: true,
        ..ReadinessReason::new(severity, text, BACK_UP)
    };
    let Some(point) = newest_verified.filter(|point| point.is_verified()) else {
        let text = "there is no verified recovery point: nothing can be restored that somebody has seen";
        return vec![reason(Impact::Breaks, text.to_owned())];
    };
    let name = &point.blob.name;
    if point.is_expired(now) {
        let text = format!(
            "the newest verified recovery point, {name}, has expired: API Management need not restore it"
        );
        return vec![reason(Impact::Breaks, text)];
    }
    let mut reasons = Vec::new();
    let age = now.duration_since(point.at);
    if age > rpo {
        let text = format!(
            "the newest verified recovery point, {name}, is {} old, where {} is the most (RPO): later changes would be lost",
            in_words(age),
            in_words(rpo)
        );
        reasons.push(reason(Impact::Risks, text));
    }
    let left = point.expires().duration_since(now);
    if left <= LAST_DAYS {
        let text = format!("the newest verified recovery point, {name}, expires in {}", in_words(left));
        reasons.push(reason(Impact::Risks, text));
    }
    reasons
}

/// A backup restores only into a service of the tier that it was taken of.
fn tier(facts: ReadinessFacts<'_>) -> Option<ReadinessReason> {
    let of_point = facts.newest_verified.and_then(|point| point.tier.as_ref());
    let (Some(needed), Some(Tier(found))) = (of_point.or(facts.primary_tier), facts.standby_tier) else {
        let text = "nobody could tell whether the standby has the tier that the backup needs";
        return Some(ReadinessReason::new(Impact::Risks, text, "look again"));
    };
    if needed.0.eq_ignore_ascii_case(found) {
        return None;
    }
    let text = format!("the backup is of the tier {}, and the standby of the tier {found}", needed.0);
    let remedy = format!("az apim update --name <standby> --resource-group <group> --sku-name {}", needed.0);
    Some(ReadinessReason::new(Impact::Breaks, text, remedy))
}

impl ReadinessReason {
    fn new(severity: Impact, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity, text: text.into(), remedy: remedy.into(), of_points: false }
    }
}

#[cfg(test)]
#[path = "readiness_tests.rs"]
mod tests;
