//! Once a day what is long over leaves the records.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, civil::Date, tz::TimeZone};

use crate::ports::{Ports, Pruned, RecordsError};

/// How long it stays: a year, and time to look back at it.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Prunes the records once a day, over all instances that share them.
#[derive(Debug, Default)]
pub struct Pruner {
    /// The newest day (UTC) that is known to be somebody's, so that the records are asked once a day.
    claimed: Mutex<Option<Date>>,
}

impl Pruner {
    /// Prunes, if nobody did today. It is housekeeping: what fails is told, and left for the next day.
    pub async fn prune(&self, ports: &Ports) {
        match self.try_prune(ports).await {
            Ok(None) => {}
            Ok(Some(Pruned { deleted, left })) => {
                tracing::info!(records.deleted = deleted, "the records were pruned");
                for error in left {
                    tracing::warn!("old, and left in the records: {error}");
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "pruning the records is not finished; the next day goes on"
                );
            }
        }
    }

    async fn try_prune(&self, ports: &Ports) -> Result<Option<Pruned>, RecordsError> {
        let now = ports.azure.now();
        let today = now.to_zoned(TimeZone::UTC).date();
        if self.claimed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|day| today <= day) {
            return Ok(None);
        }
        let ours = ports.journal.claim_pruning(now).await?;
        *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = Some(today);
        match now.checked_sub(KEPT) {
            Ok(before) if ours => ports.journal.prune(before).await.map(Some),
            _ => Ok(None),
        }
    }
}
