//! Recovery points: what is known of each backup that can be restored, and which one is meant.

use std::{cmp::Reverse, collections::HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    BlobName, BlobRef, Evidence, Kind, Operation, OperationId, Phase, Seen, ServiceId, Tier, Verification,
};

/// How long API Management restores a backup (its documentation: it expires after 30 days).
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A backup that may be restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPoint {
    /// The operation that made it; of an adopted one, an id of its own.
    pub id: OperationId,
    pub service: ServiceId,
    pub blob: BlobRef,
    /// When it was started: from then on changes of the service are not in it. Of an adopted one, when its blob was
    /// written.
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// On what its success rests; `None`: another tool made it, and somebody adopted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    pub verification: Verification,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deleted>,
}

/// That it is gone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    pub at: Timestamp,
    pub reason: String,
}

impl RecoveryPoint {
    /// What a backup that succeeded left; `None` for everything else.
    pub fn of(operation: &Operation) -> Option<Self> {
        let is_backup = operation.plan.kind == Kind::Backup && operation.phase == Phase::Succeeded;
        let attempt = operation.completed_attempt().filter(|_| is_backup)?;
        Some(Self {
            id: operation.id,
            service: operation.plan.service.clone(),
            blob: operation.plan.blob.clone(),
            at: attempt.started,
            tier: attempt.tier.clone(),
            evidence: operation.evidence.clone(),
            verification: operation.verification.clone()?,
            deleted: None,
        })
    }

    /// What another tool left in a container, taken in.
    pub fn adopted(id: OperationId, service: ServiceId, blob: BlobRef, seen: Seen, at: Timestamp) -> Self {
        let verification = Verification::Unverified {
            reason: "another tool made it: nobody here saw how it ended".to_owned(),
            blob: Some(seen),
        };
        Self { id, service, blob, at, tier: None, evidence: None, verification, deleted: None }
    }

    /// Whether a blob that is there now proves what nobody could see before: that Azure wrote it, as it said.
    pub fn is_proved_by(&self, seen: &Seen) -> bool {
        self.evidence == Some(Evidence::Arm)
            && self.verification.seen().is_none()
            && seen.size > 0
            && seen.modified.is_some_and(|modified| modified.as_second() >= self.at.as_second())
    }

    pub fn is_verified(&self) -> bool {
        matches!(self.verification, Verification::Verified { .. })
    }

    /// From then on API Management need not restore it.
    pub fn expires(&self) -> Timestamp {
        self.at.checked_add(LIFETIME).unwrap_or(Timestamp::MAX)
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires()
    }
}

/// Those that still stand, newest first: of several under one blob the newest has overwritten the others, and those
/// that were deleted are gone.
pub fn standing(points: Vec<RecoveryPoint>) -> Vec<RecoveryPoint> {
    let mut newest: HashMap<BlobRef, RecoveryPoint> = HashMap::new();
    for point in points {
        let order = |point: &RecoveryPoint| (point.at, point.id);
        match newest.get(&point.blob) {
            Some(known) if order(known) >= order(&point) => {}
            _ => {
                newest.insert(point.blob.clone(), point);
            }
        }
    }
    let mut standing: Vec<_> = newest.into_values().filter(|point| point.deleted.is_none()).collect();
    standing.sort_unstable_by_key(|point| Reverse((point.at, point.id)));
    standing
}

/// Which recovery point is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Only one that was seen in its container.
    pub verified: bool,
    /// None that was started later.
    pub until: Option<Timestamp>,
}

impl Pick {
    /// What a plan has for a name until the recovery point is chosen.
    pub fn stand_in() -> BlobName {
        BlobName::filled("latest".to_owned())
    }

    /// The newest that is meant, of those that stand.
    pub fn choose(self, standing: &[RecoveryPoint]) -> Option<&RecoveryPoint> {
        let fits = |point: &&RecoveryPoint| {
            (!self.verified || point.is_verified()) && self.until.is_none_or(|until| point.at <= until)
        };
        standing.iter().filter(fits).max_by_key(|point| (point.at, point.id))
    }
}

/// The names that are most like `name`, best first, at most three; the newest of those that are alike.
pub fn nearest<'a>(name: &BlobName, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(name.as_str(), other);
    let mut near: Vec<_> = names.into_iter().map(|other| (likeness(other), other)).collect();
    // Names that end with their date sort by it.
    near.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
    near.into_iter().take_while(|(likeness, _)| *likeness > 0.7).take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptId, samples::*};

    fn point(name: &str, second: i64) -> RecoveryPoint {
        let operation = operation(Kind::Backup);
        RecoveryPoint {
            id: OperationId::at(at(second)),
            service: operation.plan.service,
            blob: BlobRef { name: name.parse().unwrap(), ..operation.plan.blob },
            at: at(second),
            tier: None,
            evidence: Some(Evidence::Arm),
            verification: Verification::Verified { blob: seen(name) },
            deleted: None,
        }
    }

    fn unseen(point: RecoveryPoint) -> RecoveryPoint {
        RecoveryPoint { verification: Verification::unverified("no right"), ..point }
    }

    fn gone(point: RecoveryPoint) -> RecoveryPoint {
        RecoveryPoint { deleted: Some(Deleted { at: at(99), reason: "retention".to_owned() }), ..point }
    }

    fn names(points: &[RecoveryPoint]) -> Vec<(&str, i64)> {
        let second = |point: &RecoveryPoint| point.at.as_second() - at(0).as_second();
        points.iter().map(|point| (point.blob.name.as_str(), second(point))).collect()
    }

    #[test]
    fn only_a_backup_that_succeeded_is_a_recovery_point_dated_by_its_start() {
        let attempt = AttemptId::random();
        let events = [started(attempt), answered(attempt, accepted()), completed(), verified()];
        let point = RecoveryPoint::of(&after(Kind::Backup, &events)).unwrap();
        assert_eq!((point.at, point.evidence), (at(1), Some(Evidence::Arm)));
        assert_eq!(RecoveryPoint::of(&after(Kind::Backup, &events[..3])), None);
        assert_eq!(RecoveryPoint::of(&after(Kind::Restore, &events)), None);
        let found = after(Kind::Backup, &[started(attempt), answered(attempt, lost()), found()]);
        let found = RecoveryPoint::of(&found).unwrap();
        assert!(!found.is_verified() && found.verification.seen() == Some(&seen("new")), "{found:?}");
    }

    #[test]
    fn of_several_under_one_name_the_newest_stands_unless_it_was_deleted() {
        let points = vec![point("a", 1), point("b", 2), point("a", 3), gone(point("c", 5)), point("c", 4)];
        assert_eq!(names(&standing(points.clone())), [("a", 3), ("b", 2)]);
        assert_eq!(names(&standing(points.into_iter().rev().collect())), [("a", 3), ("b", 2)]);
    }

    #[test]
    fn the_newest_that_is_meant_is_chosen() {
        let points = [unseen(point("d", 4)), point("c", 3), point("b", 2), unseen(point("a", 1))];
        let rows = [
            (false, None, Some("d")),
            (true, None, Some("c")),
            (false, Some(3), Some("c")),
            (false, Some(2), Some("b")),
            (true, Some(2), Some("b")),
            (false, Some(1), Some("a")),
            (true, Some(1), None),
            (false, Some(0), None),
        ];
        for (verified, until, expected) in rows {
            let pick = Pick { verified, until: until.map(at) };
            let chosen = pick.choose(&points).map(|point| point.blob.name.as_str());
            assert_eq!(chosen, expected, "{pick:?}");
        }
    }

    #[test]
    fn it_expires_thirty_days_after_its_start() {
        let point = point("a", 0);
        let month = 30 * 24 * 3600;
        assert_eq!(point.expires(), at(month));
        assert!(!point.is_expired(at(month - 1)) && point.is_expired(at(month)));
    }

    #[test]
    fn a_name_that_is_not_there_has_its_nearest_told() {
        let names =
            ["apimbackup_20261119", "apimbackup_20261121", "apimbackup_20261120", "other", "apimbackup"];
        let near = |name: &str| nearest(&name.parse().unwrap(), names);
        assert_eq!(
            near("apimbackup_20261122"),
            ["apimbackup_20261121", "apimbackup_20261120", "apimbackup_20261119"]
        );
        assert_eq!(near("apimbakup"), ["apimbackup", "apimbackup_20261121", "apimbackup_20261120"]);
        assert_eq!(near("zzz"), [""; 0]);
    }
}
