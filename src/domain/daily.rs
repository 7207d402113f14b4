//! What the look at a target came to that is taken once a day, and what is new in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Kind, Readiness, ReadinessVerdict, ServiceId, TargetName};

/// One day's look at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DailyCheck {
    pub target: TargetName,
    pub at: Timestamp,
    pub service: ServiceId,
    /// What speaks against a backup.
    pub findings: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<StandbyCheck>,
}

/// The same day's look at its standby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandbyCheck {
    pub service: ServiceId,
    /// What speaks against a restore into it.
    pub findings: Vec<Finding>,
    /// `None`: nobody could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
}

/// Something that keeps an operation from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker<'a> {
    /// Of a backup of the target, or of a restore into its standby.
    pub kind: Kind,
    pub service: &'a ServiceId,
    pub finding: &'a Finding,
}

impl DailyCheck {
    /// What blocks and is not among what `other` has. What blocks a backup is not the same as what blocks a restore.
    pub fn blockers_beyond(&self, other: Option<&Self>) -> Vec<Blocker<'_>> {
        let known = other.map(Self::blockers).unwrap_or_default();
        let is_known = |blocker: &Blocker<'_>| {
            known.iter().any(|it| it.kind == blocker.kind && it.finding.code == blocker.finding.code)
        };
        self.blockers().into_iter().filter(|blocker| !is_known(blocker)).collect()
    }

    fn blockers(&self) -> Vec<Blocker<'_>> {
        let own = (Kind::Backup, &self.service, &self.findings);
        let standby = self.standby.as_ref().map(|it| (Kind::Restore, &it.service, &it.findings));
        let all = [Some(own), standby].into_iter().flatten();
        let all = all.flat_map(|(kind, service, findings)| {
            findings.iter().map(move |finding| Blocker { kind, service, finding })
        });
        all.filter(|blocker| blocker.finding.is_blocking()).collect()
    }

    /// What a fail-over to the standby was found to be; `None`: there is none, or nobody could tell.
    pub fn verdict(&self) -> Option<ReadinessVerdict> {
        self.standby.as_ref()?.readiness.as_ref().map(|readiness| readiness.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{at, plan};

    fn finding(code: &'static str) -> Finding {
        match code.strip_prefix('?') {
            Some(code) => Finding::warns(code, "text", "remedy"),
            None => Finding::blocks(code, "text", "remedy"),
        }
    }

    fn check(own: &[&'static str], standby: Option<&[&'static str]>) -> DailyCheck {
        let findings = |codes: &[&'static str]| codes.iter().map(|code| finding(code)).collect();
        let standby = standby.map(|codes| StandbyCheck {
            service: plan("standby").service,
            findings: findings(codes),
            readiness: None,
        });
        let service = plan("sampleapim").service;
        DailyCheck {
            target: "primary".parse().unwrap(),
            at: at(0),
            service,
            findings: findings(own),
            standby,
        }
    }

    #[test]
    fn a_blocker_is_new_if_the_day_before_had_none_of_its_code_on_the_same_side() {
        let rows: [(DailyCheck, Option<DailyCheck>, &[&str]); 8] = [
            (check(&[], None), None, &[]),
            (check(&["a", "?b"], None), None, &["backup a"]),
            (check(&["a"], None), Some(check(&["a"], None)), &[]),
            (check(&["a"], None), Some(check(&["?a"], None)), &["backup a"]),
            (check(&["a", "b"], None), Some(check(&["a"], None)), &["backup b"]),
            (check(&["a"], Some(&["a"])), Some(check(&["a"], None)), &["restore a"]),
            (check(&["a"], Some(&["a"])), Some(check(&[], Some(&["a"]))), &["backup a"]),
            (check(&[], None), Some(check(&["a"], Some(&["b"]))), &[]),
        ];
        for (now, before, expected) in rows {
            let new: Vec<_> = now
                .blockers_beyond(before.as_ref())
                .iter()
                .map(|new| format!("{} {}", new.kind, new.finding.code))
                .collect();
            assert_eq!(new, expected, "{now:?} after {before:?}");
        }
    }
}
