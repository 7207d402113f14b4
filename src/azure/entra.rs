//! Access tokens of Entra ID: a cache that renews them in time.
//!
//! `config` chooses the identity, `request` and `ambient` ask for its token, `answer` reads it. Does not know
//! what a token is used for. Each is for one audience; whoever sends it keeps it on that
//! audience's host.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use url::Url;

use super::http::Http;
use crate::{
    domain::{AzureError, ClientId, Secret, TenantId},
    ports::{Access, Clock, ReadError},
};

mod ambient;
mod answer;
mod config;
mod request;

pub use config::{Credential, TokenConfig, TokenEndpoint};

use config::{Ambient, Identity, NOT_SET_UP};

/// A token is renewed when less than this, or less than half of its lifetime, is left.
const RENEW_BEFORE: Duration = Duration::from_mins(5);
/// How long a failed renewal stands before the next one.
const FAILURE_STANDS: Duration = Duration::from_secs(30);

/// A token and its life.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    value: Secret,
    renew_at: Timestamp,
    expires: Timestamp,
}

impl Token {
    fn new(value: Secret, now: Timestamp, expires: Timestamp) -> Self {
        let lifetime: Duration = expires.duration_since(now).try_into().unwrap_or_default();
        let renew_at = expires.checked_sub(RENEW_BEFORE.min(lifetime / 2)).unwrap_or(now);
        Self { value, renew_at, expires }
    }
}

/// What tells one token from another. A changed secret is another key: it is never served the old token.
#[derive(PartialEq, Eq, Hash)]
struct Key([u8; 32]);

impl Key {
    fn of(identity: &Identity<'_>, audience: &str) -> Self {
        let (kind, tenant, client_id, secret) = match identity {
            Identity::ClientSecret { tenant, client_id, secret } => {
                ("secret", Some(*tenant), Some(*client_id), secret.expose())
            }
            Identity::Ambient(Ambient::Workload { tenant, client_id, .. }) => {
                ("workload", Some(*tenant), Some(*client_id), "")
            }
            Identity::Ambient(Ambient::Managed { client_id }) => ("managed", None, *client_id, ""),
            Identity::Ambient(Ambient::AzureCli { tenant }) => ("cli", *tenant, None, ""),
        };
        let tenant = tenant.map_or("", TenantId::as_str);
        let client_id = client_id.map_or("", ClientId::as_str);
        let mut digest = Sha256::new();
        for part in [kind, tenant, client_id, audience, secret] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// The token of one key, and whose turn it is to renew it.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The renewal that failed, and until when that stands.
    failed: Option<(ReadError, Timestamp)>,
}

impl State {
    fn usable(&self, now: Timestamp) -> Option<&Token> {
        self.token.as_ref().filter(|token| now < token.expires)
    }

    fn failure(&self, now: Timestamp) -> Option<&ReadError> {
        self.failed.as_ref().filter(|(_, until)| now < *until).map(|(error, _)| error)
    }

    /// What can be said without asking Entra ID.
    fn known(&self, now: Timestamp) -> Option<Result<Secret, ReadError>> {
        match (self.usable(now), self.failure(now)) {
            (Some(token), failure) if now < token.renew_at || failure.is_some() => {
                Some(Ok(token.value.clone()))
            }
            (None, Some(error)) => Some(Err(error.clone())),
            _ => None,
        }
    }
}

/// The tokens of everybody on whose behalf we call Azure.
pub(super) struct Tokens {
    config: TokenConfig,
    authority: Url,
    http: Arc<Http>,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(config: TokenConfig, authority: Url, http: Arc<Http>, clock: Arc<dyn Clock>) -> Self {
        Self { config, authority, http, clock, slots: Mutex::default() }
    }

    /// The same for a managed identity, whatever is configured.
    pub(super) fn managed(&self, client_id: Option<ClientId>) -> Self {
        let config =
            TokenConfig { credential: Credential::ManagedIdentity, client_id, ..self.config.clone() };
        Self::new(config, self.authority.clone(), self.http.clone(), self.clock.clone())
    }

    /// A token for `audience`. One request at a time per key; a usable old token outlives a failed renewal.
    pub(super) async fn token(&self, access: &Access, audience: &str) -> Result<Secret, ReadError> {
        let identity = self.config.identity(access).map_err(ReadError::Definite)?;
        let slot = self.slot(Key::of(&identity, audience));
        let known = || lock(&slot.state).known(self.clock.now());
        if let Some(known) = known() {
            return known;
        }
        let old = lock(&slot.state).usable(self.clock.now()).map(|token| token.value.clone());
        let turn = match (slot.renewing.try_lock(), old) {
            (Ok(turn), _) => turn,
            (Err(_), Some(old)) => return Ok(old),
            (Err(_), None) => slot.renewing.lock().await,
        };
        // Somebody may have renewed it while we waited for our turn.
        if let Some(known) = known() {
            return known;
        }
        let renewed = self.request(&identity, audience).await;
        let now = self.clock.now();
        let mut state = lock(&slot.state);
        let outcome = match renewed {
            Ok(token) => {
                let value = token.value.clone();
                *state = State { token: Some(token), failed: None };
                Ok(value)
            }
            Err(error) => {
                tracing::warn!("no new access token: {error}");
                state.failed = Some((error.clone(), crate::domain::later(now, FAILURE_STANDS)));
                state.usable(now).map(|token| token.value.clone()).ok_or(error)
            }
        };
        drop(state);
        drop(turn);
        outcome
    }

    /// Drops a token that was refused, so that the next call asks for a new one.
    pub(super) fn forget(&self, refused: &Secret) {
        for slot in lock(&self.slots).values() {
            let mut state = lock(&slot.state);
            if state.token.as_ref().is_some_and(|token| token.value == *refused) {
                state.token = None;
            }
        }
    }

    async fn request(&self, identity: &Identity<'_>, audience: &str) -> Result<Token, ReadError> {
        tracing::debug!("asking for an access token");
        match identity {
            Identity::ClientSecret { tenant, client_id, secret } => {
                let request = request::client_credentials(
                    &self.authority,
                    self.config.endpoint,
                    tenant,
                    client_id,
                    secret,
                    audience,
                )
                .map_err(ReadError::Definite)?;
                let outcome = self.http.send(&request).await;
                answer::token(outcome, self.clock.now())
            }
            Identity::Ambient(ambient) => {
                let outcome =
                    ambient::token(ambient, audience, &self.authority, &self.http, &*self.clock).await;
                match (outcome, ambient, self.config.credential) {
                    (Err(ReadError::Definite(error)), Ambient::AzureCli { .. }, Credential::Auto) => {
                        let message = format!("{NOT_SET_UP}, and the Azure CLI gave none: {}", error.message);
                        Err(ReadError::Definite(AzureError { message, ..error }))
                    }
                    (outcome, ..) => outcome,
                }
            }
        }
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let now = self.clock.now();
        let mut slots = lock(&self.slots);
        if !slots.contains_key(&key) {
            // Callers bring secrets of their own; those that nobody uses any more go.
            slots.retain(|_, slot| {
                let state = lock(&slot.state);
                Arc::strong_count(slot) > 1 || state.usable(now).is_some() || state.failure(now).is_some()
            });
        }
        slots.entry(key).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
