//! Alarms, each as a row of changes: `alarms/{subject}/{code}/{seq}.json`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use object_store::{ObjectMeta, path::Path};

use super::{
    Records, catalog,
    store::{AT_ONCE, Created, Store},
};
use crate::{
    domain::{Alarm, Subject},
    ports::{Alarms, RecordsError, Standing, UnreadAlarm},
};

const ALARMS: &str = "alarms";

#[async_trait]
impl Alarms for Records {
    async fn alarms(&self) -> Result<Standing, RecordsError> {
        let mut newest = BTreeMap::new();
        for path in self.store.list(&Path::from(ALARMS)).await? {
            // Names sort as they count: the last stays.
            newest.extend(chain(&path).map(|chain| (chain, path)));
        }
        let read = newest.into_iter().map(async |(chain, path)| (chain, read(&self.store, &path).await));
        let mut read = stream::iter(read).buffered(AT_ONCE);
        let mut standing = Standing::default();
        while let Some(((subject, code), alarm)) = read.next().await {
            match alarm {
                Ok(alarm) => standing.alarms.extend(alarm),
                Err(error @ RecordsError::Corrupt { .. }) => {
                    standing.unreadable.push(UnreadAlarm { subject, code, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(standing)
    }

    async fn record_alarm(&self, alarm: &Alarm) -> Result<bool, RecordsError> {
        let path = path(&alarm.subject, &alarm.condition.code, alarm.seq);
        Ok(catalog::create(&self.store, &path, alarm).await? == Created::Ours)
    }

    async fn alarm(&self, subject: &Subject, code: &str, seq: u32) -> Result<Option<Alarm>, RecordsError> {
        read(&self.store, &path(subject, code, seq)).await
    }
}

/// The changes that the store wrote before then, but for the highest of each alarm: its number must not come again.
pub(super) async fn old(store: &Store, before: Timestamp) -> Result<Vec<Path>, RecordsError> {
    let mut objects = store.objects(&Path::from(ALARMS)).await?;
    objects.retain(|object| chain(&object.location).is_some());
    objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    let has_newer =
        |(change, next): &(&ObjectMeta, &ObjectMeta)| chain(&change.location) == chain(&next.location);
    let old = objects.iter().zip(objects.iter().skip(1)).filter(has_newer).map(|(change, _)| change);
    let old = old.filter(|change| change.last_modified.timestamp() < before.as_second());
    Ok(old.map(|change| change.location.clone()).collect())
}

async fn read(store: &Store, path: &Path) -> Result<Option<Alarm>, RecordsError> {
    catalog::read(store, path).await
}

/// A code may come from a newer version, so it is encoded if need be.
fn path(subject: &Subject, code: &str, seq: u32) -> Path {
    Path::from_iter([ALARMS, subject.to_string().as_str(), code, format!("{seq:06}.json").as_str()])
}

/// Subject and code of `alarms/{subject}/{code}/{seq}.json`.
fn chain(path: &Path) -> Option<(String, String)> {
    let parts: Vec<_> = path.parts().collect();
    let [_, subject, code, file] = parts.as_slice() else { return None };
    let _: u32 = file.as_ref().strip_suffix(".json")?.parse().ok()?;
    Some((subject.as_ref().to_owned(), code.as_ref().to_owned()))
}
