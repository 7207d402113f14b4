//! The status page: a report, or the entries of an operation, as HTML.
//!
//! One document each, with nothing to load beside it, that tells all of it without its script. Knows no keys: links have
//! none, and the script adds the one that the reader's own address has.

mod charts;
mod days;
mod operation;
mod overview;
mod target;
mod words;

use std::sync::LazyLock;

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::{Health, shown};
use words::Moment;

pub(crate) use operation::operation;
pub(crate) use overview::overview;
pub(crate) use target::target;

const STYLE: &str = include_str!("../../templates/style.css");
const SCRIPT: &str = include_str!("../../templates/script.js");

/// The header `Content-Security-Policy`: a page may use its own style and script, and nothing else.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// What is around every page.
#[derive(Debug)]
struct Frame {
    title: String,
    at: Timestamp,
    /// Shown beside the title in a browser's tabs.
    health: Option<Health>,
    /// Something is in progress, so that the page soon tells of the past.
    busy: bool,
}

impl Frame {
    const STYLE: &str = STYLE;
    const SCRIPT: &str = SCRIPT;

    /// The shape of the health and its colour, without a second request.
    fn icon(&self) -> &'static str {
        match self.health {
            None => "data:,",
            Some(Health::Ok) => {
                "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='8' fill='%232a8a52'/%3E%3C/svg%3E"
            }
            Some(Health::AtRisk) => {
                "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M8 0l8 15H0z' fill='%23b26b00'/%3E%3C/svg%3E"
            }
            Some(Health::Failing) => {
                "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M5 0h6l5 5v6l-5 5H5l-5-5V5z' fill='%23cc2f2f'/%3E%3C/svg%3E"
            }
        }
    }
}

/// A page that only says something.
pub(crate) fn notice(title: &str, text: &str, now: Timestamp) -> String {
    let frame = Frame { title: title.to_owned(), at: now, health: None, busy: false };
    render(&Notice { frame, text })
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    frame: Frame,
    text: &'a str,
}

/// Escaped text may still turn the direction of writing, or hide: such characters are shown by their number.
fn render(page: &impl Template) -> String {
    // Writing to a string does not fail.
    let html = page.render().unwrap_or_default();
    shown(&html).into_owned()
}

#[cfg(test)]
mod contrast_tests;
#[cfg(test)]
mod tests;
