//! The last thirty days, each as one cell: what became of its backups, and a letter for restores and drills.

use askama::Template;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::domain::{Phase, Run, RunKind, TargetReport};

const DAYS: i32 = 30;
const STEP: i32 = 12;

/// What a cell can be, as the legend names it; what is worse comes first, and wins its day.
pub(super) const LEGEND: [(&str, &str); 7] = [
    ("f", "failed"),
    ("m", "missed"),
    ("s", "skipped"),
    ("p", "in progress"),
    ("c", "cancelled"),
    ("o", "ok"),
    ("n", "no backup"),
];

#[derive(Debug, Template)]
#[template(path = "days.html")]
pub(super) struct Days {
    title: String,
    desc: Option<String>,
    pub(super) summary: String,
    pub(super) first: Date,
    pub(super) last: Date,
    all: Vec<Day>,
    height: u8,
}

#[derive(Debug)]
struct Day {
    x: i32,
    cell: &'static str,
    /// The letter of a restore or a drill.
    mark: Option<&'static str>,
    title: String,
}

impl Days {
    pub(super) fn new(target: &TargetReport, now: Timestamp) -> Self {
        let last = day(now);
        let first = last.saturating_sub((DAYS - 1).days());
        let dates: Vec<_> = first.series(1.day()).take_while(|date| *date <= last).collect();
        let days: Vec<_> = dates.iter().zip(0..).map(|(date, at)| cell(target, *date, at * STEP)).collect();
        let count = |cell: &str| days.iter().filter(|day| day.cell == cell).count();
        let counts = LEGEND.iter().filter(|(cell, _)| count(cell) > 0);
        let counts: Vec<_> = counts.map(|(cell, word)| format!("{} {word}", count(cell))).collect();
        let summary = format!("Backups by day: {}", counts.join(", "));
        let height = if days.iter().any(|day| day.mark.is_some()) { 24 } else { 12 };
        Self { title: summary.clone(), desc: None, summary, first, last, all: days, height }
    }

    /// For a page that has no room: only the summary is told.
    pub(super) fn brief(mut self) -> Self {
        self.all.iter_mut().for_each(|day| day.title.clear());
        self
    }

    /// For a page that has room for it: which days were not ok, for who cannot see the cells.
    pub(super) fn described(mut self) -> Self {
        let not_ok = self.all.iter().filter(|day| !matches!(day.cell, "o" | "n") || day.mark.is_some());
        let titles: Vec<_> = not_ok.map(|day| day.title.as_str()).collect();
        self.desc = Some(titles.join("; "));
        self
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn cell(target: &TargetReport, date: Date, x: i32) -> Day {
    let runs = || target.history.iter().filter(|run| day(run.opened) == date);
    let mut cells: Vec<_> = runs().filter(|run| run.kind == RunKind::Backup).map(ended).collect();
    let open =
        target.in_progress.iter().filter(|open| open.kind == RunKind::Backup && day(open.opened) == date);
    cells.extend(open.map(|_| "p"));
    cells.extend(target.missed.iter().filter(|missed| day(**missed) == date).map(|_| "m"));
    let told: Vec<_> = LEGEND.iter().filter(|(cell, _)| cells.contains(cell)).collect();
    let (cell, none) = LEGEND[LEGEND.len() - 1];
    let mut words: Vec<String> = told.iter().map(|(_, word)| (*word).to_owned()).collect();
    let others = || runs().filter(|run| matches!(run.kind, RunKind::Restore | RunKind::Drill));
    words.extend(others().map(|run| format!("{} {}", run.kind, word(ended(run)))));
    if words.is_empty() {
        words.push(none.to_owned());
    }
    // A restore says more of a day than a drill, and a failure more than a success.
    let mark = others().map(mark).min();
    Day {
        x,
        cell: told.first().map_or(cell, |(cell, _)| cell),
        mark: mark.map(|(_, mark)| mark),
        title: format!("{} {}", date.strftime("%-d %b"), words.join(", ")),
    }
}

fn ended(run: &Run) -> &'static str {
    match run.phase {
        Phase::Succeeded => "o",
        Phase::Skipped => "s",
        Phase::Canceled => "c",
        _ => "f",
    }
}

fn word(cell: &str) -> &'static str {
    LEGEND.iter().find(|(known, _)| *known == cell).map_or("", |(_, word)| word)
}

fn mark(run: &Run) -> (u8, &'static str) {
    match (run.kind, run.phase) {
        (RunKind::Restore, Phase::Succeeded) => (2, "r"),
        (RunKind::Restore, _) => (0, "rx"),
        (_, Phase::Succeeded) => (3, "d"),
        _ => (1, "dx"),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::samples;

    #[test]
    fn a_day_shows_its_worst_backup_and_tells_all() {
        let report = samples::report();
        let titles = |at: usize| {
            let days = Days::new(&report.targets[at], report.at);
            let lines: Vec<_> = days
                .all
                .iter()
                .map(|day| format!("{} {} {}", day.cell, day.mark.unwrap_or("-"), day.title))
                .collect();
            format!("{}\n{}", days.summary, lines.join("\n"))
        };
        assert_snapshot!(titles(1), @r"
        Backups by day: 2 failed, 2 missed, 1 skipped, 1 in progress, 1 cancelled, 17 ok, 6 no backup
        n - 24 Oct no backup
        n - 25 Oct no backup
        n - 26 Oct no backup
        n - 27 Oct no backup
        n - 28 Oct no backup
        n - 29 Oct no backup
        o - 30 Oct ok
        o - 31 Oct ok
        o - 1 Nov ok
        o - 2 Nov ok
        o - 3 Nov ok
        o - 4 Nov ok
        o - 5 Nov ok
        o - 6 Nov ok
        o - 7 Nov ok
        o - 8 Nov ok
        o - 9 Nov ok
        o - 10 Nov ok
        s - 11 Nov skipped, ok
        o - 12 Nov ok
        c - 13 Nov cancelled
        o - 14 Nov ok
        m - 15 Nov missed
        m - 16 Nov missed
        f - 17 Nov failed
        o - 18 Nov ok
        o rx 19 Nov ok, restore failed
        o - 20 Nov ok
        f - 21 Nov failed
        p - 22 Nov in progress
        ");
        let healthy = Days::new(&report.targets[0], report.at);
        assert_eq!(healthy.summary, "Backups by day: 30 ok");
        assert_eq!(healthy.all[25].title, "18 Nov ok, drill ok");
        let bare = Days::new(&report.targets[2], report.at);
        assert_eq!((bare.summary.as_str(), bare.height), ("Backups by day: 30 missed", 12));
    }
}
