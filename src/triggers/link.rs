//! The link of an operation: its address for callers, with the token that opens it and their wishes.

use std::{borrow::Cow, net::IpAddr};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
};
use url::Url;

use super::problem::ProblemDetails;
use crate::{
    app::App,
    domain::{Answer, Operation, OperationId},
    settings::public_url_of,
};

/// How a failure is told: 424 unless the caller asked otherwise when it started the operation.
const FAILURE_FLAGS: [(&str, StatusCode); 2] = [
    ("returnInternalServerErrorOnFailure", StatusCode::INTERNAL_SERVER_ERROR),
    ("returnOkOnFailure", StatusCode::OK),
];

/// Makes the address of an operation, with the caller's wish how a failure is told.
pub(super) struct Link<'a> {
    app: &'a App,
    base: String,
    flag: Option<&'static str>,
    on_failure: StatusCode,
}

impl<'a> Link<'a> {
    pub(super) fn new(app: &'a App, headers: &HeaderMap, uri: &Uri) -> Result<Self, ProblemDetails> {
        let base = base_url(app.public_url.as_deref(), headers, uri)?;
        let wished = FAILURE_FLAGS
            .into_iter()
            .find(|(flag, _)| query_value(uri, flag).is_some_and(|value| value.eq_ignore_ascii_case("true")));
        let (flag, on_failure) = match wished {
            Some((flag, status)) => (Some(flag), status),
            None => (None, StatusCode::FAILED_DEPENDENCY),
        };
        Ok(Self { app, base, flag, on_failure })
    }

    /// What the link answers when its operation did not succeed.
    pub(super) fn on_failure(&self) -> StatusCode {
        self.on_failure
    }

    pub(super) fn to(&self, id: OperationId) -> String {
        let flag = self.flag.map(|flag| format!("&{flag}=true")).unwrap_or_default();
        format!("{}/api/operations/{id}?t={}{flag}", self.base, self.app.key().link_token(id))
    }

    /// Seconds until it is worth asking again: when the operation's next step is due, at most a minute. A look
    /// that learned nothing is not recorded, so a running one may be overdue on paper: then Azure's own pace
    /// counts, up to a quarter of a minute.
    pub(super) fn retry_after(&self, operation: &Operation) -> i64 {
        let left = operation.due.duration_since(self.app.ports().azure.now()).as_secs();
        match operation.attempts.last().and_then(|attempt| attempt.answer.as_ref()) {
            Some(Answer::Accepted { after_seconds, .. }) if left < 0 => {
                i64::from(*after_seconds).clamp(1, 15)
            }
            _ => (left + 1).clamp(1, 60),
        }
    }
}

/// The query's parameters, decoded.
pub(super) fn query_values(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
}

/// The value of one of them.
pub(super) fn query_value(uri: &Uri, name: &str) -> Option<String> {
    query_values(uri).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Where callers reach us: as configured, else as they reached us. Plain http is for loopback names.
fn base_url(configured: Option<&str>, headers: &HeaderMap, uri: &Uri) -> Result<String, ProblemDetails> {
    if let Some(url) = configured {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let Ok(authority) = host(headers, uri).unwrap_or_default().parse::<Authority>() else {
        return Err(ProblemDetails::new(StatusCode::BAD_REQUEST, "the request names no host"));
    };
    Ok(public_url_of(&authority))
}

/// The host that a request names, if it names one.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let named = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    named.or_else(|| uri.authority().map(Authority::as_str))
}

/// Whether a request came by a name or an address of this machine's own, or by the one that is configured. Browsers
/// name the host always.
pub(super) fn is_for_us(configured: Option<&str>, request: &Request) -> bool {
    let Some(host) = host(request.headers(), request.uri()) else { return true };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_own = name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok();
    let configured = configured.and_then(|url| Url::parse(url).ok());
    is_own || configured.is_some_and(|url| url.host_str() == Some(&name))
}
