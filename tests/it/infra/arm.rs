//! The ARM template, which is the reference.

use std::collections::{BTreeMap, BTreeSet};

use apim_dr::settings::{SETTINGS, Settings};
use serde_json::{Map, Value, json};

use super::{Deployment, file, guids, lines, role_name, snake, text, texts};

/// Settings of the host.
const PLATFORM: [&str; 3] = [
    "AzureWebJobsStorage__accountName",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
];
const HOST_ACCOUNT: &str = "apimdrhost0123456789abc";
const BACKUP_ACCOUNT: &str = "apimdrbak0123456789abc";
const STANDBY: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/south\
                       /providers/Microsoft.ApiManagement/service/contoso-standby";

pub(super) fn template() -> Value {
    serde_json::from_str(&file("infra/azuredeploy.json")).unwrap()
}

fn resources(template: &Value) -> &[Value] {
    template["resources"].as_array().unwrap()
}

/// The template, and those that are nested in it.
fn templates(template: &Value) -> Vec<&Value> {
    let nested = resources(template).iter().filter_map(|resource| resource["properties"].get("template"));
    std::iter::once(template).chain(nested.flat_map(templates)).collect()
}

/// The one resource of a type whose text has a part.
fn resource<'a>(template: &'a Value, kind: &str, part: &str) -> &'a Value {
    let mut found = resources(template)
        .iter()
        .filter(|resource| resource["type"] == kind && resource["name"].to_string().contains(part));
    let first = found.next().unwrap_or_else(|| panic!("no {kind} {part}"));
    assert!(found.next().is_none(), "another {kind} {part}");
    first
}

fn app(template: &Value) -> &Value {
    resource(template, "Microsoft.Web/sites", "")
}

fn settings(template: &Value) -> Vec<(String, String)> {
    let settings = app(template)["properties"]["siteConfig"]["appSettings"].as_array().unwrap();
    let pair = |setting: &Value| (text(&setting["name"]).to_owned(), text(&setting["value"]).to_owned());
    settings.iter().map(pair).collect()
}

pub(super) fn deployment() -> Deployment {
    let template = template();
    let all = templates(&template).into_iter().flat_map(resources).collect::<Vec<_>>();
    let of =
        |kind: &str| all.iter().copied().filter(move |resource| resource["type"] == kind).collect::<Vec<_>>();
    let types = all.iter().map(|resource| text(&resource["type"]).to_owned());
    let role = |resource: &Value| {
        let properties = &resource["properties"];
        let name = text(&properties["roleName"]);
        let variable = named(name, "variables").next().unwrap();
        let name = role_name(text(&template["variables"][variable]));
        (name, texts(&properties["permissions"][0]["actions"]))
    };
    let alert = |resource: &Value| {
        let properties = &resource["properties"];
        let query = text(&properties["criteria"]["allOf"][0]["query"]);
        (text(&properties["displayName"]).to_owned(), lines(query))
    };
    let window = |resource: &Value| {
        let properties = &resource["properties"];
        let window = ["evaluationFrequency", "windowSize"].map(|name| text(&properties[name]).to_owned());
        (text(&properties["displayName"]).to_owned(), window.into())
    };
    let parameters = template["parameters"].as_object().unwrap().iter();
    Deployment {
        types: types.filter(|kind| kind != "Microsoft.Resources/deployments").collect(),
        settings: settings(&template).into_iter().map(|(name, _)| name).collect(),
        roles: of("Microsoft.Authorization/roleDefinitions").into_iter().map(role).collect(),
        parameters: parameters.map(|(name, what)| (snake(name), what["type"] == "securestring")).collect(),
        outputs: template["outputs"].as_object().unwrap().keys().map(|name| snake(name)).collect(),
        alerts: of("Microsoft.Insights/scheduledQueryRules").into_iter().map(alert).collect(),
        windows: of("Microsoft.Insights/scheduledQueryRules").into_iter().map(window).collect(),
        guids: guids(&template.to_string()),
    }
}

/// The names in `function('name')`.
fn named<'a>(text: &'a str, function: &str) -> impl Iterator<Item = &'a str> {
    let pieces = text.split(function).skip(1);
    pieces.filter_map(|rest| rest.strip_prefix("('")?.split('\'').next())
}

/// A part of the template as text, without what is nested in it.
fn own_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let own = fields.iter().filter(|(name, _)| *name != "template");
            own.map(|(_, value)| own_text(value)).collect::<Vec<_>>().join("\n")
        }
        Value::Array(items) => items.iter().map(own_text).collect::<Vec<_>>().join("\n"),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

#[test]
fn what_is_declared_is_used_and_what_is_used_is_declared() {
    let template = template();
    let templates = templates(&template);
    assert_eq!(templates.len(), 2);
    for template in templates {
        let text = own_text(template);
        for kind in ["parameters", "variables"] {
            let declared = template[kind].as_object().map(Map::keys).into_iter().flatten();
            let declared = declared.map(String::as_str).collect::<BTreeSet<_>>();
            assert_eq!(named(&text, kind).collect::<BTreeSet<_>>(), declared, "{kind}");
        }
    }
}

/// The type of a resource, and the segments of its name as expressions.
fn place(resource: &Value) -> (Vec<String>, Vec<String>) {
    let kind = text(&resource["type"]).split('/').map(str::to_owned).collect::<Vec<_>>();
    let name = text(&resource["name"]);
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap();
    let format = name.strip_prefix("format('").and_then(|rest| rest.strip_suffix(')'));
    let Some((pattern, arguments)) = format.filter(|_| kind.len() > 2).and_then(|it| it.split_once("', "))
    else {
        return (kind, vec![name.to_owned()]);
    };
    let arguments = arguments.split(", ").collect::<Vec<_>>();
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some(number) => arguments[number.parse::<usize>().unwrap()].to_owned(),
        None => format!("'{segment}'"),
    };
    (kind, pattern.split('/').map(segment).collect())
}

fn resource_id((kind, name): &(Vec<String>, Vec<String>)) -> String {
    format!("resourceId('{}', {})", kind.join("/"), name.join(", "))
}

/// Those from which a resource hangs, the nearest first.
fn parents(resource: &Value) -> Vec<String> {
    let (mut kind, mut name) = place(resource);
    let mut parents = Vec::new();
    while name.len() > 1 {
        kind.pop();
        name.pop();
        parents.push(resource_id(&(kind.clone(), name.clone())));
    }
    parents
}

#[test]
fn whatever_refers_to_another_resource_waits_for_it() {
    let template = template();
    let ids = resources(&template).iter().map(|resource| resource_id(&place(resource))).collect::<Vec<_>>();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "two are called alike");
    let waits = |at: usize| {
        let waits = resources(&template)[at]["dependsOn"].as_array().cloned().unwrap_or_default();
        let find = |wait: &Value| {
            let wait = text(wait).trim_matches(['[', ']']);
            ids.iter().position(|id| id == wait).unwrap_or_else(|| panic!("{}: there is no {wait}", ids[at]))
        };
        waits.iter().map(find).collect::<Vec<_>>()
    };
    let mut references = 0;
    for (at, resource) in resources(&template).iter().enumerate() {
        let mut reached = BTreeSet::new();
        let mut next = waits(at);
        while let Some(one) = next.pop() {
            if reached.insert(one) {
                next.extend(waits(one));
            }
        }
        let mut stripped = resource.clone();
        stripped.as_object_mut().unwrap().remove("dependsOn");
        // `subscriptionResourceId` counts as well.
        let used = own_text(&stripped).to_lowercase();
        let parent = parents(resource).into_iter().find(|parent| ids.contains(parent));
        for (other, id) in ids.iter().enumerate().filter(|(other, _)| *other != at) {
            if used.contains(&id.to_lowercase()) || parent.as_ref() == Some(id) {
                references += 1;
                assert!(reached.contains(&other), "{} does not wait for {id}", ids[at]);
            }
        }
    }
    assert!(references > 20, "{references}");
}

#[test]
fn app_settings_are_the_programs_or_the_hosts() {
    let template = template();
    let settings = settings(&template);
    let names = settings.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>();
    assert_eq!(names.len(), settings.len(), "one is set twice");
    for name in names {
        let known = SETTINGS.iter().any(|setting| setting.name == name) || PLATFORM.contains(&name);
        assert!(known, "{name} is nobody's setting");
        let is_secret = SETTINGS.iter().any(|setting| setting.name == name && setting.secret);
        let value = &settings.iter().find(|(setting, _)| setting == name).unwrap().1;
        let parameter = named(value, "parameters").next().unwrap_or_default();
        assert!(!is_secret || template["parameters"][parameter]["type"] == "securestring", "{name}");
    }
    let timer: Value = serde_json::from_str(&file("timer-trigger/function.json")).unwrap();
    let schedule = text(&timer["bindings"][0]["schedule"]).trim_matches('%').to_owned();
    assert!(settings.iter().any(|(name, _)| *name == schedule), "{schedule}");
}

/// What the call at the beginning of a text is given, as it is written.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => {
                found.push(text[from..at].trim());
                return found;
            }
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    panic!("a call does not end: {text}");
}

/// A target as the template makes it of an instance, if `standby` with its only standby.
fn own_target(template: &Value, standby: bool) -> Value {
    let variables = &template["variables"];
    let keys = |name: &str| {
        let made = text(&variables[name]).split("createObject(").nth(1).unwrap();
        arguments(made)
            .into_iter()
            .step_by(2)
            .map(|key| key.trim_matches('\'').to_owned())
            .collect::<Vec<_>>()
    };
    let place = variables["place"].as_object().unwrap().keys().cloned();
    let keys = keys("ownTargets")
        .into_iter()
        .chain(place)
        .chain(standby.then(|| keys("standby")).into_iter().flatten());
    let value = |key: &str| match key {
        "name" | "apimInstance" | "backupName" => "contoso",
        "subscriptionId" => "00000000-0000-0000-0000-000000000000",
        "resourceGroup" => "north",
        "storageAccount" => BACKUP_ACCOUNT,
        "containerName" => text(&variables["backupContainer"]),
        "standby" => STANDBY,
        other => panic!("{other}"),
    };
    keys.map(|key| (key.clone(), value(&key).to_owned())).collect()
}

/// What may be restored into where there is no standby.
fn without_standby(template: &Value) -> String {
    match text(&template["variables"]["restoreTargets"]).strip_prefix("[if(").map(arguments).as_deref() {
        Some(["empty(parameters('standbyResourceIds'))", none, _]) => none.trim_matches('\'').to_owned(),
        // What `join` makes of nothing.
        _ => String::new(),
    }
}

/// What the app finds in its environment.
fn environment(template: &Value, easy_auth: bool, standby: bool) -> BTreeMap<String, String> {
    let targets = json!([own_target(template, standby)]).to_string();
    let value = |value: &str| match value {
        "[variables('hostAccountName')]" => HOST_ACCOUNT.to_owned(),
        "[string(variables('allTargets'))]" => targets.clone(),
        "[variables('restoreTargets')]" if standby => "contoso-standby".to_owned(),
        "[variables('restoreTargets')]" => without_standby(template),
        "[variables('storageAccounts')]" => BACKUP_ACCOUNT.to_owned(),
        "[if(variables('isEasyAuth'), 'true', 'false')]" => easy_auth.to_string(),
        "[if(parameters('refusePayloadSecrets'), 'true', 'false')]" => "true".to_owned(),
        _ if value.starts_with("[reference(") => "InstrumentationKey=none".to_owned(),
        _ => match named(value, "parameters").next() {
            Some(name) => text(&template["parameters"][name]["defaultValue"]).to_owned(),
            None => value.to_owned(),
        },
    };
    let set = settings(template).into_iter().map(|(name, it)| (name, value(&it)));
    let hosts = [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
        ("WEBSITE_HOSTNAME", "apim-dr.azurewebsites.net"),
        ("WEBSITE_AUTH_ENABLED", if easy_auth { "True" } else { "False" }),
    ];
    set.chain(hosts.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

#[test]
fn the_program_takes_the_settings_as_they_are_by_default() {
    let template = template();
    for (easy_auth, standby) in [(false, true), (true, true), (false, false)] {
        let settings = Settings::read(&environment(&template, easy_auth, standby).into_iter().collect());
        assert_eq!((settings.problems.clone(), settings.warnings.clone()), (vec![], vec![]));
        assert_eq!((settings.under_host, settings.require_principal), (true, easy_auth));
        assert!(settings.refuse_payload_secrets);
        let [target] = settings.targets.as_slice() else { panic!("{:?}", settings.targets) };
        assert_eq!((target.name.as_str(), target.plan.blob.container.as_str()), ("contoso", "apim-backups"));
        assert_eq!(target.standby.as_ref().map(ToString::to_string).as_deref(), standby.then_some(STANDBY));
        let bounds = settings.start_policy.bounds;
        assert!(bounds.storage_accounts.iter().flatten().map(ToString::to_string).eq([BACKUP_ACCOUNT]));
        // Without a standby nothing may be restored into: no list at all would allow everything.
        let only = if standby { "contoso-standby" } else { "none" };
        assert!(bounds.restore_targets.iter().flatten().map(ToString::to_string).eq([only]));
        let container = text(&template["variables"]["recordsContainer"]);
        assert_eq!(settings.records.to_string(), format!("az://{HOST_ACCOUNT}/{container}/apim-dr"));
        let told = text(&template["outputs"]["records"]["value"]);
        assert!(told.starts_with("[format('az://{0}/{1}/apim-dr', "), "{told}");
    }
}

#[test]
fn it_runs_as_a_custom_handler_on_flex_consumption() {
    let host: Value = serde_json::from_str(&file("host.json")).unwrap();
    assert!(host["customHandler"].is_object());
    let template = template();
    let app = app(&template);
    assert_eq!(
        (&app["kind"], &app["identity"]["type"]),
        (&json!("functionapp,linux"), &json!("SystemAssigned"))
    );
    let config = &app["properties"]["functionAppConfig"];
    assert_eq!(config["runtime"], json!({ "name": "custom", "version": "1.0" }));
    assert_eq!(config["scaleAndConcurrency"]["instanceMemoryMB"], 512);
    let storage = &config["deployment"]["storage"];
    assert_eq!(
        (&storage["type"], &storage["authentication"]["type"]),
        (&json!("blobContainer"), &json!("SystemAssignedIdentity"))
    );
    assert_eq!(template["variables"]["packageContainer"], "app-package");
    let plan = resource(&template, "Microsoft.Web/serverfarms", "");
    assert_eq!(plan["sku"], json!({ "name": "FC1", "tier": "FlexConsumption" }));
    assert_eq!(plan["properties"]["reserved"], true);
}

#[test]
fn storage_is_closed_and_backups_outlive_a_mistake() {
    let template = template();
    for account in ["hostAccountName", "backupAccountName"] {
        let account = resource(&template, "Microsoft.Storage/storageAccounts", account);
        let closed = json!({ "allowBlobPublicAccess": false, "allowSharedKeyAccess": false,
            "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true });
        assert_eq!(account["properties"], closed);
    }
    let blobs = resource(&template, "Microsoft.Storage/storageAccounts/blobServices", "backupAccountName");
    let blobs = &blobs["properties"];
    assert_eq!(blobs["isVersioningEnabled"], true);
    for policy in ["deleteRetentionPolicy", "containerDeleteRetentionPolicy"] {
        assert_eq!(blobs[policy], json!({ "enabled": true, "days": "[parameters('softDeleteDays')]" }));
    }
    let policy =
        resource(&template, "Microsoft.Storage/storageAccounts/managementPolicies", "backupAccountName");
    let [rule] = policy["properties"]["policy"]["rules"].as_array().unwrap().as_slice() else {
        panic!("one rule")
    };
    let rule = &rule["definition"];
    assert_eq!(rule["filters"]["prefixMatch"], json!(["[format('{0}/', variables('backupContainer'))]"]));
    let days = "[parameters('backupRetentionDays')]";
    assert_eq!(
        rule["actions"]["baseBlob"],
        json!({ "delete": { "daysAfterModificationGreaterThan": days } })
    );
    assert_eq!(rule["actions"]["version"], json!({ "delete": { "daysAfterCreationGreaterThan": days } }));
    let days = &template["parameters"]["backupRetentionDays"];
    assert!(
        days["minValue"].as_u64().unwrap() >= 31
            && days["defaultValue"].as_u64() >= days["minValue"].as_u64()
    );
}

#[test]
fn the_restore_role_is_for_standbys_and_the_backup_role_for_primaries() {
    let template = template();
    let access = resource(&template, "Microsoft.Resources/deployments", "apim-dr-access");
    let given = &access["properties"]["parameters"];
    for (role, instances) in [("backupRole", "apimResourceIds"), ("restoreRole", "standbyResourceIds")] {
        let only = format!(
            "[if(contains(parameters('{instances}'), variables('instances')[copyIndex()]), variables('{role}'), '')]"
        );
        assert_eq!(given[role]["value"], only);
        let assigned = resource(
            &access["properties"]["template"],
            "Microsoft.Authorization/roleAssignments",
            &format!("'{}'", role.trim_end_matches("Role")),
        );
        assert_eq!(assigned["condition"], format!("[not(empty(parameters('{role}')))]"));
        assert!(text(&assigned["properties"]["roleDefinitionId"]).contains(&format!("parameters('{role}')")));
        let defined = resource(&template, "Microsoft.Authorization/roleDefinitions", &format!("'{role}'"));
        assert_eq!(defined["properties"]["roleName"], format!("[variables('{role}Name')]"));
    }
}
