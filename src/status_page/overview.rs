//! All targets, the worst first.

use askama::Template;

use super::{
    Frame,
    charts::Gauge,
    days::{Days, LEGEND},
    render,
    words::{self, Badge, Moment, length},
};
use crate::domain::{Health, ReadinessVerdict, Report, TargetReport};

pub(crate) fn overview(report: &Report) -> String {
    let mut targets: Vec<_> = report.targets.iter().collect();
    targets.sort_by_key(|target| std::cmp::Reverse(target.health));
    let frame = Frame {
        title: format!("{}: recovery overview", report.health),
        at: report.at,
        health: Some(report.health),
        busy: targets.iter().any(|target| !target.in_progress.is_empty()),
    };
    let cards = targets.into_iter().map(|target| Card {
        target,
        gauge: Gauge::age(target),
        days: Days::new(target, report.at).brief(),
        figures: figures(target),
    });
    let app_health = Health::of(&report.conditions);
    render(&Overview { frame, report, app_health, summary: summary(report), cards: cards.collect() })
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame,
    report: &'a Report,
    app_health: Health,
    summary: String,
    cards: Vec<Card<'a>>,
}

struct Card<'a> {
    target: &'a TargetReport,
    gauge: Option<Gauge>,
    days: Days,
    figures: String,
}

fn summary(report: &Report) -> String {
    let of = |health| report.targets.iter().filter(|target| target.health == health).count();
    let counts = [Health::Failing, Health::AtRisk, Health::Ok].map(|health| (of(health), health));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, health)| format!("{count} {health}")).collect();
    match report.targets.len() {
        0 => "no targets".to_owned(),
        1 => format!("1 target: {}", counts.join(", ")),
        n => format!("{n} targets: {}", counts.join(", ")),
    }
}

/// The rest of a target in one line.
fn figures(target: &TargetReport) -> String {
    let mut words = vec![format!("{} restorable", target.points.restorable)];
    if let Some(standby) = &target.standby {
        words.push(format!(
            "standby {}",
            match standby.readiness.as_ref().map(|readiness| readiness.verdict) {
                Some(ReadinessVerdict::Ready) => "ready",
                Some(ReadinessVerdict::AtRisk) => "at risk",
                Some(ReadinessVerdict::NotReady) => "not ready",
                None => "not known",
            }
        ));
    }
    if let Some(drill) = &target.drill {
        words.push(match drill.rto_seconds {
            Some(rto) => format!("RTO {}", length(rto)),
            None => "RTO not proven".to_owned(),
        });
    }
    words.join(" · ")
}
