//! What the tests of this layer share: answers, a clock that is moved by hand, and a small server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::HeaderMap,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::http::Response;
use crate::{domain::RequestIds, ports::Clock};

/// An answer as the client hands it on.
pub(super) fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
    let headers =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Response {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        ids: RequestIds::default(),
        attempts: 1,
    }
}

/// A clock that moves only when somebody sleeps on it, or sets it.
#[derive(Debug, Default)]
pub(super) struct ManualClock {
    slept_millis: AtomicI64,
    /// How far somebody has set the wall clock, which `elapsed` is not.
    set_millis: AtomicI64,
}

impl ManualClock {
    pub(super) fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn advance(&self, by: Duration) {
        self.slept_millis.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the wall clock back or forth.
    pub(super) fn set(&self, seconds: i64) {
        self.set_millis.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub(super) fn slept(&self) -> Duration {
        Duration::from_millis(self.slept_millis.load(Ordering::SeqCst).unsigned_abs())
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let millis = self.slept_millis.load(Ordering::SeqCst) + self.set_millis.load(Ordering::SeqCst);
        start + SignedDuration::from_millis(millis)
    }

    fn elapsed(&self) -> Duration {
        self.slept()
    }

    async fn sleep(&self, pause: Duration) {
        self.advance(pause);
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query, byte for byte.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What the server does.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// A body that breaks off behind these bytes.
    Broken(u16, Vec<(&'static str, String)>, String),
    /// No answer, ever.
    Silence,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(status, Vec::new(), body.into())
    }

    pub(super) fn token(value: &str, expires_in: u32) -> Self {
        Self::json(200, format!(r#"{{"access_token":"{value}","expires_in":{expires_in}}}"#))
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer(_, headers, _) | Self::Broken(_, headers, _) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// A server on a free port of this machine.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers each request by its number, from 0, and what it is.
    pub(super) async fn start(reply: impl Fn(usize, &Seen) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        let handler = move |request: Request| {
            let (reply, log) = (reply.clone(), log.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let request = Seen {
                    method: head.method.to_string(),
                    target: head.uri.path_and_query().unwrap().to_string(),
                    headers: head.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    log.len() - 1
                };
                answer(reply(number, &request)).await
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Self { url, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(reply: Reply) -> axum::response::Response {
    let (status, headers, body) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, Body::from(body)),
        Reply::Broken(status, headers, body) => {
            let first = stream::once(async move { Ok(Bytes::from(body)) });
            let second = stream::once(async {
                // Until what came before is on the wire.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("broken on purpose"))
            });
            (status, headers, Body::from_stream(first.chain(second)))
        }
        Reply::Silence => return std::future::pending().await,
    };
    let mut answer = axum::response::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.body(body).unwrap()
}
