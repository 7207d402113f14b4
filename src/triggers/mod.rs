//! The only place that knows the Functions host: one route per trigger folder, in both of its shapes.
//!
//! Proxied HTTP comes in on `/api/...`; what is not proxied comes as an envelope on
//! `/<function folder>`, is turned into the same request, and is answered by the same handler.

mod devops;
mod guard;
mod health;
mod invocation;
#[cfg(any(test, fuzzing))]
pub(crate) mod invocation_rules;
mod link;
mod operations;
mod problem;
mod start;
mod status;
mod timers;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::{app::Gate, domain::Kind, settings::KeyUse};
use invocation::{HttpFunction, Invocation, InvocationResult};
use problem::ProblemDetails;

/// The host's id of an invocation.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";
/// The largest payload that is read.
const PAYLOAD_LIMIT: usize = 1024 * 1024;
/// The largest envelope: a payload whose every byte was escaped, and what the host adds.
const ENVELOPE_LIMIT: usize = 8 * PAYLOAD_LIMIT;

/// The functions with an HTTP trigger, and the routes that stand for them.
const HTTP_FUNCTIONS: [HttpFunction; 5] = [
    HttpFunction { folder: "backup-trigger", path: "/api/backup", parameter: None },
    HttpFunction { folder: "restore-trigger", path: "/api/restore", parameter: None },
    HttpFunction { folder: "operations-trigger", path: "/api/operations", parameter: Some("id") },
    HttpFunction { folder: "status-trigger", path: "/api/status", parameter: Some("view") },
    HttpFunction { folder: "health-trigger", path: "/api/health", parameter: None },
];

/// All routes, for the host and without it.
pub(crate) fn router(gate: Arc<Gate>) -> Router {
    let under_host = gate.settings().under_host;
    let api = api(gate.clone());
    let pages = middleware::from_fn_with_state(gate.clone(), no_web_pages);
    // Only the host sends these. They ask for no key before they are read, so stand-alone nobody may.
    let enveloped = if under_host { enveloped(gate, &api) } else { Router::new() };
    let router = Router::new()
        // The host asks at any time whether we are up; the answer must cost nothing.
        .route("/", get(|| async { "apim-dr\n" }))
        .merge(enveloped)
        .merge(api)
        .fallback(|| async { ProblemDetails::new(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method")
        })
        .layer(CatchPanicLayer::new());
    let router = if under_host { router } else { router.layer(pages) };
    router.layer(middleware::from_fn(in_span))
}

/// What only the host calls: its timers, and the routes in its envelope.
fn enveloped(gate: Arc<Gate>, api: &Router) -> Router {
    let envelopes = HTTP_FUNCTIONS.into_iter().fold(Router::new(), |router, function| {
        let api = api.clone();
        router.route(&format!("/{}", function.folder), post(move |body| invoke(function, api, body)))
    });
    Router::new()
        .route("/timer-trigger", post(timers::timer))
        .route("/sweep-trigger", post(timers::sweep))
        .with_state(gate)
        .merge(envelopes)
}

/// The routes as callers know them. A link carries its own token, and health has no data: they are not guarded.
fn api(gate: Arc<Gate>) -> Router {
    let guarded = |key_use, routes: Router<Arc<Gate>>| {
        routes.route_layer(middleware::from_fn_with_state((gate.clone(), key_use), guard::guard))
    };
    let backup = post(|state, request| start::start(Kind::Backup, state, request));
    let restore = post(|state, request| start::start(Kind::Restore, state, request));
    let status =
        Router::new().route("/api/status", get(status::page)).route("/api/status/{view}", get(status::view));
    // Of the guard's answers too.
    let status = guarded(KeyUse::Status, status).route_layer(middleware::map_response(status::keep_private));
    let operations = Router::new().route("/api/operations/{id}", get(operations::show));
    let operations = operations.route_layer(middleware::map_response(status::keep_private));
    Router::new()
        .merge(guarded(KeyUse::Backup, Router::new().route("/api/backup", backup)))
        .merge(guarded(KeyUse::Restore, Router::new().route("/api/restore", restore)))
        .merge(status)
        .merge(operations)
        .route("/api/health", get(health::health))
        .with_state(gate)
        .layer(CatchPanicLayer::new())
}

/// `POST /<function folder>`: an HTTP trigger in its envelope. Whatever is wrong is told inside the answer's
/// envelope: the host would turn any other status into an empty 500.
async fn invoke(function: HttpFunction, api: Router, body: Body) -> InvocationResult {
    let response = match request_in(function, body).await {
        Ok(request) => {
            let Ok(response) = api.oneshot(request).await;
            response
        }
        Err(problem) => problem.into_response(),
    };
    let (parts, body) = response.into_parts();
    // Our own answers are small; the limit cannot be met.
    let body = axum::body::to_bytes(body, ENVELOPE_LIMIT).await.unwrap_or_default();
    InvocationResult::http(parts.status, &parts.headers, &body)
}

async fn request_in(function: HttpFunction, body: Body) -> Result<Request, ProblemDetails> {
    let bytes = read_body(body, ENVELOPE_LIMIT).await?;
    let request = Invocation::parse(&bytes).ok().and_then(|envelope| envelope.into_request(function));
    request.ok_or_else(|| {
        let detail = "the body is not an invocation of this function: expected {\"Data\": {\"req\": {...}}}";
        ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
    })
}

/// Stand-alone there may be no key in front of us, and any web page that the operator opens can post to loopback.
/// Browsers say so (Fetch standard: `Origin` goes with every POST). A page whose own name leads to this machine may
/// even read what it gets: it is known by that name, which the request has as its host.
async fn no_web_pages(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let settings = gate.settings();
    if settings.caller_keys.is_none() && !link::is_for_us(settings.public_url.as_deref(), &request) {
        let detail = "without APIM_DR_KEYS only this machine's own names are answered; \
                      behind a proxy set APIM_DR_PUBLIC_URL to the address that callers use";
        return ProblemDetails::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response();
    }
    let from_page = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if from_page && !request.method().is_safe() {
        let detail = "requests of web pages are refused; call from a program";
        return ProblemDetails::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    next.run(request).await
}

/// Every line that is logged while a request is answered carries the host's invocation id.
async fn in_span(request: Request, next: Next) -> Response {
    // A forwarding host adds its own behind one that the caller sent.
    let ids = request.headers().get_all(INVOCATION_ID);
    let id = ids.iter().next_back().and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    if id.is_empty() {
        return next.run(request).await;
    }
    next.run(request).instrument(tracing::info_span!("invocation", invocation.id = id)).await
}

/// Reads a body whole; the envelope comes chunked, so its length is not known before.
async fn read_body(body: Body, limit: usize) -> Result<Bytes, ProblemDetails> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            ProblemDetails::new(StatusCode::BAD_REQUEST, "the body broke off, or took too long")
        })?;
        if bytes.len() + chunk.len() > limit {
            let detail =
                format!("the body is larger than {limit} bytes; a payload needs less than two thousand");
            return Err(ProblemDetails::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// A body that says it is something else than JSON is not read; one that says nothing is.
fn require_json(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence =
        value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let detail = "the body must be JSON: send the header Content-Type: application/json";
    Err(ProblemDetails::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}
