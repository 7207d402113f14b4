//! The file of the targets.

use std::collections::HashSet;

use jiff::SignedDuration;
use serde_json::Value;

use super::{
    mark::{MARK, Marked, is_marked, mark},
    said,
};
use crate::{
    domain::{Plan, Schedule, Secret},
    payload::{self, StartPolicy, TargetDefaults, Targets},
};

/// Reads the targets; one variable can be referred to, `env:KEY`.
///
/// - The same text has the same targets.
/// - Each problem has a remedy, and a field that begins with its target, once the text is an array.
/// - No value is told but a target's name; no secret, nor that of the variable, is shown.
/// - Targets have names of their own, drills go nowhere where one rests, and schedules fire.
/// - A plan can be written down, and reads back as it was; so does the name that the schedule gives its backup.
pub fn targets(bytes: &[u8]) {
    if is_marked(bytes) {
        return;
    }
    let Ok(schedule) = "0 0 1 * * *".parse::<Schedule>() else { return };
    let read = |text: &[u8]| {
        let defaults = TargetDefaults { schedule: Some(&schedule), rpo: SignedDuration::from_hours(26) };
        payload::parse_targets(text, defaults, &StartPolicy::default(), &|name| {
            (name == "KEY").then(|| Secret::new(MARK))
        })
    };
    let items = serde_json::from_slice::<Value>(bytes).ok().filter(Value::is_array);
    let first = read(bytes);
    let again = read(bytes);
    assert_eq!((&first.targets, &first.problems), (&again.targets, &again.problems));
    assert_eq!(first.warnings, again.warnings);
    told(&first, items.is_some());
    said::unmarked(&format!("{first:?}"));
    stand(&first);
    let Some(items) = items else { return };
    for marked in [Marked::All, Marked::One(bytes.len())] {
        told(&read(&mark(&items, marked)), true);
    }
    let marked = read(&mark(&items, Marked::Secrets));
    told(&marked, true);
    said::unmarked(&format!("{marked:?}"));
}

fn told(read: &Targets, is_array: bool) {
    said::problems(&read.problems, is_array);
    let mut fields = read.problems.iter().filter_map(|problem| problem.field.as_ref());
    assert!(fields.all(|field| field.starts_with("targets[")), "{:?}", read.problems);
    read.warnings.iter().for_each(|warning| said::harmless(warning));
}

fn stand(read: &Targets) {
    let Ok(now) = "2026-11-22T01:00:00Z".parse() else { return };
    let mut names = HashSet::new();
    for target in &read.targets {
        assert!(names.insert(&target.name) || !read.problems.is_empty(), "{} is there twice", target.name);
        let next = target.schedule.next(now);
        assert!(next.is_some_and(|next| next > now), "{}", target.schedule);
        if let Some(drill) = &target.drill {
            let service = &drill.service.name;
            assert!(!read.targets.iter().any(|other| other.rests_on(service)), "{service}");
        }
        for plan in [&target.plan, &target.scheduled(now, None), &target.scheduled(now, Some(now))] {
            let written = serde_json::to_string(plan);
            let read = written.as_ref().ok().and_then(|written| serde_json::from_str::<Plan>(written).ok());
            assert_eq!(read.as_ref(), Some(plan), "{written:?}");
        }
    }
}
