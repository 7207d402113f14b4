//! What is wrong with a body, in words for whoever sent it.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a body. Holds no value of the body: it may be answered and logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The field, as the schema spells it; `None` when it is the body as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub detail: String,
    pub remedy: String,
}

impl Problem {
    pub(super) fn of_body(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: None, detail: detail.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    /// `accessKey: missing or empty; add the key of the storage account`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}; {}", self.detail, self.remedy)
    }
}
