//! `GET /api/health`: 200, or 503 and what is wrong with the settings. No data, no I/O.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::app::Gate;

pub(super) async fn health(State(gate): State<Arc<Gate>>) -> Response {
    let problems = gate.problems();
    let (status, word) = if problems.is_empty() {
        (StatusCode::OK, "healthy")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "bad settings")
    };
    let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
    (status, headers, json!({ "status": word, "problems": problems }).to_string()).into_response()
}
