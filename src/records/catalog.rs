//! The catalogue: recovery points, and what became of them; and which blobs are about to be deleted.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    Records,
    claims::digest,
    store::{AT_ONCE, Header, Store},
};
use crate::{
    domain::{BlobRef, Deleted, OperationId, RecoveryPoint, Seen, ServiceName, Verification},
    ports::{Catalog, Mark, Points, RecordsError},
};

const CATALOG: &str = "catalog";
pub(super) const RETIRING: &str = "retiring";

/// By another tool: `adopted.json` in place of `point.json`.
const POINT: &str = "point.json";
const ADOPTED: &str = "adopted.json";
const VERIFIED: &str = "verified.json";
const DELETED: &str = "deleted.json";

/// Any of the files, with the fields that all have.
#[derive(Serialize, Deserialize)]
struct File<T> {
    #[serde(flatten)]
    header: Header,
    #[serde(flatten)]
    content: T,
}

/// `catalog/{service}/{id}/verified.json`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    at: Timestamp,
    blob: Seen,
}

/// `retiring/{digest of the blob}/{writer}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retiring {
    until: Timestamp,
}

#[async_trait]
impl Catalog for Records {
    async fn services(&self) -> Result<Vec<ServiceName>, RecordsError> {
        let folders = self.store.folders(&Path::from(CATALOG)).await?;
        Ok(folders.iter().filter_map(|folder| folder.filename()?.parse().ok()).collect())
    }

    async fn points(&self, service: &ServiceName, since: Option<Timestamp>) -> Result<Points, RecordsError> {
        let mut files: BTreeMap<OperationId, Vec<String>> = BTreeMap::new();
        for path in self.store.list(&folder(service)).await? {
            let Some((id, file)) = parts(&path) else { continue };
            if since.is_none_or(|since| id.opened() >= since) {
                files.entry(id).or_default().push(file);
            }
        }
        let mut points = Points::default();
        let read = files.into_iter().map(|(id, files)| point(&self.store, service, id, files));
        let mut read = stream::iter(read).buffered(AT_ONCE);
        while let Some(read) = read.next().await {
            match read {
                Ok(point) => points.points.extend(point),
                Err(error @ RecordsError::Corrupt { .. }) => points.unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(points)
    }

    async fn record(&self, point: &RecoveryPoint) -> Result<(), RecordsError> {
        let file = if point.evidence.is_some() { POINT } else { ADOPTED };
        write(&self.store, &path(point, file), point).await
    }

    async fn record_verified(
        &self,
        point: &RecoveryPoint,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<(), RecordsError> {
        let verified = Verified { at: now, blob: seen.clone() };
        write(&self.store, &path(point, VERIFIED), &verified).await
    }

    async fn record_deleted(&self, point: &RecoveryPoint, deleted: &Deleted) -> Result<(), RecordsError> {
        write(&self.store, &path(point, DELETED), deleted).await
    }

    async fn mark(&self, blob: &BlobRef, until: Timestamp) -> Result<Mark, RecordsError> {
        let path = Path::from(format!("{}/{}", marks(blob), Uuid::new_v4()));
        write(&self.store, &path, &Retiring { until }).await?;
        Ok(Mark { path: path.into(), until })
    }

    async fn unmark(&self, mark: &Mark) -> Result<(), RecordsError> {
        self.store.delete(&Path::from(mark.path.as_str())).await
    }

    async fn marked(&self, blob: &BlobRef, now: Timestamp) -> Result<Option<Timestamp>, RecordsError> {
        let mut latest = None;
        for path in self.store.list(&marks(blob)).await? {
            let mark: Option<Retiring> = read(&self.store, &path).await?;
            latest = latest.max(mark.map(|mark| mark.until));
        }
        Ok(latest.filter(|until| *until > now))
    }
}

pub(super) fn folder(service: &ServiceName) -> Path {
    Path::from(format!("{CATALOG}/{}", service.key()))
}

fn path(point: &RecoveryPoint, file: &str) -> Path {
    Path::from(format!("{}/{}/{file}", folder(&point.service.name), point.id))
}

fn marks(blob: &BlobRef) -> Path {
    let parts = [blob.account.as_str(), blob.container.as_str(), blob.name.as_str()];
    Path::from(format!("{RETIRING}/{}", digest(&parts)))
}

/// Id and file name of `catalog/{service}/{id}/{file}`.
pub(super) fn parts(path: &Path) -> Option<(OperationId, String)> {
    let mut parts = path.parts().skip(2);
    let id = parts.next()?.as_ref().parse().ok()?;
    Some((id, parts.next()?.as_ref().to_owned()))
}

/// Whoever is first writes it; others would write the same.
async fn write<T: Serialize + Sync>(store: &Store, path: &Path, content: &T) -> Result<(), RecordsError> {
    let header = Header::new();
    let writer = header.writer;
    store.create(path, &File { header, content }, writer).await.map(drop)
}

async fn read<T: DeserializeOwned>(store: &Store, path: &Path) -> Result<Option<T>, RecordsError> {
    Ok(store.read::<File<T>>(path).await?.map(|file| file.content))
}

async fn point(
    store: &Store,
    service: &ServiceName,
    id: OperationId,
    files: Vec<String>,
) -> Result<Option<RecoveryPoint>, RecordsError> {
    let path = |file: &str| Path::from(format!("{}/{id}/{file}", folder(service)));
    let has = |file: &str| files.iter().any(|known| known == file);
    let Some(file) = [POINT, ADOPTED].into_iter().find(|file| has(file)) else { return Ok(None) };
    let Some(mut point) = read::<RecoveryPoint>(store, &path(file)).await? else { return Ok(None) };
    if has(VERIFIED)
        && !point.is_verified()
        && let Some(Verified { blob, .. }) = read(store, &path(VERIFIED)).await?
    {
        point.verification = Verification::Verified { blob };
    }
    if has(DELETED) {
        point.deleted = read(store, &path(DELETED)).await?;
    }
    Ok(Some(point))
}
