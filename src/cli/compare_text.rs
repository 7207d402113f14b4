//! A comparison of two services, and whether a fail-over would work: in words, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::list::age;
use crate::{
    domain::{Difference, Readiness, ReadinessReason, ReadinessVerdict},
    view::story::time,
    workflows::{Comparison, Whence},
};

/// How wide sentences are, as help is. Commands stay whole, to be copied.
const WIDTH: usize = 100;

/// How wide a column is at most; what is longer shifts the next.
const COLUMN: usize = 40;

/// The verdict and its reasons, then every difference with what to do.
pub(super) fn comparison_text(comparison: &Comparison, readiness: Option<&Readiness>) -> String {
    let Comparison { compared, whence, primary, standby, differences, .. } = comparison;
    let (primary, standby) = (&primary.service.name, &standby.service.name);
    let mut text = format!("{primary} and its standby {standby}, compared at {}\n", time(*compared));
    if let Whence::Recorded { taken, because } = whence {
        let age = age(compared.duration_since(*taken));
        let warning = format!(
            "The primary cannot be read ({because}), so what was recorded {age} ago counts, at {}.",
            time(*taken)
        );
        wrap(&mut text, 0, &warning);
    }
    if let Some(Readiness { verdict, reasons }) = readiness {
        let verdict = match verdict {
            ReadinessVerdict::Ready => "Ready: a fail-over would work.",
            ReadinessVerdict::AtRisk => "At risk: a fail-over would work, with a loss.",
            ReadinessVerdict::NotReady => "Not ready: a fail-over would not work.",
        };
        let _ = writeln!(text, "\n{verdict}");
        for ReadinessReason { severity, text: reason, remedy, .. } in reasons {
            let is_told_below = differences.iter().any(|difference| difference.text == *reason);
            if is_told_below {
                continue;
            }
            let _ = write!(text, "\n{severity:6}");
            wrap_on(&mut text, "  ", 8, reason);
            advise(&mut text, 8, remedy);
        }
    }
    table(&mut text, differences);
    text.truncate(text.trim_end().len());
    text
}

fn table(text: &mut String, differences: &[Difference]) {
    if differences.is_empty() {
        text.push_str("\nNothing differs that a backup does not carry.\n");
        return;
    }
    let width = |head: usize, value: fn(&Difference) -> &str| {
        let widths = differences.iter().map(|difference| value(difference).chars().count());
        widths.max().unwrap_or_default().clamp(head, COLUMN)
    };
    let (item, primary) = (width(4, |it| &it.item), width(7, |it| &it.primary));
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n{:8}  {:item$}  {:primary$}  STANDBY", "SEVERITY", "ITEM", "PRIMARY");
    for it in differences {
        let row = format!("{:8}  {:item$}  {:primary$}  {}", it.severity, it.item, it.primary, it.standby);
        let _ = writeln!(text, "{}", row.trim_end());
        wrap(text, 10, &it.text);
        advise(text, 10, &it.remedy);
    }
}

/// A remedy: its words, then its command on a line of its own.
fn advise(text: &mut String, indent: usize, remedy: &str) {
    let (words, command) = match remedy.split_once(": ") {
        Some((words, command)) if is_command(command) => (words, command),
        _ if is_command(remedy) => ("", remedy),
        _ => (remedy, ""),
    };
    let margin = " ".repeat(indent);
    if !words.is_empty() {
        let colon = if command.is_empty() { "" } else { ":" };
        let _ = write!(text, "{margin}->");
        wrap_on(text, " ", indent + 3, &format!("{words}{colon}"));
    }
    if !command.is_empty() {
        let arrow = if words.is_empty() { "->" } else { "  " };
        let _ = writeln!(text, "{margin}{arrow} {command}");
    }
}

fn is_command(text: &str) -> bool {
    text.starts_with("az ") || text.starts_with("apim-dr ")
}

/// A sentence on lines of its own.
fn wrap(text: &mut String, indent: usize, sentence: &str) {
    let margin = " ".repeat(indent);
    wrap_on(text, &margin, indent, sentence);
}

/// A sentence behind what stands on its first line already, which ends where the indentation of the others does.
fn wrap_on(text: &mut String, gap: &str, indent: usize, sentence: &str) {
    text.push_str(gap);
    let mut column = indent;
    for (n, word) in sentence.split(' ').enumerate() {
        let length = word.chars().count();
        if n > 0 && column + 1 + length > WIDTH {
            let _ = write!(text, "\n{}", " ".repeat(indent));
            column = indent;
        } else if n > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

pub(super) fn comparison_json(comparison: &Comparison, readiness: Option<&Readiness>) -> Value {
    json!({ "comparison": comparison, "readiness": readiness })
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::domain::{
        Counts, Finding, Impact, Inventory, ReadinessFacts, ServiceId, Snapshot, compare, readiness,
    };

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn snapshot(name: &str, capacity: u64) -> Snapshot {
        let service = ServiceId {
            subscription: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap(),
            resource_group: "rg".parse().unwrap(),
            name: name.parse().unwrap(),
        };
        Snapshot {
            service,
            taken: now() - SignedDuration::from_hours(23),
            inventory: Inventory { capacity: Some(capacity), ..Inventory::default() },
            counts: None,
            diagnostics: Some(Vec::new()),
            portal_revision: Some("r1".to_owned()),
            unread: vec!["the numbers of APIs: no right".to_owned()],
        }
    }

    fn comparison(primary: Snapshot, standby: Snapshot) -> Comparison {
        let differences = compare(&primary, &standby, now());
        let (compared, whence) = (now(), Whence::Live);
        Comparison { compared, whence, primary, standby, standby_idle: true, differences }
    }

    fn judged(comparison: &Comparison) -> Readiness {
        readiness(ReadinessFacts {
            rpo: SignedDuration::from_hours(26),
            now: now(),
            newest_verified: None,
            primary_tier: None,
            standby_tier: None,
            standby_idle: Some(true),
            differences: &comparison.differences,
            findings: &[Finding::warns("a.b", "the account's firewall may keep it out", "open it")],
        })
    }

    #[test]
    fn a_comparison_reads_as_a_verdict_and_a_table() {
        let mut comparison = comparison(snapshot("sampleapim", 2), snapshot("standby", 1));
        let readiness = judged(&comparison);
        comparison.whence =
            Whence::Recorded { taken: comparison.primary.taken, because: "503: gone".to_owned() };
        insta::assert_snapshot!(comparison_text(&comparison, Some(&readiness)), @r"
        sampleapim and its standby standby, compared at 2026-11-22T00:00:00Z
        The primary cannot be read (503: gone), so what was recorded 23h ago counts, at
        2026-11-21T01:00:00Z.

        Not ready: a fail-over would not work.

        breaks  there is no verified recovery point: nothing can be restored that somebody has seen
                -> take a backup now:
                   apim-dr backup

        risks   nobody could tell whether the standby has the tier that the backup needs
                -> look again

        risks   the account's firewall may keep it out
                -> open it

        SEVERITY  ITEM      PRIMARY     STANDBY
        risks     capacity  2 units     1 unit
                  after a fail-over what 2 units carried falls to 1 unit: calls may be slow or fail
                  -> scale it, which takes up to 45 minutes:
                     az apim update --name standby --resource-group rg --sku-capacity 2
        risks     unread    the counts  -
                  of the primary nobody could read the counts, so nobody knows whether it differs: the
                  numbers of APIs: no right
                  -> let whoever compares read it (the roles API Management Service Reader Role and
                     Monitoring Reader), and compare again
        risks     unread    -           the counts
                  of the standby nobody could read the counts, so nobody knows whether it differs: the
                  numbers of APIs: no right
                  -> let whoever compares read it (the roles API Management Service Reader Role and
                     Monitoring Reader), and compare again
        ");
    }

    #[test]
    fn where_nothing_differs_it_says_so() {
        let read =
            |name| Snapshot { counts: Some(Counts::default()), unread: Vec::new(), ..snapshot(name, 1) };
        let comparison = comparison(read("sampleapim"), read("standby"));
        insta::assert_snapshot!(comparison_text(&comparison, None), @r"
        sampleapim and its standby standby, compared at 2026-11-22T00:00:00Z

        Nothing differs that a backup does not carry.
        ");
    }

    #[test]
    fn no_sentence_is_wider_than_help_but_commands_stay_whole() {
        let mut comparison = comparison(snapshot("sampleapim", 2), snapshot("standby", 1));
        let command = format!("az {}", "x ".repeat(WIDTH)).trim_end().to_owned();
        for difference in &mut comparison.differences {
            difference.text = "some words ".repeat(20);
            difference.remedy = format!("{}: {command}", "more words ".repeat(20));
        }
        let text = comparison_text(&comparison, None);
        assert!(text.lines().any(|line| line.trim() == command), "{text}");
        for line in text.lines().filter(|line| line.trim() != command) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(
            text.lines().any(|line| line.chars().count() > WIDTH - 10 && line.contains("words")),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_verdict_beside_what_it_rests_on() {
        let comparison = comparison(snapshot("sampleapim", 2), snapshot("standby", 1));
        let value = comparison_json(&comparison, Some(&judged(&comparison)));
        assert_eq!(value["readiness"]["verdict"], "notReady");
        assert_eq!(value["readiness"]["reasons"][0]["severity"], Impact::Breaks.to_string());
        assert_eq!(value["comparison"]["whence"], json!({ "from": "live" }));
        assert_eq!(value["comparison"]["differences"][0]["item"], "capacity");
        assert_eq!(comparison_json(&comparison, None)["readiness"], Value::Null);
    }
}
