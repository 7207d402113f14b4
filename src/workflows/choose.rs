//! Which blob a request means: what the catalogue has to say to it before it is opened.

use jiff::SignedDuration;

use super::Error;
use crate::{
    domain::{BlobLook, Choice, Occasion, Pick, Plan, RecoveryPoint, Secret, standing},
    ports::{Points, Ports},
};

/// How far back a backup may have been opened whose name has today's date, in whatever time zone.
const A_DAY: SignedDuration = SignedDuration::from_hours(48);

/// A request's plan, with the blob that it means if it is opened now.
pub async fn choose(
    ports: &Ports,
    plan: Plan,
    choice: &Choice,
    access_key: Option<&Secret>,
) -> Result<Plan, Error> {
    match choice {
        Choice::Plain => Ok(plan),
        Choice::Dated(naming) => {
            let now = ports.azure.now();
            let first = naming.plan_at(&plan, now, Occasion::First);
            if is_used(ports, &first).await? {
                return Ok(naming.plan_at(&plan, now, Occasion::Later));
            }
            Ok(first)
        }
        Choice::Pick(pick) => {
            let newest = |standing: &[RecoveryPoint]| pick.choose(standing).cloned();
            picked_by(ports, plan, wanted(*pick), access_key, newest).await
        }
    }
}

/// Whether a backup of this day has the blob already, or may have it before this one: another one must not overwrite
/// it. Whoever has the service may be about to write it, and so may any that waits behind.
pub(super) async fn is_used(ports: &Ports, plan: &Plan) -> Result<bool, Error> {
    let now = ports.azure.now();
    let service = &plan.service.name;
    let unread = |source| Error::Catalog { service: service.clone(), source };
    // Before the catalogue, which has what ends in between.
    if ports.journal.holder(service, now).await.map_err(unread)?.is_some() {
        return Ok(true);
    }
    let points = ports.catalog.points(service, now.checked_sub(A_DAY).ok()).await.map_err(unread)?;
    let Points { points, unreadable } = points;
    Ok(!unreadable.is_empty() || points.iter().any(|point| point.blob == plan.blob))
}

/// The one that is chosen and, as far as anybody may see, still there. Where that is unclear no other is taken in its
/// place. `what` names those that may be chosen.
pub(super) async fn picked_by(
    ports: &Ports,
    plan: Plan,
    what: String,
    access_key: Option<&Secret>,
    choose: impl Fn(&[RecoveryPoint]) -> Option<RecoveryPoint>,
) -> Result<Plan, Error> {
    let service = plan.source.clone().unwrap_or_else(|| plan.service.name.clone());
    let unread = |source| Error::Catalog { service: service.clone(), source };
    let Points { points, unreadable } = ports.catalog.points(&service, None).await.map_err(unread)?;
    if let Some(error) = unreadable.into_iter().next() {
        return Err(unread(error));
    }
    let container = plan.blob.place();
    let mut standing = standing(points);
    standing.retain(|point| point.blob.place() == container);
    while let Some(point) = choose(&standing) {
        match ports.blobs.look(&point.blob, access_key).await {
            BlobLook::Present(seen) if point.is_of(&seen) => {
                return Ok(Plan { blob: point.blob, e_tag: Some(seen.e_tag), ..plan });
            }
            BlobLook::Unread { .. } => {
                let e_tag = point.verification.seen().map(|seen| seen.e_tag.clone());
                return Ok(Plan { blob: point.blob, e_tag, ..plan });
            }
            BlobLook::Absent | BlobLook::Present(_) => {
                tracing::warn!(blob = %point.blob, "this recovery point is not there any more, or was overwritten");
                standing.retain(|other| other.id != point.id);
            }
        }
    }
    Err(Error::NoRecoveryPoint { what, service, container })
}

fn wanted(pick: Pick) -> String {
    let kind = if pick.verified { "verified recovery point" } else { "recovery point" };
    match pick.until {
        Some(until) => format!("{kind} that was started up to {until:.0}"),
        None => kind.to_owned(),
    }
}
