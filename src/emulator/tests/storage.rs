use std::time::Duration;

use base64::Engine as _;
use futures::TryStreamExt as _;
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use serde_json::json;

use super::{Bed, by_key, on};
use crate::emulator::{Clock, Config, Emulator, accounts};

/// The real client at one container.
fn store_of(bed: &Bed, container: &str) -> MicrosoftAzure {
    MicrosoftAzureBuilder::new()
        .with_account(accounts::STORAGE_ACCOUNT)
        .with_access_key(accounts::ACCOUNT_KEY)
        .with_container_name(container)
        .with_endpoint(bed.emulator.blob_endpoint(accounts::STORAGE_ACCOUNT))
        .with_allow_http(true)
        .build()
        .unwrap()
}

#[tokio::test]
async fn object_store_writes_reads_and_creates_only_once() {
    let bed = Bed::start().await;
    let store = store_of(&bed, accounts::CONTAINER);
    let path = Path::from("operations/a b+c%=ü/1.json");
    let create = || PutOptions::from(PutMode::Create);
    let first = store.put_opts(&path, "first".into(), create()).await.unwrap();
    let again = store.put_opts(&path, "second".into(), create()).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "first");

    let second = store.put(&path, "overwritten".into()).await.unwrap();
    assert_ne!(first.e_tag, second.e_tag);
    let update = PutMode::Update(UpdateVersion { e_tag: first.e_tag, version: None });
    let stale = store.put_opts(&path, "third".into(), update.into()).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");

    let head = store.head(&path).await.unwrap();
    assert_eq!((head.size, head.e_tag.clone()), (11, second.e_tag));
    assert_eq!(head.last_modified.to_rfc3339(), "2026-03-01T01:00:00+00:00");
    assert_eq!(store.get_range(&path, 4..8).await.unwrap(), "writ");
    let unchanged = GetOptions { if_none_match: head.e_tag, ..GetOptions::default() };
    assert!(matches!(store.get_opts(&path, unchanged).await, Err(Error::NotModified { .. })));
    assert!(matches!(store.get(&Path::from("missing")).await, Err(Error::NotFound { .. })));
    assert!(store.get_range(&path, 40..50).await.is_err());
}

#[tokio::test]
async fn object_store_lists_and_deletes() {
    let bed = Bed::start().await;
    let store = store_of(&bed, accounts::CONTAINER);
    for name in ["a/1", "a/2", "a/b/3", "c & <d>", "z"] {
        bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "x");
    }
    let names = async |prefix: Option<&str>| -> Vec<String> {
        let listed = store.list(prefix.map(Path::from).as_ref()).try_collect::<Vec<_>>().await.unwrap();
        listed.into_iter().map(|blob| blob.location.to_string()).collect()
    };
    assert_eq!(names(None).await, ["a/1", "a/2", "a/b/3", "c & <d>", "z"]);
    assert_eq!(names(Some("a")).await, ["a/1", "a/2", "a/b/3"]);
    let after = store.list_with_offset(None, &Path::from("a/2")).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(after.len(), 3);
    let level = store.list_with_delimiter(Some(&Path::from("a"))).await.unwrap();
    assert_eq!((level.objects.len(), level.common_prefixes), (2, vec![Path::from("a/b")]));

    let odd = Path::parse("c & <d>").unwrap();
    store.delete(&odd).await.unwrap();
    let gone = store.delete(&odd).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert_eq!(names(None).await, ["a/1", "a/2", "a/b/3", "z"]);
    let missing = store_of(&bed, "missing");
    assert!(matches!(missing.get(&Path::from("z")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let bed = Bed::start().await;
    for name in ["a/1", "a/2", "b", "c/1", "c/2", "d"] {
        bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "x");
    }
    let mut marker = String::new();
    let mut pages = Vec::new();
    loop {
        let path = format!(
            "/blob/apimdrstorage/backup?restype=container&comp=list&delimiter=/&maxresults=2&marker={marker}"
        );
        let page =
            bed.send("GET", &path, &[("authorization", "SharedKey x")], String::new()).await.unwrap().body;
        pages.push(page.matches("<Name>").count());
        let next = page.split("<NextMarker>").nth(1).and_then(|rest| rest.split('<').next());
        match next {
            Some(next) if !next.is_empty() => next.clone_into(&mut marker),
            _ => break,
        }
    }
    assert_eq!(pages, [2, 2], "a/, b, c/, d");
}

#[tokio::test]
async fn blob_errors_are_xml_and_access_needs_a_credential() {
    let bed = Bed::start().await;
    let read = async |path: &str, headers: &[(&str, &str)]| {
        bed.send("GET", path, headers, String::new()).await.unwrap()
    };
    let refused = read("/blob/apimdrstorage/backup/x", &[]).await;
    assert_eq!(
        (refused.status, refused.header("x-ms-error-code")),
        (401, Some("NoAuthenticationInformation"))
    );
    let missing = read("/blob/apimdrstorage/missing/x?sv=2024&sig=topsecret", &[]).await;
    assert_eq!((missing.status, missing.header("x-ms-error-code")), (404, Some("ContainerNotFound")));
    assert!(missing.body.contains("<Error><Code>ContainerNotFound</Code>"), "{}", missing.body);
    assert_eq!(bed.emulator.requests().pop().unwrap().path, "/blob/apimdrstorage/missing/x?sv=2024&sig=***");
}

#[tokio::test]
async fn a_backup_shows_in_the_container_with_a_size_and_a_new_etag() {
    let bed = Bed::start().await;
    bed.back_up().await;
    let head = store_of(&bed, accounts::CONTAINER).head(&Path::from("nightly")).await.unwrap();
    assert!(head.size > 4096 && head.e_tag.is_some());
    assert!(bed.emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "nightly"));
    assert!(!bed.emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "nightly"));
}

#[tokio::test]
async fn other_processes_move_the_clock_and_the_services() {
    let bed = Bed::start().await;
    let admin = async |method: &str, path: &str, body: &str| {
        bed.send(method, &format!("/_emulator/{path}"), &[], body.to_owned()).await.unwrap()
    };
    let location = bed.accepted("/backup", by_key()).await;
    assert_eq!(admin("GET", "clock", "").await.json()["now"], "2026-03-01T01:00:00Z");
    assert_eq!(
        admin("POST", "clock/advance", r#"{"seconds":543}"#).await.json()["now"],
        "2026-03-01T01:09:03Z"
    );
    assert_eq!(bed.get(&location).await.status, 200);

    let changed =
        admin("POST", "services/SampleApim", r#"{"tier":"Premium","provisioningState":"Updating"}"#).await;
    assert_eq!(changed.json()["tier"], "Premium");
    assert_eq!(bed.post(&on(accounts::SERVICE, "/backup"), by_key()).await.status, 409);
    admin("POST", "services/third", "{}").await;
    assert_eq!(bed.get(&on("third", "")).await.status, 200);
    assert_eq!(admin("GET", "services/fourth", "").await.status, 404);

    let log = admin("GET", "requests", "").await.json();
    assert_eq!((&log["posts"]["backup"], &log["accepted"]["backup"]), (&json!(2), &json!(1)));
    assert!(!log.to_string().contains(&bed.token) && !log.to_string().contains("_emulator"));
}

#[tokio::test]
async fn the_server_ends_when_stopped_or_dropped() {
    let bed = Bed::start().await;
    let url = bed.emulator.url();
    bed.emulator.stop().await;
    let refused = bed.http.get(&url).send().await.expect_err("stopped");
    assert!(refused.is_connect(), "{refused:?}");

    let emulator = Emulator::start(Config { clock: Clock::system(), ..Config::default() }).await.unwrap();
    let url = emulator.url();
    drop(emulator);
    let closed = async {
        while bed.http.get(&url).send().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("dropped");
}

#[test]
fn the_account_key_is_64_bytes_that_say_what_they_are() {
    let key = base64::engine::general_purpose::STANDARD.decode(accounts::ACCOUNT_KEY).unwrap();
    assert_eq!(key.len(), 64);
    assert!(key.starts_with(b"emulator-key-not-a-secret-"));
}
