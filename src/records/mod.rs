//! Our own formats in object storage: what is written where, and nothing about why.
//!
//! Two verbs only, create if absent and delete; see docs/records.md for every object.

mod alarms;
mod catalog;
mod chain;
mod checks;
mod claims;
mod journal;
mod location;
mod memory;
mod outbox;
mod prune;
mod sealed;
mod slots;
mod snapshots;
mod state_key;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use object_store::{ObjectStore, memory::InMemory, prefix::PrefixStore};

pub use location::Location;

use crate::{keys::StateKey, ports::RecordsError};
use memory::Memory;
use store::Store;

/// The records of one deployment.
#[derive(Debug, Clone)]
pub struct Records {
    store: Store,
    key: StateKey,
    memory: Memory,
}

impl Records {
    /// Opens the records at `location`, checks that they can be written, and loads the state key (or
    /// makes one, unless `key` is given).
    pub async fn open(location: &Location, key: Option<StateKey>) -> Result<Self, RecordsError> {
        let store = match location {
            Location::Memory => Store::new(Arc::new(InMemory::new())),
            Location::Directory(path) => Store::local(path)?,
            Location::Container { store, prefix } => {
                Store::new(Arc::new(PrefixStore::new(store.clone(), prefix.as_str())))
            }
        };
        store.probe().await?;
        let key = match key {
            Some(key) => key,
            None => state_key::load_or_create(&store, location).await?,
        };
        Ok(Self { store, key, memory: Memory::default() })
    }

    /// The records in `store`, as they are.
    pub fn on(store: Arc<dyn ObjectStore>, key: StateKey) -> Self {
        Self { store: Store::new(store), key, memory: Memory::default() }
    }

    /// The key that seals credentials and signs links.
    pub fn state_key(&self) -> &StateKey {
        &self.key
    }
}
