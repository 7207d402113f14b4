//! What must hold of every envelope whatsoever, and of its answer.

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use futures::FutureExt as _;
use serde_json::Value;

use super::{
    HTTP_FUNCTIONS,
    invocation::{HttpFunction, Invocation, InvocationResult},
};

/// Panics if an envelope gets where it does not belong, or is answered with what the host does not take.
///
/// - Its request goes to the route of its function, to a place right below it at most.
/// - The key that the host let it in by goes no further.
/// - Its answer has one text for each header and one for the body, whatever they are.
pub(crate) fn hold(bytes: &[u8]) {
    for function in HTTP_FUNCTIONS {
        let request = Invocation::parse(bytes).ok().and_then(|envelope| envelope.into_request(function));
        if let Some(request) = request {
            goes_to_its_route(function, &request);
            is_answered(request);
        }
    }
    let _ = Invocation::parse(bytes).ok().and_then(Invocation::next_fire);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let logged = serde_json::to_value(InvocationResult::logged(text.clone())).unwrap_or_default();
    assert_eq!(logged["Logs"][0], text);
}

fn goes_to_its_route(function: HttpFunction, request: &Request<Body>) {
    let uri = request.uri();
    assert!(uri.scheme().is_none() && uri.authority().is_none(), "{uri}");
    let below = uri.path().strip_prefix(function.path);
    let segment = below.and_then(|below| below.strip_prefix('/'));
    let is_below = function.parameter.is_some() && segment.is_some_and(|segment| !segment.contains('/'));
    assert!(below == Some("") || is_below, "{uri}");
    let mut query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    assert!(!query.any(|(name, _)| name.eq_ignore_ascii_case("code")), "{uri}");
    for name in ["x-functions-key", header::CONTENT_LENGTH.as_str()] {
        assert!(!request.headers().contains_key(name), "{name}");
    }
}

fn is_answered(request: Request<Body>) {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).now_or_never().and_then(Result::ok).unwrap_or_default();
    let result = InvocationResult::http(StatusCode::OK, &parts.headers, &body);
    let result = serde_json::to_value(&result).unwrap_or_default();
    assert!(result["Logs"].is_array() && result.get("ReturnValue").is_some(), "{result}");
    let answer = &result["Outputs"]["res"];
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["body"].as_str(), Some(&*String::from_utf8_lossy(&body)));
    assert!(answer["headers"].as_object().is_some_and(|all| all.values().all(Value::is_string)), "{result}");
}
