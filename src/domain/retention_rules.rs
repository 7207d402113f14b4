//! What every plan of a retention must be, whatever its rules and the recovery points.

use std::{cmp::Reverse, collections::BTreeSet};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Candidate, Decision, Fate, Retention};

/// Panics if the plan breaks a rule. Each point has a key of its own.
pub(crate) fn hold(policy: &Retention, points: &[Candidate<usize>], zone: &TimeZone, now: Timestamp) {
    let plan = policy.plan(points, zone, now);
    let kept = keys(&plan, true);
    every_point_has_its_fate(points, &plan);
    what_must_stay_stays(policy, points, &kept, now);
    // Of what is left nothing goes. The oldest rule does not break this: a rule that comes to the end with counts left
    // does so again, at the same point.
    let left = only(points, |point| kept.contains(&point.key));
    assert_eq!(keys(&policy.plan(&left, zone, now), true), kept);
    let backwards: Vec<_> = points.iter().rev().cloned().collect();
    assert_eq!(policy.plan(&backwards, zone, now), plan);
    // A later clock alone changes nothing.
    let past = only(points, |point| point.at <= now);
    for days in [1, 365, 20_000] {
        let later = now + SignedDuration::from_hours(24 * days);
        assert_eq!(policy.plan(&past, zone, later), policy.plan(&past, zone, now), "{days} days");
    }
}

fn every_point_has_its_fate(points: &[Candidate<usize>], plan: &[Decision<usize>]) {
    let decided: BTreeSet<usize> = plan.iter().map(|decision| decision.key).collect();
    assert_eq!(decided, points.iter().map(|point| point.key).collect());
    assert_eq!(plan.len(), points.len());
    assert!(plan.iter().all(|decision| decision.fate != Fate::Keep(vec![])), "without a reason");
    let at = |decision: &Decision<usize>| {
        points.iter().find(|point| point.key == decision.key).map(|point| Reverse(point.at))
    };
    assert!(plan.is_sorted_by_key(at), "newest first");
}

fn what_must_stay_stays(
    policy: &Retention,
    points: &[Candidate<usize>],
    kept: &BTreeSet<usize>,
    now: Timestamp,
) {
    let mut verified = only(points, |point| point.verified && point.at <= now);
    verified.sort_by_key(|point| (Reverse(point.at), point.key));
    let least = policy.min_keep.unwrap_or(0).max(1) as usize;
    assert!(verified.iter().take(least).all(|point| kept.contains(&point.key)), "the newest verified");
    for point in points {
        if point.at > now || point.locked.is_some() || policy.is_empty() || verified.is_empty() {
            assert!(kept.contains(&point.key), "{point:?}");
        }
    }
}

/// The keys of what is kept, or of what goes.
pub(super) fn keys(plan: &[Decision<usize>], is_kept: bool) -> BTreeSet<usize> {
    plan.iter()
        .filter(|decision| (decision.fate != Fate::Remove) == is_kept)
        .map(|decision| decision.key)
        .collect()
}

pub(super) fn only(
    points: &[Candidate<usize>],
    keep: impl Fn(&Candidate<usize>) -> bool,
) -> Vec<Candidate<usize>> {
    points.iter().filter(|point| keep(point)).cloned().collect()
}
