//! What is kept of a schedule: since when a target has it.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::store::{Created, Store, failed};
use crate::{domain::TargetName, ports::RecordsError};

/// `slots/{target}/first-seen.{hash of the schedule}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstSeen {
    version: u32,
    writer: Uuid,
    schedule: String,
    at: Timestamp,
}

pub(super) async fn first_seen(
    store: &Store,
    target: &TargetName,
    schedule: &str,
    now: Timestamp,
) -> Result<Timestamp, RecordsError> {
    let hash = Sha256::digest(schedule);
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let path = Path::from(format!("slots/{target}/first-seen.{hash:08x}"));
    let writer = Uuid::new_v4();
    let mine = FirstSeen { version: 1, writer, schedule: schedule.to_owned(), at: now };
    if store.create(&path, &mine, writer).await? == Created::Ours {
        return Ok(now);
    }
    let stored: Option<FirstSeen> = store.read(&path).await?;
    stored
        .map(|stored| stored.at)
        .ok_or_else(|| failed("read", path.to_string(), "it is there and it is not"))
}

#[cfg(test)]
mod tests {
    use crate::{
        ports::Journal as _,
        records::{Location, Records},
    };

    #[tokio::test]
    async fn a_target_is_first_seen_once_with_each_schedule() {
        let records = Records::open(&Location::Memory, None).await.unwrap();
        let rows = [
            ("primary", "0 0 1 * * *", "2026-11-21T01:00:00Z", "2026-11-21T01:00:00Z"),
            ("primary", "0 0 1 * * *", "2026-11-22T01:00:00Z", "2026-11-21T01:00:00Z"),
            ("primary", "0 0 2 * * *", "2026-11-23T01:00:00Z", "2026-11-23T01:00:00Z"),
            ("standby", "0 0 1 * * *", "2026-11-24T01:00:00Z", "2026-11-24T01:00:00Z"),
            ("primary", "0 0 2 * * *", "2026-11-25T01:00:00Z", "2026-11-23T01:00:00Z"),
        ];
        for (target, schedule, now, expected) in rows {
            let seen = records.first_seen(&target.parse().unwrap(), schedule, now.parse().unwrap()).await;
            assert_eq!(seen.unwrap().to_string(), expected, "{target}, {schedule} at {now}");
        }
    }
}
