//! API Management behind Azure Resource Manager: reads a service, starts backups and restores, and asks how
//! they fare.
//!
//! Knows nothing of operations and their journal: one call, one answer. What an answer means is decided in
//! [`lro`], without I/O. What else is read is in [`inspect`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use url::Url;
use uuid::Uuid;

use super::{
    cloud::Endpoints,
    entra::{TokenConfig, Tokens},
    http::{Http, Limits, NoAnswer, Repeat, Request, Response},
    storage::Storage,
};
use crate::{
    domain::{Answer, AzureError, Continuation, Credentials, Plan, Secret, ServiceId, ServiceStatus},
    ports::{Access, ApiManagement, Clock, Order, Poll, ReadError},
};

mod inspect;
mod lro;
#[cfg(any(test, fuzzing))]
pub(crate) mod lro_rules;
mod wire;

pub use wire::ApiVersion;

/// What it takes to speak to Azure Resource Manager.
#[derive(Debug, Clone)]
pub struct ArmConfig {
    pub endpoints: Endpoints,
    pub api_version: ApiVersion,
    pub limits: Limits,
    pub tokens: TokenConfig,
}

/// Azure Resource Manager.
#[derive(Debug)]
pub struct Arm {
    endpoints: Endpoints,
    api_version: ApiVersion,
    http: Arc<Http>,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    heard: Mutex<Heard>,
}

/// What its answers said of the time.
#[derive(Debug, Default)]
struct Heard {
    /// Its time less [`Clock::elapsed`], since its first answer.
    anchor: Option<SignedDuration>,
    /// What one answer said that was far from that, until another says the same.
    doubted: Option<SignedDuration>,
}

/// How far an answer may contradict those before it and be believed.
const CREDIBLE: SignedDuration = SignedDuration::from_mins(1);

/// Why an exchange came to no answer.
enum Unanswered {
    /// No token, so nothing was sent.
    Token(ReadError),
    /// The token was refused, and it is too late to send again.
    TooLate,
    Network(NoAnswer),
}

impl Arm {
    /// Does no I/O.
    pub fn new(config: ArmConfig, clock: Arc<dyn Clock>) -> Self {
        let ArmConfig { endpoints, api_version, limits, tokens } = config;
        let http = Arc::new(Http::new(limits, clock.clone()));
        let tokens = Tokens::new(tokens, endpoints.authority.clone(), http.clone(), clock.clone());
        let tokens = Arc::new(tokens);
        Self { endpoints, api_version, http, tokens, clock, heard: Mutex::default() }
    }

    /// Storage accounts, opened with the same tokens.
    pub fn storage(&self) -> Storage {
        Storage::new(self.tokens.clone(), self.clock.clone())
    }

    /// The URL of what has this path, which is not encoded; `more` is the rest of its query, which is.
    fn url(&self, path: &str, api_version: &str, more: &str) -> Result<Url, AzureError> {
        let no_url = |why: &str| AzureError::local(format!("no URL for {path}: {why}"));
        let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        // They would lead elsewhere.
        if segments.iter().any(|segment| [".", ".."].contains(segment)) {
            return Err(no_url("a part is only dots"));
        }
        let path: Vec<_> = segments.into_iter().map(urlencoding::encode).collect();
        let arm = self.endpoints.arm.as_str().trim_end_matches('/');
        let url = format!("{arm}/{}?api-version={api_version}{more}", path.join("/"));
        Url::parse(&url).map_err(|error| no_url(&error.to_string()))
    }

    /// The same below a service, in the api-version of API Management.
    fn service_url(&self, service: &ServiceId, below: &str) -> Result<Url, AzureError> {
        self.url(&format!("{service}{below}"), &self.api_version.to_string(), "")
    }

    /// Sends the request with a token, and after a 401 once more with a new one.
    async fn exchange(
        &self,
        mut request: Request,
        access: &Access,
        may_send: &(dyn Fn() -> bool + Sync),
    ) -> Result<Response, Unanswered> {
        // A failure may be told long after the request that brought the secret, to one that did not.
        let Credentials { client_secret, access_key, callback: _ } = &access.credentials;
        request.hide(client_secret.iter().chain(access_key));
        let token = self.token(access).await?;
        let response = self.send(&mut request, &token, may_send).await?;
        if response.status != 401 {
            return Ok(response);
        }
        tracing::info!(azure.request_id = response.ids.request, "the access token was refused");
        self.tokens.forget(&token);
        let token = self.token(access).await?;
        self.send(&mut request, &token, may_send).await
    }

    async fn send(
        &self,
        request: &mut Request,
        token: &Secret,
        may_send: &(dyn Fn() -> bool + Sync),
    ) -> Result<Response, Unanswered> {
        request.authorize(token).map_err(|error| Unanswered::Token(ReadError::Definite(error)))?;
        // Asked last: the token may have taken a while.
        if !may_send() {
            return Err(Unanswered::TooLate);
        }
        let sent = self.elapsed();
        let response = self.http.send(request).await.map_err(Unanswered::Network)?;
        self.hear(&response, sent);
        Ok(response)
    }

    /// Sets its time by the answer's `Date`, which has whole seconds: what it may be already tells nothing new. Only
    /// its own answers count, which have a request id; and one alone moves nothing far, because what is decided by
    /// the time cannot be taken back.
    fn hear(&self, response: &Response, sent: SignedDuration) {
        let date = response.date().filter(|_| response.ids.request.is_some());
        let Some(date) = date.map(Timestamp::as_duration) else { return };
        let mut heard = self.heard();
        let received = self.elapsed();
        // The first answer is compared with our own time, and ends its reign.
        let old = heard.anchor.unwrap_or_else(|| self.clock.now().as_duration().saturating_sub(received));
        let after_date = |elapsed: SignedDuration| elapsed.saturating_add(old).saturating_sub(date);
        let (earliest, latest) = (after_date(sent), after_date(received));
        let second = SignedDuration::from_secs(1);
        let contradicted = earliest > second || latest < SignedDuration::ZERO;
        // In the middle of the second, and of the exchange.
        let ahead = if contradicted { earliest / 2 + latest / 2 - second / 2 } else { SignedDuration::ZERO };
        let said = old.saturating_sub(ahead);
        let confirmed = heard.doubted.is_some_and(|doubted| doubted.saturating_sub(said).abs() <= CREDIBLE);
        if heard.anchor.is_some() && ahead.abs() > CREDIBLE && !confirmed {
            tracing::warn!(azure.date = %response.date().unwrap_or_default(), "an answer is of another time than those before it");
            heard.doubted = Some(said);
            return;
        }
        *heard = Heard { anchor: Some(said), doubted: None };
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> SignedDuration {
        self.clock.elapsed().try_into().unwrap_or(SignedDuration::MAX)
    }

    async fn token(&self, access: &Access) -> Result<Secret, Unanswered> {
        self.tokens.token(access, &self.endpoints.audience).await.map_err(Unanswered::Token)
    }

    /// A GET, which may be repeated at will.
    async fn get(&self, url: Url, access: &Access) -> Result<Response, ReadError> {
        let mut request = Request::get(url);
        request.set_client_id(&Uuid::new_v4());
        self.exchange(request, access, &|| true).await.map_err(ReadError::from)
    }
}

impl From<Unanswered> for ReadError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Token(error) => error,
            Unanswered::TooLate => Self::Transient(AzureError::local(TOO_LATE)),
            Unanswered::Network(no_answer) => no_answer.into_read_error(),
        }
    }
}

const TOO_LATE: &str = "it became too late to send it";

#[async_trait]
impl ApiManagement for Arm {
    fn now(&self) -> Timestamp {
        let heard = self.heard().anchor.and_then(|anchor| anchor.checked_add(self.elapsed()));
        heard.and_then(|now| Timestamp::from_duration(now).ok()).unwrap_or_else(|| self.clock.now())
    }

    async fn service(&self, service: &ServiceId, access: &Access) -> Result<ServiceStatus, ReadError> {
        let url = self.service_url(service, "").map_err(ReadError::Definite)?;
        let response = self.get(url, access).await?;
        if response.status == 200 {
            return wire::service(&response.body).ok_or_else(|| {
                let mut error = AzureError::local("an answer that is not an API Management service");
                error.ids = response.ids;
                ReadError::Transient(error)
            });
        }
        let error = wire::azure_error(&response, None);
        if response.is_transient() {
            Err(ReadError::Transient(error))
        } else {
            Err(ReadError::Definite(error))
        }
    }

    async fn prepare(&self, plan: &Plan, access: &Access) -> Result<(), ReadError> {
        wire::check_access(plan, self.api_version).map_err(ReadError::Definite)?;
        self.tokens.token(access, &self.endpoints.audience).await.map(drop)
    }

    async fn start(&self, order: Order<'_>, may_post: &(dyn Fn() -> bool + Sync)) -> Answer {
        let Order { plan, access, attempt } = order;
        let access_key = access.credentials.access_key.as_ref();
        let prepared = self
            .service_url(&plan.service, &format!("/{}", plan.kind.as_str()))
            .and_then(|url| Ok((url, wire::start_body(plan, access_key, self.api_version)?)));
        let (url, body) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Answer::Refused { error },
        };
        let mut request = Request::post(url.clone(), "application/json", body, Repeat::Never);
        request.set_client_id(&attempt);
        match self.exchange(request, access, may_post).await {
            Ok(response) => lro::begin(&url, &response),
            Err(Unanswered::Token(error)) => Answer::NotSent { reason: error.to_string() },
            Err(Unanswered::TooLate) => Answer::NotSent { reason: TOO_LATE.to_owned() },
            Err(Unanswered::Network(NoAnswer { never_sent: true, error, .. })) => {
                Answer::NotSent { reason: error.to_string() }
            }
            Err(Unanswered::Network(NoAnswer { error, .. })) => Answer::Unknown { error },
        }
    }

    async fn poll(&self, continuation: &Continuation, access: &Access) -> Poll {
        let url = match Url::parse(continuation.url()) {
            Ok(url) if lro::is_same_place(&self.endpoints.arm, &url) => url,
            _ => {
                let error = AzureError::local("the address of the operation is not Azure Resource Manager's");
                return Poll::Refused(
                    error.with_remedy("set APIM_DR_ARM_ENDPOINT as it was when the operation began"),
                );
            }
        };
        match self.get(url, access).await {
            Ok(response) => lro::next(continuation, &response),
            Err(ReadError::Definite(error)) => {
                Poll::Unread { error, after: lro::DEFAULT_PAUSE, lasting: true }
            }
            Err(ReadError::Transient(error)) => {
                Poll::Unread { error, after: lro::DEFAULT_PAUSE, lasting: false }
            }
        }
    }
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;
