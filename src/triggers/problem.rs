//! What a caller did wrong, or we cannot do: `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{app::Unready, payload, settings};

/// An answer that says no.
#[derive(Debug, Serialize)]
pub(super) struct ProblemDetails {
    title: &'static str,
    status: u16,
    detail: String,
    /// Everything that is wrong with the body, each with its field and remedy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<payload::Problem>,
    /// Which settings are in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<settings::Problem>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl ProblemDetails {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            problems: Vec::new(),
            settings: Vec::new(),
            retry_after: None,
        }
    }

    /// The body does not say what it must.
    pub(super) fn invalid(problems: Vec<payload::Problem>) -> Self {
        let detail = match problems.len() {
            1 => "the request has a problem; nothing was started".to_owned(),
            n => format!("the request has {n} problems; nothing was started"),
        };
        Self { problems, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// What these settings are for is not done.
    pub(super) fn settings(detail: &str, settings: Vec<settings::Problem>) -> Self {
        Self { settings, ..Self::unavailable(detail) }
    }

    /// We cannot, but may be able to later.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(10), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

impl From<Unready> for ProblemDetails {
    fn from(Unready(settings): Unready) -> Self {
        Self::settings("the app is not ready: a setting is wrong; nothing was started", settings)
    }
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
