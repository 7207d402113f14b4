//! What Azure Resource Manager tells of a service: what a preflight weighs, and what a backup does not carry.
//!
//! Has no secret: certificates are known by their thumbprints. Names of fields are ours; where Azure has them is in
//! `azure/arm/inspect`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ServiceId, Tier};

/// A service as it is set up. Whatever Azure did not send is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inventory {
    /// In display form: `Australia East`.
    pub location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Units in `location`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    pub zones: BTreeSet<String>,
    /// Regions besides `location`.
    pub regions: Vec<Region>,
    pub identity: Identity,
    /// Without those that Azure gives every service.
    pub hostnames: Vec<Hostname>,
    pub certificates: Vec<CaCertificate>,
    pub network: Network,
    /// `Enabled`, `Disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<String>,
    /// How many private endpoints are connected.
    pub private_endpoints: usize,
    /// `customProperties`: protocols and ciphers, without their common prefix
    /// `Microsoft.WindowsAzure.ApiManagement.Gateway.`; values as they were sent.
    pub settings: BTreeMap<String, String>,
    /// It refuses older api-versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_url: Option<String>,
    pub gateway_disabled: bool,
    /// `stv1`, `stv2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Names of its parts that are of another kind than we know; they are empty above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// A region besides the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Region {
    pub location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    pub zones: BTreeSet<String>,
}

/// The managed identities of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    pub system_assigned: bool,
    /// Of the system-assigned one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// By resource id, as it was sent: Azure changes the case of its parts.
    pub user_assigned: BTreeMap<String, UserAssigned>,
}

/// A user-assigned identity. Both ids are unknown right after it was assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserAssigned {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// A custom host name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hostname {
    /// `Proxy`, `Portal`, `Management`, `Scm`, `DeveloperPortal`, `ConfigurationApi`.
    pub kind: String,
    pub host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Where the certificate comes from, if from a Key Vault: the address of the secret, without its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_vault: Option<String>,
    /// The identity that reads it there; `None`: the system-assigned one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_client_id: Option<String>,
    pub default_ssl_binding: bool,
    pub negotiates_client_certificate: bool,
}

/// A certificate, without its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Certificate {
    pub thumbprint: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Timestamp>,
}

/// A certificate that the gateway trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaCertificate {
    /// `CertificateAuthority`, `Root`.
    pub store: String,
    pub certificate: Certificate,
}

/// How a service lies in a virtual network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// `None`, `External`, `Internal`.
    pub kind: String,
    /// Resource id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// Resource id of an address of the owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<String>,
}

impl Network {
    /// Whether it is injected into one.
    pub fn is_injected(&self) -> bool {
        !self.kind.is_empty() && !self.kind.eq_ignore_ascii_case("None")
    }
}

/// How many there are of what a backup carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    pub apis: u64,
    pub products: u64,
    pub subscriptions: u64,
    pub users: u64,
}

impl fmt::Display for Counts {
    /// `1 API, 2 products, 3 subscriptions, 2 users`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, count)) in self.named().into_iter().enumerate() {
            let gap = if n > 0 { ", " } else { "" };
            let name = if count == 1 { name.trim_end_matches('s') } else { name };
            write!(f, "{gap}{count} {name}")?;
        }
        Ok(())
    }
}

impl Counts {
    /// Each with its name.
    pub fn named(self) -> [(&'static str, u64); 4] {
        [
            ("APIs", self.apis),
            ("products", self.products),
            ("subscriptions", self.subscriptions),
            ("users", self.users),
        ]
    }
}

/// A diagnostic setting: which logs and metrics go where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Diagnostic {
    pub name: String,
    /// Resource ids of workspaces, storage accounts and event hubs.
    pub sinks: BTreeSet<String>,
    /// Categories of logs and metrics that are on.
    pub categories: BTreeSet<String>,
}

/// What a backup does not carry, as it was when the backup was taken. A part that could not be read is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub service: ServiceId,
    pub taken: Timestamp,
    pub inventory: Inventory,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Vec<Diagnostic>>,
    /// The name of the developer portal's current revision; empty: it was never published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal_revision: Option<String>,
    /// Why parts are absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}
