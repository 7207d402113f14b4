//! What this process remembers of open operations, so that following one does not read the same again at every look.
//!
//! What is remembered never changes in the store: entries, and what a marker sealed. Whether there is more is asked of
//! the store each time.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::{Credentials, Entry, OperationId};

#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<HashMap<OperationId, Remembered>>>);

#[derive(Debug)]
struct Remembered {
    newest: Entry,
    credentials: Option<Credentials>,
}

impl Memory {
    /// The newest entry that was read or written here, of an operation that was open then.
    pub(super) fn newest(&self, id: OperationId) -> Option<Entry> {
        Some(self.lock().get(&id)?.newest.clone())
    }

    pub(super) fn credentials(&self, id: OperationId) -> Option<Credentials> {
        self.lock().get(&id)?.credentials.clone()
    }

    /// Remembers an entry that stands, unless a newer one is known; forgets the operation if that closed it.
    pub(super) fn keep(&self, entry: &Entry) {
        let id = entry.operation.id;
        let mut remembered = self.lock();
        if entry.operation.phase.is_closed() {
            remembered.remove(&id);
            return;
        }
        let known =
            remembered.entry(id).or_insert_with(|| Remembered { newest: entry.clone(), credentials: None });
        if known.newest.seq < entry.seq {
            known.newest = entry.clone();
        }
    }

    /// Remembers the secrets of an operation that is remembered as open.
    pub(super) fn keep_credentials(&self, id: OperationId, credentials: &Credentials) {
        if let Some(known) = self.lock().get_mut(&id) {
            known.credentials = Some(credentials.clone());
        }
    }

    /// Forgets all but these: somebody else may have closed the others.
    pub(super) fn keep_only(&self, open: &[OperationId]) {
        let open: HashSet<_> = open.iter().collect();
        self.lock().retain(|id, _| open.contains(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
