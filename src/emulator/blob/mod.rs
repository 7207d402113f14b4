//! The Blob service, as much of it as `object_store` speaks: put, get, head, list and batched
//! delete of block blobs.
//!
//! `Authorization` (or a SAS `sig`) must be there; **it is not verified**. Account and container
//! stand in the path, as in Azurite. Blob names with empty segments (`a//b`) are not supported.

mod batch;
mod list;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::reply;
use super::storage::{Account, Blob};
use super::world::World;

/// An answer, or the Blob service's error.
type Answer = Result<Response, BlobError>;

/// Status, code and message of an error, as documented for the Blob service.
#[derive(Debug, Clone, Copy)]
struct BlobError(StatusCode, &'static str, &'static str);

const NO_AUTHENTICATION: BlobError = BlobError(
    StatusCode::UNAUTHORIZED,
    "NoAuthenticationInformation",
    "Server failed to authenticate the request.",
);
const NO_ACCOUNT: BlobError =
    BlobError(StatusCode::NOT_FOUND, "ResourceNotFound", "The specified resource does not exist.");
const NO_CONTAINER: BlobError =
    BlobError(StatusCode::NOT_FOUND, "ContainerNotFound", "The specified container does not exist.");
const NO_BLOB: BlobError =
    BlobError(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.");
const EXISTS: BlobError =
    BlobError(StatusCode::CONFLICT, "BlobAlreadyExists", "The specified blob already exists.");
const CONDITION: BlobError = BlobError(
    StatusCode::PRECONDITION_FAILED,
    "ConditionNotMet",
    "The condition specified using HTTP conditional header(s) is not met.",
);
const RANGE: BlobError = BlobError(
    StatusCode::RANGE_NOT_SATISFIABLE,
    "InvalidRange",
    "The range specified is invalid for the current size of the resource.",
);
const UNSUPPORTED: BlobError = BlobError(
    StatusCode::BAD_REQUEST,
    "EmulatorHasNoSuchOperation",
    "The emulator does not implement this operation.",
);
const INVALID: BlobError =
    BlobError(StatusCode::BAD_REQUEST, "InvalidInput", "One of the request inputs is not valid.");

/// Answers any request below `/blob/{account}/{container}`.
pub(super) fn answer(
    world: &mut World,
    call: &Call,
    account: &str,
    container: &str,
    blob: &[&str],
) -> Response {
    let response = route(world, call, account, container, &blob.join("/"));
    let mut response = response.unwrap_or_else(|error| error.into_response(call));
    let headers = response.headers_mut();
    reply::set(headers, "server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0");
    reply::set(headers, "x-ms-request-id", &Uuid::new_v4().to_string());
    reply::set(headers, "x-ms-version", call.header("x-ms-version").unwrap_or("2023-11-03"));
    response
}

fn route(world: &mut World, call: &Call, account: &str, container: &str, blob: &str) -> Answer {
    if call.header("authorization").is_none() && call.query("sig").is_none() {
        return Err(NO_AUTHENTICATION);
    }
    let name = account;
    let account = world.accounts.get_mut(account).ok_or(NO_ACCOUNT)?;
    let blobs = account.containers.get_mut(container).ok_or(NO_CONTAINER)?;
    match (call.method.as_str(), blob, call.query("comp")) {
        ("GET", "", Some("list")) => list::answer(blobs, call, container),
        ("POST", "", Some("batch")) => batch::answer(blobs, call, name, container),
        ("PUT", name, None) if !name.is_empty() => put(account, call, container, name),
        ("GET" | "HEAD", name, None) if !name.is_empty() => get(blobs.get(name).ok_or(NO_BLOB)?, call),
        ("DELETE", name, None) if !name.is_empty() => {
            blobs.remove(name).map(|_| reply::empty(StatusCode::ACCEPTED)).ok_or(NO_BLOB)
        }
        _ => Err(UNSUPPORTED),
    }
}

fn put(account: &mut Account, call: &Call, container: &str, name: &str) -> Answer {
    if call.header("x-ms-blob-type") != Some("BlockBlob") {
        return Err(INVALID);
    }
    let old = account.blob(container, name);
    if call.header("if-none-match") == Some("*") && old.is_some() {
        return Err(EXISTS);
    }
    if let Some(etag) = call.header("if-match") {
        let same = old.is_some_and(|old| etag == "*" || etag == old.etag);
        same.then_some(()).ok_or(CONDITION)?;
    }
    let content_type = call.header("x-ms-blob-content-type").or_else(|| call.header("content-type"));
    let content_type = content_type.unwrap_or("application/octet-stream");
    let blob = account.put(container, name, call.body.clone(), content_type, call.at);
    let mut response = reply::empty(StatusCode::CREATED);
    describe(&mut response, blob);
    Ok(response)
}

fn get(blob: &Blob, call: &Call) -> Answer {
    if call.header("if-match").is_some_and(|etag| etag != "*" && etag != blob.etag) {
        return Err(CONDITION);
    }
    if call.header("if-none-match").is_some_and(|etag| etag == "*" || etag == blob.etag) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let size = blob.content.len();
    let range = call.header("x-ms-range").or_else(|| call.header("range"));
    let (status, content) = match range {
        None => (StatusCode::OK, blob.content.clone()),
        Some(range) => {
            let (first, last) = read_range(range, size).ok_or(RANGE)?;
            (StatusCode::PARTIAL_CONTENT, blob.content.slice(first..=last))
        }
    };
    let range = range.and_then(|range| read_range(range, size));
    let mut response = Response::new(body(call, content.clone()));
    *response.status_mut() = status;
    describe(&mut response, blob);
    let headers = response.headers_mut();
    reply::set(headers, "content-type", &blob.content_type);
    reply::set(headers, "content-length", &content.len().to_string());
    reply::set(headers, "accept-ranges", "bytes");
    reply::set(headers, "x-ms-blob-type", "BlockBlob");
    if let Some((first, last)) = range {
        reply::set(headers, "content-range", &format!("bytes {first}-{last}/{size}"));
    }
    Ok(response)
}

fn body(call: &Call, content: Bytes) -> axum::body::Body {
    if call.method == Method::HEAD { axum::body::Body::empty() } else { content.into() }
}

/// First and last byte of `bytes=first-[last]`, the only form the service takes.
fn read_range(range: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = size.checked_sub(1)?;
    let last = if last.is_empty() { end } else { last.parse::<usize>().ok()?.min(end) };
    (first <= last).then_some((first, last))
}

fn describe(response: &mut Response, blob: &Blob) {
    reply::set(response.headers_mut(), "etag", &blob.etag);
    reply::set(response.headers_mut(), "last-modified", &reply::http_date(blob.last_modified));
}

impl BlobError {
    fn into_response(self, call: &Call) -> Response {
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
        response
    }
}

/// An XML document of this root element.
fn to_xml(root: &impl Serialize) -> String {
    let root = quick_xml::se::to_string(root).unwrap_or_default();
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{root}")
}
