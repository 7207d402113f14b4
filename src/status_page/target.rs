//! One target, whole.

use askama::Template;
use jiff::Timestamp;

use super::{
    Frame,
    charts::{Bars, Gauge},
    days::{Days, LEGEND},
    render,
    words::{self, Badge, Moment, length},
};
use crate::domain::{Progress, Report, Run, TargetReport};

/// How many ended operations are shown without being asked for.
const RECENT: usize = 10;
/// How many more can be unfolded, and how many missed runs: of a schedule that fires all the time there are many.
const OLDER: usize = 100;

pub(crate) fn target(report: &Report, target: &TargetReport) -> String {
    let frame = Frame {
        title: format!("{}: {}", target.health, target.name),
        at: report.at,
        health: Some(target.health),
        busy: !target.in_progress.is_empty(),
    };
    let gauge = Gauge::age(target).zip(target.newest.as_ref()).map(|(gauge, newest)| {
        let (age, rpo) = (length(newest.age_seconds), length(target.rpo_seconds));
        gauge
            .described(format!("The newest verified recovery point is {age} old; it may be {rpo} old (RPO)."))
    });
    let (recent, older) = target.history.split_at(target.history.len().min(RECENT));
    let older = &older[..older.len().min(OLDER)];
    render(&Page {
        frame,
        target,
        progress: target.in_progress.iter().map(|run| Open { run, gauge: Gauge::progress(run) }).collect(),
        gauge,
        days: Days::new(target, report.at).described(),
        durations: Bars::durations(target),
        sizes: Bars::sizes(target),
        recent,
        older,
        more: target.history.len() - recent.len() - older.len(),
        missed: &target.missed[..target.missed.len().min(OLDER)],
    })
}

#[derive(Template)]
#[template(path = "target.html")]
struct Page<'a> {
    frame: Frame,
    target: &'a TargetReport,
    progress: Vec<Open<'a>>,
    gauge: Option<Gauge>,
    days: Days,
    durations: Option<Bars>,
    sizes: Option<Bars>,
    recent: &'a [Run],
    older: &'a [Run],
    /// How many are not shown at all.
    more: usize,
    missed: &'a [Timestamp],
}

struct Open<'a> {
    run: &'a Progress,
    gauge: Option<Gauge>,
}
