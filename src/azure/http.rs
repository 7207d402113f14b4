//! One HTTP client for Azure: its limits, its retries, and errors without secrets.
//!
//! Does not know what an answer means, nor where a token may go.

use std::{
    error::Error as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, header::HeaderName, redirect::Policy};
use url::Url;
use uuid::Uuid;

mod message;

pub(super) use message::{Repeat, Request, Response};
use message::{text, without};

use super::cloud::is_nearby;
use crate::{
    domain::{AzureError, POST_TIMEOUT, RequestIds},
    ports::{Clock, ReadError},
};

/// A connection that was idle for longer is not used again: the other side may have closed it, and a start
/// that is lost on it has an unknown outcome.
const MAX_IDLE: Duration = Duration::from_secs(20);

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
        let began = self.clock.elapsed();
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

    /// Asks once, for whether there is an answer: its status. Sends no token and reads no body.
    pub(super) async fn status(&self, url: &Url, patience: Duration) -> Result<u16, AzureError> {
        let answer = self.client(url)?.get(url.clone()).timeout(patience).send().await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| AzureError::local(chain(error)))
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
        let began = self.clock.elapsed();
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
        let body = without(request, status, body);
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

    /// The client for `url`: one that asks no proxy if that is near.
    pub(super) fn client(&self, url: &Url) -> Result<&Client, AzureError> {
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

    fn elapsed_since(&self, began: Duration) -> Duration {
        self.clock.elapsed().saturating_sub(began)
    }
}

/// What to do about a certificate that is signed by nobody we know.
pub(super) const SET_AUTHORITIES: &str = "set SSL_CERT_FILE to the PEM file of your certificate authority";

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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
