//! `apim-dr runbook`: how to fail over, with the names of a target. Opens nothing.

use super::{
    args::RunbookArgs,
    exit::{Exit, usage},
    place, print,
};
use crate::{
    domain::{ServiceId, Target},
    payload,
    settings::Settings,
};

const RUNBOOK: &str = include_str!("../../docs/runbook.md");
const CHAPTER: &str = "## Fail over";

pub(super) fn runbook(args: &RunbookArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let target = place::target(settings, &args.target)?;
    let standby = match (&args.standby, &target.standby) {
        (Some(given), _) => payload::instance(given, &target.plan.service)
            .map_err(|error| place::wrong("--standby", &error))?,
        (None, Some(standby)) => standby.clone(),
        (None, None) => {
            let name = &target.name;
            return Err(usage(format!(
                "--standby: give the instance that takes over, or the target {name} a standby"
            )));
        }
    };
    print(told(target, &standby).trim_end())
}

/// The chapter with the names of this target.
fn told(target: &Target, standby: &ServiceId) -> String {
    replaced(chapter(RUNBOOK), &names(target, standby))
}

/// From its headline to the next one.
fn chapter(book: &str) -> &str {
    let start = book.find(CHAPTER).unwrap_or(book.len());
    let chapter = &book[start..];
    let end = chapter.get(CHAPTER.len()..).and_then(|rest| rest.find("\n## "));
    end.map_or(chapter, |end| &chapter[..=CHAPTER.len() + end])
}

/// What the chapter calls things, and what this target calls them. Names that are also plain words are meant only
/// where an option, or their neighbour, says so.
fn names(target: &Target, standby: &ServiceId) -> Vec<(&'static str, String)> {
    let (service, blob) = (&target.plan.service, &target.plan.blob);
    // Commands take the target's, or the one that is signed in to.
    let elsewhere = if standby.subscription == service.subscription {
        String::new()
    } else {
        format!(" --subscription {}", standby.subscription)
    };
    vec![
        (
            "-g apimdrresourcegroup --resource-name sampleapim-standby",
            format!("-g {} --resource-name {}{elsewhere}", standby.resource_group, standby.name),
        ),
        (
            "-g apimdrresourcegroup -n sampleapim-standby",
            format!("-g {} -n {}{elsewhere}", standby.resource_group, standby.name),
        ),
        (
            "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/sampleapim-standby",
            standby.to_string(),
        ),
        ("sampleapim-standby", standby.name.to_string()),
        ("sampleapim", service.name.to_string()),
        ("apimdrresourcegroup", service.resource_group.to_string()),
        ("apimdrstorage/backup", format!("{}/{}", blob.account, blob.container)),
        ("apimdrstorage", blob.account.to_string()),
        ("--target primary", format!("--target {}", target.name)),
        ("check primary", format!("check {}", target.name)),
        ("runbook primary", format!("runbook {}", target.name)),
        ("primary (sampleapim", format!("{} ({}", target.name, service.name)),
        // The column of a table is as wide as it is.
        ("primary               sampleapim", format!("{:20}  {}", target.name.as_str(), service.name)),
        ("`primary`", format!("`{}`", target.name)),
    ]
}

/// Every name that stands as a word of its own, the longest first. What was put in is not read again.
fn replaced(text: &str, names: &[(&str, String)]) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(next) = rest.chars().next() {
        let is_word = |name: &str| {
            let after = rest.strip_prefix(name).map(|after| after.chars().next());
            after.is_some_and(|after| !joins(before) && !joins(after))
        };
        let found = names.iter().filter(|(name, _)| is_word(name)).max_by_key(|(name, _)| name.len());
        let taken = found.map_or(next.len_utf8(), |(name, _)| name.len());
        told += found.map_or(&rest[..taken], |(_, own)| own);
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    told
}

/// Whether a name goes on with it. A dot ends one: `sampleapim.azure-api.net`.
fn joins(next: Option<char>) -> bool {
    next.is_some_and(|next| next.is_alphanumeric() || next == '-' || next == '_')
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::{
        cli::{
            Cli,
            documents::{commands, ours},
        },
        domain::{Credentials, NameSuffix, samples::plan},
    };

    /// A target, and its standby in a group of its own, whose names have nothing of the samples.
    fn own() -> (Target, ServiceId) {
        let mut plan = plan("contoso");
        plan.service.resource_group = "north".parse().unwrap();
        plan.service.subscription = "12345678-0000-4000-8000-000000000000".parse().unwrap();
        plan.blob.account = "vault".parse().unwrap();
        plan.blob.container = "shelf".parse().unwrap();
        let standby = ServiceId {
            name: "contoso-two".parse().unwrap(),
            resource_group: "south".parse().unwrap(),
            ..plan.service.clone()
        };
        let target = Target {
            name: "gateway".parse().unwrap(),
            schedule: "0 0 1 * * *".parse().unwrap(),
            zone: TimeZone::UTC,
            suffix: NameSuffix::default(),
            plan,
            credentials: Credentials::default(),
            rpo: jiff::SignedDuration::from_hours(26),
            standby: None,
            drill: None,
        };
        (target, standby)
    }

    #[test]
    fn every_command_of_the_chapter_is_one_that_we_take() {
        let (target, standby) = own();
        for text in [chapter(RUNBOOK).to_owned(), told(&target, &standby)] {
            let commands = ours(&text);
            assert!(commands.len() >= 10, "{commands:?}");
            for words in commands {
                Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
            }
        }
        // Those that stand in sentences, too.
        let inline = chapter(RUNBOOK).split('`').filter(|text| text.starts_with("apim-dr "));
        for command in inline.filter(|text| text.contains("primary")) {
            Cli::try_parse_from(command.split_whitespace())
                .unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }

    #[test]
    fn no_sample_name_is_left_and_each_is_there_to_be_replaced() {
        let (target, standby) = own();
        let told = told(&target, &standby);
        for sample in ["sampleapim", "apimdr", "aaaaaaaa", "/backup", "--target primary", "`primary`"] {
            assert!(chapter(RUNBOOK).contains(sample) && !told.contains(sample), "{sample}");
        }
        for (sample, _) in names(&target, &standby) {
            assert!(chapter(RUNBOOK).contains(sample), "{sample}");
        }
        for words in ours(&told) {
            let after = |option: &str| words.iter().skip_while(|word| *word != option).nth(1);
            assert!(after("--target").is_none_or(|name| name == "gateway"), "{words:?}");
        }
        // Each instance in its own group, and whatever else is of the target in the target's.
        for words in commands(&told) {
            let says = |word: &str| words.iter().any(|it| it == word);
            assert!(!(says("contoso-two") && says("north")), "{words:?}");
            assert!(!says("south") || says("contoso-two"), "{words:?}");
        }
        for sentence in [
            "--yes RESTORE contoso-two",
            "--yes RESTORE contoso",
            "check gateway",
            "az lock create --name failed-over \
             --lock-type ReadOnly --resource-group north --resource-name contoso ",
        ] {
            let all: Vec<_> = commands(&told).iter().map(|words| words.join(" ") + " ").collect();
            assert!(
                all.iter().any(|command| command.contains(&format!("{} ", sentence.trim_end()))),
                "{sentence}"
            );
        }
        assert!(told.contains("gateway (contoso, Developer, to vault/shelf)"), "{told}");
    }

    #[test]
    fn a_name_is_replaced_only_as_a_whole_word_and_only_once() {
        let names = [
            ("a", "b".to_owned()),
            ("b", "c".to_owned()),
            ("a-x", "long".to_owned()),
            ("--t p", "--t q".to_owned()),
        ];
        for (text, expected) in [
            ("a b", "b c"),
            ("a-x a-y a-x-z", "long a-y a-x-z"),
            ("ab ba a_b xa é-a", "ab ba a_b xa é-a"),
            ("a.b.net (a) `a`, a:", "b.c.net (b) `b`, b:"),
            ("--t p, p --t pp", "--t q, p --t pp"),
            ("", ""),
        ] {
            assert_eq!(replaced(text, &names), expected, "{text}");
        }
    }

    #[test]
    fn the_chapter_ends_where_the_next_one_begins() {
        assert_eq!(chapter("# A\n\n## Fail over\n\n### 1\nx\n\n## Next\n"), "## Fail over\n\n### 1\nx\n\n");
        assert_eq!(chapter("## Fail over\nx"), "## Fail over\nx");
        assert!(chapter(RUNBOOK).contains("### 8. Afterwards"));
        assert!(!chapter(RUNBOOK).contains("Bring the standby up"));
    }
}
