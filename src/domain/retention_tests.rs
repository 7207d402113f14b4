use super::*;

pub(super) const NOW: &str = "2026-11-22T00:00:00Z";

/// `keepDaily 7, keepWithin 14d`: the fields by their names.
pub(super) fn policy(text: &str) -> Retention {
    let rules = text.split(", ").filter_map(|rule| rule.split_once(' '));
    let rules = rules.map(|(name, value)| {
        let value = value.parse::<u32>().map_or_else(|_| value.into(), serde_json::Value::from);
        (name.to_owned(), value)
    });
    serde_json::from_value(serde_json::Value::Object(rules.collect())).unwrap()
}

/// `11-21` is noon in UTC, of 2026 if there is no year; `11-18..21` is four days; `11-21T01:00` has its time.
/// `?` follows one that is not verified, `#why` one that is locked. The key is the text, without those.
pub(super) fn points(text: &str) -> Vec<Candidate<String>> {
    let mut points = Vec::new();
    for point in text.split_ascii_whitespace() {
        let (point, lock) = point.split_once('#').map_or((point, None), |(point, why)| (point, Some(why)));
        let day = point.trim_end_matches('?');
        let (days, time) = day.split_once('T').map_or((day, None), |(days, time)| (days, Some(time)));
        let (first, last) = days.split_once("..").unwrap_or((days, &days[days.len() - 2..]));
        let (month, first) = first.split_at(first.len() - 2);
        for day in first.parse::<u8>().unwrap()..=last.parse().unwrap() {
            let day = format!("{month}{day:02}");
            let year = if day.len() == "11-21".len() { "2026-" } else { "" };
            points.push(Candidate {
                key: time.map_or(day.clone(), |time| format!("{day}T{time}")),
                at: format!("{year}{day}T{}Z", time.unwrap_or("12:00")).parse().unwrap(),
                verified: !point.ends_with('?'),
                locked: lock.map(str::to_owned),
            });
        }
    }
    points
}

/// Each row is a policy and its points, then what is kept of them, newest first, with all reasons.
pub(super) fn check(zone: &str, table: &str) {
    let zone = TimeZone::get(zone).unwrap();
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let mut rows: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        match rows.last_mut() {
            Some((_, kept)) if !line.contains('|') => kept.push(line),
            _ => rows.push((line, Vec::new())),
        }
    }
    for (row, expected) in rows {
        let (rules, list) = row.split_once('|').unwrap();
        let plan = policy(rules.trim()).plan(&points(list), &zone, NOW.parse().unwrap());
        let kept = plan.iter().filter_map(|decision| match &decision.fate {
            Fate::Keep(reasons) => {
                let reasons: Vec<String> = reasons.iter().map(Reason::to_string).collect();
                Some(format!("{}: {}", decision.key, reasons.join(", ")))
            }
            Fate::Remove => None,
        });
        assert_eq!(kept.collect::<Vec<_>>(), expected, "{row}");
    }
}

#[test]
fn a_count_keeps_the_newest_of_so_many_units_that_have_one() {
    check(
        "UTC",
        "
        keepLast 1 | 11-18..21
            11-21: last 1, newest verified
        keepLast 2 | 11-18..21
            11-21: last 2, newest verified
            11-20: last 2
        keepLast 9 | 11-20..21
            11-21: last 9, newest verified
            11-20: last 9
        keepLast 4294967295 | 01-01 11-21
            11-21: last 4294967295, newest verified
            01-01: last 4294967295
        keepLast 1 | 11-21T10:00:00 11-21T10:00:00.1
            11-21T10:00:00.1: last 1, newest verified
        keepLast 1 |
        keepHourly 2 | 11-21T10:59 11-21T11:00 11-21T11:59 11-21T13:30 11-21T13:45
            11-21T13:45: hourly 2026-11-21T13, newest verified
            11-21T11:59: hourly 2026-11-21T11
        // The same hour of another day is another.
        keepHourly 2 | 11-19T10:00 11-20T10:00 11-21T10:00
            11-21T10:00: hourly 2026-11-21T10, newest verified
            11-20T10:00: hourly 2026-11-20T10
        keepDaily 2 | 11-19T23:59 11-20T00:00 11-20T23:59 11-21T00:00
            11-21T00:00: daily 2026-11-21, newest verified
            11-20T23:59: daily 2026-11-20
        keepDaily 2 | 11-01 11-05 11-21
            11-21: daily 2026-11-21, newest verified
            11-05: daily 2026-11-05
        keepDaily 1 | 10-21 11-21
            11-21: daily 2026-11-21, newest verified
        // From Monday to Sunday.
        keepWeekly 2 | 11-08 11-09 11-15 11-16
            11-16: weekly 2026-W47, newest verified
            11-15: weekly 2026-W46
        keepMonthly 2 | 09-30 10-01 10-31 11-01
            11-01: monthly 2026-11, newest verified
            10-31: monthly 2026-10
        keepMonthly 2 | 2024-11-21 2025-11-21 11-21
            11-21: monthly 2026-11, newest verified
            2025-11-21: monthly 2025-11
        keepYearly 2 | 2024-12-31 2025-01-01 2025-12-31 01-01
            01-01: yearly 2026, newest verified
            2025-12-31: yearly 2025
        ",
    );
}

#[test]
fn one_rule_is_enough_and_a_point_has_all_its_reasons() {
    check(
        "UTC",
        "
        keepLast 2, keepDaily 2, keepMonthly 2 | 10-30 10-31 11-20 11-21T01:00 11-21T02:00
            11-21T02:00: last 2, daily 2026-11-21, monthly 2026-11, newest verified
            11-21T01:00: last 2
            11-20: daily 2026-11-20
            10-31: monthly 2026-10
        keepHourly 1, keepDaily 1, keepWeekly 1, keepMonthly 1, keepYearly 1, keepWithin 1h, minKeep 1 | 11-20 11-21
            11-21: hourly 2026-11-21T12, daily 2026-11-21, weekly 2026-W47, monthly 2026-11, yearly 2026, within 1h, newest verified, at least 1
        keepDaily 1, keepWithinDaily 2d | 11-18..21
            11-21: daily 2026-11-21, daily 2026-11-21 within 2d, newest verified
            11-20: daily 2026-11-20 within 2d
        ",
    );
}

#[test]
fn the_oldest_is_kept_too_while_counts_are_left() {
    check(
        "UTC",
        "
        keepDaily 3 | 11-20T01:00 11-20T02:00 11-21
            11-21: daily 2026-11-21, newest verified
            11-20T02:00: daily 2026-11-20
            11-20T01:00: oldest daily 2026-11-20
        keepDaily 2 | 11-20T01:00 11-20T02:00 11-21
            11-21: daily 2026-11-21, newest verified
            11-20T02:00: daily 2026-11-20
        keepHourly 5 | 11-21T10:01 11-21T10:02 11-21T10:03
            11-21T10:03: hourly 2026-11-21T10, newest verified
            11-21T10:01: oldest hourly 2026-11-21T10
        keepWeekly 2 | 11-16..18
            11-18: weekly 2026-W47, newest verified
            11-16: oldest weekly 2026-W47
        keepMonthly 2 | 11-16..18
            11-18: monthly 2026-11, newest verified
            11-16: oldest monthly 2026-11
        keepYearly 9 | 08-01 09-01 11-21
            11-21: yearly 2026, newest verified
            08-01: oldest yearly 2026
        // Alone in its day it is its newest; alone at all it is nothing else.
        keepDaily 3 | 11-20..21
            11-21: daily 2026-11-21, newest verified
            11-20: daily 2026-11-20
        keepDaily 9 | 11-21
            11-21: daily 2026-11-21, newest verified
        // Each rule has counts of its own.
        keepDaily 1, keepMonthly 2, keepYearly 2 | 11-18..21
            11-21: daily 2026-11-21, monthly 2026-11, yearly 2026, newest verified
            11-18: oldest monthly 2026-11, oldest yearly 2026
        // Within a time: if it lies in it.
        keepWithinDaily 2d | 11-20T13:00 11-20T14:00 11-20T15:00 11-21
            11-21: daily 2026-11-21 within 2d, newest verified
            11-20T15:00: daily 2026-11-20 within 2d
            11-20T13:00: oldest daily 2026-11-20 within 2d
        keepWithinDaily 2d | 11-01 11-20T13:00 11-20T14:00 11-21
            11-21: daily 2026-11-21 within 2d, newest verified
            11-20T14:00: daily 2026-11-20 within 2d
        ",
    );
}

#[test]
fn within_counts_back_from_the_newest_point_and_not_from_now() {
    check(
        "UTC",
        "
        keepWithin 1d | 11-20T12:00:00 11-20T12:00:01 11-21
            11-21: within 1d, newest verified
            11-20T12:00:01: within 1d
        keepWithin 2d | 01-01..03
            01-03: within 2d, newest verified
            01-02: within 2d
        keepWithin P1W | 11-14..16
            11-16: within 7d, newest verified
            11-15: within 7d
            11-14: within 7d
        // A month before 31 March is 28 February, where restic says 3 March.
        keepWithin 1m | 02-28 03-01 03-03 03-31
            03-31: within 1m, newest verified
            03-03: within 1m
            03-01: within 1m
        keepWithin 99999y | 1970-01-01 11-21
            11-21: within 99999y, newest verified
            1970-01-01: within 99999y
        keepWithinHourly 2h | 11-21T08:59 11-21T09:01 11-21T10:58 11-21T10:59 11-21T11:00
            11-21T11:00: hourly 2026-11-21T11 within 2h, newest verified
            11-21T10:59: hourly 2026-11-21T10 within 2h
            11-21T09:01: hourly 2026-11-21T09 within 2h
        keepWithinDaily 2d | 11-18 11-19T13:00 11-20T11:00 11-20T12:00 11-21
            11-21: daily 2026-11-21 within 2d, newest verified
            11-20T12:00: daily 2026-11-20 within 2d
            11-19T13:00: daily 2026-11-19 within 2d
        keepWithinWeekly 1m | 10-18 11-08 11-14 11-15 11-21
            11-21: weekly 2026-W47 within 1m, newest verified
            11-15: weekly 2026-W46 within 1m
            11-08: weekly 2026-W45 within 1m
        keepWithinMonthly 1y | 2025-11-21 2025-11-30 10-30 10-31 11-21
            11-21: monthly 2026-11 within 1y, newest verified
            10-31: monthly 2026-10 within 1y
            2025-11-30: monthly 2025-11 within 1y
        keepWithinYearly 75y | 1951-11-21 1951-11-22 2025-01-01 11-21
            11-21: yearly 2026 within 75y, newest verified
            2025-01-01: yearly 2025 within 75y
            1951-11-22: yearly 1951 within 75y
        ",
    );
}

#[test]
fn new_year_belongs_to_the_week_that_it_falls_in() {
    check(
        "UTC",
        "
        // 2020 and 2015 have 53 weeks, until 3 January.
        keepWeekly 2 | 2020-12-27 2020-12-28 2020-12-31 2021-01-01 2021-01-03 2021-01-04
            2021-01-04: weekly 2021-W01, newest verified
            2021-01-03: weekly 2020-W53
        keepWeekly 1 | 2015-12-31 2016-01-03
            2016-01-03: weekly 2015-W53, newest verified
        // The first week of 2025 begins in 2024.
        keepWeekly 2 | 2024-12-29 2024-12-30 2024-12-31 2025-01-05
            2025-01-05: weekly 2025-W01, newest verified
            2024-12-29: weekly 2024-W52
        // The same number in another year.
        keepWeekly 2 | 2024-01-03 2025-01-01 2025-01-02
            2025-01-02: weekly 2025-W01, newest verified
            2024-01-03: weekly 2024-W01
        ",
    );
}

#[test]
fn days_hours_and_years_are_those_of_the_zone() {
    check(
        "Europe/Berlin",
        "
        // 25 hours and 23 hours long.
        keepDaily 2 | 10-24T21:59 10-24T22:00 10-25T22:59 10-25T23:00
            10-25T23:00: daily 2026-10-26, newest verified
            10-25T22:59: daily 2026-10-25
        keepDaily 2 | 03-28T22:59 03-28T23:00 03-29T21:59 03-29T22:00
            03-29T22:00: daily 2026-03-30, newest verified
            03-29T21:59: daily 2026-03-29
        keepMonthly 1 | 03-31T21:59 03-31T22:00
            03-31T22:00: monthly 2026-04, newest verified
        // 02:30 twice is one hour; from 01:30 to 03:30 is the next.
        keepHourly 3 | 10-24T22:30 10-24T23:30 10-25T00:30 10-25T01:30 10-25T02:30
            10-25T02:30: hourly 2026-10-25T03, newest verified
            10-25T01:30: hourly 2026-10-25T02
            10-24T23:30: hourly 2026-10-25T01
        keepHourly 2 | 03-29T00:30 03-29T01:30
            03-29T01:30: hourly 2026-03-29T03, newest verified
            03-29T00:30: hourly 2026-03-29T01
        // A day back is the same time of day; 24 hours are elapsed ones.
        keepWithin 1d | 10-24T11:00 10-24T11:01 10-25T12:00
            10-25T12:00: within 1d, newest verified
            10-24T11:01: within 1d
        keepWithin 24h | 10-24T11:01 10-24T12:01 10-25T12:00
            10-25T12:00: within 24h, newest verified
            10-24T12:01: within 24h
        ",
    );
    check(
        "UTC",
        "
        keepDaily 2 | 10-24T21:59 10-24T22:00 10-25T22:59 10-25T23:00
            10-25T23:00: daily 2026-10-25, newest verified
            10-24T22:00: daily 2026-10-24
        keepHourly 2 | 10-25T00:30 10-25T01:30
            10-25T01:30: hourly 2026-10-25T01, newest verified
            10-25T00:30: hourly 2026-10-25T00
        ",
    );
    check(
        "Pacific/Auckland",
        "
        keepDaily 2 | 04-04T10:59 04-04T11:00 04-05T11:59 04-05T12:00
            04-05T12:00: daily 2026-04-06, newest verified
            04-05T11:59: daily 2026-04-05
        keepDaily 2 | 09-26T11:59 09-26T12:00 09-27T10:59 09-27T11:00
            09-27T11:00: daily 2026-09-28, newest verified
            09-27T10:59: daily 2026-09-27
        keepHourly 2 | 04-04T12:30 04-04T13:30 04-04T14:30
            04-04T14:30: hourly 2026-04-05T02, newest verified
            04-04T12:30: hourly 2026-04-05T01
        keepWeekly 1 | 11-15T10:59 11-15T11:00
            11-15T11:00: weekly 2026-W47, newest verified
        keepYearly 2 | 2024-12-31T11:00 2025-12-31T10:59 2025-12-31T11:00
            2025-12-31T11:00: yearly 2026, newest verified
            2025-12-31T10:59: yearly 2025
        ",
    );
    // At 00:01 it was 23:01 again: each of the two days counts once.
    check(
        "America/St_Johns",
        "
        keepDaily 3 | 2010-11-05 2010-11-06 2010-11-07T02:00 2010-11-07T02:30:30 2010-11-07T03:00 2010-11-07T04:00
            2010-11-07T04:00: daily 2010-11-07, newest verified
            2010-11-07T03:00: daily 2010-11-06
            2010-11-05: daily 2010-11-05
        ",
    );
}

#[test]
fn a_policy_is_stored_by_its_rules_and_an_unknown_one_is_refused() {
    let stored = r#"{"keepLast":3,"keepWithinDaily":"14d","minKeep":2}"#;
    let read: Retention = serde_json::from_str(stored).unwrap();
    assert_eq!(
        (read.keep_last, read.keep_within_daily, read.min_keep),
        (Some(3), "14d".parse().ok(), Some(2))
    );
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    assert_eq!(serde_json::to_string(&Retention::default()).unwrap(), "{}");
    for unknown in
        [r#"{"keepTag":"x"}"#, r#"{"keep_last":3}"#, r#"{"keepLast":-1}"#, r#"{"keepWithin":"0d"}"#]
    {
        assert!(serde_json::from_str::<Retention>(unknown).is_err(), "{unknown}");
    }
}
