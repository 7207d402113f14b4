//! One open operation per API Management service: a chain of holders.
//!
//! `locks/{instance}/{n}` names an operation. The highest `n` holds, until its operation is closed; the next one creates
//! `n + 1` and looks again: a contender that is not the highest has lost. Nothing is deleted to unlock.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Records, store::failed};
use crate::{
    domain::{Operation, OperationId},
    ports::{Hold, Journal, RecordsError},
};

/// How long after its deadline a holder that cannot be read still counts.
const GRACE: std::time::Duration = std::time::Duration::from_hours(1);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    version: u32,
    writer: Uuid,
    operation: OperationId,
    /// Counts only if the operation cannot be read.
    expires: Timestamp,
}

/// Takes the service of `operation` unless another open operation has it.
pub(super) async fn hold(
    records: &Records,
    operation: &Operation,
    now: Timestamp,
) -> Result<Hold, RecordsError> {
    let chain = Path::from(format!("locks/{}", operation.plan.service.name.key()));
    let mut next = 1;
    if let Some((n, holder)) = highest(records, &chain).await? {
        if holder.operation == operation.id {
            return Ok(Hold::Ours);
        }
        if !is_free(records, &holder, now).await? {
            return Ok(Hold::Theirs(holder.operation));
        }
        next = n + 1;
    }
    let writer = Uuid::new_v4();
    let expires = operation.deadline.checked_add(GRACE).unwrap_or(Timestamp::MAX);
    let holder = Holder { version: 1, writer, operation: operation.id, expires };
    records.store.create(&holder_path(&chain, next), &holder, writer).await?;
    match highest(records, &chain).await? {
        Some((_, highest)) if highest.operation == operation.id => Ok(Hold::Ours),
        Some((_, highest)) => Ok(Hold::Theirs(highest.operation)),
        None => Err(failed("read back", chain.to_string(), "the lock that was written is not there")),
    }
}

async fn highest(records: &Records, chain: &Path) -> Result<Option<(u64, Holder)>, RecordsError> {
    let names = records.store.list(chain).await?;
    let highest = names.iter().filter_map(|name| name.filename()?.parse::<u64>().ok()).max();
    let Some(n) = highest else { return Ok(None) };
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

/// Numbers are padded so that names sort as they count.
fn holder_path(chain: &Path, n: u64) -> Path {
    Path::from(format!("{chain}/{n:010}"))
}
