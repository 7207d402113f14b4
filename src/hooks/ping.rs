//! A heartbeat, as Healthchecks takes it: `<url>/start`, `<url>` and `<url>/fail`, with a sentence as the body.

use url::Url;

use super::{
    Message,
    message::{cut, text},
};
use crate::domain::{Notice, Topic};

/// What Healthchecks keeps of a body, in bytes.
const BODY: usize = 10_000;

/// A test is a sign of nothing: it goes where a log line goes.
pub(super) fn message(mut url: Url, notice: &Notice) -> Result<Message, &'static str> {
    let below = match notice.topic() {
        Topic::Started => "/start",
        Topic::Succeeded => "",
        Topic::Failed => "/fail",
        Topic::Test => "/log",
        Topic::Alarms => return Err("a ping tells of backups alone"),
    };
    let path = format!("{}{below}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let text = text(notice);
    let lines = text.parts.iter().map(|(label, text)| format!("{label}: {text}"));
    let body: Vec<String> = std::iter::once(text.title.clone()).chain(lines).collect();
    Ok(Message::new(url, "text/plain; charset=utf-8", cut(&body.join("\n"), BODY)))
}
