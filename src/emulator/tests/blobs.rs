use serde_json::json;

use super::{Answer, Bed, by_key};
use crate::emulator::{Lock, accounts};

/// MD5 of `abc`.
const OF_ABC: &str = "kAFQmDzST7DWlj99KOF/cg==";

/// A bed with these blobs in its container.
async fn with_blobs(names: &[&str]) -> Bed {
    let bed = Bed::start().await;
    for name in names {
        bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "content");
    }
    bed
}

fn lock(bed: &Bed, name: &str, lock: Lock) {
    assert!(bed.emulator.lock_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, lock));
}

fn outcome(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("x-ms-error-code"))
}

async fn list(bed: &Bed, parameters: &str) -> String {
    let answer = bed.blob("GET", &format!("?restype=container&comp=list{parameters}"), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// What the element of this name holds, wherever it stands in the document.
fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap()).collect()
}

#[tokio::test]
async fn a_blob_is_deleted_only_as_the_one_that_was_seen() {
    let bed = with_blobs(&["a"]).await;
    let etag = bed.blob("HEAD", "/a", &[]).await.header("etag").unwrap().to_owned();
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "a", "another");
    let refused = bed.blob("DELETE", "/a", &[("if-match", &etag)]).await;
    assert_eq!(outcome(&refused), (412, Some("ConditionNotMet")));
    let etag = bed.blob("HEAD", "/a", &[]).await.header("etag").unwrap().to_owned();
    assert_eq!(outcome(&bed.blob("DELETE", "/a", &[("if-match", &etag)]).await), (202, None));
    let gone = bed.blob("DELETE", "/a", &[("if-match", &etag)]).await;
    assert_eq!(outcome(&gone), (404, Some("BlobNotFound")));
}

#[tokio::test]
async fn a_lock_keeps_a_blob_from_deletion_and_from_being_overwritten() {
    let until = "2026-03-01T02:00:00Z".parse().unwrap();
    for (given, refusal, overwritten) in [
        (Lock::LegalHold, (409, Some("BlobImmutableDueToLegalHold")), false),
        (Lock::Policy { until }, (409, Some("BlobImmutableDueToPolicy")), false),
        (Lock::Lease, (412, Some("LeaseIdMissing")), false),
        (Lock::Snapshots, (409, Some("SnapshotsPresent")), true),
    ] {
        let bed = with_blobs(&["a"]).await;
        lock(&bed, "a", given);
        assert_eq!(outcome(&bed.blob("DELETE", "/a", &[]).await), refusal);
        let put = bed.blob("PUT", "/a", &[("x-ms-blob-type", "BlockBlob")]).await;
        assert_eq!(outcome(&put), if overwritten { (201, None) } else { refusal });
        assert_eq!(outcome(&bed.blob("DELETE", "/a", &[]).await), refusal, "after the put");
        let with_snapshots = bed.blob("DELETE", "/a", &[("x-ms-delete-snapshots", "include")]).await;
        assert_eq!(outcome(&with_snapshots), if overwritten { (202, None) } else { refusal });
    }
}

#[tokio::test]
async fn snapshots_go_alone_and_a_policy_ends() {
    let bed = with_blobs(&["a", "b"]).await;
    lock(&bed, "a", Lock::Snapshots);
    assert_eq!(bed.blob("DELETE", "/a", &[("x-ms-delete-snapshots", "only")]).await.status, 202);
    assert_eq!(bed.blob("HEAD", "/a", &[]).await.status, 200);
    assert_eq!(bed.blob("DELETE", "/a", &[]).await.status, 202);

    lock(&bed, "b", Lock::Policy { until: "2026-03-01T02:00:00Z".parse().unwrap() });
    bed.pass(3599);
    assert_eq!(bed.blob("DELETE", "/b", &[]).await.status, 409);
    bed.pass(1);
    assert_eq!(bed.blob("DELETE", "/b", &[]).await.status, 202);
}

#[tokio::test]
async fn a_batch_deletes_what_is_not_locked() {
    let bed = with_blobs(&["kept", "c//d"]).await;
    lock(&bed, "kept", Lock::LegalHold);
    let part = |id: usize, name: &str| {
        format!(
            "--b\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\nDELETE /backup/{name} HTTP/1.1\r\n\r\n\r\n"
        )
    };
    let body = format!("{}{}{}--b--\r\n", part(0, "kept"), part(1, "c//d"), part(2, "missing"));
    let headers = [("authorization", "SharedKey x"), ("content-type", "multipart/mixed; boundary=b")];
    let path = format!("/blob/{}/{}?comp=batch", accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    let answer = bed.send("POST", &path, &headers, body).await.unwrap();
    let lines = answer.body.lines().filter(|line| line.starts_with("HTTP/1.1"));
    let statuses: Vec<_> = lines.filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(statuses, ["409", "202", "404"], "{}", answer.body);
    assert!(answer.body.contains("x-ms-error-code: BlobImmutableDueToLegalHold\r\n"));
}

#[tokio::test]
async fn locks_are_shown_and_the_list_shows_them_when_asked() {
    let bed = with_blobs(&["a", "free"]).await;
    let lock_over_http = async |lock| {
        let body = json!({ "account": "apimdrstorage", "container": "backup", "blob": "a", "lock": lock });
        let answer = bed.send("POST", "/_emulator/locks", &[], body.to_string()).await.unwrap();
        assert_eq!(answer.status, 204, "{}", answer.body);
    };
    lock_over_http(json!({ "kind": "legalHold" })).await;
    lock_over_http(json!({ "kind": "policy", "until": "2026-03-02T00:00:00Z" })).await;
    lock_over_http(json!({ "kind": "lease" })).await;
    let head = bed.blob("HEAD", "/a", &[]).await;
    let shown = |name: &str| head.header(name);
    assert_eq!(shown("x-ms-legal-hold"), Some("true"));
    assert_eq!(shown("x-ms-immutability-policy-until-date"), Some("Mon, 02 Mar 2026 00:00:00 GMT"));
    assert_eq!(shown("x-ms-immutability-policy-mode"), Some("locked"));
    assert_eq!((shown("x-ms-lease-state"), shown("x-ms-lease-status")), (Some("leased"), Some("locked")));
    let free = bed.blob("HEAD", "/free", &[]).await;
    assert_eq!((free.header("x-ms-legal-hold"), free.header("x-ms-lease-state")), (None, Some("available")));

    let plain = list(&bed, "").await;
    assert_eq!(elements(&plain, "LeaseStatus"), ["locked", "unlocked"]);
    assert!(!plain.contains("LegalHold") && !plain.contains("Immutability"), "{plain}");
    let asked = list(&bed, "&include=metadata,legalhold,immutabilitypolicy").await;
    assert_eq!(elements(&asked, "LegalHold"), ["true"]);
    assert_eq!(elements(&asked, "ImmutabilityPolicyUntilDate"), ["Mon, 02 Mar 2026 00:00:00 GMT"]);
    assert_eq!(elements(&asked, "ImmutabilityPolicyMode"), ["locked"]);
    let missing = json!({ "account": "apimdrstorage", "container": "backup", "blob": "x", "lock": { "kind": "lease" } });
    let answer = bed.send("POST", "/_emulator/locks", &[], missing.to_string()).await.unwrap();
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_content_md5_is_computed_checked_and_shown() {
    let bed = Bed::start().await;
    let put = async |md5: &str| {
        let headers =
            [("authorization", "SharedKey x"), ("x-ms-blob-type", "BlockBlob"), ("content-md5", md5)];
        bed.send("PUT", "/blob/apimdrstorage/backup/a", &headers, "abc".to_owned()).await.unwrap()
    };
    assert_eq!(outcome(&put("1B2M2Y8AsgTpgAmY7PhCfg==").await), (400, Some("Md5Mismatch")));
    assert_eq!(put(OF_ABC).await.header("content-md5"), Some(OF_ABC));
    assert_eq!(bed.blob("HEAD", "/a", &[]).await.header("content-md5"), Some(OF_ABC));
    let part = bed.blob("GET", "/a", &[("range", "bytes=0-1")]).await;
    assert_eq!((part.header("content-md5"), part.header("x-ms-blob-content-md5")), (None, Some(OF_ABC)));
    assert_eq!(elements(&list(&bed, "").await, "Content-MD5"), [OF_ABC]);

    bed.back_up().await;
    assert!(bed.blob("HEAD", "/nightly", &[]).await.header("content-md5").is_some());
    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| account.backups_have_md5 = false).unwrap();
    bed.back_up().await;
    assert_eq!(bed.blob("HEAD", "/nightly", &[]).await.header("content-md5"), None);
    assert!(list(&bed, "&prefix=nightly").await.contains("<Content-MD5/>"));
}

#[tokio::test]
async fn creation_time_and_tier_are_shown_and_an_archived_backup_cannot_be_read() {
    let bed = Bed::start().await;
    bed.back_up().await;
    let head = bed.blob("HEAD", "/nightly", &[]).await;
    assert_eq!(head.header("x-ms-creation-time"), Some("Sun, 01 Mar 2026 01:09:03 GMT"));
    assert_eq!(head.header("x-ms-access-tier"), Some("Hot"));
    let listed = list(&bed, "").await;
    assert_eq!(elements(&listed, "Creation-Time"), ["Sun, 01 Mar 2026 01:09:03 GMT"]);
    assert_eq!(elements(&listed, "AccessTier"), ["Hot"]);

    bed.emulator
        .with_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "nightly", |blob| {
            blob.access_tier = Some("Archive".to_owned());
        })
        .unwrap();
    let head = bed.blob("HEAD", "/nightly", &[]).await;
    assert_eq!((head.status, head.header("x-ms-access-tier")), (200, Some("Archive")));
    assert_eq!(outcome(&bed.blob("GET", "/nightly", &[]).await), (409, Some("BlobArchived")));
    let location = bed.accepted("/restore", by_key()).await;
    bed.pass(543);
    let end = bed.get(&location).await;
    assert_eq!((end.status, end.code()), (400, "RestoreFailed".to_owned()));
    assert!(end.message().contains("BlobArchived"), "{}", end.message());
}

#[tokio::test]
async fn a_backup_over_a_locked_blob_fails() {
    let bed = with_blobs(&["nightly"]).await;
    lock(&bed, "nightly", Lock::LegalHold);
    let location = bed.accepted("/backup", by_key()).await;
    bed.pass(543);
    let end = bed.get(&location).await;
    assert_eq!((end.status, end.code()), (400, "BackupFailed".to_owned()));
    assert!(end.message().contains("BlobImmutableDueToLegalHold"), "{}", end.message());
    assert_eq!(bed.blob("GET", "/nightly", &[]).await.body, "content");
}

#[tokio::test]
async fn odd_names_survive_in_paths_and_lists() {
    let names = ["/lead", "a//b", "a/b", "a/b..", "a+b %25 <&>'\"", "ü/日本"];
    let bed = with_blobs(&names[2..]).await;
    for name in &names[..2] {
        let put = bed.blob("PUT", &format!("/{name}"), &[("x-ms-blob-type", "BlockBlob")]).await;
        assert_eq!(put.status, 201, "{name}");
    }
    for name in names {
        let path: Vec<_> = name.split('/').map(urlencoding::encode).collect();
        assert_eq!(bed.blob("HEAD", &format!("/{}", path.join("/")), &[]).await.status, 200, "{name}");
    }
    let mut listed = Vec::new();
    let mut marker = String::new();
    loop {
        let page = list(&bed, &format!("&maxresults=2&marker={}", urlencoding::encode(&marker))).await;
        let names = elements(&page, "Name").into_iter();
        listed.extend(names.map(|name| quick_xml::escape::unescape(name).unwrap().into_owned()));
        match elements(&page, "NextMarker").first() {
            Some(next) => marker = quick_xml::escape::unescape(next).unwrap().into_owned(),
            None => break,
        }
    }
    assert_eq!(listed, ["/lead", "a+b %25 <&>'\"", "a//b", "a/b", "a/b..", "ü/日本"]);
}
