//! Storage accounts: how a container is opened, and what keeps us out of one.
//!
//! `object_store` speaks the protocol and signs. What is ours: whose key, SAS or token it is, one HTTP client with
//! short limits, and errors that say no more than Azure's code. Does not know what lies in a container.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{
    BackoffConfig, ClientOptions, CredentialProvider, ObjectStore, RetryConfig,
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzureBuilder, split_sas},
    client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse, HttpService},
};
use reqwest::{
    Method, StatusCode,
    header::{HeaderValue, IF_MATCH},
};
use url::Url;

use super::{
    InvalidSetting,
    cloud::{Endpoints, secure},
    entra::Tokens,
    http::{Http, Limits, NoAnswer, Repeat, Request, Response, SET_AUTHORITIES},
};
use crate::{
    domain::{Caller, ClientId, Explanation, Secret, StorageAccount, explain_storage},
    ports::{Access, Clock},
};

/// For whom tokens for storage are issued, in every cloud.
const AUDIENCE: &str = "https://storage.azure.com/";
const STORE: &str = "storage account";
/// The role that remedies name; whoever asks puts the one that is needed in its place.
pub(super) const WRITER: &str = "Storage Blob Data Contributor";
pub(super) const NO_TOKEN: &str = "no token for storage";

/// A storage account's blobs: where they are, and what opens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobService {
    pub account: String,
    pub endpoint: Url,
    pub access: BlobAccess,
}

/// What opens a storage account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobAccess {
    Key(Secret),
    /// A shared access signature: the query of a URL.
    Sas(Secret),
    /// The app's own identity, as set by `APIM_DR_CREDENTIAL`.
    App,
    /// A managed identity, whatever `APIM_DR_CREDENTIAL` says; without an id the system-assigned one.
    Managed(Option<ClientId>),
}

impl BlobService {
    /// The account where its cloud has it, or where `APIM_DR_BLOB_ENDPOINT` says.
    pub fn new(
        account: &StorageAccount,
        endpoints: &Endpoints,
        access: BlobAccess,
    ) -> Result<Self, InvalidSetting> {
        let endpoint = endpoints.blobs_of(account);
        let endpoint = endpoint.map_err(|must| InvalidSetting { setting: "APIM_DR_BLOB_ENDPOINT", must })?;
        Ok(Self { account: account.to_string(), endpoint, access })
    }

    /// The account whose blobs are at `endpoint`.
    pub fn at(endpoint: &str, access: BlobAccess, allow_http_loopback: bool) -> Result<Self, &'static str> {
        let endpoint = secure(endpoint, allow_http_loopback)?;
        let account =
            endpoint.host_str().and_then(|host| host.split('.').next()).unwrap_or_default().to_owned();
        Ok(Self { account, endpoint, access })
    }

    /// Reads a connection string of a storage account. `account` is whose it has to be, if that is known. What it
    /// must be is told without its value.
    pub fn from_connection(
        text: &str,
        account: Option<&str>,
        allow_http_loopback: bool,
    ) -> Result<Self, String> {
        let part = |name: &str| {
            let parts = text.split(';').filter_map(|part| part.split_once('='));
            let mut named = parts.filter(|(found, _)| found.trim().eq_ignore_ascii_case(name));
            named.next().map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        if part("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            if part("DevelopmentStorageProxyUri").is_some() {
                return Err(
                    "give BlobEndpoint and AccountKey in place of DevelopmentStorageProxyUri".to_owned()
                );
            }
            // Everybody knows this key, and it goes to this machine only: no permission is needed.
            return Self::from_connection(DEVELOPMENT, account, true);
        }
        let name = part("AccountName");
        if name.zip(account).is_some_and(|(name, account)| name != account) {
            return Err("it must be of the account that APIM_DR_RECORDS names".to_owned());
        }
        let name = name.or(account);
        let endpoint = match (part("BlobEndpoint"), name) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, Some(name)) => {
                let scheme = part("DefaultEndpointsProtocol").unwrap_or("https");
                format!("{scheme}://{name}.blob.{}", part("EndpointSuffix").unwrap_or("core.windows.net"))
            }
            (None, None) => return Err(CONNECTION.to_owned()),
        };
        let access = match (part("SharedAccessSignature"), part("AccountKey"), name) {
            (Some(sas), ..) => BlobAccess::Sas(Secret::new(sas)),
            (None, Some(key), Some(_)) if BASE64_STANDARD.decode(key).is_ok() => {
                BlobAccess::Key(Secret::new(key))
            }
            _ => return Err(CONNECTION.to_owned()),
        };
        let service = Self::at(&endpoint, access, allow_http_loopback)
            .map_err(|must| format!("its blob endpoint {must}"))?;
        Ok(Self { account: name.map_or(service.account, str::to_owned), ..service })
    }
}

const CONNECTION: &str = "give a storage connection string: AccountName and AccountKey, or BlobEndpoint and \
                          SharedAccessSignature, or UseDevelopmentStorage=true";

/// What `UseDevelopmentStorage=true` stands for: Azurite's well-known account.
const DEVELOPMENT: &str = "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;\
                           BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1";

/// Opens containers: one HTTP client for all of them, and the app's own tokens.
#[derive(Debug, Clone)]
pub struct Storage {
    http: Arc<Http>,
    tokens: Arc<Tokens>,
}

impl Storage {
    pub(super) fn new(tokens: Arc<Tokens>, clock: Arc<dyn Clock>) -> Self {
        let limits = Limits {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            total: Duration::from_secs(10),
            ..Limits::default()
        };
        Self { http: Arc::new(Http::new(limits, clock)), tokens }
    }

    fn tokens_for(&self, service: &BlobService) -> Arc<Tokens> {
        match &service.access {
            BlobAccess::Managed(client_id) => Arc::new(self.tokens.managed(client_id.clone())),
            _ => self.tokens.clone(),
        }
    }

    /// Opens a container. Does no I/O.
    pub fn container(
        &self,
        service: &BlobService,
        container: &str,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        let tokens = self.tokens_for(service);
        let client = self.http.client(&service.endpoint).map_err(|error| unusable(error.to_string()))?;
        // A few tries, about twenty seconds at the worst. A create that timed out is not tried again.
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: Duration::from_secs(10),
        };
        let store = MicrosoftAzureBuilder::new()
            .with_account(&service.account)
            .with_endpoint(service.endpoint.as_str().trim_end_matches('/').to_owned())
            .with_container_name(container)
            .with_credentials(Arc::new(Credentials { access: service.access.clone(), tokens }))
            .with_http_connector(Terse(client.clone()))
            .with_retry(retry)
            .build()?;
        Ok(Arc::new(store))
    }
}

/// A request to the Blob service: of a container, or of one of its blobs.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) container: &'a str,
    pub(super) blob: Option<&'a str>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) if_match: Option<&'a str>,
}

impl Storage {
    /// Sends a request that may be repeated, signed as `object_store` signs its own, which knows neither conditional
    /// deletes nor all names that blobs may have.
    pub(super) async fn ask(&self, service: &BlobService, ask: &Ask<'_>) -> Result<Response, NotAsked> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = ask.method.clone();
        let mut url = service.endpoint.as_str().trim_end_matches('/').to_owned();
        for part in
            std::iter::once(ask.container).chain(ask.blob.into_iter().flat_map(|name| name.split('/')))
        {
            url = url + "/" + &urlencoding::encode(part);
        }
        let mut url = Url::parse(&url).map_err(|error| NotAsked::Local(error.to_string()))?;
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        *request.uri_mut() = url.as_str().parse().map_err(|_| NotAsked::Local("no URL".to_owned()))?;
        if let Some(e_tag) = ask.if_match {
            let value = HeaderValue::try_from(e_tag).map_err(|error| NotAsked::Local(error.to_string()))?;
            request.headers_mut().insert(IF_MATCH, value);
        }
        let credentials = Credentials { access: service.access.clone(), tokens: self.tokens_for(service) };
        let credential = credentials.get_credential().await;
        let credential = credential.map_err(|error| NotAsked::Local(error.to_string()))?;
        AzureAuthorizer::new(&credential, &service.account)
            .try_authorize(&mut request)
            .map_err(|error| NotAsked::Local(error.to_string()))?;
        // A SAS is in the query by now.
        let url =
            Url::parse(&request.uri().to_string()).map_err(|error| NotAsked::Local(error.to_string()))?;
        let headers = std::mem::take(request.headers_mut());
        let request = Request::new(ask.method.clone(), url, headers, Bytes::new(), Repeat::Idempotent);
        self.http.send(&request).await.map_err(|NoAnswer { never_sent, error, .. }| {
            if never_sent {
                NotAsked::Local(error.to_string())
            } else {
                NotAsked::Unanswered(error.to_string())
            }
        })
    }
}

/// Why there is no answer of the Blob service.
#[derive(Debug)]
pub(super) enum NotAsked {
    /// Certainly nothing was sent.
    Local(String),
    Unanswered(String),
}

pub(super) fn unusable(source: impl Into<Box<dyn Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: source.into() }
}

/// Hands each request what opens the account. It is kept here, since `object_store`'s own would print a SAS.
#[derive(Debug)]
struct Credentials {
    access: BlobAccess,
    tokens: Arc<Tokens>,
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        Ok(Arc::new(match &self.access {
            // The library's errors would quote a character of the key.
            BlobAccess::Key(key) => AzureCredential::AccessKey(
                AzureAccessKey::try_new(key.expose())
                    .map_err(|_| unusable("the account key is not base64"))?,
            ),
            BlobAccess::Sas(sas) => AzureCredential::SASToken(
                split_sas(sas.expose()).map_err(|_| unusable("the SAS is not the query of a URL"))?,
            ),
            BlobAccess::App | BlobAccess::Managed(_) => {
                let access =
                    Access { caller: Caller::App, credentials: crate::domain::Credentials::default() };
                let token = self.tokens.token(&access, AUDIENCE).await;
                let token = token.map_err(|error| unusable(format!("{NO_TOKEN}: {error}")))?;
                AzureCredential::BearerToken(token.expose().to_owned())
            }
        }))
    }
}

/// Our HTTP client, and errors cut down to Azure's code: their bodies quote what was signed, and those of a `HEAD`
/// have no body at all.
#[derive(Debug)]
struct Terse(reqwest::Client);

impl HttpConnector for Terse {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Self(self.0.clone())))
    }
}

#[async_trait]
impl HttpService for Terse {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.call(request).await?;
        if !response.status().is_client_error() && !response.status().is_server_error() {
            return Ok(response);
        }
        let (mut parts, body) = response.into_parts();
        // Read to its end, so that the connection can be used again.
        let _ = body.bytes_stream().try_for_each(|_| std::future::ready(Ok(()))).await;
        let code = parts.headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
        let code = code.unwrap_or_default().to_owned();
        // "Not found" is said of a blob only. A container or account that is missing must not look like an empty one.
        if parts.status == StatusCode::NOT_FOUND && !code.is_empty() && code != "BlobNotFound" {
            parts.status = StatusCode::GONE;
        }
        Ok(HttpResponse::from_parts(parts, code.into()))
    }
}

/// What is wrong with a storage account and what helps, in words that hold nothing of a request; `None` if we do not
/// know. `role` is what an identity needs.
pub fn storage_advice(error: &(dyn Error + 'static), role: &str) -> Option<String> {
    let mut words = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    advice(&words, role)
}

/// What is wrong and what helps: what Azure's code means, or else what stopped our own client.
pub(super) fn advice(words: &[impl AsRef<str>], role: &str) -> Option<String> {
    let occurs = |sign: &str| words.iter().any(|words| words.as_ref().contains(sign));
    if occurs(NO_TOKEN) {
        return Some("the app's identity gets no token for storage; the log says why".to_owned());
    }
    if let Some(Explanation { cause, remedy, .. }) = explain_storage(words) {
        return Some(format!("{cause}; {}", remedy.replace(WRITER, role)));
    }
    LOCAL.iter().find(|(sign, _)| occurs(sign)).map(|(_, advice)| (*advice).to_owned())
}

/// Words of the HTTP client and of the libraries that it is made of. They are no errors of Azure, so the table of
/// those does not have them. The first that occurs counts.
const LOCAL: &[(&str, &str)] = &[
    ("not base64", "the account key is not base64; copy it again"),
    ("not the query of a URL", "the SAS is not readable; copy it again"),
    ("UnknownIssuer", SET_AUTHORITIES),
    ("error sending request", UNREACHABLE),
    ("HTTP error", UNREACHABLE),
];

const UNREACHABLE: &str = "the account cannot be reached; check its name, its endpoint, DNS and the network";

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
