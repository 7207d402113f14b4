//! What is kept of a schedule: where its instants are, and since when a target has it.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{Created, Store};
use crate::{
    domain::TargetName,
    ports::{RecordsError, Since},
};

/// Of a target's backups: `slots/{target}`.
pub(super) fn folder(target: &TargetName) -> Path {
    Path::from(format!("slots/{target}"))
}

/// Of its drills: `slots/{target}.drill`. No target's name has a dot.
pub(super) fn drills_folder(target: &TargetName) -> Path {
    Path::from(format!("slots/{target}.drill"))
}

/// `{folder}/since/{n}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Began {
    version: u32,
    writer: Uuid,
    schedule: String,
    at: Timestamp,
}

/// The highest `n` is the schedule that the target has. Another one, also an older one that is set back, is written
/// behind it and begins now.
pub(super) async fn since(
    store: &Store,
    folder: &Path,
    schedule: &str,
    now: Timestamp,
) -> Result<Since, RecordsError> {
    let folder = Path::from(format!("{folder}/since"));
    loop {
        let names = store.list(&folder).await?;
        if let Some(newest) = names.last()
            && let Some(began) = store.read::<Began>(newest).await?
            && began.schedule == schedule
        {
            return Ok(Since { at: began.at, changed: names.len() > 1 });
        }
        let number = names.iter().filter_map(|name| name.filename()?.parse::<u64>().ok()).max().unwrap_or(0);
        let writer = Uuid::new_v4();
        let began = Began { version: 1, writer, schedule: schedule.to_owned(), at: now };
        let path = Path::from(format!("{folder}/{:010}", number + 1));
        if store.create(&path, &began, writer).await? == Created::Ours {
            return Ok(Since { at: now, changed: number > 0 });
        }
        // Somebody was faster: with the same schedule, or with one that ours comes after.
    }
}

/// Since when it is this one, if anybody has written that.
pub(super) async fn known_since(
    store: &Store,
    folder: &Path,
    schedule: &str,
) -> Result<Option<Timestamp>, RecordsError> {
    let names = store.list(&Path::from(format!("{folder}/since"))).await?;
    let Some(newest) = names.last() else { return Ok(None) };
    let began = store.read::<Began>(newest).await?;
    Ok(began.filter(|began| began.schedule == schedule).map(|began| began.at))
}

#[cfg(test)]
mod tests {
    use crate::{
        ports::Journal as _,
        records::{Location, Records},
    };

    #[tokio::test]
    async fn the_schedule_of_drills_begins_by_itself() {
        let records = Records::open(&Location::Memory, None).await.unwrap();
        let target = "primary".parse().unwrap();
        let (first, second) =
            ("2026-11-21T01:00:00Z".parse().unwrap(), "2026-11-22T01:00:00Z".parse().unwrap());
        records.since(&target, "0 0 1 * * *", first).await.unwrap();
        for now in [second, first] {
            let since = records.drills_since(&target, "0 0 1 * * SUN", now).await.unwrap();
            assert_eq!((since.at, since.changed), (second, false));
        }
        assert_eq!(records.since(&target, "0 0 1 * * *", second).await.unwrap().at, first);
    }

    #[tokio::test]
    async fn a_schedule_begins_when_it_is_first_seen_and_anew_when_it_is_set_back() {
        let records = Records::open(&Location::Memory, None).await.unwrap();
        let rows = [
            ("primary", "0 0 1 * * *", "2026-11-21T01:00:00Z", "2026-11-21T01:00:00Z", false),
            ("primary", "0 0 1 * * *", "2026-11-22T01:00:00Z", "2026-11-21T01:00:00Z", false),
            ("primary", "0 0 2 * * *", "2026-11-23T01:00:00Z", "2026-11-23T01:00:00Z", true),
            ("standby", "0 0 1 * * *", "2026-11-24T01:00:00Z", "2026-11-24T01:00:00Z", false),
            ("primary", "0 0 2 * * *", "2026-11-25T01:00:00Z", "2026-11-23T01:00:00Z", true),
            ("primary", "0 0 1 * * *", "2026-11-26T01:00:00Z", "2026-11-26T01:00:00Z", true),
            ("primary", "0 0 1 * * *", "2026-11-27T01:00:00Z", "2026-11-26T01:00:00Z", true),
        ];
        for (target, schedule, now, expected, changed) in rows {
            let since =
                records.since(&target.parse().unwrap(), schedule, now.parse().unwrap()).await.unwrap();
            assert_eq!(
                (since.at.to_string().as_str(), since.changed),
                (expected, changed),
                "{target} at {now}"
            );
        }
    }
}
