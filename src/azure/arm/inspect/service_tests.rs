use serde_json::json;

use super::*;
use crate::azure::arm::inspect::told;

fn read(body: Value) -> domain::Inventory {
    inventory(&told(body))
}

#[test]
fn what_azure_did_not_send_or_sent_as_null_is_empty() {
    let nulls = json!({
        "location": null, "sku": null, "zones": null, "identity": null,
        "properties": {
            "sku": null, "gatewayUrl": null, "additionalLocations": null, "hostnameConfigurations": null,
            "certificates": null, "virtualNetworkType": null, "virtualNetworkConfiguration": null,
            "publicIpAddressId": null, "publicNetworkAccess": null, "privateEndpointConnections": null,
            "customProperties": null, "apiVersionConstraint": {"minApiVersion": null},
            "disableGateway": null, "platformVersion": ""
        }
    });
    for body in [json!({}), json!({"properties": null}), nulls] {
        assert_eq!(read(body), domain::Inventory::default());
    }
}

#[test]
fn a_part_of_another_kind_than_we_know_takes_no_other_with_it_and_is_named() {
    let body = json!({
        "location": "Australia East", "sku": {"name": "Developer", "capacity": 1.5}, "zones": [7],
        "identity": "SystemAssigned",
        "properties": {"customProperties": {"a": true}, "platformVersion": "stv2", "certificates": {}},
    });
    let inventory = read(body);
    assert_eq!(
        (inventory.location.as_str(), inventory.platform.as_deref()),
        ("Australia East", Some("stv2"))
    );
    let mut unread = inventory.unread;
    unread.sort();
    assert_eq!(unread, ["certificates", "customProperties", "identity", "sku", "zones"]);
    assert_eq!(read(json!({"properties": 7})), domain::Inventory::default());
}

#[test]
fn identities_are_a_set_in_any_spelling() {
    for (kind, system_assigned) in [
        ("SystemAssigned", true),
        ("systemAssigned", true),
        ("SystemAssigned, UserAssigned", true),
        ("UserAssigned,systemassigned", true),
        ("UserAssigned", false),
        ("None", false),
        ("", false),
    ] {
        let identity = read(json!({"identity": {"type": kind}})).identity;
        assert_eq!(identity.system_assigned, system_assigned, "{kind}");
    }
    // Right after it was assigned.
    let ids = json!({"/s/A": {"clientId": null, "principalId": null}, "/s/b": {"clientId": "c", "principalId": "p"}});
    let identity =
        read(json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": ids}})).identity;
    let known = domain::UserAssigned { client_id: Some("c".into()), principal: Some("p".into()) };
    let expected = [("/s/A".to_owned(), domain::UserAssigned::default()), ("/s/b".to_owned(), known)];
    assert_eq!(identity.user_assigned, BTreeMap::from(expected));
}

#[test]
fn host_names_that_every_service_has_are_left_out() {
    let kept = |host: &str, source: Value| {
        let hostname = json!({"type": "Proxy", "hostName": host, "certificateSource": source});
        !read(json!({"properties": {"hostnameConfigurations": [hostname]}})).hostnames.is_empty()
    };
    assert!(kept("api.contoso.com", json!("Custom")));
    assert!(kept("api.contoso.com", json!(null)));
    assert!(kept("azure-api.net.contoso.com", json!(null)));
    assert!(!kept("contoso.azure-api.net", json!("BuiltIn")));
    assert!(!kept("gateway.example", json!("builtin")));
    assert!(!kept("Contoso.Portal.Azure-Api.Net", json!(null)));
    assert!(!kept("contoso.azure-api.us", json!(null)));
    assert!(!kept("contoso.azure-api.cn", json!(null)));
}

#[test]
fn a_host_name_tells_its_certificate_and_where_that_comes_from() {
    let hostname = json!({
        "type": "DeveloperPortal", "hostName": "portal.contoso.com", "certificateSource": "KeyVault",
        "keyVaultId": "https://vault.vault.azure.net/secrets/portal/0123456789abcdef",
        "identityClientId": "c", "certificatePassword": null, "defaultSslBinding": true,
        "certificate": {"expiry": "2027-01-01T01:00:00.1234567+02:00", "thumbprint": "T", "subject": "CN=p"},
    });
    let hostnames = read(json!({"properties": {"hostnameConfigurations": [hostname]}})).hostnames;
    let expected = domain::Hostname {
        kind: "DeveloperPortal".into(),
        host: "portal.contoso.com".into(),
        certificate: Some(domain::Certificate {
            thumbprint: "T".into(),
            subject: "CN=p".into(),
            expiry: Some("2026-12-31T23:00:00.1234567Z".parse().unwrap()),
        }),
        key_vault: Some("https://vault.vault.azure.net/secrets/portal".into()),
        identity_client_id: Some("c".into()),
        default_ssl_binding: true,
        negotiates_client_certificate: false,
    };
    assert_eq!(hostnames, [expected]);
}

#[test]
fn a_secret_is_known_without_its_version() {
    for (id, expected) in [
        ("https://v.vault.azure.net/secrets/n/abc", "https://v.vault.azure.net/secrets/n"),
        ("https://v.vault.azure.net/secrets/n", "https://v.vault.azure.net/secrets/n"),
        ("https://v.vault.azure.net:443/secrets/n/?x=y", "https://v.vault.azure.net/secrets/n"),
        ("n", "n"),
    ] {
        assert_eq!(without_version(id), expected, "{id}");
    }
}

#[test]
fn an_instant_has_any_offset_or_none() {
    let expected = Some("2035-12-31T23:00:00Z".parse().unwrap());
    for text in ["2035-12-31T23:00:00Z", "2035-12-31T15:00:00-08:00", "2035-12-31T23:00:00.0000000"] {
        assert_eq!(instant(text), expected, "{text}");
    }
    assert_eq!(instant("soon"), None);
}

#[test]
fn the_rest_is_where_azure_has_it() {
    let endpoint = |status: &str| json!({"id": "e", "properties": {"privateLinkServiceConnectionState": {"status": status}}});
    let body = json!({
        "location": "Australia East",
        "sku": {"name": "Premium", "capacity": 2},
        "zones": ["2", "1"],
        "identity": {"type": "SystemAssigned", "principalId": "p"},
        "properties": {
            "sku": {"name": "Developer"},
            "gatewayUrl": "https://a.azure-api.net",
            "runtimeUrl": "https://old.azure-api.net",
            "additionalLocations": [{"location": "West US", "sku": {"name": "Premium", "capacity": 3}, "zones": ["3"]}],
            "certificates": [{"storeName": "Root", "certificate": {"thumbprint": "R", "subject": "CN=r"}}],
            "virtualNetworkType": "External",
            "virtualNetworkConfiguration": {"subnetResourceId": "/s/subnets/a", "vnetid": "v"},
            "publicIpAddressId": "/s/ip",
            "publicNetworkAccess": "Disabled",
            "privateEndpointConnections": [endpoint("approved"), endpoint("Pending"), {"id": "e"}],
            "customProperties": {
                "Microsoft.WindowsAzure.ApiManagement.Gateway.Protocols.Server.Http2": "true",
                "Other": "x",
            },
            "apiVersionConstraint": {"minApiVersion": "2021-08-01"},
            "disableGateway": true,
            "platformVersion": "stv2",
        },
    });
    let expected = domain::Inventory {
        location: "Australia East".into(),
        tier: Some(domain::Tier("Premium".into())),
        capacity: Some(2),
        zones: ["1", "2"].map(str::to_owned).into(),
        regions: vec![domain::Region {
            location: "West US".into(),
            capacity: Some(3),
            zones: ["3".to_owned()].into(),
        }],
        identity: domain::Identity {
            system_assigned: true,
            principal: Some("p".into()),
            user_assigned: BTreeMap::new(),
        },
        hostnames: Vec::new(),
        certificates: vec![domain::CaCertificate {
            store: "Root".into(),
            certificate: domain::Certificate { thumbprint: "R".into(), subject: "CN=r".into(), expiry: None },
        }],
        network: domain::Network {
            kind: "External".into(),
            subnet: Some("/s/subnets/a".into()),
            public_ip: Some("/s/ip".into()),
        },
        public_network_access: Some("Disabled".into()),
        private_endpoints: 1,
        settings: [("Protocols.Server.Http2", "true"), ("Other", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        min_api_version: Some("2021-08-01".into()),
        gateway_url: Some("https://a.azure-api.net".into()),
        gateway_disabled: true,
        platform: Some("stv2".into()),
        unread: Vec::new(),
    };
    assert_eq!(read(body), expected);
}
