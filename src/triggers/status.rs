//! `GET /api/status`: how it stands with all targets, with one of them or with one operation, as a page; the report as
//! JSON and as metrics below it.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{link::query_value, problem::ProblemDetails};
use crate::{
    app::{App, Gate},
    domain::{OperationId, TargetName},
    metrics, status_page, workflows,
};

/// The overview; with `target` or `operation` in the query what that is about.
pub(super) async fn page(
    State(gate): State<Arc<Gate>>,
    request: Request,
) -> Result<Response, ProblemDetails> {
    let app = gate.app().await?;
    let uri = request.uri();
    let html = match query_value(uri, "operation") {
        Some(id) => operation(&app, &id).await,
        None => report(&app, uri).await,
    };
    let (status, html) = html.unwrap_or_else(|error| {
        tracing::error!(error = &*error, "reading for the status page failed");
        let text = "The records cannot be read now, so nobody can tell how it stands. The log says why; try again in a minute.";
        (StatusCode::SERVICE_UNAVAILABLE, status_page::notice("Not known now", text, app.ports().azure.now()))
    });
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (status, content_type, html).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(10));
    }
    Ok(response)
}

/// The same for programs.
pub(super) async fn view(
    State(gate): State<Arc<Gate>>,
    view: Result<Path<String>, PathRejection>,
) -> Result<Response, ProblemDetails> {
    let app = gate.app().await?;
    let view = view.map(|Path(view)| view).unwrap_or_default();
    if !matches!(view.as_str(), "json" | "metrics") {
        let detail = "there is no such view of the status; there are json and metrics";
        return Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail));
    }
    let report = app.report().await.map_err(|error| {
        tracing::error!(error = &*error as &dyn std::error::Error, "reading the report failed");
        ProblemDetails::unavailable("the records cannot be read now")
    })?;
    let (content_type, body) = match view.as_str() {
        "metrics" => (metrics::CONTENT_TYPE, metrics::text(&report)),
        _ => ("application/json", serde_json::to_string(&*report).unwrap_or_default()),
    };
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

type Page = Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>>;

async fn report(app: &App, uri: &Uri) -> Page {
    let report = app.report().await?;
    let Some(name) = query_value(uri, "target") else {
        return Ok((StatusCode::OK, status_page::overview(&report)));
    };
    let name = name.parse::<TargetName>().ok();
    let found = report.targets.iter().find(|target| Some(&target.name) == name.as_ref());
    if let Some(target) = found {
        return Ok((StatusCode::OK, status_page::target(&report, target)));
    }
    let text = "No target of this name is configured.";
    Ok((StatusCode::NOT_FOUND, status_page::notice("There is no such target", text, report.at)))
}

async fn operation(app: &App, id: &str) -> Page {
    let now = app.ports().azure.now();
    let entries = match id.parse::<OperationId>() {
        Ok(id) => workflows::entries(app.ports(), id).await?,
        Err(_) => Vec::new(),
    };
    if let Some(html) = status_page::operation(&entries, now) {
        return Ok((StatusCode::OK, html));
    }
    let text = "The records have no operation of this id. What is long over is pruned from them.";
    Ok((StatusCode::NOT_FOUND, status_page::notice("There is no such operation", text, now)))
}

/// Nobody keeps what is told here, frames it, or learns its address.
pub(super) async fn keep_private(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if let Ok(policy) = HeaderValue::from_str(&status_page::POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
