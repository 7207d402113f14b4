//! Operations: their entries, what is kept while they are open, and their history.

use async_trait::async_trait;
use jiff::{Timestamp, tz::TimeZone};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Records, locks,
    store::{Created, place},
};
use crate::{
    domain::{Credentials, Entry, Kind, Operation, OperationId, Phase, Plan, Secret},
    keys::Seal,
    ports::{Appended, Hold, Journal, Opening, RecordsError},
};

/// `open/{id}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    version: u32,
    writer: Uuid,
    id: OperationId,
    plan: Plan,
    opened: Timestamp,
    deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Seal>,
}

/// What is inside the seal. Never written in any other way.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secrets {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_key: Option<Zeroizing<String>>,
}

/// `history/{instance}/{day}/{id}.{seq}.json`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    version: u32,
    writer: Uuid,
    id: OperationId,
    kind: Kind,
    phase: Phase,
    opened: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    closed: Timestamp,
    blob: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[async_trait]
impl Journal for Records {
    async fn open(&self, opening: &Opening, credentials: &Credentials) -> Result<(), RecordsError> {
        let Opening { id, plan, opened, deadline } = opening.clone();
        let writer = Uuid::new_v4();
        let sealed = self.seal(id, credentials)?;
        let marker = Marker { version: 1, writer, id, plan, opened, deadline, sealed };
        // An id is new, so whatever stands there already is the same opening.
        self.store.create(&open_path(id), &marker, writer).await.map(drop)
    }

    async fn open_operations(&self) -> Result<Vec<OperationId>, RecordsError> {
        let names = self.store.list(&Path::from("open")).await?;
        Ok(names.iter().filter_map(|name| name.filename()?.parse().ok()).collect())
    }

    async fn opening(&self, id: OperationId) -> Result<Option<Opening>, RecordsError> {
        let marker = self.marker(id).await?;
        Ok(marker.map(|Marker { id, plan, opened, deadline, .. }| Opening { id, plan, opened, deadline }))
    }

    async fn credentials(&self, id: OperationId) -> Result<Credentials, RecordsError> {
        let Some(sealed) = self.marker(id).await?.and_then(|marker| marker.sealed) else {
            return Ok(Credentials::default());
        };
        let sealed_error = |reason: String| RecordsError::Sealed { reason };
        let plain = self.key.open(id, &sealed).map_err(|error| sealed_error(error.to_string()))?;
        let secrets: Secrets = serde_json::from_slice(&plain).map_err(|error| sealed_error(place(&error)))?;
        Ok(Credentials {
            client_secret: secrets.client_secret.map(Secret::from),
            access_key: secrets.access_key.map(Secret::from),
        })
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, RecordsError> {
        let path = entry_path(entry.operation.id, entry.seq);
        Ok(match self.store.create(&path, entry, entry.writer).await? {
            Created::Ours => Appended::Written,
            Created::Taken => Appended::Taken,
        })
    }

    async fn last(&self, id: OperationId) -> Result<Option<Entry>, RecordsError> {
        match self.store.list(&operation_path(id)).await?.last() {
            Some(path) => self.store.read(path).await,
            None => Ok(None),
        }
    }

    async fn entries(&self, id: OperationId) -> Result<Vec<Entry>, RecordsError> {
        let mut entries = Vec::new();
        for path in self.store.list(&operation_path(id)).await? {
            entries.extend(self.store.read(&path).await?);
        }
        Ok(entries)
    }

    async fn operations(&self, limit: usize) -> Result<Vec<OperationId>, RecordsError> {
        let mut ids = Vec::new();
        for month in self.store.folders(&Path::from("operations")).await?.iter().rev() {
            let folders = self.store.folders(month).await?;
            ids.extend(
                folders.iter().rev().filter_map(|folder| folder.filename()?.parse::<OperationId>().ok()),
            );
            if ids.len() >= limit {
                break;
            }
        }
        ids.truncate(limit);
        Ok(ids)
    }

    async fn hold(&self, operation: &Operation, now: Timestamp) -> Result<Hold, RecordsError> {
        locks::hold(self, operation, now).await
    }

    async fn close(&self, terminal: &Entry) -> Result<(), RecordsError> {
        let Entry { seq, at, operation, .. } = terminal;
        let writer = Uuid::new_v4();
        let history = History {
            version: 1,
            writer,
            id: operation.id,
            kind: operation.plan.kind,
            phase: operation.phase,
            opened: operation.opened,
            started: operation.started(),
            closed: *at,
            blob: operation.plan.blob.to_string(),
            failure: operation.failure.as_ref().map(ToString::to_string),
        };
        let day = at.to_zoned(TimeZone::UTC).strftime("%Y%m%d");
        let path =
            format!("history/{}/{day}/{}.{seq:06}.json", operation.plan.service.name.key(), operation.id);
        // Derived from that entry alone: whoever wrote it first wrote the same.
        self.store.create(&Path::from(path), &history, writer).await?;
        self.store.delete(&open_path(operation.id)).await
    }
}

impl Records {
    async fn marker(&self, id: OperationId) -> Result<Option<Marker>, RecordsError> {
        self.store.read(&open_path(id)).await
    }

    fn seal(&self, id: OperationId, credentials: &Credentials) -> Result<Option<Seal>, RecordsError> {
        if credentials.is_empty() {
            return Ok(None);
        }
        let expose = |secret: &Option<Secret>| {
            secret.as_ref().map(|secret| Zeroizing::new(secret.expose().to_owned()))
        };
        let secrets = Secrets {
            client_secret: expose(&credentials.client_secret),
            access_key: expose(&credentials.access_key),
        };
        let sealed_error = |reason: String| RecordsError::Sealed { reason };
        let plain =
            Zeroizing::new(serde_json::to_vec(&secrets).map_err(|error| sealed_error(error.to_string()))?);
        self.key.seal(id, &plain).map(Some).map_err(|error| sealed_error(error.to_string()))
    }
}

fn open_path(id: OperationId) -> Path {
    Path::from(format!("open/{id}"))
}

fn operation_path(id: OperationId) -> Path {
    Path::from(format!("operations/{}/{id}", id.month()))
}

fn entry_path(id: OperationId, seq: u32) -> Path {
    Path::from(format!("operations/{}/{id}/{seq:06}.json", id.month()))
}
