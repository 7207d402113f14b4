//! Create if absent, read, list, delete: JSON objects over `object_store`.

use std::{fs, io, path::Path as FsPath, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, local::LocalFileSystem, path::Path,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::ports::RecordsError;

/// The newest version of any object that this program reads.
const VERSION: u32 = 1;
/// How much of what may take long is asked of the store at the same time.
pub(super) const AT_ONCE: usize = 16;

/// A store of JSON objects.
#[derive(Debug, Clone)]
pub(super) struct Store(pub(super) Arc<dyn ObjectStore>);

/// Whether a create was ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    Ours,
    /// Somebody else's object stands there.
    Taken,
}

/// What every object of ours says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    version: u32,
    pub(super) writer: Uuid,
}

impl Header {
    pub(super) fn new() -> Self {
        Self { version: VERSION, writer: Uuid::new_v4() }
    }
}

impl Store {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    /// A store in a local directory, which is made if need be and readable by its owner only.
    pub(super) fn local(directory: &FsPath) -> Result<Self, RecordsError> {
        make_private_directory(directory)
            .map_err(|source| failed("make the directory", directory.display().to_string(), source))?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .map_err(|source| failed("open the directory", directory.display().to_string(), source))?;
        // A folder that is empty is no longer listed, as in every other store.
        Ok(Self(Arc::new(store.with_fsync(true).with_automatic_cleanup(true))))
    }

    /// Writes an object twice to see that the second create is refused: everything rests on that.
    pub(super) async fn probe(&self) -> Result<(), RecordsError> {
        let path = Path::from(format!("probe/{}", Uuid::new_v4()));
        let mut created = Vec::new();
        for header in [Header::new(), Header::new()] {
            created.push(self.create(&path, &header, header.writer).await?);
        }
        self.delete(&path).await?;
        if created == [Created::Ours, Created::Taken] {
            return Ok(());
        }
        Err(failed("probe", path.to_string(), "the store does not refuse to create what is already there"))
    }

    /// Creates `object`, which carries `writer`, if nothing is there.
    ///
    /// The store repeats a create whose answer was lost, so "already exists" may be our own, and an
    /// error may hide a success: both are settled by reading back who wrote it.
    pub(super) async fn create<T: Serialize + Sync>(
        &self,
        path: &Path,
        object: &T,
        writer: Uuid,
    ) -> Result<Created, RecordsError> {
        let bytes = serde_json::to_vec(object).map_err(|source| failed("write", path.to_string(), source))?;
        let options = PutOptions::from(PutMode::Create);
        let Err(error) = self.0.put_opts(path, bytes.into(), options).await else { return Ok(Created::Ours) };
        match self.read::<Header>(path).await {
            Ok(Some(header)) if header.writer == writer => Ok(Created::Ours),
            Ok(Some(_)) | Err(RecordsError::Corrupt { .. }) => Ok(Created::Taken),
            Ok(None) | Err(_) => Err(failed("create", path.to_string(), said(&error))),
        }
    }

    /// Reads an object; `None` if there is none.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, RecordsError> {
        let bytes = match self.0.get(path).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed("read", path.to_string(), said(&error))),
        };
        let corrupt = |reason: String| RecordsError::Corrupt { path: path.to_string(), reason };
        let header: Header = serde_json::from_slice(&bytes).map_err(|error| corrupt(place(&error)))?;
        if header.version > VERSION {
            return Err(corrupt(format!("it has version {}, this program reads {VERSION}", header.version)));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| corrupt(place(&error)))
    }

    /// The names below `prefix`, in order, whatever their depth.
    pub(super) async fn list(&self, prefix: &Path) -> Result<Vec<Path>, RecordsError> {
        let mut names: Vec<_> =
            self.objects(prefix).await?.into_iter().map(|object| object.location).collect();
        names.sort();
        Ok(names)
    }

    /// What is below `prefix`, with the store's own word for when it was written.
    pub(super) async fn objects(&self, prefix: &Path) -> Result<Vec<ObjectMeta>, RecordsError> {
        let listed = self.0.list(Some(prefix)).try_collect().await;
        listed.map_err(|error| failed("list", prefix.to_string(), said(&error)))
    }

    /// The folders right below `prefix`, in order.
    pub(super) async fn folders(&self, prefix: &Path) -> Result<Vec<Path>, RecordsError> {
        let listed = self.0.list_with_delimiter(Some(prefix)).await;
        let mut names =
            listed.map_err(|error| failed("list", prefix.to_string(), said(&error)))?.common_prefixes;
        names.sort();
        Ok(names)
    }

    /// Deletes an object; that it is gone already is fine.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), RecordsError> {
        match self.0.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("delete", path.to_string(), said(&error))),
        }
    }

    /// Deletes objects in no order; tells how many.
    pub(super) async fn delete_all(&self, paths: Vec<Path>) -> Result<usize, RecordsError> {
        let count = paths.len();
        let deletes = stream::iter(paths).map(Ok);
        deletes.try_for_each_concurrent(AT_ONCE, async |path| self.delete(&path).await).await?;
        Ok(count)
    }
}

/// Makes `directory`, readable by its owner only if it was not there.
fn make_private_directory(directory: &FsPath) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Where JSON is wrong, without the value that serde would quote: it may be a key.
pub(super) fn place(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}

/// What the store said, once: each of its errors quotes the next, so the first and the last tell all.
fn said(error: &object_store::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let (first, last) = (error.to_string(), last.to_string());
    if first.contains(&last) { first } else { format!("{first}: {last}") }
}

pub(super) fn failed(
    action: &'static str,
    path: String,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RecordsError {
    RecordsError::Store { action, path, source: source.into() }
}
