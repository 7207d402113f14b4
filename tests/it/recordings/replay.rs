//! An Azure that answers as it did in one recorded session, and the program that meets it.

use std::{
    future, mem, slice,
    sync::{Arc, Mutex},
    time::Duration,
};

use apim_dr::{
    app::Gate,
    domain::{Operation, later},
    emulator::{Clock as EmulatedClock, accounts},
    ports::Clock,
    serve,
    settings::Settings,
};
use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{Method, header, request::Parts},
    response::Response,
};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::Client;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use super::session::{Exchange, Received, Session, even};
use crate::bed::{Answer, SimulatedClock};

/// Where everything was recorded; the replay puts its own address in its place.
const ARM: &str = "https://management.azure.com";
const TOKEN: &str = "a-token-of-the-replay";
/// How much later than asked a poll may come.
pub(super) const TOLERANCE: Duration = Duration::from_secs(1);

/// What came of a replay.
pub(super) struct Report {
    pub(super) operation: Operation,
    /// What its link said in the end.
    pub(super) status: u16,
    /// The POSTs that came, recorded or not.
    pub(super) posts: usize,
    /// Between the POST and the polls, in simulated time.
    pub(super) pauses: Vec<Duration>,
    /// The newest `Location` that was sent.
    pub(super) location: String,
    /// Requests that were not recorded.
    pub(super) complaints: Vec<String>,
}

/// Sends the body that asks for the session, and lets the program follow it for as long as it was recorded.
pub(super) async fn replay(session: &Session) -> Report {
    let clock = SimulatedClock(EmulatedClock::manual(session.began()));
    let mut servers = JoinSet::new();
    let (listener, url) = listen().await;
    let heard = Mutex::default();
    let azure = Arc::new(Azure { session: session.clone(), url, clock: clock.clone(), heard });
    let router = Router::new().fallback(handle).with_state(azure.clone());
    servers.spawn(async { axum::serve(listener, router).await.unwrap() });

    let (listener, url) = listen().await;
    let gate = Arc::new(Gate::new(azure.settings(), Arc::new(clock)));
    let server = serve::serve(gate.clone(), listener, serve::Limits::of_this_process(), future::pending());
    servers.spawn(async { server.await.unwrap() });

    let client = Client::builder().no_proxy().build().unwrap();
    let (route, body) = session.request();
    let post = client.post(format!("{url}{route}")).body(body.to_string());
    let taken = Answer::of(post.send().await.unwrap()).await;
    assert_eq!((taken.status.as_u16(), &taken.json()["warnings"]), (202, &json!([])), "{taken:?}");
    let app = gate.app().await.unwrap();
    app.settle().await;
    let id = taken.json()["id"].as_str().unwrap().parse().unwrap();
    let until = later(session.began(), session.pauses().sum::<Duration>() + TOLERANCE);
    let last = app.driver.drive(id, until, |_| ()).await.unwrap().unwrap();
    let shown = Answer::of(client.get(taken.header("location")).send().await.unwrap()).await;
    let heard = mem::take(&mut *azure.heard.lock().unwrap());
    let gaps = heard.exchanges.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    Report {
        operation: last.operation,
        status: shown.status.as_u16(),
        posts: heard.posts,
        pauses: gaps.map(|gap| gap.try_into().unwrap()).collect(),
        location: heard.location,
        complaints: heard.complaints,
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// The other side of a session.
struct Azure {
    session: Session,
    url: String,
    clock: SimulatedClock,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// When each exchange of the session came about.
    exchanges: Vec<Timestamp>,
    location: String,
    posts: usize,
    complaints: Vec<String>,
}

impl Azure {
    /// The program's settings.
    fn settings(&self) -> Settings {
        let url = self.session.url();
        let (_, api_version) = url.query_pairs().find(|(name, _)| name == "api-version").unwrap();
        let variables = [
            ("APIM_DR_ALLOW_HTTP_LOOPBACK", "true"),
            ("AZURE_AUTHORITY_HOST", &self.url),
            ("APIM_DR_ARM_ENDPOINT", &self.url),
            ("APIM_DR_BLOB_ENDPOINT", &format!("{}/blob/{{account}}", self.url)),
            ("APIM_DR_API_VERSION", &api_version),
            ("APIM_DR_RECORDS", "memory:"),
            // As under the host, where nobody follows an operation by himself.
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
            ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *"),
        ];
        Settings::read(
            &variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect(),
        )
    }

    fn answer(&self, request: &Parts, body: &[u8]) -> Received {
        let asked = asked(request);
        if asked == format!("/{}/oauth2/v2.0/token", accounts::TENANT_ID) {
            let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN});
            return Received::json(200, &token);
        }
        let start = self.session.url();
        let service = format!("{}?{}", start.path().rsplit_once('/').unwrap().0, start.query().unwrap());
        if request.method == Method::GET && asked == service {
            return self.session.service.clone();
        }
        if is_beside(asked) {
            let message = "nobody recorded whether this may be read";
            return Received::json(
                403,
                &json!({"error": {"code": "AuthorizationFailed", "message": message}}),
            );
        }
        let mut heard = self.heard.lock().unwrap();
        if request.method == Method::HEAD && asked == self.session.blob_path() {
            return self.blob(&heard);
        }
        heard.posts += usize::from(request.method == Method::POST);
        match self.recorded(&heard, request, body) {
            Ok(Exchange { response, .. }) => {
                heard.exchanges.push(self.clock.now());
                if let Some(location) = response.header("location") {
                    heard.location = location.replace(ARM, &self.url);
                }
                response.clone()
            }
            Err(complaint) => {
                let exchange = heard.exchanges.len();
                heard
                    .complaints
                    .push(format!("{} {asked} as exchange {exchange}: {complaint}", request.method));
                // Of all answers the one that ends any operation at once.
                Received::json(400, &json!({"error": {"code": "NotRecorded", "message": complaint}}))
            }
        }
    }

    /// Nobody recorded a look at a blob. That of a restore is there; that of a backup is when the session is over.
    fn blob(&self, heard: &Heard) -> Received {
        if self.session.is_backup() && heard.exchanges.len() < self.session.exchanges.len() {
            let mut absent = Received::empty(404);
            absent.set("x-ms-error-code", "BlobNotFound");
            return absent;
        }
        let mut there = Received::empty(200);
        there.set("etag", "\"0x8D0\"");
        there.set("content-length", "7");
        there
    }

    /// The next exchange, if this is its request.
    fn recorded(&self, heard: &Heard, request: &Parts, body: &[u8]) -> Result<&Exchange, String> {
        let asked = asked(request);
        let next = self.session.exchanges.get(heard.exchanges.len()).ok_or("the session was over")?;
        let (method, url) = (next.request.method.as_str(), next.request.url.strip_prefix(ARM).unwrap());
        let is_same_url = if self.session.evened { even(asked) == even(url) } else { asked == url };
        let authorization = request.headers.get(header::AUTHORIZATION);
        if request.method != method || !is_same_url {
            Err(format!("recorded was {method} {url}"))
        } else if request.method == Method::GET && format!("{}{asked}", self.url) != heard.location {
            Err(format!("the newest Location was {}", heard.location))
        } else if request.method == Method::POST
            && serde_json::from_slice(body).ok() != Some(self.session.order())
        {
            Err("recorded was another body".to_owned())
        } else if authorization.is_none_or(|value| value.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
            Err("it came without the token".to_owned())
        } else {
            Ok(next)
        }
    }
}

/// Whether it is a look at what a session is not about.
fn is_beside(asked: &str) -> bool {
    let providers = ["/providers/Microsoft.Storage/", "/providers/Microsoft.Insights/"];
    let lists =
        ["apis", "products", "subscriptions", "users", "workspaces", "portalRevisions", "networkstatus"];
    let path = asked.split('?').next().unwrap_or_default();
    providers.iter().any(|part| asked.contains(part))
        || lists.iter().any(|list| path.ends_with(&format!("/{list}")))
}

/// Path and query, byte for byte.
fn asked(request: &Parts) -> &str {
    request.uri.path_and_query().unwrap().as_str()
}

async fn handle(State(azure): State<Arc<Azure>>, request: Request) -> Response {
    const OF_THE_CONNECTION: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];
    let is_head = request.method() == Method::HEAD;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let Received { status, headers, body } = azure.answer(&parts, &body);
    let now = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&azure.clock.now()).unwrap();
    let mut response = Response::builder().status(status).header(header::DATE, now);
    for (name, value) in &headers {
        if !is_head && OF_THE_CONNECTION.contains(&&*name.to_ascii_lowercase()) {
            continue;
        }
        for value in value.as_array().map_or(slice::from_ref(value), Vec::as_slice) {
            response = response.header(name, value.as_str().unwrap().replace(ARM, &azure.url));
        }
    }
    response.body(body.unwrap_or_default().into()).unwrap()
}
