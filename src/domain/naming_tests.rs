//! Names of backups, as tables; and that no two are the same.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::domain::samples::plan;

fn suffix(text: &str) -> NameSuffix {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// By a plan that has the name `apimbackup` and the instance `sampleapim`.
fn name(template: &str, zone: &str, at: &str, occasion: Occasion) -> String {
    let naming = Naming { suffix: suffix(template), zone: TimeZone::get(zone).unwrap() };
    let plan = plan("sampleapim");
    naming.suffix.check(&plan).unwrap();
    let name = naming.plan_at(&plan, at.parse().unwrap(), occasion).blob.name;
    assert_eq!(name.as_str().parse(), Ok(name.clone()));
    name.as_str().to_owned()
}

#[test]
fn the_first_backup_of_a_day_is_named_as_the_template_says_and_a_later_one_has_a_time_for_sure() {
    let rows = [
        ("date", "apimbackup_20261122", "apimbackup_20261122T080405"),
        ("Date", "apimbackup_20261122", "apimbackup_20261122T080405"),
        ("_{date}", "apimbackup_20261122", "apimbackup_20261122T080405"),
        ("{date}", "apimbackup20261122", "apimbackup20261122T080405"),
        ("-{date}.bak", "apimbackup-20261122.bak", "apimbackup-20261122T080405.bak"),
        ("-{date}-{time}", "apimbackup-20261122-080405", "apimbackup-20261122-080405"),
        ("_{utc}", "apimbackup_20261121T190405Z", "apimbackup_20261121T190405Z"),
        ("_{date}_{utc}", "apimbackup_20261122_20261121T190405Z", "apimbackup_20261122_20261121T190405Z"),
        ("_{time}_{utc}", "apimbackup_080405_20261121T190405Z", "apimbackup_080405_20261121T190405Z"),
        ("{name}{date}", "apimbackup20261122", "apimbackup20261122T080405"),
        ("{date}{name}", "20261122apimbackup", "20261122T080405apimbackup"),
        ("{date}/{name}_{date}", "20261122/apimbackup_20261122", "20261122/apimbackup_20261122T080405"),
        ("_{instance}_{date}", "apimbackup_sampleapim_20261122", "apimbackup_sampleapim_20261122T080405"),
        (
            "{instance}/{name}_{utc}.apimbackup",
            "sampleapim/apimbackup_20261121T190405Z.apimbackup",
            "sampleapim/apimbackup_20261121T190405Z.apimbackup",
        ),
        ("{name}/{name}-{date}", "apimbackup/apimbackup-20261122", "apimbackup/apimbackup-20261122T080405"),
        (" ünï {date}", "apimbackup ünï 20261122", "apimbackup ünï 20261122T080405"),
    ];
    for (template, first, later) in rows {
        let named = |occasion| name(template, "Pacific/Auckland", "2026-11-21T19:04:05.7Z", occasion);
        assert_eq!(
            (named(Occasion::First), named(Occasion::Later)),
            (first.into(), later.into()),
            "{template}"
        );
    }
}

#[test]
fn names_are_right_when_clocks_change() {
    use Occasion::{First, Later};
    let rows = [
        // The two passes of the hour that Berlin repeats, and what follows.
        ("date", "Europe/Berlin", "2026-10-25T00:30:00Z", First, "apimbackup_20261025"),
        ("date", "Europe/Berlin", "2026-10-25T01:30:00Z", First, "apimbackup_20261025"),
        ("date", "Europe/Berlin", "2026-10-25T00:30:00Z", Later, "apimbackup_20261025T023000"),
        ("date", "Europe/Berlin", "2026-10-25T00:59:59.9Z", Later, "apimbackup_20261025T025959"),
        ("date", "Europe/Berlin", "2026-10-25T01:00:00Z", Later, "apimbackup_20261025T010000Z"),
        ("date", "Europe/Berlin", "2026-10-25T01:30:00Z", Later, "apimbackup_20261025T013000Z"),
        ("date", "Europe/Berlin", "2026-10-25T02:00:00Z", Later, "apimbackup_20261025T030000"),
        ("-{date}-{time}", "Europe/Berlin", "2026-10-25T00:30:00Z", First, "apimbackup-20261025-023000"),
        ("-{date}-{time}", "Europe/Berlin", "2026-10-25T01:30:00Z", First, "apimbackup-20261025-013000Z"),
        ("_{utc}", "Europe/Berlin", "2026-10-25T01:30:00Z", Later, "apimbackup_20261025T013000Z"),
        (
            "_{time}_{utc}",
            "Europe/Berlin",
            "2026-10-25T01:30:00Z",
            Later,
            "apimbackup_023000_20261025T013000Z",
        ),
        // In Auckland that hour is still the day before in UTC, and the name is UTC's as a whole.
        ("date", "Pacific/Auckland", "2026-04-04T13:30:00Z", Later, "apimbackup_20260405T023000"),
        ("date", "Pacific/Auckland", "2026-04-04T14:30:00Z", First, "apimbackup_20260405"),
        ("date", "Pacific/Auckland", "2026-04-04T14:30:00Z", Later, "apimbackup_20260404T143000Z"),
        (
            "{date}/{name}-{time}",
            "Pacific/Auckland",
            "2026-04-04T14:30:00Z",
            First,
            "20260404/apimbackup-143000Z",
        ),
        // Half an hour is repeated.
        ("date", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", Later, "apimbackup_20260405T014500"),
        ("date", "Australia/Lord_Howe", "2026-04-04T15:15:00Z", Later, "apimbackup_20260404T151500Z"),
        ("date", "Australia/Lord_Howe", "2026-04-04T15:30:00Z", Later, "apimbackup_20260405T020000"),
        // The hours that spring skips.
        ("date", "Europe/Berlin", "2026-03-29T00:59:59Z", Later, "apimbackup_20260329T015959"),
        ("date", "Europe/Berlin", "2026-03-29T01:00:00Z", Later, "apimbackup_20260329T030000"),
        ("-{date}-{time}", "America/New_York", "2026-03-08T07:00:00Z", First, "apimbackup-20260308-030000"),
        // Apia had no 30th of December.
        ("date", "Pacific/Apia", "2011-12-30T09:59:59Z", First, "apimbackup_20111229"),
        ("date", "Pacific/Apia", "2011-12-30T10:00:00Z", First, "apimbackup_20111231"),
    ];
    for (template, zone, at, occasion, expected) in rows {
        assert_eq!(
            name(template, zone, at, occasion),
            expected,
            "{template} in {zone} at {at}, {occasion:?}"
        );
    }
}

#[test]
fn braces_hold_one_of_five_words_and_a_template_has_a_date() {
    let all = ["{name}", "{instance}", "{date}", "{time}", "{utc}"];
    for text in [
        "_{day}",
        "_{Date}",
        "_{date",
        "_date}",
        "{{date}}",
        "{}{date}",
        "{ date }",
        "{date}}",
        "{date{utc}}",
    ] {
        let remedy = text.parse::<NameSuffix>().unwrap_err().remedy;
        assert!(all.iter().all(|placeholder| remedy.contains(placeholder)), "{text}: {remedy}");
    }
    for text in ["", "_backup", "{name}", "_{instance}", "_{time}", "dates"] {
        let remedy = text.parse::<NameSuffix>().unwrap_err().remedy;
        assert!(remedy.contains("use backupName alone"), "{text}: {remedy}");
    }
}

#[test]
fn a_suffix_is_its_text_in_records() {
    for (text, written) in [
        ("date", "_{date}"),
        ("_{date}", "_{date}"),
        ("{instance}/{name}-{date}T{time}.x", "{instance}/{name}-{date}T{time}.x"),
        ("{utc}", "{utc}"),
    ] {
        let json = serde_json::to_value(suffix(text)).unwrap();
        assert_eq!(json, written);
        assert_eq!(serde_json::from_value::<NameSuffix>(json).unwrap(), suffix(text));
    }
    assert_eq!(NameSuffix::default(), suffix("date"));
    assert!(serde_json::from_str::<NameSuffix>(r#""{day}""#).is_err());
    let naming = Naming { suffix: suffix("date"), zone: TimeZone::get("Pacific/Auckland").unwrap() };
    let json = serde_json::to_value(&naming).unwrap();
    assert_eq!(json, serde_json::json!({ "suffix": "_{date}", "zone": "Pacific/Auckland" }));
    assert_eq!(serde_json::from_value::<Naming>(json).unwrap(), naming);
}

#[test]
fn names_that_would_not_fit_are_refused_before_there_is_a_backup() {
    let of = |length: usize| {
        let mut plan = plan("sampleapim");
        plan.blob.name = "ü".repeat(length).parse().unwrap();
        plan
    };
    for (template, longest) in [
        ("date", 1007),
        ("-{date}-{time}", 1007),
        ("{utc}", 1008),
        ("_{date}_{utc}", 998),
        ("{instance}/{name}_{utc}.apimbackup", 985),
        ("{name}{name}{utc}", 504),
    ] {
        assert_eq!(suffix(template).check(&of(longest)), Ok(()), "{template}");
        let refused = suffix(template).check(&of(longest + 1)).unwrap_err();
        assert!(refused.remedy.starts_with("shorten"), "{template}: {refused}");
    }
    for template in
        ["_{date}.", "_{date}/", "/{name}{date}", "//{date}", "/./{date}", "?{date}", "\\{utc}", "{date}\n"]
    {
        let refused = suffix(template).check(&of(1)).unwrap_err();
        assert!(refused.remedy.starts_with("change"), "{template}: {refused}");
    }
    assert!(suffix(&format!("{}{{date}}", "/x".repeat(254))).check(&of(1)).is_err());
}

proptest! {
    #[test]
    fn no_two_backups_that_have_a_time_get_one_name(
        // Before the clocks go back: in October, and twice in April. And before they go forward.
        (zone, begin) in select(vec![
            ("Europe/Berlin", "2026-10-25T00:00:00Z"),
            ("Pacific/Auckland", "2026-04-04T12:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T12:00:00Z"),
            ("America/New_York", "2026-03-08T05:00:00Z"),
        ]),
        template in select(vec!["date", "{date}/{name}", "-{date}-{time}", "{time}{date}", "_{utc}"]),
        after in 0..4 * 3600_i64,
        apart in prop_oneof![Just(1800), Just(3600), 1..200_000_i64],
    ) {
        let begin: Timestamp = begin.parse().unwrap();
        let named = |after| {
            let at = Timestamp::from_second(begin.as_second() + after).unwrap().to_string();
            name(template, zone, &at, Occasion::Later)
        };
        prop_assert_ne!(named(after), named(after + apart));
    }
}
