use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::azure::arm::inspect::told;

fn item<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(told(body)).unwrap()
}

fn texts<T: FromIterator<String>>(texts: &[&str]) -> T {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_diagnostic_setting_tells_where_what_is_on_goes() {
    // As in Microsoft's example of 2021-05-01-preview.
    let setting: DiagnosticSetting = item(json!({
        "id": "i", "name": "mysetting", "type": "Microsoft.Insights/diagnosticSettings",
        "properties": {
            "storageAccountId": "/s/storage", "eventHubAuthorizationRuleId": "/s/rule", "workspaceId": "",
            "metrics": [{"category": "AllMetrics", "enabled": true, "retentionPolicy": {"enabled": false, "days": 0}}],
            "logs": [
                {"categoryGroup": "allLogs", "category": null, "enabled": true},
                {"category": "GatewayLogs", "enabled": false},
            ],
        },
    }));
    let expected = domain::Diagnostic {
        name: "mysetting".into(),
        sinks: texts(&["/s/rule", "/s/storage"]),
        categories: texts(&["AllMetrics", "allLogs"]),
    };
    assert_eq!(domain::Diagnostic::from(setting), expected);
    let bare = domain::Diagnostic::from(item::<DiagnosticSetting>(json!({"name": "n", "properties": null})));
    assert_eq!(bare, domain::Diagnostic { name: "n".into(), ..domain::Diagnostic::default() });
}

#[test]
fn the_portals_revision_is_the_current_one_or_the_newest_that_was_completed() {
    let revision = |name: &str, status: &str, is_current: bool, created: &str| -> Revision {
        let properties = json!({"status": status, "isCurrent": is_current, "createdDateTime": created, "statusDetails": null});
        item(json!({"name": name, "properties": properties}))
    };
    let early = || revision("a", "completed", false, "2020-11-12T22:10:09.673Z");
    let late = || revision("b", "Completed", false, "2020-11-12T22:51:36.47Z");
    let shown = || revision("c", "completed", true, "2019-01-01T00:00:00Z");
    let failed = || revision("d", "failed", false, "2021-01-01T00:00:00Z");
    let called = |name: &str| Some(name.to_owned());
    assert_eq!(current(vec![early(), shown(), late(), failed()]), called("c"));
    assert_eq!(current(vec![late(), early(), failed()]), called("b"));
    assert_eq!(current(vec![early(), late()]), called("b"));
    assert_eq!(current(vec![failed()]), None);
    assert_eq!(current(Vec::new()), None);
    assert_eq!(current(vec![item(json!({"name": "e"}))]), None);
}

#[test]
fn a_network_status_is_a_list_of_regions_or_one_without_a_name() {
    let whole = json!({
        "name": "a.blob.core.windows.net", "status": "failure", "error": "refused", "isOptional": true,
        "resourceType": "BlobStorage", "lastUpdated": "2023-06-08T16:41:44.6399168Z", "lastStatusChange": "x",
    });
    let bare = json!({"name": "b", "status": "success", "error": ""});
    let read = |location: &str| {
        [
            domain::Connectivity {
                location: location.into(),
                name: "a.blob.core.windows.net".into(),
                status: "failure".into(),
                error: "refused".into(),
                resource_type: Some("BlobStorage".into()),
                optional: Some(true),
                updated: Some("2023-06-08T16:41:44.6399168Z".parse().unwrap()),
            },
            domain::Connectivity {
                location: location.into(),
                name: "b".into(),
                status: "success".into(),
                ..domain::Connectivity::default()
            },
        ]
    };
    let status = json!({"dnsServers": ["168.63.129.16"], "connectivityStatus": [whole, bare]});
    assert_eq!(connectivity(told(status.clone())).unwrap(), read(""));
    let none = json!({"location": "North Europe", "networkStatus": {"connectivityStatus": []}});
    let regions = json!([{"location": "Central US", "networkStatus": status}, none]);
    assert_eq!(connectivity(told(regions)).unwrap(), read("Central US"));
    assert_eq!(connectivity(json!([])), Some(Vec::new()));
    for body in [json!({}), json!([{}]), json!("x"), json!({"connectivityStatus": 7})] {
        assert_eq!(connectivity(body.clone()), None, "{body}");
    }
}

#[test]
fn a_deleted_service_is_found_by_its_name_in_any_case() {
    let deleted: Deleted = item(json!({
        "id": "i", "name": "Contoso", "type": "Microsoft.ApiManagement/deletedservices", "location": "West US",
        "properties": {"serviceId": "/s", "scheduledPurgeDate": "2026-11-24T15:33:55.5426123Z", "deletionDate": "x"},
    }));
    assert!(deleted.is_called("contoso"));
    assert!(!deleted.is_called("contoso2"));
    let expected = domain::DeletedService {
        location: "West US".into(),
        purged: Some("2026-11-24T15:33:55.5426123Z".parse().unwrap()),
    };
    assert_eq!(domain::DeletedService::from(deleted), expected);
}

#[test]
fn an_account_tells_what_keeps_others_out() {
    let account: Account = item(json!({
        "id": "/s/a", "name": "Backups1", "location": "australiaeast", "sku": {"name": "Standard_GRS", "tier": "Standard"},
        "properties": {
            "allowSharedKeyAccess": false, "publicNetworkAccess": "Enabled", "isHnsEnabled": true,
            "networkAcls": {
                "defaultAction": "deny", "bypass": "Logging, Metrics,AzureServices",
                "ipRules": [{"value": "203.0.113.1", "action": "Allow"}],
                "virtualNetworkRules": [{"id": "/s/a"}, {"id": "/s/b"}],
                "resourceAccessRules": [{"tenantId": "t", "resourceId": "/s/service/*"}, {"tenantId": "t"}],
            },
        },
    }));
    assert!(account.is_called("backups1"));
    assert!(!account.is_called("backups"));
    let expected = domain::AccountFacts {
        id: "/s/a".into(),
        location: "australiaeast".into(),
        sku: "Standard_GRS".into(),
        shared_key_allowed: Some(false),
        public_network_access: Some("Enabled".into()),
        hierarchical_namespace: true,
        firewall: domain::Firewall {
            denies: true,
            bypass: texts(&["Logging", "Metrics", "AzureServices"]),
            ip_rules: 1,
            network_rules: 2,
            resources: texts(&["/s/service/*"]),
        },
    };
    assert_eq!(domain::AccountFacts::from(account), expected);
    // As some are in Microsoft's example of 2023-05-01.
    let bare: Account =
        item(json!({"id": "/s/b", "name": "b", "properties": {"networkAcls": {"bypass": "None"}}}));
    let expected = domain::AccountFacts { id: "/s/b".into(), ..domain::AccountFacts::default() };
    assert_eq!(domain::AccountFacts::from(bare), expected);
}

#[test]
fn the_methods_of_cors_are_those_of_all_rules() {
    let rules = json!([
        {"allowedOrigins": ["*"], "allowedMethods": ["PUT", "GET"]},
        {"allowedOrigins": ["a"], "allowedMethods": ["GET", "PATCH"]},
    ]);
    let read = |properties: Value| cors_methods(told(json!({"id": "i", "properties": properties})));
    assert_eq!(read(json!({"cors": {"corsRules": rules}})), Some(texts(&["GET", "PATCH", "PUT"])));
    for off in [json!({}), json!({"cors": null}), json!({"cors": {}}), json!({"cors": {"corsRules": []}})] {
        assert_eq!(read(off.clone()), Some(Vec::new()), "{off}");
    }
    // Not the blob service's answer: it must not be read as CORS that is off.
    for body in [json!({}), json!({"properties": {"cors": 7}})] {
        assert_eq!(cors_methods(body.clone()), None, "{body}");
    }
}

#[test]
fn a_role_is_known_by_its_guid() {
    let read = |definition: &str, condition: Value| {
        let properties = json!({
            "scope": "/s", "roleDefinitionId": definition, "principalId": "p", "condition": condition,
        });
        domain::RoleAssignment::from(item::<Role>(json!({"properties": properties})))
    };
    let expected = domain::RoleAssignment { scope: "/s".into(), role: "ba92".into(), has_condition: false };
    let short = "/providers/Microsoft.Authorization/roleDefinitions/ba92";
    assert_eq!(read(short, Value::Null), expected);
    assert_eq!(read(&format!("/subscriptions/s{short}"), json!("")), expected);
    assert!(read(short, json!("@Resource[a] StringEquals 'b'")).has_condition);
}
