//! What this process remembers of the operations that it follows, so that following one does not read the same again at
//! every look.
//!
//! What is remembered never changes in the store: entries, and what a marker sealed. Whether there is more is asked of
//! the store each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::{Credentials, Entry, OperationId};

/// Of what is not followed, nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<HashMap<OperationId, Remembered>>>);

#[derive(Debug, Default)]
struct Remembered {
    newest: Option<Entry>,
    credentials: Option<Credentials>,
}

impl Memory {
    pub(super) fn follow(&self, id: OperationId) {
        self.lock().entry(id).or_default();
    }

    pub(super) fn forget(&self, id: OperationId) {
        self.lock().remove(&id);
    }

    /// The newest entry that was read or written here.
    pub(super) fn newest(&self, id: OperationId) -> Option<Entry> {
        self.lock().get(&id)?.newest.clone()
    }

    pub(super) fn credentials(&self, id: OperationId) -> Option<Credentials> {
        self.lock().get(&id)?.credentials.clone()
    }

    /// Remembers an entry that stands, unless a newer one is known.
    pub(super) fn keep(&self, entry: &Entry) {
        if let Some(known) = self.lock().get_mut(&entry.operation.id)
            && known.newest.as_ref().is_none_or(|newest| newest.seq < entry.seq)
        {
            known.newest = Some(entry.clone());
        }
    }

    /// Remembers the secrets that were found sealed.
    pub(super) fn keep_credentials(&self, id: OperationId, credentials: &Credentials) {
        if let Some(known) = self.lock().get_mut(&id) {
            known.credentials = Some(credentials.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
