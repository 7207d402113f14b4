//! The Blob service, as much of it as a backup and its reader need: put, get, head, list, delete and
//! batched delete of block blobs.
//!
//! Account and container stand in the path, as in Azurite. What follows them is the blob's name, with
//! all its empty segments.

mod access;
mod batch;
mod error;
mod list;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use self::error::{
    ARCHIVED, BlobError, CONDITION, EXISTS, INVALID, MD5_MISMATCH, NO_ACCOUNT, NO_BLOB, NO_CONTAINER, RANGE,
    UNSUPPORTED,
};
use super::call::Call;
use super::reply;
use super::storage::{Account, Blob, Container, Lock, Use, content_md5};
use super::world::World;

/// An answer, or the Blob service's error.
type Answer = Result<Response, BlobError>;

/// Answers any request below `/blob/{account}/{container}`.
pub(super) fn answer(world: &mut World, call: &Call, account: &str, container: &str) -> Response {
    let response = route(world, call, account, container, &call.behind(3));
    let mut response = response.unwrap_or_else(|error| error.into_response(call));
    let headers = response.headers_mut();
    reply::set(headers, "server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0");
    reply::set(headers, "x-ms-request-id", &Uuid::new_v4().to_string());
    reply::set(headers, "x-ms-version", call.header("x-ms-version").unwrap_or("2023-11-03"));
    response
}

fn route(world: &mut World, call: &Call, account: &str, container: &str, blob: &str) -> Answer {
    let wanted = if [Method::GET, Method::HEAD].contains(&call.method) { Use::Read } else { Use::Write };
    access::check(world, call, account, container, wanted)?;
    let name = account;
    let account = world.accounts.get_mut(account).ok_or(NO_ACCOUNT)?;
    let blobs = account.containers.get_mut(container).ok_or(NO_CONTAINER)?;
    match (call.method.as_str(), blob, call.query("comp")) {
        ("GET", "", Some("list")) => list::answer(blobs, call, container),
        ("POST", "", Some("batch")) => batch::answer(blobs, call, name, container),
        ("PUT", name, None) if !name.is_empty() => put(account, call, container, name),
        ("GET" | "HEAD", name, None) if !name.is_empty() => get(blobs.get(name).ok_or(NO_BLOB)?, call),
        ("DELETE", name, None) if !name.is_empty() => {
            delete(blobs, name, |header| call.header(header), call.at)?;
            Ok(reply::empty(StatusCode::ACCEPTED))
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
    if let Some(lock) = old.and_then(|old| old.locked(call.at)) {
        return Err(lock.into());
    }
    let md5 = content_md5(&call.body);
    let given = ["content-md5", "x-ms-blob-content-md5"].iter().find_map(|name| call.header(name));
    if given.is_some_and(|given| given != md5) {
        return Err(MD5_MISMATCH);
    }
    let content_type = call.header("x-ms-blob-content-type").or_else(|| call.header("content-type"));
    let content_type = content_type.unwrap_or("application/octet-stream");
    let blob = account.put(container, name, call.body.clone(), content_type, call.at);
    blob.access_tier = call.header("x-ms-access-tier").map(str::to_owned);
    let mut response = reply::empty(StatusCode::CREATED);
    describe(&mut response, blob);
    reply::set(response.headers_mut(), "content-md5", &md5);
    Ok(response)
}

fn get(blob: &Blob, call: &Call) -> Answer {
    if call.header("if-match").is_some_and(|etag| etag != "*" && etag != blob.etag) {
        return Err(CONDITION);
    }
    if call.header("if-none-match").is_some_and(|etag| etag == "*" || etag == blob.etag) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    if call.method == Method::GET && blob.is_archived() {
        return Err(ARCHIVED);
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
    if let Some(md5) = &blob.content_md5 {
        // The sum is of the whole blob, so beside a part of it it has another name.
        let name = if range.is_some() { "x-ms-blob-content-md5" } else { "content-md5" };
        reply::set(headers, name, md5);
    }
    reply::set(headers, "x-ms-creation-time", &reply::http_date(blob.created));
    reply::set(headers, "x-ms-access-tier", blob.access_tier.as_deref().unwrap_or("Hot"));
    if blob.access_tier.is_none() {
        reply::set(headers, "x-ms-access-tier-inferred", "true");
    }
    describe_locks(&mut response, blob);
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

/// Deletes a blob, under the conditions of these headers. The order of what is looked at is unverified.
fn delete<'a>(
    blobs: &mut Container,
    name: &str,
    header: impl Fn(&'static str) -> Option<&'a str>,
    at: Timestamp,
) -> Result<(), BlobError> {
    let blob = blobs.get_mut(name).ok_or(NO_BLOB)?;
    if header("if-match").is_some_and(|etag| etag != "*" && etag != blob.etag) {
        return Err(CONDITION);
    }
    match header("x-ms-delete-snapshots") {
        None if blob.has_snapshots() => return Err((&Lock::Snapshots).into()),
        None | Some("include") => {}
        Some("only") => {
            blob.locks.retain(|lock| *lock != Lock::Snapshots);
            return Ok(());
        }
        Some(_) => return Err(INVALID),
    }
    if let Some(lock) = blob.locked(at) {
        return Err(lock.into());
    }
    blobs.remove(name);
    Ok(())
}

fn describe(response: &mut Response, blob: &Blob) {
    reply::set(response.headers_mut(), "etag", &blob.etag);
    reply::set(response.headers_mut(), "last-modified", &reply::http_date(blob.last_modified));
}

/// A policy is shown when it is over, too.
fn describe_locks(response: &mut Response, blob: &Blob) {
    let headers = response.headers_mut();
    let (state, status) = lease(blob);
    reply::set(headers, "x-ms-lease-state", state);
    reply::set(headers, "x-ms-lease-status", status);
    for lock in &blob.locks {
        match lock {
            Lock::LegalHold => reply::set(headers, "x-ms-legal-hold", "true"),
            Lock::Policy { until } => {
                reply::set(headers, "x-ms-immutability-policy-until-date", &reply::http_date(*until));
                reply::set(headers, "x-ms-immutability-policy-mode", "locked");
            }
            Lock::Lease => reply::set(headers, "x-ms-lease-duration", "infinite"),
            Lock::Snapshots => {}
        }
    }
}

/// State and status of a blob's lease.
fn lease(blob: &Blob) -> (&'static str, &'static str) {
    if blob.locks.contains(&Lock::Lease) { ("leased", "locked") } else { ("available", "unlocked") }
}

/// An XML document of this root element.
fn to_xml(root: &impl Serialize) -> String {
    let root = quick_xml::se::to_string(root).unwrap_or_default();
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{root}")
}
