//! What a caller over HTTP sees: the contract of the answers.

use std::time::Duration;

use apim_dr::emulator::{Effect, Fault, accounts};
use serde_json::{Value, json};

use crate::bed::{Bed, but, everything_in, seed};

#[tokio::test]
async fn a_backup_is_taken_followed_and_ends_with_azures_own_word() {
    let bed = Bed::start().await;
    let answer = bed.post("/api/backup", &seed("backup")).await;
    assert_eq!(answer.status, 202);
    let link = answer.header("location");
    let body = answer.json();
    assert_eq!(body["statusQueryGetUri"], link);
    assert_eq!(body["warnings"], json!([]));
    assert!(
        link.starts_with(&format!("{}/api/operations/{}?t=", bed.url, body["id"].as_str().unwrap())),
        "{link}"
    );
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert!(!link.contains("code="));

    let open = bed.get(&link).await;
    assert_eq!(open.status, 202);
    assert_eq!(open.header("location"), link);
    assert!(open.header("retry-after").parse::<u32>().unwrap() >= 1);

    let ended = bed.follow(&link).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert!(!ended.headers.contains_key("location"));
    let body = ended.json();
    assert_eq!(
        (body["name"].as_str(), body["runtimeStatus"].as_str(), body["phase"].as_str()),
        (Some("backup"), Some("Completed"), Some("Succeeded"))
    );
    assert_eq!(body["evidence"], "arm");
    assert_eq!(body["verification"]["result"], "verified");
    assert!(body["requestIds"]["request"].is_string(), "{body}");
    assert_eq!((bed.emulator.posts("backup"), bed.emulator.accepted("backup")), (1, 1));
    assert_eq!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER).len(), 1);
}

#[tokio::test]
async fn a_restore_to_the_standby_is_followed_to_its_end() {
    let bed = Bed::start().await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    let restore = but(seed("restore"), &json!({"apimInstance": accounts::STANDBY}));
    let ended = bed.run("/api/restore", &restore).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json()["name"], "restore");
    assert_eq!(bed.emulator.accepted("restore"), 1);
}

#[tokio::test]
async fn the_seed_body_without_its_secrets_uses_the_apps_own_identities() {
    // The managed identity itself needs the process's environment: process.rs. Here: the environment's secret.
    let bed = Bed::with(&[
        ("AZURE_TENANT_ID", accounts::TENANT_ID),
        ("AZURE_CLIENT_ID", accounts::APPLICATION_ID),
        ("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET),
    ])
    .await;
    let body = but(
        seed("backup"),
        &json!({"applicationId": null, "clientSecret": null, "tenantId": null, "accessKey": null, "operation": null}),
    );
    let ended = bed.run("/api/backup", &body).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json()["input"]["access"]["type"], "systemAssignedManagedIdentity");
}

#[tokio::test]
async fn a_failure_is_424_unless_the_caller_asked_otherwise() {
    for (query, status) in [
        ("", 424),
        ("?returnInternalServerErrorOnFailure=true", 500),
        ("?returnOkOnFailure=true", 200),
        ("?returnOkOnFailure=false", 424),
    ] {
        let bed = Bed::start().await;
        bed.emulator.inject(Fault::once("POST", "/backup?", failing_operation()));
        let ended = bed.run(&format!("/api/backup{query}"), &seed("backup")).await;
        assert_eq!(ended.status, status, "{query}: {ended:?}");
        let body = ended.json();
        assert_eq!(body["runtimeStatus"], "Failed");
        assert_eq!(body["failure"]["kind"], "failed");
        assert_eq!(body["failure"]["error"]["code"], "BackupFailed");
        assert!(body["failure"]["error"]["ids"]["request"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_refusal_by_entra_fails_the_operation_and_says_what_to_do() {
    let bed = Bed::start().await;
    let wrong = but(seed("backup"), &json!({"clientSecret": "wrong-but-long-enough"}));
    let ended = bed.run("/api/backup", &wrong).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    let failure = &ended.json()["failure"];
    assert_eq!(failure["kind"], "refused");
    assert_eq!(failure["error"]["code"], "AADSTS7000215");
    assert!(failure["error"]["remedy"].is_string(), "{failure}");
    assert_eq!(bed.emulator.posts("backup"), 0);
}

#[tokio::test]
async fn an_unknown_service_fails_the_operation_before_anything_is_posted() {
    let bed = Bed::start().await;
    let ended = bed.run("/api/backup", &but(seed("backup"), &json!({"apimInstance": "nobody"}))).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    assert_eq!(ended.json()["failure"]["error"]["status"], 404);
    assert_eq!(bed.emulator.posts("backup"), 0);
}

#[tokio::test]
async fn a_busy_service_is_waited_for_until_the_deadline_and_then_skipped() {
    let bed = Bed::with(&[("APIM_DR_BACKUP_DEADLINE", "30m")]).await;
    bed.emulator
        .with_service(accounts::SERVICE, |service| service.target_provisioning_state = "Updating".into());
    let link = bed.open("/api/backup", &seed("backup")).await;
    let waiting = bed.get(&link).await.json();
    assert_eq!(waiting["phase"], "Pending", "{waiting}");
    let ended = bed.follow(&link).await;
    assert_eq!(ended.status, 424);
    assert_eq!(
        (&ended.json()["phase"], &ended.json()["runtimeStatus"]),
        (&json!("Skipped"), &json!("Failed"))
    );
    assert_eq!(bed.emulator.posts("backup"), 0);
}

#[tokio::test]
async fn another_operation_on_a_busy_instance_is_refused_or_waits_if_the_caller_says_so() {
    let bed = Bed::start().await;
    let first = bed.open("/api/backup", &seed("backup")).await;
    let another = but(seed("backup"), &json!({"backupName": "second"}));
    let refused = bed.post("/api/backup", &another).await;
    assert_eq!(refused.status, 409);
    let id = first.split_once("/operations/").unwrap().1.split('?').next().unwrap();
    assert!(refused.json()["detail"].as_str().unwrap().contains(id), "{refused:?} names {id}");
    let second = bed.open("/api/backup?queue=true", &another).await;
    let waiting = bed.get(&second).await.json();
    assert_eq!(waiting["phase"], "Pending");
    assert!(waiting["waiting"].as_str().unwrap().contains("has the service"), "{waiting}");
    assert_eq!(bed.follow(&first).await.status, 200);
    assert_eq!(bed.follow(&second).await.status, 200);
    assert_eq!((bed.emulator.posts("backup"), bed.emulator.accepted("backup")), (2, 2));
}

#[tokio::test]
async fn a_wrong_secret_is_told_at_once_even_while_another_operation_has_the_service() {
    let bed = Bed::start().await;
    bed.open("/api/backup", &seed("backup")).await;
    let wrong =
        but(seed("backup"), &json!({"clientSecret": "wrong-but-long-enough", "backupName": "second"}));
    let link = bed.open("/api/backup?queue=true", &wrong).await;
    assert_eq!(bed.get(&link).await.status, 424);
}

#[tokio::test]
async fn another_instance_is_not_waited_for() {
    let bed = Bed::start().await;
    bed.open("/api/backup", &seed("backup")).await;
    let standby = but(seed("backup"), &json!({"apimInstance": accounts::STANDBY, "backupName": "standby"}));
    bed.open("/api/backup", &standby).await;
    assert_eq!(bed.emulator.accepted("backup"), 2);
}

#[tokio::test]
async fn a_link_opens_one_operation_and_a_wrong_one_looks_like_an_unknown_one() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let another = but(seed("backup"), &json!({"backupName": "second"}));
    let other = bed.open("/api/backup?queue=true", &another).await;
    let (path, token) = link.split_once("?t=").unwrap();
    let (_, other_token) = other.split_once("?t=").unwrap();
    let unknown = bed.get("/api/operations/01a20000-0000-7000-8000-000000000000?t=x").await;
    for wrong in [
        path.to_owned(),
        format!("{path}?t="),
        format!("{path}?t={other_token}"),
        format!("{path}?t={token}x"),
    ] {
        let answer = bed.get(&wrong).await;
        assert_eq!((answer.status, &answer.text), (unknown.status, &unknown.text), "{wrong}");
    }
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn an_operation_survives_a_restart_in_every_phase() {
    let mut bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let ended = loop {
        bed.restart().await;
        let path = link.split_once("/api/").unwrap().1.to_owned();
        let answer = bed.get(&format!("/api/{path}")).await;
        if answer.status != 202 {
            break answer;
        }
        bed.advance(Duration::from_mins(1));
        bed.sweep().await;
    };
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(bed.emulator.posts("backup"), 1);
}

#[tokio::test]
async fn no_secret_reaches_the_records_or_an_answer() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let mut seen = bed.get(&link).await.text;
    // While it is open its credentials are there, sealed.
    seen += &everything_in(bed.records());
    assert!(seen.contains("ciphertext"), "{seen}");
    seen += &bed.follow(&link).await.text;
    let after = everything_in(bed.records());
    assert!(!after.contains("ciphertext"), "sealed credentials outlive their operation");
    seen += &after;
    for secret in [accounts::CLIENT_SECRET, accounts::ACCOUNT_KEY] {
        assert!(!seen.contains(secret));
    }
}

#[tokio::test]
async fn bad_settings_are_named_by_every_trigger_and_their_values_by_none() {
    let bed = Bed::with(&[("APIM_DR_CLOUD", "germany-of-old"), ("APIM_DR_BACKUP_SCHEDULE", "")]).await;
    assert_eq!(bed.get("/").await.status, 200);
    let timer = json!({"Data": {"timer": {}}, "Metadata": {}});
    let answers = [
        bed.get("/api/health").await,
        bed.post("/api/backup", &seed("backup")).await,
        bed.get("/api/operations/01a20000-0000-7000-8000-000000000000?t=x").await,
        bed.post("/timer-trigger", &timer).await,
        bed.post("/sweep-trigger", &timer).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
        for name in ["APIM_DR_CLOUD", "APIM_DR_BACKUP_SCHEDULE"] {
            assert!(answer.text.contains(name), "{answer:?}");
        }
        assert!(!answer.text.contains("germany-of-old"), "{answer:?}");
    }
}

#[tokio::test]
async fn records_that_cannot_be_used_make_health_red_and_are_tried_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = format!("file:{}/records", file.path().display());
    let bed = Bed::with(&[("APIM_DR_RECORDS", &below_a_file)]).await;
    assert_eq!(bed.get("/api/health").await.status, 200);
    let answer = bed.post("/api/backup", &seed("backup")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.text.contains("APIM_DR_RECORDS"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "10");
    let health = bed.get("/api/health").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["problems"][0]["setting"], "APIM_DR_RECORDS");
}

fn failing_operation() -> Effect {
    Effect::FailOperation {
        after_polls: 2,
        status: 400,
        code: "BackupFailed".into(),
        message: "The storage account could not be reached.".into(),
    }
}

#[tokio::test]
async fn health_is_open_and_says_nothing_of_anybody() {
    let bed = Bed::start().await;
    bed.open("/api/backup", &seed("backup")).await;
    let health = bed.get("/api/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.json(), json!({"status": "healthy", "problems": Value::Array(vec![])}));
}

#[tokio::test]
async fn a_token_comes_from_the_endpoint_that_is_set() {
    for (version, path) in [("v2", "/oauth2/v2.0/token"), ("v1", "/oauth2/token")] {
        let bed = Bed::with(&[("APIM_DR_TOKEN_ENDPOINT", version)]).await;
        assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
        let requests = bed.emulator.requests();
        let tokens: Vec<_> = requests.iter().filter(|request| request.path.contains("/oauth2/")).collect();
        assert_eq!(tokens.len(), 1, "one token serves the whole operation: {tokens:?}");
        assert!(tokens[0].path.ends_with(path), "{tokens:?}");
    }
}

#[tokio::test]
async fn an_api_version_that_is_too_old_for_identities_is_told_before_anything_is_sent() {
    let bed = Bed::with(&[("APIM_DR_API_VERSION", "2020-12-01")]).await;
    let by_identity = but(seed("backup"), &json!({"accessKey": null}));
    let ended = bed.run("/api/backup", &by_identity).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    assert!(ended.json()["failure"]["error"]["remedy"].as_str().unwrap().contains("APIM_DR_API_VERSION"));
    assert_eq!(bed.emulator.requests().len(), 0);
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
}

#[tokio::test]
async fn callers_are_told_azures_own_pace() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let pace = async || bed.get(&link).await.header("retry-after").parse::<u32>().unwrap();
    // Azure said 60 s; half of them have passed; all have, and nobody has looked yet.
    assert!(pace().await >= 59, "{}", pace().await);
    bed.advance(Duration::from_secs(30));
    assert!((29..=31).contains(&pace().await));
    bed.advance(Duration::from_mins(5));
    assert_eq!(pace().await, 15);
}

#[tokio::test]
async fn every_answer_has_one_content_type_and_errors_are_problems() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    for (path, status, content_type) in [
        (link.as_str(), 202, "application/json"),
        ("/api/operations/%FF", 404, "application/problem+json"),
        ("/api/backup", 405, "application/problem+json"),
        ("/backup-trigger", 405, "application/problem+json"),
        ("/favicon.ico", 404, "application/problem+json"),
        ("/api/status", 200, "text/html; charset=utf-8"),
        ("/api/status/json", 200, "application/json"),
        ("/api/health", 200, "application/json"),
    ] {
        let answer = bed.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let types: Vec<_> = answer.headers.get_all("content-type").iter().collect();
        assert_eq!(types, [content_type], "{path}");
    }
}

#[tokio::test]
async fn a_failure_of_the_records_is_told_without_their_place_or_content() {
    let bed = Bed::start().await;
    bed.open("/api/backup", &seed("backup")).await;
    let key = std::fs::read_to_string(bed.records().join("state-key")).unwrap();
    let key = serde_json::from_str::<Value>(&key).unwrap()["key"].as_str().unwrap().to_owned();
    // As somebody might restore it by hand.
    std::fs::write(bed.records().join("state-key"), format!("\"{key}\"")).unwrap();
    let mut bed = bed;
    bed.restart().await;
    let answers = [bed.post("/api/backup", &seed("backup")).await, bed.get("/api/health").await];
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text.contains("APIM_DR_RECORDS"), "{answer:?}");
        assert!(!answer.text.contains(&key) && !answer.text.contains("file:"), "{answer:?}");
    }
}
