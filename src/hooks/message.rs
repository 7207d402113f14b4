//! What people read: a title, and below it what is known.

use crate::{
    domain::{Alarm, Change, News, Notice, Operation, Phase, shown},
    view,
};

/// The longest part of a text, in bytes: so much of every chat's limit is ours whatever it makes of a letter.
const LONGEST: usize = 2800;

/// A message before it is put in somebody's form. It has no line break and no control character.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// One short sentence.
    pub(super) title: String,
    /// What it is, and what it says.
    pub(super) parts: Vec<(&'static str, String)>,
}

pub(super) fn text(notice: &Notice) -> Text {
    let (title, parts) = match &notice.news {
        News::Started { operation } => of_operation(operation, "has started"),
        News::Ended { operation } => of_operation(operation, ending(operation)),
        News::Alarm { alarm } => of_alarm(alarm),
        News::Test => {
            let what =
                "Somebody tries out whether this hook works. Nothing happened, and nothing is to be done.";
            ("Test of apim-dr".to_owned(), vec![("What", what.to_owned())])
        }
    };
    let parts = parts.into_iter().map(|(label, text)| (label, readable(&text))).collect();
    Text { title: readable(&title), parts }
}

fn ending(operation: &Operation) -> &'static str {
    match operation.phase {
        Phase::Succeeded => "succeeded",
        Phase::Canceled => "was cancelled",
        Phase::Skipped => "was skipped",
        _ => "failed",
    }
}

fn of_operation(operation: &Operation, what: &str) -> (String, Vec<(&'static str, String)>) {
    let plan = &operation.plan;
    let title = format!("{} of {} {what}", capital(plan.word()), plan.service.name);
    let known = operation.explanation();
    let remedy = operation.failure.as_ref().and_then(|failure| failure.error.remedy.clone());
    let mut parts = vec![("What", view::sentence(operation))];
    parts.extend(known.map(|known| ("Cause", known.cause.to_owned())));
    parts.extend(remedy.or(known.map(|known| known.remedy.to_owned())).map(|remedy| ("What helps", remedy)));
    parts.push(("Backup", plan.blob.to_string()));
    parts.push(("Operation", operation.id.to_string()));
    (title, parts)
}

fn of_alarm(alarm: &Alarm) -> (String, Vec<(&'static str, String)>) {
    let Alarm { subject, change, since, condition, .. } = alarm;
    let whose = subject.target().map_or_else(|| "apim-dr".to_owned(), ToString::to_string);
    let title = match change {
        Change::Resolved => format!("{whose}: {} is over", condition.code),
        Change::Raised => format!("{whose}: {} ({})", condition.code, condition.level.as_str()),
        Change::Worsened => format!("{whose}: {} is critical now", condition.code),
        Change::Reminded => {
            format!("{whose}: {} ({}) still stands", condition.code, condition.level.as_str())
        }
    };
    let mut parts = vec![("What", condition.text.clone())];
    if alarm.stands() {
        parts.push(("What helps", condition.remedy.clone()));
    }
    parts.push(("Since", format!("{since:.0}")));
    (title, parts)
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// In one line, with what would disturb a reader shown by its number, and not too long: others may have written it.
fn readable(text: &str) -> String {
    let words = text.replace(char::is_control, " ");
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&shown(&line), LONGEST)
}

/// At most so many bytes of it.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most.saturating_sub('…'.len_utf8()))])
}
