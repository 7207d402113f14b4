//! A store that fails, and what is made of it.

use std::{fmt, sync::Mutex};

use async_trait::async_trait;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use serde_json::json;
use uuid::Uuid;

use super::*;

#[tokio::test]
async fn a_listing_with_a_gap_is_asked_for_again_once() {
    let store = Arc::new(Failing::default());
    let records = Records::on(store.clone(), StateKey::generate());
    let first = opened(&records, "sampleapim").await;
    let second = skipped(&first);
    records.append(&second).await.unwrap();
    let id = first.operation.id;
    *store.unseen.lock().unwrap() = Some("000001.json");
    assert_eq!(records.entries(id).await.unwrap(), [first, second]);
    assert_eq!(*store.unseen.lock().unwrap(), None);
}

/// A store whose next create or delete fails, or that does not list a folder or a name.
#[derive(Debug, Default)]
pub(super) struct Failing {
    store: InMemory,
    /// The next create fails: before it wrote (`false`), or after.
    pub(super) next: Mutex<Option<bool>>,
    overwrites: bool,
    pub(super) unlisted: Mutex<Option<Path>>,
    /// The name that the next listing misses.
    unseen: Mutex<Option<&'static str>>,
    /// How many deletes succeed before one fails.
    pub(super) deletes: Mutex<Option<usize>>,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failing")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let options = if self.overwrites { PutOptions::default() } else { options };
        let failure = self.next.lock().unwrap().take();
        if failure != Some(false) {
            let put = self.store.put_opts(location, payload, options).await;
            if failure.is_none() {
                return put;
            }
        }
        Err(reset())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        let failed = || {
            let mut deletes = self.deletes.lock().unwrap();
            let fails = *deletes == Some(0);
            *deletes = if fails { None } else { deletes.map(|left| left - 1) };
            fails
        };
        if failed() {
            stream::once(async { Err(reset()) }).boxed()
        } else {
            self.store.delete_stream(locations)
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let unlisted = self.unlisted.lock().unwrap();
        if prefix.zip(unlisted.as_ref()).is_some_and(|(prefix, unlisted)| prefix.prefix_matches(unlisted)) {
            return stream::once(async { Err(reset()) }).boxed();
        }
        let unseen = self.unseen.lock().unwrap().take();
        let seen = move |object: &object_store::Result<ObjectMeta>| {
            let name = object.as_ref().ok().and_then(|object| object.location.filename());
            std::future::ready(name.is_none() || name != unseen)
        };
        self.store.list(prefix).filter(seen).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

fn reset() -> object_store::Error {
    object_store::Error::Generic { store: "Failing", source: "the connection was reset".into() }
}

fn failing(next: Option<bool>, overwrites: bool) -> Store {
    Store::new(Arc::new(Failing { next: Mutex::new(next), overwrites, ..Failing::default() }))
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_settled_by_reading_back_who_wrote_it() {
    let writer = Uuid::new_v4();
    let object = json!({"version": 1, "writer": writer});
    let path = Path::from("x");
    let written = failing(Some(true), false).create(&path, &object, writer).await;
    assert!(matches!(written, Ok(store::Created::Ours)), "{written:?}");
    let not_written = failing(Some(false), false).create(&path, &object, writer).await;
    assert!(matches!(not_written, Err(RecordsError::Store { .. })), "{not_written:?}");

    let taken = failing(None, false);
    let other = Uuid::new_v4();
    taken.create(&path, &json!({"version": 1, "writer": other}), other).await.unwrap();
    assert_eq!(taken.create(&path, &object, writer).await.unwrap(), store::Created::Taken);
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_at_the_start() {
    assert!(failing(None, false).probe().await.is_ok());
    let error = failing(None, true).probe().await.unwrap_err();
    assert!(error.to_string().starts_with("probe"), "{error}");
}
