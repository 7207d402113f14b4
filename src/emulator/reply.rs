//! Answers with the headers that the recorded Azure sends with them.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::Value;

/// An answer without a body; the server adds `Content-Length: 0`.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A JSON answer, pretty-printed with CRLF as the recorded ones are.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let text = format!("{body:#}").replace('\n', "\r\n");
    text_of(status, "application/json; charset=utf-8", text)
}

/// An answer with a body of any type.
pub(super) fn text_of(status: StatusCode, content_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds a header; a value that no header may hold is left out.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// `Tue, 15 Nov 1994 08:12:31 GMT`, as RFC 7231 wants dates in headers.
pub(super) fn http_date(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
