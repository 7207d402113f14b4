//! `GET operationresults/{id}`: how a running and an ended operation answer.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::error::ArmError;
use super::{Answer, Timing, accepted, service};
use crate::emulator::call::Call;
use crate::emulator::faults::Effect;
use crate::emulator::operation::{Failure, Script};
use crate::emulator::reply;
use crate::emulator::service::Service;
use crate::emulator::world::World;

/// Answers a poll.
///
/// By `Location`: 202 without a body while it runs, then 200 with the service resource or the error
/// with its status, and so again at every repetition. With the flag `asyncResponse`, that of status
/// URLs since 2022-08-01: 200 always, the state in the body.
pub(super) fn poll(world: &mut World, call: &Call, name: &str, timing: Timing) -> Answer {
    let id = call.segments.last().map_or("", String::as_str);
    // Unverified: nothing was recorded of an unknown id.
    let unknown = || ArmError::provider(404, "OperationNotFound", "The operation was not found.");
    if world.operations.get(id).is_none_or(|operation| operation.service != name) {
        return Err(unknown());
    }
    world.poll(id, call.at);
    let operation = world.operations.get(id).ok_or_else(unknown)?;
    let service = service::seen(world, name)?;
    let asynchronous = call.query("asyncResponse").is_some();
    match (&operation.outcome, asynchronous) {
        (None, false) => Ok(accepted(&url(call, service, id, &operation.api_version, false), timing)),
        (None, true) => {
            let mut response = reply::json(StatusCode::OK, &json!({ "status": "InProgress" }));
            point_to(&mut response, &url(call, service, id, &operation.api_version, true), true, timing);
            Ok(response)
        }
        (Some(Ok(())), false) => Ok(reply::json(StatusCode::OK, &service::resource(world, call, service))),
        (Some(Ok(())), true) => Ok(reply::json(StatusCode::OK, &json!({ "status": "Succeeded" }))),
        (Some(Err(failure)), false) => Err(failure.clone().into()),
        (Some(Err(Failure { code, message, .. })), true) => {
            let body = json!({ "status": "Failed", "error": { "code": code, "message": message } });
            Ok(reply::json(StatusCode::OK, &body))
        }
    }
}

/// The URL that polls give: one slash, and base64's padding escaped, as recorded from 2014 to 2018.
pub(super) fn url(call: &Call, service: &Service, id: &str, version: &str, asynchronous: bool) -> String {
    let flag = if asynchronous { "&asyncResponse" } else { "" };
    let (base, service, id) = (&call.base, service.id(), urlencoding::encode(id));
    format!("{base}{service}/operationresults/{id}?api-version={version}{flag}")
}

/// Adds `Location`, `Retry-After` and, if asynchronous, the same URL as `Azure-AsyncOperation`.
pub(super) fn point_to(response: &mut Response, url: &str, asynchronous: bool, timing: Timing) {
    let headers = response.headers_mut();
    reply::set(headers, "location", url);
    reply::set(headers, "retry-after", &timing.retry_after.to_string());
    if asynchronous {
        reply::set(headers, "azure-asyncoperation", url);
    }
}

/// The end that a fault on this call has scripted for the operation it starts.
pub(super) fn script(call: &Call) -> Option<Script> {
    match call.effect.clone()? {
        Effect::FailOperation { after_polls, status, code, message } => {
            Some(Script::Fail { after_polls, failure: Failure { status, code, message } })
        }
        Effect::NoBlob => Some(Script::NoBlob),
        Effect::EmptyBlob => Some(Script::EmptyBlob),
        Effect::LateBlob { seconds } => Some(Script::LateBlob(Duration::from_secs(seconds))),
        Effect::PartialBlob => Some(Script::PartialBlob),
        _ => None,
    }
}
