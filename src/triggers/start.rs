//! `POST /api/backup`, `POST /api/restore`: opens an operation and answers before it has finished.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    PAYLOAD_LIMIT, devops,
    link::{Link, query_value, query_values},
    problem::ProblemDetails,
    read_body, require_json,
};
use crate::{
    app::{App, Gate},
    domain::Kind,
    payload::{self, Confirmation, Order, Parsed},
    workflows::{self, Access, Cause, Error, IfBusy, Opened, RecordsError},
};

/// Of an `Idempotency-Key`, in characters.
const LONGEST_KEY: usize = 255;

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
    let asks =
        |name: &str| query_value(&parts.uri, name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let only_plans = only_plans(kind, &parts.uri)?;
    let mut policy = app.start_policy.clone();
    if only_plans {
        policy.confirm = Confirmation::None;
    }
    let Parsed { payload, mut warnings } =
        payload::parse(kind, &body, &policy, app.targets()).map_err(ProblemDetails::invalid)?;
    let callbacks = &gate.settings().hooks.callbacks;
    let mut order = payload.into_order(callbacks).map_err(ProblemDetails::invalid)?;
    if order.credentials.callback.is_none() {
        match devops::callback(&parts.headers, callbacks) {
            Ok(callback) => order.credentials.callback = callback,
            Err(warning) => warnings.push(warning),
        }
    } else if devops::are_sent(&parts.headers) {
        warnings.push("callbackUrl is called back, and no task of Azure DevOps".to_owned());
    }
    if only_plans {
        return plan(&app, order, warnings).await;
    }
    let Order { plan, choice, credentials } = order;
    let link = Link::new(&app, &parts.headers, &parts.uri)?;
    let cause = match key(kind, &parts, &body, &app)? {
        Some(key) => key,
        None => Cause::request(&plan, &choice),
    };
    let if_busy = if asks("queue") { IfBusy::Wait } else { IfBusy::Refuse };
    // What was asked for before is not chosen again: its key tells.
    let plan = if workflows::is_claimed(app.ports(), &cause, &plan).await.map_err(refused)? {
        plan
    } else {
        let access_key = credentials.access_key.as_ref();
        workflows::choose(app.ports(), plan, &choice, access_key).await.map_err(refused)?
    };
    let opened = workflows::open(app.ports(), plan, &credentials, &cause, if_busy).await;
    let Opened { operation, joined } = opened.map_err(refused)?;
    if joined && !matches!(cause, Cause::Key { .. }) {
        warnings.push(format!(
            "operation {} is open for the same request; this is its link, nothing else was started",
            operation.id
        ));
    }
    if joined
        && let Some(callback) = &credentials.callback
        && !workflows::is_told(app.ports(), &operation, callback).await
    {
        warnings.push(format!(
            "operation {} does not call back as this request asks: what it was opened with counts",
            operation.id
        ));
    }
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

/// Whether only a plan is wanted. What is meant so, and not understood, must start nothing.
fn only_plans(kind: Kind, uri: &Uri) -> Result<bool, ProblemDetails> {
    let Some(value) = query_values(uri).find(|(name, _)| name.eq_ignore_ascii_case("plan")) else {
        return Ok(false);
    };
    match (kind, value.1.to_ascii_lowercase().as_str()) {
        (Kind::Restore, "true") => Ok(true),
        (Kind::Restore, "false") => Ok(false),
        (Kind::Restore, _) => Err(ProblemDetails::new(
            StatusCode::BAD_REQUEST,
            "?plan takes true or false; nothing was started",
        )),
        (Kind::Backup, _) => Err(ProblemDetails::new(
            StatusCode::BAD_REQUEST,
            "only a restore can be planned; nothing was started. Leave out ?plan",
        )),
    }
}

/// What a restore would do; starts nothing.
async fn plan(app: &App, order: Order, warnings: Vec<String>) -> Result<Response, ProblemDetails> {
    let Order { plan, choice, credentials } = order;
    let key = credentials.access_key.as_ref();
    let plan = workflows::choose(app.ports(), plan, &choice, key).await.map_err(refused)?;
    let access = Access { caller: plan.caller.clone(), credentials };
    let preview = Box::pin(workflows::preview(app.ports(), &plan, &access)).await.map_err(refused)?;
    let blocked = preview.is_blocked(&plan);
    let mut answer = serde_json::to_value(&preview).unwrap_or_default();
    answer["blocked"] = blocked.into();
    answer["warnings"] = warnings.into();
    Ok(([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response())
}

/// What makes a repetition of this request one with it for ever: the caller's key, if there is one.
fn key(kind: Kind, parts: &Parts, body: &[u8], app: &App) -> Result<Option<Cause>, ProblemDetails> {
    let Some(value) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let given = value.to_str().map(str::trim).unwrap_or_default();
    if given.is_empty() || given.len() > LONGEST_KEY {
        let detail = format!(
            "Idempotency-Key must be 1 to {LONGEST_KEY} visible ASCII characters; nothing was started"
        );
        return Err(ProblemDetails::new(StatusCode::BAD_REQUEST, detail));
    }
    // Equal is what means the same: the order of fields and white space do not count.
    let mut content: Value = serde_json::from_slice(body).unwrap_or_default();
    content.sort_all_objects();
    let body = app.key().body_mark(content.to_string().as_bytes());
    Ok(Some(Cause::Key { route: kind.as_str(), key: given.to_owned(), body }))
}

fn refused(error: Error) -> ProblemDetails {
    match error {
        Error::Busy { .. } => {
            let detail = format!(
                "{error}; nothing was started. Repeat this when it has ended, or add ?queue=true to wait for it"
            );
            ProblemDetails::new(StatusCode::CONFLICT, detail)
        }
        Error::WithoutSafetyBackup { .. } => {
            ProblemDetails::new(StatusCode::CONFLICT, format!("{error}. Nothing was started"))
        }
        Error::OtherBody => ProblemDetails::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used before, with another body; nothing was started. Use a new key for a new request",
        ),
        Error::NoRecoveryPoint { .. } => {
            ProblemDetails::new(StatusCode::NOT_FOUND, format!("{error}. Nothing was started"))
        }
        error @ Error::Catalog { .. } => {
            tracing::error!(error = &error as &dyn std::error::Error, "a recovery point cannot be chosen");
            ProblemDetails::unavailable(format!("{error}. Nothing was started"))
        }
        Error::Records { source: source @ RecordsError::Corrupt { .. }, .. } => {
            tracing::error!(error = &source as &dyn std::error::Error, "opening an operation failed");
            ProblemDetails::unavailable(format!(
                "{source}; nothing is started before somebody has looked at it"
            ))
        }
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "opening an operation failed");
            ProblemDetails::unavailable(
                "the records cannot be written now; repeat the request: an equal one that is open is joined, not doubled",
            )
        }
    }
}
