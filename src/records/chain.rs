//! Chains of holders: one open operation per API Management service, and one per request.
//!
//! `{chain}/{n}` names an operation. The highest `n` holds, until its operation is closed; the next one creates
//! `n + 1` and looks again: a contender that is not the highest has lost. Nothing is deleted to unlock.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Records, store::failed};
use crate::{
    domain::{OperationId, later},
    ports::{Journal, RecordsError},
};

/// How long after its deadline a holder that cannot be read still counts.
const GRACE: std::time::Duration = std::time::Duration::from_hours(1);
/// How many former holders are left standing, for whoever listed the chain a while ago.
const KEPT: u64 = 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Holder {
    version: u32,
    writer: Uuid,
    pub(super) operation: OperationId,
    pub(super) opened: Timestamp,
    pub(super) deadline: Timestamp,
    /// Counts only if the operation cannot be read.
    expires: Timestamp,
}

impl Holder {
    pub(super) fn new(operation: OperationId, opened: Timestamp, deadline: Timestamp) -> Self {
        let expires = later(deadline, GRACE);
        Self { version: 1, writer: Uuid::new_v4(), operation, opened, deadline, expires }
    }
}

/// Makes `ours` the holder, unless another open operation is: then that one.
pub(super) async fn take(
    records: &Records,
    chain: &Path,
    ours: &Holder,
    now: Timestamp,
) -> Result<Option<Holder>, RecordsError> {
    let mut next = 1;
    if let Some((n, holder)) = highest(records, chain).await? {
        if holder.operation == ours.operation {
            return Ok(None);
        }
        if !is_free(records, &holder, now).await? {
            return Ok(Some(holder));
        }
        next = n + 1;
    }
    records.store.create(&holder_path(chain, next), ours, ours.writer).await?;
    match highest(records, chain).await? {
        Some((n, highest)) if highest.operation == ours.operation => {
            forget_before(records, chain, n.saturating_sub(KEPT)).await;
            Ok(None)
        }
        Some((_, highest)) => Ok(Some(highest)),
        None => Err(failed("read back", chain.to_string(), "the holder that was written is not there")),
    }
}

/// The holder, if its operation is open.
pub(super) async fn current(
    records: &Records,
    chain: &Path,
    now: Timestamp,
) -> Result<Option<Holder>, RecordsError> {
    match highest(records, chain).await? {
        Some((_, holder)) if !is_free(records, &holder, now).await? => Ok(Some(holder)),
        _ => Ok(None),
    }
}

async fn highest(records: &Records, chain: &Path) -> Result<Option<(u64, Holder)>, RecordsError> {
    let names = records.store.list(chain).await?;
    let Some(n) = names.iter().filter_map(number).max() else { return Ok(None) };
    Ok(records.store.read(&holder_path(chain, n)).await?.map(|holder| (n, holder)))
}

/// Free when its operation is closed. One whose records are gone or corrupt holds until it expires; a store
/// that does not answer says nothing.
async fn is_free(records: &Records, holder: &Holder, now: Timestamp) -> Result<bool, RecordsError> {
    match records.last(holder.operation).await {
        Ok(Some(entry)) => Ok(entry.operation.phase.is_closed()),
        Ok(None) | Err(RecordsError::Corrupt { .. }) => Ok(now > holder.expires),
        Err(error) => Err(error),
    }
}

/// Only tidies up: what fails is done by the next one.
async fn forget_before(records: &Records, chain: &Path, n: u64) {
    for name in records.store.list(chain).await.unwrap_or_default() {
        if number(&name).is_some_and(|number| number < n) {
            let _ = records.store.delete(&name).await;
        }
    }
}

fn number(name: &Path) -> Option<u64> {
    name.filename()?.parse().ok()
}

/// Numbers are padded so that names sort as they count.
fn holder_path(chain: &Path, n: u64) -> Path {
    Path::from(format!("{chain}/{n:010}"))
}
