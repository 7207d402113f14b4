//! What backups do not carry: `snapshots/{instance}/{operation}.json`.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use object_store::path::Path;

use super::{
    catalog,
    store::{AT_ONCE, Store},
};
use crate::{
    domain::{OperationId, ServiceName, Snapshot},
    ports::RecordsError,
};

const SNAPSHOTS: &str = "snapshots";

pub(super) async fn record(store: &Store, id: OperationId, snapshot: &Snapshot) -> Result<(), RecordsError> {
    catalog::write(store, &path(&snapshot.service.name, id), snapshot).await
}

pub(super) async fn read(
    store: &Store,
    service: &ServiceName,
    id: OperationId,
) -> Result<Option<Snapshot>, RecordsError> {
    catalog::read(store, &path(service, id)).await
}

/// One that cannot be read does not hide an older one.
pub(super) async fn newest(
    store: &Store,
    service: &ServiceName,
) -> Result<Option<(OperationId, Snapshot)>, RecordsError> {
    let names = store.list(&folder(service)).await?;
    let mut unreadable = None;
    for id in names.iter().rev().filter_map(id) {
        match read(store, service, id).await {
            Ok(Some(snapshot)) => return Ok(Some((id, snapshot))),
            // It was pruned meanwhile.
            Ok(None) => {}
            Err(error @ RecordsError::Corrupt { .. }) => unreadable = unreadable.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    unreadable.map_or(Ok(None), Err)
}

/// Those of operations that were opened before then, but for the newest of each instance: while a region is down it may
/// be all that is known of its service.
pub(super) async fn old(store: &Store, before: Timestamp) -> Result<Vec<Path>, RecordsError> {
    let instances = store.folders(&Path::from(SNAPSHOTS)).await?;
    let old = stream::iter(instances).map(async |instance| {
        let names = store.list(&instance).await?;
        let mut dated: Vec<_> = names.into_iter().filter_map(|name| Some((id(&name)?, name))).collect();
        dated.pop();
        dated.retain(|(id, _)| id.opened() < before);
        Ok(dated.into_iter().map(|(_, name)| name).collect::<Vec<_>>())
    });
    old.buffer_unordered(AT_ONCE).try_concat().await
}

fn folder(service: &ServiceName) -> Path {
    Path::from(format!("{SNAPSHOTS}/{}", service.key()))
}

fn path(service: &ServiceName, id: OperationId) -> Path {
    Path::from(format!("{}/{id}.json", folder(service)))
}

/// The operation that the name of a snapshot has. Names sort by it.
fn id(name: &Path) -> Option<OperationId> {
    name.filename()?.strip_suffix(".json")?.parse().ok()
}
