//! Who is let in: keys where no host checks them, principals where one is demanded, bodies without secrets.

use std::time::Duration;

use apim_dr::emulator::accounts;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    bed::{Answer, Bed, but, everything_in, seed},
    process::Place,
};

const BACKUP: &str = "backup-key-0123456789";
const RESTORE: &str = "restore+key/0123456789==";
const STATUS: &str = "status-key-0123456789";
/// Stand-alone.
const NO_HOST: (&str, &str) = ("FUNCTIONS_CUSTOMHANDLER_PORT", "");

fn keys() -> String {
    format!("backup={BACKUP},restore={RESTORE},status={STATUS}")
}

/// A server without a host, with a key for everything.
async fn locked() -> Bed {
    Bed::with(&[NO_HOST, ("APIM_DR_KEYS", &keys())]).await
}

async fn send(bed: &Bed, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let request = bed.client.request(method, format!("{}{path}", bed.url)).body(body.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Answer::of(request.send().await.unwrap()).await
}

async fn post(bed: &Bed, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    send(bed, Method::POST, path, headers, body).await
}

/// An HTTP trigger in its envelope, with what its `res` says.
async fn envelope(bed: &Bed, function: &str, query: Value, headers: Value, body: &Value) -> (u64, String) {
    let mut headers = headers;
    headers["Host"] = json!(["localhost:7071"]);
    let request = json!({"Method": "POST", "Query": query, "Headers": headers, "Body": body.to_string()});
    let answer = post(bed, &format!("/{function}"), &[], &json!({"Data": {"req": request}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let res = &answer.json()["Outputs"]["res"];
    (res["statusCode"].as_u64().unwrap(), answer.text)
}

#[tokio::test]
async fn with_keys_each_route_takes_its_own_by_header_or_query() {
    let bed = locked().await;
    for (path, key, body) in
        [("/api/backup", BACKUP, seed("backup")), ("/api/restore", RESTORE, seed("restore"))]
    {
        let path = format!("{path}?queue=true");
        let by_header = post(&bed, &path, &[("x-functions-key", key)], &body).await;
        assert_eq!(by_header.status, 202, "{by_header:?}");
        let by_query = post(&bed, &format!("{path}&code={}", urlencoding::encode(key)), &[], &body).await;
        assert_eq!(by_query.status, 202, "{by_query:?}");
        for answer in [by_header, by_query] {
            assert!(!format!("{answer:?}").contains("code="), "{answer:?}");
            // The link needs no key.
            let shown = bed.get(&answer.header("location")).await;
            assert!([202, 200, 424].contains(&shown.status.as_u16()), "{shown:?}");
        }
    }
    for path in ["/api/status", "/api/status/json"] {
        let answer = send(&bed, Method::GET, path, &[("x-functions-key", STATUS)], &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_eq!(bed.get("/api/health").await.status, 200);
    assert_eq!(bed.get("/").await.status, 200);
}

#[tokio::test]
async fn without_the_right_key_nothing_is_opened_or_told() {
    let bed = locked().await;
    let cases: [(&str, &[(&str, &str)]); 8] = [
        ("", &[]),
        ("?code=", &[]),
        ("", &[("x-functions-key", "")]),
        ("", &[("x-functions-key", BACKUP)]),
        ("", &[("x-functions-key", STATUS)]),
        ("", &[("x-functions-key", &RESTORE[..RESTORE.len() - 1])]),
        ("?code=backup-key-0123456789", &[]),
        // The header counts, as for Functions.
        ("?code=restore%2Bkey%2F0123456789%3D%3D", &[("x-functions-key", BACKUP)]),
    ];
    for (query, headers) in cases {
        let answer = post(&bed, &format!("/api/restore{query}"), headers, &seed("restore")).await;
        assert_eq!(answer.status, 401, "{query} {headers:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        for key in [BACKUP, RESTORE, STATUS] {
            assert!(!format!("{answer:?}").contains(key), "{answer:?}");
        }
    }
    for path in ["/api/status", "/api/status/json"] {
        assert_eq!(bed.get(path).await.status, 401, "{path}");
    }
    assert!(!everything_in(bed.records()).contains("sampleapim"));
    assert_eq!(bed.emulator.requests().len(), 0);
}

#[tokio::test]
async fn what_has_no_key_is_closed_once_there_are_keys() {
    let bed = Bed::with(&[NO_HOST, ("APIM_DR_KEYS", &format!("backup={BACKUP}"))]).await;
    for answer in [
        post(&bed, "/api/restore", &[("x-functions-key", BACKUP)], &seed("restore")).await,
        send(&bed, Method::GET, "/api/status", &[("x-functions-key", BACKUP)], &Value::Null).await,
    ] {
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.text.contains("APIM_DR_KEYS") && !answer.text.contains(BACKUP), "{answer:?}");
    }
}

#[tokio::test]
async fn only_a_host_finds_the_timers_and_the_envelopes() {
    for variables in [vec![NO_HOST], vec![NO_HOST, ("APIM_DR_KEYS", "backup=backup-key-0123456789")]] {
        let bed = Bed::with(&variables).await;
        for function in [
            "/timer-trigger",
            "/sweep-trigger",
            "/backup-trigger",
            "/restore-trigger",
            "/operations-trigger",
            "/status-trigger",
            "/health-trigger",
        ] {
            let answer = bed.post(function, &json!({"Data": {"timer": {}}, "Metadata": {}})).await;
            assert_eq!(answer.status, 404, "{function}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_web_page_cannot_start_anything_on_a_server_without_keys() {
    let place = Place::start().await;
    let server = place.serve().await;
    let client = reqwest::Client::new();
    let envelope = json!({"Data": {"req": {"Method": "POST", "Body": seed("restore").to_string()}}});
    for (path, body) in [("api/restore", seed("restore")), ("restore-trigger", envelope)] {
        for (name, value) in [("origin", "https://example.com"), ("sec-fetch-site", "cross-site")] {
            let request = client.post(format!("{}/{path}", server.url)).header(name, value);
            let answer = Answer::of(request.body(body.to_string()).send().await.unwrap()).await;
            assert_eq!(answer.status, 403, "{path}, {name}: {answer:?}");
        }
    }
    assert_eq!(place.emulator.requests().len(), 0);
}

#[tokio::test]
async fn web_pages_are_refused_even_with_a_key() {
    let bed = locked().await;
    let headers = [("x-functions-key", BACKUP), ("origin", "https://example.com")];
    assert_eq!(post(&bed, "/api/backup", &headers, &seed("backup")).await.status, 403);
}

#[tokio::test]
async fn under_the_host_its_own_keys_count() {
    let bed = Bed::with(&[("APIM_DR_KEYS", &keys())]).await;
    assert_eq!(bed.post("/api/backup", &seed("backup")).await.status, 202);
}

#[tokio::test]
async fn where_a_principal_is_demanded_nobody_calls_without_one() {
    let bed = Bed::with(&[("APIM_DR_REQUIRE_PRINCIPAL", "true"), ("WEBSITE_AUTH_ENABLED", "True")]).await;
    let none: [&[(&str, &str)]; 3] =
        [&[], &[("x-ms-client-principal-id", " ")], &[("x-ms-client-principal-name", "somebody")]];
    for headers in none {
        for (method, path) in [
            (Method::POST, "/api/backup"),
            (Method::POST, "/api/restore"),
            (Method::GET, "/api/status"),
            (Method::GET, "/api/status/json"),
        ] {
            let answer = send(&bed, method, path, headers, &seed("backup")).await;
            assert_eq!(answer.status, 401, "{path} {headers:?}: {answer:?}");
        }
    }
    assert_eq!(envelope(&bed, "backup-trigger", json!({}), json!({}), &seed("backup")).await.0, 401);
    assert_eq!(bed.emulator.requests().len(), 0);

    for name in ["x-ms-client-principal-id", "x-ms-client-principal"] {
        let answer = post(&bed, "/api/backup", &[(name, "c29tZWJvZHk=")], &seed("backup")).await;
        assert_eq!(answer.status, 202, "{name}: {answer:?}");
        assert_ne!(bed.get(&answer.header("location")).await.status, 401);
    }
    let enveloped = json!({"X-MS-CLIENT-PRINCIPAL-ID": ["somebody"]});
    assert_eq!(envelope(&bed, "backup-trigger", json!({}), enveloped, &seed("backup")).await.0, 202);
    assert_eq!(bed.get("/api/health").await.status, 200);
    bed.sweep().await;
}

#[tokio::test]
async fn where_nobody_is_signed_in_a_principal_that_somebody_sends_starts_nothing() {
    for said in ["", "False"] {
        let bed = Bed::with(&[("APIM_DR_REQUIRE_PRINCIPAL", "true"), ("WEBSITE_AUTH_ENABLED", said)]).await;
        for path in ["/api/backup", "/api/restore"] {
            let kind = path.trim_start_matches("/api/");
            let sent = [("x-ms-client-principal-id", "somebody")];
            let answer = post(&bed, path, &sent, &seed(kind)).await;
            assert_eq!(answer.status, 503, "{path}: {answer:?}");
            assert!(answer.text.contains("WEBSITE_AUTH_ENABLED"), "{path}: {answer:?}");
        }
        let health = bed.get("/api/health").await;
        assert!(health.status == 503 && health.text.contains("WEBSITE_AUTH_ENABLED"), "{health:?}");
        assert_eq!(bed.emulator.requests().len(), 0);
    }
}

#[tokio::test]
async fn where_secrets_are_not_wanted_each_is_named_with_what_to_do_instead() {
    let own = [
        ("AZURE_TENANT_ID", accounts::TENANT_ID),
        ("AZURE_CLIENT_ID", accounts::APPLICATION_ID),
        ("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET),
        ("APIM_DR_REFUSE_PAYLOAD_SECRETS", "true"),
    ];
    let bed = Bed::with(&own).await;
    let fields = |text: &str| -> Value {
        let body: Value = serde_json::from_str(text).unwrap();
        body["problems"].as_array().unwrap().iter().map(|problem| problem["field"].clone()).collect()
    };
    for (path, kind) in [("/api/backup", "backup"), ("/api/restore", "restore")] {
        // What else is wrong is told at once, as ever.
        let answer = bed.post(path, &but(seed(kind), &json!({"containerName": "Big"}))).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(fields(&answer.text), json!(["clientSecret", "accessKey", "containerName"]));
        assert!(answer.text.contains("own identity") && answer.text.contains("managed identity"));
        for secret in [accounts::CLIENT_SECRET, accounts::ACCOUNT_KEY] {
            assert!(!answer.text.contains(secret), "{answer:?}");
        }
    }
    let key_only = but(seed("backup"), &json!({"applicationId": null, "clientSecret": "", "tenantId": null}));
    assert_eq!(fields(&bed.post("/api/backup", &key_only).await.text), json!(["accessKey"]));
    assert_eq!(envelope(&bed, "backup-trigger", json!({}), json!({}), &key_only).await.0, 400);
    assert_eq!(bed.emulator.requests().len(), 0);
    // What cannot be read is refused as ever.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(post(&bed, "/api/backup", &form, &key_only).await.status, 415);
    assert_eq!(bed.post("/api/backup", &json!([])).await.status, 400);

    let without = but(key_only, &json!({"accessKey": null}));
    assert_eq!(bed.run("/api/backup", &without).await.status, 200);
}

#[tokio::test]
async fn an_address_that_others_reach_is_listened_on_only_with_keys() {
    let mut place = Place::start().await;
    // One that listens would not end.
    let refused = place.run(&["serve", "--listen", "0.0.0.0:0"], "");
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it listens");
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.err.contains("APIM_DR_KEYS"), "{refused:?}");
    place.set("APIM_DR_LISTEN", "0.0.0.0:0");
    let settings = place.run(&["settings"], "").await;
    assert_eq!(settings.code, Some(1), "{settings:?}");
    assert!(settings.err.contains("APIM_DR_LISTEN: "), "{settings:?}");

    place.set("APIM_DR_KEYS", &keys());
    for arguments in [vec!["serve"], vec!["serve", "--listen", "0.0.0.0:0"]] {
        let server = place.serve_with(&arguments).await;
        assert!(server.url.starts_with("http://0.0.0.0:"), "{}", server.url);
        let status = async |path: &str| reqwest::get(format!("{}{path}", server.url)).await.unwrap().status();
        assert_eq!(status("/api/health").await, 200);
        assert_eq!(status("/api/status").await, 401);
    }
    let settings = place.run(&["settings"], "").await;
    assert_eq!(settings.code, Some(0), "{settings:?}");
    for key in [BACKUP, RESTORE, STATUS] {
        assert!(!format!("{settings:?}").contains(key), "{settings:?}");
    }
}

#[tokio::test]
async fn the_log_names_the_principal_and_holds_none_of_its_claims() {
    let mut place = Place::start().await;
    place.set("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    place.set("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *");
    place.set("APIM_DR_REQUIRE_PRINCIPAL", "true");
    place.set("WEBSITE_AUTH_ENABLED", "True");
    let mut server = place.serve().await;
    let request = reqwest::Client::new().post(format!("{}/api/backup", server.url));
    let request =
        request.header("x-ms-client-principal-id", "id-1").header("x-ms-client-principal", "c2VjcmV0");
    let request = request.header("x-ms-client-principal-name", "ops@example.com");
    let answer = request.body(seed("backup").to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    for phase in ["Starting", "Running"] {
        // Also what is done after the answer.
        let line = server.wait_for_phase(phase).await;
        let principal = (&line["principal.id"], &line["principal.name"]);
        assert_eq!(principal, (&json!("id-1"), &json!("ops@example.com")), "{line}");
    }
    assert!(!server.log.contains("c2VjcmV0"));
}
