//! Who may call: keys where no host checks them, the principal of Easy Auth where it is demanded, and bodies that
//! bring secrets where they are not wanted. Stands before routes, so that an envelope is no way around it.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use super::{PAYLOAD_LIMIT, link::query_value, problem::ProblemDetails, read_body, require_json};
use crate::{
    app::Gate,
    domain::Kind,
    payload,
    settings::{CallerKeys, KeyUse, Settings},
};

/// Where a caller puts its key, as for Functions.
pub(super) const KEY_HEADER: &str = "x-functions-key";
pub(super) const KEY_QUERY: &str = "code";
/// What App Service authentication says of a caller; the platform takes these from requests that come from outside.
const PRINCIPAL_ID: &str = "x-ms-client-principal-id";
const PRINCIPAL_NAME: &str = "x-ms-client-principal-name";
const PRINCIPAL: &str = "x-ms-client-principal";

/// Lets a request through to a route for `key_use`, or says why not.
pub(super) async fn guard(
    State((gate, key_use)): State<(Arc<Gate>, KeyUse)>,
    request: Request,
    next: Next,
) -> Result<Response, ProblemDetails> {
    let settings = gate.settings();
    if let Some(keys) = &settings.caller_keys {
        require_key(keys, key_use, &request)?;
    }
    let span = require_principal(settings, request.headers())?;
    let request = match key_use {
        KeyUse::Backup => refuse_secrets(Kind::Backup, settings, request).instrument(span.clone()).await?,
        KeyUse::Restore => refuse_secrets(Kind::Restore, settings, request).instrument(span.clone()).await?,
        KeyUse::Status => request,
    };
    Ok(next.run(request).instrument(span).await)
}

/// The header wins over the query, as in Functions. Which of the two was wrong, or missing, is not said.
fn require_key(keys: &CallerKeys, key_use: KeyUse, request: &Request) -> Result<(), ProblemDetails> {
    let key_use_name = key_use.as_str();
    let Some(key) = keys.of(key_use) else {
        let detail = format!("APIM_DR_KEYS has no key for {key_use_name}, so nobody may call this");
        return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    };
    let given = match request.headers().get(KEY_HEADER) {
        Some(value) => value.to_str().ok().map(str::to_owned),
        None => query_value(request.uri(), KEY_QUERY),
    };
    if given.is_some_and(|given| key.is(&given)) {
        return Ok(());
    }
    tracing::warn!(key = key_use_name, "a call without the right key was refused");
    let detail = format!("send the key for {key_use_name} as the header {KEY_HEADER}");
    Err(ProblemDetails::new(StatusCode::UNAUTHORIZED, detail))
}

/// A span that names the principal, as far as there is one. Without a host anybody may send these headers, so
/// they say nothing there.
fn require_principal(settings: &Settings, headers: &HeaderMap) -> Result<tracing::Span, ProblemDetails> {
    if !settings.under_host {
        return Ok(tracing::Span::none());
    }
    let text = |name| {
        let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.filter(|value| !value.trim().is_empty())
    };
    let (id, name) = (text(PRINCIPAL_ID), text(PRINCIPAL_NAME));
    if settings.require_principal && id.is_none() && text(PRINCIPAL).is_none() {
        tracing::warn!("a call without a principal was refused");
        let detail = "sign in: this app takes calls only through App Service authentication";
        return Err(ProblemDetails::new(StatusCode::UNAUTHORIZED, detail));
    }
    if id.is_none() && name.is_none() {
        return Ok(tracing::Span::none());
    }
    let (id, name) = (id.as_ref().map(Cow::as_ref), name.as_ref().map(Cow::as_ref));
    Ok(tracing::info_span!("caller", principal.id = id, principal.name = name))
}

/// Refuses a body that brings a secret, with everything else that is wrong with it.
async fn refuse_secrets(
    kind: Kind,
    settings: &Settings,
    request: Request,
) -> Result<Request, ProblemDetails> {
    if !settings.refuse_payload_secrets {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = read_body(body, PAYLOAD_LIMIT).await?;
    let mut problems = payload::secrets(&body);
    if problems.is_empty() {
        return Ok(Request::from_parts(parts, Body::from(body)));
    }
    let parsed = payload::parse(kind, &body, &settings.start_policy, &settings.targets);
    let order = parsed.and_then(|parsed| parsed.payload.into_order(&settings.hooks.callbacks));
    problems.extend(order.err().into_iter().flatten());
    Err(ProblemDetails::invalid(problems))
}
