//! The function folders, `host.json` and the settings sample agree with the routes and with the host's rules.

use std::{collections::BTreeMap, fs, path::Path};

use apim_dr::settings::SETTINGS;
use jiff::SignedDuration;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// Every folder with a function, by name.
fn functions() -> BTreeMap<String, Value> {
    let folders =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    folders
        .filter(|name| root().join(name).join("function.json").exists())
        .map(|name| (name.clone(), read(format!("{name}/function.json"))))
        .collect()
}

#[test]
fn there_are_seven_functions_with_the_routes_and_levels_that_callers_know() {
    let trigger = |function: &Value| function["bindings"][0].clone();
    let functions = functions();
    let http = |name: &str| {
        let trigger = trigger(&functions[name]);
        (trigger["methods"].clone(), trigger["route"].clone(), trigger["authLevel"].clone())
    };
    assert_eq!(http("backup-trigger"), (json!(["post"]), json!("backup"), json!("function")));
    assert_eq!(http("restore-trigger"), (json!(["post"]), json!("restore"), json!("function")));
    assert_eq!(http("operations-trigger"), (json!(["get"]), json!("operations/{id}"), json!("anonymous")));
    assert_eq!(http("status-trigger"), (json!(["get", "head"]), json!("status/{view?}"), json!("function")));
    assert_eq!(http("health-trigger"), (json!(["get", "head"]), json!("health"), json!("anonymous")));
    assert_eq!(trigger(&functions["timer-trigger"])["schedule"], "%APIM_DR_BACKUP_SCHEDULE%");
    assert_eq!(trigger(&functions["sweep-trigger"])["schedule"], "0 * * * * *");
    assert_eq!(functions.len(), 7, "{:?}", functions.keys());
}

#[test]
fn every_function_is_one_that_the_host_indexes_and_proxies() {
    for (name, function) in functions() {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        let bindings = function["bindings"].as_array().unwrap();
        for binding in bindings {
            let binding_name = binding["name"].as_str().unwrap();
            assert!(binding_name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}: {binding_name}");
        }
        let types: Vec<_> = bindings.iter().map(|binding| binding["type"].as_str().unwrap()).collect();
        match types.as_slice() {
            // Proxying and forwarding need exactly one http input and one http output.
            ["httpTrigger", "http"] => {
                assert_eq!(
                    (&bindings[0]["direction"], &bindings[1]["direction"]),
                    (&json!("in"), &json!("out"))
                );
                assert_eq!(bindings[1]["name"], "res");
            }
            ["timerTrigger"] => assert_eq!(bindings[0].get("runOnStartup"), None, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn the_host_starts_the_server_and_hands_requests_through() {
    let host = read("host.json");
    assert_eq!(host["version"], "2.0");
    let handler = &host["customHandler"];
    // Core Tools marks the file executable only if it is spelt exactly so.
    assert_eq!(handler["description"]["defaultExecutablePath"], "apim-dr");
    assert_eq!(handler["description"]["arguments"], json!(["serve"]));
    assert_eq!(handler["enableProxyingHttpRequest"], true);
    assert_eq!(handler["enableForwardingHttpRequest"], true);
}

#[test]
fn the_settings_sample_starts_core_tools_in_a_clone() {
    let sample = read("local.settings.sample.json");
    // A missing IsEncrypted counts as true.
    assert_eq!(sample["IsEncrypted"], false);
    let values = sample["Values"].as_object().unwrap();
    assert_eq!(values["FUNCTIONS_WORKER_RUNTIME"], "custom");
    assert_eq!(
        values["AzureFunctionsJobHost__customHandler__description__defaultExecutablePath"],
        "target/release/apim-dr"
    );
    for name in ["AzureWebJobsStorage", "APIM_DR_BACKUP_SCHEDULE", "APIM_DR_RECORDS"] {
        assert!(values.contains_key(name), "{name}");
    }
    for (name, value) in values {
        assert!(value.is_string(), "{name}: nested JSON breaks the file");
        assert!(
            !name.starts_with("APIM_DR_") || SETTINGS.iter().any(|setting| setting.name == name),
            "{name} is no setting"
        );
    }
}

#[test]
fn every_setting_is_in_the_readme_and_the_readme_names_no_other() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for setting in SETTINGS {
        assert!(readme.contains(&format!("`{}`", setting.name)), "{} is not in the README", setting.name);
    }
    let words = readme.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    for name in words.filter(|word| word.starts_with("APIM_DR_") && *word != "APIM_DR_") {
        let known = SETTINGS.iter().any(|setting| setting.name == name) || name == "APIM_DR_RECORDINGS";
        assert!(known, "the README names {name}");
    }
}

#[test]
fn the_readmes_two_commands_are_the_ones_that_are_checked() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("cargo run --release -- demo\n"), "the first command");
    assert!(readme.contains("cargo test\n"), "the second command");
    assert!(fs::read_to_string(root().join(".ci/run")).unwrap().contains("\nstep cargo test\n"));
}

#[test]
fn what_is_published_holds_no_sources_and_no_local_settings() {
    let ignored = fs::read_to_string(root().join(".funcignore")).unwrap();
    let folders =
        ["benches/", "docs/", "fuzz/", "infra/", "samples/", "src/", "target/", "templates/", "tests/"];
    for line in folders.into_iter().chain(["Cargo.*", "deny.toml", "local.settings*.json", ".*"]) {
        assert!(ignored.lines().any(|ignored| ignored == line), "{line}");
    }
}

#[test]
fn the_readmes_body_and_its_targets_are_taken() {
    use apim_dr::{domain::Kind, payload};
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let body = readme.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let targets = readme.split("```json\n").map(|text| text.split("```").next().unwrap());
    let targets =
        targets.filter(|text| text.starts_with("[\n") && text.contains("timeZone")).collect::<Vec<_>>();
    let key = |name: &str| (name == "PRIMARY_STORAGE_KEY").then(|| "bm90LWEtcmVhbC1rZXk=".to_owned().into());
    let defaults = payload::TargetDefaults { schedule: None, rpo: SignedDuration::from_hours(26) };
    let read =
        payload::parse_targets(targets[0].as_bytes(), defaults, &payload::StartPolicy::default(), &key);
    assert_eq!((read.targets.len(), read.problems, read.warnings), (1, vec![], vec![]));
    let parsed = payload::parse(Kind::Backup, body.as_bytes(), &payload::StartPolicy::default(), &[]);
    assert_eq!(parsed.unwrap().warnings, Vec::<String>::new());
}

#[test]
fn the_readmes_hooks_are_taken() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let hooks = readme.split("```json\n").find(|text| text.contains("\"heartbeat\"")).unwrap();
    let hooks = hooks.split("```").next().unwrap();
    let secret = "bm90LWEtcmVhbC1zZWNyZXQtYnV0LWxvbmctZW5vdWdo";
    let variables = [
        ("APIM_DR_NOTIFY", hooks),
        ("OPS_SLACK_URL", "https://hooks.example.com/ops"),
        ("PRIMARY_PING_URL", "https://ping.example.com/primary"),
        ("EVENTS_SECRET", secret),
    ];
    let pairs = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = apim_dr::settings::Settings::read(&pairs.into_iter().collect());
    assert_eq!((settings.hooks.hooks.len(), settings.problems), (3, vec![]));
}
