//! Secrets as they are stored: sealed under the state key, for one operation, and never in any other way.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{Records, store::place};
use crate::{
    domain::{Callback, Credentials, OperationId, Secret},
    keys::Seal,
    ports::RecordsError,
};

/// What is inside the seal of an operation's credentials.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secrets {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_key: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<SealedCallback>,
}

/// What is inside the seal of a letter to whoever started an operation, and in that of its credentials.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum SealedCallback {
    Url { url: Zeroizing<String> },
    AzureDevOps { url: Zeroizing<String>, token: Zeroizing<String>, job: String, task: String },
}

impl Records {
    pub(super) fn seal_credentials(
        &self,
        id: OperationId,
        credentials: &Credentials,
    ) -> Result<Option<Seal>, RecordsError> {
        if credentials.is_empty() {
            return Ok(None);
        }
        let Credentials { client_secret, access_key, callback } = credentials;
        let secrets = Secrets {
            client_secret: client_secret.as_ref().map(exposed),
            access_key: access_key.as_ref().map(exposed),
            callback: callback.as_ref().map(SealedCallback::from),
        };
        self.seal(id, &secrets).map(Some)
    }

    pub(super) fn unseal_credentials(
        &self,
        id: OperationId,
        seal: &Seal,
    ) -> Result<Credentials, RecordsError> {
        let Secrets { client_secret, access_key, callback } = self.unseal(id, seal)?;
        Ok(Credentials {
            client_secret: client_secret.map(Secret::from),
            access_key: access_key.map(Secret::from),
            callback: callback.map(Callback::from),
        })
    }

    pub(super) fn seal<T: Serialize>(&self, id: OperationId, secrets: &T) -> Result<Seal, RecordsError> {
        let plain = serde_json::to_vec(secrets).map_err(|error| sealed(error.to_string()))?;
        self.key.seal(id, &Zeroizing::new(plain)).map_err(|error| sealed(error.to_string()))
    }

    pub(super) fn unseal<T: DeserializeOwned>(
        &self,
        id: OperationId,
        seal: &Seal,
    ) -> Result<T, RecordsError> {
        let plain = self.key.open(id, seal).map_err(|error| sealed(error.to_string()))?;
        serde_json::from_slice(&plain).map_err(|error| sealed(place(&error)))
    }
}

fn sealed(reason: String) -> RecordsError {
    RecordsError::Sealed { reason }
}

fn exposed(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(secret.expose().to_owned())
}

impl From<&Callback> for SealedCallback {
    fn from(callback: &Callback) -> Self {
        match callback {
            Callback::Url(url) => Self::Url { url: exposed(url) },
            Callback::AzureDevOps { url, token, job, task } => Self::AzureDevOps {
                url: exposed(url),
                token: exposed(token),
                job: job.clone(),
                task: task.clone(),
            },
        }
    }
}

impl From<SealedCallback> for Callback {
    fn from(callback: SealedCallback) -> Self {
        match callback {
            SealedCallback::Url { url } => Self::Url(url.into()),
            SealedCallback::AzureDevOps { url, token, job, task } => {
                Self::AzureDevOps { url: url.into(), token: token.into(), job, task }
            }
        }
    }
}
