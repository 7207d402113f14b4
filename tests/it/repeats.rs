//! The same request, more than once: one operation, one POST.

use std::time::Duration;

use futures::future::join_all;
use reqwest::header;
use serde_json::{Value, json};

use crate::bed::{Answer, Bed, but, seed};

async fn post_with_key(bed: &Bed, path: &str, key: &str, body: &str) -> Answer {
    let request = bed.client.post(format!("{}{path}", bed.url)).header("Idempotency-Key", key);
    let request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_owned());
    Answer::of(request.send().await.unwrap()).await
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn ten_equal_requests_at_once_are_one_operation() {
    for with_key in [false, true] {
        let bed = Bed::start().await;
        let body = seed("backup").to_string();
        let posts = (0..10).map(|_| async {
            if with_key {
                post_with_key(&bed, "/api/backup", "nightly-1", &body).await
            } else {
                bed.post("/api/backup", &seed("backup")).await
            }
        });
        let answers = join_all(posts).await;
        bed.settle().await;
        let mut ids: Vec<_> = answers.iter().map(id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        for answer in &answers {
            assert_eq!(answer.header("location"), answers[0].header("location"));
        }
        assert_eq!(bed.follow(&answers[0].header("location")).await.status, 200);
        assert_eq!((bed.emulator.posts("backup"), bed.emulator.accepted("backup")), (1, 1));
    }
}

#[tokio::test]
async fn an_equal_request_is_joined_while_it_is_open_and_another_one_afterwards() {
    let bed = Bed::start().await;
    let first = bed.post("/api/backup", &seed("backup")).await;
    let again = bed.post("/api/backup", &but(seed("backup"), &json!({"apimInstance": "SampleAPIM"}))).await;
    assert_eq!(id(&again), id(&first));
    assert!(again.json()["warnings"][0].as_str().unwrap().contains(&id(&first)), "{again:?}");
    assert_eq!(first.json()["warnings"], json!([]));
    bed.settle().await;
    assert_eq!(bed.follow(&first.header("location")).await.status, 200);
    let later = bed.post("/api/backup", &seed("backup")).await;
    assert_ne!(id(&later), id(&first));
}

#[tokio::test]
async fn a_key_means_one_operation_for_ever_on_one_route() {
    let mut bed = Bed::start().await;
    let body = seed("backup").to_string();
    let first = post_with_key(&bed, "/api/backup", "k", &body).await;
    bed.settle().await;
    assert_eq!(bed.follow(&first.header("location")).await.status, 200);
    bed.restart().await;
    // Neither white space nor the order of the fields makes another body.
    let mut turned = serde_json::Map::new();
    for (name, value) in seed("backup").as_object().unwrap().iter().rev() {
        turned.insert(name.clone(), value.clone());
    }
    let turned = serde_json::to_string_pretty(&Value::Object(turned)).unwrap();
    assert_ne!(turned, body);
    let again = post_with_key(&bed, "/api/backup", "k", &turned).await;
    assert_eq!(id(&again), id(&first));
    assert_eq!(bed.get(&again.header("location")).await.status, 200);
    assert_eq!(bed.emulator.posts("backup"), 1);

    let other = but(seed("backup"), &json!({"backupName": "other"})).to_string();
    let reused = post_with_key(&bed, "/api/backup", "k", &other).await;
    assert_eq!(reused.status, 422, "{reused:?}");
    assert_eq!(bed.emulator.posts("backup"), 1);
    // A key is one of its route.
    assert_ne!(id(&post_with_key(&bed, "/api/restore", "k", &seed("restore").to_string()).await), id(&first));
    for key in ["", "  ", &"x".repeat(256)] {
        assert_eq!(post_with_key(&bed, "/api/backup", key, &body).await.status, 400, "{key:?}");
    }
}

#[tokio::test]
async fn a_repeated_key_is_answered_even_while_its_operation_has_the_instance() {
    let bed = Bed::start().await;
    let body = seed("backup").to_string();
    let first = post_with_key(&bed, "/api/backup", "k", &body).await;
    bed.settle().await;
    assert_eq!(id(&post_with_key(&bed, "/api/backup", "k", &body).await), id(&first));
    // The same body under another key is another request.
    assert_eq!(post_with_key(&bed, "/api/backup", "l", &body).await.status, 409);
    assert_eq!(bed.follow(&first.header("location")).await.status, 200);
    assert_eq!(bed.emulator.posts("backup"), 1);
}

#[tokio::test]
async fn a_claim_whose_opening_was_cut_short_is_opened_by_the_repetition() {
    for (path, key) in [("requests", None), ("keys", Some("k"))] {
        let bed = Bed::start().await;
        let body = seed("backup").to_string();
        let send = async || match key {
            Some(key) => post_with_key(&bed, "/api/backup", key, &body).await,
            None => bed.post("/api/backup", &seed("backup")).await,
        };
        let first = send().await;
        bed.settle().await;
        // As if the process had died right after the claim.
        for folder in ["open", "operations", "locks"] {
            std::fs::remove_dir_all(bed.records().join(folder)).unwrap();
        }
        assert!(bed.records().join(path).is_dir());
        bed.advance(Duration::from_mins(30));
        let again = send().await;
        assert_eq!(id(&again), id(&first), "{path}");
        bed.settle().await;
        assert_eq!(bed.follow(&again.header("location")).await.status, 200, "{path}");
    }
}
