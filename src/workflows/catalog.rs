//! The catalogue by hand: made anew from the journal, and taking in what other tools left.

use futures::{StreamExt as _, stream};

use super::Error;
use crate::{
    domain::{BlobLook, BlobRef, OperationId, RecoveryPoint, Secret, ServiceId, standing},
    ports::{Ports, RecordsError},
};

const AT_ONCE: usize = 16;

/// What came of making the catalogue anew.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Recovery points of the journal, all of which are in the catalogue now.
    pub points: usize,
    pub unreadable: Vec<RecordsError>,
}

/// Puts every backup of the journal that succeeded into the catalogue. What is there already stays as it is.
pub async fn rebuild(ports: &Ports) -> Result<Rebuilt, RecordsError> {
    let mut rebuilt = Rebuilt::default();
    let mut points = Vec::new();
    for id in ports.journal.operations(usize::MAX).await? {
        points.push(rebuild_one(ports, id));
    }
    let mut points = stream::iter(points).buffer_unordered(AT_ONCE);
    while let Some(point) = points.next().await {
        match point {
            Ok(is_point) => rebuilt.points += usize::from(is_point),
            Err(error @ RecordsError::Corrupt { .. }) => rebuilt.unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(rebuilt)
}

async fn rebuild_one(ports: &Ports, id: OperationId) -> Result<bool, RecordsError> {
    let entry = ports.journal.last(id).await?;
    let Some(point) = entry.and_then(|entry| RecoveryPoint::of(&entry.operation)) else { return Ok(false) };
    ports.catalog.own(&point.blob, &point.service.name).await?;
    ports.catalog.record(&point).await?;
    Ok(true)
}

/// What came of adopting a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    Ours(Box<RecoveryPoint>),
    /// It was a recovery point before.
    Known(Box<RecoveryPoint>),
    Refused {
        reason: String,
    },
}

/// Takes in a blob that another tool left, as a recovery point of a service: from then on retention counts it, and may
/// delete it.
pub async fn adopt(
    ports: &Ports,
    service: &ServiceId,
    blob: BlobRef,
    access_key: Option<&Secret>,
) -> Result<Adopted, Error> {
    let unread = |source| Error::Catalog { service: service.name.clone(), source };
    let refused = |reason: String| Ok(Adopted::Refused { reason });
    let seen = match ports.blobs.look(&blob, access_key).await {
        BlobLook::Present(seen) if seen.size == 0 => return refused("it is empty".to_owned()),
        BlobLook::Present(seen) => seen,
        BlobLook::Absent => return refused("it is not there".to_owned()),
        BlobLook::Unread { reason } => return refused(reason),
    };
    let Some(at) = seen.modified else { return refused("it does not say when it was written".to_owned()) };
    for owner in ports.catalog.owners(&blob).await.map_err(unread)? {
        let mut points = ports.catalog.points(&owner, None).await.map_err(unread)?.points;
        points.retain(|point| point.blob == blob && point.is_of(&seen));
        if let Some(known) = standing(points).into_iter().next() {
            return Ok(Adopted::Known(Box::new(known)));
        }
        if let Some(holder) = ports.journal.holder(&owner, ports.azure.now()).await.map_err(unread)? {
            return refused(format!(
                "operation {holder} may be about to write it; adopt it when that has ended"
            ));
        }
    }
    ports.catalog.own(&blob, &service.name).await.map_err(unread)?;
    let point = RecoveryPoint::adopted(OperationId::at(at), service.clone(), blob, seen, at);
    ports.catalog.record(&point).await.map_err(unread)?;
    Ok(Adopted::Ours(Box::new(point)))
}
