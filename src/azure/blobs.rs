//! Blobs in the containers that backups lie in: looked at, listed, deleted.

use std::time::Duration;

use async_trait::async_trait;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::{
    cloud::Endpoints,
    http::Response,
    storage::{Ask, BlobAccess, BlobService, NO_TOKEN, NotAsked, Storage, WRITER, advice},
};
use crate::{
    domain::{BlobLook, BlobRef, ContainerRef, Secret, Seen, StorageAccount},
    ports::{Blobs, Deletion, Listed},
};

/// How long a look may take, with a token and all repeats: a start waits for it, and its own time is short.
const PATIENCE: Duration = Duration::from_secs(25);
/// Blobs in a page of a listing: about two megabytes.
const PAGE: &str = "2000";
const READER: &str = "Storage Blob Data Reader";
const NO_BLOB_SERVICE: &str = "what answers is no blob service: it tells neither ETag nor size; check the account's endpoint and the proxy";

/// The backup containers.
#[derive(Debug)]
pub struct BlobReader {
    endpoints: Endpoints,
    storage: Storage,
    /// What opens accounts for which a request brings no key.
    connections: Vec<BlobService>,
}

impl BlobReader {
    pub fn new(endpoints: Endpoints, storage: Storage, connections: Vec<BlobService>) -> Self {
        Self { endpoints, storage, connections }
    }

    fn service(
        &self,
        account: &StorageAccount,
        access_key: Option<&Secret>,
    ) -> Result<BlobService, NotAsked> {
        let known = self.connections.iter().find(|service| service.account == account.as_str());
        match (access_key, known) {
            // The endpoint is the connection's all the same: it may be a private one.
            (Some(key), Some(service)) => {
                Ok(BlobService { access: BlobAccess::Key(key.clone()), ..service.clone() })
            }
            (None, Some(service)) => Ok(service.clone()),
            (key, None) => {
                let access = key.map_or(BlobAccess::App, |key| BlobAccess::Key(key.clone()));
                BlobService::new(account, &self.endpoints, access)
                    .map_err(|error| NotAsked::Local(error.to_string()))
            }
        }
    }

    async fn ask(
        &self,
        container: &ContainerRef,
        access_key: Option<&Secret>,
        ask: Ask<'_>,
    ) -> Result<Response, NotAsked> {
        let ask = async {
            let service = self.service(&container.account, access_key)?;
            self.storage.ask(&service, &ask).await
        };
        let late = |_| Err(NotAsked::Unanswered(format!("there was no answer within {PATIENCE:?}")));
        tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(late)
    }

    /// One page of a listing, and where the next begins.
    async fn page(
        &self,
        container: &ContainerRef,
        access_key: Option<&Secret>,
        marker: &str,
    ) -> Result<(Vec<Listed>, Option<String>), String> {
        let mut query = vec![("restype", "container"), ("comp", "list"), ("maxresults", PAGE)];
        if !marker.is_empty() {
            query.push(("marker", marker));
        }
        let name = container.container.as_str();
        let ask = Ask { method: Method::GET, container: name, blob: None, query: &query, if_match: None };
        let answer = self.ask(container, access_key, ask).await.map_err(|error| told(error, READER))?;
        if answer.status != 200 {
            return Err(refusal(&answer, READER));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let page: Page = quick_xml::de::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| format!("the listing of {container} cannot be read: {error}"))?;
        let blobs = page.blobs.blob.into_iter().map(Item::listed).collect();
        Ok((blobs, page.next_marker.filter(|marker| !marker.is_empty())))
    }
}

#[async_trait]
impl Blobs for BlobReader {
    async fn look(&self, blob: &BlobRef, access_key: Option<&Secret>) -> BlobLook {
        let (container, name) = (blob.place(), Some(blob.name.as_str()));
        let ask = Ask {
            method: Method::HEAD,
            container: blob.container.as_str(),
            blob: name,
            query: &[],
            if_match: None,
        };
        match self.ask(&container, access_key, ask).await {
            Ok(answer) if answer.status == 200 => match seen(&answer) {
                Some(seen) => BlobLook::Present(seen),
                None => BlobLook::Unread { reason: NO_BLOB_SERVICE.to_owned() },
            },
            Ok(answer) if is_missing(&answer) => BlobLook::Absent,
            Ok(answer) => BlobLook::Unread { reason: refusal(&answer, READER) },
            Err(error) => BlobLook::Unread { reason: told(error, READER) },
        }
    }

    fn list<'a>(
        &'a self,
        container: &'a ContainerRef,
        access_key: Option<&'a Secret>,
    ) -> BoxStream<'a, Result<Listed, String>> {
        let pages = stream::try_unfold(Some(String::new()), move |marker| async move {
            let Some(marker) = marker else { return Ok(None) };
            let (blobs, next) = self.page(container, access_key, &marker).await?;
            Ok::<_, String>(Some((stream::iter(blobs.into_iter().map(Ok)), next)))
        });
        pages.try_flatten().boxed()
    }

    async fn delete(&self, blob: &BlobRef, seen: &Seen, access_key: Option<&Secret>) -> Deletion {
        let (container, name) = (blob.place(), Some(blob.name.as_str()));
        let e_tag = format!("\"{}\"", seen.e_tag.trim_matches('"'));
        let ask = Ask {
            method: Method::DELETE,
            container: blob.container.as_str(),
            blob: name,
            query: &[],
            if_match: Some(&e_tag),
        };
        let answer = match self.ask(&container, access_key, ask).await {
            Ok(answer) => answer,
            Err(error @ NotAsked::Local(_)) => return Deletion::Refused { reason: told(error, WRITER) },
            Err(error) => return Deletion::Unknown { reason: told(error, WRITER) },
        };
        let lock = code(&answer).and_then(|code| LOCKS.iter().find(|(sign, _)| *sign == code));
        match (answer.status, lock) {
            (202, _) => Deletion::Deleted,
            (404, _) if is_missing(&answer) => Deletion::Gone,
            (_, Some((_, reason))) => Deletion::Locked { reason: (*reason).to_owned() },
            (412, None) => Deletion::Changed,
            // A success that is not the blob service's is a proxy's.
            (200..=399 | 408 | 429 | 500.., None) => Deletion::Unknown { reason: refusal(&answer, WRITER) },
            _ => Deletion::Refused { reason: refusal(&answer, WRITER) },
        }
    }
}

/// Error codes of the Blob service for what nobody may delete now.
const LOCKS: &[(&str, &str)] = &[
    ("BlobImmutableDueToPolicy", "an immutability policy"),
    ("BlobImmutableDueToLegalHold", "a legal hold"),
    ("LeaseIdMissing", "a lease"),
    ("SnapshotsPresent", "snapshots of it"),
];

fn code(answer: &Response) -> Option<String> {
    answer.header("x-ms-error-code")
}

/// "Not found" is said of a blob only: a container or account that is missing must not look like an empty one.
fn is_missing(answer: &Response) -> bool {
    answer.status == 404 && code(answer).is_some_and(|code| code == "BlobNotFound")
}

/// What an answer says, in words that hold nothing of the request.
fn refusal(answer: &Response, role: &str) -> String {
    let code = code(answer).unwrap_or_default();
    let status = answer.status;
    advice(&[&code], role)
        .unwrap_or_else(|| format!("the storage account answers {status} {code}").trim_end().to_owned())
}

/// Only whoever may see the operation sees this, so it may tell what Entra ID said.
fn told(error: NotAsked, role: &str) -> String {
    let (NotAsked::Local(text) | NotAsked::Unanswered(text)) = error;
    match text.find(NO_TOKEN) {
        Some(at) => text[at..].to_owned(),
        None => advice(&[&text], role).unwrap_or(text),
    }
}

/// What the headers of a blob say; `None`: no blob has such headers.
fn seen(answer: &Response) -> Option<Seen> {
    let is = |name, value: &str| answer.header(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let until = answer.header("x-ms-immutability-policy-until-date");
    let until =
        until.filter(|until| date(until).is_some_and(|until| answer.date().is_none_or(|now| now < until)));
    let locked = if is("x-ms-legal-hold", "true") {
        Some("a legal hold".to_owned())
    } else if let Some(until) = until {
        Some(format!("an immutability policy, until {until}"))
    } else if is("x-ms-lease-status", "locked") {
        Some("a lease".to_owned())
    } else {
        None
    };
    Some(Seen {
        e_tag: answer.header("etag").filter(|e_tag| !e_tag.is_empty())?,
        size: answer.header("content-length")?.parse().ok()?,
        modified: answer.header("last-modified").as_deref().and_then(date),
        md5: answer.header("content-md5").filter(|md5| !md5.is_empty()),
        locked,
    })
}

fn date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

/// A page of `List Blobs`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    /// Always there, even if empty: what answers without it is no blob service, and must not look like an empty
    /// container.
    blobs: Items,
    next_marker: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Items {
    #[serde(default)]
    blob: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    name: Name,
    properties: Properties,
}

#[derive(Deserialize)]
struct Name {
    /// The name is percent-encoded, since XML cannot hold it.
    #[serde(rename = "@Encoded", default)]
    encoded: bool,
    #[serde(rename = "$text", default)]
    text: String,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "Last-Modified")]
    last_modified: Option<String>,
    #[serde(rename = "Etag", default)]
    e_tag: String,
    #[serde(rename = "Content-Length", default)]
    content_length: u64,
    #[serde(rename = "Content-MD5")]
    content_md5: Option<String>,
}

impl Item {
    fn listed(self) -> Listed {
        let Name { encoded, text } = self.name;
        let name = match urlencoding::decode(&text) {
            Ok(decoded) if encoded => decoded.into_owned(),
            _ => text,
        };
        let Properties { last_modified, e_tag, content_length, content_md5 } = self.properties;
        let seen = Seen {
            e_tag,
            size: content_length,
            modified: last_modified.as_deref().and_then(date),
            md5: content_md5.filter(|md5| !md5.is_empty()),
            locked: None,
        };
        Listed { name, seen }
    }
}
