//! Reads the services and network statuses of recorded sessions of real Azure, and of Microsoft's examples.

use std::{collections::BTreeMap, fs, path::Path};

use super::*;
use crate::{
    azure::arm::{
        lro,
        recorded_tests::{Recording, directory, recordings},
    },
    domain::{Certificate, Hostname, Identity, Network, Region, Tier, UserAssigned},
    ports::Poll,
};

/// The bodies of a recording that are services, in their order, with the states that they tell.
fn services(recording: &Recording) -> Vec<(ServiceStatus, Inventory)> {
    let bodies = recording.exchanges.iter().filter_map(|exchange| {
        let is_service = (200..300).contains(&exchange.response.status)
            && exchange.response.body.as_deref().is_some_and(|body| body.contains("\"provisioningState\""))
            && exchange.request.url.contains("/Microsoft.ApiManagement/service/");
        is_service.then(|| exchange.response.response())
    });
    bodies
        .map(|response| {
            let inventory = parsed(&response).as_ref().map(service::inventory);
            let read = wire::service(&response.body).zip(inventory);
            read.unwrap_or_else(|| panic!("{}: {:?}", recording.name, response.body))
        })
        .collect()
}

/// The recording of this name; `None`, said aloud, if it is not there.
fn recording(name: &str) -> Option<Recording> {
    let found = recordings()?.into_iter().find(|recording| recording.name == name);
    if found.is_none() {
        eprintln!("SKIPPED: no recording {name}");
    }
    found
}

/// The last service of that recording.
fn last_of(name: &str) -> Option<Inventory> {
    Some(services(&recording(name)?).pop().unwrap().1)
}

/// The eight settings that were recorded, all of them off.
fn settings() -> BTreeMap<String, String> {
    [
        "Protocols.Server.Http2",
        "Security.Backend.Protocols.Ssl30",
        "Security.Backend.Protocols.Tls10",
        "Security.Backend.Protocols.Tls11",
        "Security.Ciphers.TripleDes168",
        "Security.Protocols.Ssl30",
        "Security.Protocols.Tls10",
        "Security.Protocols.Tls11",
    ]
    .map(|name| (name.to_owned(), "False".to_owned()))
    .into()
}

fn in_central_us(tier: &str, gateway: &str) -> Inventory {
    Inventory {
        location: "Central US".into(),
        tier: Some(Tier(tier.into())),
        capacity: Some(1),
        network: Network { kind: "None".into(), ..Network::default() },
        settings: settings(),
        gateway_url: Some(format!("https://{gateway}.azure-api.net")),
        ..Inventory::default()
    }
}

#[test]
fn every_recorded_service_is_read() {
    let Some(recordings) = recordings() else { return };
    let mut read = 0;
    for recording in &recordings {
        for (status, inventory) in services(recording) {
            assert_eq!(inventory.tier, status.tier, "{}", recording.name);
            assert!(inventory.tier.is_some() && !inventory.location.is_empty(), "{}", recording.name);
            let activating = status.provisioning_state != "Succeeded";
            assert!(activating || inventory.gateway_url.is_some(), "{}", recording.name);
            let own = |host: &Hostname| host.host.ends_with("azure-api.net");
            assert!(!inventory.hostnames.iter().any(own), "{}", recording.name);
            assert!(inventory.settings.keys().all(|name| !name.starts_with("Microsoft.")));
            read += 1;
        }
    }
    assert!(read > 0, "no service was recognized");
}

#[test]
fn recorded_host_names_are_read_field_by_field() {
    let Some(read) = last_of("service-multihostname-2019-01-01-net-2019") else { return };
    let hostname = |kind: &str, host: &str, default_ssl_binding, negotiates_client_certificate| Hostname {
        kind: kind.into(),
        host: host.into(),
        certificate: Some(Certificate {
            thumbprint: "8E989652CABCF585ACBFCB9C2C91F1D174FDB3A2".into(),
            subject: "CN=*.msitesting.net".into(),
            expiry: Some("2036-01-01T07:00:00Z".parse().unwrap()),
        }),
        default_ssl_binding,
        negotiates_client_certificate,
        ..Hostname::default()
    };
    let expected = Inventory {
        hostnames: vec![
            hostname("Proxy", "gateway1.msitesting.net", true, false),
            hostname("Proxy", "gateway2.msitesting.net", true, true),
            hostname("Portal", "portal1.msitesting.net", false, false),
        ],
        ..in_central_us("Premium", "sdktestapim2866")
    };
    assert_eq!(read, expected);
}

#[test]
fn recorded_regions_are_read_field_by_field() {
    let Some(read) = last_of("service-multiregion-2019-01-01-net-2020") else { return };
    let region = Region { location: "North Europe".into(), capacity: Some(1), ..Region::default() };
    let expected = Inventory { regions: vec![region], ..in_central_us("Premium", "sdktestapim8491") };
    assert_eq!(read, expected);
}

#[test]
fn a_recorded_virtual_network_is_read_field_by_field() {
    let Some(read) = last_of("service-vnet-lro-2019-01-01-net-2019") else { return };
    let subnet = "/subscriptions/5ab50000-654e-425f-86e5-245c459b6acf/resourceGroups/sdktestrg6588/providers/\
                  Microsoft.Network/virtualNetworks/apimvnet452/subnets/apimsubnet7750";
    let network = Network { kind: "Internal".into(), subnet: Some(subnet.into()), public_ip: None };
    let expected = Inventory { network, ..in_central_us("Developer", "sdktestapim1087") };
    assert_eq!(read, expected);
}

#[test]
fn a_recorded_user_assigned_identity_is_read_field_by_field() {
    let Some(read) = last_of("backup-restore-mi-2022-08-01-net-20230719-excerpt") else { return };
    let id = "/subscriptions/5ab50000-83e2-40b1-856f-64da01a68e4a/resourcegroups/net-sdk-backup-restore/providers/\
              Microsoft.ManagedIdentity/userAssignedIdentities/apim-backup-restore-msi";
    let identity = UserAssigned {
        client_id: Some("c11e0000-6dbf-40d6-8c0d-9f3712cb9cb7".into()),
        principal: Some("9a1c0000-75f3-4b89-88ae-282baac4ef64".into()),
    };
    let expected = Inventory {
        location: "Central US EUAP".into(),
        identity: Identity {
            system_assigned: false,
            principal: None,
            user_assigned: BTreeMap::from([(id.to_owned(), identity)]),
        },
        public_network_access: Some("Enabled".into()),
        platform: Some("stv2".into()),
        ..in_central_us("Developer", "sdktestapim1777")
    };
    assert_eq!(read, expected);
}

#[test]
fn the_form_of_2014_is_read_field_by_field() {
    let Some(read) = last_of("backup-restore-2014-02-14-ps-20150430") else { return };
    let expected = Inventory {
        network: Network::default(),
        settings: BTreeMap::new(),
        ..in_central_us("Developer", "onesdk6759")
    };
    assert_eq!(read, expected);
}

#[test]
fn every_recorded_network_status_is_read() {
    let Some(recordings) = recordings() else { return };
    let mut items = Vec::new();
    for recording in recordings.iter().filter(|recording| recording.name.starts_with("networkstatus")) {
        for exchange in &recording.exchanges {
            let read = parsed(&exchange.response.response()).and_then(around::connectivity).unwrap();
            let of_service = !exchange.request.url.contains("/locations/");
            for item in &read {
                assert_eq!(!item.location.is_empty(), of_service, "{}", recording.name);
                assert!(["success", "initializing", "failure"].contains(&item.status.as_str()), "{item:?}");
                assert!(!item.name.is_empty() && item.updated.is_some(), "{item:?}");
                assert_eq!((&item.resource_type, item.optional), (&None, None), "{item:?}");
            }
            items.extend(read);
        }
    }
    let failures = items.iter().filter(|item| item.status == "failure").count();
    assert!(items.len() > failures && failures > 0, "{} items, {failures} failures", items.len());
}

#[test]
fn every_example_of_a_network_status_is_read() {
    let examples = directory().join("examples");
    let Ok(versions) = fs::read_dir(&examples) else {
        eprintln!("SKIPPED: no examples in {}", examples.display());
        return;
    };
    let read = |path: &Path| -> Option<(bool, Vec<Connectivity>)> {
        let example: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).unwrap();
        let body = example.pointer("/example/responses/200/body").unwrap().clone();
        let is_list = body.is_array();
        Some((is_list, around::connectivity(told(body)).unwrap_or_else(|| panic!("{}", path.display()))))
    };
    let (mut lists, mut objects) = (0, 0);
    for version in versions {
        let version = version.unwrap().path();
        for name in ["GetNetworkStatus", "GetNetworkStatusByLocation"] {
            let path = version.join(format!("ApiManagementService{name}.json"));
            let Some((is_list, items)) = read(&path) else { continue };
            assert!(
                !items.is_empty() && items.iter().all(|item| !item.name.is_empty()),
                "{}",
                path.display()
            );
            assert!(items.iter().all(|item| item.location.is_empty() != is_list), "{}", path.display());
            *(if is_list { &mut lists } else { &mut objects }) += 1;
        }
    }
    assert!(lists > 5 && objects > lists, "{lists} lists and {objects} objects were recognized");
}

#[test]
fn a_recorded_change_runs_until_its_place_says_that_it_succeeded() {
    let Some(recording) = recording("service-put-async-2022-08-01-cli-20230526") else { return };
    let question = Question::service("/s", "", "r");
    let mut looks = Vec::new();
    for (at, change) in recording.exchanges.iter().enumerate() {
        if change.request.method != "PUT" || !change.request.url.contains("/Microsoft.ApiManagement/") {
            continue;
        }
        let url = change.request.url.parse().unwrap();
        let mut asked = change::read(&question, &url, &change.response.response()).unwrap().unwrap();
        let mut running = 0;
        for look in &recording.exchanges[at + 1..] {
            assert!(asked.url().ends_with("&asyncResponse"), "{}", asked.url());
            assert_eq!(look.request.url, asked.url());
            match lro::next(&asked, &look.response.response()) {
                Poll::Running { continuation, .. } => asked = continuation,
                Poll::Succeeded { .. } => break,
                poll => panic!("{poll:?}"),
            }
            running += 1;
        }
        looks.push(running);
    }
    // Each of them was answered with 200.
    assert_eq!(looks, [70, 37]);
}
