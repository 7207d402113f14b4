//! `GET /api/operations/{id}?t=`: one operation, for whoever holds its link.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    link::{Link, query_value},
    problem::ProblemDetails,
};
use crate::{
    app::Gate,
    domain::{OperationId, Phase},
    view::OperationView,
    workflows,
};

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
    let link = Link::new(&app, request.headers(), request.uri())?;
    let status = match operation.phase {
        Phase::Succeeded => StatusCode::OK,
        phase if phase.is_closed() => link.on_failure(),
        _ => StatusCode::ACCEPTED,
    };
    let body = serde_json::to_vec(&OperationView::from(&operation)).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/json")];
    if operation.phase.is_closed() {
        return Ok((status, headers, body).into_response());
    }
    let again =
        [(header::LOCATION, link.to(id)), (header::RETRY_AFTER, link.retry_after(&operation).to_string())];
    Ok((status, headers, again, body).into_response())
}
