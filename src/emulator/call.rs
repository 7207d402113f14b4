//! One request, taken apart once. Knows nothing of what the request means.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use jiff::Timestamp;

use super::faults::Effect;

/// A request whose path and query are split and decoded.
#[derive(Debug)]
pub(super) struct Call {
    /// When it arrived, by the emulator's clock.
    pub at: Timestamp,
    pub method: Method,
    /// The path's decoded segments; empty ones are left out, which is how a `//` in a path is
    /// harmless.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    /// As it was sent.
    path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Scheme and authority for absolute URLs, without a slash at the end.
    pub base: String,
    /// The fault that strikes this call, if one does.
    pub effect: Option<Effect>,
}

impl Call {
    /// Takes a request apart; `None` when its path is not UTF-8 once decoded.
    pub(super) fn new(parts: Parts, body: Bytes, at: Timestamp, public_url: Option<&str>) -> Option<Self> {
        let segments = parts.uri.path().split('/').filter(|segment| !segment.is_empty());
        let segments = segments.map(|segment| urlencoding::decode(segment).map(std::borrow::Cow::into_owned));
        let segments = segments.collect::<Result<_, _>>().ok()?;
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let query = query.into_owned().collect();
        let host = || parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let base = public_url
            .map_or_else(|| format!("http://{}", host()), |url| url.trim_end_matches('/').to_owned());
        let path = parts.uri.path().to_owned();
        Some(Self {
            at,
            path,
            method: parts.method,
            segments,
            query,
            headers: parts.headers,
            body,
            base,
            effect: None,
        })
    }

    /// What stands behind so many segments, decoded as a whole: empty segments count there. Empty when it
    /// is not UTF-8.
    pub(super) fn behind(&self, segments: usize) -> String {
        let rest = (0..segments).fold(self.path.as_str(), |path, _| {
            path.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest)
        });
        urlencoding::decode(rest).map(std::borrow::Cow::into_owned).unwrap_or_default()
    }

    /// A header's value, if it is there and readable.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter's decoded value; names match without case, as ARM's do.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The content type without its parameters, in small letters.
    pub(super) fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
    }

    /// The token of `Authorization: Bearer`.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }
}
