//! Bad input over HTTP: each a clear 4xx that names the field and the remedy, and nothing is started.

use std::time::Duration;

use apim_dr::emulator::accounts;
use reqwest::header;
use serde_json::{Value, json};

use crate::bed::{Answer, Bed, but, seed};

async fn post(bed: &Bed, route: &str, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let request = bed.client.post(format!("{}/api/{route}", bed.url)).body(body);
    let request = match content_type {
        Some(content_type) => request.header(header::CONTENT_TYPE, content_type),
        None => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_a_remedy() {
    let bed = Bed::start().await;
    let json = Some("application/json");
    let with_bom = [b"\xef\xbb\xbf".as_slice(), seed("backup").to_string().as_bytes()].concat();
    let mut twice = seed("backup").to_string();
    twice.insert_str(1, r#""BackupName":"other","#);
    let cases = [
        ("empty", json, Vec::new(), 400, "empty"),
        ("not JSON", json, b"backup, please".to_vec(), 400, "JSON"),
        ("cut off", json, b"{\"operation\":".to_vec(), 400, "JSON"),
        ("an array", json, b"[]".to_vec(), 400, "object"),
        ("a string", json, b"\"backup\"".to_vec(), 400, "object"),
        ("a byte order mark", json, with_bom, 400, "BOM"),
        ("a name twice", json, twice.into_bytes(), 400, "backupName"),
        ("too large", json, vec![b' '; 1024 * 1024 + 1], 413, "1048576"),
        (
            "a form",
            Some("application/x-www-form-urlencoded"),
            b"operation=backup".to_vec(),
            415,
            "application/json",
        ),
        ("plain text", Some("text/plain"), seed("backup").to_string().into_bytes(), 415, "application/json"),
    ];
    for (name, content_type, body, status, says) in cases {
        let answer = post(&bed, "backup", content_type, body).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{name}");
        assert!(answer.text.contains(says), "{name}: {answer:?}");
    }
    assert_eq!(bed.emulator.requests().len(), 0);
}

#[tokio::test]
async fn a_body_is_json_by_any_of_its_names_and_without_one() {
    let bed = Bed::start().await;
    for content_type in [
        Some("application/json; charset=utf-8"),
        Some("Application/JSON"),
        Some("application/problem+json"),
        None,
    ] {
        let answer = post(&bed, "backup", content_type, seed("backup").to_string()).await;
        assert_eq!(answer.status, 202, "{content_type:?}: {answer:?}");
    }
}

#[tokio::test]
async fn all_problems_are_told_at_once_each_with_its_field() {
    let bed = Bed::start().await;
    let bad = but(
        seed("backup"),
        &json!({"subscriptionId": "mine", "apimInstance": "-x", "storageAccount": "Big", "containerName": 7, "backupName": ""}),
    );
    let answer = bed.post("/api/backup", &bad).await;
    assert_eq!(answer.status, 400);
    let problems = answer.json()["problems"].clone();
    let mut fields: Vec<_> =
        problems.as_array().unwrap().iter().map(|problem| problem["field"].clone()).collect();
    fields.sort_by_key(ToString::to_string);
    assert_eq!(
        Value::Array(fields),
        json!(["apimInstance", "backupName", "containerName", "storageAccount", "subscriptionId"])
    );
    for problem in problems.as_array().unwrap() {
        assert!(problem["remedy"].as_str().unwrap().len() > 10, "{problem}");
    }
}

#[tokio::test]
async fn a_restore_is_only_started_by_a_body_that_means_it() {
    let bed = Bed::with(&[("APIM_DR_RESTORE_TARGETS", "sampleapim")]).await;
    for (body, status) in [
        (but(seed("restore"), &json!({"operation": null})), 400),
        (but(seed("restore"), &json!({"operation": "backup|restore"})), 400),
        (seed("backup"), 400),
        (but(seed("restore"), &json!({"operation": null, "confirm": "RESTORE other"})), 400),
        (but(seed("restore"), &json!({"apimInstance": "sampleapim-standby"})), 400),
        (but(seed("restore"), &json!({"operation": null, "confirm": "RESTORE sampleapim"})), 202),
        (seed("restore"), 202),
    ] {
        let answer = bed.post("/api/restore", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
    }
    assert_eq!(bed.post("/api/backup", &seed("restore")).await.status, 400);
    let sample = but(seed("backup"), &json!({"operation": "backup|restore"}));
    let sample = bed.post("/api/backup?queue=true", &sample).await;
    assert_eq!(sample.status, 202);
    assert_eq!(sample.json()["warnings"].as_array().unwrap().len(), 1, "{sample:?}");
}

#[tokio::test]
async fn what_is_not_understood_or_not_done_yet_is_said() {
    let bed = Bed::start().await;
    let odd = bed.post("/api/backup", &but(seed("backup"), &json!({"colour": "s3cret-colour"}))).await;
    assert_eq!(odd.status, 202);
    assert!(odd.json()["warnings"][0].as_str().unwrap().contains("colour"));
    assert!(!odd.text.contains("s3cret-colour"));
    for (field, value) in
        [("callbackUrl", json!("https://example.com/?sig=s3cret")), ("safetyBackup", json!(true))]
    {
        let later = bed.post("/api/backup", &but(seed("backup"), &json!({ field: value }))).await;
        assert_eq!(
            (later.status.as_u16(), later.json()["problems"][0]["field"].as_str()),
            (400, Some(field)),
            "{later:?}"
        );
        assert!(!later.text.contains("s3cret"), "{later:?}");
    }
}

#[tokio::test]
async fn a_backup_is_named_by_its_suffix_and_an_equal_request_joins_it_though_its_name_would_have_another_time()
 {
    let bed = Bed::start().await;
    let body = but(
        seed("backup"),
        &json!({"nameSuffix": "{instance}/{name}-{date}T{time}", "timeZone": "New Zealand Standard Time"}),
    );
    let first = bed.post("/api/backup", &body).await;
    bed.advance(Duration::from_secs(2));
    let again = bed.post("/api/backup", &body).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202), "{first:?} {again:?}");
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert!(again.json()["warnings"][0].as_str().unwrap().contains("same request"), "{again:?}");
    bed.settle().await;
    assert_eq!(bed.follow(&first.header("location")).await.status, 200);
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    let [(name, ..)] = blobs.as_slice() else { panic!("{blobs:?}") };
    assert_eq!(name, "sampleapim/apimbackup-20261121T140000");
    // What it wrote is restored by its whole name.
    let whole = json!({"backupName": name, "nameSuffix": "date"});
    let refused = bed.post("/api/restore", &but(seed("restore"), &whole)).await;
    assert_eq!((refused.status.as_u16(), refused.text.contains("nameSuffix")), (400, true), "{refused:?}");
    let restored = bed.run("/api/restore", &but(seed("restore"), &json!({"backupName": name}))).await;
    assert_eq!(restored.status, 200, "{restored:?}");
}
