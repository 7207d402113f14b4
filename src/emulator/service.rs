//! An API Management service: its state and its resource as ARM shows it.
//!
//! Knows nothing of backups, except that `content` is what they carry.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::accounts;

/// One API Management service. Tests change its fields as Azure, a colleague or an accident would.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
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
        self.location.replace(' ', "").to_ascii_lowercase()
    }

    pub(super) fn etag(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(self.revision.to_be_bytes())
    }

    /// `GET service` as in sessions of 2019 to 2023: many members are there only to be null.
    pub(super) fn resource(&self) -> Value {
        let name = &self.name;
        let region = self.region();
        let host = format!("{}.azure-api.net", name.to_ascii_lowercase());
        let site = |part: &str| format!("https://{}.{part}.azure-api.net", name.to_ascii_lowercase());
        let mut resource = json!({
            "id": self.id(),
            "name": name,
            "type": "Microsoft.ApiManagement/service",
            "tags": {},
            "location": self.location,
            "etag": self.etag(),
            "properties": {
                "publisherEmail": "owner@example.com",
                "publisherName": "apim-dr emulator",
                "notificationSenderEmail": "apimgmt-noreply@mail.windowsazure.com",
                "provisioningState": self.provisioning_state,
                "targetProvisioningState": self.target_provisioning_state,
                "createdAtUtc": format!("{:.7}", self.created),
                "gatewayUrl": format!("https://{host}"),
                "gatewayRegionalUrl": format!("https://{name}-{region}-01.regional.azure-api.net"),
                "portalUrl": site("portal"),
                "developerPortalUrl": site("developer"),
                "managementApiUrl": site("management"),
                "scmUrl": site("scm"),
                "hostnameConfigurations": [{
                    "type": "Proxy",
                    "hostName": host,
                    "encodedCertificate": null,
                    "keyVaultId": null,
                    "certificatePassword": null,
                    "negotiateClientCertificate": false,
                    "certificate": null,
                    "defaultSslBinding": true,
                    "identityClientId": null,
                    "certificateSource": "BuiltIn",
                    "certificateStatus": null
                }],
                "publicIPAddresses": ["203.0.113.1"],
                "privateIPAddresses": null,
                "additionalLocations": null,
                "virtualNetworkConfiguration": null,
                "customProperties": custom_properties(),
                "virtualNetworkType": "None",
                "certificates": null,
                "disableGateway": false,
                "apiVersionConstraint": { "minApiVersion": null },
                "publicIpAddressId": null,
                "publicNetworkAccess": "Enabled",
                "privateEndpointConnections": null,
                "platformVersion": "stv2"
            },
            "sku": { "name": self.tier, "capacity": self.capacity },
            "zones": null
        });
        if let (Some(identity), Some(resource)) = (self.identity(), resource.as_object_mut()) {
            resource.insert("identity".to_owned(), identity);
        }
        resource
    }

    /// `identity` as recorded in 2023: for a user-assigned one alone `principalId` is null and
    /// `tenantId` set. Absent without any identity.
    fn identity(&self) -> Option<Value> {
        let kind = match (self.system_identity.is_some(), !self.user_identities.is_empty()) {
            (true, true) => "SystemAssigned, UserAssigned",
            (true, false) => "SystemAssigned",
            (false, true) => "UserAssigned",
            (false, false) => return None,
        };
        let mut identity =
            json!({ "type": kind, "principalId": self.system_identity, "tenantId": accounts::TENANT_ID });
        if !self.user_identities.is_empty() {
            identity["userAssignedIdentities"] =
                self.user_identities.iter().map(|id| user_identity(id)).collect::<Map<_, _>>().into();
        }
        Some(identity)
    }
}

fn user_identity(id: &str) -> (String, Value) {
    let known = id.eq_ignore_ascii_case(accounts::USER_IDENTITY_ID);
    let principal = known.then_some(accounts::USER_IDENTITY_PRINCIPAL_ID);
    let client = known.then_some(accounts::USER_IDENTITY_CLIENT_ID);
    let key = id.replace("/resourceGroups/", "/resourcegroups/");
    (key, json!({ "principalId": principal, "clientId": client }))
}

/// The eight settings of a Developer or Premium service, all off, as recorded in 2022.
fn custom_properties() -> Value {
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
        |name: &&str| (format!("Microsoft.WindowsAzure.ApiManagement.Gateway.{name}"), json!("False"));
    OFF.iter().map(entry).collect::<Map<_, _>>().into()
}
