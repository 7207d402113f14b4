use super::{tests::*, *};

#[test]
fn without_a_rule_nothing_goes() {
    check(
        "UTC",
        "
        | 11-20..21
            11-21: newest verified, no rule
            11-20: no rule
        keepLast 0, keepDaily 0 | 11-20..21
            11-21: newest verified, no rule
            11-20: no rule
        minKeep 1 | 11-20..21
            11-21: newest verified, at least 1, no rule
            11-20: no rule
        minKeep 0 | 11-20..21?
            11-21: none is verified, no rule
            11-20: none is verified, no rule
        keepLast 0, keepDaily 1 | 11-20..21
            11-21: daily 2026-11-21, newest verified
        ",
    );
}

#[test]
fn at_least_so_many_verified_ones_stay() {
    check(
        "UTC",
        "
        keepLast 1, minKeep 2 | 11-18..21
            11-21: last 1, newest verified, at least 2
            11-20: at least 2
        keepLast 1, minKeep 0 | 11-18..21
            11-21: last 1, newest verified
        keepLast 1, minKeep 4294967295 | 11-20..21
            11-21: last 1, newest verified, at least 4294967295
            11-20: at least 4294967295
        keepWithin 1h, minKeep 2 | 11-18 11-19 11-20? 11-21?
            11-21: within 1h
            11-19: within 1h, newest verified, at least 2
            11-18: at least 2
        ",
    );
}

#[test]
fn what_is_dated_in_the_future_stays_and_does_not_count() {
    check(
        "UTC",
        "
        keepLast 1 | 11-20..23
            11-23: dated in the future
            11-22: dated in the future
            11-21: last 1, newest verified
        keepWithin 1d | 11-20..21 2027-01-01
            2027-01-01: dated in the future
            11-21: within 1d, newest verified
        keepMonthly 1, minKeep 1 | 11-20..22
            11-22: dated in the future
            11-21: monthly 2026-11, newest verified, at least 1
        keepLast 1 | 11-20 11-22T00:00:00
            11-22T00:00:00: last 1, newest verified
        keepLast 1 | 11-21 11-22T00:00:00.001
            11-22T00:00:00.001: dated in the future
            11-21: last 1, newest verified
        | 11-22
            11-22: dated in the future
        // It may be the only one that is verified, but nobody knows when it was made.
        keepLast 1 | 11-20..21? 11-22
            11-22: dated in the future
            11-21: last 1, none is verified
            11-20: none is verified
        ",
    );
}

#[test]
fn what_is_not_verified_never_takes_the_place_of_what_is() {
    check(
        "UTC",
        "
        keepLast 1 | 11-20 11-21?
            11-21: last 1
            11-20: last 1, newest verified
        keepLast 1 | 11-19 11-20? 11-21
            11-21: last 1, newest verified
        keepLast 2 | 11-18..19 11-20? 11-21
            11-21: last 2, newest verified
            11-20: last 2
            11-19: last 2
        keepDaily 2 | 11-19 11-20T01:00 11-20T02:00? 11-21?
            11-21: daily 2026-11-21
            11-20T02:00: daily 2026-11-20
            11-20T01:00: daily 2026-11-20, newest verified
            11-19: daily 2026-11-19
        // Whatever comes, the time is counted from the newest that is verified.
        keepWithin 2d | 11-01..02 11-20? 11-21?
            11-21: within 2d
            11-20: within 2d
            11-02: within 2d, newest verified
            11-01: within 2d
        keepYearly 2 | 11-19? 11-20 11-21
            11-21: yearly 2026, newest verified
            11-20: oldest yearly 2026
            11-19: oldest yearly 2026
        keepLast 1 | 11-19..21?
            11-21: last 1, none is verified
            11-20: none is verified
            11-19: none is verified
        ",
    );
}

#[test]
fn what_is_locked_stays_and_counts() {
    check(
        "UTC",
        "
        keepLast 1 | 11-19#hold 11-20 11-21
            11-21: last 1, newest verified
            11-19: kept by lock: hold
        keepLast 2 | 11-19 11-20 11-21#hold
            11-21: last 2, newest verified, kept by lock: hold
            11-20: last 2
        keepLast 1 | 11-19?#until-12-01 11-21
            11-21: last 1, newest verified
            11-19: kept by lock: until-12-01
        | 11-21#hold
            11-21: newest verified, no rule, kept by lock: hold
        keepLast 1 | 11-21 11-22#hold
            11-22: dated in the future, kept by lock: hold
            11-21: last 1, newest verified
        ",
    );
}

#[test]
fn points_of_one_instant_stand_in_the_order_of_their_keys() {
    let at = NOW.parse().unwrap();
    let point = |key| Candidate { key, at, verified: true, locked: None };
    for keys in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
        let plan = policy("keepLast 2").plan(&keys.map(point), &TimeZone::UTC, at);
        let order: Vec<_> =
            plan.iter().map(|decision| (decision.key, decision.fate == Fate::Remove)).collect();
        assert_eq!(order, [("a", false), ("b", false), ("c", true)]);
    }
}

#[test]
fn of_a_blob_that_was_written_twice_the_last_write_counts_and_any_lock() {
    let point = |at: &str, verified, locked: Option<&str>| Candidate {
        key: "blob",
        at: at.parse().unwrap(),
        verified,
        locked: locked.map(str::to_owned),
    };
    let other = Candidate { key: "other", ..point("2026-11-20T00:00:00Z", true, None) };
    let newer = Candidate { key: "newer", ..point("2026-11-21T00:00:00Z", true, None) };
    let old = |locked| point("2026-11-18T00:00:00Z", true, locked);
    let plan = |points: &[Candidate<&'static str>]| {
        let plan = policy("keepLast 1").plan(points, &TimeZone::UTC, NOW.parse().unwrap());
        plan.into_iter().map(|decision| (decision.key, decision.fate)).collect::<Vec<_>>()
    };
    let last = || Fate::Keep(vec![Reason::Last(1), Reason::NewestVerified]);
    let new = |verified| point("2026-11-21T12:00:00Z", verified, None);
    assert_eq!(plan(&[old(None), other.clone(), new(true)]), [("blob", last()), ("other", Fate::Remove)]);
    // What was verified once is overwritten.
    assert_eq!(
        plan(&[new(false), old(None), other.clone()]),
        [("blob", Fate::Keep(vec![Reason::Last(1)])), ("other", last())]
    );
    let locked = Fate::Keep(vec![Reason::Locked("hold".to_owned())]);
    let middle = point("2026-11-19T00:00:00Z", true, None);
    assert_eq!(plan(&[middle, newer.clone(), old(Some("hold"))]), [("newer", last()), ("blob", locked)]);
}
