//! Operations: their entries, what is kept while they are open, and their history.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use jiff::{Timestamp, tz::TimeZone};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Records, chain,
    chain::Holder,
    checks, claims, prune, slots,
    store::{AT_ONCE, Created},
};
use crate::{
    domain::{
        Answer, AttemptId, Credentials, DailyCheck, Entry, Kind, Operation, OperationId, Phase, Plan,
        ServiceName, TargetName,
    },
    keys::Seal,
    ports::{Appended, Cause, Claim, Ended, Hold, Journal, Opening, Pruned, RecordsError, Since},
};

/// `open/{id}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    version: u32,
    writer: Uuid,
    id: OperationId,
    plan: Plan,
    opened: Timestamp,
    deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Seal>,
}

/// `open/{id}.{attempt}`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptAnswer {
    version: u32,
    writer: Uuid,
    id: OperationId,
    attempt: AttemptId,
    answer: Answer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Seal>,
}

/// `history/{instance}/{day}/{id}.{seq}.json`
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    version: u32,
    writer: Uuid,
    id: OperationId,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drill: Option<TargetName>,
    phase: Phase,
    opened: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    closed: Timestamp,
    blob: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    safety: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl History {
    fn ended(self) -> Ended {
        let Self { id, kind, drill, phase, opened, started, closed, blob, safety, failure, .. } = self;
        Ended { id, kind, drill, phase, opened, started, closed, blob, safety, failure }
    }
}

/// How many ends of operations are read at once.
const HISTORY: usize = 200;

#[async_trait]
impl Journal for Records {
    async fn claimed(&self, cause: &Cause, opening: &Opening) -> Result<Option<Claim>, RecordsError> {
        claims::claimed(self, cause, opening).await
    }

    async fn claim(&self, cause: &Cause, opening: &Opening) -> Result<Claim, RecordsError> {
        claims::claim(self, cause, opening).await
    }

    async fn open(&self, opening: &Opening, credentials: &Credentials) -> Result<Opening, RecordsError> {
        let Opening { id, plan, opened, deadline } = opening.clone();
        let writer = Uuid::new_v4();
        let sealed = self.seal_credentials(id, credentials)?;
        let marker = Marker { version: 1, writer, id, plan, opened, deadline, sealed };
        let theirs = match self.store.create(&open_path(id), &marker, writer).await? {
            Created::Ours => None,
            // An equal request's, perhaps by somebody else. It is gone if the operation has ended meanwhile.
            Created::Taken => self.opening(id).await?,
        };
        Ok(theirs.unwrap_or_else(|| opening.clone()))
    }

    fn follow(&self, id: OperationId) {
        self.memory.follow(id);
    }

    fn forget(&self, id: OperationId) {
        self.memory.forget(id);
    }

    async fn open_operations(&self) -> Result<Vec<OperationId>, RecordsError> {
        let names = self.store.list(&Path::from("open")).await?;
        let id = |name: &Path| name.filename()?.split('.').next()?.parse().ok();
        let mut ids: Vec<_> = names.iter().filter_map(id).collect();
        ids.dedup();
        Ok(ids)
    }

    async fn opening(&self, id: OperationId) -> Result<Option<Opening>, RecordsError> {
        let marker = self.marker(id).await?;
        Ok(marker.map(|Marker { id, plan, opened, deadline, .. }| Opening { id, plan, opened, deadline }))
    }

    async fn credentials(&self, operation: &Operation) -> Result<Credentials, RecordsError> {
        let id = operation.id;
        if let Some(known) = self.memory.credentials(id) {
            return Ok(known);
        }
        let sealed = match self.marker(id).await? {
            Some(marker) => Some(marker.sealed),
            // It was closed once: then an answer that came late brought them along.
            None => self.newest_kept(operation).await?.map(|kept| kept.sealed),
        };
        // An answer may yet bring them.
        let Some(sealed) = sealed else { return Ok(Credentials::default()) };
        let credentials = match sealed {
            Some(sealed) => self.unseal_credentials(id, &sealed)?,
            None => Credentials::default(),
        };
        self.memory.keep_credentials(id, &credentials);
        Ok(credentials)
    }

    async fn keep_answer(
        &self,
        id: OperationId,
        attempt: AttemptId,
        answer: &Answer,
        credentials: &Credentials,
    ) -> Result<(), RecordsError> {
        let writer = Uuid::new_v4();
        let sealed = self.seal_credentials(id, credentials)?;
        let kept = KeptAnswer { version: 1, writer, id, attempt, answer: answer.clone(), sealed };
        // One attempt has one answer.
        self.store.create(&kept_path(id, attempt), &kept, writer).await.map(drop)
    }

    async fn kept_answer(&self, id: OperationId, attempt: AttemptId) -> Result<Option<Answer>, RecordsError> {
        Ok(self.kept(id, attempt).await?.map(|kept| kept.answer))
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, RecordsError> {
        let path = entry_path(entry.operation.id, entry.seq);
        Ok(match self.store.create(&path, entry, entry.writer).await? {
            Created::Ours => {
                self.memory.keep(entry);
                Appended::Written
            }
            Created::Taken => Appended::Taken,
        })
    }

    async fn last(&self, id: OperationId) -> Result<Option<Entry>, RecordsError> {
        if let Some(known) = self.memory.newest(id)
            && known.seq < Entry::END
            && let Ok(None) = self.entry(&entry_path(id, known.seq + 1)).await
        {
            // Entries are numbered without gaps.
            return Ok(Some(known));
        }
        let last = match self.entry_paths(id).await?.last() {
            Some(path) => self.entry(path).await?,
            None => None,
        };
        if let Some(last) = &last {
            self.memory.keep(last);
        }
        Ok(last)
    }

    async fn entries(&self, id: OperationId) -> Result<Vec<Entry>, RecordsError> {
        let mut entries = Vec::new();
        for path in self.entry_paths(id).await? {
            entries.extend(self.entry(&path).await?);
        }
        Ok(entries)
    }

    async fn operations(&self, limit: usize) -> Result<Vec<OperationId>, RecordsError> {
        let mut ids = Vec::new();
        for month in self.store.folders(&Path::from("operations")).await?.iter().rev() {
            let folders = self.store.folders(month).await?;
            ids.extend(
                folders.iter().rev().filter_map(|folder| folder.filename()?.parse::<OperationId>().ok()),
            );
            if ids.len() >= limit {
                break;
            }
        }
        ids.truncate(limit);
        Ok(ids)
    }

    async fn hold(&self, operation: &Operation, now: Timestamp) -> Result<Hold, RecordsError> {
        let ours = Holder::new(operation.id, operation.opened, operation.deadline);
        let theirs = chain::take(self, &lock_chain(&operation.plan.service.name), &ours, now).await?;
        Ok(theirs.map_or(Hold::Ours, |holder| Hold::Theirs(holder.operation)))
    }

    async fn holder(
        &self,
        service: &ServiceName,
        now: Timestamp,
    ) -> Result<Option<OperationId>, RecordsError> {
        let holder = chain::current(self, &lock_chain(service), now).await?;
        Ok(holder.map(|holder| holder.operation))
    }

    async fn since(
        &self,
        target: &TargetName,
        schedule: &str,
        now: Timestamp,
    ) -> Result<Since, RecordsError> {
        slots::since(&self.store, &slots::folder(target), schedule, now).await
    }

    async fn drills_since(
        &self,
        target: &TargetName,
        schedule: &str,
        now: Timestamp,
    ) -> Result<Since, RecordsError> {
        slots::since(&self.store, &slots::drills_folder(target), schedule, now).await
    }

    async fn known_since(
        &self,
        target: &TargetName,
        kind: Kind,
        schedule: &str,
    ) -> Result<Option<Timestamp>, RecordsError> {
        let folder = match kind {
            Kind::Backup => slots::folder(target),
            Kind::Restore => slots::drills_folder(target),
        };
        slots::known_since(&self.store, &folder, schedule).await
    }

    async fn is_checked(&self, target: &TargetName, now: Timestamp) -> Result<bool, RecordsError> {
        checks::is_there(&self.store, target, now).await
    }

    async fn record_check(&self, check: &DailyCheck) -> Result<bool, RecordsError> {
        checks::record(&self.store, check).await
    }

    async fn newest_check(
        &self,
        target: &TargetName,
        now: Timestamp,
    ) -> Result<Option<DailyCheck>, RecordsError> {
        checks::newest(&self.store, target, now).await
    }

    async fn close(&self, terminal: &Entry) -> Result<(), RecordsError> {
        let Entry { seq, at, operation, .. } = terminal;
        let writer = Uuid::new_v4();
        let history = History {
            version: 1,
            writer,
            id: operation.id,
            kind: operation.plan.kind,
            drill: operation.plan.drill.clone(),
            phase: operation.phase,
            opened: operation.opened,
            started: operation.started(),
            closed: *at,
            blob: operation.plan.blob.to_string(),
            safety: operation.plan.safety_for.is_some(),
            failure: operation.failure.as_ref().map(ToString::to_string),
        };
        let day = at.to_zoned(TimeZone::UTC).strftime("%Y%m%d");
        let path =
            format!("history/{}/{day}/{}.{seq:06}.json", operation.plan.service.name.key(), operation.id);
        // Derived from that entry alone: whoever wrote it first wrote the same.
        self.store.create(&Path::from(path), &history, writer).await?;
        self.store.delete(&open_path(operation.id)).await?;
        // An answer that is in the journal need not be kept beside it.
        for attempt in operation.attempts.iter().filter(|attempt| attempt.answer.is_some()) {
            self.store.delete(&kept_path(operation.id, attempt.id)).await?;
        }
        Ok(())
    }

    async fn history(
        &self,
        service: &ServiceName,
        since: Option<Timestamp>,
    ) -> Result<Vec<Ended>, RecordsError> {
        let day = since.map(|since| since.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string());
        let is_meant = |path: &Path| match (&day, path.parts().nth(2)) {
            (Some(since), Some(day)) => day.as_ref() >= since.as_str(),
            _ => true,
        };
        let mut newest = BTreeMap::new();
        let folder = Path::from(format!("history/{}", service.key()));
        for path in self.store.list(&folder).await?.into_iter().filter(is_meant) {
            // Names sort by operation, and then by entry: the last is how it ended.
            let id = path.filename().and_then(|name| name.split('.').next()?.parse::<OperationId>().ok());
            newest.extend(id.map(|id| (id, path)));
        }
        let most = if since.is_some() { usize::MAX } else { HISTORY };
        let newest: Vec<_> = newest.into_values().rev().take(most).collect();
        let read = newest.iter().map(|path| self.store.read::<History>(path));
        let read: Vec<_> = stream::iter(read.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        // One that cannot be read tells nothing, and stops nothing.
        let ended = read.into_iter().filter_map(|history| history.ok().flatten());
        Ok(ended.map(History::ended).collect())
    }

    async fn claim_pruning(&self, now: Timestamp) -> Result<bool, RecordsError> {
        prune::claim(&self.store, now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<Pruned, RecordsError> {
        prune::prune(self, before).await
    }
}

impl Records {
    async fn marker(&self, id: OperationId) -> Result<Option<Marker>, RecordsError> {
        self.store.read(&open_path(id)).await
    }

    async fn kept(&self, id: OperationId, attempt: AttemptId) -> Result<Option<KeptAnswer>, RecordsError> {
        self.store.read(&kept_path(id, attempt)).await
    }

    /// The answer to its newest attempt that came after it was closed.
    async fn newest_kept(&self, operation: &Operation) -> Result<Option<KeptAnswer>, RecordsError> {
        for attempt in operation.attempts.iter().rev() {
            if let Some(kept) = self.kept(operation.id, attempt.id).await? {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Reads an entry. Nobody goes on from one that lies where another belongs, or that no other could follow: nobody of
    /// ours put it there.
    async fn entry(&self, path: &Path) -> Result<Option<Entry>, RecordsError> {
        let entry: Option<Entry> = self.store.read(path).await?;
        let reason = match &entry {
            Some(entry) if entry_path(entry.operation.id, entry.seq) != *path => {
                "it is not the entry that its name says"
            }
            Some(entry) if entry.seq >= Entry::END => "no entry has such a number",
            _ => return Ok(entry),
        };
        Err(RecordsError::Corrupt { path: path.to_string(), reason: reason.to_owned() })
    }

    /// The entries' names, in order. Entries are numbered without gaps, so a listing with one is asked for again,
    /// once: it was taken while somebody wrote.
    pub(super) async fn entry_paths(&self, id: OperationId) -> Result<Vec<Path>, RecordsError> {
        let paths = self.store.list(&operation_path(id)).await?;
        let count = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        if paths.last().is_none_or(|last| *last == entry_path(id, count)) {
            return Ok(paths);
        }
        self.store.list(&operation_path(id)).await
    }
}

fn open_path(id: OperationId) -> Path {
    Path::from(format!("open/{id}"))
}

fn kept_path(id: OperationId, attempt: AttemptId) -> Path {
    Path::from(format!("open/{id}.{attempt}"))
}

fn lock_chain(service: &ServiceName) -> Path {
    Path::from(format!("locks/{}", service.key()))
}

fn operation_path(id: OperationId) -> Path {
    Path::from(format!("operations/{}/{id}", id.month()))
}

fn entry_path(id: OperationId, seq: u32) -> Path {
    Path::from(format!("{}/{seq:06}.json", operation_path(id)))
}
