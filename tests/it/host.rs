//! The Functions host, as far as a custom handler sees it: `GET /` at any time, envelopes (chunked, on the
//! function's name), proxied calls (on the route). Every function is driven in both shapes.

use apim_dr::emulator::{Effect, Fault, accounts};
use futures::stream;
use reqwest::{Body, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::bed::{Answer, Bed, but, seed};

const INVOCATION: &str = "2f0bd2f4-6d45-4b47-8f9e-6f0e0f6f2a11";

/// Posts an envelope the way the host does: chunked, without a length.
async fn invoke(bed: &Bed, function: &str, envelope: &Value) -> Answer {
    let text = envelope.to_string();
    let (first, second) = text.split_at(text.len() / 2);
    let chunks = [first.to_owned(), second.to_owned()].map(Ok::<_, std::io::Error>);
    let request = bed
        .client
        .post(format!("{}/{function}", bed.url))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-azure-functions-invocationid", INVOCATION)
        .header("x-azure-functions-hostversion", "4.1037.0.0")
        .body(Body::wrap_stream(stream::iter(chunks)));
    Answer::of(request.send().await.unwrap()).await
}

/// The envelope of an HTTP trigger, and what its `res` says.
pub(crate) async fn call(
    bed: &Bed,
    function: &str,
    method: &str,
    params: Value,
    query: Value,
    body: Option<&str>,
) -> Res {
    let mut request = json!({
        "Url": format!("http://localhost:7071/api/{function}"),
        "Method": method,
        "Query": query,
        "Headers": {"Accept": ["*/*"], "Host": [bed.url.trim_start_matches("http://")], "Content-Type": ["application/json"]},
        "Params": params,
        "Identities": [{"AuthenticationType": null, "IsAuthenticated": false, "Claims": []}],
    });
    if let Some(body) = body {
        request["Body"] = body.into();
    }
    let metadata = json!({"Query": {}, "Headers": {}, "sys": {"MethodName": function, "UtcNow": "2026-11-21T01:00:00Z"}});
    let answer = invoke(bed, function, &json!({"Data": {"req": request}, "Metadata": metadata})).await;
    // Anything else fails the invocation: the caller would get an empty 500, or wait until its time-out.
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let mut result = answer.json();
    assert_eq!((&result["Logs"], &result["ReturnValue"]), (&json!([]), &Value::Null));
    let res = result["Outputs"]["res"].take();
    for (name, value) in res["headers"].as_object().unwrap() {
        assert!(value.is_string(), "{name}: the host takes one text per header");
    }
    Res {
        status: res["statusCode"].as_u64().unwrap(),
        headers: res["headers"].clone(),
        body: res["body"].as_str().expect("the body is a string").to_owned(),
    }
}

#[derive(Debug)]
pub(crate) struct Res {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) body: String,
}

impl Res {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[tokio::test]
async fn the_host_finds_the_handler_up_at_any_time() {
    let bed = Bed::start().await;
    assert_eq!(bed.get("/").await.status, 200);
    bed.open("/api/backup", &seed("backup")).await;
    assert_eq!(bed.get("/").await.status, 200);
}

#[tokio::test]
async fn a_backup_and_a_restore_run_in_envelopes_alone() {
    let bed = Bed::start().await;
    for (function, operation) in [("backup-trigger", "backup"), ("restore-trigger", "restore")] {
        let started =
            call(&bed, function, "POST", json!({}), json!({}), Some(&seed(operation).to_string())).await;
        assert_eq!(started.status, 202, "{started:?}");
        let id = started.json()["id"].as_str().unwrap().to_owned();
        let link = started.headers["location"].as_str().unwrap().to_owned();
        let token = link.split_once("?t=").unwrap().1.to_owned();
        bed.settle().await;
        let open =
            call(&bed, "operations-trigger", "GET", json!({"id": id}), json!({"t": token}), None).await;
        assert_eq!(open.status, 202, "{open:?}");
        assert!(open.headers["retry-after"].is_string(), "{open:?}");
        assert_eq!(bed.follow(&link).await.status, 200);
        let ended =
            call(&bed, "operations-trigger", "GET", json!({"id": id}), json!({"t": token}), None).await;
        assert_eq!((ended.status, ended.json()["phase"].as_str()), (200, Some("Succeeded")), "{ended:?}");
    }
}

#[tokio::test]
async fn a_wish_how_a_failure_is_told_goes_into_the_link_in_both_shapes() {
    let bed = Bed::start().await;
    let body = but(seed("backup"), &json!({"apimInstance": "nobody"}));
    let query = json!({"returnOkOnFailure": "true"});
    let enveloped = call(&bed, "backup-trigger", "POST", json!({}), query, Some(&body.to_string())).await;
    bed.settle().await;
    let proxied = bed.post("/api/backup?returnOkOnFailure=true", &body).await;
    bed.settle().await;
    for link in [enveloped.headers["location"].as_str().unwrap().to_owned(), proxied.header("location")] {
        assert!(link.ends_with("&returnOkOnFailure=true"), "{link}");
        let ended = bed.get(&link).await;
        assert_eq!((ended.status.as_u16(), ended.json()["runtimeStatus"].as_str()), (200, Some("Failed")));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_inside_the_envelope_too() {
    let bed = Bed::start().await;
    let mismatch =
        call(&bed, "backup-trigger", "POST", json!({}), json!({}), Some(&seed("restore").to_string())).await;
    assert_eq!((mismatch.status, mismatch.json()["problems"][0]["field"].as_str()), (400, Some("operation")));
    assert_eq!(mismatch.headers["content-type"], "application/problem+json");
    // A client that sends chunks loses its body in the host.
    let empty = call(&bed, "backup-trigger", "POST", json!({}), json!({}), None).await;
    assert_eq!(empty.status, 400, "{empty:?}");
    let unknown = call(&bed, "operations-trigger", "GET", json!({"id": "x"}), json!({}), None).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let health = call(&bed, "health-trigger", "GET", json!({}), json!({}), None).await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("healthy")));
    let status = call(&bed, "status-trigger", "GET", json!({"view": null}), json!({}), None).await;
    assert_eq!(status.status, 200, "{status:?}");
}

#[tokio::test]
async fn a_body_that_the_host_parsed_or_encoded_twice_is_understood() {
    let bed = Bed::start().await;
    let request = json!({"Url": "http://localhost/api/backup", "Method": "POST", "Headers": {"Host": "localhost:7071"}, "Body": seed("backup")});
    for value in [request.clone(), Value::String(request.to_string())] {
        let answer = invoke(&bed, "backup-trigger", &json!({"Data": {"req": value}, "Metadata": {}})).await;
        assert_eq!(answer.json()["Outputs"]["res"]["statusCode"], 202, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_invocation_is_told_inside_the_answer_and_never_with_nothing() {
    let bed = Bed::start().await;
    let too_long = json!({"Data": {"req": {"Method": "POST", "Body": "x".repeat(9 * 1024 * 1024)}}});
    for (body, status) in [
        (json!({}), 400),
        (json!({"Data": {"req": {"Method": "not a method"}}}), 400),
        (json!([]), 400),
        (json!({"Data": {"req": {"Method": "POST", "Body": "x".repeat(2 * 1024 * 1024)}}}), 413),
        (too_long, 413),
    ] {
        let answer = invoke(&bed, "backup-trigger", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = answer.json();
        assert_eq!(result["Outputs"]["res"]["statusCode"], status, "{answer:?}");
        assert!(!result["Outputs"]["res"]["body"].as_str().unwrap().is_empty());
    }
    assert_eq!(invoke(&bed, "no-such-trigger", &json!({})).await.status, 404);
}

#[tokio::test]
async fn timers_are_answered_with_a_result_that_is_never_empty() {
    let bed = Bed::start().await;
    let monitored = json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": {"Last": "0001-01-01T00:00:00", "Next": "2026-11-21T01:00:00+00:00", "LastUpdated": "0001-01-01T00:00:00"}, "IsPastDue": false});
    let unmonitored = json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": true});
    for function in ["timer-trigger", "sweep-trigger"] {
        for timer in [&monitored, &unmonitored] {
            let answer = invoke(&bed, function, &json!({"Data": {"timer": timer}, "Metadata": {}})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("content-type"), "application/json");
            let result = answer.json();
            assert_eq!(result["Outputs"], json!({}));
            assert!(result["Logs"][0].as_str().unwrap().contains("nothing to do"), "{result}");
        }
    }
}

#[tokio::test]
async fn a_sweep_ends_what_was_started_by_another_process() {
    let mut bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    bed.restart().await;
    bed.advance(std::time::Duration::from_mins(20));
    let swept = bed.sweep().await.json();
    assert_eq!(swept["Logs"][0], "1 open, 1 ended, 0 cannot go on");
    let path = link.split_once("/api/").unwrap().1;
    assert_eq!(bed.get(&format!("/api/{path}")).await.status, 200);
    assert_eq!(bed.emulator.accepted("backup"), 1);
}

#[tokio::test]
async fn a_proxied_call_is_answered_as_it_came() {
    let bed = Bed::start().await;
    let request = bed
        .client
        .request(Method::POST, format!("{}/api/backup", bed.url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::HOST, "apim-dr-app.azurewebsites.net")
        .header("x-azure-functions-invocationid", INVOCATION)
        .body(seed("backup").to_string());
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 202);
    assert!(answer.header("location").starts_with("https://apim-dr-app.azurewebsites.net/api/operations/"));
    for method in [Method::GET, Method::HEAD] {
        let answer = bed.client.request(method, format!("{}/api/health", bed.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn links_have_the_public_address_where_one_is_known() {
    for (setting, value, base) in [
        (
            "WEBSITE_HOSTNAME",
            "apim-dr.azurewebsites.net",
            "https://apim-dr.azurewebsites.net/api/operations/",
        ),
        ("WEBSITE_HOSTNAME", "localhost:7071", "http://localhost:7071/api/operations/"),
        ("APIM_DR_PUBLIC_URL", "https://dr.example.com/", "https://dr.example.com/api/operations/"),
    ] {
        let bed = Bed::with(&[(setting, value)]).await;
        let link =
            bed.open("/api/backup", &but(seed("backup"), &json!({"apimInstance": accounts::STANDBY}))).await;
        assert!(link.starts_with(base), "{link}");
    }
}

#[tokio::test]
async fn a_host_that_hangs_up_on_a_sweep_loses_no_answer() {
    let bed = Bed::start().await;
    bed.emulator
        .with_service(accounts::SERVICE, |service| service.target_provisioning_state = "Updating".into());
    let link = bed.open("/api/backup", &seed("backup")).await;
    bed.emulator.with_service(accounts::SERVICE, |service| service.target_provisioning_state.clear());
    bed.emulator.inject(Fault::once("POST", "/backup?", Effect::Slow { millis: 300, processed: true }));
    bed.advance(std::time::Duration::from_mins(1));
    tokio::select! {
        biased;
        () = async { while bed.emulator.accepted("backup") == 0 { tokio::task::yield_now().await } } => {}
        _ = bed.sweep() => panic!("the sweep ended before Azure had answered"),
    }
    bed.settle().await;
    assert_eq!(bed.get(&link).await.json()["phase"], "Running");
    assert_eq!(bed.follow(&link).await.status, 200);
}

#[tokio::test]
async fn a_sweep_that_comes_early_asks_azure_nothing() {
    let bed = Bed::start().await;
    bed.open("/api/backup", &seed("backup")).await;
    let before = bed.emulator.requests().len();
    for _ in 0..3 {
        assert_eq!(bed.sweep().await.json()["Logs"][0], "1 open, 0 ended, 0 cannot go on");
    }
    assert_eq!(bed.emulator.requests().len(), before);
    bed.advance(std::time::Duration::from_secs(61));
    bed.sweep().await;
    assert_eq!(bed.emulator.requests().len(), before + 1);
}

#[tokio::test]
async fn an_azure_that_asks_for_patience_gets_it_from_every_sweep() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let headers = [("Retry-After".to_owned(), "300".to_owned())].into();
    // More often than the client itself repeats a look.
    let throttled = Effect::Status { status: 429, body: None, headers };
    bed.emulator.inject(Fault { times: 1, ..Fault::once("GET", "operationresults", throttled) });
    bed.advance(std::time::Duration::from_mins(1));
    bed.sweep().await;
    let before = bed.emulator.requests().len();
    for _ in 0..4 {
        bed.advance(std::time::Duration::from_secs(55));
        bed.sweep().await;
    }
    assert_eq!(bed.emulator.requests().len(), before);
    assert_eq!(bed.follow(&link).await.status, 200);
}
