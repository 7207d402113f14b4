use serde_json::{Value, json};

use super::{Answer, Bed, by_key, on};
use crate::emulator::{Config, Effect, Fault, accounts};

async fn with_fault(method: &str, effect: Value) -> Bed {
    let bed = Bed::start().await;
    bed.inject(json!({ "on": { "method": method, "pathContains": "sampleapim" }, "effect": effect })).await;
    bed
}

async fn backup(bed: &Bed) -> reqwest::Result<Answer> {
    bed.try_arm("POST", &on(accounts::SERVICE, "/backup"), Some(by_key())).await
}

fn counts(bed: &Bed) -> (usize, usize) {
    (bed.emulator.posts("backup"), bed.emulator.accepted("backup"))
}

/// Status and fault of the last request.
fn logged(bed: &Bed) -> (Option<u16>, Option<String>) {
    let last = bed.emulator.requests().pop().unwrap();
    (last.status, last.fault)
}

#[tokio::test]
async fn a_status_is_answered_without_processing() {
    let effect =
        json!({ "kind": "status", "status": 429, "body": "slow down", "headers": { "retry-after": "17" } });
    let bed = with_fault("POST", effect).await;
    let answer = backup(&bed).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("retry-after")),
        (429, "slow down", Some("17"))
    );
    assert_eq!((counts(&bed), logged(&bed)), ((1, 0), (Some(429), Some("status".into()))));
    assert_eq!(bed.emulator.faults_left(), 0);
    assert_eq!(backup(&bed).await.unwrap().status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_gives_no_answer_before_or_after_processing() {
    for (kind, accepted) in [("resetBefore", 0), ("resetAfter", 1)] {
        let bed = with_fault("POST", json!({ "kind": kind })).await;
        let error = backup(&bed).await.err().expect("no answer");
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!((counts(&bed), logged(&bed)), ((1, accepted), (None, Some(kind.into()))));
    }
}

#[tokio::test]
async fn a_slow_answer_is_processed_before_the_wait_or_after_it() {
    for (processed, accepted) in [(true, 1), (false, 0)] {
        let bed = Bed::start().await;
        bed.emulator.inject(Fault::once("POST", "/backup?", Effect::Slow { millis: 60_000, processed }));
        let arrived = async {
            while bed.emulator.posts("backup") == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answer = backup(&bed) => panic!("answered {}", answer.unwrap().status),
            () = arrived => assert_eq!(counts(&bed), (1, accepted)),
        }
    }
    let bed = with_fault("POST", json!({ "kind": "slow", "millis": 1, "processed": false })).await;
    assert_eq!(backup(&bed).await.unwrap().status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_truncated_bodies_cannot_be_read() {
    let bed = with_fault("POST", json!({ "kind": "garbage", "status": 200 })).await;
    let answer = backup(&bed).await.unwrap();
    assert_eq!((answer.status, counts(&bed)), (200, (1, 1)));
    assert!(serde_json::from_str::<Value>(&answer.body).is_err());
    assert!(answer.header("location").is_some());

    let bed = with_fault("GET", json!({ "kind": "truncate" })).await;
    let error = bed.try_arm("GET", &on(accounts::SERVICE, ""), None).await.err().expect("a broken body");
    assert!(error.is_body() || error.is_decode(), "{error:?}");
}

#[tokio::test]
async fn an_expired_token_is_forgotten() {
    let bed = with_fault("GET", json!({ "kind": "expireToken" })).await;
    assert_eq!(bed.get(&on(accounts::SERVICE, "")).await.code(), "ExpiredAuthenticationToken");
    assert_eq!(bed.get(&on(accounts::SERVICE, "")).await.code(), "InvalidAuthenticationToken");
}

#[tokio::test]
async fn an_operation_fails_as_scripted() {
    let effect = json!({ "kind": "failOperation", "afterPolls": 1, "status": 400, "code": "BackupFailed", "message": "no" });
    let bed = with_fault("POST", effect.clone()).await;
    let start = backup(&bed).await.unwrap();
    assert_eq!(bed.get(start.location()).await.status, 202);
    for _ in 0..2 {
        let end = bed.get(start.location()).await;
        assert_eq!((end.status, end.code(), end.message()), (400, "BackupFailed".into(), "no".into()));
    }
    assert!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER).is_empty());

    let bed = with_fault("POST", effect).await;
    let start = backup(&bed).await.unwrap();
    bed.pass(543);
    assert_eq!(
        bed.get(start.location()).await.code(),
        "BackupFailed",
        "nobody polled before its time was over"
    );
}

#[tokio::test]
async fn a_location_is_missing_relative_foreign_or_plain_http() {
    let public_url = Some("https://arm.example.com:444".to_owned());
    for (form, start) in [
        (json!("absent"), None),
        (json!("relative"), Some("/subscriptions/")),
        (json!({ "foreign": "https://evil.example.com/x" }), Some("https://evil.example.com/x")),
        (json!("http"), Some("http://arm.example.com:444/subscriptions/")),
    ] {
        let bed = Bed::with(Config { public_url: public_url.clone(), ..Config::default() }).await;
        bed.inject(json!({ "on": { "method": "POST" }, "effect": { "kind": "location", "form": form } }))
            .await;
        let answer = backup(&bed).await.unwrap();
        assert_eq!(answer.header("location").is_some(), start.is_some());
        assert!(start.is_none_or(|start| answer.location().starts_with(start)), "{form}");
        assert!(
            form != "relative" || answer.location().contains("//operationresults/"),
            "{:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn a_fault_skips_counts_down_and_leaves_others_alone() {
    let bed = Bed::start().await;
    let on_get = json!({ "method": "GET", "pathContains": "networkstatus", "skip": 1 });
    bed.inject(json!({ "on": on_get, "times": 2, "effect": { "kind": "status", "status": 503 } })).await;
    assert_eq!(bed.get(&on(accounts::SERVICE, "")).await.status, 200);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push((
            bed.get(&on(accounts::SERVICE, "/networkstatus")).await.status,
            bed.emulator.faults_left(),
        ));
    }
    assert_eq!(seen, [(200, 1), (503, 1), (503, 0), (200, 0)]);
    let refused = bed.send("POST", "/_emulator/faults", &[], r#"{"effect":{"kind":"nothing"}}"#.into()).await;
    assert_eq!(refused.unwrap().status, 400);
}

#[tokio::test]
async fn a_backup_that_succeeds_need_not_leave_its_blob() {
    let sizes = |bed: &Bed| -> Vec<usize> {
        let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
        blobs.into_iter().map(|(_, size, _)| size).collect()
    };
    let end = async |bed: &Bed| {
        let start = backup(bed).await.unwrap();
        bed.pass(543);
        bed.get(start.location()).await
    };
    let bed = with_fault("POST", json!({ "kind": "noBlob" })).await;
    assert_eq!((end(&bed).await.status, sizes(&bed)), (200, vec![]));
    bed.back_up().await;
    let before = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    bed.inject(json!({ "on": { "method": "POST" }, "effect": { "kind": "noBlob" } })).await;
    assert_eq!(end(&bed).await.status, 200);
    assert_eq!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER), before, "the old blob");

    let bed = with_fault("POST", json!({ "kind": "emptyBlob" })).await;
    assert_eq!((end(&bed).await.status, sizes(&bed)), (200, vec![0]));

    let bed = with_fault("POST", json!({ "kind": "lateBlob", "seconds": 30 })).await;
    assert_eq!((end(&bed).await.status, sizes(&bed)), (200, vec![]));
    bed.pass(29);
    assert!(sizes(&bed).is_empty());
    bed.pass(1);
    assert!(sizes(&bed)[0] > 4096);
    let at = bed
        .emulator
        .with_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "nightly", |blob| blob.last_modified);
    assert_eq!(at.unwrap().to_string(), "2026-03-01T01:09:33Z");
}

#[tokio::test]
async fn a_backup_that_fails_may_leave_a_part_of_its_blob() {
    let bed = with_fault("POST", json!({ "kind": "partialBlob" })).await;
    let start = backup(&bed).await.unwrap();
    assert_eq!(bed.get(start.location()).await.status, 202);
    bed.pass(543);
    let end = bed.get(start.location()).await;
    assert_eq!((end.status, end.code()), (400, "BackupFailed".to_owned()));
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    assert!((1000..4000).contains(&blobs[0].1), "{blobs:?}");
    assert_eq!(bed.post(&on(accounts::SERVICE, "/restore"), by_key()).await.status, 202, "it is idle again");
}
