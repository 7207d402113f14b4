//! What errors of Azure mean: one table from status, code, words and phase to cause, remedy and document.
//!
//! Rows, no rules. Whoever meets an error that is not here shows it raw and whole.

use serde::Serialize;

use super::{FailureKind, Operation, Phase};

mod arm;
mod entra;
mod status;
mod storage;

/// What is known of an error.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Azure's code, or the status where a row goes by that alone. Several may have the same.
    pub code: &'static str,
    pub cause: &'static str,
    pub remedy: &'static str,
    /// Where Microsoft says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<&'static str>,
}

/// What an error means, where known: the first row that matches tells.
pub fn explain(
    status: Option<u16>,
    code: Option<&str>,
    message: &str,
    phase: Option<Phase>,
) -> Option<&'static Explanation> {
    let message = words(message);
    rows().find(|row| row.matches(status, code, &message, phase)).map(|row| &row.explanation)
}

/// All that a code may mean: `RestoreFailed`, `AADSTS700016` or `700016`, in any case, or a status such as `403`.
pub fn explain_code(code: &str) -> Vec<&'static Explanation> {
    let number: Option<u16> = code.parse().ok();
    let is_number = |known: &str| known.strip_prefix("AADSTS").is_some_and(|digits| digits == code);
    let is_status = |row: &Row| {
        let only_status = row.text.is_empty() && !matches!(row.code, Code::Is(_));
        only_status && number.is_some_and(|number| row.status.contains(&number))
    };
    let means = |row: &&Row| {
        let known = row.explanation.code;
        known.eq_ignore_ascii_case(code) || is_number(known) || is_status(row)
    };
    distinct(rows().filter(means))
}

/// What it means that a storage account refused whoever said `texts`: what is kept of its answers is the code alone,
/// which may stand anywhere in them.
pub fn explain_storage(texts: &[impl AsRef<str>]) -> Option<&'static Explanation> {
    let occurs = |sign: &str| texts.iter().any(|text| text.as_ref().contains(sign));
    let row = storage::ROWS.iter().find(|row| occurs(row.explanation.code) && occurs(row.text))?;
    Some(&row.explanation)
}

/// Everything that is known.
pub fn explanations() -> Vec<&'static Explanation> {
    distinct(rows())
}

impl Operation {
    /// What its failure means, where known.
    pub fn explanation(&self) -> Option<&'static Explanation> {
        let failure = self.failure.as_ref()?;
        let phase = match failure.kind {
            FailureKind::Blocked => Phase::Pending,
            FailureKind::Refused => Phase::Starting,
            FailureKind::OutcomeUnknown if self.followed.is_none() => Phase::Starting,
            FailureKind::Failed | FailureKind::OutcomeUnknown => Phase::Running,
        };
        let error = &failure.error;
        explain(error.status, error.code.as_deref(), &error.message, Some(phase))
    }
}

/// Specific rows come before general ones.
fn rows() -> impl Iterator<Item = &'static Row> {
    [arm::ROWS, entra::ROWS, storage::ROWS, status::ROWS].into_iter().flatten()
}

/// Several rows may say the same.
fn distinct(rows: impl Iterator<Item = &'static Row>) -> Vec<&'static Explanation> {
    let mut distinct = Vec::new();
    for Row { explanation, .. } in rows {
        if !distinct.contains(&explanation) {
            distinct.push(explanation);
        }
    }
    distinct
}

/// In small letters, with one blank between words: messages hold line breaks, and are pasted without.
fn words(text: &str) -> String {
    text.split_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>().join(" ")
}

/// One known error: all that is given must match. Messages are as users reported or tests recorded them.
#[derive(Debug)]
struct Row {
    /// Any of these; empty: any.
    status: &'static [u16],
    code: Code,
    /// A part of the message, in any case; empty: any.
    text: &'static str,
    phase: Option<Phase>,
    explanation: Explanation,
}

#[derive(Debug, PartialEq, Eq)]
enum Code {
    Any,
    /// The status is all that is known: a code that is not in the table means something else.
    Missing,
    /// In any case.
    Is(&'static str),
}

impl Row {
    const fn new(code: Code, label: &'static str, cause: &'static str, remedy: &'static str) -> Self {
        let explanation = Explanation { code: label, cause, remedy, document: None };
        Self { status: &[], code, text: "", phase: None, explanation }
    }

    /// Goes by Azure's code.
    const fn code(code: &'static str, cause: &'static str, remedy: &'static str) -> Self {
        Self::new(Code::Is(code), code, cause, remedy)
    }

    /// Goes by a part of the message, whatever the code; `label` is what it is listed under.
    const fn text(
        label: &'static str,
        text: &'static str,
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self::new(Code::Any, label, cause, remedy).saying(text)
    }

    /// Goes by the status, whatever the code.
    const fn status(
        label: &'static str,
        status: &'static [u16],
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self::new(Code::Any, label, cause, remedy).with(status)
    }

    /// Goes by the status, if there is no code.
    const fn bare(
        label: &'static str,
        status: &'static [u16],
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self::new(Code::Missing, label, cause, remedy).with(status)
    }

    const fn saying(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    const fn with(mut self, status: &'static [u16]) -> Self {
        self.status = status;
        self
    }

    const fn during(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    const fn see(mut self, document: &'static str) -> Self {
        self.explanation.document = Some(document);
        self
    }

    /// `message` as [`words`] leaves it.
    fn matches(&self, status: Option<u16>, code: Option<&str>, message: &str, phase: Option<Phase>) -> bool {
        let has_code = match self.code {
            Code::Any => true,
            Code::Missing => code.is_none(),
            Code::Is(known) => code.is_some_and(|code| code.eq_ignore_ascii_case(known)),
        };
        has_code
            && (self.status.is_empty() || status.is_some_and(|status| self.status.contains(&status)))
            && (self.phase.is_none() || self.phase == phase)
            && message.contains(&words(self.text))
    }
}

#[cfg(test)]
mod tests;
