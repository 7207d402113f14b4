//! The first stage of a restore, if it is asked for: its service is backed up, as an operation of its own.
//!
//! Whoever carries the restore on opens that backup, once: it is claimed by the restore's id. It takes the service's lock
//! like any other, so the restore takes it only when the backup is over.

use std::time::Duration;

use super::{
    Error, IfBusy,
    advance::{Step, blocked_by},
    open::{open, read},
    preflight::{Scope, preflight},
    record::{again, record},
};
use crate::{
    domain::{
        AzureError, BlobName, BlobRef, Credentials, Entry, Event, Finding, Kind, Operation, Plan,
        Verification, later,
    },
    ports::{Access, Cause, Ports},
};

/// Between two looks at the backup.
const PAUSE: Duration = Duration::from_secs(15);

/// The next step of the first stage; `Err`: the entry of a restore that may go on.
pub(super) async fn stage(
    ports: &Ports,
    entry: Entry,
    access: &Access,
) -> Result<Result<Step, Entry>, Error> {
    let operation = &entry.operation;
    if operation.is_safe_to_start() {
        return Ok(Err(entry));
    }
    let Some(backup) = &operation.safety_backup else {
        return Box::pin(begin(ports, entry, access)).await.map(Ok);
    };
    let id = backup.operation;
    let made = read(ports, id).await?.ok_or(Error::NotFound(id))?;
    let event = match &made.verification {
        _ if !made.phase.is_closed() => {
            let reason = format!("its safety backup comes first: operation {id} is {}", made.phase);
            if operation.waiting.as_ref() == Some(&reason) {
                return Ok(Ok(again(ports, entry, PAUSE)));
            }
            Event::Waited { reason, until: later(ports.azure.now(), PAUSE) }
        }
        Some(Verification::Verified { .. }) => Event::SafetyBackupVerified,
        _ => blocked_by(unsafe_to_start(&made)),
    };
    record(ports, entry, event).await.map(Ok)
}

async fn begin(ports: &Ports, entry: Entry, access: &Access) -> Result<Step, Error> {
    let operation = &entry.operation;
    // What cannot be restored need not be backed up first.
    if operation.findings.is_empty()
        && let Ok((_, inventory)) = ports.inspection.inventory(&operation.plan.service, access).await
    {
        let findings = Box::pin(preflight(ports, &operation.plan, access, &inventory, Scope::Whole)).await;
        if !findings.is_empty() {
            return record(ports, entry, Event::Checked { findings }).await;
        }
    }
    let plan = match safety_plan(operation) {
        Ok(plan) => plan,
        Err(finding) => return record(ports, entry, blocked_by(finding)).await,
    };
    let blob = plan.blob.clone();
    let cause = Cause::Key { route: "safety-backup", key: operation.id.to_string(), body: String::new() };
    // Whoever asked for the restore is told of that alone.
    let credentials = Credentials { callback: None, ..access.credentials.clone() };
    let opened = open(ports, plan, &credentials, &cause, IfBusy::Wait).await?;
    record(ports, entry, Event::SafetyBackupOpened { operation: opened.operation.id, blob }).await
}

/// A backup of what is about to be overwritten, beside what is to be restored, and under a name that nothing else has.
fn safety_plan(restore: &Operation) -> Result<Plan, Finding> {
    let Plan { service, blob, access, caller, .. } = &restore.plan;
    let name = format!("{}_before-restore_{}", service.name, restore.opened.strftime("%Y%m%dT%H%M%SZ"));
    let name: BlobName = name.parse().map_err(|error: crate::domain::InvalidName| {
        Finding::blocks(
            "safety-backup.name",
            "the safety backup has no name that a blob may have",
            error.remedy,
        )
    })?;
    Ok(Plan {
        kind: Kind::Backup,
        service: service.clone(),
        blob: BlobRef { name, ..blob.clone() },
        access: access.clone(),
        caller: caller.clone(),
        retention: None,
        source: None,
        e_tag: None,
        ignore: restore.plan.ignore.clone(),
        safety_backup: false,
        safety_for: Some(restore.id),
        drill: None,
    })
}

/// Why a restore does not go on after its safety backup.
fn unsafe_to_start(backup: &Operation) -> Finding {
    let Operation { id, plan, phase, verification, failure, .. } = backup;
    let why = match (failure, verification) {
        (Some(failure), _) => failure.to_string(),
        (None, Some(Verification::Unverified { reason, .. })) => format!("nobody could see it: {reason}"),
        _ => format!("it is {phase}"),
    };
    let first = match failure.as_ref().map(|failure| &failure.error) {
        Some(AzureError { remedy: Some(remedy), .. }) => remedy.clone(),
        _ => format!("see apim-dr operations show {id}"),
    };
    let remedy = format!("{first}; or restore without safetyBackup");
    let text =
        format!("the safety backup of {} is none, so nothing was overwritten: {why}", plan.service.name);
    Finding::blocks("safety-backup.failed", text, remedy)
}
