//! The Terraform files, by a parser of their language: no provider has seen them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Deployment, arm, file, guids, lines, role_name, text, texts};

/// What each resource of the provider is to Azure.
const TYPES: [(&str, &str); 11] = [
    ("azurerm_application_insights", "Microsoft.Insights/components"),
    ("azurerm_function_app_flex_consumption", "Microsoft.Web/sites"),
    ("azurerm_log_analytics_workspace", "Microsoft.OperationalInsights/workspaces"),
    ("azurerm_monitor_action_group", "Microsoft.Insights/actionGroups"),
    ("azurerm_monitor_scheduled_query_rules_alert_v2", "Microsoft.Insights/scheduledQueryRules"),
    ("azurerm_role_assignment", "Microsoft.Authorization/roleAssignments"),
    ("azurerm_role_definition", "Microsoft.Authorization/roleDefinitions"),
    ("azurerm_service_plan", "Microsoft.Web/serverfarms"),
    ("azurerm_storage_account", "Microsoft.Storage/storageAccounts"),
    ("azurerm_storage_container", "Microsoft.Storage/storageAccounts/blobServices/containers"),
    ("azurerm_storage_management_policy", "Microsoft.Storage/storageAccounts/managementPolicies"),
];
/// What is a resource to Azure and a block to the provider.
const BLOCKS: [(&str, &str, &str); 2] = [
    ("azurerm_function_app_flex_consumption", "auth_settings_v2", "Microsoft.Web/sites/config"),
    ("azurerm_storage_account", "blob_properties", "Microsoft.Storage/storageAccounts/blobServices"),
];
/// Where it goes, which the other two are told by the command that deploys them.
const PLACE: [&str; 2] = ["subscription_id", "resource_group_name"];
/// Empty, so that the provider does not set it: see the comment there.
const TRAP: &str = "AzureWebJobsStorage";

fn sources() -> String {
    ["versions", "variables", "main", "outputs"]
        .map(|name| file(&format!("infra/terraform/{name}.tf")))
        .concat()
}

/// Blocks by their type, then by each label; expressions as they are written.
fn configuration() -> Value {
    hcl::from_str(&sources()).unwrap()
}

fn app(configuration: &Value) -> &Value {
    &configuration["resource"]["azurerm_function_app_flex_consumption"]["app"]
}

pub(super) fn deployment() -> Deployment {
    let configuration = configuration();
    let resources = configuration["resource"].as_object().unwrap();
    let each = |kind: &str| resources[kind].as_object().unwrap().values().collect::<Vec<_>>();
    let type_of: BTreeMap<_, _> = TYPES.into_iter().collect();
    let mut types: BTreeSet<String> =
        resources.keys().map(|kind| type_of[kind.as_str()].to_owned()).collect();
    for (kind, block, of) in BLOCKS {
        if each(kind).iter().any(|resource| resource.to_string().contains(&format!("\"{block}\":"))) {
            types.insert(of.to_owned());
        }
    }
    let role = |role: &&Value| (role_name(text(&role["name"])), texts(&role["permissions"]["actions"]));
    let alert = |rule: &&Value| {
        let query = text(&rule["criteria"]["query"]);
        (text(&rule["display_name"]).to_owned(), lines(query))
    };
    let window = |rule: &&Value| {
        let window = ["evaluation_frequency", "window_duration"].map(|name| text(&rule[name]).to_owned());
        (text(&rule["display_name"]).to_owned(), window.into())
    };
    let settings = app(&configuration)["app_settings"].as_object().unwrap();
    let insights = &app(&configuration)["site_config"]["application_insights_connection_string"];
    let insights = insights.is_string().then(|| "APPLICATIONINSIGHTS_CONNECTION_STRING".to_owned());
    let variables = configuration["variable"].as_object().unwrap();
    let parameters = variables.iter().filter(|(name, _)| !PLACE.contains(&name.as_str()));
    Deployment {
        types,
        settings: settings.keys().filter(|name| *name != TRAP).cloned().chain(insights).collect(),
        roles: each("azurerm_role_definition").iter().map(role).collect(),
        parameters: parameters.map(|(name, what)| (name.clone(), what["sensitive"] == true)).collect(),
        outputs: configuration["output"].as_object().unwrap().keys().cloned().collect(),
        alerts: each("azurerm_monitor_scheduled_query_rules_alert_v2").iter().map(alert).collect(),
        windows: each("azurerm_monitor_scheduled_query_rules_alert_v2").iter().map(window).collect(),
        guids: guids(&sources()),
    }
}

#[test]
fn the_storage_setting_that_the_provider_would_add_is_empty() {
    assert_eq!(app(&configuration())["app_settings"][TRAP], "");
}

#[test]
fn what_is_fixed_is_fixed_to_the_same() {
    let configuration = configuration();
    let app = app(&configuration);
    assert_eq!((&app["runtime_name"], &app["runtime_version"]), (&"custom".into(), &"1.0".into()));
    assert_eq!(app["instance_memory_in_mb"], 512);
    assert_eq!(configuration["resource"]["azurerm_service_plan"]["plan"]["sku_name"], "FC1");
    for account in configuration["resource"]["azurerm_storage_account"].as_object().unwrap().values() {
        assert_eq!(
            (&account["shared_access_key_enabled"], &account["min_tls_version"]),
            (&false.into(), &"TLS1_2".into())
        );
        assert_eq!(account["allow_nested_items_to_be_public"], false);
    }
    let template = arm::template();
    for (local, variable) in [
        ("package_container", "packageContainer"),
        ("backup_container", "backupContainer"),
        ("records_container", "recordsContainer"),
    ] {
        assert_eq!(configuration["locals"][local], template["variables"][variable], "{local}");
    }
    let days = &configuration["variable"]["backup_retention_days"]["validation"]["condition"];
    assert_eq!(text(days), "${var.backup_retention_days >= 31}");
}

#[test]
fn every_variable_and_every_local_is_used() {
    let (configuration, sources) = (configuration(), sources());
    let used = |prefix: &str, name: &str| {
        let is_end = |c: Option<char>| c.is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '_'));
        sources.split(&format!("{prefix}.{name}")).skip(1).any(|rest| is_end(rest.chars().next()))
    };
    for (kind, prefix) in [("variable", "var"), ("locals", "local")] {
        for name in configuration[kind].as_object().unwrap().keys() {
            assert!(used(prefix, name), "{prefix}.{name}");
        }
    }
}

#[test]
fn without_a_standby_nothing_may_be_restored_into() {
    let configuration = configuration();
    let targets = text(&configuration["locals"]["restore_targets"]);
    assert!(targets.starts_with("${length(var.standby_resource_ids) == 0 ? \"none\" : "), "{targets}");
}

#[test]
fn the_restore_role_is_for_standbys_and_the_backup_role_for_primaries() {
    let configuration = configuration();
    let resources = &configuration["resource"];
    for (role, name, assigned, instances) in [
        ("backup", "APIM DR Backup", "may_back_up", "apim_resource_ids"),
        ("restore", "APIM DR Restore", "may_restore", "standby_resource_ids"),
    ] {
        assert_eq!(role_name(text(&resources["azurerm_role_definition"][role]["name"])), name);
        let assignments = resources["azurerm_role_assignment"].as_object().unwrap();
        let definition = format!("${{azurerm_role_definition.{role}.role_definition_resource_id}}");
        let of_role = assignments.iter().filter(|(_, it)| it["role_definition_id"] == definition);
        assert_eq!(of_role.map(|(name, _)| name).collect::<Vec<_>>(), [assigned]);
        let assignment = &assignments[assigned];
        assert_eq!(assignment["for_each"], format!("${{toset(var.{instances})}}"));
        assert_eq!(assignment["scope"], "${each.value}");
    }
}
