//! Two services side by side, as they are now; of a primary that is gone, as it was.

use futures::future::join;
use jiff::Timestamp;
use serde::Serialize;

use super::{Error, snapshot::look};
use crate::{
    domain::{Difference, ServiceId, Snapshot, compare},
    ports::{Access, Catalog, Inspection},
};

/// One of the two, and who asks for it.
#[derive(Debug, Clone)]
pub struct Side {
    pub service: ServiceId,
    pub access: Access,
}

/// Where it is known from what the primary is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Whence {
    Live,
    /// From the newest snapshot, since the primary could not be read.
    Recorded {
        taken: Timestamp,
        because: String,
    },
}

/// What was compared, and what differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    pub compared: Timestamp,
    pub whence: Whence,
    pub primary: Snapshot,
    pub standby: Snapshot,
    /// Whether something runs on it right now.
    pub standby_idle: bool,
    pub differences: Vec<Difference>,
}

/// Compares a primary with its standby. In a disaster the primary may be out of reach: then with what was recorded of it.
pub async fn compare_sides(
    inspection: &dyn Inspection,
    catalog: &dyn Catalog,
    primary: &Side,
    standby: &Side,
    now: Timestamp,
) -> Result<Comparison, Error> {
    let (ours, theirs) = join(
        look(inspection, &primary.service, &primary.access, now),
        look(inspection, &standby.service, &standby.access, now),
    )
    .await;
    let (status, theirs) =
        theirs.map_err(|source| Error::UnreadStandby { service: standby.service.name.clone(), source })?;
    let (whence, ours) = match ours {
        Ok((_, ours)) => (Whence::Live, ours),
        Err(source) => {
            let service = primary.service.name.clone();
            match catalog.newest_snapshot(&service).await {
                Ok(Some((_, recorded))) => {
                    (Whence::Recorded { taken: recorded.taken, because: source.to_string() }, recorded)
                }
                Ok(None) => return Err(Error::UnreadPrimary { service, source }),
                Err(records) => {
                    return Err(Error::UnreadSnapshot {
                        service,
                        unread: source.to_string(),
                        source: records,
                    });
                }
            }
        }
    };
    let differences = compare(&ours, &theirs, now);
    let standby_idle = status.is_idle();
    Ok(Comparison { compared: now, whence, primary: ours, standby: theirs, standby_idle, differences })
}
