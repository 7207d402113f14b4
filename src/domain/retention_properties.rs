use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::domain::retention_rules::{hold, keys, only};

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Pacific/Auckland", "America/St_Johns"];

/// Soon after the clocks of all zones went back; those of St. John's over midnight.
fn newest() -> Timestamp {
    "2010-11-07T04:00:00Z".parse().unwrap()
}

fn any_policy() -> impl Strategy<Value = Retention> {
    let count = || option::weighted(0.3, 0_u32..6);
    let length = select(vec!["1h", "3h", "1d", "2d2h", "14d", "1m", "2m5d", "1y", "99999y"]);
    let within = || option::weighted(0.2, length.clone().prop_map(|text| text.parse().unwrap()));
    let counts = (count(), count(), count(), count(), count(), count(), count());
    let lengths = (within(), within(), within(), within(), within(), within());
    (counts, lengths).prop_map(|(counts, lengths)| Retention {
        keep_last: counts.0,
        keep_hourly: counts.1,
        keep_daily: counts.2,
        keep_weekly: counts.3,
        keep_monthly: counts.4,
        keep_yearly: counts.5,
        keep_within: lengths.0,
        keep_within_hourly: lengths.1,
        keep_within_daily: lengths.2,
        keep_within_weekly: lengths.3,
        keep_within_monthly: lengths.4,
        keep_within_yearly: lengths.5,
        min_keep: counts.6,
    })
}

/// Some in the same minute, hour, day and month; a few in the future.
fn any_point() -> impl Strategy<Value = Candidate<usize>> {
    let minutes = prop_oneof![8 => 0..400_i64, 4 => 0..60_000_i64, 4 => 0..2_000_000_i64, 1 => -3000..0_i64];
    let lock = option::weighted(0.1, Just("hold".to_owned()));
    (minutes, any::<bool>(), lock).prop_map(|(minutes, verified, locked)| Candidate {
        key: 0,
        at: newest() - SignedDuration::from_mins(minutes),
        verified,
        locked,
    })
}

fn any_points() -> impl Strategy<Value = Vec<Candidate<usize>>> {
    vec(any_point(), 0..40).prop_map(|mut points| {
        points.iter_mut().enumerate().for_each(|(key, point)| point.key = key);
        points
    })
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    select(&ZONES).prop_map(|zone| TimeZone::get(zone).unwrap())
}

/// Restic's `ApplyPolicy`, line by line: which of `times`, newest first, are kept.
fn restic(policy: &Retention, times: &[Timestamp], zone: &TimeZone) -> BTreeSet<usize> {
    let bucker = |bucket: usize, place: usize| {
        let local = zone.to_datetime(times[place]);
        match bucket {
            0 => place.to_string(),
            1 => local.strftime("%Y%m%d%H").to_string(),
            2 => local.strftime("%Y%m%d").to_string(),
            3 => local.strftime("%G%V").to_string(),
            4 => local.strftime("%Y%m").to_string(),
            _ => local.strftime("%Y").to_string(),
        }
    };
    let counts = [
        policy.keep_last,
        policy.keep_hourly,
        policy.keep_daily,
        policy.keep_weekly,
        policy.keep_monthly,
        policy.keep_yearly,
    ];
    let within = [
        policy.keep_within,
        policy.keep_within_hourly,
        policy.keep_within_daily,
        policy.keep_within_weekly,
        policy.keep_within_monthly,
        policy.keep_within_yearly,
    ];
    let mut counts = counts.map(|count| (count.unwrap_or(0), String::new()));
    let mut within = within.map(|within| (within, String::new()));
    let mut kept = BTreeSet::new();
    for (place, time) in times.iter().enumerate() {
        let is_oldest = place + 1 == times.len();
        for (bucket, (count, last)) in counts.iter_mut().enumerate() {
            let value = bucker(bucket, place);
            if *count > 0 && (value != *last || is_oldest) {
                kept.insert(place);
                *last = value;
                *count -= 1;
            }
        }
        for (bucket, (within, last)) in within.iter_mut().enumerate() {
            let Some(within) = within else { continue };
            let value = bucker(bucket, place);
            let is_after = within.before(times[0], zone).is_none_or(|before| *time > before);
            if is_after && (value != *last || is_oldest) {
                kept.insert(place);
                *last = value;
            }
        }
    }
    kept
}

proptest! {
    #[test]
    fn what_is_kept_of_verified_points_is_what_restic_keeps(
        policy in any_policy(),
        points in any_points(),
        // Where the clocks go back over midnight, restic counts a day twice.
        zone in select(&ZONES[..3]),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let policy = Retention { min_keep: None, ..policy };
        let points = points.into_iter().filter(|point| point.at <= newest());
        let mut points: Vec<_> = points.map(|point| Candidate { verified: true, locked: None, ..point }).collect();
        points.sort_by_key(|point| (Reverse(point.at), point.key));
        let times: Vec<Timestamp> = points.iter().map(|point| point.at).collect();
        let mut expected: BTreeSet<usize> = restic(&policy, &times, &zone).into_iter().map(|place| points[place].key).collect();
        if policy.is_empty() {
            // Restic does not act on an empty policy.
            expected.extend(points.iter().map(|point| point.key));
        } else {
            // Restic keeps the newest under any rule.
            prop_assert!(points.first().is_none_or(|point| expected.contains(&point.key)));
        }
        prop_assert_eq!(keys(&policy.plan(&points, &zone, newest()), true), expected);
    }

    #[test]
    fn a_plan_is_what_any_plan_must_be(policy in any_policy(), points in any_points(), zone in any_zone()) {
        hold(&policy, &points, &zone, newest());
    }

    #[test]
    fn the_order_of_the_points_does_not_matter_even_if_keys_are_given_twice(
        policy in any_policy(),
        (points, shuffled) in vec((any_point(), 0..8_usize), 0..20).prop_flat_map(|points| {
            let points: Vec<_> = points.into_iter().map(|(point, key)| Candidate { key, ..point }).collect();
            (Just(points.clone()), Just(points).prop_shuffle())
        }),
        zone in any_zone(),
    ) {
        let plan = policy.plan(&points, &zone, newest());
        let decided: BTreeSet<usize> = plan.iter().map(|decision| decision.key).collect();
        prop_assert_eq!(decided.len(), plan.len());
        prop_assert!(points.iter().all(|point| decided.contains(&point.key)));
        prop_assert_eq!(policy.plan(&shuffled, &zone, newest()), plan);
    }

    #[test]
    fn what_is_not_verified_or_in_the_future_changes_nothing_for_what_is_verified(
        policy in any_policy(), points in any_points(), zone in any_zone()
    ) {
        let counts = |point: &Candidate<usize>| point.verified && point.at <= newest();
        let alone = only(&points, counts);
        let mut plan = policy.plan(&points, &zone, newest());
        plan.retain(|decision| counts(&points[decision.key]));
        prop_assert_eq!(plan, policy.plan(&alone, &zone, newest()));
    }
}

/// Twenty years of backups, the same in every run: half a year daily, five days hourly, the rest at random; with
/// outages of up to three months, and every thirteenth backup not verified.
struct Simulation {
    random: u64,
    now: Timestamp,
    made: usize,
}

impl Simulation {
    fn below(&mut self, bound: i64) -> i64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.random >> 33).unwrap() % bound
    }

    fn next(&mut self) -> Candidate<usize> {
        let date = TimeZone::UTC.to_datetime(self.now).date();
        let hours = match date.month() {
            1..=6 => 24,
            7 if date.day() <= 5 => 1,
            _ => 1 + self.below(100),
        };
        self.wait(hours);
        self.made += 1;
        Candidate { key: self.made, at: self.now, verified: !self.made.is_multiple_of(13), locked: None }
    }

    fn wait(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }
}

/// Plans after each backup and deletes what is planned. `most` bounds what is held of each
/// kind, verified or not, if anything does.
fn simulate(policy: &str, most: Option<usize>) {
    let policy: Retention = serde_json::from_str(policy).unwrap();
    let mut simulation = Simulation { random: 1, now: "2006-11-22T01:00:00Z".parse().unwrap(), made: 0 };
    let end: Timestamp = "2026-11-22T01:00:00Z".parse().unwrap();
    let (mut ever, mut held): (Vec<Candidate<usize>>, Vec<_>) = (Vec::new(), Vec::new());
    while simulation.now < end {
        let point = simulation.next();
        ever.push(point.clone());
        held.push(point);
        let plan = |held: &[_], now| keys(&policy.plan(held, &TimeZone::UTC, now), true);

        let kept = plan(&held, simulation.now);
        held.retain(|point| kept.contains(&point.key));
        let newest = ever.iter().rev().find(|point| point.verified).map(|point| point.key);
        assert!(newest.is_some_and(|newest| kept.contains(&newest)), "{}", simulation.now);
        for verified in [true, false] {
            let count = held.iter().filter(|point| point.verified == verified).count();
            assert!(most.is_none_or(|most| count <= most), "{count} held on {}", simulation.now);
        }

        if simulation.below(50) == 0 {
            for _ in 0..simulation.below(12) {
                simulation.wait(24 * 7);
                assert_eq!(plan(&held, simulation.now), kept, "in an outage on {}", simulation.now);
            }
        }
        if ever.len().is_multiple_of(200) {
            // To delete at each step loses nothing that would be kept of all that ever was.
            assert_eq!(plan(&ever, simulation.now), kept, "{}", simulation.now);
        }
    }
    assert!(ever.len() > 3500 && held.len() < ever.len() / 20, "{} of {}", held.len(), ever.len());
}

#[test]
fn in_twenty_years_of_counts_no_more_is_held_than_they_say() {
    let most = 3 + 12 + 7 + 5 + 12 + 10;
    simulate(
        r#"{"keepLast":3,"keepHourly":12,"keepDaily":7,"keepWeekly":5,"keepMonthly":12,"keepYearly":10,"minKeep":3}"#,
        Some(most),
    );
}

#[test]
fn in_twenty_years_of_lengths_outages_take_nothing() {
    simulate(
        r#"{"keepWithin":"1d","keepWithinDaily":"14d","keepWithinWeekly":"2m","keepWithinMonthly":"1y","keepWithinYearly":"75y"}"#,
        None,
    );
}
