//! What Slack and Teams show. In texts of others nothing is a link, and nothing calls anybody.

use serde_json::{Value, json};

use super::message::Text;

/// Of one section, in characters: <https://docs.slack.dev/reference/block-kit/blocks/section-block>.
const SLACK_SECTION: usize = 3000;

/// An incoming webhook's message. `text` is what a notification shows.
pub(super) fn slack(text: &Text) -> Value {
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } });
    let title = escaped(&text.title, SLACK_SECTION - 2);
    let parts = text.parts.iter().map(|(label, text)| {
        let label = format!("*{label}*\n");
        let room = SLACK_SECTION - label.len();
        section(label + &escaped(text, room))
    });
    let blocks: Vec<Value> = std::iter::once(section(format!("*{title}*"))).chain(parts).collect();
    json!({ "text": title, "blocks": blocks })
}

/// As Slack wants it: `&`, `<` and `>` as entities, so that nothing is a link or calls anybody, and at most so many
/// characters.
fn escaped(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut room = most - 1;
    for c in text.chars() {
        let letter = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            c => c.to_string(),
        };
        let Some(left) = room.checked_sub(letter.chars().count()) else {
            escaped.push('…');
            break;
        };
        room = left;
        escaped.push_str(&letter);
    }
    escaped
}

/// A message with a card, as a workflow of Teams takes it. Its texts are runs, in which no markdown is read:
/// <https://adaptivecards.io/explorer/TextRun.html>.
pub(super) fn teams(text: &Text) -> Value {
    let block = |runs: Value| json!({ "type": "RichTextBlock", "inlines": runs });
    let title = json!([{ "type": "TextRun", "text": text.title, "weight": "Bolder", "size": "Medium" }]);
    let parts = text.parts.iter().map(|(label, text)| {
        let label = json!({ "type": "TextRun", "text": format!("{label}: "), "weight": "Bolder" });
        block(json!([label, { "type": "TextRun", "text": text }]))
    });
    let body: Vec<Value> = std::iter::once(block(title)).chain(parts).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": { "width": "Full" },
                "body": body,
            },
        }],
    })
}
