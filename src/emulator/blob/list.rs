//! List Blobs: prefix, delimiter, pages.

use std::ops::Bound;

use axum::http::StatusCode;
use serde::Serialize;

use super::error::INVALID;
use super::{Answer, lease, to_xml};
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::storage::{Blob, Container, Lock};

/// The service's largest page.
const PAGE: usize = 5000;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnumerationResults<'a> {
    #[serde(rename = "@ContainerName")]
    container: &'a str,
    prefix: Option<&'a str>,
    marker: Option<&'a str>,
    max_results: usize,
    delimiter: Option<&'a str>,
    blobs: Blobs<'a>,
    next_marker: &'a str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Blobs<'a> {
    blob: Vec<Entry<'a>>,
    blob_prefix: Vec<Prefix<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    name: &'a str,
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Prefix<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Properties<'a> {
    #[serde(rename = "Creation-Time")]
    creation_time: String,
    #[serde(rename = "Last-Modified")]
    last_modified: String,
    etag: &'a str,
    #[serde(rename = "Content-Length")]
    content_length: usize,
    #[serde(rename = "Content-Type")]
    content_type: &'a str,
    /// Empty where there is none.
    #[serde(rename = "Content-MD5")]
    content_md5: &'a str,
    blob_type: &'a str,
    access_tier: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_tier_inferred: Option<bool>,
    lease_status: &'a str,
    lease_state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_duration: Option<&'a str>,
    server_encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    immutability_policy_until_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    immutability_policy_mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_hold: Option<bool>,
}

/// What `include` asks for, of what the emulator knows.
#[derive(Clone, Copy)]
struct Include {
    policy: bool,
    legal_hold: bool,
}

/// One page. The marker is the next name; callers must take it as opaque.
pub(super) fn answer(container: &Container, call: &Call, name: &str) -> Answer {
    let parameter = |name| call.query(name).filter(|value| !value.is_empty());
    let (prefix, delimiter, marker) = (parameter("prefix"), parameter("delimiter"), parameter("marker"));
    let max_results = parameter("maxresults").map_or(Ok(PAGE), str::parse).map_err(|_| INVALID)?;
    let max_results = if (1..=PAGE).contains(&max_results) { max_results } else { return Err(INVALID) };
    let start = prefix.unwrap_or_default();
    let from = marker.or_else(|| parameter("startFrom")).unwrap_or_default().max(start);
    let include = parameter("include").unwrap_or_default();
    let asks_for = |wanted: &str| include.split(',').any(|name| name.trim() == wanted);
    let include = Include { policy: asks_for("immutabilitypolicy"), legal_hold: asks_for("legalhold") };
    let mut blobs = Blobs::default();
    let mut next_marker = "";
    let listed = container.range::<str, _>((Bound::Included(from), Bound::Unbounded));
    for (name, blob) in listed.take_while(|(name, _)| name.starts_with(start)) {
        let common = delimiter
            .and_then(|delimiter| Some(start.len() + name[start.len()..].find(delimiter)? + delimiter.len()));
        let common = common.map(|end| &name[..end]);
        if common.is_some() && blobs.blob_prefix.last().map(|prefix| prefix.name) == common {
            continue;
        }
        if blobs.blob.len() + blobs.blob_prefix.len() == max_results {
            next_marker = name;
            break;
        }
        match common {
            Some(name) => blobs.blob_prefix.push(Prefix { name }),
            None => blobs.blob.push(entry(name, blob, include)),
        }
    }
    let results =
        EnumerationResults { container: name, prefix, marker, max_results, delimiter, blobs, next_marker };
    Ok(reply::text_of(StatusCode::OK, "application/xml", to_xml(&results)))
}

/// Members and their order are as recorded; a legal hold that is not there is not shown.
fn entry<'a>(name: &'a str, blob: &'a Blob, include: Include) -> Entry<'a> {
    let until = blob.locks.iter().find_map(|lock| match lock {
        Lock::Policy { until } if include.policy => Some(reply::http_date(*until)),
        _ => None,
    });
    let held = include.legal_hold && blob.locks.contains(&Lock::LegalHold);
    let (lease_state, lease_status) = lease(blob);
    let properties = Properties {
        creation_time: reply::http_date(blob.created),
        last_modified: reply::http_date(blob.last_modified),
        etag: &blob.etag,
        content_length: blob.content.len(),
        content_type: &blob.content_type,
        content_md5: blob.content_md5.as_deref().unwrap_or_default(),
        blob_type: "BlockBlob",
        access_tier: blob.access_tier.as_deref().unwrap_or("Hot"),
        access_tier_inferred: blob.access_tier.is_none().then_some(true),
        lease_status,
        lease_state,
        lease_duration: (lease_status == "locked").then_some("infinite"),
        server_encrypted: true,
        immutability_policy_mode: until.is_some().then_some("locked"),
        immutability_policy_until_date: until,
        legal_hold: held.then_some(true),
    };
    Entry { name, properties }
}
