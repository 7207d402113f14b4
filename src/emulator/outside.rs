//! Backups in a real blob service on this machine, such as Azurite. Knows nothing of what is in them.

use std::error::Error;
use std::time::Duration;

use axum::body::Bytes;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStoreExt as _, RetryConfig};
use url::{Host, Url};

use super::operation::{Access, Place};
use super::transfer::Transfer;

/// How long one transfer may take: a request waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of the service, with `{account}` in it.
#[derive(Debug, Clone)]
pub(super) struct Outside(String);

impl Outside {
    /// Only addresses of this machine are taken: a key that some caller sends goes there.
    pub(super) fn new(endpoint: &str) -> Result<Self, String> {
        let outside = Self(endpoint.trim_end_matches('/').to_owned());
        let url = Url::parse(&outside.of("account")).map_err(|error| format!("'{endpoint}': {error}"))?;
        let near = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if !near || !["http", "https"].contains(&url.scheme()) {
            return Err(format!("'{endpoint}' is not an http address of this machine"));
        }
        Ok(outside)
    }

    /// The address of one account.
    pub(super) fn of(&self, account: &str) -> String {
        self.0.replace("{account}", account)
    }

    /// Writes or reads the blob; answers what was read, or why nothing was.
    pub(super) async fn carry_out(&self, transfer: &Transfer) -> Result<Bytes, String> {
        let done = tokio::time::timeout(PATIENCE, self.speak(transfer)).await;
        done.unwrap_or_else(|_| Err("the storage account does not answer".to_owned()))
    }

    async fn speak(&self, transfer: &Transfer) -> Result<Bytes, String> {
        let (Transfer::Write { place, .. } | Transfer::Read { place }) = transfer;
        let Access::Key(key) = &place.access else {
            return Err("the emulator opens a real blob service with an access key only".to_owned());
        };
        // Not `Path::from`, which would write another name.
        let path = Path::parse(&place.blob).map_err(|error| error.to_string())?;
        let store = MicrosoftAzureBuilder::new()
            .with_account(&place.account)
            .with_access_key(key)
            .with_container_name(&place.container)
            .with_endpoint(self.of(&place.account))
            .with_client_options(ClientOptions::new().with_timeout(PATIENCE).with_allow_http(true))
            .with_retry(RetryConfig { max_retries: 1, retry_timeout: PATIENCE, ..RetryConfig::default() })
            .build()
            .map_err(|error| told(place, &error))?;
        match transfer {
            Transfer::Write { content, .. } => {
                let put = store.put(&path, content.clone().into()).await;
                put.map(|_| Bytes::new()).map_err(|error| told(place, &error))
            }
            Transfer::Read { .. } => {
                let read = async { store.get(&path).await?.bytes().await };
                read.await.map_err(|error| told(place, &error))
            }
        }
    }
}

/// The storage service's code, which stands somewhere in the error's causes; or the error.
fn told(place: &Place, error: &(dyn Error + 'static)) -> String {
    let Place { account, container, blob, .. } = place;
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let code = causes.map(ToString::to_string).find_map(|text| {
        let (_, rest) = text.split_once("<Code>")?;
        Some(rest.split_once("</Code>")?.0.to_owned())
    });
    let why = code.unwrap_or_else(|| error.to_string());
    format!("{why}: storage account '{account}', container '{container}', blob '{blob}'")
}

#[cfg(test)]
mod tests {
    use super::Outside;

    #[test]
    fn only_a_service_on_this_machine_is_taken() {
        for (endpoint, of_account) in [
            ("http://127.0.0.1:10000/{account}", Some("http://127.0.0.1:10000/dev")),
            ("http://[::1]:10000/{account}/", Some("http://[::1]:10000/dev")),
            ("https://localhost/{account}", Some("https://localhost/dev")),
            ("https://{account}.blob.core.windows.net", None),
            ("http://localhost.example.com/{account}", None),
            ("http://127.0.0.1@example.com/{account}", None),
            ("file:///tmp", None),
            ("127.0.0.1:10000", None),
        ] {
            let outside = Outside::new(endpoint).ok();
            assert_eq!(outside.map(|outside| outside.of("dev")).as_deref(), of_account, "{endpoint}");
        }
    }
}
