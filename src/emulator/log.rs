//! The request log: what arrived, without bodies, tokens or signatures.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

use super::world::Counts;

/// How many requests are kept; the oldest go first. The counts know them all.
const KEPT: usize = 100_000;

/// One request as it arrived, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedRequest {
    /// By the emulator's clock.
    pub at: Timestamp,
    pub method: String,
    /// Path and query as sent, but for the value of a `sig`.
    pub path: String,
    /// `None` while it is being answered, or when it never was.
    pub status: Option<u16>,
    /// The name of the effect that struck it.
    pub fault: Option<String>,
    pub client_request_id: Option<String>,
}

/// The newest requests, and how many backups and restores were asked for.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: VecDeque<LoggedRequest>,
    forgotten: usize,
    pub posts: Counts,
}

impl Log {
    /// Notes an arrival; the number is for [`Log::answered`].
    pub(super) fn arrived(&mut self, mut request: LoggedRequest) -> usize {
        let path = request.path.split('?').next().unwrap_or_default().to_ascii_lowercase();
        if request.method == "POST" && path.starts_with("/subscriptions/") {
            self.posts.add(path.rsplit('/').next().unwrap_or_default());
        }
        request.path = without_signature(&request.path);
        if self.requests.len() == KEPT {
            self.requests.pop_front();
            self.forgotten += 1;
        }
        self.requests.push_back(request);
        self.count() - 1
    }

    /// Notes the status of an answer.
    pub(super) fn answered(&mut self, number: usize, status: u16) {
        let at = number.checked_sub(self.forgotten);
        if let Some(request) = at.and_then(|at| self.requests.get_mut(at)) {
            request.status = Some(status);
        }
    }

    /// How many arrived, forgotten ones too.
    pub(super) fn count(&self) -> usize {
        self.forgotten + self.requests.len()
    }

    pub(super) fn requests(&self) -> Vec<LoggedRequest> {
        self.requests.iter().cloned().collect()
    }
}

fn without_signature(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let hide = |pair: &str| if pair.starts_with("sig=") { "sig=***".to_owned() } else { pair.to_owned() };
    let query: Vec<_> = query.split('&').map(hide).collect();
    format!("{path}?{}", query.join("&"))
}
