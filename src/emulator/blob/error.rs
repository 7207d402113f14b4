//! The Blob service's errors, as documented.

use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::to_xml;
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::storage::Lock;

/// Status, code and message.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlobError(pub StatusCode, pub &'static str, pub &'static str);

pub(super) const NO_AUTHENTICATION: BlobError = BlobError(
    StatusCode::UNAUTHORIZED,
    "NoAuthenticationInformation",
    "Server failed to authenticate the request.",
);
pub(super) const BAD_AUTHENTICATION: BlobError = BlobError(
    StatusCode::UNAUTHORIZED,
    "InvalidAuthenticationInfo",
    "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
);
pub(super) const NO_PERMISSION: BlobError = BlobError(
    StatusCode::FORBIDDEN,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
);
pub(super) const KEYS_ARE_OFF: BlobError = BlobError(
    StatusCode::FORBIDDEN,
    "KeyBasedAuthenticationNotPermitted",
    "Key based authentication is not permitted on this storage account.",
);
pub(super) const FIREWALL: BlobError = BlobError(
    StatusCode::FORBIDDEN,
    "AuthorizationFailure",
    "This request is not authorized to perform this operation.",
);
pub(super) const NO_ACCOUNT: BlobError =
    BlobError(StatusCode::NOT_FOUND, "ResourceNotFound", "The specified resource does not exist.");
pub(super) const NO_CONTAINER: BlobError =
    BlobError(StatusCode::NOT_FOUND, "ContainerNotFound", "The specified container does not exist.");
pub(super) const NO_BLOB: BlobError =
    BlobError(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.");
pub(super) const EXISTS: BlobError =
    BlobError(StatusCode::CONFLICT, "BlobAlreadyExists", "The specified blob already exists.");
pub(super) const ARCHIVED: BlobError =
    BlobError(StatusCode::CONFLICT, "BlobArchived", "This operation is not permitted on an archived blob.");
pub(super) const CONDITION: BlobError = BlobError(
    StatusCode::PRECONDITION_FAILED,
    "ConditionNotMet",
    "The condition specified using HTTP conditional header(s) is not met.",
);
pub(super) const RANGE: BlobError = BlobError(
    StatusCode::RANGE_NOT_SATISFIABLE,
    "InvalidRange",
    "The range specified is invalid for the current size of the resource.",
);
pub(super) const MD5_MISMATCH: BlobError = BlobError(
    StatusCode::BAD_REQUEST,
    "Md5Mismatch",
    "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
);
pub(super) const UNSUPPORTED: BlobError = BlobError(
    StatusCode::BAD_REQUEST,
    "EmulatorHasNoSuchOperation",
    "The emulator does not implement this operation.",
);
pub(super) const INVALID: BlobError =
    BlobError(StatusCode::BAD_REQUEST, "InvalidInput", "One of the request inputs is not valid.");

impl From<&Lock> for BlobError {
    fn from(lock: &Lock) -> Self {
        let (status, message) = match lock {
            Lock::LegalHold => (
                StatusCode::CONFLICT,
                "This operation is not permitted as the blob is immutable due to one or more legal holds.",
            ),
            Lock::Policy { .. } => (
                StatusCode::CONFLICT,
                "This operation is not permitted as the blob is immutable due to a policy.",
            ),
            Lock::Lease => (
                StatusCode::PRECONDITION_FAILED,
                "There is currently a lease on the blob and no lease ID was specified in the request.",
            ),
            Lock::Snapshots => {
                (StatusCode::CONFLICT, "This operation is not permitted because the blob has snapshots.")
            }
        };
        Self(status, lock.code(), message)
    }
}

impl BlobError {
    pub(super) fn into_response(self, call: &Call) -> Response {
        #[derive(Serialize)]
        #[serde(rename = "Error", rename_all = "PascalCase")]
        struct Body {
            code: &'static str,
            message: &'static str,
        }
        let Self(status, code, message) = self;
        let xml = if call.method == Method::HEAD { String::new() } else { to_xml(&Body { code, message }) };
        let mut response = reply::text_of(status, "application/xml", xml);
        reply::set(response.headers_mut(), "x-ms-error-code", code);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer authorization_uri={}/{}/oauth2/authorize resource_id=https://storage.azure.com",
                call.base,
                crate::emulator::accounts::TENANT_ID
            );
            reply::set(response.headers_mut(), "www-authenticate", &challenge);
        }
        response
    }
}
