//! Where the records are, opened as far as that is not ours.

use std::{path::PathBuf, sync::Arc};

use object_store::ObjectStore;

/// A place for the records.
#[derive(Debug, Clone)]
pub enum Location {
    /// Gone with the process.
    Memory,
    Directory(PathBuf),
    /// A container that somebody opened; it is not made here. The records are below `prefix`.
    Container {
        store: Arc<dyn ObjectStore>,
        prefix: String,
    },
}
