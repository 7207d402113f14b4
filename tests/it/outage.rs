//! Outages of storage: of the records, and of the account that backups lie in. Nothing is posted blindly, nothing is
//! called succeeded that nobody saw, and what is open goes on afterwards.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use apim_dr::emulator::{Effect, Fault, accounts};
use async_trait::async_trait;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, path::Path,
};
use serde_json::{Value, json};

use crate::bed::{Bed, put_backup, seed};

/// A store that can be down: then every access fails, and nothing is done.
#[derive(Debug)]
struct Outages {
    store: LocalFileSystem,
    down: AtomicBool,
    refused: AtomicUsize,
    /// It goes down right before an object is created whose name contains this.
    before: Mutex<Option<&'static str>>,
    /// The same, right after.
    after: Mutex<Option<&'static str>>,
}

impl Outages {
    async fn bed(kind: &str, variables: &[(&str, &str)]) -> (Bed, Arc<Self>) {
        let wrap = |store| {
            Arc::new(Self {
                store,
                down: AtomicBool::default(),
                refused: AtomicUsize::default(),
                before: Mutex::default(),
                after: Mutex::default(),
            })
        };
        let (bed, store) = Bed::storing(variables, wrap).await;
        if kind == "restore" {
            put_backup(&bed);
        }
        (bed, store)
    }

    fn begin(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    fn begin_before(&self, name: &'static str) {
        *self.before.lock().unwrap() = Some(name);
    }

    fn begin_after(&self, name: &'static str) {
        *self.after.lock().unwrap() = Some(name);
    }

    fn end(&self) {
        assert!(self.down.swap(false, Ordering::SeqCst), "it never went down");
        *self.before.lock().unwrap() = None;
        *self.after.lock().unwrap() = None;
    }

    fn reach(&self) -> Result<&LocalFileSystem> {
        if self.down.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(object_store::Error::Generic { store: "Outages", source: "nobody answers".into() });
        }
        Ok(&self.store)
    }
}

impl fmt::Display for Outages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outages")
    }
}

#[async_trait]
impl ObjectStore for Outages {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.before.lock().unwrap().is_some_and(|name| path.as_ref().contains(name)) {
            self.begin();
        }
        let put = self.reach()?.put_opts(path, payload, options).await;
        if self.after.lock().unwrap().is_some_and(|name| path.as_ref().contains(name)) {
            self.begin();
        }
        put
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.reach()?.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.reach()?.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.reach() {
            Ok(store) => store.delete_stream(paths),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.reach() {
            Ok(store) => store.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.reach()?.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.reach()?.copy_opts(from, to, options).await
    }
}

/// An hour of sweeps that find no records.
async fn an_hour_without_records(bed: &Bed) {
    for _ in 0..60 {
        bed.advance(Duration::from_mins(1));
        let answer = bed.try_sweep().await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }
}

async fn open(bed: &Bed, kind: &str) -> String {
    bed.open(&format!("/api/{kind}"), &seed(kind)).await
}

/// How it ended: evidence or the kind of the failure, POSTs that arrived, POSTs that Azure took.
async fn end(bed: &Bed, kind: &str, link: &str) -> (String, usize, usize) {
    let ended = bed.follow(link).await.json();
    let outcome = if ended["phase"] == "Failed" { &ended["failure"]["kind"] } else { &ended["evidence"] };
    let outcome = outcome.as_str().unwrap_or_else(|| panic!("{ended}")).to_owned();
    (outcome, bed.emulator.posts(kind), bed.emulator.accepted(kind))
}

fn once(outcome: &str) -> (String, usize, usize) {
    (outcome.to_owned(), 1, 1)
}

#[tokio::test]
async fn what_waits_or_runs_while_the_records_are_down_goes_on_afterwards() {
    for (kind, busy) in [("backup", true), ("backup", false), ("restore", true), ("restore", false)] {
        let (bed, store) = Outages::bed(kind, &[]).await;
        let target = |state: &str| {
            bed.emulator.with_service(accounts::SERVICE, |it| it.target_provisioning_state = state.into());
        };
        target(if busy { "Updating" } else { "" });
        let link = open(&bed, kind).await;
        let posts = usize::from(!busy);
        assert_eq!(bed.emulator.posts(kind), posts);
        store.begin();
        let requests = bed.emulator.requests().len();
        target("");
        an_hour_without_records(&bed).await;
        assert_eq!(bed.get(&link).await.status, 503);
        assert_eq!(bed.emulator.requests().len(), requests, "nobody acts on what nobody can read or write");
        store.end();
        assert_eq!(end(&bed, kind, &link).await, once("arm"));
    }
}

#[tokio::test]
async fn a_start_that_cannot_be_written_down_is_not_posted() {
    for kind in ["backup", "restore"] {
        let (bed, store) = Outages::bed(kind, &[]).await;
        // The second entry says that it starts.
        store.begin_before("000002.json");
        let link = open(&bed, kind).await;
        an_hour_without_records(&bed).await;
        assert_eq!(bed.emulator.posts(kind), 0);
        store.end();
        assert_eq!(end(&bed, kind, &link).await, once("arm"));
        assert_eq!(bed.story(&link)[..3], ["opened", "started", "answered"]);
    }
}

#[tokio::test]
async fn an_answer_that_can_be_written_down_later_is_not_lost() {
    for (kind, hours) in [("backup", 0), ("restore", 0), ("backup", 1), ("restore", 1)] {
        let (bed, store) = Outages::bed(kind, &[]).await;
        let until = bed.emulator.clock().now() + Duration::from_hours(hours);
        // The second entry says that it starts.
        store.begin_after("000002.json");
        let answer = bed.post(&format!("/api/{kind}"), &seed(kind)).await;
        while store.refused.load(Ordering::SeqCst) == 0 || bed.emulator.clock().now() < until {
            tokio::task::yield_now().await;
        }
        assert_eq!(bed.emulator.accepted(kind), 1, "it is the answer that could not be written");
        store.end();
        bed.settle().await;
        assert_eq!(end(&bed, kind, &answer.header("location")).await, once("arm"));
    }
}

#[tokio::test]
async fn whoever_asks_while_the_records_are_down_is_told_to_come_back_and_a_slot_is_made_up() {
    let target = json!({"name": "primary", "operation": null, "backupName": "primary", "clientSecret": "env:S",
        "accessKey": "env:K"});
    let target = crate::bed::but(seed("backup"), &target);
    let variables = [
        ("APIM_DR_TARGETS", &*json!([target]).to_string()),
        ("S", accounts::CLIENT_SECRET),
        ("K", accounts::ACCOUNT_KEY),
    ];
    let (mut bed, store) = Outages::bed("backup", &variables).await;
    bed.sweep().await;
    bed.sweep_for(Duration::from_mins(20)).await;
    let next: Timestamp = "2026-11-22T01:00:01Z".parse().unwrap();
    bed.advance(next.duration_since(bed.now()).unsigned_abs());
    store.begin();
    // First a process that had opened the records, then one that cannot.
    for restarted in [false, true] {
        if restarted {
            bed.restart().await;
        }
        for kind in ["backup", "restore"] {
            let refused = bed.post(&format!("/api/{kind}"), &seed(kind)).await;
            assert_eq!((refused.status.as_u16(), refused.header("retry-after").as_str()), (503, "10"));
            let says = if restarted { "the app is not ready" } else { "the records cannot be written now" };
            assert!(refused.text.contains(says), "{refused:?}");
        }
        let timer = bed.post("/timer-trigger", &json!({})).await;
        assert_eq!((timer.status.as_u16(), timer.header("retry-after").as_str()), (503, "10"));
        let health = bed.get("/api/health").await;
        // Health asks nobody: it tells what a process met when it opened the records.
        assert_eq!(health.status, if restarted { 503 } else { 200 }, "{health:?}");
        assert_eq!(health.text.contains("APIM_DR_RECORDS"), restarted, "{health:?}");
    }
    an_hour_without_records(&bed).await;
    assert_eq!(bed.emulator.posts("backup"), 1, "yesterday's");
    store.end();
    bed.sweep_for(Duration::from_mins(20)).await;
    assert_eq!(bed.get("/api/health").await.status, 200);
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    let names: Vec<_> = blobs.into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["primary_20261121", "primary_20261122"]);
    assert_eq!(bed.emulator.posts("backup"), 2);
    assert_eq!(json!(bed.sweep().await.json()["Logs"][0]), json!("nothing to do"));
}

/// What becomes of a backup around whose lost start the backup account does not answer.
async fn blind(begins_before: bool, post: Effect) -> (Value, Vec<usize>, usize) {
    let bed = Bed::start().await;
    let unread = Fault { times: u32::MAX, ..Fault::once("HEAD", "/blob/", Effect::ResetBefore) };
    bed.emulator.inject(Fault::once("POST", "/backup?", post));
    if begins_before {
        bed.emulator.inject(unread.clone());
    }
    let link = open(&bed, "backup").await;
    if !begins_before {
        bed.emulator.inject(unread);
    }
    bed.sweep_for(Duration::from_hours(1)).await;
    let during = bed.get(&link).await;
    assert_ne!(during.json()["phase"], "Succeeded", "{during:?}");
    let mut posts = vec![bed.emulator.posts("backup")];
    bed.emulator.clear_faults();
    let ended = bed.follow(&link).await.json();
    posts.push(bed.emulator.posts("backup"));
    (ended, posts, bed.emulator.accepted("backup"))
}

#[tokio::test]
async fn a_lost_start_whose_blob_cannot_be_seen_waits_for_the_account_and_never_posts_blindly() {
    let status =
        |status| Effect::Status { status, body: None, headers: std::collections::BTreeMap::default() };
    // Seen before the start: whoever looks later can tell.
    let (ended, posts, accepted) = blind(false, Effect::ResetAfter).await;
    assert_eq!((&ended["evidence"], posts, accepted), (&json!("blob"), vec![1, 1], 1), "{ended}");
    let (ended, posts, accepted) = blind(false, status(503)).await;
    assert_eq!((&ended["evidence"], posts, accepted), (&json!("arm"), vec![1, 2], 1), "{ended}");
    // Not seen before the start: nobody ever can.
    for (post, taken) in [(Effect::ResetAfter, 1), (status(503), 0)] {
        let (ended, posts, accepted) = blind(true, post).await;
        assert_eq!(
            (&ended["failure"]["kind"], posts, accepted),
            (&json!("outcomeUnknown"), vec![1, 1], taken),
            "{ended}"
        );
    }
}

#[tokio::test]
async fn a_status_that_cannot_be_read_is_told_as_such() {
    let (bed, store) = Outages::bed("backup", &[]).await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    bed.follow(&link).await;
    let id = link.split(['/', '?']).find(|part| part.len() == 36).unwrap();
    store.begin();
    for (path, content_type) in [
        ("/api/status".to_owned(), "text/html; charset=utf-8"),
        (format!("/api/status?operation={id}"), "text/html; charset=utf-8"),
        ("/api/status/json".to_owned(), "application/problem+json"),
        ("/api/status/metrics".to_owned(), "application/problem+json"),
    ] {
        let answer = bed.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after").as_str()), (503, "10"), "{path}");
        assert_eq!(answer.header("content-type"), content_type, "{path}");
        assert!(
            answer.text.contains("records cannot be read now") && !answer.text.contains("nobody answers"),
            "{path}"
        );
    }
    store.end();
    assert_eq!(bed.get("/api/status").await.status, 200);
}
