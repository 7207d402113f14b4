//! The state key as it is stored: created if absent, by whoever comes first.

use std::{fs, io::Write as _, path::Path as FsPath};

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Location, store::Store, store::failed};
use crate::{keys::StateKey, ports::RecordsError};

const NAME: &str = "state-key";

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    writer: Uuid,
    key: String,
}

/// The stored key; a new one if there is none. Two processes that race both end with the winner's.
pub(super) async fn load_or_create(store: &Store, location: &Location) -> Result<StateKey, RecordsError> {
    let path = Path::from(NAME);
    if let Some(stored) = store.read::<Stored>(&path).await? {
        return parse(&stored);
    }
    let writer = Uuid::new_v4();
    let stored = Stored { version: 1, writer, key: StateKey::generate().to_base64().to_string() };
    match location {
        Location::Directory(directory) => create_private(directory, &stored)?,
        Location::Memory | Location::Container { .. } => {
            store.create(&path, &stored, writer).await?;
        }
    }
    match store.read::<Stored>(&path).await? {
        Some(stored) => parse(&stored),
        None => Err(failed("read back", NAME.to_owned(), "it is not there")),
    }
}

/// Locally the key is readable by its owner only. It is written whole under another name and then
/// linked, so that nobody ever reads half of it.
fn create_private(directory: &FsPath, stored: &Stored) -> Result<(), RecordsError> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile_in(directory, stored.writer)?;
        file.1.write_all(serde_json::to_string(stored)?.as_bytes())?;
        file.1.sync_all()?;
        let linked = match fs::hard_link(&file.0, directory.join(NAME)) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        };
        fs::remove_file(&file.0)?;
        // What is sealed under the key outlives a power cut, so the key has to as well.
        fs::File::open(directory)?.sync_all()?;
        linked
    };
    write().map_err(|source| failed("create", NAME.to_owned(), source))
}

fn tempfile_in(directory: &FsPath, name: Uuid) -> std::io::Result<(std::path::PathBuf, fs::File)> {
    let path = directory.join(format!("{NAME}.{name}"));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    Ok((path, file))
}

fn parse(stored: &Stored) -> Result<StateKey, RecordsError> {
    StateKey::from_base64(&stored.key)
        .map_err(|error| RecordsError::Corrupt { path: NAME.to_owned(), reason: error.to_string() })
}
