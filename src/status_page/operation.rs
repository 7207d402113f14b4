//! One operation: what it is, and all that happened to it.

use askama::Template;
use jiff::Timestamp;

use super::{
    Frame, render,
    words::{Badge, Moment, length},
};
use crate::{
    domain::{Entry, Event, Finding, Health, Operation, Phase},
    view::story::{event, headline},
};

/// None without an entry: nothing is known of it.
pub(crate) fn operation(entries: &[Entry], now: Timestamp) -> Option<String> {
    let operation = &entries.last()?.operation;
    let before = std::iter::once(None).chain(entries.iter().map(|entry| Some(&entry.operation)));
    let line = |(entry, before)| Line::new(entry, before);
    let ended = operation.phase.is_closed();
    let took = if ended { operation.updated } else { now }.duration_since(operation.opened).as_secs();
    let took_name = match ended {
        true if operation.recovery_time().is_some() => "Took (RTO)",
        true => "Took",
        false => "Elapsed",
    };
    let title = format!("{}: {} of {}", operation.phase, operation.plan.word(), operation.plan.service.name);
    let frame = Frame { title, at: now, health: health(operation.phase), busy: !ended };
    Some(render(&Page {
        frame,
        operation,
        headline: headline(operation),
        took: length(took),
        took_name,
        lines: entries.iter().zip(before).map(line).collect(),
    }))
}

#[derive(Template)]
#[template(path = "operation.html")]
struct Page<'a> {
    frame: Frame,
    operation: &'a Operation,
    headline: String,
    took: String,
    took_name: &'static str,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    at: Timestamp,
    text: String,
    findings: &'a [Finding],
}

impl<'a> Line<'a> {
    fn new(entry: &'a Entry, before: Option<&Operation>) -> Self {
        let findings = match &entry.event {
            Event::Checked { findings } => findings.as_slice(),
            _ => &[],
        };
        Self { at: entry.at, text: event(entry, before), findings }
    }
}

fn health(phase: Phase) -> Option<Health> {
    match phase {
        Phase::Succeeded => Some(Health::Ok),
        Phase::Failed => Some(Health::Failing),
        Phase::Skipped => Some(Health::AtRisk),
        _ => None,
    }
}
