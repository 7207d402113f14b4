//! What restic publishes of `forget`: the examples of its manual, and the policies of its test with what they keep.

use jiff::SignedDuration;

use super::{tests::*, *};

#[test]
fn restics_example_of_weekdays_is_decided_as_restic_does() {
    check(
        "UTC",
        "
        keepDaily 5 | 2025-04-21..25T11:00 2025-04-25T23:00 2025-04-28..29T11:00 2025-05-01..02T11:00 2025-05-02T23:00
            2025-05-02T23:00: daily 2025-05-02, newest verified
            2025-05-01T11:00: daily 2025-05-01
            2025-04-29T11:00: daily 2025-04-29
            2025-04-28T11:00: daily 2025-04-28
            2025-04-25T23:00: daily 2025-04-25
        keepWithinDaily 7d | 2025-04-21..25T11:00 2025-04-25T23:00 2025-04-28..29T11:00 2025-05-01..02T11:00 2025-05-02T23:00
            2025-05-02T23:00: daily 2025-05-02 within 7d, newest verified
            2025-05-01T11:00: daily 2025-05-01 within 7d
            2025-04-29T11:00: daily 2025-04-29 within 7d
            2025-04-28T11:00: daily 2025-04-28 within 7d
        ",
    );
}

#[test]
fn restics_example_of_a_hundred_years_is_decided_as_restic_does() {
    let newest: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let days = 0..36_525;
    let points: Vec<_> = days
        .map(|day| {
            let at = newest - SignedDuration::from_hours(24 * day);
            Candidate { key: day, at, verified: true, locked: None }
        })
        .collect();
    let plan = policy("keepDaily 7, keepWeekly 5, keepMonthly 12, keepYearly 75").plan(
        &points,
        &TimeZone::UTC,
        newest,
    );
    let kept: Vec<&Vec<Reason>> = plan
        .iter()
        .filter_map(|decision| match &decision.fate {
            Fate::Keep(reasons) => Some(reasons),
            Fate::Remove => None,
        })
        .collect();
    let with = |unit: fn(&Reason) -> bool| kept.iter().filter(|reasons| reasons.iter().any(unit)).count();
    assert_eq!(with(|reason| matches!(reason, Reason::Newest(Period::Day(_)))), 7);
    assert_eq!(with(|reason| matches!(reason, Reason::Newest(Period::Week(..)))), 5);
    assert_eq!(with(|reason| matches!(reason, Reason::Newest(Period::Month(..)))), 12);
    assert_eq!(with(|reason| matches!(reason, Reason::Newest(Period::Year(_)))), 75);
    // The newest has all four reasons; 15 November is the last of a week and a day, 31 December of a month and a year.
    assert_eq!(kept.len(), 7 + 5 + 12 + 75 - 3 - 1 - 1);
}

/// The points of restic's own test.
fn restics_points() -> Vec<Candidate<String>> {
    let days = [
        ("08", "08 10 12 13 13.1 15 18 20 21 22"),
        ("09", "01 02 05 06 08 09 10 11 20 22"),
        ("10", "01 02 05 06 08 09 10 11 20 22"),
        ("11", "08 10 12 13 13.1 15 18 20 21 22"),
    ];
    let mut list = Vec::new();
    for year in ["2014", "2015"] {
        for (month, days) in days {
            for day in days.split(' ') {
                let (day, tenth) = day.split_at(2);
                list.push(format!("{year}-{month}-{day}T10:20:30{tenth}"));
            }
        }
    }
    let hours = [
        ("01", "01:02:03 01:03:03 07:08:03"),
        ("03", "07:02:03"),
        ("04", "10:23:03 11:23:03 12:23:03 12:24:03 12:28:03 12:30:03 16:23:03"),
        ("05", "09:02:03"),
        ("06", "08:02:03"),
        ("07", "10:02:03"),
        ("08", "20:02:03"),
        ("09", "21:02:03"),
        ("12", "21:02:03 21:08:03"),
        ("18", "12:02:03"),
    ];
    for (day, times) in hours {
        list.extend(times.split(' ').map(|time| format!("2016-01-{day}T{time}")));
    }
    let mut points = points(&list.join(" "));
    // Restic's list has one instant five times.
    let again = points.iter().find(|point| point.key == "2015-10-22T10:20:30").unwrap().clone();
    points.extend((1..5).map(|copy| Candidate { key: format!("{} {copy}", again.key), ..again.clone() }));
    points
}

#[test]
fn restics_test_policies_keep_what_they_keep_there() {
    // How many are kept, and the oldest of them.
    let rows = [
        ("keepLast 10", 10, "2016-01-04T12:30:03"),
        ("keepLast 15", 15, "2016-01-04T10:23:03"),
        ("keepLast 99", 99, "2014-08-13T10:20:30.1"),
        ("keepLast 200", 103, "2014-08-08T10:20:30"),
        ("keepHourly 20", 20, "2015-11-13T10:20:30.1"),
        ("keepDaily 3", 3, "2016-01-09T21:02:03"),
        ("keepDaily 10", 10, "2016-01-01T07:08:03"),
        ("keepDaily 30", 30, "2015-09-22T10:20:30"),
        ("keepLast 5, keepDaily 5", 6, "2016-01-07T10:02:03"),
        ("keepLast 2, keepDaily 10", 10, "2016-01-01T07:08:03"),
        ("keepWeekly 2", 2, "2016-01-12T21:08:03"),
        ("keepWeekly 4", 4, "2016-01-03T07:02:03"),
        ("keepDaily 3, keepWeekly 4", 4, "2016-01-03T07:02:03"),
        ("keepMonthly 6", 6, "2014-11-22T10:20:30"),
        ("keepDaily 2, keepWeekly 2, keepMonthly 6", 7, "2014-11-22T10:20:30"),
        ("keepYearly 10", 4, "2014-08-08T10:20:30"),
        ("keepDaily 7, keepWeekly 2, keepMonthly 3, keepYearly 10", 11, "2014-08-08T10:20:30"),
        ("keepWithin 1d", 1, "2016-01-18T12:02:03"),
        ("keepWithin 2d", 1, "2016-01-18T12:02:03"),
        ("keepWithin 7d", 3, "2016-01-12T21:02:03"),
        ("keepWithin 1m", 19, "2016-01-01T01:02:03"),
        ("keepWithin 1m14d", 19, "2016-01-01T01:02:03"),
        ("keepWithin 1y1d1m", 63, "2015-08-08T10:20:30"),
        ("keepWithin 13d23h", 9, "2016-01-04T16:23:03"),
        ("keepWithin 2m2h", 23, "2015-11-18T10:20:30"),
        ("keepWithin 1y2m3d3h", 68, "2014-11-15T10:20:30"),
        ("keepWithinHourly 1y2m3d3h", 57, "2014-11-15T10:20:30"),
        ("keepWithinDaily 1y2m3d3h", 53, "2014-11-15T10:20:30"),
        ("keepWithinWeekly 1y2m3d3h", 19, "2014-11-15T10:20:30"),
        ("keepWithinMonthly 1y2m3d3h", 6, "2014-11-22T10:20:30"),
        ("keepWithinYearly 1y2m3d3h", 3, "2014-11-22T10:20:30"),
        (
            "keepWithin 1h, keepWithinHourly 1d, keepWithinDaily 7d, keepWithinWeekly 1m, keepWithinMonthly 1y, \
             keepWithinYearly 9999y",
            10,
            "2014-08-08T10:20:30",
        ),
        ("keepLast 4294967295, keepHourly 4294967295", 103, "2014-08-08T10:20:30"),
        ("keepHourly 4294967295", 90, "2014-08-08T10:20:30"),
        (
            "keepDaily 3, keepWeekly 2, keepMonthly 4294967295, keepYearly 4294967295",
            12,
            "2014-08-08T10:20:30",
        ),
    ];
    let points = restics_points();
    for (rules, count, oldest) in rows {
        let plan = policy(rules).plan(&points, &TimeZone::UTC, NOW.parse().unwrap());
        let kept: Vec<&str> = plan
            .iter()
            .filter(|decision| decision.fate != Fate::Remove)
            .map(|decision| decision.key.as_str())
            .collect();
        assert_eq!((kept.len(), kept.last()), (count, Some(&oldest)), "{rules}");
    }
}
