//! An API Management service: its state. How ARM shows it is in `resource`.
//!
//! Knows nothing of backups, except that `content` and the counts of `entities` are what they carry.

mod facets;
mod resource;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::accounts;

pub use self::facets::{
    AdditionalLocation, CaCertificate, Certificate, Connectivity, Diagnostics, Entities, Hostname, Logged,
};

/// One API Management service. Tests change its fields as Azure, a colleague or an accident would.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// 1 to 50 letters, digits and hyphens; unique without case in the whole emulator, as in Azure.
    pub name: String,
    pub resource_group: String,
    pub subscription: String,
    /// In display form: `Australia East`.
    pub location: String,
    /// ARM's `sku.name`: `Developer`, `Basic`, `Standard`, `Premium`, `Consumption`, `BasicV2`,
    /// `StandardV2`.
    pub tier: String,
    pub capacity: u32,
    /// `Succeeded` at rest.
    pub provisioning_state: String,
    /// Empty at rest.
    pub target_provisioning_state: String,
    /// Principal of the system-assigned identity, if there is one.
    pub system_identity: Option<String>,
    /// Resource ids of user-assigned identities.
    pub user_identities: BTreeSet<String>,
    /// Stands for APIs, policies, users and subscriptions: a backup carries it, a restore
    /// overwrites it.
    pub content: String,
    /// How many there are of what its management API lists.
    pub entities: Entities,
    /// Besides the built-in one of the gateway.
    pub hostnames: Vec<Hostname>,
    /// Of certificate authorities.
    pub certificates: Vec<CaCertificate>,
    pub additional_locations: Vec<AdditionalLocation>,
    /// Empty is null.
    pub zones: Vec<String>,
    /// `None`, `External` or `Internal`.
    pub virtual_network_type: String,
    /// ARM id of the subnet.
    pub subnet: Option<String>,
    /// ARM id of a public address of the owner's.
    pub public_ip_address_id: Option<String>,
    /// `Enabled` or `Disabled`.
    pub public_network_access: String,
    /// By their whole names; values are texts such as `False`.
    pub custom_properties: BTreeMap<String, String>,
    /// The service refuses older api-versions.
    pub min_api_version: Option<String>,
    pub disable_gateway: bool,
    /// `stv1`, `stv2`, `mtv1`, `undetermined`.
    pub platform_version: String,
    /// Name of the developer portal's current revision; `None`: it was never published.
    pub portal_revision: Option<String>,
    /// Diagnostic settings of Azure Monitor.
    pub diagnostics: Vec<Diagnostics>,
    /// What it depends on; every location tells the same.
    pub connectivity: Vec<Connectivity>,
    /// Whether the gateway answers that it is out of order.
    pub gateway_down: bool,
    pub created: Timestamp,
    /// Grows with every change.
    pub revision: u64,
}

impl Service {
    /// An idle Developer service of one unit with a system-assigned identity, in the default
    /// resource group.
    pub fn new(name: &str, location: &str) -> Self {
        Self {
            name: name.to_owned(),
            resource_group: accounts::RESOURCE_GROUP.to_owned(),
            subscription: accounts::SUBSCRIPTION_ID.to_owned(),
            location: location.to_owned(),
            tier: "Developer".to_owned(),
            capacity: 1,
            provisioning_state: "Succeeded".to_owned(),
            target_provisioning_state: String::new(),
            system_identity: Some(Uuid::new_v4().to_string()),
            user_identities: BTreeSet::new(),
            content: format!("apis of {name}"),
            entities: Entities::default(),
            hostnames: Vec::new(),
            certificates: Vec::new(),
            additional_locations: Vec::new(),
            zones: Vec::new(),
            virtual_network_type: "None".to_owned(),
            subnet: None,
            public_ip_address_id: None,
            public_network_access: "Enabled".to_owned(),
            custom_properties: custom_properties(),
            min_api_version: None,
            disable_gateway: false,
            platform_version: "stv2".to_owned(),
            portal_revision: Some("20251101120000".to_owned()),
            diagnostics: Vec::new(),
            connectivity: vec![Connectivity::blobs_of(&region_of(location))],
            gateway_down: false,
            created: Timestamp::UNIX_EPOCH,
            revision: 1,
        }
    }

    /// Whether nothing changes it now. Recorded updates show `Succeeded` with a target, so both
    /// count.
    pub fn is_idle(&self) -> bool {
        self.provisioning_state == "Succeeded" && self.target_provisioning_state.is_empty()
    }

    /// The ARM resource id, in canonical case.
    pub fn id(&self) -> String {
        let Self { subscription, resource_group, name, .. } = self;
        format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.ApiManagement/service/{name}"
        )
    }

    /// The region as operation ids spell it: `australiaeast`.
    pub(super) fn region(&self) -> String {
        region_of(&self.location)
    }

    pub(super) fn etag(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(self.revision.to_be_bytes())
    }
}

/// A location without blanks, in small letters.
pub(super) fn region_of(location: &str) -> String {
    location.replace(' ', "").to_ascii_lowercase()
}

/// The eight settings of a Developer or Premium service, all off, as recorded in 2022.
fn custom_properties() -> BTreeMap<String, String> {
    const OFF: [&str; 8] = [
        "Security.Protocols.Tls10",
        "Security.Protocols.Tls11",
        "Security.Protocols.Ssl30",
        "Security.Ciphers.TripleDes168",
        "Security.Backend.Protocols.Tls10",
        "Security.Backend.Protocols.Tls11",
        "Security.Backend.Protocols.Ssl30",
        "Protocols.Server.Http2",
    ];
    let entry =
        |name: &&str| (format!("Microsoft.WindowsAzure.ApiManagement.Gateway.{name}"), "False".to_owned());
    OFF.iter().map(entry).collect()
}
