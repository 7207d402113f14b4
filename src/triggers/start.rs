//! `POST /api/backup`, `POST /api/restore`: opens an operation and answers before it has finished.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{PAYLOAD_LIMIT, link::Link, problem::ProblemDetails, read_body, require_json};
use crate::{
    app::Gate,
    domain::Kind,
    payload::{self, Parsed},
    workflows,
};

/// The record is stored first, then the caller gets its link, then the first steps are taken.
pub(super) async fn start(
    kind: Kind,
    State(gate): State<Arc<Gate>>,
    request: Request,
) -> Result<Response, ProblemDetails> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = read_body(body, PAYLOAD_LIMIT).await?;
    let app = gate.app().await?;
    let Parsed { payload, mut warnings } =
        payload::parse(kind, &body, &app.restore_policy).map_err(ProblemDetails::invalid)?;
    let (plan, credentials) = payload.into_order().map_err(ProblemDetails::invalid)?;
    if parts.headers.contains_key("idempotency-key") {
        warnings.push(
            "this version does not honour Idempotency-Key: a repeat opens another operation".to_owned(),
        );
    }
    let link = Link::new(&app, &parts.headers, &parts.uri)?;
    let operation = workflows::open(app.ports(), plan, &credentials).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "opening an operation failed");
        ProblemDetails::unavailable(
            "the records cannot be written now; look for the operation before you repeat it",
        )
    })?;
    app.pursue(operation.id);
    let location = link.to(operation.id);
    let answer = json!({ "id": operation.id, "statusQueryGetUri": location, "warnings": warnings });
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::LOCATION, location),
        (header::RETRY_AFTER, link.retry_after(&operation).to_string()),
    ];
    Ok((StatusCode::ACCEPTED, headers, answer.to_string()).into_response())
}
