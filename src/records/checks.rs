//! What the daily looks at targets came to: `checks/{target}/{yyyymmdd}.json`.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use object_store::path::Path;

use super::{
    catalog,
    store::{Created, Store},
};
use crate::{
    domain::{DailyCheck, TargetName},
    ports::RecordsError,
};

pub(super) const CHECKS: &str = "checks";
/// How one is named by its day.
pub(super) const FILE: &str = "%Y%m%d.json";

const A_DAY: SignedDuration = SignedDuration::from_hours(24);
/// How many days an earlier look is searched for.
const A_WEEK: i32 = 7;

pub(super) async fn is_there(
    store: &Store,
    target: &TargetName,
    now: Timestamp,
) -> Result<bool, RecordsError> {
    match read(store, target, now).await {
        Ok(check) => Ok(check.is_some()),
        // A newer version's, perhaps: somebody looked.
        Err(RecordsError::Corrupt { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

pub(super) async fn record(store: &Store, check: &DailyCheck) -> Result<bool, RecordsError> {
    let created = catalog::create(store, &path(&check.target, check.at), check).await?;
    Ok(created == Created::Ours)
}

/// The newest of this day and the week before. One that cannot be read does not hide an older one.
pub(super) async fn newest(
    store: &Store,
    target: &TargetName,
    now: Timestamp,
) -> Result<Option<DailyCheck>, RecordsError> {
    for days in 0..=A_WEEK {
        let Ok(day) = now.checked_sub(A_DAY * days) else { break };
        match read(store, target, day).await {
            Ok(None) | Err(RecordsError::Corrupt { .. }) => {}
            found => return found,
        }
    }
    Ok(None)
}

async fn read(
    store: &Store,
    target: &TargetName,
    day: Timestamp,
) -> Result<Option<DailyCheck>, RecordsError> {
    catalog::read(store, &path(target, day)).await
}

fn path(target: &TargetName, day: Timestamp) -> Path {
    let file = day.to_zoned(TimeZone::UTC).strftime(FILE);
    Path::from(format!("{CHECKS}/{target}/{file}"))
}
