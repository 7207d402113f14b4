//! `GET /api/operations/{id}?t=`: one operation, for whoever holds its link.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{problem::ProblemDetails, start::base_url};
use crate::{
    app::{App, Gate},
    domain::{Answer, Operation, OperationId, Phase},
    view::OperationView,
    workflows,
};

/// How a failure is told: 424 unless the caller asked otherwise when it started the operation.
const FAILURE_FLAGS: [(&str, StatusCode); 2] = [
    ("returnInternalServerErrorOnFailure", StatusCode::INTERNAL_SERVER_ERROR),
    ("returnOkOnFailure", StatusCode::OK),
];

/// 202 while it is open; 200 only when it succeeded; 424 when it failed, was skipped or cancelled. An
/// unknown id and a wrong token look alike.
pub(super) async fn show(
    State(gate): State<Arc<Gate>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ProblemDetails> {
    let app = gate.app().await?;
    let unknown =
        || ProblemDetails::new(StatusCode::NOT_FOUND, "there is no such operation, or this is not its link");
    let token = query_value(request.uri(), "t").unwrap_or_default();
    let id = id.ok().and_then(|Path(id)| id.parse::<OperationId>().ok()).ok_or_else(unknown)?;
    if !app.key().verify_link_token(id, &token) {
        return Err(unknown());
    }
    let operation = workflows::read(app.ports(), id).await.map_err(|error| {
        tracing::error!(operation.id = %id, error = &error as &dyn std::error::Error, "reading an operation failed");
        ProblemDetails::unavailable("the records cannot be read now")
    })?;
    let operation = operation.ok_or_else(unknown)?;
    let link = Link::new(
        &app,
        request.uri(),
        base_url(app.public_url.as_deref(), request.headers(), request.uri())?,
    );
    let status = match operation.phase {
        Phase::Succeeded => StatusCode::OK,
        phase if phase.is_closed() => link.on_failure,
        _ => StatusCode::ACCEPTED,
    };
    let body = serde_json::to_vec(&OperationView::from(&operation)).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    if operation.phase.is_closed() {
        return Ok((status, headers, body).into_response());
    }
    let again =
        [(header::LOCATION, link.to(id)), (header::RETRY_AFTER, link.retry_after(&operation).to_string())];
    Ok((status, headers, again, body).into_response())
}

/// Makes the address of an operation, with the caller's wish how a failure is told.
pub(super) struct Link<'a> {
    app: &'a App,
    base: String,
    flag: Option<&'static str>,
    on_failure: StatusCode,
}

impl<'a> Link<'a> {
    pub(super) fn new(app: &'a App, uri: &Uri, base: String) -> Self {
        let wished = FAILURE_FLAGS
            .into_iter()
            .find(|(flag, _)| query_value(uri, flag).is_some_and(|value| value.eq_ignore_ascii_case("true")));
        let (flag, on_failure) = match wished {
            Some((flag, status)) => (Some(flag), status),
            None => (None, StatusCode::FAILED_DEPENDENCY),
        };
        Self { app, base, flag, on_failure }
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

/// The value of a query parameter, decoded.
fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
