//! A word that is put into the values of a JSON text, to see where it comes out again.

use serde_json::Value;

/// No text of the program has it; as base64 it is twelve bytes.
pub(super) const MARK: &str = "aMarkOfTheFuzzer";

/// Whether somebody put it there already, which would say nothing.
pub(super) fn is_marked(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// The fields whose values are secrets.
const SECRETS: [&str; 3] = ["clientSecret", "accessKey", "callbackUrl"];

/// Which values get the mark. What a target is named may be told.
#[derive(Clone, Copy)]
pub(super) enum Marked {
    Secrets,
    All,
    /// The one at this place, counted around.
    One(usize),
}

/// The texts of `json`, as they are marked; what is no text stays.
pub(super) fn mark(json: &Value, marked: Marked) -> Vec<u8> {
    let mut json = json.clone();
    let mut count = 0;
    each_text(&mut json, "", &mut |_, _| count += 1);
    let mut place = 0;
    each_text(&mut json, "", &mut |field, text| {
        let is_marked = match marked {
            Marked::Secrets => SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(field)),
            Marked::All => true,
            Marked::One(nth) => place == nth % count,
        };
        if is_marked && !field.eq_ignore_ascii_case("name") {
            *text = if text.contains("://") { format!("{text}{MARK}") } else { format!("{MARK}{text}") };
        }
        place += 1;
    });
    json.to_string().into_bytes()
}

/// Visits all texts, each with the name of the field that it is in.
fn each_text(json: &mut Value, field: &str, visit: &mut dyn FnMut(&str, &mut String)) {
    match json {
        Value::String(text) => visit(field, text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, field, visit)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| each_text(value, name, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
