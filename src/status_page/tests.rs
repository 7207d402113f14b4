use std::{collections::BTreeSet, fs};

use super::*;
use crate::domain::{
    AzureError, BlobLook, Entry, Event, Failure, FailureKind, Finding, Kind, OperationId, Report,
    TargetReport,
    samples::{self, HOSTILE, at},
};

/// A restore that was looked at, and failed in hostile words.
fn entries() -> Vec<Entry> {
    let mut opened = samples::operation(Kind::Restore);
    opened.id = "01a200be-362e-758d-8556-f0b019d98067".parse::<OperationId>().unwrap();
    opened.plan.blob.name = "\"><script>alert(1)</script>&'\u{202e}.apimbackup".parse().unwrap();
    let attempt = crate::domain::AttemptId::random();
    let error = AzureError {
        status: Some(400),
        code: Some("RestoreFailed".to_owned()),
        ..AzureError::local(format!("Cannot restore: backup expired {HOSTILE}")).with_remedy(HOSTILE)
    };
    let events = [
        Event::Waited { reason: HOSTILE.to_owned(), until: at(60) },
        Event::Checked { findings: vec![Finding::warns("account.cors", HOSTILE, HOSTILE)] },
        Event::Started { attempt, post_until: at(90), blob: BlobLook::Absent, tier: None },
        samples::answered(attempt, samples::accepted()),
        Event::Failed { failure: Failure { kind: FailureKind::Failed, error } },
    ];
    let mut entries = vec![Entry::first(opened)];
    for (event, second) in events.into_iter().zip([1, 2, 61, 62, 900]) {
        let next = entries.last().unwrap().then(event, at(second)).unwrap();
        entries.push(next);
    }
    entries
}

/// Every page of the sample, by name.
fn pages() -> Vec<(String, String)> {
    let report = samples::report();
    let mut pages = vec![("overview".to_owned(), overview(&report))];
    let entries = entries();
    pages.extend(report.targets.iter().map(|one| (format!("target-{}", one.name), target(&report, one))));
    pages.push(("operation".to_owned(), operation(&entries, at(1000)).unwrap()));
    pages.push(("operation-open".to_owned(), operation(&entries[..5], at(1000)).unwrap()));
    pages.push(("notice".to_owned(), notice("There is no such target", HOSTILE, report.at)));
    let none = Report { targets: Vec::new(), conditions: Vec::new(), health: Health::Ok, ..report };
    pages.push(("empty".to_owned(), overview(&none)));
    pages
}

#[test]
fn nothing_that_somebody_wrote_becomes_markup() {
    for (name, html) in pages() {
        assert!(!html.contains("<script>alert"), "{name}");
        assert!(!html.contains("\"><script"), "{name}");
        assert!(!html.contains('\u{202e}'), "{name}");
        if name != "empty" && name != "target-primary" {
            assert!(html.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{name}");
            assert!(html.contains("[U+202E]"), "{name}");
        }
        assert_eq!(html.matches("<script").count(), 1, "{name}");
        assert_eq!(html.matches("<style").count(), 1, "{name}");
    }
}

#[test]
fn the_policy_takes_the_style_and_the_script_as_they_are_in_the_page_and_nothing_else() {
    for (name, html) in pages() {
        let inner = |tag: &str| {
            let rest = html.split_once(&format!("<{tag}>")).unwrap().1;
            let text = rest.split_once(&format!("</{tag}>")).unwrap().0;
            format!("{tag}-src 'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
        };
        assert!(POLICY.contains(&inner("style")), "{name}");
        assert!(POLICY.contains(&inner("script")), "{name}");
        for refused in [
            " style=",
            " onclick=",
            " onload=",
            "javascript:",
            "<link rel=\"stylesheet",
            "<img",
            "@import",
            "url(",
        ] {
            assert!(!html.contains(refused), "{name} has {refused}");
        }
    }
    assert!(POLICY.starts_with("default-src 'none'; "), "{}", *POLICY);
    assert!(!POLICY.contains("unsafe"));
}

#[test]
fn a_page_of_twenty_targets_with_thirty_days_is_small() {
    let report = samples::report();
    let named = |at: usize| {
        let target =
            TargetReport { name: format!("target-{at}").parse().unwrap(), ..report.targets[0].clone() };
        assert_eq!(target.history.len(), 31);
        target
    };
    let report = Report { targets: (0..20).map(named).collect(), ..report };
    let size = overview(&report).len();
    assert!(size < 60_000, "{size} bytes");
    let size = target(&report, &report.targets[0]).len();
    assert!(size < 60_000, "{size} bytes");
    // With trouble everywhere.
    let troubled = samples::report().targets.remove(1);
    let report = Report { targets: vec![troubled; 20], ..report };
    let size = overview(&report).len();
    assert!(size < 60_000, "{size} bytes");
}

#[test]
fn a_target_that_is_backed_up_all_the_time_has_a_page_that_ends() {
    let report = samples::report();
    let mut often = report.targets[0].clone();
    often.history = often.history.iter().cycle().take(3000).cloned().collect();
    often.missed = vec![report.at; 1000];
    let html = target(&report, &often);
    assert!(html.contains("and 2890 before") && html.contains("and 900 before"));
    assert!(html.len() < 120_000, "{} bytes", html.len());
}

#[test]
fn the_worst_target_comes_first() {
    let html = overview(&samples::report());
    let places =
        ["t-legacy", "t-shop-europe", "t-primary"].map(|id| html.find(&format!("id=\"{id}\"")).unwrap());
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_page_loads_itself_anew_only_while_something_is_in_progress() {
    let busy: Vec<_> =
        pages().into_iter().filter(|(_, html)| html.contains("<html lang=\"en\" data-busy>")).collect();
    let names: Vec<_> = busy.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["overview", "target-shop-europe", "operation-open"]);
}

#[test]
fn headings_are_in_order_ids_are_unique_and_what_is_referred_to_is_there() {
    let values = |html: &str, name: &str| -> Vec<String> {
        let start = format!(" {name}=\"");
        let parts = html.split(&start).skip(1);
        parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    for (name, html) in pages() {
        let levels: Vec<u8> = html
            .match_indices("<h")
            .filter_map(|(at, _)| html[at + 2..].chars().next()?.to_digit(10)?.try_into().ok())
            .collect();
        assert_eq!(levels.first(), Some(&1), "{name}");
        assert!(!levels[1..].contains(&1), "{name}: {levels:?}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
        let ids = values(&html, "id");
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        let links = values(&html, "href");
        let inside = links.iter().filter_map(|href| href.strip_prefix('#'));
        let inside: Vec<_> = inside.map(str::to_owned).chain(values(&html, "aria-labelledby")).collect();
        for id in inside {
            assert!(unique.contains(&id), "{name}: {id}");
        }
        for image in html.split("role=\"img\">").skip(1) {
            assert!(image.starts_with("<title>"), "{name}: {}", &image[..40]);
        }
    }
}

#[test]
fn every_class_has_a_rule_and_every_rule_a_class() {
    let all: String =
        pages().into_iter().map(|(_, html)| html.split_once("<body>").unwrap().1.to_owned()).collect();
    let used: BTreeSet<_> = all
        .split(" class=\"")
        .skip(1)
        .flat_map(|rest| rest.split('"').next().unwrap().split_ascii_whitespace())
        .collect();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let selectors = STYLE.split('}').filter_map(|rule| rule.rsplit_once('{')).map(|(selector, _)| selector);
    let named: BTreeSet<_> = selectors
        .flat_map(|selector| selector.match_indices('.').map(move |(at, _)| &selector[at + 1..]))
        .map(|rest| rest.split(|c| !is_name(c)).next().unwrap())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect();
    let dead: Vec<_> = named.difference(&used).collect();
    assert_eq!(dead, Vec::<&&str>::new(), "rules without a class");
}

#[test]
fn an_operation_without_entries_has_no_page() {
    assert_eq!(operation(&[], at(0)), None);
}

/// To look at: with `APIM_DR_SCREENSHOTS` naming a folder, every page is written there.
#[test]
#[expect(clippy::disallowed_methods, reason = "settings are for the app")]
fn the_pages_can_be_looked_at() {
    let pages = pages();
    assert!(pages.iter().all(|(_, html)| html.trim_end().ends_with("</html>")));
    if let Some(folder) = std::env::var_os("APIM_DR_SCREENSHOTS") {
        for (name, html) in pages {
            fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), html).unwrap();
        }
    }
}
