//! The catalogue: recovery points, and what became of them; and which blobs are about to be deleted.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    Records,
    claims::digest,
    snapshots,
    store::{AT_ONCE, Created, Header, Store},
};
use crate::{
    domain::{
        BlobRef, ContainerRef, Deleted, OperationId, RecoveryPoint, Seen, ServiceName, Snapshot, Verification,
    },
    ports::{Catalog, Mark, Points, RecordsError},
};

const CATALOG: &str = "catalog";
const RETIRING: &str = "retiring";
const OWNERS: &str = "owners";
const FROZEN: &str = "frozen";
/// What is of no use once it is old, by the store's own time of it.
pub(super) const PASSING: [&str; 3] = [RETIRING, OWNERS, FROZEN];

/// By another tool: `adopted.json` in place of `point.json`.
const POINT: &str = "point.json";
const ADOPTED: &str = "adopted.json";
const VERIFIED: &str = "verified.json";
pub(super) const DELETED: &str = "deleted.json";

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

/// `retiring/{digest of the blob}/{random}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retiring {
    until: Timestamp,
}

/// `owners/{digest of the blob}/{service}`
#[derive(Serialize, Deserialize)]
struct Owner {
    service: ServiceName,
}

/// `frozen/{digest of the container}/{restore}`
#[derive(Serialize, Deserialize)]
struct Frozen {
    until: Timestamp,
}

/// How long one that cannot be read counts as a mark, by the store's own time of it.
const UNREADABLE: SignedDuration = SignedDuration::from_mins(10);

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
        for object in self.store.objects(&marks(blob)).await? {
            let until = match read::<Retiring>(&self.store, &object.location).await {
                Ok(mark) => mark.map(|mark| mark.until),
                // A newer version's, perhaps.
                Err(RecordsError::Corrupt { .. }) => {
                    let written = Timestamp::from_second(object.last_modified.timestamp()).ok();
                    written.and_then(|written| written.checked_add(UNREADABLE).ok())
                }
                Err(error) => return Err(error),
            };
            latest = latest.max(until);
        }
        Ok(latest.filter(|until| *until > now))
    }

    async fn own(&self, blob: &BlobRef, service: &ServiceName) -> Result<(), RecordsError> {
        let path = Path::from(format!("{}/{}", owners(blob), service.key()));
        write(&self.store, &path, &Owner { service: service.clone() }).await
    }

    async fn owners(&self, blob: &BlobRef) -> Result<Vec<ServiceName>, RecordsError> {
        let names = self.store.list(&owners(blob)).await?;
        Ok(names.iter().filter_map(|name| name.filename()?.parse().ok()).collect())
    }

    async fn freeze(
        &self,
        container: &ContainerRef,
        restore: OperationId,
        until: Timestamp,
    ) -> Result<(), RecordsError> {
        let path = Path::from(format!("{}/{restore}", frozen(container)));
        write(&self.store, &path, &Frozen { until }).await
    }

    async fn frozen(
        &self,
        container: &ContainerRef,
        now: Timestamp,
    ) -> Result<Option<OperationId>, RecordsError> {
        for path in self.store.list(&frozen(container)).await? {
            let id = path.filename().and_then(|name| name.parse().ok());
            let is_over = match read::<Frozen>(&self.store, &path).await {
                Ok(frozen) => frozen.is_none_or(|frozen| frozen.until <= now),
                Err(RecordsError::Corrupt { .. }) => false,
                Err(error) => return Err(error),
            };
            if !is_over && id.is_some() {
                return Ok(id);
            }
        }
        Ok(None)
    }

    async fn record_snapshot(&self, id: OperationId, snapshot: &Snapshot) -> Result<(), RecordsError> {
        snapshots::record(&self.store, id, snapshot).await
    }

    async fn snapshot(
        &self,
        service: &ServiceName,
        id: OperationId,
    ) -> Result<Option<Snapshot>, RecordsError> {
        snapshots::read(&self.store, service, id).await
    }

    async fn newest_snapshot(
        &self,
        service: &ServiceName,
    ) -> Result<Option<(OperationId, Snapshot)>, RecordsError> {
        snapshots::newest(&self.store, service).await
    }
}

pub(super) fn folder(service: &ServiceName) -> Path {
    Path::from(format!("{CATALOG}/{}", service.key()))
}

fn path(point: &RecoveryPoint, file: &str) -> Path {
    Path::from(format!("{}/{}/{file}", folder(&point.service.name), point.id))
}

fn of_blob(blob: &BlobRef) -> String {
    digest(&[blob.account.as_str(), blob.container.as_str(), blob.name.as_str()])
}

fn marks(blob: &BlobRef) -> Path {
    Path::from(format!("{RETIRING}/{}", of_blob(blob)))
}

fn owners(blob: &BlobRef) -> Path {
    Path::from(format!("{OWNERS}/{}", of_blob(blob)))
}

fn frozen(container: &ContainerRef) -> Path {
    let parts = [container.account.as_str(), container.container.as_str()];
    Path::from(format!("{FROZEN}/{}", digest(&parts)))
}

/// Id and file name of `catalog/{service}/{id}/{file}`.
pub(super) fn parts(path: &Path) -> Option<(OperationId, String)> {
    let mut parts = path.parts().skip(2);
    let id = parts.next()?.as_ref().parse().ok()?;
    Some((id, parts.next()?.as_ref().to_owned()))
}

/// Whoever is first writes it; others would write the same.
pub(super) async fn write<T: Serialize + Sync>(
    store: &Store,
    path: &Path,
    content: &T,
) -> Result<(), RecordsError> {
    create(store, path, content).await.map(drop)
}

pub(super) async fn create<T: Serialize + Sync>(
    store: &Store,
    path: &Path,
    content: &T,
) -> Result<Created, RecordsError> {
    let header = Header::new();
    let writer = header.writer;
    store.create(path, &File { header, content }, writer).await
}

pub(super) async fn read<T: DeserializeOwned>(store: &Store, path: &Path) -> Result<Option<T>, RecordsError> {
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
    if has(DELETED) {
        return Ok(None);
    }
    let Some(file) = [POINT, ADOPTED].into_iter().find(|file| has(file)) else { return Ok(None) };
    let Some(mut point) = read::<RecoveryPoint>(store, &path(file)).await? else { return Ok(None) };
    if has(VERIFIED)
        && !point.is_verified()
        && let Some(Verified { blob, .. }) = read(store, &path(VERIFIED)).await?
    {
        point.verification = Verification::Verified { blob };
    }
    Ok(Some(point))
}
