//! What the emulator does, seen over HTTP. Nobody sleeps: the clock is moved.

mod access;
mod arm;
mod blobs;
mod clock;
mod directory;
mod entra;
mod facets;
mod faults;
mod gateway;
mod identity;
mod operations;
mod outside;
mod storage;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{Clock, Config, Emulator, accounts};

const RESOURCE: &str = "https://management.azure.com/";

/// An emulator at a fixed instant, and a caller with a token.
struct Bed {
    emulator: Emulator,
    http: reqwest::Client,
    token: String,
}

/// An answer, read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }

    fn location(&self) -> &str {
        self.header("location").expect("a Location")
    }

    /// The code of an ARM error, from either shape.
    fn code(&self) -> String {
        let body = self.json();
        body.get("error").unwrap_or(&body)["code"].as_str().unwrap().to_owned()
    }

    fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }
}

impl Bed {
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// A bed whose token outlives everything.
    async fn patient() -> Self {
        Self::with(Config { token_lifetime: Duration::from_hours(90 * 24), ..Config::default() }).await
    }

    async fn with(config: Config) -> Self {
        let clock = Clock::manual("2026-03-01T01:00:00Z".parse::<Timestamp>().unwrap());
        let emulator = Emulator::start(Config { clock, ..config }).await.unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut bed = Self { emulator, http, token: String::new() };
        let secret = urlencoding::encode(accounts::CLIENT_SECRET).into_owned();
        let answer = bed.v1(&[("client_secret", &secret), ("resource", RESOURCE)]).await;
        bed.token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        bed
    }

    /// Sends a request; a path is completed to a URL of the emulator.
    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> reqwest::Result<Answer> {
        let url = if url.starts_with('/') { self.emulator.url() + url } else { url.to_owned() };
        let mut request = self.http.request(method.parse().unwrap(), url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    }

    /// Sends an ARM request with the bed's token.
    async fn try_arm(&self, method: &str, url: &str, body: Option<Value>) -> reqwest::Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
        self.send(method, url, headers, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    async fn arm(&self, method: &str, url: &str, body: Option<Value>) -> Answer {
        self.try_arm(method, url, body).await.unwrap()
    }

    async fn get(&self, url: &str) -> Answer {
        self.arm("GET", url, None).await
    }

    async fn post(&self, url: &str, body: Value) -> Answer {
        self.arm("POST", url, Some(body)).await
    }

    /// Starts a backup or restore of the primary that is accepted; answers its `Location`.
    async fn accepted(&self, kind: &str, body: Value) -> String {
        let answer = self.post(&on(accounts::SERVICE, kind), body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.location().to_owned()
    }

    /// A whole backup of the primary.
    async fn back_up(&self) {
        let location = self.accepted("/backup", by_key()).await;
        self.pass(543);
        assert_eq!(self.get(&location).await.status, 200);
    }

    /// A v1 token request with these fields besides the usual ones; values are sent as they are.
    async fn v1(&self, fields: &[(&str, &str)]) -> Answer {
        self.token_request(&format!("/{}/oauth2/token", accounts::TENANT_ID), fields).await
    }

    async fn token_request(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let usual = [("grant_type", "client_credentials"), ("client_id", accounts::APPLICATION_ID)];
        let absent = |name: &str| fields.iter().all(|(given, _)| *given != name);
        let all = usual.iter().filter(|(name, _)| absent(name)).chain(fields);
        let form: Vec<_> = all.map(|(name, value)| format!("{name}={value}")).collect();
        let kind = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        self.send("POST", path, &kind, form.join("&")).await.unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.emulator.clock().advance(Duration::from_secs(seconds));
    }

    /// Sends a request to the Blob service's container, with an account key.
    async fn blob(&self, method: &str, name: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("/blob/{}/{}{name}", accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
        let headers = [&[("authorization", "SharedKey x")], headers].concat();
        self.send(method, &path, &headers, String::new()).await.unwrap()
    }

    async fn inject(&self, fault: Value) {
        let answer = self.send("POST", "/_emulator/faults", &[], fault.to_string()).await.unwrap();
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
}

fn group() -> String {
    format!("/subscriptions/{}/resourceGroups/{}", accounts::SUBSCRIPTION_ID, accounts::RESOURCE_GROUP)
}

/// A path of a service, with the newest stable version.
fn on(service: &str, path: &str) -> String {
    versioned(service, path, "2024-05-01")
}

fn versioned(service: &str, path: &str, version: &str) -> String {
    format!("{}/providers/Microsoft.ApiManagement/service/{service}{path}?api-version={version}", group())
}

/// A backup body with the account key.
fn by_key() -> Value {
    with(&json!({ "accessKey": accounts::ACCOUNT_KEY }))
}

/// A backup body with these members besides account, container and name.
fn with(members: &Value) -> Value {
    let mut body = json!({
        "storageAccount": accounts::STORAGE_ACCOUNT,
        "containerName": accounts::CONTAINER,
        "backupName": "nightly"
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}
