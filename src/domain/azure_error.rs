//! What Azure said, or what happened on the way to it, when it did not do as asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The ids by which Microsoft's support finds one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestIds {
    /// `x-ms-request-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// `x-ms-correlation-request-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// `x-ms-client-request-id`, which we chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// An error of Azure, of Entra ID or of the network. Kept in the journal: it has no secret and its
/// URLs have lost their query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureError {
    /// HTTP status; `None` when no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Azure's own code, such as `RestoreFailed` or `AADSTS7000215`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Azure's own words, or ours where it said none.
    pub message: String,
    /// What to do about it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    #[serde(default)]
    pub ids: RequestIds,
    /// How many times the request was sent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
}

impl AzureError {
    /// An error that no answer of Azure told.
    pub fn local(message: impl Into<String>) -> Self {
        Self {
            status: None,
            code: None,
            message: message.into(),
            remedy: None,
            ids: RequestIds::default(),
            attempts: 1,
        }
    }

    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for AzureError {
    /// `400 RestoreFailed: Cannot restore: backup expired`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> =
            [self.status.map(|status| status.to_string()), self.code.clone()].into_iter().flatten().collect();
        if !words.is_empty() {
            write!(f, "{}: ", words.join(" "))?;
        }
        // Azure's messages may hold line breaks.
        for (n, word) in self.message.split_whitespace().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

impl std::error::Error for AzureError {}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_one(attempts: &u32) -> bool {
    *attempts == 1
}
