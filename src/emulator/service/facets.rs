//! What a service has several of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many there are of each. A backup carries all but the workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Entities {
    pub apis: u64,
    pub products: u64,
    pub subscriptions: u64,
    pub users: u64,
    pub workspaces: u64,
}

impl Default for Entities {
    /// The Echo API, the two products and their subscriptions that a new service has, and two users.
    fn default() -> Self {
        Self { apis: 1, products: 2, subscriptions: 3, users: 2, workspaces: 0 }
    }
}

/// A custom host name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hostname {
    /// `Proxy`, `Portal`, `Management`, `Scm`, `DeveloperPortal`.
    #[serde(rename = "type")]
    pub kind: String,
    pub host_name: String,
    pub certificate: Option<Certificate>,
    /// Address of the secret in Key Vault that the certificate comes from.
    #[serde(default)]
    pub key_vault_id: Option<String>,
    /// Client id of the user-assigned identity that reads the secret; `None` is the system-assigned one.
    #[serde(default)]
    pub identity_client_id: Option<String>,
    /// `Managed`, `KeyVault`, `Custom`.
    #[serde(default)]
    pub certificate_source: Option<String>,
    #[serde(default)]
    pub default_ssl_binding: bool,
    #[serde(default)]
    pub negotiate_client_certificate: bool,
}

/// What is told of a certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// With the offset that it was written with: `2035-12-31T23:00:00-08:00`.
    pub expiry: String,
    pub thumbprint: String,
    pub subject: String,
}

/// A certificate that the gateway trusts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaCertificate {
    /// `CertificateAuthority` or `Root`.
    pub store_name: String,
    pub certificate: Certificate,
}

/// Another region with a gateway of this service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdditionalLocation {
    /// In display form.
    pub location: String,
    pub capacity: u32,
    /// Empty is null.
    #[serde(default)]
    pub zones: Vec<String>,
}

/// One diagnostic setting.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Diagnostics {
    pub name: String,
    pub workspace_id: Option<String>,
    pub storage_account_id: Option<String>,
    pub event_hub_authorization_rule_id: Option<String>,
    pub logs: Vec<Logged>,
    pub metrics: Vec<Logged>,
}

/// A category of logs or metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logged {
    pub category: String,
    pub enabled: bool,
}

/// One item of `connectivityStatus`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connectivity {
    pub name: String,
    /// `initializing`, `success`, `failure`.
    pub status: String,
    #[serde(default)]
    pub error: String,
    /// `BlobStorage` and the like; absent in what was recorded.
    #[serde(default)]
    pub resource_type: Option<String>,
    /// Absent in what was recorded.
    #[serde(default)]
    pub is_optional: Option<bool>,
    /// `None` is whenever it is read.
    #[serde(default)]
    pub last_updated: Option<Timestamp>,
}

impl Connectivity {
    /// The storage that every service depends on, in reach.
    pub(super) fn blobs_of(region: &str) -> Self {
        Self {
            name: format!("apimgmtst{region}.blob.core.windows.net"),
            status: "success".to_owned(),
            error: String::new(),
            resource_type: None,
            is_optional: None,
            last_updated: None,
        }
    }
}
