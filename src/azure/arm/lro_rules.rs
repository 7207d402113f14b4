//! What must hold of every answer whatsoever, to a start and to a look at what runs.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::{
    lro::{begin, next},
    wire::{is_resource, service},
};
use crate::{
    azure::http::Response,
    domain::{Answer, AzureError, Continuation, RequestIds},
    ports::Poll,
};

const POSTED: &str = "https://management.azure.com/subscriptions/s/service/n/backup?api-version=2018-01-01";
const POLLED: &str = "https://management.azure.com/s/service/n//operationresults/b25l?api-version=2018-01-01";

/// Panics if an answer is taken for what it is not.
///
/// - A start is taken by a 2xx only, refused by what proves that nothing runs, and else unknown.
/// - What runs has succeeded by its own terminal answer only, and failed by its own alone; a look that failed says
///   nothing of it.
/// - No other place than Azure Resource Manager is asked, and in its own time.
/// - An answer that is written down reads back as it was.
pub(crate) fn hold(status: u16, headers: HeaderMap, body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    let response = Response { status, headers, body, ids: RequestIds::default(), attempts: 1 };
    if let Ok(posted) = Url::parse(POSTED) {
        a_start_is_what_its_status_says(status, &begin(&posted, &response));
    }
    for asked in [Continuation::Location(POLLED.to_owned()), Continuation::StatusMonitor(POLLED.to_owned())] {
        a_look_is_believed_by_its_own_word_only(&asked, &response);
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    assert!(service(&response.body).is_none() || is_resource(&body), "a service of {body}");
}

fn a_start_is_what_its_status_says(status: u16, answer: &Answer) {
    match answer {
        Answer::Accepted { continuation, after_seconds, .. } => {
            assert!((200..300).contains(&status), "accepted by {status}");
            assert!((1..=600).contains(after_seconds), "{after_seconds} s");
            continuation.iter().for_each(is_ours);
        }
        Answer::Busy { error, after_seconds } => {
            assert!(matches!(status, 409 | 429), "busy by {status}");
            assert!(after_seconds.is_none_or(|seconds| (1..=600).contains(&seconds)));
            is_bounded(error);
        }
        Answer::Refused { error } => {
            assert!((300..500).contains(&status) && !matches!(status, 408 | 429), "refused by {status}");
            is_bounded(error);
        }
        Answer::Unknown { error } => {
            assert!(!(200..500).contains(&status) || status == 408, "unknown by {status}");
            is_bounded(error);
        }
        Answer::NotSent { .. } => panic!("{status} was sent"),
    }
    let written = serde_json::to_string(answer).unwrap_or_default();
    assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(answer), "{written}");
}

fn a_look_is_believed_by_its_own_word_only(asked: &Continuation, response: &Response) {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let says = |words: &[&str]| {
        let status = body.get("status").and_then(Value::as_str);
        status.is_some_and(|status| words.iter().any(|word| word.eq_ignore_ascii_case(status)))
    };
    let status = response.status;
    let is_location = matches!(asked, Continuation::Location(_));
    match next(asked, response) {
        Poll::Succeeded { .. } => {
            let is_silent = !body.get("status").is_some_and(Value::is_string);
            let is_outcome = is_location && status == 200 && is_silent && is_resource(&body);
            assert!((200..300).contains(&status) && (says(&["succeeded"]) || is_outcome), "{status} {body}");
        }
        Poll::Failed(error) => {
            let is_told = (200..300).contains(&status) && says(&["failed", "canceled", "cancelled"]);
            let is_its_own = is_location
                && (400..500).contains(&status)
                && !matches!(status, 401 | 403 | 404 | 408 | 410 | 429);
            assert!(is_told || is_its_own, "{status} {body}");
            is_bounded(&error);
        }
        Poll::Running { continuation, after } => {
            assert!((200..300).contains(&status), "runs by {status}");
            assert!((1..=600).contains(&after.as_secs()), "{after:?}");
            assert_eq!(matches!(continuation, Continuation::Location(_)), is_location);
            is_ours(&continuation);
        }
        Poll::Unread { error, after, .. } => {
            assert!((1..=600).contains(&after.as_secs()), "{after:?}");
            is_bounded(&error);
        }
        Poll::Refused(error) => {
            assert!(matches!(status, 403 | 404 | 410), "refused by {status}");
            is_bounded(&error);
        }
    }
}

/// Whether the token may go there.
fn is_ours(continuation: &Continuation) {
    let Ok(url) = Url::parse(continuation.url()) else { panic!("{continuation:?} is no address") };
    let place = (url.scheme(), url.host_str(), url.port(), url.username(), url.password());
    assert_eq!(place, ("https", Some("management.azure.com"), None, "", None), "{continuation:?}");
}

fn is_bounded(error: &AzureError) {
    assert!(error.message.chars().count() <= 2_000 && !error.message.trim().is_empty(), "{error:?}");
}
