//! The gateways of the services, as far as a probe can tell: whether they answer.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::call::Call;
use super::reply;
use super::world::World;

/// Answers what is asked of a service's gateway, which takes no token. The path of the probe is documented;
/// its text and that of a gateway out of order are unverified.
pub(super) fn answer(world: &World, call: &Call, service: &str, path: &[&str]) -> Response {
    let Some(service) = world.services.get(&service.to_ascii_lowercase()) else {
        return reply::empty(StatusCode::NOT_FOUND);
    };
    if service.gateway_down || service.disable_gateway {
        return error(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    }
    match (call.method.as_str(), path) {
        ("GET", ["status-0123456789abcdef"]) => {
            reply::text_of(StatusCode::OK, "text/plain; charset=utf-8", "Service Operational")
        }
        _ => error(StatusCode::NOT_FOUND, "Resource not found"),
    }
}

fn error(status: StatusCode, message: &str) -> Response {
    reply::json(status, &json!({ "statusCode": status.as_u16(), "message": message }))
}
