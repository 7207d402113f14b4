//! What may be told of a text that somebody else wrote.

use super::mark::MARK;
use crate::payload::Problem;

/// Each problem says what to do. With `fields` each names its field, too.
pub(super) fn problems(problems: &[Problem], fields: bool) {
    for problem in problems {
        let Problem { field, detail, remedy } = problem;
        assert!(!detail.trim().is_empty() && !remedy.trim().is_empty(), "{problem:?}");
        assert!(!fields || field.as_ref().is_some_and(|field| !field.is_empty()), "{problem:?}");
        harmless(&problem.to_string());
        unmarked(&serde_json::to_string(problem).unwrap_or_default());
    }
}

/// Nothing that moves a cursor or begins a line in a log, and no value of somebody's.
pub(super) fn harmless(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
    unmarked(text);
}

pub(super) fn unmarked(text: &str) {
    assert!(!text.contains(MARK), "{text:?}");
}
