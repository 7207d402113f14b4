//! What is over leaves the records.
//!
//! Names carry the month, the day or the instant, so only what is old is looked at; keys do not, and the store says
//! when they were written.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use object_store::path::Path;

use super::{
    Records, alarms,
    catalog::{self, DELETED, PASSING},
    checks,
    claims::{Key, SLOT},
    outbox::TOLD,
    snapshots,
    store::{AT_ONCE, Created, Header, Store},
};
use crate::{
    domain::{OperationId, ServiceName, standing},
    ports::{Catalog as _, Journal, Points, Pruned, RecordsError},
};

const DAY: &str = "%Y%m%d";

/// How old the mark of an earlier day may be at most.
const RECENT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Creates `pruned/{yyyymmdd}`. The day is ours only if an earlier one of the last weeks has its mark: a clock that
/// was set wrong, by years, must not empty the records the moment that it is believed.
pub(super) async fn claim(store: &Store, now: Timestamp) -> Result<bool, RecordsError> {
    let today = Path::from(format!("pruned/{}", text(now, DAY)));
    let mark = Header::new();
    if store.create(&today, &mark, mark.writer).await? == Created::Taken {
        return Ok(false);
    }
    let recent = now.checked_sub(RECENT).unwrap_or(now);
    let marks = store.list(&Path::from("pruned")).await?;
    Ok(marks.iter().any(|mark| is_before(mark, now, DAY) && !is_before(mark, recent, DAY)))
}

/// Operations go before the keys that name them: a key without its operation would open it again, past its deadline;
/// an operation without its key would not be found by a repeated request, which would open another one.
pub(super) async fn prune(records: &Records, before: Timestamp) -> Result<Pruned, RecordsError> {
    let mut pruned = Pruned::default();
    operations(records, before, &mut pruned).await?;
    keys(records, before, &mut pruned).await?;
    let store = &records.store;
    let mut old = slots(store, before).await?;
    old.extend(snapshots::old(store, before).await?);
    old.extend(history(store, before).await?);
    old.extend(alarms::old(store, before).await?);
    for (folder, format) in [("pruned", DAY), (checks::CHECKS, checks::FILE)] {
        let names = store.list(&Path::from(folder)).await?;
        old.extend(names.into_iter().filter(|name| is_before(name, before, format)));
    }
    for folder in PASSING.into_iter().chain([TOLD]) {
        let passing = store.objects(&Path::from(folder)).await?.into_iter();
        let passing = passing.filter(|object| object.last_modified.timestamp() < before.as_second());
        old.extend(passing.map(|object| object.location));
    }
    for service in records.services().await? {
        old.extend(recovery_points(records, &service, before, &mut pruned).await?);
    }
    pruned.deleted += store.delete_all(old).await?;
    Ok(pruned)
}

async fn operations(records: &Records, before: Timestamp, pruned: &mut Pruned) -> Result<(), RecordsError> {
    let open: HashSet<_> = records.open_operations().await?.into_iter().collect();
    for month in records.store.folders(&Path::from("operations")).await? {
        if !is_before(&month, before, "%Y%m") {
            continue;
        }
        let folders = records.store.folders(&month).await?;
        let ids = folders.iter().filter_map(|folder| folder.filename()?.parse().ok());
        let ids = ids.filter(|id| !open.contains(id)).collect::<Vec<_>>();
        let mut done = stream::iter(ids).map(|id| operation(records, id)).buffer_unordered(AT_ONCE);
        while let Some(result) = done.next().await {
            count(pruned, result)?;
        }
    }
    Ok(())
}

/// Deletes a closed operation, its oldest entry first: whoever finds the rest finds it closed.
async fn operation(records: &Records, id: OperationId) -> Result<usize, RecordsError> {
    let paths = records.entry_paths(id).await?;
    let Some(last) = paths.last() else { return Ok(0) };
    match records.last(id).await? {
        Some(entry) if entry.operation.phase.is_closed() => {}
        Some(_) => {
            let reason = "it is open, and nothing in open/ names it".to_owned();
            return Err(RecordsError::Corrupt { path: last.to_string(), reason });
        }
        // Another process deletes it, too.
        None => return Ok(0),
    }
    for path in &paths {
        records.store.delete(path).await?;
    }
    Ok(paths.len())
}

/// A key goes when its operation is gone. Only those that were written long ago are read.
async fn keys(records: &Records, before: Timestamp, pruned: &mut Pruned) -> Result<(), RecordsError> {
    let objects = records.store.objects(&Path::from("keys")).await?;
    let old = objects.into_iter().filter(|key| key.last_modified.timestamp() < before.as_second());
    let mut done = stream::iter(old.map(|key| key.location).collect::<Vec<_>>())
        .map(|path| key(records, path, before))
        .buffer_unordered(AT_ONCE);
    while let Some(result) = done.next().await {
        count(pruned, result)?;
    }
    Ok(())
}

async fn key(records: &Records, path: Path, before: Timestamp) -> Result<usize, RecordsError> {
    let Some(key) = records.store.read::<Key>(&path).await? else { return Ok(0) };
    let is_over = key.opened < before
        && records.entry_paths(key.id).await?.is_empty()
        && records.opening(key.id).await?.is_none();
    if !is_over {
        return Ok(0);
    }
    records.store.delete(&path).await?;
    Ok(1)
}

/// A recovery point goes long after it was deleted, or overwritten by a newer one; never before.
async fn recovery_points(
    records: &Records,
    service: &ServiceName,
    before: Timestamp,
    pruned: &mut Pruned,
) -> Result<Vec<Path>, RecordsError> {
    let names = records.store.list(&catalog::folder(service)).await?;
    let files = names.iter().filter_map(|name| Some((catalog::parts(name)?, name)));
    let old: Vec<_> = files.filter(|((id, _), _)| id.opened() < before).collect();
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let deleted: HashSet<_> =
        old.iter().filter(|((_, file), _)| file == DELETED).map(|((id, _), _)| *id).collect();
    let Points { points, unreadable } = records.points(service, None).await?;
    pruned.left.extend(unreadable);
    let known: HashSet<_> = points.iter().map(|point| point.id).collect();
    let standing: HashSet<_> = standing(points).into_iter().map(|point| point.id).collect();
    let is_over = |id: &OperationId| deleted.contains(id) || known.contains(id) && !standing.contains(id);
    let old = old.into_iter().map(|((id, _), name)| (id, name.clone()));
    Ok(old.into_iter().filter(|(id, _)| is_over(id)).map(|(_, name)| name).collect())
}

/// A target's newest slot stays, however old: where the schedule has none after it, it is what keeps its instant from
/// being opened again.
async fn slots(store: &Store, before: Timestamp) -> Result<Vec<Path>, RecordsError> {
    let names = store.list(&Path::from("slots")).await?;
    // All that are slots.
    let slots: Vec<_> = names.into_iter().filter(|name| is_before(name, Timestamp::MAX, SLOT)).collect();
    let target = |slot: &Path| slot.parts().nth(1).map(|target| target.as_ref().to_owned());
    let has_newer = |(slot, next): &(&Path, &Path)| target(slot) == target(next);
    let old = slots.iter().zip(slots.iter().skip(1)).filter(has_newer).map(|(slot, _)| slot);
    Ok(old.filter(|slot| is_before(slot, before, SLOT)).cloned().collect())
}

async fn history(store: &Store, before: Timestamp) -> Result<Vec<Path>, RecordsError> {
    let instances = store.folders(&Path::from("history")).await?;
    let days = stream::iter(instances).map(async |instance| store.folders(&instance).await);
    let days: Vec<_> = days.buffer_unordered(AT_ONCE).try_concat().await?;
    let old = days.into_iter().filter(|day| is_before(day, before, DAY)).collect::<Vec<_>>();
    let names = stream::iter(old).map(async |day| store.list(&day).await);
    names.buffer_unordered(AT_ONCE).try_concat().await
}

/// What cannot be read, or is not over, is left where it is; a store that fails ends it all.
fn count(pruned: &mut Pruned, result: Result<usize, RecordsError>) -> Result<(), RecordsError> {
    match result {
        Ok(deleted) => pruned.deleted += deleted,
        Err(error @ RecordsError::Corrupt { .. }) => pruned.left.push(error),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Whether the last part of a name is a time of this format, and all of it was before.
fn is_before(name: &Path, before: Timestamp, format: &str) -> bool {
    let limit = text(before, format);
    let is_like = |name: &str| {
        name.len() == limit.len()
            && name
                .chars()
                .zip(limit.chars())
                .all(|(a, b)| a == b || a.is_ascii_digit() && b.is_ascii_digit())
    };
    name.filename().is_some_and(|name| name < limit.as_str() && is_like(name))
}

fn text(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}
