//! Planted secrets, and a search for them in everything that the program leaves behind, however it ends.

use std::{collections::BTreeSet, process::Stdio};

use apim_dr::emulator::{Effect, Fault, LocationForm, accounts};
use base64::{Engine as _, prelude::*};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Child,
    sync::mpsc,
};

use crate::{
    bed::{Answer, Bed, but, everything_in, seed},
    process::{Ended, Place},
};

const BACKUP_KEY: &str = "planted+backup/key~0123==";
const RESTORE_KEY: &str = "planted+restore/key~0123==";
const WRONG_HEADER: &str = "planted-wrong-header+/=";
const WRONG_CODE: &str = "planted-wrong-code+/=&";
const WRONG_SECRET: &str = "planted-wrong-secret+/=&~";
/// Not base64, so no key.
const WRONG_ACCESS_KEY: &str = "planted-access-key !";
const STATE_KEY: &str = "cGxhbnRlZC1zdGF0ZS1rZXktb2YtMzItYnl0ZXMtMDE=";
const SIGNATURE: &str = "planted-signature+/=&~";
const TASK_TOKEN: &str = "planted-task-token+/=~";
const CLAIMS: &str = "cGxhbnRlZC1jbGFpbXMtb2YtYS1wcmluY2lwYWw=";

/// Whatever was planted anywhere.
fn planted() -> BTreeSet<String> {
    let own = [BACKUP_KEY, RESTORE_KEY, WRONG_HEADER, WRONG_CODE, WRONG_SECRET, WRONG_ACCESS_KEY, STATE_KEY];
    let others = [
        accounts::CLIENT_SECRET,
        accounts::ACCOUNT_KEY,
        accounts::IDENTITY_HEADER,
        CLAIMS,
        SIGNATURE,
        TASK_TOKEN,
    ];
    own.into_iter().chain(others).map(str::to_owned).collect()
}

/// A secret as it is, and as it looks in a URL, in a form, in base64 at any place, and as a list of bytes.
fn guises(secret: &str) -> Vec<String> {
    let mut guises = vec![
        secret.to_owned(),
        urlencoding::encode(secret).into_owned(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned(),
    ];
    for offset in 0..3 {
        let shifted = [vec![0; offset], secret.as_bytes().to_vec()].concat();
        // Only the letters that hold nothing but the secret.
        let letters = (offset * 8).div_ceil(6)..shifted.len() * 8 / 6;
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            guises.push(engine.encode(&shifted)[letters.clone()].to_owned());
        }
    }
    guises
}

/// Every secret that shows in `text`, with the place.
pub(crate) fn found(text: &str, secrets: &BTreeSet<String>) -> Vec<String> {
    let guises = secrets.iter().flat_map(|secret| guises(secret));
    let places = guises.filter_map(|guise| {
        let at = text.find(&guise)?;
        let before = text[..at].char_indices().rev().nth(150).map_or(0, |(at, _)| at);
        Some(format!("{guise} after {}", &text[before..at]))
    });
    places.collect()
}

fn assert_clean(seen: &str, tokens: impl IntoIterator<Item = String>) {
    let secrets = planted().into_iter().chain(tokens).collect();
    assert_eq!(found(seen, &secrets), Vec::<String>::new());
}

/// A server that logs all it can, and everything that it said.
struct Talkative {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    url: String,
    seen: String,
    tokens: BTreeSet<String>,
}

/// Reads on whatever happens: a full pipe would stop the server.
fn drain(from: impl AsyncRead + Send + Unpin + 'static, into: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(from).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = into.send(line);
        }
    });
}

impl Talkative {
    async fn start(place: &mut Place) -> Self {
        place.set("APIM_DR_LOG", "trace");
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let (sender, lines) = mpsc::unbounded_channel();
        drain(child.stdout.take().unwrap(), sender.clone());
        drain(child.stderr.take().unwrap(), sender);
        let (url, seen, tokens) = Default::default();
        let mut server = Self { child, lines, url, seen, tokens };
        let listening = server.wait_for(|line| line["message"] == "listening").await;
        server.url = format!("http://{}", listening["address"].as_str().unwrap());
        server
    }

    async fn wait_for(&mut self, wished: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv().await.unwrap_or_else(|| panic!("no such line:\n{}", self.seen));
            self.seen += &line;
            self.seen.push('\n');
            let line = serde_json::from_str(&line).unwrap_or_default();
            if wished(&line) {
                return line;
            }
        }
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        Client::new().post(format!("{}{path}", self.url)).body(body.to_string())
    }

    /// Sends a request whose answer has this status.
    async fn send(&mut self, request: RequestBuilder, status: u16) -> Answer {
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        self.seen += &[format!("{:?}", answer.headers), answer.text.clone()].concat();
        answer
    }

    /// Starts an operation and reads its link once it has ended in this phase.
    async fn follow(&mut self, place: &Place, request: RequestBuilder, phase: &str) {
        let started = self.send(request, 202).await;
        let id = started.json()["id"].clone();
        let closed = |line: &Value| {
            let phase = line["operation.phase"].as_str();
            line["operation.id"] == id && phase.is_some_and(|phase| ["Succeeded", "Failed"].contains(&phase))
        };
        // The log says what is in the records, so they are read while the operation is open, too.
        self.wait_for(|line| line["operation.id"] == id).await;
        self.seen += &everything_in(&place.records());
        let ended = self.wait_for(closed).await;
        assert_eq!(ended["operation.phase"], phase, "{ended}");
        let link = Client::new().get(started.header("location"));
        self.send(link, if phase == "Succeeded" { 200 } else { 424 }).await;
        self.tokens.extend(place.emulator.tokens());
        assert_eq!(place.emulator.faults_left(), 0, "a fault never struck: {ended}");
    }

    /// A start with a callback: followed if it is taken.
    async fn called_back(&mut self, place: &Place, request: RequestBuilder, status: u16) {
        match status {
            202 => self.follow(place, request, "Succeeded").await,
            status => drop(self.send(request, status).await),
        }
    }

    /// Stops it, and looks for secrets in all it said and wrote.
    async fn end(mut self, place: &Place) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        while let Some(line) = self.lines.recv().await {
            self.seen += &line;
        }
        assert_eq!(self.child.wait().await.unwrap().code(), Some(0));
        assert!(self.seen.contains(r#""level":"TRACE""#), "it logs all it can");
        self.seen += &everything_in(&place.records());
        assert_clean(&self.seen, self.tokens);
    }
}

/// An answer of Azure that repeats what it was sent.
fn echo(status: u16, secret: &str) -> Effect {
    let error = json!({"code": "Scripted", "message": format!("not good: {secret}")});
    let body = json!({"error": error, "error_description": format!("AADSTS50000: {secret}")}).to_string();
    Effect::Status { status, body: Some(body), headers: [].into() }
}

#[test]
fn the_search_sees_through_every_guise() {
    let secrets = BTreeSet::from([accounts::CLIENT_SECRET.to_owned()]);
    for text in [
        r#"{"clientSecret":"s3cr+t/=&~"}"#,
        "client_secret=s3cr%2Bt%2F%3D%26%7E",
        "?code=s3cr%2Bt%2F%3D%26~",
        "[34, 115, 51, 99, 114, 43, 116, 47, 61, 38, 126, 34]",
    ] {
        assert_eq!(found(text, &secrets).len(), 1, "{text}");
    }
    for before in ["", "a", "ab"] {
        let encoded = BASE64_STANDARD.encode(format!("{before}{}after", accounts::CLIENT_SECRET));
        assert!(!found(&encoded, &secrets).is_empty(), "{encoded}");
    }
    assert_eq!(found("s3cr, [hidden]", &secrets), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_logs_all_it_can_shows_no_secret_however_an_operation_ends() {
    let mut place = Place::start().await;
    place.set("APIM_DR_KEYS", &format!("backup={BACKUP_KEY},restore={RESTORE_KEY}"));
    place.set("APIM_DR_STATE_KEY", STATE_KEY);
    place.set("APIM_DR_CALLBACK_HOSTS", "127.0.0.1:1");
    let mut server = Talkative::start(&mut place).await;
    let backup = |server: &Talkative, changes: Value| {
        server.post("/api/backup", &but(seed("backup"), &changes)).header("x-functions-key", BACKUP_KEY)
    };

    // What succeeds; the key in the query once.
    let request = backup(&server, json!({}));
    server.follow(&place, request, "Succeeded").await;
    for (host, status) in [("127.0.0.1:1", 202), ("127.0.0.1:2", 400)] {
        let url = format!("http://{host}/x?sig={}", urlencoding::encode(SIGNATURE));
        let request = backup(&server, json!({ "callbackUrl": url }));
        server.called_back(&place, request, status).await;
        let request = backup(&server, json!({}));
        let id = "11111111-aaaa-bbbb-cccc-dddddddddddd";
        let ids = ["ProjectId", "PlanId", "JobId", "TaskInstanceId"];
        let request = ids.into_iter().fold(request, |request, name| request.header(name, id));
        let request = request.header("HubName", "build").header("PlanUrl", format!("http://{host}/o"));
        // Those that cannot be used are a warning.
        server.called_back(&place, request.header("AuthToken", TASK_TOKEN), 202).await;
    }
    // The one that this application gets from now on.
    let token = server.tokens.first().unwrap().clone();
    let path = format!("/api/restore?code={}", urlencoding::encode(RESTORE_KEY));
    let request = server.post(&path, &but(seed("restore"), &json!({"apimInstance": accounts::STANDBY})));
    server.follow(&place, request, "Succeeded").await;
    let request = backup(&server, json!({"clientSecret": null, "applicationId": null, "tenantId": null}));
    server.follow(&place, request, "Succeeded").await;

    // Who is not let in.
    let code = urlencoding::encode(WRONG_CODE);
    for (path, status) in [("/api/backup", 401), ("/api/restore", 401), ("/api/nothing", 404)] {
        let request = server.post(&format!("{path}?code={code}"), &seed("backup"));
        server.send(request, status).await;
        let request = server.post(path, &seed("backup")).header("x-functions-key", WRONG_HEADER);
        server.send(request, status).await;
    }
    let request = Client::new().get(format!("{}/api/status?code={code}", server.url));
    server.send(request, 403).await;
    let enveloped = json!({"Method": "POST", "Query": {"code": WRONG_CODE}, "Headers": {"x-functions-key": [WRONG_HEADER]}, "Body": seed("backup").to_string()});
    let request = server.post("/backup-trigger", &json!({"Data": {"req": enveloped}}));
    server.send(request, 404).await;

    // What is wrong with a body.
    for changes in [
        json!({"accessKey": WRONG_ACCESS_KEY, "containerName": "Big"}),
        json!({"clientSecret": WRONG_SECRET, "clientId": accounts::APPLICATION_ID, "applicationId": null}),
        json!({"clientSecret": WRONG_SECRET, "tenantId": null, "retention": {"x": WRONG_SECRET}}),
        json!({"accessKey": [accounts::ACCOUNT_KEY], "note": WRONG_SECRET}),
        json!({"accessKey": accounts::ACCOUNT_KEY, "accessType": accounts::CLIENT_SECRET}),
    ] {
        let request = backup(&server, changes);
        server.send(request, 400).await;
    }
    let broken = seed("backup").to_string();
    let request = backup(&server, json!({})).body(broken[..broken.len() - 1].to_owned());
    server.send(request, 400).await;
    let request = backup(&server, json!({})).header("content-type", "text/plain");
    server.send(request, 415).await;

    // What Azure refuses, and what it fails, also where it repeats what it was sent.
    let failing = |message: &str| {
        let (code, message) = ("BackupFailed".to_owned(), message.to_owned());
        Effect::FailOperation { after_polls: 0, status: 400, code, message }
    };
    for (method, path, effect, phase) in [
        ("POST", "/backup?", echo(400, accounts::ACCOUNT_KEY), "Failed"),
        ("POST", "/backup?", echo(403, &format!("Bearer {token}")), "Failed"),
        ("POST", "/backup?", echo(307, accounts::ACCOUNT_KEY), "Failed"),
        ("POST", "/backup?", failing(accounts::CLIENT_SECRET), "Failed"),
        ("POST", "/backup?", failing(accounts::ACCOUNT_KEY), "Failed"),
        ("GET", "operationresults", echo(404, &token), "Succeeded"),
        ("GET", "/service/sampleapim?", echo(403, &token), "Failed"),
    ] {
        place.emulator.inject(Fault::once(method, path, effect));
        let request = backup(&server, json!({}));
        server.follow(&place, request, phase).await;
    }
    place.emulator.inject(Fault::once("POST", "/oauth2/", echo(400, WRONG_SECRET)));
    let request = backup(&server, json!({"clientSecret": WRONG_SECRET}));
    server.follow(&place, request, "Failed").await;
    let another = format!("{WRONG_SECRET}, too");
    let request = backup(&server, json!({"clientSecret": another}));
    server.follow(&place, request, "Failed").await;
    let request = backup(&server, json!({"apimInstance": "nobody"}));
    server.follow(&place, request, "Failed").await;
    server.end(&place).await;
}

#[tokio::test]
async fn under_the_host_no_secret_and_no_claim_shows() {
    let mut place = Place::start().await;
    place.set("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    place.set("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *");
    place.set("APIM_DR_KEYS", &format!("backup={BACKUP_KEY}"));
    place.set("APIM_DR_REFUSE_PAYLOAD_SECRETS", "true");
    place.set("APIM_DR_REQUIRE_PRINCIPAL", "true");
    place.set("WEBSITE_AUTH_ENABLED", "True");
    let mut server = Talkative::start(&mut place).await;
    let body = but(
        seed("backup"),
        &json!({"applicationId": null, "clientSecret": null, "tenantId": null, "accessKey": null}),
    );
    let code = urlencoding::encode(WRONG_CODE).into_owned();
    let request = server.post(&format!("/api/backup?code={code}"), &body);
    server.send(request.header("x-functions-key", WRONG_HEADER), 401).await;
    let request = server.post(&format!("/api/backup?code={code}"), &seed("backup"));
    server.send(request.header("x-ms-client-principal", CLAIMS), 400).await;
    let headers =
        json!({"x-functions-key": [WRONG_HEADER], "x-ms-client-principal": [CLAIMS], "Host": ["localhost"]});
    let enveloped = |body: &Value| json!({"Data": {"req": {"Url": format!("http://localhost/api/backup?code={code}"), "Method": "POST", "Query": {"code": WRONG_CODE}, "Headers": headers, "Body": body.to_string()}}});
    for body in [&seed("backup"), &body] {
        let request = server.post("/backup-trigger", &enveloped(body));
        server.send(request, 200).await;
    }
    server.wait_for(|line| line["operation.phase"] == "Running").await;
    server.tokens = place.emulator.tokens().into_iter().collect();
    assert!(!server.tokens.is_empty());
    server.end(&place).await;
}

#[tokio::test]
async fn the_command_line_shows_no_secret_even_where_a_setting_is_wrong() {
    let mut place = Place::start().await;
    place.set("APIM_DR_LOG", "trace");
    place.set("AZURE_TENANT_ID", accounts::TENANT_ID);
    place.set("AZURE_CLIENT_ID", accounts::APPLICATION_ID);
    place.set("AZURE_CLIENT_SECRET", WRONG_SECRET);
    place.set("AZURE_STORAGE_KEY", accounts::ACCOUNT_KEY);
    let mut seen = String::new();
    let mut run = async |place: &Place, arguments: &[&str], code: i32, body: &Value| {
        let ended: Ended = place.run(arguments, &body.to_string()).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        seen += &(ended.out + &ended.err);
    };
    let backup = ["backup", "--payload", "-"];
    run(&place, &backup, 0, &seed("backup")).await;
    run(&place, &backup, 1, &but(seed("backup"), &json!({"clientSecret": WRONG_SECRET}))).await;
    let own = json!({"applicationId": null, "clientSecret": null, "tenantId": null, "accessKey": null});
    run(&place, &backup, 1, &but(seed("backup"), &own)).await;
    run(&place, &backup, 64, &but(seed("backup"), &json!({"accessKey": WRONG_ACCESS_KEY}))).await;
    let by_option = [&backup[..], &["--storage-account-key", WRONG_ACCESS_KEY]].concat();
    run(&place, &by_option, 64, &seed("backup")).await;
    run(&place, &["operations", "list"], 0, &Value::Null).await;
    run(&place, &["settings", "--output", "json"], 0, &Value::Null).await;
    for (name, value) in [
        ("APIM_DR_KEYS", format!("{BACKUP_KEY},restore={RESTORE_KEY}")),
        ("APIM_DR_STATE_KEY", WRONG_SECRET.to_owned()),
        ("AZURE_TENANT_ID", accounts::CLIENT_SECRET.to_owned()),
        ("APIM_DR_CREDENTIAL", WRONG_CODE.to_owned()),
    ] {
        place.set(name, &value);
    }
    run(&place, &backup, 1, &seed("backup")).await;
    let tokens = place.emulator.tokens();
    assert!(!tokens.is_empty() && seen.contains("TRACE"), "{seen}");
    assert_clean(&(seen + &everything_in(&place.records())), tokens);
}

#[tokio::test]
async fn no_fault_of_azure_brings_a_secret_into_the_records_or_an_answer() {
    let foreign = LocationForm::Foreign("https://example.com/operationresults/1".into());
    let start = [
        echo(500, accounts::ACCOUNT_KEY),
        echo(429, accounts::ACCOUNT_KEY),
        Effect::ResetAfter,
        Effect::Garbage { status: None },
        Effect::Truncate,
        Effect::ExpireToken,
        Effect::Location { form: LocationForm::Absent },
        Effect::Location { form: foreign },
    ];
    let start = start.map(|effect| ("POST", "/backup?", effect));
    let rest = [
        ("POST", "/oauth2/", echo(503, accounts::CLIENT_SECRET)),
        ("POST", "/oauth2/", echo(401, accounts::CLIENT_SECRET)),
        ("GET", "operationresults", echo(500, accounts::ACCOUNT_KEY)),
        ("GET", "operationresults", echo(410, accounts::CLIENT_SECRET)),
        ("GET", "operationresults", echo(410, accounts::ACCOUNT_KEY)),
        ("GET", "/service/sampleapim?", echo(403, accounts::ACCOUNT_KEY)),
    ];
    for (method, path, effect) in start.into_iter().chain(rest) {
        let bed = Bed::start().await;
        bed.emulator.inject(Fault::once(method, path, effect.clone()));
        let link = bed.open("/api/backup", &seed("backup")).await;
        let open = everything_in(bed.records());
        let ended = bed.follow(&link).await;
        let seen = format!("{effect:?}: {ended:?}{open}{}", everything_in(bed.records()));
        let effect = format!("{effect:?}");
        assert_clean(&seen[effect.len()..], bed.emulator.tokens());
    }
}
