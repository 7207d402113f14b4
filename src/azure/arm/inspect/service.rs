//! A service's body: `ApiManagementServiceResource`, in every form since 2014.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::domain;

/// What Azure's own host names end in, in each cloud.
const OWN_HOSTS: [&str; 3] = [".azure-api.net", ".azure-api.us", ".azure-api.cn"];
const SETTINGS: &str = "Microsoft.WindowsAzure.ApiManagement.Gateway.";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Sku {
    name: Option<String>,
    capacity: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Region {
    location: String,
    sku: Sku,
    zones: BTreeSet<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    r#type: String,
    principal_id: Option<String>,
    user_assigned_identities: BTreeMap<String, UserAssigned>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct UserAssigned {
    client_id: Option<String>,
    principal_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Hostname {
    r#type: String,
    host_name: String,
    certificate: Option<Certificate>,
    certificate_source: String,
    key_vault_id: Option<String>,
    identity_client_id: Option<String>,
    default_ssl_binding: bool,
    negotiate_client_certificate: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Certificate {
    thumbprint: String,
    subject: String,
    expiry: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct CaCertificate {
    store_name: String,
    certificate: Certificate,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct VirtualNetwork {
    subnet_resource_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct VersionConstraint {
    min_api_version: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PrivateEndpoint {
    properties: PrivateEndpointProperties,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PrivateEndpointProperties {
    private_link_service_connection_state: ConnectionState,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ConnectionState {
    status: String,
}

/// The parts of an object, each read for itself: one that is of another kind than we know takes no other with it.
struct Parts<'a> {
    object: &'a Value,
    unread: &'a mut Vec<String>,
}

impl Parts<'_> {
    fn read<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let Some(part) = self.object.get(name) else { return T::default() };
        T::deserialize(part).unwrap_or_else(|_| {
            self.unread.push(name.to_owned());
            T::default()
        })
    }
}

/// Reads a service from a body without nulls.
pub(super) fn inventory(body: &Value) -> domain::Inventory {
    let mut unread = Vec::new();
    let mut outer = Parts { object: body, unread: &mut unread };
    let (location, sku, zones) = (outer.read("location"), outer.read::<Sku>("sku"), outer.read("zones"));
    let identity: Identity = outer.read("identity");
    let mut properties =
        Parts { object: body.get("properties").unwrap_or(&Value::Null), unread: &mut unread };
    // Where 2014-02-14 has it.
    let sku = if sku.name.is_some() { sku } else { properties.read("sku") };
    let is_connected = |endpoint: &&PrivateEndpoint| {
        let state = &endpoint.properties.private_link_service_connection_state;
        state.status.eq_ignore_ascii_case("Approved")
    };
    let hostnames: Vec<Hostname> = properties.read("hostnameConfigurations");
    let endpoints: Vec<PrivateEndpoint> = properties.read("privateEndpointConnections");
    let settings: BTreeMap<String, String> = properties.read("customProperties");
    let (gateway, runtime) = (properties.read::<Option<String>>("gatewayUrl"), properties.read("runtimeUrl"));
    let mut inventory = domain::Inventory {
        location,
        tier: sku.name.map(domain::Tier),
        capacity: sku.capacity,
        zones,
        regions: convert(properties.read::<Vec<Region>>("additionalLocations")),
        identity: identity.into(),
        hostnames: convert(hostnames.into_iter().filter(|hostname| !hostname.is_azures()).collect()),
        certificates: convert(properties.read::<Vec<CaCertificate>>("certificates")),
        network: domain::Network {
            kind: properties.read("virtualNetworkType"),
            subnet: properties.read::<VirtualNetwork>("virtualNetworkConfiguration").subnet_resource_id,
            public_ip: properties.read("publicIpAddressId"),
        },
        public_network_access: properties.read("publicNetworkAccess"),
        private_endpoints: endpoints.iter().filter(is_connected).count(),
        settings: settings
            .into_iter()
            .map(|(name, value)| (name.strip_prefix(SETTINGS).unwrap_or(&name).to_owned(), value))
            .collect(),
        min_api_version: properties.read::<VersionConstraint>("apiVersionConstraint").min_api_version,
        // 2014-02-14 calls it otherwise.
        gateway_url: gateway.or(runtime),
        gateway_disabled: properties.read("disableGateway"),
        platform: properties.read("platformVersion"),
        unread: Vec::new(),
    };
    inventory.unread = unread;
    inventory
}

fn convert<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

impl From<Region> for domain::Region {
    fn from(Region { location, sku, zones }: Region) -> Self {
        Self { location, capacity: sku.capacity, zones }
    }
}

impl From<Identity> for domain::Identity {
    fn from(identity: Identity) -> Self {
        let Identity { r#type, principal_id, user_assigned_identities } = identity;
        let read = |(id, UserAssigned { client_id, principal_id })| {
            (id, domain::UserAssigned { client_id, principal: principal_id })
        };
        Self {
            // `SystemAssigned, UserAssigned`, with and without the blank, and in any case.
            system_assigned: r#type.split(',').any(|kind| kind.trim().eq_ignore_ascii_case("SystemAssigned")),
            principal: principal_id,
            user_assigned: user_assigned_identities.into_iter().map(read).collect(),
        }
    }
}

impl Hostname {
    /// Whether every service has one like it.
    fn is_azures(&self) -> bool {
        let host = self.host_name.to_ascii_lowercase();
        self.certificate_source.eq_ignore_ascii_case("BuiltIn")
            || OWN_HOSTS.iter().any(|own| host.ends_with(own))
    }
}

impl From<Hostname> for domain::Hostname {
    fn from(hostname: Hostname) -> Self {
        Self {
            kind: hostname.r#type,
            host: hostname.host_name,
            certificate: hostname.certificate.map(domain::Certificate::from),
            key_vault: hostname.key_vault_id.map(|id| without_version(&id)),
            identity_client_id: hostname.identity_client_id,
            default_ssl_binding: hostname.default_ssl_binding,
            negotiates_client_certificate: hostname.negotiate_client_certificate,
        }
    }
}

impl From<CaCertificate> for domain::CaCertificate {
    fn from(CaCertificate { store_name, certificate }: CaCertificate) -> Self {
        Self { store: store_name, certificate: certificate.into() }
    }
}

impl From<Certificate> for domain::Certificate {
    fn from(Certificate { thumbprint, subject, expiry }: Certificate) -> Self {
        Self { thumbprint, subject, expiry: expiry.as_deref().and_then(instant) }
    }
}

/// `https://{vault}/secrets/{name}/{version}`, without the version.
fn without_version(id: &str) -> String {
    let Ok(mut url) = Url::parse(id) else { return id.to_owned() };
    let path: Vec<_> = url.path().split('/').filter(|part| !part.is_empty()).take(2).collect();
    let path = path.join("/");
    url.set_path(&path);
    url.set_query(None);
    url.into()
}

/// An instant with any offset; without one it is UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let utc = || Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    text.parse().ok().or_else(utc)
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
