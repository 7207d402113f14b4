//! What a subscription knows: what was deleted, its storage accounts, who may do what.

use serde_json::{Value, json};

use super::{Bed, group, on, versioned, with};
use crate::emulator::{Account, Config, ResourceAccessRule, accounts};

fn subscription(path: &str) -> String {
    let version = if path.contains("Storage") { "2023-05-01" } else { "2024-05-01" };
    format!("/subscriptions/{}/providers/{path}?api-version={version}", accounts::SUBSCRIPTION_ID)
}

fn account(path: &str) -> String {
    format!(
        "{}/providers/Microsoft.Storage/storageAccounts/{}{path}?api-version=2023-05-01",
        group(),
        accounts::STORAGE_ACCOUNT
    )
}

#[tokio::test]
async fn a_deleted_service_is_listed_for_two_days() {
    let bed = Bed::patient().await;
    let listed = async || {
        let list = bed.get(&subscription("Microsoft.ApiManagement/deletedservices")).await.json();
        list["value"].as_array().unwrap().clone()
    };
    let one = async |location: &str| {
        let path = format!("Microsoft.ApiManagement/locations/{location}/deletedservices/sampleapim");
        bed.get(&subscription(&path)).await
    };
    assert_eq!((listed().await.len(), one("australiaeast").await.status), (0, 404));
    let id = bed.emulator.with_service(accounts::SERVICE, |it| it.id()).unwrap();
    bed.emulator.delete_service("SampleApim");
    let [deleted] = &listed().await[..] else { panic!("one") };
    assert_eq!(
        deleted,
        &json!({
            "id": format!(
                "/subscriptions/{}/providers/Microsoft.ApiManagement/locations/australiaeast/deletedservices/sampleapim",
                accounts::SUBSCRIPTION_ID
            ),
            "name": "sampleapim",
            "type": "Microsoft.ApiManagement/deletedservices",
            "location": "Australia East",
            "properties": {
                "serviceId": id,
                "scheduledPurgeDate": "2026-03-03T01:00:00.0000000Z",
                "deletionDate": "2026-03-01T01:00:00.0000000Z"
            }
        })
    );
    assert_eq!(one("Australia%20East").await.json(), *deleted);
    assert_eq!(one("australiasoutheast").await.status, 404);
    bed.pass(48 * 3600 - 1);
    assert_eq!(listed().await.len(), 1);
    bed.pass(1);
    assert_eq!((listed().await.len(), one("australiaeast").await.status), (0, 404));
    let old = subscription("Microsoft.ApiManagement/deletedservices").replace("2024-05-01", "2019-12-01");
    assert_eq!(bed.get(&old).await.code(), "NoRegisteredProviderFound");
}

#[tokio::test]
async fn storage_accounts_are_listed_in_pages_and_names_are_taken_everywhere() {
    let bed = Bed::with(Config { account_page: 2, ..Config::default() }).await;
    for name in ["elsewhere", "first", "second", "third"] {
        bed.emulator.add_account(name, Account::default());
    }
    bed.emulator.with_account("elsewhere", |account| account.listed = false).unwrap();
    let mut next = Some(subscription("Microsoft.Storage/storageAccounts"));
    let mut pages: Vec<Vec<String>> = Vec::new();
    while let Some(url) = next {
        let page = bed.get(&url).await.json();
        let names =
            page["value"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned());
        pages.push(names.collect());
        next = page["nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(pages, [["apimdrstorage", "first"], ["second", "third"]]);
    assert_eq!(bed.get(&account("").replace(accounts::STORAGE_ACCOUNT, "elsewhere")).await.status, 404);

    let check =
        async |body: Value| bed.post(&subscription("Microsoft.Storage/checkNameAvailability"), body).await;
    for (name, available, reason) in [
        ("free", true, Value::Null),
        ("first", false, json!("AlreadyExists")),
        ("elsewhere", false, json!("AlreadyExists")),
        ("No", false, json!("AccountNameInvalid")),
    ] {
        let answer = check(json!({ "name": name, "type": "Microsoft.Storage/storageAccounts" })).await.json();
        assert_eq!((&answer["nameAvailable"], &answer["reason"]), (&json!(available), &reason), "{name}");
    }
    assert_eq!(check(json!({ "name": "free", "type": "Microsoft.Web/sites" })).await.status, 400);
}

#[tokio::test]
async fn an_account_shows_its_settings_and_keeps_its_blobs_when_they_change() {
    let bed = Bed::start().await;
    let plain = bed.get(&account("")).await.json();
    let regions = [accounts::LOCATION, accounts::STANDBY_LOCATION];
    assert!(
        regions.iter().all(|it| it.replace(' ', "").to_lowercase() != plain["location"].as_str().unwrap())
    );
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "a", "content");
    let rule = json!({ "tenantId": accounts::TENANT_ID, "resourceId": "/an/id" });
    let given = json!({
        "location": "westeurope",
        "sku": "Premium_LRS",
        "hns": true,
        "firewall": true,
        "bypass": "Logging, Metrics",
        "ipRules": ["203.0.113.0/24"],
        "virtualNetworkRules": ["/a/subnet"],
        "resourceAccessRules": [rule],
        "publicNetworkAccess": "SecuredByPerimeter"
    });
    let path = format!("/_emulator/accounts/{}", accounts::STORAGE_ACCOUNT);
    assert_eq!(bed.send("POST", &path, &[], given.to_string()).await.unwrap().status, 200);
    let shown = bed.get(&account("")).await.json();
    assert_eq!(
        (&shown["location"], &shown["sku"]),
        (&json!("westeurope"), &json!({ "name": "Premium_LRS", "tier": "Premium" }))
    );
    assert_eq!(shown["properties"]["isHnsEnabled"], true);
    assert_eq!(shown["properties"]["publicNetworkAccess"], "SecuredByPerimeter");
    assert_eq!(
        shown["properties"]["networkAcls"],
        json!({
            "defaultAction": "Deny",
            "bypass": "Logging, Metrics",
            "ipRules": [{ "value": "203.0.113.0/24", "action": "Allow" }],
            "virtualNetworkRules": [{ "id": "/a/subnet", "action": "Allow", "state": "Succeeded" }],
            "resourceAccessRules": [rule]
        })
    );
    assert_eq!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER).len(), 1);
    let missing = bed.get(&account("/blobServices/default/containers/missing")).await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "ContainerNotFound"));
}

#[tokio::test]
async fn a_firewall_lets_a_service_in_only_by_an_exception() {
    let rule =
        |tenant: &str, id: &str| ResourceAccessRule { tenant_id: tenant.into(), resource_id: id.into() };
    let bed = Bed::patient().await;
    let id = bed.emulator.with_service(accounts::SERVICE, |it| it.id().to_uppercase()).unwrap();
    for (bypass, access, rules, status) in [
        ("Logging, AzureServices", "Enabled", vec![], 200),
        ("AzureServices", "Disabled", vec![], 200),
        ("None", "Enabled", vec![], 400),
        ("None", "Disabled", vec![], 400),
        ("Logging, Metrics", "Enabled", vec![rule(accounts::TENANT_ID, "/another")], 400),
        ("None", "Enabled", vec![rule(accounts::SUBSCRIPTION_ID, &id)], 400),
        ("None", "Enabled", vec![rule(accounts::TENANT_ID, &id)], 200),
    ] {
        let case = format!("{bypass} {access} {rules:?}");
        bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| {
            account.firewall = access == "Enabled";
            account.public_network_access = Some(access.to_owned());
            bypass.clone_into(&mut account.bypass);
            account.resource_access_rules = rules;
        });
        let body = with(&json!({ "accessType": "SystemAssignedManagedIdentity" }));
        let location = bed.accepted("/backup", body).await;
        bed.pass(543);
        assert_eq!(bed.get(&location).await.status, status, "{case}");
        let outsider = bed.blob("GET", "/nightly", &[]).await;
        assert_eq!(outsider.header("x-ms-error-code"), Some("AuthorizationFailure"), "{case}");
    }
}

#[tokio::test]
async fn single_rights_can_be_taken_away_and_given_back() {
    let bed = Bed::start().await;
    let who = accounts::APPLICATION_PRINCIPAL_ID;
    let refused = |action: &str, scope: &str| {
        format!(
            "The client '{who}' with object id '{who}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        )
    };
    let service = format!("{}/providers/Microsoft.ApiManagement/service/sampleapim", group());
    let storage =
        format!("{}/providers/Microsoft.Storage/storageAccounts/{}", group(), accounts::STORAGE_ACCOUNT);
    let subscription_id = format!("/subscriptions/{}", accounts::SUBSCRIPTION_ID);
    for (method, path, part, action, scope) in [
        ("GET", on(accounts::SERVICE, ""), "SampleApim?", "Microsoft.ApiManagement/service/read", &service),
        (
            "PATCH",
            on(accounts::SERVICE, ""),
            "sampleapim?",
            "Microsoft.ApiManagement/service/write",
            &service,
        ),
        (
            "POST",
            on(accounts::SERVICE, "/restore"),
            "/restore",
            "Microsoft.ApiManagement/service/restore/action",
            &service,
        ),
        (
            "GET",
            on(accounts::SERVICE, "/apis"),
            "/apis",
            "Microsoft.ApiManagement/service/apis/read",
            &service,
        ),
        (
            "POST",
            account("/listKeys"),
            "listkeys",
            "Microsoft.Storage/storageAccounts/listKeys/action",
            &storage,
        ),
        (
            "GET",
            account("/providers/Microsoft.Authorization/roleAssignments"),
            "roleassignments",
            "Microsoft.Authorization/roleAssignments/read",
            &storage,
        ),
        (
            "GET",
            subscription("Microsoft.Storage/storageAccounts"),
            "storageaccounts?",
            "Microsoft.Storage/storageAccounts/read",
            &subscription_id,
        ),
    ] {
        bed.emulator.deny(part);
        let answer = bed.arm(method, &path, Some(json!({}))).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "AuthorizationFailed"), "{path}");
        assert_eq!(answer.message(), refused(action, scope), "{path}");
        bed.emulator.allow_all();
        assert_ne!(bed.arm(method, &path, Some(json!({}))).await.status, 403, "{path}");
    }
    let deny = async |paths: Value| {
        let body = json!({ "paths": paths }).to_string();
        assert_eq!(bed.send("POST", "/_emulator/denied", &[], body).await.unwrap().status, 204);
        bed.get(&versioned(accounts::SERVICE, "/networkstatus", "2019-01-01")).await.status
    };
    assert_eq!((deny(json!(["NetworkStatus"])).await, deny(json!([])).await), (403, 200));
}

#[tokio::test]
async fn a_role_tells_its_condition_and_is_found_by_whom_it_is_assigned_to() {
    let bed = Bed::start().await;
    bed.emulator.with_roles(|roles| {
        roles[0].condition = Some("@Resource...".into());
        "Group".clone_into(&mut roles[0].principal_type);
    });
    let principal = bed.emulator.with_roles(|roles| roles[0].principal.clone());
    let roles = account("/providers/Microsoft.Authorization/roleAssignments");
    let found = bed.get(&format!("{roles}&$filter=assignedTo('{principal}')")).await.json();
    let [role] = &found["value"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!(role["properties"]["condition"], "@Resource...");
    assert_eq!(role["properties"]["principalType"], "Group");
    assert_eq!(
        bed.get(&format!("{roles}&$filter=assignedTo('{}')", accounts::TENANT_ID)).await.json()["value"],
        json!([])
    );
    assert_eq!(bed.get(&format!("{roles}&$filter=roleName%20eq%20'x'")).await.status, 400);
}
