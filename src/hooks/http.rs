//! One POST: its limits, and what came of it. Reads no answer but its status, and says nothing of where it went.

use std::{error::Error as _, sync::OnceLock, time::Duration};

use reqwest::{Client as Connections, redirect::Policy};

use super::Message;
use crate::domain::is_loopback;

/// How long one message may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// The whole exchange.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(20) }
    }
}

/// What came of a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With this status.
    Answered(u16),
    /// Nobody knows whether it arrived; it may the next time.
    NoAnswer(&'static str),
    /// Nothing was sent, and nothing will be.
    NotSent(&'static str),
}

/// The client. Built at its first use: reading the certificate authorities takes a while.
#[derive(Debug)]
pub(super) struct Client {
    limits: Limits,
    /// By the environment's proxies.
    outward: OnceLock<Option<Connections>>,
    /// By none.
    nearby: OnceLock<Option<Connections>>,
}

impl Client {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, outward: OnceLock::new(), nearby: OnceLock::new() }
    }

    /// Sends it once. The body of the answer is not read: it could be long, and could repeat a secret.
    pub(super) async fn post(&self, message: Message) -> Outcome {
        let nearby = is_loopback(&message.url);
        let cell = if nearby { &self.nearby } else { &self.outward };
        let Some(connections) = cell.get_or_init(|| self.connections(nearby)) else {
            return Outcome::NotSent(
                "there are no certificate authorities: set SSL_CERT_FILE to a PEM file of them",
            );
        };
        let Message { url, headers, body } = message;
        match connections.post(url).headers(headers).body(body).send().await {
            Ok(answer) => Outcome::Answered(answer.status().as_u16()),
            Err(error) => failed(&error),
        }
    }

    fn connections(&self, nearby: bool) -> Option<Connections> {
        let builder = Connections::builder()
            .user_agent(concat!("apim-dr/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.limits.connect)
            .timeout(self.limits.total)
            // Messages are rare: an idle connection would be closed by the other side when the next one is sent.
            .pool_max_idle_per_host(0)
            .redirect(Policy::none())
            .retry(reqwest::retry::never());
        let builder = if nearby { builder.no_proxy() } else { builder };
        builder.build().ok()
    }
}

/// What went wrong, in words of ours: reqwest's have the address.
fn failed(error: &reqwest::Error) -> Outcome {
    // rustls' `CertificateError::UnknownIssuer`; reqwest gives its words only.
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let untrusted = causes.any(|cause| cause.to_string().contains("UnknownIssuer"));
    Outcome::NoAnswer(if untrusted {
        "its certificate is signed by nobody we know; set SSL_CERT_FILE to the PEM file of your certificate authority"
    } else if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection; check the address, and whether this app may reach it"
    } else {
        "the connection broke off"
    })
}
