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
    /// When it was over: its blob was not written later.
    pub ended: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// On what its success rests; `None`: another tool made it, and somebody adopted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    pub verification: Verification,
    /// It was made before this restore, of what that was to overwrite: nobody means it who does not name it, and no rule
    /// counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_for: Option<OperationId>,
}

/// That a recovery point is gone, and why.
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
            ended: operation.updated,
            tier: attempt.tier.clone(),
            evidence: operation.evidence.clone(),
            verification: operation.verification.clone()?,
            safety_for: operation.plan.safety_for,
        })
    }

    /// What another tool left in a container, taken in.
    pub fn adopted(id: OperationId, service: ServiceId, blob: BlobRef, seen: Seen, at: Timestamp) -> Self {
        let verification = Verification::Unverified {
            reason: "another tool made it: nobody here saw how it ended".to_owned(),
            blob: Some(seen),
        };
        Self { id, service, blob, at, ended: at, tier: None, evidence: None, verification, safety_for: None }
    }

    /// Whether a blob under its name is still its own: the one that was seen then; or if nobody could see it, one that
    /// was written meanwhile.
    pub fn is_of(&self, seen: &Seen) -> bool {
        match self.verification.seen() {
            Some(known) => known.is_same(seen),
            // The service tells whole seconds.
            None => seen.modified.is_some_and(|modified| {
                modified.as_second() >= self.at.as_second() && modified <= self.ended
            }),
        }
    }

    /// Whether a blob that is there now proves what nobody could see before: that Azure wrote it, as it said.
    pub fn is_proved_by(&self, seen: &Seen) -> bool {
        self.evidence == Some(Evidence::Arm)
            && self.verification.seen().is_none()
            && seen.size > 0
            && self.is_of(seen)
    }

    /// Whether it stands in place of another one of the same blob.
    fn replaces(&self, other: &Self) -> bool {
        let is_its_own = |adopted: &Self, made: &Self| {
            adopted.evidence.is_none()
                && made.evidence.is_some()
                && adopted.verification.seen().is_some_and(|seen| made.is_of(seen))
        };
        if is_its_own(self, other) {
            return false;
        }
        is_its_own(other, self) || (self.at, self.id) > (other.at, other.id)
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

/// Those that stand, newest first: of several under one blob the newest has overwritten the others. One that was adopted
/// stands behind the one of which its blob is: it is dated by the end, and knows less.
pub fn standing(points: Vec<RecoveryPoint>) -> Vec<RecoveryPoint> {
    let mut newest: HashMap<BlobRef, RecoveryPoint> = HashMap::new();
    for point in points {
        match newest.get(&point.blob) {
            Some(known) if !point.replaces(known) => {}
            _ => {
                newest.insert(point.blob.clone(), point);
            }
        }
    }
    let mut standing: Vec<_> = newest.into_values().collect();
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
            (!self.verified || point.is_verified())
                && point.safety_for.is_none()
                && self.until.is_none_or(|until| point.at <= until)
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
            ended: at(second + 10),
            tier: None,
            evidence: Some(Evidence::Arm),
            verification: Verification::Verified { blob: seen(name) },
            safety_for: None,
        }
    }

    fn unseen(point: RecoveryPoint) -> RecoveryPoint {
        RecoveryPoint { verification: Verification::unverified("no right"), ..point }
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
    fn of_several_under_one_name_the_newest_stands_but_an_adopted_one_behind_that_of_which_its_blob_is() {
        let points = vec![point("a", 1), point("b", 2), point("a", 3)];
        assert_eq!(names(&standing(points.clone())), [("a", 3), ("b", 2)]);
        assert_eq!(names(&standing(points.into_iter().rev().collect())), [("a", 3), ("b", 2)]);
    }

    #[test]
    fn a_blob_belongs_to_a_point_by_what_was_seen_or_by_when_it_was_written() {
        let written = |second| Seen { modified: Some(at(second)), ..seen("x") };
        let unseen = unseen(point("a", 5));
        for (second, expected) in [(4, false), (5, true), (15, true), (16, false)] {
            assert_eq!(unseen.is_of(&written(second)), expected, "{second}");
            assert_eq!(unseen.is_proved_by(&written(second)), expected, "{second}");
        }
        assert!(!unseen.is_of(&seen("x")) && !unseen.is_proved_by(&Seen { size: 0, ..written(6) }));
        let known = point("a", 5);
        assert!(known.is_of(&seen("\"a\"")) && !known.is_of(&written(6)) && !known.is_proved_by(&seen("a")));

        // The adopted one is the same blob, dated by its end; or another, later one.
        let adopted = |seen: Seen, second| {
            RecoveryPoint::adopted(
                OperationId::at(at(second)),
                known.service.clone(),
                known.blob.clone(),
                seen,
                at(second),
            )
        };
        for points in
            [vec![known.clone(), adopted(seen("a"), 14)], vec![adopted(seen("a"), 14), known.clone()]]
        {
            assert_eq!(standing(points), std::slice::from_ref(&known));
        }
        let later = adopted(seen("later"), 20);
        assert_eq!(standing(vec![known.clone(), later.clone()]), [later]);
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
