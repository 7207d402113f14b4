//! What is on its way to somebody: `outbox/{letter}/{n}.json`, and what came of it: `told/{letter}.json`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{
    Records, catalog,
    sealed::SealedCallback,
    store::{AT_ONCE, Created, Header},
};
use crate::{
    domain::{Callback, HookName, Letter, LetterKey, News, Notice, OperationId, Recipient},
    keys::Seal,
    ports::{Delivery, Found, Letters, Outbox, RecordsError, Waiting},
};

const OUTBOX: &str = "outbox";
pub(super) const TOLD: &str = "told";

/// `outbox/{letter}/000000.json`
#[derive(Serialize, Deserialize)]
struct Posted {
    at: Timestamp,
    to: Addressee,
    notice: Notice,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Addressee {
    Hook(HookName),
    /// Sealed for the operation that the notice is about.
    Callback(Seal),
}

/// `outbox/{letter}/{n}.json`: somebody tries for the n-th time. A letter has its time in the same field.
#[derive(Serialize, Deserialize)]
struct Try {
    at: Timestamp,
}

/// `told/{letter}.json`
#[derive(Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
enum Told<'a> {
    Delivered { at: Timestamp },
    GivenUp { at: Timestamp, reason: &'a str },
}

#[async_trait]
impl Outbox for Records {
    async fn post(&self, letter: &Letter, now: Timestamp) -> Result<(), RecordsError> {
        let key = letter.key();
        if self.is_told(&key).await? {
            return Ok(());
        }
        let to = match &letter.to {
            Recipient::Hook(name) => Addressee::Hook(name.clone()),
            Recipient::Callback(callback) => {
                let id = operation(&letter.notice)?;
                Addressee::Callback(self.seal(id, &SealedCallback::from(callback))?)
            }
        };
        let posted = Posted { at: now, to, notice: letter.notice.clone() };
        catalog::write(&self.store, &path(&key, 0), &posted).await
    }

    async fn waiting(&self) -> Result<Letters, RecordsError> {
        let mut newest = BTreeMap::new();
        for path in self.store.list(&Path::from(OUTBOX)).await? {
            // Names sort as they count: the last stays.
            newest.extend(parts(&path).map(|(key, n)| (key, (n, path))));
        }
        let read = newest.into_iter().map(async |(key, (tries, path))| {
            let newest = catalog::read::<Try>(&self.store, &path).await?;
            // It was ended meanwhile.
            let Some(Try { at }) = newest else { return Ok(None) };
            Ok(Some(Waiting { key, tries, at }))
        });
        let mut read = stream::iter(read).buffered(AT_ONCE);
        let mut letters = Letters::default();
        while let Some(read) = read.next().await {
            match read {
                Ok(waiting) => letters.waiting.extend(waiting),
                Err(error @ RecordsError::Corrupt { .. }) => letters.unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(letters)
    }

    async fn letter(&self, key: &LetterKey) -> Result<Option<Found>, RecordsError> {
        let posted = catalog::read::<Posted>(&self.store, &path(key, 0)).await?;
        let Some(Posted { at, to, notice }) = posted else {
            if self.is_told(key).await? {
                self.clear(key).await?;
            }
            return Ok(None);
        };
        let to = match to {
            Addressee::Hook(name) => Recipient::Hook(name),
            Addressee::Callback(seal) => {
                let callback: SealedCallback = self.unseal(operation(&notice)?, &seal)?;
                Recipient::Callback(Callback::from(callback))
            }
        };
        Ok(Some(Found { letter: Letter { notice, to }, posted: at }))
    }

    /// Whether it is over is asked last: then whoever ended it meanwhile is seen, and what this left behind is taken away.
    async fn take(&self, waiting: &Waiting, now: Timestamp) -> Result<bool, RecordsError> {
        let Waiting { key, tries, .. } = waiting;
        let claim = path(key, tries + 1);
        if catalog::create(&self.store, &claim, &Try { at: now }).await? == Created::Taken {
            return Ok(false);
        }
        let is_over = self.is_told(key).await?;
        if is_over {
            self.clear(key).await?;
        }
        Ok(!is_over)
    }

    async fn end(&self, key: &LetterKey, delivery: &Delivery, now: Timestamp) -> Result<(), RecordsError> {
        let told = match delivery {
            Delivery::Delivered => Told::Delivered { at: now },
            Delivery::GivenUp { reason } => Told::GivenUp { at: now, reason },
        };
        catalog::write(&self.store, &told_path(key), &told).await?;
        self.clear(key).await
    }
}

impl Records {
    async fn is_told(&self, key: &LetterKey) -> Result<bool, RecordsError> {
        match self.store.read::<Header>(&told_path(key)).await {
            Ok(told) => Ok(told.is_some()),
            // A newer version's, perhaps: somebody ended it.
            Err(RecordsError::Corrupt { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Only of a letter that is told: what is left over is met, and taken away, by whoever looks next.
    async fn clear(&self, key: &LetterKey) -> Result<(), RecordsError> {
        let left = self.store.list(&folder(key)).await?;
        self.store.delete_all(left).await.map(drop)
    }
}

/// For which operation the callback of a letter is sealed.
fn operation(notice: &Notice) -> Result<OperationId, RecordsError> {
    match &notice.news {
        News::Started { operation } | News::Ended { operation } => Ok(operation.id),
        News::Alarm { .. } | News::Test => {
            Err(RecordsError::Sealed { reason: "only an operation has a callback".to_owned() })
        }
    }
}

fn folder(key: &LetterKey) -> Path {
    Path::from_iter([OUTBOX, key.as_str()])
}

fn path(key: &LetterKey, n: u32) -> Path {
    Path::from_iter([OUTBOX, key.as_str(), format!("{n:06}.json").as_str()])
}

fn told_path(key: &LetterKey) -> Path {
    Path::from_iter([TOLD, format!("{key}.json").as_str()])
}

/// Key and number of `outbox/{letter}/{n}.json`.
fn parts(path: &Path) -> Option<(LetterKey, u32)> {
    let mut parts = path.parts().skip(1);
    let key = LetterKey::stored(parts.next()?.as_ref());
    Some((key, parts.next()?.as_ref().strip_suffix(".json")?.parse().ok()?))
}
