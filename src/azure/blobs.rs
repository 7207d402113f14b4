//! Blobs in the containers that backups lie in.

use std::time::Duration;

use async_trait::async_trait;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _, path::Path};

use super::{
    cloud::Endpoints,
    storage::{BlobAccess, BlobService, NO_TOKEN, Storage, storage_advice, unusable},
};
use crate::{
    domain::{BlobLook, BlobRef, Secret},
    ports::Blobs,
};

/// How long a look may take, with a token and all repeats.
const PATIENCE: Duration = Duration::from_secs(25);

/// The backup containers.
#[derive(Debug)]
pub struct BlobReader {
    endpoints: Endpoints,
    storage: Storage,
}

impl BlobReader {
    pub fn new(endpoints: Endpoints, storage: Storage) -> Self {
        Self { endpoints, storage }
    }

    async fn head(&self, blob: &BlobRef, access_key: Option<&Secret>) -> object_store::Result<ObjectMeta> {
        let access = access_key.map_or(BlobAccess::App, |key| BlobAccess::Key(key.clone()));
        let service = BlobService::new(&blob.account, &self.endpoints, access).map_err(unusable)?;
        let container = self.storage.container(&service, blob.container.as_str())?;
        container.head(&Path::parse(blob.name.as_str())?).await
    }
}

#[async_trait]
impl Blobs for BlobReader {
    async fn look(&self, blob: &BlobRef, access_key: Option<&Secret>) -> BlobLook {
        // A start waits for this, and its own time is short.
        let Ok(found) = tokio::time::timeout(PATIENCE, self.head(blob, access_key)).await else {
            return BlobLook::Unread { reason: format!("there was no answer within {PATIENCE:?}") };
        };
        match found {
            Ok(found) => BlobLook::Present { e_tag: found.e_tag.unwrap_or_default(), size: found.size },
            Err(Error::NotFound { .. }) => BlobLook::Absent,
            Err(error) => {
                let text = error.to_string();
                // Only whoever may see the operation sees this, so it may tell what Entra ID said.
                let reason = match text.find(NO_TOKEN) {
                    Some(at) => text[at..].to_owned(),
                    None => storage_advice(&error, "Storage Blob Data Reader").unwrap_or(text),
                };
                BlobLook::Unread { reason }
            }
        }
    }
}
