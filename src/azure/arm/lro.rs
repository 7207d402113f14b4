//! Long-running operations of Azure Resource Manager as a state machine: an answer in, the next step out.
//!
//! Has no I/O, no clock and no sleep. Rules are those of the ARM RPC (async-api-reference) where the service
//! keeps them, and of recorded sessions of 2014 to 2023 where it does not.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::wire::{azure_error, is_resource};
use crate::{
    azure::http::{Response, shown},
    domain::{Answer, AzureError, Continuation, Phase},
    ports::Poll,
};

/// Pause before the next look when the answer names none (ARM RPC, async-api-reference).
pub(super) const DEFAULT_PAUSE: Duration = Duration::from_mins(1);

/// Reads the answer to the POST that was sent to `request`.
pub(super) fn begin(request: &Url, response: &Response) -> Answer {
    let after = response.retry_after();
    let error = || azure_error(response, Some(Phase::Starting));
    match response.status {
        200..=299 => Answer::Accepted {
            continuation: location(request, response).or_else(|| status_monitor(request, response)),
            after_seconds: seconds(after.unwrap_or(DEFAULT_PAUSE)),
            ids: response.ids.clone(),
        },
        409 if error().code.is_some_and(|code| code.eq_ignore_ascii_case("ScopeLocked")) => {
            Answer::Refused { error: error() }
        }
        409 | 429 => Answer::Busy { error: error(), after_seconds: after.map(seconds) },
        300..=499 if response.status != 408 => Answer::Refused { error: error() },
        _ => Answer::Unknown { error: error() },
    }
}

/// Reads the answer to one look at `asked`.
pub(super) fn next(asked: &Continuation, response: &Response) -> Poll {
    // Only a token that is refused again and again needs somebody to change something.
    let unread = |error| Poll::Unread { error, after: pause(response), lasting: response.status == 401 };
    let is_location = matches!(asked, Continuation::Location(_));
    match response.status {
        200..=299 => {}
        403 | 404 | 410 => return Poll::Refused(failure(response)),
        // The look failed, not the operation. With 401 the token did.
        401 | 408 | 429 => return unread(failure(response)),
        // A status monitor always answers 200; on a Location this is the operation's own answer.
        400..=499 if is_location => return Poll::Failed(failure(response)),
        _ => return unread(failure(response)),
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    // Only a top-level `status` is the operation's; a resource's `provisioningState` is not.
    let status = body.get("status").and_then(Value::as_str).map(str::to_ascii_lowercase);
    match (status.as_deref(), response.status) {
        (Some("succeeded"), _) => Poll::Succeeded { ids: response.ids.clone() },
        (Some("failed"), _) => Poll::Failed(failure(response)),
        (Some("canceled" | "cancelled"), _) => Poll::Failed(canceled(response)),
        (Some(_), _) => running(asked, response),
        (None, 202) if is_location => running(asked, response),
        (None, 200) if is_location && is_resource(&body) => Poll::Succeeded { ids: response.ids.clone() },
        (None, _) => unread(unreadable(response)),
    }
}

fn running(asked: &Continuation, response: &Response) -> Poll {
    let moved = Url::parse(asked.url()).ok().and_then(|base| match asked {
        Continuation::Location(_) => location(&base, response),
        Continuation::StatusMonitor(_) => status_monitor(&base, response),
    });
    Poll::Running { continuation: moved.unwrap_or_else(|| asked.clone()), after: pause(response) }
}

fn location(base: &Url, response: &Response) -> Option<Continuation> {
    address(base, &response.header("location")?).map(Continuation::Location)
}

fn status_monitor(base: &Url, response: &Response) -> Option<Continuation> {
    address(base, &response.header("azure-asyncoperation")?).map(Continuation::StatusMonitor)
}

/// An absolute address is kept byte for byte: its double slashes and `%3D` have a meaning. One of another
/// scheme, host or port is refused, as if none was sent: the token must not go there.
fn address(base: &Url, sent: &str) -> Option<String> {
    let (url, text) = match Url::parse(sent) {
        Ok(url) => (url, sent.to_owned()),
        Err(_) => base.join(sent).map(|url| (url.clone(), url.into())).ok()?,
    };
    if is_same_place(base, &url) {
        return Some(text);
    }
    tracing::warn!("Azure named a place that is not its own, {}; it is not asked", shown(&url));
    None
}

/// Whether both have one scheme, host and port, and the other brings no user of its own.
pub(super) fn is_same_place(ours: &Url, other: &Url) -> bool {
    ours.origin() == other.origin() && other.username().is_empty() && other.password().is_none()
}

fn pause(response: &Response) -> Duration {
    response.retry_after().unwrap_or(DEFAULT_PAUSE)
}

fn seconds(pause: Duration) -> u32 {
    u32::try_from(pause.as_secs()).unwrap_or(u32::MAX)
}

/// What is said of an operation that runs, or ran.
fn failure(response: &Response) -> AzureError {
    azure_error(response, Some(Phase::Running))
}

fn unreadable(response: &Response) -> AzureError {
    AzureError {
        status: Some(response.status),
        message: "an answer that tells nothing of the operation".to_owned(),
        ..failure(response)
    }
}

fn canceled(response: &Response) -> AzureError {
    let error = failure(response);
    AzureError { code: error.code.or_else(|| Some("Canceled".to_owned())), ..error }
}

#[cfg(test)]
#[path = "lro_tests.rs"]
mod tests;
