//! What a service shows of itself besides its state.

use serde_json::{Value, json};

use super::{Answer, Bed, by_key, group, on, versioned};
use crate::emulator::{Connectivity, Diagnostics, Entities, Logged, accounts};

/// Changes a service or an account as another process would.
async fn change(bed: &Bed, path: &str, members: Value) -> Answer {
    bed.send("POST", &format!("/_emulator/{path}"), &[], members.to_string()).await.unwrap()
}

async fn changed(bed: &Bed, members: Value) -> Value {
    let answer = change(bed, "services/sampleapim", members).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    bed.get(&on(accounts::SERVICE, "")).await.json()
}

#[tokio::test]
async fn a_service_shows_what_it_was_given_and_null_for_what_it_was_not() {
    let bed = Bed::start().await;
    let plain = bed.get(&on(accounts::SERVICE, "")).await.json();
    let own =
        json!({ "expiry": "2035-12-31T23:00:00-08:00", "thumbprint": "8E98", "subject": "CN=*.example.com" });
    let subnet = format!("{}/providers/Microsoft.Network/virtualNetworks/v/subnets/s", group());
    let given = json!({
        "hostnames": [{ "type": "Proxy", "hostName": "api.example.com", "certificate": own, "defaultSslBinding": true }],
        "certificates": [{ "storeName": "Root", "certificate": own }],
        "additionalLocations": [{ "location": "North Europe", "capacity": 2, "zones": ["1"] }],
        "zones": ["1", "2"],
        "virtualNetworkType": "Internal",
        "subnet": subnet,
        "publicIpAddressId": "/an/id",
        "publicNetworkAccess": "Disabled",
        "customProperties": { "a": "True" },
        "minApiVersion": "2021-08-01",
        "disableGateway": true,
        "platformVersion": "stv1"
    });
    let service = changed(&bed, given).await;
    for (path, before, after) in [
        (
            "/properties/hostnameConfigurations/0/hostName",
            json!("sampleapim.azure-api.net"),
            json!("sampleapim.azure-api.net"),
        ),
        ("/properties/hostnameConfigurations/0/defaultSslBinding", json!(true), json!(false)),
        ("/properties/hostnameConfigurations/1/certificate", Value::Null, own.clone()),
        (
            "/properties/certificates",
            Value::Null,
            json!([
                { "encodedCertificate": null, "certificatePassword": null, "storeName": "Root", "certificate": own }
            ]),
        ),
        ("/properties/additionalLocations/0/sku", Value::Null, json!({ "name": "Developer", "capacity": 2 })),
        (
            "/properties/additionalLocations/0/gatewayRegionalUrl",
            Value::Null,
            json!("https://sampleapim-northeurope-01.regional.azure-api.net"),
        ),
        ("/zones", Value::Null, json!(["1", "2"])),
        ("/properties/virtualNetworkType", json!("None"), json!("Internal")),
        ("/properties/virtualNetworkConfiguration/subnetResourceId", Value::Null, json!(subnet)),
        ("/properties/privateIPAddresses", Value::Null, json!(["10.0.1.6"])),
        ("/properties/publicIpAddressId", Value::Null, json!("/an/id")),
        ("/properties/publicNetworkAccess", json!("Enabled"), json!("Disabled")),
        ("/properties/customProperties/a", Value::Null, json!("True")),
        ("/properties/apiVersionConstraint/minApiVersion", Value::Null, json!("2021-08-01")),
        ("/properties/disableGateway", json!(false), json!(true)),
        ("/properties/platformVersion", json!("stv2"), json!("stv1")),
    ] {
        let at = |service: &Value| service.pointer(path).cloned().unwrap_or_default();
        assert_eq!((at(&plain), at(&service)), (before, after), "{path}");
    }
    for nulls in ["certificates", "additionalLocations", "virtualNetworkConfiguration", "publicIpAddressId"] {
        assert!(plain["properties"].as_object().unwrap().contains_key(nulls), "{nulls}");
    }
    assert_eq!(plain["properties"]["customProperties"].as_object().unwrap().len(), 8);
    let back = changed(&bed, json!({ "subnet": null, "hostnames": [] })).await;
    assert_eq!(back["properties"]["virtualNetworkConfiguration"], Value::Null);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_changes_nothing() {
    let bed = Bed::start().await;
    for (path, members) in [
        ("services/sampleapim", json!({ "tier": "Premium", "colour": "red" })),
        ("services/sampleapim", json!({ "tier": "Premium", "name": "other" })),
        ("services/sampleapim", json!({ "tier": null })),
        ("services/third", json!({ "entities": { "apes": 1 } })),
        ("accounts/apimdrstorage", json!({ "sku": "Standard_LRS", "containers": {} })),
        ("accounts/third", json!({ "sku": 1 })),
    ] {
        assert_eq!(change(&bed, path, members.clone()).await.status, 400, "{members}");
    }
    assert_eq!(bed.emulator.with_service(accounts::SERVICE, |it| it.tier.clone()).unwrap(), "Developer");
    let sku = bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |it| it.sku.clone());
    assert_eq!(sku.unwrap(), "Standard_GRS");
    for path in ["services/third", "accounts/third"] {
        assert_eq!(
            bed.send("GET", &format!("/_emulator/{path}"), &[], String::new()).await.unwrap().status,
            404
        );
    }
}

#[tokio::test]
async fn entities_are_counted_and_come_in_pages() {
    let bed = Bed::start().await;
    changed(
        &bed,
        json!({ "tier": "Premium", "entities": { "apis": 5, "users": 4_000_000_000_u64, "workspaces": 1 } }),
    )
    .await;
    let list = async |kind: &str, more: &str| {
        let list = bed.get(&(on(accounts::SERVICE, &format!("/{kind}")) + more)).await.json();
        (list["count"].as_u64().unwrap(), list["value"].as_array().unwrap().len(), list["nextLink"].clone())
    };
    for (kind, more, count, items, has_next) in [
        ("apis", "", 5, 5, false),
        ("apis", "&$top=1", 5, 1, true),
        ("apis", "&%24top=5", 5, 5, false),
        ("apis", "&$top=2&$skip=4", 5, 1, false),
        ("apis", "&$skip=9", 5, 0, false),
        ("products", "", 2, 2, false),
        ("subscriptions", "", 3, 3, false),
        ("users", "&$top=1", 4_000_000_000, 1, true),
        ("workspaces", "", 1, 1, false),
    ] {
        let (counted, shown, next) = list(kind, more).await;
        assert_eq!((counted, shown, next.is_string()), (count, items, has_next), "{kind}{more}");
    }
    let mut names = Vec::new();
    let mut next = Some(bed.emulator.url() + &on(accounts::SERVICE, "/apis") + "&$top=2");
    while let Some(url) = next {
        let page = bed.get(&url).await.json();
        names.extend(page["value"].as_array().unwrap().iter().map(|api| api["name"].to_string()));
        next = page["nextLink"].as_str().map(str::to_owned);
    }
    names.dedup();
    assert_eq!(names.len(), 5, "{names:?}");
    for odd in ["&$top=0", "&$top=x", "&$skip=-1"] {
        assert_eq!(
            bed.get(&(on(accounts::SERVICE, "/apis") + odd)).await.code(),
            "InvalidParameters",
            "{odd}"
        );
    }
    bed.emulator.with_service(accounts::SERVICE, |it| it.tier = "Developer".into());
    assert_eq!(list("workspaces", "").await.0, 0);
}

#[tokio::test]
async fn a_restore_brings_the_counts_of_the_backup_but_no_workspaces() {
    let bed = Bed::start().await;
    let primary = Entities { apis: 40, products: 30, subscriptions: 20, users: 10, workspaces: 1 };
    bed.emulator.with_service(accounts::SERVICE, |it| it.entities = primary);
    bed.back_up().await;
    bed.emulator.with_service(accounts::STANDBY, |it| it.entities.workspaces = 7);
    assert_eq!(bed.post(&on(accounts::STANDBY, "/restore"), by_key()).await.status, 202);
    bed.pass(543);
    let restored = bed.emulator.with_service(accounts::STANDBY, |it| it.entities);
    assert_eq!(restored, Some(Entities { workspaces: 7, ..primary }));
    assert_eq!(Entities::default().workspaces, 0);
}

#[tokio::test]
async fn old_versions_are_refused_by_types_they_do_not_know_and_by_services_that_say_so() {
    let bed = Bed::start().await;
    let check = async |path: &str, version: &str, refused: Option<&str>| {
        let answer = bed.get(&versioned(accounts::SERVICE, path, version)).await;
        let code = (answer.status != 200).then(|| answer.code());
        assert_eq!(code.as_deref(), refused, "{path} {version}");
    };
    let unknown = Some("NoRegisteredProviderFound");
    check("/workspaces", "2022-08-01", unknown).await;
    check("/workspaces", "2022-09-01-preview", None).await;
    check("/portalRevisions", "2019-12-01", unknown).await;
    check("/portalRevisions", "2020-06-01-preview", None).await;
    bed.emulator.with_service(accounts::SERVICE, |it| it.min_api_version = Some("2021-12-01".into()));
    for (version, refused) in [("2021-08-01", true), ("2021-12-01-preview", true), ("2022-08-01", false)] {
        for path in ["", "/apis", "/networkstatus"] {
            check(path, version, refused.then_some("ApiVersionNotAllowed")).await;
        }
    }
    let other = versioned(accounts::STANDBY, "", "2018-01-01");
    assert_eq!(bed.get(&other).await.status, 200);
}

#[tokio::test]
async fn the_portal_and_azure_monitor_tell_what_is_set() {
    let bed = Bed::start().await;
    let portal = async || bed.get(&on(accounts::SERVICE, "/portalRevisions")).await.json()["value"].clone();
    bed.emulator.with_service(accounts::SERVICE, |it| it.portal_revision = Some("20260101".into()));
    let one = portal().await;
    assert_eq!((&one[0]["name"], &one[0]["properties"]["isCurrent"]), (&json!("20260101"), &json!(true)));
    bed.emulator.with_service(accounts::SERVICE, |it| it.portal_revision = None);
    assert_eq!(portal().await, json!([]));

    let path = on(accounts::SERVICE, "/providers/Microsoft.Insights/diagnosticSettings")
        .replace("2024-05-01", "2021-05-01-preview");
    assert_eq!(bed.get(&path).await.json(), json!({ "value": [] }));
    let logs = vec![Logged { category: "GatewayLogs".into(), enabled: true }];
    let workspace_id = Some("/a/workspace".to_owned());
    let setting = Diagnostics { name: "all".into(), workspace_id, logs, ..Diagnostics::default() };
    bed.emulator.with_service(accounts::SERVICE, |it| it.diagnostics = vec![setting]);
    let set = bed.get(&path).await.json()["value"][0].clone();
    assert_eq!(set["name"], "all");
    assert_eq!(
        set["properties"],
        json!({
            "storageAccountId": null,
            "workspaceId": "/a/workspace",
            "eventHubAuthorizationRuleId": null,
            "logs": [{ "category": "GatewayLogs", "enabled": true }],
            "metrics": []
        })
    );
    assert_eq!(bed.get(&path.replace("sampleapim/", "missing/")).await.status, 404);
}

#[tokio::test]
async fn every_location_tells_what_it_cannot_reach() {
    let bed = Bed::start().await;
    let failing: Connectivity = serde_json::from_value(json!({
        "name": "sql",
        "status": "failure",
        "error": "timed out",
        "resourceType": "SQLDatabase",
        "isOptional": false,
        "lastUpdated": "2026-02-28T00:00:00Z"
    }))
    .unwrap();
    bed.emulator.with_service(accounts::SERVICE, |it| it.connectivity.push(failing));
    changed(&bed, json!({ "additionalLocations": [{ "location": "North Europe", "capacity": 1 }] })).await;
    let all = bed.get(&on(accounts::SERVICE, "/networkstatus")).await.json();
    let locations: Vec<_> = all.as_array().unwrap().iter().map(|one| &one["location"]).collect();
    assert_eq!(locations, [accounts::LOCATION, "North Europe"]);
    let one = bed.get(&on(accounts::SERVICE, "/locations/North%20Europe/networkstatus")).await.json();
    assert_eq!(one, all[1]["networkStatus"]);
    let items = one["connectivityStatus"].as_array().unwrap();
    assert_eq!(items[0]["lastUpdated"], "2026-03-01T01:00:00.0000000Z");
    assert!(items[0].get("resourceType").is_none() && items[0].get("isOptional").is_none());
    assert_eq!(
        items[1],
        json!({
            "name": "sql",
            "status": "failure",
            "error": "timed out",
            "lastUpdated": "2026-02-28T00:00:00.0000000Z",
            "lastStatusChange": items[0]["lastStatusChange"],
            "resourceType": "SQLDatabase",
            "isOptional": false
        })
    );
}
