//! The fields of the log are those that its document names.

use std::{collections::BTreeSet, fs, path::Path};

use crate::architecture::files_below;

/// What each call of a macro of the log has between its parentheses, in pieces; of a text only its quotes.
fn calls(source: &str) -> Vec<Vec<String>> {
    let macros = ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::info_span!("];
    let starts = macros.iter().flat_map(|name| source.match_indices(name).map(|(at, name)| at + name.len()));
    starts.map(|start| pieces(&source[start..])).collect()
}

fn pieces(source: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for c in source.chars() {
        let is_quote = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        quoted ^= is_quote;
        match c {
            _ if quoted && !is_quote => continue,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 1 => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            return pieces;
        }
        pieces.last_mut().unwrap().push(c);
    }
    panic!("a call does not end: {source}");
}

/// The names of fields in such a call: `name = value`, or a variable of that name.
fn fields(call: &[String]) -> BTreeSet<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_'))
    };
    let names = call
        .iter()
        .map(|piece| piece.trim())
        .map(|piece| piece.split(" = ").next().unwrap_or_default().trim_start_matches(['%', '?']));
    names.filter(|name| is_name(name)).map(str::to_owned).collect()
}

#[test]
fn every_field_of_the_log_is_documented_and_every_documented_one_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = files_below(&root.join("src"));
    let written: BTreeSet<_> = sources
        .iter()
        .flat_map(|file| calls(&fs::read_to_string(file).unwrap()))
        .flat_map(|call| fields(&call))
        .collect();
    assert!(written.contains("operation.id") && written.contains("alarm.code"), "{written:?}");
    let document = fs::read_to_string(root.join("docs/observability.md")).unwrap();
    let table = document.split("| field | meaning |").nth(1).unwrap().split("\n\n").next().unwrap();
    let named = table.lines().filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<_> =
        named.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert_eq!(written, named);
}

#[test]
fn fields_are_read_as_they_are_written() {
    let source = r#"tracing::warn!(a.b = %f(x, "y)"), c, d = &e as &dyn std::error::Error, "text (g = h)"); tracing::info!("none");"#;
    let found: Vec<_> = calls(source).iter().map(|call| fields(call)).collect();
    assert_eq!(found, [["a.b", "c", "d"].map(str::to_owned).into(), BTreeSet::new()]);
}
