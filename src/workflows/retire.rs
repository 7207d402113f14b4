//! Retention: older recovery points go, after a backup that was verified, or when somebody says so by hand.
//!
//! A restore that is open keeps its container as it is. So that none is overlooked, whoever deletes says so first, in
//! the records, and then looks for open restores; whoever restores has its marker in the records first, and then looks
//! whether somebody deletes. A blob goes only if it is still the one that was seen.

use std::{collections::HashMap, fmt, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use super::stock::{Item, Stock, Whereabouts, note, take_stock};
use crate::{
    domain::{
        BlobLook, Candidate, ContainerRef, Deleted, Fate, Kind, Operation, OperationId, Plan, Policy, Reason,
        RecoveryPoint, Secret, Seen, ServiceId, ServiceName, later,
    },
    ports::{Access, Deletion, Mark, Ports, ReadError, RecordsError},
};

/// How long a mark says that a blob is about to be deleted.
const MARKED: Duration = Duration::from_mins(5);
/// What must be left of that when a deletion begins: more than it may take, with all repeats.
const MARGIN: Duration = Duration::from_mins(1);
/// How many are deleted between two looks for restores.
const BATCH: usize = 50;
const AT_ONCE: usize = 8;
/// How many go after one backup: the next one goes on.
const AFTER_A_BACKUP: usize = 200;

/// A service's recovery points in one container, and what is to become of them.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'a> {
    pub service: &'a ServiceName,
    pub container: &'a ContainerRef,
    pub policy: &'a Policy,
    pub access_key: Option<&'a Secret>,
}

/// What becomes of each recovery point that stands, newest first.
#[derive(Debug, Default)]
pub struct Retirement {
    pub points: Vec<(RecoveryPoint, Outcome)>,
    /// Why nothing goes, whatever the rules say.
    pub halted: Option<String>,
    pub unreadable: Vec<RecordsError>,
}

/// What becomes of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Kept(Vec<Reason>),
    /// It was made before a restore: no rule is about it.
    KeptForSafety,
    /// No rule keeps it.
    ToGo,
    Deleted,
    /// No rule keeps it, but nobody may delete it now.
    KeptByLock {
        reason: String,
    },
    /// Another service has backups under this name, too: nobody can tell whose it is.
    Shared {
        with: ServiceName,
    },
    /// No rule keeps it; another run may delete it.
    Postponed {
        reason: String,
    },
    /// It is not in its container any more: somebody else deleted it.
    Gone,
    /// Somebody else wrote another blob under its name: it is not ours to delete.
    Overwritten,
    /// Nobody could see whether it is there.
    Unseen,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(Reason::to_string).collect();
                write!(f, "kept: {}", reasons.join(", "))
            }
            Self::KeptForSafety => f.write_str("kept: made before a restore; only by hand it goes"),
            Self::ToGo => f.write_str("no rule keeps it"),
            Self::Deleted => f.write_str("deleted: no rule keeps it"),
            Self::KeptByLock { reason } => write!(f, "kept by lock: {reason}"),
            Self::Shared { with } => write!(f, "left alone: {with} has backups under its name, too"),
            Self::Postponed { reason } => write!(f, "no rule keeps it, but it stays for now: {reason}"),
            Self::Gone => f.write_str("not in its container any more: somebody else deleted it"),
            Self::Overwritten => f.write_str("left alone: somebody else wrote another blob under its name"),
            Self::Unseen => f.write_str("left alone: the container cannot be listed"),
        }
    }
}

/// What would go, and why the rest stays. Changes nothing.
pub async fn plan_retirement(ports: &Ports, shelf: Shelf<'_>) -> Result<Retirement, RecordsError> {
    let (mut retirement, _) = decide(ports, shelf, take(ports, shelf).await?);
    let to_go = retirement.points.iter_mut().filter(|(_, outcome)| *outcome == Outcome::ToGo);
    // A listing does not tell who holds a blob.
    let looks = stream::iter(to_go).map(async |(point, outcome)| {
        if let BlobLook::Present(Seen { locked: Some(reason), .. }) =
            ports.blobs.look(&point.blob, shelf.access_key).await
        {
            *outcome = Outcome::KeptByLock { reason };
        }
    });
    looks.buffer_unordered(AT_ONCE).collect::<()>().await;
    Ok(retirement)
}

/// Deletes what no rule keeps, at most so many.
pub async fn retire(ports: &Ports, shelf: Shelf<'_>, most: usize) -> Result<Retirement, RecordsError> {
    let stock = take(ports, shelf).await?;
    note(ports, &stock).await?;
    let (mut retirement, seen) = decide(ports, shelf, stock);
    let to_go: Vec<_> = (0..retirement.points.len())
        .filter(|index| retirement.points[*index].1 == Outcome::ToGo)
        // The oldest first.
        .rev()
        .collect();
    let mut deleted = 0;
    for batch in to_go.chunks(BATCH.min(most)) {
        if deleted >= most {
            // What is locked does not count, or it would be tried for ever.
            let reason = format!("{most} go at a time");
            for index in batch {
                retirement.points[*index].1 = Outcome::Postponed { reason: reason.clone() };
            }
            continue;
        }
        let points: Vec<_> =
            batch.iter().map(|index| (&retirement.points[*index].0, &seen[*index])).collect();
        let outcomes = delete_batch(ports, shelf, &points).await?;
        for (index, outcome) in batch.iter().zip(outcomes) {
            deleted += usize::from(outcome == Outcome::Deleted);
            retirement.points[*index].1 = outcome;
        }
    }
    Ok(retirement)
}

/// After a backup that was verified, as its plan says. What fails is told, and left for the next one.
pub(super) async fn retire_after(ports: &Ports, operation: &Operation, point: &RecoveryPoint) {
    let policy = operation.plan.retention.as_ref().filter(|policy| !policy.rules.is_empty());
    let Some(policy) = policy.filter(|_| point.is_verified()) else { return };
    let container = point.blob.place();
    let retired = async {
        // Once: whoever looks at it later must not act by rules that were set aside since.
        if ports.journal.opening(operation.id).await?.is_none() {
            return Ok(Retirement::default());
        }
        let credentials = ports.journal.credentials(operation).await?;
        let access = Access { caller: operation.plan.caller.clone(), credentials };
        if !hears_the_time(ports, &point.service, &access).await {
            let halted = Some("nobody knows Azure's time".to_owned());
            return Ok(Retirement { halted, ..Retirement::default() });
        }
        let access_key = access.credentials.access_key.as_ref();
        let shelf = Shelf { service: &point.service.name, container: &container, policy, access_key };
        retire(ports, shelf, AFTER_A_BACKUP).await
    };
    match retired.await {
        Ok(retirement) => {
            if let Some(reason) = &retirement.halted {
                tracing::warn!(operation.id = %operation.id, "retention deletes nothing: {reason}");
            }
            for error in &retirement.unreadable {
                tracing::warn!("retention passes over what it cannot read: {error}");
            }
            let points = retirement.points.len();
            let deleted =
                retirement.points.iter().filter(|(_, outcome)| *outcome == Outcome::Deleted).count();
            tracing::info!(operation.id = %operation.id, points, deleted, "retention looked at what there is");
        }
        Err(error) => {
            tracing::warn!(
                operation.id = %operation.id,
                error = &error as &dyn std::error::Error,
                "retention is not finished; the next backup goes on"
            );
        }
    }
}

/// Asks Azure Resource Manager, so that a mark is of its time: whoever only closes has not asked before. Whatever it
/// answers tells the time.
pub async fn hears_the_time(ports: &Ports, service: &ServiceId, access: &Access) -> bool {
    match ports.azure.service(service, access).await {
        Ok(_) => true,
        Err(ReadError::Definite(error) | ReadError::Transient(error)) => error.status.is_some(),
    }
}

async fn take(ports: &Ports, shelf: Shelf<'_>) -> Result<Stock, RecordsError> {
    take_stock(ports, std::slice::from_ref(shelf.service), shelf.container, shelf.access_key).await
}

/// What the rules say of what is there; and beside each point the blob that was seen.
fn decide(ports: &Ports, shelf: Shelf<'_>, stock: Stock) -> (Retirement, Vec<Option<Seen>>) {
    let Stock { items, unlisted, unreadable, .. } = stock;
    let mut outcomes = judge(&items, shelf.policy, ports.azure.now());
    let halted = unlisted.map(|reason| format!("the container cannot be listed: {reason}"));
    if let Some(reason) = &halted {
        let to_go = outcomes.iter_mut().filter(|outcome| **outcome == Outcome::ToGo);
        to_go.for_each(|outcome| *outcome = Outcome::Postponed { reason: reason.clone() });
    }
    let seen = items.iter().map(|item| item.seen().cloned()).collect();
    let points = items.into_iter().map(|item| item.point).zip(outcomes).collect();
    (Retirement { points, halted, unreadable }, seen)
}

/// What the rules say of the recovery points of one service in one container, one by one.
pub fn judge(items: &[Item], policy: &Policy, now: Timestamp) -> Vec<Outcome> {
    let candidates: Vec<_> = items.iter().filter_map(candidate).collect();
    let decisions = policy.rules.plan(&candidates, &policy.time_zone, now);
    let mut fates: HashMap<OperationId, Fate> =
        decisions.into_iter().map(|decision| (decision.key, decision.fate)).collect();
    let outcome = |item: &Item| match (&item.blob, fates.remove(&item.point.id)) {
        (Whereabouts::Gone, _) => Outcome::Gone,
        (Whereabouts::Overwritten(_), _) => Outcome::Overwritten,
        (Whereabouts::There(_), None) if item.point.safety_for.is_some() => Outcome::KeptForSafety,
        (Whereabouts::Unknown, _) | (_, None) => Outcome::Unseen,
        (Whereabouts::There(_), Some(Fate::Keep(reasons))) => Outcome::Kept(reasons),
        (Whereabouts::There(_), Some(Fate::Remove)) => Outcome::ToGo,
    };
    items.iter().map(outcome).collect()
}

/// A recovery point as the rules see it: only what is there counts.
fn candidate(item: &Item) -> Option<Candidate<OperationId>> {
    let point = &item.point;
    let seen = item.seen().filter(|_| point.safety_for.is_none())?;
    let verified = point.is_verified() || point.is_proved_by(seen);
    Some(Candidate { key: point.id, at: point.at, verified, locked: None })
}

/// Says which blobs are about to go, looks for restores, and deletes.
async fn delete_batch(
    ports: &Ports,
    shelf: Shelf<'_>,
    points: &[(&RecoveryPoint, &Option<Seen>)],
) -> Result<Vec<Outcome>, RecordsError> {
    let until = later(ports.azure.now(), MARKED);
    let mut marks = Vec::new();
    for (point, _) in points {
        marks.push(ports.catalog.mark(&point.blob, until));
    }
    let marks: Vec<_> = stream::iter(marks).buffered(AT_ONCE).collect().await;
    let frozen = match reading(ports, shelf.container).await {
        Ok(Some(id)) => Some(format!("operation {id} restores from {}", shelf.container)),
        Ok(None) => None,
        Err(error) => Some(format!("nobody can tell whether a restore is open: {error}")),
    };
    let mut deletes = Vec::new();
    for ((point, seen), mark) in points.iter().zip(marks) {
        deletes.push(delete_marked(ports, shelf, (point, seen.as_ref()), mark, frozen.as_deref()));
    }
    // One that fails must not drop those that are on their way.
    let outcomes: Vec<_> = stream::iter(deletes).buffered(AT_ONCE).collect().await;
    outcomes.into_iter().collect()
}

async fn delete_marked(
    ports: &Ports,
    shelf: Shelf<'_>,
    (point, seen): (&RecoveryPoint, Option<&Seen>),
    mark: Result<Mark, RecordsError>,
    frozen: Option<&str>,
) -> Result<Outcome, RecordsError> {
    // One that failed may stand all the same; it says nothing for long.
    let mark = mark?;
    match (seen, frozen) {
        (Some(seen), None) => delete(ports, shelf, point, seen, &mark).await,
        (_, frozen) => {
            ports.catalog.unmark(&mark).await?;
            Ok(Outcome::Postponed { reason: frozen.unwrap_or("nobody saw it").to_owned() })
        }
    }
}

async fn delete(
    ports: &Ports,
    shelf: Shelf<'_>,
    point: &RecoveryPoint,
    seen: &Seen,
    mark: &Mark,
) -> Result<Outcome, RecordsError> {
    let others = ports.catalog.owners(&point.blob).await?;
    if let Some(other) = others.iter().find(|other| other.key() != shelf.service.key()) {
        ports.catalog.unmark(mark).await?;
        return Ok(Outcome::Shared { with: other.clone() });
    }
    // Last of all: nothing may take its time between this and the deletion.
    if later(ports.azure.now(), MARGIN) > mark.until {
        return Ok(Outcome::Postponed { reason: "it took too long to get there".to_owned() });
    }
    let outcome = match ports.blobs.delete(&point.blob, seen, shelf.access_key).await {
        Deletion::Deleted | Deletion::Gone => {
            ports.catalog.record_deleted(point, &by_retention(ports)).await?;
            tracing::info!(operation.id = %point.id, blob = %point.blob, "a recovery point was deleted: no rule keeps it");
            Outcome::Deleted
        }
        Deletion::Changed => Outcome::Overwritten,
        Deletion::Locked { reason } => Outcome::KeptByLock { reason },
        Deletion::Refused { reason } => {
            tracing::warn!(operation.id = %point.id, blob = %point.blob, "it cannot be deleted: {reason}");
            Outcome::Postponed { reason }
        }
        // The mark stays until it says nothing any more.
        Deletion::Unknown { reason } => return Ok(Outcome::Postponed { reason }),
    };
    ports.catalog.unmark(mark).await?;
    Ok(outcome)
}

pub(super) fn by_retention(ports: &Ports) -> Deleted {
    Deleted { at: ports.azure.now(), reason: "retention: no rule keeps it".to_owned() }
}

/// An open restore from the container; one that cannot be read may be one.
async fn reading(ports: &Ports, container: &ContainerRef) -> Result<Option<OperationId>, RecordsError> {
    let reads =
        |kind: Kind, blob: &crate::domain::BlobRef| kind == Kind::Restore && blob.place() == *container;
    let mut plans = Vec::new();
    for id in ports.journal.open_operations().await? {
        plans.push(async move { (id, plan(ports, id).await) });
    }
    let mut plans = stream::iter(plans).buffer_unordered(AT_ONCE);
    while let Some((id, plan)) = plans.next().await {
        match plan {
            Ok(plan) if plan.as_ref().is_some_and(|plan| reads(plan.kind, &plan.blob)) => {
                return Ok(Some(id));
            }
            Ok(_) => {}
            Err(RecordsError::Corrupt { .. }) => return Ok(Some(id)),
            Err(error) => return Err(error),
        }
    }
    ports.catalog.frozen(container, ports.azure.now()).await
}

/// What an operation that was open a moment ago is to do. It may have ended meanwhile, or a late answer is about to
/// open it again.
async fn plan(ports: &Ports, id: OperationId) -> Result<Option<Plan>, RecordsError> {
    if let Some(opening) = ports.journal.opening(id).await? {
        return Ok(Some(opening.plan));
    }
    Ok(ports.journal.last(id).await?.map(|entry| entry.operation.plan))
}
