//! `GET service` as in sessions of 2019 to 2023: many members are there only to be null.

use serde_json::{Map, Value, json};

use super::{AdditionalLocation, CaCertificate, Certificate, Hostname, Service, region_of};
use crate::emulator::accounts;

impl Service {
    /// The resource as ARM shows it. With a `gateway`, the emulator's own address, the gateway is there and
    /// not in Azure.
    pub(in crate::emulator) fn resource(&self, gateway: Option<&str>) -> Value {
        let name = &self.name;
        let host = format!("{}.azure-api.net", name.to_ascii_lowercase());
        let site = |part: &str| format!("https://{}.{part}.azure-api.net", name.to_ascii_lowercase());
        let gateway_url =
            gateway.map_or_else(|| format!("https://{host}"), |base| format!("{base}/gateway/{name}"));
        let internal = self.virtual_network_type == "Internal";
        let locations = self.additional_locations.iter().map(|location| self.additional(location));
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
                "gatewayUrl": gateway_url,
                "gatewayRegionalUrl": self.regional_url(&self.location),
                "portalUrl": site("portal"),
                "developerPortalUrl": site("developer"),
                "managementApiUrl": site("management"),
                "scmUrl": site("scm"),
                "hostnameConfigurations": self.hostname_configurations(&host),
                "publicIPAddresses": ["203.0.113.1"],
                "privateIPAddresses": internal.then_some(["10.0.1.6"]),
                "additionalLocations": or_null(locations.collect()),
                "virtualNetworkConfiguration": self.subnet.as_ref().map(|subnet| json!({
                    "subnetResourceId": subnet,
                    "vnetid": "00000000-0000-0000-0000-000000000000",
                    "subnetname": null
                })),
                "customProperties": self.custom_properties,
                "virtualNetworkType": self.virtual_network_type,
                "certificates": or_null(self.certificates.iter().map(ca_certificate).collect()),
                "disableGateway": self.disable_gateway,
                "natGatewayState": "Disabled",
                "outboundPublicIPAddresses": ["203.0.113.1"],
                "apiVersionConstraint": { "minApiVersion": self.min_api_version },
                "publicIpAddressId": self.public_ip_address_id,
                "publicNetworkAccess": self.public_network_access,
                "privateEndpointConnections": null,
                "platformVersion": self.platform_version
            },
            "sku": { "name": self.tier, "capacity": self.capacity },
            "zones": zones(&self.zones)
        });
        if let (Some(identity), Some(resource)) = (self.identity(), resource.as_object_mut()) {
            resource.insert("identity".to_owned(), identity);
        }
        resource
    }

    fn regional_url(&self, location: &str) -> String {
        format!("https://{}-{}-01.regional.azure-api.net", self.name, region_of(location))
    }

    /// The built-in one first. It is the default for TLS as long as no other one of the gateway is, as
    /// recorded in 2019.
    fn hostname_configurations(&self, host: &str) -> Vec<Value> {
        let default = self.hostnames.iter().any(|own| own.kind == "Proxy" && own.default_ssl_binding);
        let built_in = Hostname {
            kind: "Proxy".to_owned(),
            host_name: host.to_owned(),
            certificate: None,
            key_vault_id: None,
            identity_client_id: None,
            certificate_source: Some("BuiltIn".to_owned()),
            default_ssl_binding: !default,
            negotiate_client_certificate: false,
        };
        std::iter::once(&built_in).chain(&self.hostnames).map(hostname).collect()
    }

    /// As recorded in 2020; `zones` and what follows `gatewayRegionalUrl` are of the schema of 2022-08-01.
    fn additional(&self, location: &AdditionalLocation) -> Value {
        json!({
            "location": location.location,
            "sku": { "name": self.tier, "capacity": location.capacity },
            "zones": zones(&location.zones),
            "publicIPAddresses": ["203.0.113.2"],
            "privateIPAddresses": null,
            "virtualNetworkConfiguration": null,
            "gatewayRegionalUrl": self.regional_url(&location.location),
            "publicIpAddressId": null,
            "natGatewayState": "Disabled",
            "disableGateway": false,
            "platformVersion": self.platform_version
        })
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

/// Nothing is shown as null.
fn or_null(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { Value::Array(items) }
}

fn zones(zones: &[String]) -> Value {
    or_null(zones.iter().map(|zone| json!(zone)).collect())
}

fn hostname(own: &Hostname) -> Value {
    json!({
        "type": own.kind,
        "hostName": own.host_name,
        "encodedCertificate": null,
        "keyVaultId": own.key_vault_id,
        "certificatePassword": null,
        "negotiateClientCertificate": own.negotiate_client_certificate,
        "certificate": own.certificate.as_ref().map(certificate),
        "defaultSslBinding": own.default_ssl_binding,
        "identityClientId": own.identity_client_id,
        "certificateSource": own.certificate_source,
        "certificateStatus": null
    })
}

fn certificate(certificate: &Certificate) -> Value {
    let Certificate { expiry, thumbprint, subject } = certificate;
    json!({ "expiry": expiry, "thumbprint": thumbprint, "subject": subject })
}

/// None was recorded: the members are of the schema, and secrets are null as those of host names are.
fn ca_certificate(ca: &CaCertificate) -> Value {
    json!({
        "encodedCertificate": null,
        "certificatePassword": null,
        "storeName": ca.store_name,
        "certificate": certificate(&ca.certificate)
    })
}

fn user_identity(id: &str) -> (String, Value) {
    let known = id.eq_ignore_ascii_case(accounts::USER_IDENTITY_ID);
    let principal = known.then_some(accounts::USER_IDENTITY_PRINCIPAL_ID);
    let client = known.then_some(accounts::USER_IDENTITY_CLIENT_ID);
    let key = id.replace("/resourceGroups/", "/resourcegroups/");
    (key, json!({ "principalId": principal, "clientId": client }))
}
