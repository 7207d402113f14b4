//! What is sent to Azure, and what comes back: with the ids of the exchange, and without echoed secrets.

use std::{borrow::Cow, fmt, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use url::Url;

use crate::domain::{AzureError, RequestIds, Secret};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Bounds of `Retry-After` (ARM RPC, async-api-reference).
const RETRY_AFTER_SECONDS: std::ops::RangeInclusive<u64> = 1..=600;

/// Whether a request may be sent again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::azure) enum Repeat {
    Idempotent,
    Never,
}

/// What is sent.
pub(in crate::azure) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) repeat: Repeat,
    /// What an answer must not echo, in every form in which it may.
    pub(super) secrets: Vec<Secret>,
}

impl Request {
    pub(in crate::azure) fn get(url: Url) -> Self {
        Self::new(Method::GET, url, HeaderMap::new(), Bytes::new(), Repeat::Idempotent)
    }

    pub(in crate::azure) fn post(url: Url, content_type: &'static str, body: Bytes, repeat: Repeat) -> Self {
        Self::new(Method::POST, url, typed(content_type), body, repeat)
    }

    /// A change, which is never sent again.
    pub(in crate::azure) fn patch(url: Url, content_type: &'static str, body: Bytes) -> Self {
        Self::new(Method::PATCH, url, typed(content_type), body, Repeat::Never)
    }

    pub(in crate::azure) fn new(
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
        repeat: Repeat,
    ) -> Self {
        Self { method, url, headers, body, repeat, secrets: Vec::new() }
    }

    /// Names the exchange, for Microsoft's support. The service does not echo it.
    pub(in crate::azure) fn set_client_id(&mut self, id: &impl ToString) {
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            self.headers.insert(CLIENT_REQUEST_ID, value);
        }
    }

    /// Has these replaced wherever an answer echoes them.
    pub(in crate::azure) fn hide<'a>(&mut self, secrets: impl IntoIterator<Item = &'a Secret>) {
        for secret in secrets.into_iter().map(Secret::expose).filter(|secret| !secret.is_empty()) {
            let json = serde_json::to_string(secret).unwrap_or_default();
            for form in [json.trim_matches('"'), &urlencoding::encode(secret), secret] {
                // Of most secrets all forms are one.
                if !form.is_empty() && self.secrets.iter().all(|known| known.expose() != form) {
                    self.secrets.push(Secret::new(form));
                }
            }
        }
    }

    pub(in crate::azure) fn authorize(&mut self, token: &Secret) -> Result<(), AzureError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| AzureError::local("the access token holds characters that no header may have"))?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        self.hide([token]);
        Ok(())
    }

    pub(super) fn ids(&self) -> RequestIds {
        RequestIds { client: text(&self.headers, &CLIENT_REQUEST_ID), ..RequestIds::default() }
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub(in crate::azure) struct Response {
    pub(in crate::azure) status: u16,
    pub(in crate::azure) headers: HeaderMap,
    /// As much as came: a body may break off or be too long, and then is no longer what its type says.
    pub(in crate::azure) body: Bytes,
    pub(in crate::azure) ids: RequestIds,
    pub(in crate::azure) attempts: u32,
}

impl fmt::Debug for Response {
    /// Without the body, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The header's first value.
    pub(in crate::azure) fn header(&self, name: &'static str) -> Option<String> {
        text(&self.headers, &HeaderName::from_static(name))
    }

    /// `Retry-After`: whole seconds only (ARM RPC, async-api-reference), from 1 s to 10 min.
    pub(in crate::azure) fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = text(&self.headers, &RETRY_AFTER)?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.clamp(*RETRY_AFTER_SECONDS.start(), *RETRY_AFTER_SECONDS.end())))
    }

    /// When the answer was made, in the service's own time.
    pub(in crate::azure) fn date(&self) -> Option<Timestamp> {
        let date = text(&self.headers, &DATE)?;
        Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp())
    }

    /// Whether the same request may be answered otherwise a little later.
    pub(in crate::azure) fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }
}

fn typed(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

/// The body, without what it may echo of the request. The failure of an operation is told with 200 as well; only a
/// token's success is kept as it is, because it holds one.
pub(super) fn without(request: &Request, status: u16, body: Bytes) -> Bytes {
    if request.secrets.is_empty() || (status < 300 && !request.headers.contains_key(AUTHORIZATION)) {
        return body;
    }
    let mut text = String::from_utf8_lossy(&body);
    for secret in request.secrets.iter().map(Secret::expose) {
        if text.contains(secret) {
            text = text.replace(secret, Secret::HIDDEN).into();
        }
    }
    match text {
        Cow::Borrowed(_) => body,
        Cow::Owned(text) => text.into(),
    }
}

pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
