//! What makes two openings one: slots of the schedule, callers' keys, and equal requests.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, tz::TimeZone};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Records, chain, chain::Holder, slots, store::Created, store::failed};
use crate::{
    domain::{BlobName, OperationId, Plan},
    ports::{Cause, Claim, Opening, RecordsError},
};

/// How the instant of a slot is written.
pub(super) const SLOT: &str = "%Y%m%dT%H%M%SZ";

/// `slots/{target}/{instant}`, `slots/{target}.drill/{instant}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    version: u32,
    writer: Uuid,
    id: OperationId,
    opened: Timestamp,
    deadline: Timestamp,
    plan: Plan,
}

/// `keys/{digest of route and key}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    version: u32,
    writer: Uuid,
    pub(super) id: OperationId,
    pub(super) opened: Timestamp,
    deadline: Timestamp,
    body: String,
}

pub(super) async fn claimed(
    records: &Records,
    cause: &Cause,
    opening: &Opening,
) -> Result<Option<Claim>, RecordsError> {
    match cause {
        Cause::Slot { target, instant } => {
            read_slot(records, &slot_path(&slots::folder(target), *instant)).await
        }
        Cause::Drill { target, instant } => {
            read_slot(records, &slot_path(&slots::drills_folder(target), *instant)).await
        }
        Cause::Key { route, key, body } => read_key(records, &key_path(route, key), body, opening).await,
        Cause::Request => read_request(records, &opening.plan.blob.name, opening).await,
        Cause::Named { alike } => read_request(records, alike, opening).await,
    }
}

pub(super) async fn claim(
    records: &Records,
    cause: &Cause,
    opening: &Opening,
) -> Result<Claim, RecordsError> {
    let (path, created) = match cause {
        Cause::Slot { target, instant } => {
            create_slot(records, slot_path(&slots::folder(target), *instant), opening).await?
        }
        Cause::Drill { target, instant } => {
            create_slot(records, slot_path(&slots::drills_folder(target), *instant), opening).await?
        }
        Cause::Key { route, key, body } => {
            let Opening { id, opened, deadline, .. } = *opening;
            let writer = Uuid::new_v4();
            let path = key_path(route, key);
            let key = Key { version: 1, writer, id, opened, deadline, body: body.clone() };
            let created = records.store.create(&path, &key, writer).await?;
            (path, created)
        }
        Cause::Request => return take_request(records, &opening.plan.blob.name, opening).await,
        Cause::Named { alike } => return take_request(records, alike, opening).await,
    };
    if created == Created::Ours {
        return Ok(Claim::Ours);
    }
    let theirs = claimed(records, cause, opening).await?;
    theirs.ok_or_else(|| failed("read back", path.to_string(), "it was there, and is not"))
}

async fn read_request(
    records: &Records,
    name: &BlobName,
    ours: &Opening,
) -> Result<Option<Claim>, RecordsError> {
    let holder = chain::current(records, &request_chain(&ours.plan, name), ours.opened).await?;
    Ok(holder.map(|holder| joined(&holder, ours)))
}

async fn take_request(records: &Records, name: &BlobName, ours: &Opening) -> Result<Claim, RecordsError> {
    let holder = Holder::new(ours.id, ours.opened, ours.deadline);
    let theirs = chain::take(records, &request_chain(&ours.plan, name), &holder, ours.opened).await?;
    Ok(theirs.map_or(Claim::Ours, |holder| joined(&holder, ours)))
}

async fn create_slot(
    records: &Records,
    path: Path,
    opening: &Opening,
) -> Result<(Path, Created), RecordsError> {
    let Opening { id, plan, opened, deadline } = opening.clone();
    let writer = Uuid::new_v4();
    let slot = Slot { version: 1, writer, id, opened, deadline, plan };
    let created = records.store.create(&path, &slot, writer).await?;
    Ok((path, created))
}

async fn read_slot(records: &Records, path: &Path) -> Result<Option<Claim>, RecordsError> {
    let slot = records.store.read::<Slot>(path).await?;
    Ok(slot.map(|Slot { id, opened, deadline, plan, .. }| {
        Claim::Theirs(Box::new(Opening { id, plan, opened, deadline }))
    }))
}

async fn read_key(
    records: &Records,
    path: &Path,
    mark: &str,
    ours: &Opening,
) -> Result<Option<Claim>, RecordsError> {
    let key = records.store.read::<Key>(path).await?;
    Ok(key.map(|Key { id, opened, deadline, body, .. }| {
        // An equal body has the same plan, but for the time in a blob's name; and this was not carried out.
        let theirs = || Claim::Theirs(Box::new(Opening { id, plan: ours.plan.clone(), opened, deadline }));
        if body == mark { theirs() } else { Claim::OtherBody }
    }))
}

/// An equal request's operation. If it was not opened yet, it is with our plan and our credentials, which belong
/// together.
fn joined(holder: &Holder, ours: &Opening) -> Claim {
    let Holder { operation: id, opened, deadline, .. } = *holder;
    Claim::Theirs(Box::new(Opening { id, plan: ours.plan.clone(), opened, deadline }))
}

fn slot_path(folder: &Path, instant: Timestamp) -> Path {
    let instant = instant.to_zoned(TimeZone::UTC).strftime(SLOT);
    Path::from(format!("{folder}/{instant}"))
}

fn key_path(route: &str, key: &str) -> Path {
    Path::from(format!("keys/{}", digest(&[route, key])))
}

/// By `name` in place of the plan's: a repetition may have another time in it.
fn request_chain(plan: &Plan, name: &BlobName) -> Path {
    let Plan { kind, service, blob, .. } = plan;
    let parts =
        [kind.as_str(), &service.name.key(), blob.account.as_str(), blob.container.as_str(), name.as_str()];
    Path::from(format!("requests/{}", digest(&parts)))
}

pub(super) fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    URL_SAFE_NO_PAD.encode(digest.finalize())
}
