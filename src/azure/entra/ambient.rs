//! Managed identity, workload identity and the Azure CLI, by `azure_identity`.
//!
//! The library knows which endpoint to ask and how; it asks through our own client, and the answer is read by
//! the same rules as one to our own form post. Nothing is cached here: each credential is used once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use azure_core::{
    cloud::CustomConfiguration,
    credentials::TokenCredential,
    error::{Error, ErrorKind},
    http::{
        AsyncRawResponse, Body, ClientOptions, HttpClient, RetryOptions, StatusCode, Transport,
        headers::Headers,
    },
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use reqwest::{
    Method,
    header::{HeaderMap, USER_AGENT},
};
use url::Url;

use super::{Token, answer, config::Ambient, request::scope};
use crate::{
    azure::http::{Http, NoAnswer, Repeat, Request, Response},
    domain::{AzureError, ClientId, Secret},
    ports::{Clock, ReadError},
};

/// How long the library may take in all: our own client's attempts, or one run of `az`.
const TIMEOUT: Duration = Duration::from_secs(90);
/// The authority as the library sees it, which takes `https` only. The request goes to the configured one.
const STAND_IN: &str = "https://login.microsoftonline.com/";
const REMEDY: &str = "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or AZURE_FEDERATED_TOKEN_FILE \
                      in place of the secret; or enable the app's managed identity; or run `az login`";

/// Asks for a token as `identity`.
pub(super) async fn token(
    identity: &Ambient<'_>,
    audience: &str,
    authority: &Url,
    http: &Arc<Http>,
    clock: &dyn Clock,
) -> Result<Token, ReadError> {
    let wire = Arc::new(Wire { http: http.clone(), authority: authority.clone(), last: Mutex::default() });
    let credential = credential(identity, &wire).map_err(|error| unavailable(&error))?;
    let outcome = tokio::time::timeout(TIMEOUT, credential.get_token(&[&scope(audience)], None)).await;
    let last = wire.last.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (last, outcome) {
        (Some(last), _) => answer::token(last, clock.now()),
        // Nothing went over HTTP: the Azure CLI, or the library gave up before.
        (None, Ok(Ok(token))) => {
            let expires = Timestamp::from_second(token.expires_on.unix_timestamp()).unwrap_or(Timestamp::MAX);
            Ok(Token::new(Secret::new(token.token.secret()), clock.now(), expires))
        }
        (None, Ok(Err(error))) => Err(unavailable(&error)),
        (None, Err(_)) => Err(ReadError::Transient(AzureError::local("no access token came in time"))),
    }
}

fn unavailable(error: &Error) -> ReadError {
    // The library adds where to read on, in lines of their own.
    let message = error.to_string();
    let reason = message.split("\nTo troubleshoot").next().unwrap_or_default();
    ReadError::Definite(AzureError::local(reason).with_remedy(REMEDY))
}

fn credential(identity: &Ambient<'_>, wire: &Arc<Wire>) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let mut cloud = CustomConfiguration::default();
    STAND_IN.clone_into(&mut cloud.authority_host);
    let client_options = ClientOptions {
        transport: Some(Transport::new(wire.clone())),
        // The wire repeats what may be repeated.
        retry: RetryOptions::none(),
        cloud: Some(Arc::new(cloud.into())),
        ..ClientOptions::default()
    };
    let owned = |id: &ClientId| id.as_str().to_owned();
    Ok(match identity {
        Ambient::Managed { client_id } => {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(owned(id))),
                client_options,
            }))?
        }
        Ambient::Workload { tenant, client_id, token_file } => {
            WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                client_id: Some(owned(client_id)),
                tenant_id: Some(tenant.as_str().to_owned()),
                token_file_path: Some(token_file.to_path_buf()),
            }))?
        }
        Ambient::AzureCli { tenant } => AzureCliCredential::new(Some(AzureCliCredentialOptions {
            tenant_id: tenant.map(|tenant| tenant.as_str().to_owned()),
            ..AzureCliCredentialOptions::default()
        }))?,
    })
}

/// The library's transport: our own client, at the configured authority.
#[derive(Debug)]
struct Wire {
    http: Arc<Http>,
    authority: Url,
    /// What came of the last request.
    last: Mutex<Option<Result<Response, NoAnswer>>>,
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        let outcome = self.http.send(&self.translated(request)?).await;
        let answer = match &outcome {
            Ok(response) => Ok(AsyncRawResponse::from_bytes(
                StatusCode::from(response.status),
                Headers::new(),
                response.body.clone(),
            )),
            Err(no_answer) => Err(Error::with_message(ErrorKind::Io, no_answer.error.to_string())),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        answer
    }
}

impl Wire {
    fn translated(&self, request: &azure_core::http::Request) -> azure_core::Result<Request> {
        let asked = request.url().as_str();
        let url = match asked.strip_prefix(STAND_IN) {
            Some(path) => format!("{}/{path}", self.authority.as_str().trim_end_matches('/')),
            None => asked.to_owned(),
        };
        let method =
            if request.method() == azure_core::http::Method::Post { Method::POST } else { Method::GET };
        let mut headers: HeaderMap = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().parse().ok()?, value.as_str().parse().ok()?)))
            .collect();
        headers.remove(USER_AGENT);
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => {
                return Err(Error::with_message(ErrorKind::Other, "a token request does not stream"));
            }
        };
        let form = url::form_urlencoded::parse(&body).filter(|(name, _)| name == "client_assertion");
        let header = headers.get("x-identity-header").and_then(|value| value.to_str().ok());
        let secrets: Vec<Secret> = form
            .map(|(_, value)| value.into_owned())
            .chain(header.map(str::to_owned))
            .map(Secret::from)
            .collect();
        let mut request = Request::new(method, Url::parse(&url)?, headers, body, Repeat::Idempotent);
        request.hide(&secrets);
        Ok(request)
    }
}
