//! One HTTP client for Azure: its limits, its retries, the ids of each exchange, and errors without secrets.
//!
//! Does not know what an answer means, nor where a token may go.

use std::{
    error::Error as _,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use url::Url;
use uuid::Uuid;

use super::cloud::is_nearby;
use crate::{
    domain::{AzureError, POST_TIMEOUT, RequestIds, Secret},
    ports::{Clock, ReadError},
};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// A connection that was idle for longer is not used again: the other side may have closed it, and a start
/// that is lost on it has an unknown outcome.
const MAX_IDLE: Duration = Duration::from_secs(20);
/// Bounds of `Retry-After` (ARM RPC, async-api-reference).
const RETRY_AFTER_SECONDS: std::ops::RangeInclusive<u64> = 1..=600;

/// How long, how much and how often.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// One whole exchange.
    pub total: Duration,
    /// Bytes of a body that are read; what follows is cut off.
    pub body: usize,
    /// How often an idempotent request is sent at most.
    pub attempts: u32,
    /// How long after its first sending an idempotent request may be sent again.
    pub budget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(20),
            total: POST_TIMEOUT,
            body: 8 * 1024 * 1024,
            attempts: 4,
            budget: Duration::from_secs(40),
        }
    }
}

/// Whether a request may be sent again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Idempotent,
    Never,
}

/// What is sent.
pub(super) struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    repeat: Repeat,
    /// What a refusal must not echo, in every form in which it may.
    secrets: Vec<Secret>,
}

impl Request {
    pub(super) fn get(url: Url) -> Self {
        Self::new(Method::GET, url, HeaderMap::new(), Bytes::new(), Repeat::Idempotent)
    }

    pub(super) fn post(url: Url, content_type: &'static str, body: Bytes, repeat: Repeat) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self::new(Method::POST, url, headers, body, repeat)
    }

    pub(super) fn new(method: Method, url: Url, headers: HeaderMap, body: Bytes, repeat: Repeat) -> Self {
        Self { method, url, headers, body, repeat, secrets: Vec::new() }
    }

    /// Names the exchange, for Microsoft's support. The service does not echo it.
    pub(super) fn set_client_id(&mut self, id: &impl ToString) {
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            self.headers.insert(CLIENT_REQUEST_ID, value);
        }
    }

    /// Has these replaced wherever a refusal echoes them.
    pub(super) fn hide<'a>(&mut self, secrets: impl IntoIterator<Item = &'a Secret>) {
        for secret in secrets.into_iter().map(Secret::expose).filter(|secret| !secret.is_empty()) {
            let json = serde_json::to_string(secret).unwrap_or_default();
            let forms = [json.trim_matches('"'), &urlencoding::encode(secret), secret].map(Secret::new);
            self.secrets.extend(forms.into_iter().filter(|form| !form.expose().is_empty()));
        }
    }

    pub(super) fn authorize(&mut self, token: &Secret) -> Result<(), AzureError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| AzureError::local("the access token holds characters that no header may have"))?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        self.hide([token]);
        Ok(())
    }

    fn ids(&self) -> RequestIds {
        RequestIds { client: text(&self.headers, &CLIENT_REQUEST_ID), ..RequestIds::default() }
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// As much as came: a body may break off or be too long, and then is no longer what its type says.
    pub(super) body: Bytes,
    pub(super) ids: RequestIds,
    pub(super) attempts: u32,
}

impl fmt::Debug for Response {
    /// Without the body, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The header's first value.
    pub(super) fn header(&self, name: &'static str) -> Option<String> {
        text(&self.headers, &HeaderName::from_static(name))
    }

    /// `Retry-After`: whole seconds only (ARM RPC, async-api-reference), from 1 s to 10 min.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = text(&self.headers, &RETRY_AFTER)?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.clamp(*RETRY_AFTER_SECONDS.start(), *RETRY_AFTER_SECONDS.end())))
    }

    /// When the answer was made, in the service's own time.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let date = text(&self.headers, &DATE)?;
        Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp())
    }

    /// Whether the same request may be answered otherwise a little later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }
}

/// No answer came.
#[derive(Debug, Clone)]
pub(super) struct NoAnswer {
    /// Certainly nothing was sent, at no attempt. Otherwise nobody knows.
    pub(super) never_sent: bool,
    /// The other side's certificate is signed by nobody we know: asking again does not help.
    untrusted: bool,
    pub(super) error: AzureError,
}

impl NoAnswer {
    pub(super) fn into_read_error(self) -> ReadError {
        if self.untrusted { ReadError::Definite(self.error) } else { ReadError::Transient(self.error) }
    }
}

/// The client. Built at its first use: reading the certificate authorities would be most of a cold start.
#[derive(Debug)]
pub(super) struct Http {
    limits: Limits,
    clock: Arc<dyn Clock>,
    /// By the environment's proxies.
    outward: OnceLock<Result<Client, AzureError>>,
    /// By none.
    nearby: OnceLock<Result<Client, AzureError>>,
}

impl Http {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { limits, clock, outward: OnceLock::new(), nearby: OnceLock::new() }
    }

    /// Sends the request, an idempotent one again while that may help and the limits allow.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, NoAnswer> {
        let client = self.client(&request.url).map_err(|error| NoAnswer {
            never_sent: true,
            untrusted: true,
            error,
        })?;
        let began = self.clock.now();
        let mut sent = false;
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(client, request, attempt).await;
            sent |= !matches!(&outcome, Err(no_answer) if no_answer.never_sent);
            let elapsed = self.elapsed_since(began);
            match self.pause(request.repeat, &outcome, attempt) {
                Some(pause) if elapsed + pause <= self.limits.budget => {
                    tracing::info!(
                        http.attempt = attempt,
                        pause_ms = millis(pause),
                        "asking {} again",
                        shown(&request.url)
                    );
                    self.clock.sleep(pause).await;
                    attempt += 1;
                }
                _ => {
                    return outcome
                        .map(|received| received.response)
                        .map_err(|no_answer| NoAnswer { never_sent: !sent, ..no_answer });
                }
            }
        }
    }

    /// How long to wait before the request is sent again; `None` if it is not.
    fn pause(&self, repeat: Repeat, outcome: &Result<Received, NoAnswer>, attempt: u32) -> Option<Duration> {
        if repeat == Repeat::Never || attempt >= self.limits.attempts {
            return None;
        }
        match outcome {
            Ok(received) if received.response.is_transient() => {
                Some(received.response.retry_after().unwrap_or_else(|| jittered(attempt)))
            }
            Ok(received) if received.whole => None,
            Err(no_answer) if no_answer.untrusted => None,
            Ok(_) | Err(_) => Some(jittered(attempt)),
        }
    }

    async fn attempt(&self, client: &Client, request: &Request, attempt: u32) -> Result<Received, NoAnswer> {
        let began = self.clock.now();
        let mut outgoing = reqwest::Request::new(request.method.clone(), request.url.clone());
        outgoing.headers_mut().clone_from(&request.headers);
        *outgoing.body_mut() = (!request.body.is_empty()).then(|| request.body.clone().into());
        let mut incoming = client.execute(outgoing).await.map_err(|error| {
            let never_sent = error.is_connect() || error.is_builder();
            let (mut error, untrusted) = network_error(request, error);
            error.ids = request.ids();
            error.attempts = attempt;
            tracing::warn!(duration_ms = millis(self.elapsed_since(began)), "{error}");
            NoAnswer { never_sent, untrusted, error }
        })?;
        let (body, whole) = self.body(&mut incoming, &request.url).await;
        let headers = std::mem::take(incoming.headers_mut());
        let named = |name| text(&headers, &HeaderName::from_static(name));
        let ids = RequestIds {
            request: named("x-ms-request-id"),
            correlation: named("x-ms-correlation-request-id"),
            ..request.ids()
        };
        let status = incoming.status().as_u16();
        let body = without(&request.secrets, status, body);
        tracing::debug!(
            azure.status = status,
            azure.request_id = ids.request,
            azure.client_request_id = ids.client,
            duration_ms = millis(self.elapsed_since(began)),
            "{} {}",
            request.method,
            shown(&request.url)
        );
        Ok(Received { response: Response { status, headers, body, ids, attempts: attempt }, whole })
    }

    /// Reads the body up to its limit; what came, and whether it ended by itself.
    async fn body(&self, incoming: &mut reqwest::Response, url: &Url) -> (Bytes, bool) {
        let mut body = BytesMut::new();
        loop {
            match incoming.chunk().await {
                Ok(Some(chunk)) => {
                    let room = self.limits.body - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        tracing::warn!(
                            limit_bytes = self.limits.body,
                            "the answer of {} is too long",
                            shown(url)
                        );
                        return (body.freeze(), true);
                    }
                }
                Ok(None) => return (body.freeze(), true),
                Err(error) => {
                    tracing::warn!("the answer of {} broke off: {}", shown(url), chain(error));
                    return (body.freeze(), false);
                }
            }
        }
    }

    fn client(&self, url: &Url) -> Result<&Client, AzureError> {
        let nearby = is_nearby(url);
        let cell = if nearby { &self.nearby } else { &self.outward };
        cell.get_or_init(|| {
            let builder = Client::builder()
                .user_agent(concat!("apim-dr/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(self.limits.connect)
                .read_timeout(self.limits.read)
                .timeout(self.limits.total)
                .pool_idle_timeout(MAX_IDLE)
                .redirect(Policy::none())
                .retry(reqwest::retry::never());
            let builder = if nearby { builder.no_proxy() } else { builder };
            // Without any certificate authority this fails, rather than every connection.
            builder.build().map_err(|error| {
                AzureError::local(format!("the HTTP client cannot be built: {}", chain(error)))
                    .with_remedy(SET_AUTHORITIES)
            })
        })
        .as_ref()
        .map_err(Clone::clone)
    }

    fn elapsed_since(&self, began: Timestamp) -> Duration {
        self.clock.now().duration_since(began).try_into().unwrap_or_default()
    }
}

const SET_AUTHORITIES: &str = "set SSL_CERT_FILE to the PEM file of your certificate authority";

/// An answer, and whether its body ended by itself.
struct Received {
    response: Response,
    whole: bool,
}

/// The URL for errors and logs: without what may be secret.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only where there is no user to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// The body of a refusal, without what it may have echoed of the request. A success is not shown to anybody.
fn without(secrets: &[Secret], status: u16, body: Bytes) -> Bytes {
    if status < 300 || secrets.is_empty() {
        return body;
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    secrets.iter().fold(text, |text, secret| text.replace(secret.expose(), Secret::HIDDEN)).into()
}

/// The error, and whether it is that we do not trust the other side.
fn network_error(request: &Request, error: reqwest::Error) -> (AzureError, bool) {
    let reason = chain(error);
    let told = AzureError::local(format!("{} {}: {reason}", request.method, shown(&request.url)));
    // rustls' `CertificateError::UnknownIssuer`; reqwest gives its words only.
    let untrusted = reason.contains("UnknownIssuer");
    (if untrusted { told.with_remedy(SET_AUTHORITIES) } else { told }, untrusted)
}

/// The error and its causes, in one line.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.dedup();
    words.join(": ")
}

/// Half a second, doubled each time, give or take a half of it.
fn jittered(attempt: u32) -> Duration {
    let pause = Duration::from_millis(500).saturating_mul(1 << (attempt - 1).min(6));
    // A random UUID's last byte is random.
    let share = f64::from(Uuid::new_v4().as_bytes()[15]) / 255.0;
    pause.mul_f64(0.5 + share)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
