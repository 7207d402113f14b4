//! Those who are told, over real HTTP: what arrives, what does not, and that nobody learns an address.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use apim_dr::{
    domain::{Callback, Credentials, Notice, OperationId, Recipient},
    hooks::{Limits, Messenger},
    ports::{Hooks as _, NotDelivered, SystemClock},
    settings::{Environment, Settings},
};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    bed::{Answer, Bed, but, everything_in, put_backup, seed},
    process::Place,
    secrets::found,
};

const SECRET: &str = "planted-address-of-a-hook";
const SIGNATURE: &str = "planted-signature-of-a-callback";
const TOKEN: &str = "planted-token-of-a-task";

/// What came: the path with its query, the headers, the body.
type Heard = Arc<Mutex<Vec<(String, HeaderMap, String)>>>;

/// The other side. What it does is said by the first part of the path.
struct Receiver {
    url: String,
    heard: Heard,
    task: JoinHandle<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Heard::default();
        let (ears, home) = (heard.clone(), url.clone());
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            ears.lock().unwrap().push((uri.to_string(), headers, String::from_utf8(body.to_vec()).unwrap()));
            answer(uri, home.clone())
        });
        let task = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { url, heard, task }
    }

    fn paths(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(path, ..)| path.clone()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(uri: Uri, home: String) -> Response {
    match uri.path().split('/').nth(1).unwrap_or_default() {
        "ok" => StatusCode::OK.into_response(),
        "long" => SECRET.repeat(40_000).into_response(),
        "redirect" => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{home}/ok"))]).into_response()
        }
        "hang" => std::future::pending().await,
        status => {
            (StatusCode::from_u16(status.parse().unwrap()).unwrap(), format!("no: {uri}")).into_response()
        }
    }
}

fn settings(hooks: &Value) -> Settings {
    let variables =
        [("APIM_DR_ALLOW_HTTP_LOOPBACK", "true".to_owned()), ("APIM_DR_NOTIFY", hooks.to_string())];
    let environment: Environment =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Settings::read(&environment)
}

async fn send(kind: &str, url: String, limits: Limits) -> Result<(), NotDelivered> {
    let settings = settings(&json!([{ "name": "ops", "type": kind, "url": url }]));
    assert_eq!(settings.problems, []);
    let messenger = Messenger::new(settings.hooks, limits, Arc::new(SystemClock));
    let notice = Notice::test("2026-11-21T01:00:00Z".parse().unwrap());
    assert_eq!(messenger.wanting(&notice).len(), 1);
    messenger.send(&notice, &Recipient::Hook("ops".parse().unwrap())).await
}

#[tokio::test]
async fn whatever_the_other_side_does_is_told_without_its_address() {
    let receiver = Receiver::start().await;
    for kind in ["webhook", "slack", "teams", "ping"] {
        for (way, lasting, words) in [
            ("ok", None, ""),
            ("long", None, ""),
            ("500", Some(false), "answered 500"),
            ("429", Some(false), "answered 429"),
            ("404", Some(true), "answered 404: check the address that APIM_DR_NOTIFY has"),
            ("redirect", Some(true), "answered 307, and redirects are not followed"),
            ("hang", Some(false), "took too long"),
        ] {
            receiver.heard.lock().unwrap().clear();
            let total = Duration::from_millis(if way == "hang" { 300 } else { 20_000 });
            let url = format!("{}/{way}/{SECRET}?sig={SECRET}", receiver.url);
            let sent = send(kind, url, Limits { total, ..Limits::default() }).await;
            let label = format!("{kind} {way}: {sent:?}");
            assert_eq!(sent.as_ref().err().map(|error| error.lasting), lasting, "{label}");
            assert!(sent.is_ok() || label.contains("the hook ops") && label.contains(words), "{label}");
            assert!(!label.contains(SECRET) && !label.contains("127.0.0.1"), "{label}");
            let below = if kind == "ping" { "/log" } else { "" };
            assert_eq!(receiver.paths(), [format!("/{way}/{SECRET}{below}?sig={SECRET}")], "{label}");
        }
    }
}

#[tokio::test]
async fn who_is_not_there_may_be_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{SECRET}", listener.local_addr().unwrap());
    drop(listener);
    let error = send("slack", url, Limits::default()).await.unwrap_err();
    assert!(!error.lasting && error.reason.contains("no connection"), "{error}");
    assert!(!error.reason.contains(SECRET) && !error.reason.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_hook_that_is_gone_from_the_settings_is_not_tried_again() {
    let messenger = Messenger::new(settings(&json!([])).hooks, Limits::default(), Arc::new(SystemClock));
    let notice = Notice::test("2026-11-21T01:00:00Z".parse().unwrap());
    let error = messenger.send(&notice, &Recipient::Hook("ops".parse().unwrap())).await.unwrap_err();
    assert!(error.lasting && error.reason.contains("not in the settings"), "{error}");
}

#[tokio::test]
async fn hooks_are_tried_out_by_hand() {
    let receiver = Receiver::start().await;
    let mut place = Place::start().await;
    let none = place.run(&["notify", "test"], "").await;
    assert_eq!((none.code, none.out.trim()), (Some(0), "no hooks are configured: set APIM_DR_NOTIFY"));

    place.set("APIM_DR_LOG", "trace");
    place.set("OPS_URL", &format!("{}/ok/{SECRET}", receiver.url));
    let gone = format!("{}/404/{SECRET}", receiver.url);
    let hooks = json!([{ "name": "ops", "type": "teams", "url": "env:OPS_URL" },
        { "name": "gone", "type": "webhook", "url": gone, "secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }]);
    place.set("APIM_DR_NOTIFY", &hooks.to_string());
    let all = place.run(&["notify", "test"], "").await;
    let lines: Vec<_> = all.out.lines().map(str::trim).collect();
    assert_eq!(
        (all.code, lines.as_slice()),
        (
            Some(1),
            [
                "ops                   teams    delivered",
                "gone                  webhook  the hook gone answered 404: check the address that APIM_DR_NOTIFY has",
            ]
            .as_slice()
        )
    );
    let one = place.run(&["notify", "test", "ops", "-o", "json"], "").await;
    let expected = json!([{ "name": "ops", "type": "teams", "delivered": true, "reason": null }]);
    assert_eq!((one.code, serde_json::from_str::<Value>(&one.out).unwrap()), (Some(0), expected));
    let unknown = place.run(&["notify", "test", "nobody"], "").await;
    assert_eq!(unknown.code, Some(64));
    assert!(unknown.err.contains("take one of ops, gone"), "{unknown:?}");
    let shown = place.run(&["settings"], "").await;
    let seen = [all, one, unknown, shown].map(|ended| ended.out + &ended.err).concat();
    assert!(seen.contains("TRACE"), "{seen}");
    assert_eq!(found(&seen, &BTreeSet::from([SECRET.to_owned()])), Vec::<String>::new());
    assert!(receiver.paths().contains(&format!("/ok/{SECRET}")));
}

#[tokio::test]
async fn a_hook_that_is_wrong_is_told_by_health_and_keeps_nothing_from_running() {
    let bed = Bed::with(&[("APIM_DR_NOTIFY", r#"[{"name": "ops", "type": "pager"}]"#)]).await;
    let health = bed.get("/api/health").await;
    assert_eq!(health.status, 503);
    assert!(
        health.text.contains("hooks[0] (ops).type") && health.text.contains("APIM_DR_NOTIFY"),
        "{health:?}"
    );
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
}

/// Nobody listens there.
const HOSTS: (&str, &str) = ("APIM_DR_CALLBACK_HOSTS", "127.0.0.1:1, localhost:1");

fn callback_url(host: &str) -> String {
    format!("http://{host}/workflows/1?sig={SIGNATURE}")
}

/// What a task of Azure DevOps sends, with one header changed or left out.
fn of_devops(change: (&str, Option<&str>)) -> Vec<(&'static str, String)> {
    let own = [
        ("PlanUrl", "http://127.0.0.1:1/organisation/"),
        ("ProjectId", "11111111-aaaa-bbbb-cccc-dddddddddddd"),
        ("HubName", "build"),
        ("PlanId", "22222222-aaaa-bbbb-cccc-dddddddddddd"),
        ("JobId", "33333333-aaaa-bbbb-cccc-dddddddddddd"),
        ("TaskInstanceId", "44444444-aaaa-bbbb-cccc-dddddddddddd"),
        ("AuthToken", TOKEN),
    ];
    let changed = own.into_iter().filter_map(|(name, value)| {
        let value = if name == change.0 { change.1? } else { value };
        Some((name, value.to_owned()))
    });
    changed.collect()
}

async fn post(bed: &Bed, path: &str, body: &Value, headers: Vec<(&'static str, String)>) -> Answer {
    let request = bed.client.post(format!("{}{path}", bed.url)).body(body.to_string());
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    Answer::of(request.send().await.unwrap()).await
}

fn warnings(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let warnings = answer.json()["warnings"].as_array().unwrap().clone();
    warnings.iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

async fn credentials(bed: &Bed, id: &str) -> Credentials {
    let app = bed.app().await;
    let id: OperationId = id.parse().unwrap();
    let entry = app.ports().journal.last(id).await.unwrap().unwrap();
    app.ports().journal.credentials(&entry.operation).await.unwrap()
}

fn assert_hidden(seen: &str) {
    let secrets = [SIGNATURE, TOKEN].map(str::to_owned).into();
    assert_eq!(found(seen, &secrets), Vec::<String>::new());
}

#[tokio::test]
async fn a_callback_is_sealed_with_its_operation_and_shows_nowhere() {
    let bed = Bed::with(&[HOSTS]).await;
    let url = callback_url("127.0.0.1:1");
    let body = but(seed("backup"), &json!({ "callbackUrl": url }));
    let opened = bed.post("/api/backup", &body).await;
    assert_eq!(warnings(&opened), [""; 0]);
    let id = opened.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(credentials(&bed, &id).await.callback, Some(Callback::Url(url.into())));

    // The same again, and with another callback, or with one more.
    let again = bed.post("/api/backup", &body).await;
    assert_eq!(warnings(&again).len(), 1, "{again:?}");
    let other = but(body, &json!({ "callbackUrl": callback_url("localhost:1") }));
    let other = bed.post("/api/backup", &other).await;
    assert!(warnings(&other)[1].contains("does not call back as this request asks"), "{other:?}");
    let by_headers = post(&bed, "/api/backup", &seed("backup"), of_devops(("", None))).await;
    assert!(warnings(&by_headers)[1].contains("does not call back"), "{by_headers:?}");
    let without = bed.post("/api/backup", &seed("backup")).await;
    assert_eq!(warnings(&without).len(), 1, "{without:?}");

    bed.settle().await;
    let status = bed.get(&opened.header("location")).await;
    let seen =
        everything_in(bed.records()) + &format!("{opened:?}{again:?}{other:?}{by_headers:?}{status:?}");
    assert_hidden(&seen);
    let ended = bed.follow(&opened.header("location")).await;
    assert_hidden(&(everything_in(bed.records()) + &format!("{ended:?}")));
}

#[tokio::test]
async fn a_task_of_azure_devops_is_called_back_at_its_own_plan() {
    let bed = Bed::with(&[HOSTS]).await;
    let opened = post(&bed, "/api/backup", &seed("backup"), of_devops(("", None))).await;
    assert_eq!(warnings(&opened), [""; 0]);
    let id = opened.json()["id"].as_str().unwrap().to_owned();
    let expected = Callback::AzureDevOps {
        url: "http://127.0.0.1:1/organisation/11111111-aaaa-bbbb-cccc-dddddddddddd/_apis/distributedtask/hubs/build/plans/22222222-aaaa-bbbb-cccc-dddddddddddd/events?api-version=2.0-preview.1".to_owned().into(),
        token: TOKEN.to_owned().into(),
        job: "33333333-aaaa-bbbb-cccc-dddddddddddd".to_owned(),
        task: "44444444-aaaa-bbbb-cccc-dddddddddddd".to_owned(),
    };
    assert_eq!(credentials(&bed, &id).await.callback, Some(expected));
    assert_hidden(&(everything_in(bed.records()) + &format!("{opened:?}")));
}

#[tokio::test]
async fn a_host_that_may_not_be_called_is_refused_with_the_setting_that_would_allow_it() {
    let bed = Bed::with(&[HOSTS]).await;
    for host in ["127.0.0.1:7071", "127.0.0.1", "localhost:2", "[::1]:1"] {
        let body = but(seed("backup"), &json!({ "callbackUrl": callback_url(host) }));
        let refused = bed.post("/api/backup", &body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let problem = &refused.json()["problems"][0];
        assert_eq!(problem["field"], "callbackUrl", "{refused:?}");
        assert!(problem["remedy"].as_str().unwrap().contains("APIM_DR_CALLBACK_HOSTS"), "{refused:?}");
        assert_hidden(&format!("{refused:?}"));
    }
    assert_eq!(bed.emulator.posts("backup"), 0);
}

#[tokio::test]
async fn headers_of_azure_devops_that_cannot_be_used_are_warned_of_and_keep_nothing_from_running() {
    for (name, value) in [
        ("PlanUrl", "https://example.com/organisation"),
        ("PlanUrl", "http://dev.azure.com/organisation"),
        ("PlanUrl", "http://127.0.0.1:1/organisation?x=y"),
        ("ProjectId", "../../../x"),
        ("HubName", "a/b"),
        ("PlanId", "x"),
        ("JobId", "x"),
        ("TaskInstanceId", "x"),
    ] {
        let bed = Bed::with(&[HOSTS]).await;
        let opened = post(&bed, "/api/backup", &seed("backup"), of_devops((name, Some(value)))).await;
        let [warning] = warnings(&opened).try_into().unwrap();
        assert!(warning.contains(&format!("the header {name}:")), "{opened:?}");
        assert_hidden(&format!("{opened:?}"));
        assert_eq!(credentials(&bed, opened.json()["id"].as_str().unwrap()).await.callback, None);
    }
    // Whoever names an address means it.
    let bed = Bed::with(&[HOSTS]).await;
    let url = callback_url("127.0.0.1:1");
    let body = but(seed("backup"), &json!({ "callbackUrl": url }));
    for missing in ["", "AuthToken"] {
        let both = post(&bed, "/api/backup", &body, of_devops((missing, None))).await;
        assert_eq!(warnings(&both)[0], "callbackUrl is called back, and no task of Azure DevOps");
        let id = both.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(credentials(&bed, &id).await.callback, Some(Callback::Url(url.clone().into())));
    }
}

#[tokio::test]
async fn without_one_of_its_headers_a_task_is_not_called_back_and_the_answer_says_so() {
    let bed = Bed::with(&[HOSTS]).await;
    let opened = post(&bed, "/api/backup", &seed("backup"), of_devops(("AuthToken", None))).await;
    assert_eq!(warnings(&opened), ["no task of Azure DevOps is told of the end: without AuthToken"]);
    let id = opened.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(credentials(&bed, &id).await.callback, None);
}

#[tokio::test]
async fn the_backup_before_a_restore_calls_nobody_back() {
    let bed = Bed::with(&[HOSTS]).await;
    put_backup(&bed);
    let url = callback_url("127.0.0.1:1");
    let body = but(seed("restore"), &json!({ "callbackUrl": url, "safetyBackup": true }));
    let opened = bed.post("/api/restore", &body).await;
    assert_eq!(warnings(&opened), [""; 0]);
    bed.settle().await;
    let status = bed.get(&opened.header("location")).await;
    let safety = status.json()["safetyBackup"]["operation"].as_str().unwrap().to_owned();
    let safety = credentials(&bed, &safety).await;
    assert!(safety.access_key.is_some() && safety.callback.is_none(), "{safety:?}");
    let id = opened.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(credentials(&bed, &id).await.callback, Some(Callback::Url(url.into())));
}

/// The paths and the bodies that came, as JSON.
fn bodies(receiver: &Receiver, path: &str) -> Vec<Value> {
    let heard = receiver.heard.lock().unwrap();
    let heard = heard.iter().filter(|(came, ..)| came.starts_with(path));
    heard.map(|(.., body)| serde_json::from_str(body).unwrap()).collect()
}

#[tokio::test]
async fn whoever_asked_to_be_called_back_hears_the_end_once_and_so_does_every_hook() {
    let receiver = Receiver::start().await;
    let host = receiver.url.trim_start_matches("http://").to_owned();
    let hooks = json!([
        { "name": "events", "type": "webhook", "url": format!("{}/ok/events", receiver.url) },
        { "name": "beat", "type": "ping", "url": format!("{}/ok/beat", receiver.url) },
    ]);
    let mut bed =
        Bed::with(&[("APIM_DR_CALLBACK_HOSTS", &host), ("APIM_DR_NOTIFY", &hooks.to_string())]).await;
    let url = format!("{}/ok/callback?sig={SIGNATURE}", receiver.url);
    let body = but(seed("backup"), &json!({ "callbackUrl": url }));
    let ended = bed.run("/api/backup", &body).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    // Whatever is repeated, or begins anew, tells nobody again.
    for _ in 0..2 {
        bed.sweep().await;
        bed.settle().await;
        bed.restart().await;
    }
    assert_eq!(bodies(&receiver, "/ok/callback"), [ended.json()]);
    let events = bodies(&receiver, "/ok/events");
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let of_operations = ["started", "succeeded"].map(|what| format!("io.github.apim-dr.operation.{what}"));
    assert_eq!(types, of_operations);
    let beats: Vec<_> = receiver.paths().into_iter().filter(|path| path.contains("beat")).collect();
    assert_eq!(beats, ["/ok/beat/start", "/ok/beat"]);

    let devops = [("PlanUrl", format!("{}/ok/", receiver.url))];
    let headers = of_devops(("", None)).into_iter().filter(|(name, _)| *name != "PlanUrl").chain(devops);
    let body = but(seed("backup"), &json!({ "apimInstance": "nowhere", "backupName": "other" }));
    let opened = post(&bed, "/api/backup", &body, headers.collect()).await;
    let ended = bed.follow(&opened.header("location")).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    bed.settle().await;
    let completed = bodies(&receiver, "/ok/11111111-aaaa-bbbb-cccc-dddddddddddd/_apis");
    let expected = json!({ "name": "TaskCompleted", "taskId": "44444444-aaaa-bbbb-cccc-dddddddddddd",
        "jobId": "33333333-aaaa-bbbb-cccc-dddddddddddd", "result": "failed" });
    assert_eq!(completed, [expected]);
    assert_hidden(&everything_in(bed.records()));
}

#[tokio::test]
async fn what_could_not_be_told_is_told_by_a_later_sweep_and_stops_no_operation() {
    let receiver = Receiver::start().await;
    let hooks = json!([{ "name": "events", "type": "webhook", "url": format!("{}/503/events", receiver.url),
        "on": ["succeeded"] }]);
    let mut bed = Bed::with(&[("APIM_DR_NOTIFY", &hooks.to_string())]).await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    bed.sweep().await;
    bed.settle().await;
    assert!(!receiver.paths().is_empty());
    // Somebody mends the address.
    bed.set("APIM_DR_NOTIFY", &hooks.to_string().replace("/503/", "/ok/"));
    bed.restart().await;
    for _ in 0..70 {
        bed.advance(Duration::from_mins(1));
        bed.sweep().await;
        bed.settle().await;
    }
    assert_eq!(bodies(&receiver, "/ok/events").len(), 1);
}
