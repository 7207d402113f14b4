//! Looking for oneself: at the blob of a backup that Azure calls done, and at the one that a restore is to read.

use std::time::Duration;

use futures::{StreamExt as _, future::join};

use super::{
    Error,
    advance::{Step, access_for_watching},
    aftermath,
    record::{again, record},
    snapshot,
};
use crate::{
    domain::{
        BlobLook, BlobRef, Entry, Event, Finding, Kind, Operation, Plan, RecoveryPoint, Secret, Tier,
        Verdict, Verification, nearest, objection, preflight::Source, standing,
    },
    ports::{Access, Ports, RecordsError},
};

/// Between two looks at a blob that should be there.
pub(super) const PAUSE: Duration = Duration::from_secs(15);

/// Of how many blobs the nearest names are told.
const MOST_NAMES: usize = 20_000;

/// Verifying: one look.
pub(super) async fn verify(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    match entry.operation.plan.kind {
        Kind::Backup => verify_backup(ports, entry).await,
        Kind::Restore => aftermath::verify(ports, entry).await,
    }
}

async fn verify_backup(ports: &Ports, entry: Entry) -> Result<Step, Error> {
    let operation = &entry.operation;
    let access = access_for_watching(ports, operation).await?;
    let look = ports.blobs.look(&operation.plan.blob, access.credentials.access_key.as_ref()).await;
    let event = match operation.verdict(&look, ports.azure.now(), PAUSE) {
        Verdict::LookAgain => return Ok(again(ports, entry, PAUSE)),
        Verdict::Record(event) => event,
    };
    if matches!(event, Event::Verified { .. }) {
        keep_snapshot(ports, operation, &access).await;
    }
    let Event::Verified { verification: Verification::Verified { blob } } = event else {
        return record(ports, entry, event).await;
    };
    let id = operation.id;
    let owners = ports.catalog.owners(&operation.plan.blob).await;
    let owners = owners.map_err(|source| Error::Records { action: "verifying", id, source })?;
    let service = operation.plan.service.name.key();
    let verification = match owners.iter().find(|owner| owner.key() != service) {
        None => Verification::Verified { blob },
        Some(other) => Verification::Unverified {
            reason: format!("{other} has backups under this name, too: nobody can tell whose it is"),
            blob: Some(blob),
        },
    };
    record(ports, entry, Event::Verified { verification }).await
}

/// What the backup does not carry is kept beside it, as it is now. No backup fails for the lack of it.
async fn keep_snapshot(ports: &Ports, operation: &Operation, access: &Access) {
    let Operation { id, plan, .. } = operation;
    let now = ports.azure.now();
    let snapshot = match Box::pin(snapshot::take(&*ports.inspection, &plan.service, access, now)).await {
        Ok(snapshot) => snapshot,
        Err(error) => {
            tracing::warn!(operation.id = %id, azure.error = %error, "what the backup does not carry could not be read");
            return;
        }
    };
    if let Err(error) = ports.catalog.record_snapshot(*id, &snapshot).await {
        tracing::warn!(operation.id = %id, error = &error as &dyn std::error::Error, "what the backup does not carry could not be kept");
    }
}

/// Whether a restore may start.
pub(super) enum Sighted {
    /// With what was seen.
    Fit(BlobLook),
    /// Not now.
    Wait {
        reason: String,
    },
    Unfit(Finding),
}

/// Looks at what a restore is to read, right before it starts. Its marker is in the records by now: whoever wants to
/// delete the blob says so first, and looks for such markers then. So one of the two sees the other.
pub(super) async fn sight(
    ports: &Ports,
    operation: &Operation,
    access: &Access,
    tier: Option<&Tier>,
) -> Result<Sighted, Error> {
    let (id, blob) = (operation.id, &operation.plan.blob);
    let unreached = |source| Error::Records { action: "starting", id, source };
    let now = ports.azure.now();
    if let Some(until) = ports.catalog.marked(blob, now).await.map_err(unreached)? {
        let reason = format!("retention is about to delete {blob}; whether it did is clear at {until:.0}");
        return Ok(Sighted::Wait { reason });
    }
    let key = access.credentials.access_key.as_ref();
    let look = ports.blobs.look(blob, key).await;
    if let (Some(e_tag), BlobLook::Present(seen)) = (&operation.plan.e_tag, &look)
        && !seen.has(e_tag)
    {
        let text = format!("{blob} was overwritten since this restore chose it");
        let remedy = "choose again; or name the blob as backupName, to restore what is there now";
        return Ok(Sighted::Unfit(Finding::blocks("backup.overwritten", text, remedy)));
    }
    let point = known(ports, &operation.plan).await;
    let objection = objection(blob, &look, point.as_ref(), tier, now);
    let Some(mut finding) = objection.filter(|finding| !operation.plan.ignores(finding)) else {
        return Ok(Sighted::Fit(look));
    };
    if look == BlobLook::Absent {
        finding.remedy = alike(ports, blob, key).await;
    }
    Ok(Sighted::Unfit(finding))
}

/// What a restore is to read, as far as it can be seen.
pub(super) async fn source(ports: &Ports, plan: &Plan, key: Option<&Secret>) -> Source {
    let (look, point) = join(ports.blobs.look(&plan.blob, key), known(ports, plan)).await;
    Source { look, point }
}

/// What the catalogue knows of the blob of a restore. Without it the backup's tier is not known, and its age is the
/// blob's: no reason to keep anybody from a restore.
pub(super) async fn known(ports: &Ports, plan: &Plan) -> Option<RecoveryPoint> {
    recovery_point(ports, &plan.blob).await.unwrap_or_else(|error| {
        tracing::warn!(
            blob = %plan.blob,
            error = &error as &dyn std::error::Error,
            "the catalogue cannot be read; restoring without"
        );
        None
    })
}

/// The recovery point that a blob is, whoever's backup.
async fn recovery_point(ports: &Ports, blob: &BlobRef) -> Result<Option<RecoveryPoint>, RecordsError> {
    let mut points = Vec::new();
    for service in ports.catalog.owners(blob).await? {
        points.extend(ports.catalog.points(&service, None).await?.points);
    }
    points.retain(|point| point.blob == *blob);
    Ok(standing(points).into_iter().next())
}

/// What to do about a name that is not there.
pub(super) async fn alike(ports: &Ports, blob: &BlobRef, key: Option<&Secret>) -> String {
    let container = blob.place();
    let mut listed = ports.blobs.list(&container, key);
    let mut names = Vec::new();
    while let Some(Ok(blob)) = listed.next().await {
        names.push(blob.name);
        if names.len() == MOST_NAMES {
            break;
        }
    }
    let near = nearest(&blob.name, names.iter().map(String::as_str));
    if near.is_empty() {
        return format!("nothing in {container} has a name like it; see apim-dr list");
    }
    format!("check the name; {container} has {}", near.join(", "))
}
