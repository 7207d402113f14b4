//! What a look before the start found.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AzureError;

/// Whether it keeps an operation from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// It cannot work.
    Blocks,
    /// It may not work, or will cost something; or nobody could tell.
    Warns,
}

/// Something that somebody should know before an operation starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable: `tier.unsupported`.
    pub code: Cow<'static, str>,
    pub severity: Severity,
    /// One sentence.
    pub text: String,
    /// What to do, with the command if there is one.
    pub remedy: String,
}

impl Finding {
    pub fn blocks(code: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), severity: Severity::Blocks, text: text.into(), remedy: remedy.into() }
    }

    pub fn warns(code: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: code.into(), severity: Severity::Warns, text: text.into(), remedy: remedy.into() }
    }

    /// The error that keeps an operation from its start.
    pub fn into_error(self) -> AzureError {
        AzureError { code: Some(self.code.into_owned()), ..AzureError::local(self.text) }
            .with_remedy(self.remedy)
    }

    pub fn is_blocking(&self) -> bool {
        self.severity == Severity::Blocks
    }
}

impl fmt::Display for Finding {
    /// `tier.unsupported: the service is of the tier StandardV2`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}
