//! What `infra/` deploys: the ARM template is sound and sets what the program reads; Bicep and Terraform say the same;
//! the custom roles grant what the program asks for. No tool of Azure's runs here.

mod arm;
mod bicep;
mod rights;
mod terraform;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use jiff::{Span, SpanRelativeTo, Unit};
use serde_json::Value;

/// The built-in roles, by Azure's names for them.
const BUILT_IN: [(&str, &str); 4] = [
    ("storageBlobDataOwner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),
    ("storageBlobDataContributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
    ("storageBlobDataReader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
    ("monitoringMetricsPublisher", "3913510d-42f4-4e42-8a64-420c390055eb"),
];

/// What three languages are compared by.
#[derive(Debug, PartialEq, Eq)]
struct Deployment {
    /// Azure's types of what is made, without the deployments that are nested.
    types: BTreeSet<String>,
    /// Names of app settings.
    settings: BTreeSet<String>,
    /// Actions of the custom roles, by their names.
    roles: BTreeMap<String, BTreeSet<String>>,
    /// In snake case, each with whether its value is a secret.
    parameters: BTreeMap<String, bool>,
    /// In snake case.
    outputs: BTreeSet<String>,
    /// Lines of the queries, by the names of their rules.
    alerts: BTreeMap<String, Vec<String>>,
    /// How often each is asked, and over how long.
    windows: BTreeMap<String, (String, String)>,
    /// GUIDs that are written out: built-in roles.
    guids: BTreeSet<String>,
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|item| text(item).to_owned()).collect()
}

/// `APIM DR Backup ({0})`, in whatever expression, is `APIM DR Backup`.
fn role_name(expression: &str) -> String {
    let at = expression.find("APIM DR ").unwrap_or_else(|| panic!("no name of ours: {expression}"));
    expression[at..].split(" (").next().unwrap().to_owned()
}

/// The lines of a query, without their indentation and the marks of a heredoc.
fn lines(query: &str) -> Vec<String> {
    let lines = query.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.ends_with("KUSTO"));
    lines.map(str::to_owned).collect()
}

/// `apimResourceIds` is `apim_resource_ids`.
fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

fn guids(source: &str) -> BTreeSet<String> {
    let words = source.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
    let is_guid = |word: &&str| word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    words.filter(is_guid).map(str::to_owned).collect()
}

#[test]
fn bicep_says_what_the_arm_template_says() {
    assert_eq!(bicep::deployment(), arm::deployment());
}

#[test]
fn terraform_says_what_the_arm_template_says() {
    assert_eq!(terraform::deployment(), arm::deployment());
}

#[test]
fn the_built_in_roles_are_those_that_their_names_say() {
    assert_eq!(arm::deployment().guids, BUILT_IN.map(|(_, guid)| guid.to_owned()).into());
    let roles = arm::template()["variables"]["roles"].clone();
    assert_eq!(roles, Value::from_iter(BUILT_IN));
    for (name, guid) in BUILT_IN {
        assert!(file("infra/main.bicep").contains(&format!("{name}: '{guid}'")), "{name}");
        let terraform = file("infra/terraform/main.tf").replace(' ', "");
        assert!(terraform.contains(&format!("{}=\"{guid}\"", snake(name))), "{name}");
    }
}

#[test]
fn the_alerts_ask_what_the_document_asks() {
    let document = file("docs/observability.md");
    let document = document.split("Alert rules").nth(1).unwrap();
    let blocks = document.split("```kusto\n").skip(1).map(|block| block.split("```").next().unwrap());
    let comment = |line: &String| !line.starts_with("//");
    let asked = blocks.map(|block| lines(block).into_iter().filter(comment).collect::<Vec<_>>());
    let alerts = arm::deployment().alerts.into_values().collect::<BTreeSet<_>>();
    assert_eq!(alerts, asked.collect());
    assert_eq!(alerts.len(), 2);
}

#[test]
fn a_line_that_comes_late_still_raises_the_alarm_once() {
    let deployment = arm::deployment();
    let minutes = |text: &str| {
        let span: Span = text.parse().unwrap();
        span.total((Unit::Minute, SpanRelativeTo::days_are_24_hours())).unwrap()
    };
    assert_eq!(deployment.windows.len(), 2);
    for (name, (every, over)) in &deployment.windows {
        let (every, over) = (minutes(every), minutes(over));
        assert!(over >= every + 30.0, "{name}: {over}");
        let query = deployment.alerts[name].join(" ");
        // Once, or as long as it holds.
        let once = query.contains(&format!("ingestion_time() > ago({every}m)"));
        assert!(once || query.contains("summarize"), "{name}: {query}");
    }
}

#[test]
fn the_document_has_every_parameter_and_every_custom_role() {
    let readme = file("infra/README.md");
    let table = readme.split("| parameter |").nth(1).unwrap().split("\n\n").next().unwrap();
    let told =
        table.lines().filter_map(|row| row.strip_prefix("| `")).map(|row| row.split('`').next().unwrap());
    let deployment = arm::deployment();
    let parameters = deployment.parameters.into_keys().collect::<BTreeSet<_>>();
    assert_eq!(told.map(snake).collect::<BTreeSet<_>>(), parameters);
    for (name, actions) in deployment.roles {
        assert!(readme.contains(&name), "{name}");
        for action in actions {
            assert!(readme.contains(&format!("`{action}`")), "{name}: {action}");
        }
    }
}

#[test]
fn azd_makes_the_package_and_finds_its_app() {
    let azure = file("azure.yaml");
    let tag = arm::template()["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|resource| resource["tags"]["azd-service-name"].as_str().map(str::to_owned));
    assert!(azure.contains(&format!("services:\n  {}:\n", tag.unwrap())));
    for line in [
        "    host: function",
        "    language: custom",
        "    dist: dist",
        "cargo build --locked --profile dist --target x86_64-unknown-linux-musl",
        "target/x86_64-unknown-linux-musl/dist/apim-dr package --folder dist",
    ] {
        assert!(azure.lines().any(|found| found.trim_start() == line.trim_start()), "{line}");
    }
    let given: Value = serde_json::from_str(&file("infra/main.parameters.json")).unwrap();
    let parameters = arm::deployment().parameters;
    for name in given["parameters"].as_object().unwrap().keys() {
        assert!(parameters.contains_key(&snake(name)), "{name}");
    }
}
