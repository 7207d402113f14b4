//! Which blob a request means: what the catalogue has to say to it before it is opened.

use jiff::SignedDuration;

use super::Error;
use crate::{
    domain::{BlobRef, Choice, Occasion, Pick, Plan, standing},
    ports::Ports,
};

/// How far back a backup may have been opened whose name has today's date, in whatever time zone.
const A_DAY: SignedDuration = SignedDuration::from_hours(48);

/// A request's plan, with the blob that it means if it is opened now.
pub async fn choose(ports: &Ports, plan: Plan, choice: &Choice) -> Result<Plan, Error> {
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
        Choice::Pick(pick) => picked(ports, plan, *pick).await,
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
    Ok(points.points.iter().any(|point| point.blob == plan.blob))
}

async fn picked(ports: &Ports, plan: Plan, pick: Pick) -> Result<Plan, Error> {
    let source = plan.source.clone().unwrap_or_else(|| plan.service.name.clone());
    let unread = |source_error| Error::Catalog { service: source.clone(), source: source_error };
    let points = ports.catalog.points(&source, None).await.map_err(unread)?;
    let container = plan.blob.place();
    let mut standing = standing(points.points);
    standing.retain(|point| point.blob.place() == container);
    match pick.choose(&standing) {
        Some(point) => Ok(Plan { blob: BlobRef { name: point.blob.name.clone(), ..plan.blob }, ..plan }),
        None => Err(Error::NoRecoveryPoint { what: wanted(pick), service: source, container }),
    }
}

fn wanted(pick: Pick) -> String {
    let kind = if pick.verified { "verified recovery point" } else { "recovery point" };
    match pick.until {
        Some(until) => format!("{kind} that was started up to {until:.0}"),
        None => kind.to_owned(),
    }
}
