//! ARM's errors, in both shapes that were recorded.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::emulator::accounts;
use crate::emulator::call::Call;
use crate::emulator::operation::Failure;
use crate::emulator::reply;

/// An error that ARM or the provider answers.
#[derive(Debug)]
pub(super) struct ArmError {
    status: StatusCode,
    code: String,
    message: String,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `{"error":{..}}` with `x-ms-failure-cause: gateway`: ARM itself.
    Gateway,
    /// `{"error":{..,"details":null,"innerError":null}}`: the provider.
    Provider,
    /// The same without its wrapper: what the provider says of a service that it no longer has.
    Bare,
    /// `{"error":{..}}` and no more: another provider.
    Other,
}

impl ArmError {
    fn new(status: u16, code: &str, message: impl Into<String>, shape: Shape) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code: code.to_owned(), message: message.into(), shape }
    }

    /// An error of ARM's own.
    pub(super) fn gateway(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, code, message, Shape::Gateway)
    }

    /// An error of the API Management provider.
    pub(super) fn provider(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, code, message, Shape::Provider)
    }

    /// As recorded in 2020 for a service that was just deleted.
    pub(super) fn service_gone(name: &str) -> Self {
        Self::new(404, "ServiceNotFound", format!("Api service does not exist: {name}"), Shape::Bare)
    }

    /// The storage provider's, which passes on what the Blob service says. The shape is unverified.
    pub(super) fn no_container(at: Timestamp) -> Self {
        let text =
            format!("The specified container does not exist.\nRequestId:{}\nTime:{at:.7}", Uuid::new_v4());
        Self::new(404, "ContainerNotFound", text, Shape::Other)
    }

    /// As recorded in 2021 for PATCH and DELETE during a transition; for backup and restore likely,
    /// unverified.
    pub(super) fn service_locked(name: &str) -> Self {
        let text = format!(
            "The API Service {name} is transitioning at this time. Please try the request again later."
        );
        Self::provider(409, "ServiceLocked", text)
    }

    /// `InvalidParameters` in the form that users reported for a bad container name.
    pub(super) fn invalid_parameter(what: &str) -> Self {
        Self::provider(400, "InvalidParameters", format!("Invalid parameter: {what}"))
    }

    pub(super) fn unauthorized(code: &str, message: impl Into<String>) -> Self {
        Self::gateway(401, code, message)
    }

    pub(super) fn expired_token() -> Self {
        Self::unauthorized("ExpiredAuthenticationToken", "The access token expiry UTC time has passed.")
    }

    /// A path or method that the emulator does not have. The code is the emulator's own.
    pub(super) fn no_route() -> Self {
        Self::gateway(404, "EmulatorHasNoSuchRoute", "The emulator does not implement this path and method.")
    }

    pub(super) fn into_response(self, call: &Call) -> Response {
        let body = match self.shape {
            Shape::Gateway | Shape::Other => {
                json!({ "error": { "code": self.code, "message": self.message } })
            }
            Shape::Provider => json!({ "error": self.details() }),
            Shape::Bare => self.details(),
        };
        let mut response = reply::json(self.status, &body);
        if self.shape == Shape::Gateway {
            reply::set(response.headers_mut(), "x-ms-failure-cause", "gateway");
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer authorization_uri=\"{}/{}\", error=\"invalid_token\", error_description=\"{}\"",
                call.base,
                accounts::TENANT_ID,
                self.message
            );
            reply::set(response.headers_mut(), "www-authenticate", &challenge);
        }
        response
    }

    fn details(&self) -> serde_json::Value {
        json!({ "code": self.code, "message": self.message, "details": null, "innerError": null })
    }
}

impl From<Failure> for ArmError {
    fn from(failure: Failure) -> Self {
        Self::provider(failure.status, &failure.code, failure.message)
    }
}
