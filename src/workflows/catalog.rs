//! The catalogue by hand: made anew from the journal, and taking in what other tools left.

use super::Error;
use crate::{
    domain::{BlobLook, BlobRef, OperationId, RecoveryPoint, Secret, ServiceId, standing},
    ports::{Ports, RecordsError},
};

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
    for id in ports.journal.operations(usize::MAX).await? {
        match ports.journal.last(id).await {
            Ok(entry) => {
                if let Some(point) = entry.and_then(|entry| RecoveryPoint::of(&entry.operation)) {
                    ports.catalog.record(&point).await?;
                    rebuilt.points += 1;
                }
            }
            Err(error @ RecordsError::Corrupt { .. }) => rebuilt.unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(rebuilt)
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
    let services = ports.catalog.services().await.map_err(unread)?;
    for owner in services.iter().chain([&service.name]) {
        let points = ports.catalog.points(owner, None).await.map_err(unread)?.points;
        let known = standing(points).into_iter().find(|point| point.blob == blob);
        if let Some(known) = known {
            return Ok(Adopted::Known(Box::new(known)));
        }
    }
    let point = RecoveryPoint::adopted(OperationId::at(at), service.clone(), blob, seen, at);
    ports.catalog.record(&point).await.map_err(unread)?;
    Ok(Adopted::Ours(Box::new(point)))
}
