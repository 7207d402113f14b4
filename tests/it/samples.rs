//! The samples: every file parses, and every request in them is one that the program takes.

use std::{fs, path::Path, process::Command};

use apim_dr::{
    cli::Cli,
    domain::Kind,
    emulator::accounts,
    payload::{self, Confirmation, StartPolicy},
    settings::{Environment, SETTINGS, Settings},
};
use clap::Parser as _;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    architecture::files_below,
    bed::{but, seed},
    process::Place,
    targets::{bed, target},
};

/// The templates of Logic Apps.
const TEMPLATES: [&str; 4] = [
    "logic-app-backup.json",
    "logic-app-restore.json",
    "logic-app-webhook.json",
    "GenericAPIMBackupRestore.json",
];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sample(name: &str) -> Value {
    serde_json::from_str(&text(&format!("samples/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// An app with the target that the samples name.
fn settings() -> Settings {
    let own = json!({ "applicationId": null, "clientSecret": null, "tenantId": null, "accessKey": null });
    let targets = json!([target("primary", &own)]).to_string();
    let environment: Environment = [("APIM_DR_TARGETS".to_owned(), targets)].into_iter().collect();
    let settings = Settings::read(&environment);
    assert!(settings.targets.len() == 1 && settings.problems.is_empty(), "{:?}", settings.problems);
    settings
}

/// Every object below that has a field.
fn having<'a>(value: &'a Value, field: &str) -> Vec<&'a Value> {
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => vec![],
    };
    let found = below.into_iter().flat_map(|below| having(below, field));
    value.get(field).map(|_| value).into_iter().chain(found).collect()
}

/// What an expression of a workflow stands for: a parameter for its template's default, anything else for something plausible.
/// One that is not known fails the test.
fn meant(template: &Value, expression: &str) -> Value {
    let name = |call: &str| expression.strip_prefix(call)?.strip_suffix("')").map(str::to_owned);
    if let Some(name) = name("parameters('") {
        let workflow = having(template, "definition")[0];
        assert!(workflow["definition"]["parameters"][&name].is_object(), "{name} is not declared");
        assert_eq!(workflow["parameters"][&name]["value"], format!("[parameters('{name}')]"), "{name}");
        let parameter = &template["parameters"][&name];
        assert!(parameter.is_object(), "{name} is no parameter of the template");
        return match (parameter.get("defaultValue"), name.as_str()) {
            (Some(default), _) => default.clone(),
            (None, "functionAppUrl") => json!("https://example-functions.azurewebsites.net"),
            (None, "audience") => json!("api://11111111-2222-3333-4444-555555555555"),
            (None, "instance") => json!(accounts::STANDBY),
            (None, "resourceGroup") => json!(accounts::RESOURCE_GROUP),
            (None, name) => panic!("nothing is plausible for {name}"),
        };
    }
    match expression {
        "listCallbackUrl()" => json!("https://prod-01.westeurope.logic.azure.com/workflows/1?sig=x"),
        "workflow().run.name" => json!("08584000000000000000000000000CU00"),
        "body('Plan')?['backup']?['name']" => json!("primary_20261121"),
        other => panic!("nothing is known of {other}"),
    }
}

/// With all expressions of the workflow replaced.
fn resolved(template: &Value, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), resolved(template, value))).collect()
        }
        Value::String(text) if text.contains("@{") => {
            let mut parts = text.split("@{");
            let first = parts.next().unwrap().to_owned();
            let rest = parts.map(|part| {
                let (expression, rest) = part.split_once('}').unwrap();
                meant(template, expression).as_str().unwrap().to_owned() + rest
            });
            (first + &rest.collect::<String>()).into()
        }
        Value::String(text) => match text.strip_prefix('@') {
            Some(expression) => meant(template, expression),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

/// The route of an address, if a function has it and takes POST.
fn kind(url: &str) -> Kind {
    let (_, path) = url.split_once("/api/").unwrap();
    let route = path.split('?').next().unwrap();
    let function: Value = serde_json::from_str(&text(&format!("{route}-trigger/function.json"))).unwrap();
    assert_eq!(
        (&function["bindings"][0]["route"], &function["bindings"][0]["methods"]),
        (&json!(route), &json!(["post"]))
    );
    match route {
        "backup" => Kind::Backup,
        "restore" => Kind::Restore,
        other => panic!("{other} starts nothing"),
    }
}

/// The body is taken, and nothing in it is passed over.
fn check(url: &str, body: &Value, confirm: Confirmation) {
    let (settings, kind) = (settings(), kind(url));
    let confirm = if url.ends_with("?plan=true") { Confirmation::None } else { confirm };
    let policy = StartPolicy { confirm, ..StartPolicy::default() };
    let parsed = payload::parse(kind, body.to_string().as_bytes(), &policy, &settings.targets);
    let parsed = parsed.unwrap_or_else(|problems| panic!("{url} {body}: {problems:?}"));
    assert_eq!(parsed.warnings, Vec::<String>::new(), "{body}");
    parsed
        .payload
        .into_order(&settings.hooks.callbacks)
        .unwrap_or_else(|problems| panic!("{body}: {problems:?}"));
}

/// A header is one that the program reads, or one that the platform, or a task, needs.
fn check_header(name: &str) {
    let code: String = files_below(&root().join("src/triggers"))
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let known = ["Content-Type", "Authorization", "TimelineId"].contains(&name)
        || code.to_ascii_lowercase().contains(&format!("\"{}\"", name.to_ascii_lowercase()));
    assert!(known, "nobody reads the header {name}");
}

#[test]
fn every_template_is_one_of_a_logic_app_that_waits_and_keeps_what_is_secret() {
    for name in TEMPLATES {
        let template = sample(name);
        let deadlines = settings().deadlines;
        let actions: Vec<_> = having(&template, "method")
            .into_iter()
            .filter(|inputs| inputs["uri"].as_str().is_some_and(|uri| uri.contains("/api/")))
            .collect();
        assert!(!actions.is_empty(), "{name}");
        for inputs in actions {
            let url = resolved(&template, &inputs["uri"]);
            let url = url.as_str().unwrap();
            assert_eq!((url.starts_with("https://"), &inputs["method"]), (true, &json!("POST")), "{name}");
            let passed_on = inputs["body"] == "@triggerBody()";
            let body =
                if passed_on { seed(kind(url).as_str()) } else { resolved(&template, &inputs["body"]) };
            // What callers of the published template send has no phrase.
            check(url, &body, if passed_on { Confirmation::Operation } else { Confirmation::Phrase });
            assert!(passed_on || payload::secrets(body.to_string().as_bytes()).is_empty(), "{name}");
            for header in inputs["headers"].as_object().unwrap().keys() {
                check_header(header);
            }
            assert_eq!(inputs["authentication"]["type"], "ManagedServiceIdentity", "{name}");
            assert!(resolved(&template, &inputs["authentication"]["audience"]).is_string(), "{name}");
            if url.ends_with("?plan=true") {
                continue;
            }
            // What starts something: once, for long enough, and unseen.
            assert!(inputs["headers"]["Idempotency-Key"].is_string(), "{name}: {url}");
            let action = having(&template, "limit")
                .into_iter()
                .find(|action| action["inputs"] == *inputs || action["inputs"]["subscribe"] == *inputs)
                .unwrap();
            let limit: SignedDuration = action["limit"]["timeout"].as_str().unwrap().parse().unwrap();
            assert!(limit.unsigned_abs() > deadlines.of(kind(url)), "{name}: {limit}");
            let secure = action["runtimeConfiguration"]["secureData"]["properties"].as_array().unwrap();
            assert!(secure.contains(&json!("inputs")), "{name}");
            assert!(action["operationOptions"].is_null(), "{name}");
        }
        for (name, parameter) in template["parameters"].as_object().unwrap() {
            let secret =
                ["secret", "key", "failure"].iter().any(|word| name.to_ascii_lowercase().contains(word));
            assert_eq!(parameter["type"] == "securestring", secret, "{name}");
        }
    }
}

#[test]
fn a_callback_that_tells_of_a_failure_makes_the_run_red() {
    let template = sample("logic-app-webhook.json");
    let check = having(&template, "expression")[0];
    let expression = json!({ "and": [{ "equals": ["@body('Backup')?['runtimeStatus']", "Completed"] }] });
    assert_eq!(check["expression"], expression);
    assert_eq!(check["else"]["actions"]["Fail"]["inputs"]["runStatus"], "Failed");
}

#[test]
fn nothing_is_restored_before_somebody_approved() {
    let template = sample("logic-app-restore.json");
    let decision = &having(&template, "If_approved")[0]["If_approved"];
    assert_eq!(decision["runAfter"], json!({ "Ask": ["Succeeded"] }));
    let expression = json!({ "and": [{ "equals": ["@body('Ask')?['SelectedOption']", "Approve"] }] });
    assert_eq!(decision["expression"], expression);
    let restores: Vec<_> =
        having(&template, "Restore").into_iter().map(|actions| &actions["Restore"]).collect();
    assert_eq!(restores, [&decision["actions"]["Restore"]]);
}

#[test]
fn the_drop_in_has_the_published_templates_parameters_and_fields() {
    let template = sample("GenericAPIMBackupRestore.json");
    assert_eq!(template["parameters"]["logicAppName"]["defaultValue"], "GenericAPIMBackupRestore");
    assert_eq!(template["parameters"]["logicAppLocation"]["defaultValue"], "[resourceGroup().location]");
    let trigger = &having(&template, "manual")[0]["manual"];
    assert_eq!((&trigger["type"], &trigger["kind"]), (&json!("Request"), &json!("Http")));
    let fields = trigger["inputs"]["schema"]["properties"].as_object().unwrap();
    let mut published: Vec<_> = seed("backup").as_object().unwrap().keys().cloned().collect();
    published.sort();
    assert_eq!(fields.keys().cloned().collect::<Vec<_>>(), published);
}

#[tokio::test]
async fn the_task_of_azure_devops_is_called_back_by_the_headers_that_it_sends() {
    let task = yaml("samples/azure-pipelines.yml")["jobs"][0]["steps"][0].clone();
    let inputs = &task["inputs"];
    assert_eq!((&task["task"], &inputs["waitForCompletion"]), (&json!("AzureFunction@1"), &json!("true")));
    assert_eq!(inputs["method"], "POST");
    let body = inputs["body"].as_str().unwrap();
    assert!(body.len() <= 2000);
    let body = serde_json::from_str(body).unwrap();
    check(inputs["function"].as_str().unwrap(), &body, Confirmation::Phrase);

    let headers: Value = serde_json::from_str(inputs["headers"].as_str().unwrap()).unwrap();
    let id = "01234567-89ab-4def-8123-456789abcdef";
    let value = |text: &str| match text {
        "$(system.CollectionUri)" => "https://dev.azure.com/example/".to_owned(),
        "$(system.HostType)" => "build".to_owned(),
        "$(system.AccessToken)" => "not-a-real-token".to_owned(),
        other => other.strip_prefix("$(system.").map_or(other.to_owned(), |_| id.to_owned()),
    };
    let bed = bed(&[target("primary", &json!({}))]).await;
    crate::bed::put_backup(&bed);
    // A plan reads the headers as a start does, and calls nobody.
    let answered = async |left_out: &str| {
        let mut request =
            bed.client.post(format!("{}/api/restore?plan=true", bed.url)).body(seed("restore").to_string());
        for (name, text) in headers.as_object().unwrap().iter().filter(|(name, _)| *name != left_out) {
            check_header(name);
            request = request.header(name, value(text.as_str().unwrap()));
        }
        let answer = crate::bed::Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["warnings"].clone()
    };
    assert_eq!(answered("").await, json!([]));
    assert!(answered("AuthToken").await[0].as_str().unwrap().contains("without AuthToken"));
}

#[test]
fn the_workflow_of_github_starts_what_we_take_and_hides_the_link() {
    let workflow = yaml("samples/github-actions.yml");
    assert_eq!(workflow["permissions"], json!({ "id-token": "write" }));
    assert!(workflow["concurrency"]["group"].is_string());
    let step = &workflow["jobs"]["backup"]["steps"][1];
    let script = step["run"].as_str().unwrap();
    let body = serde_json::from_str(step["env"]["BODY"].as_str().unwrap()).unwrap();
    let url = script.split("url = \\\"").nth(1).unwrap().split("\\\"").next().unwrap();
    check(url, &body, Confirmation::Phrase);
    let at = |text: &str| script.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("::add-mask::$link") < at("insist \"url = \\\"$link"));
    for name in ["Idempotency-Key", "Authorization", "Content-Type"] {
        at(&format!("{name}: "));
        check_header(name);
    }
}

#[test]
fn samples_and_documents_name_settings_and_commands_that_there_are() {
    let files = files_below(&root().join("samples"));
    let documents = [root().join("docs/migration.md"), root().join("deny.toml")];
    for file in files.iter().chain(&documents) {
        let text = fs::read_to_string(file).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        for name in words.filter(|word| word.starts_with("APIM_DR_")) {
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{}: {name}", file.display());
        }
    }
    let unit = text("samples/apim-dr.service");
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    Cli::try_parse_from(started.split(' ')).unwrap();
    let container = text("samples/Containerfile");
    let list = |word: &str| -> Vec<String> {
        serde_json::from_str(container.lines().find_map(|line| line.strip_prefix(word)).unwrap()).unwrap()
    };
    Cli::try_parse_from([list("ENTRYPOINT "), list("CMD ")].concat()).unwrap();
    // What the container and the unit set is taken as it is.
    let set = |line: &str, word: &str| {
        line.strip_prefix(word).map(|pair| pair.replace("%S", "/var/lib").replace("%d", "/run"))
    };
    for (text, word) in [(&container, "ENV "), (&unit, "Environment=")] {
        let pairs = text
            .lines()
            .filter_map(|line| set(line, word))
            .filter(|pair| !pair.starts_with("APIM_DR_TARGETS"));
        let pairs = pairs.map(|pair| {
            pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap()
        });
        let keys = ("APIM_DR_KEYS".to_owned(), "backup=not-a-real-key-of-a-backup".to_owned());
        let settings = Settings::read(&pairs.chain([keys]).collect());
        assert_eq!(settings.problems, vec![], "{word}");
        assert!(settings.records.to_string().contains("records"), "{}", settings.records);
    }
}

#[test]
fn the_requests_of_the_migration_document_are_taken() {
    let document = text("docs/migration.md");
    let bodies = document.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let bodies: Vec<Value> = bodies.map(|body| serde_json::from_str(body).unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        check(&format!("/api/{}", body["operation"].as_str().unwrap()), &body, Confirmation::Phrase);
    }
}

#[test]
fn the_table_of_the_samples_names_each_of_them_and_no_other() {
    let table = text("samples/README.md");
    let mut named: Vec<_> =
        table.lines().filter_map(|line| line.strip_prefix("| [")?.split(']').next()).collect();
    named.sort_unstable();
    let files = files_below(&root().join("samples"));
    let there = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap());
    assert_eq!(named, there.filter(|name| *name != "README.md").collect::<Vec<_>>());
    for link in table.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let file = link.split('#').next().unwrap();
        assert!(root().join("samples").join(file).exists(), "{link}");
    }
}

#[tokio::test]
async fn the_script_waits_for_the_end_and_says_by_its_exit_code_how_that_was() {
    const KEY: &str = "key-of-backups-for-the-script";
    let script = root().join("samples/backup.sh");
    assert!(Command::new("sh").arg("-n").arg(&script).status().unwrap().success());
    let mut place = Place::start().await;
    place.set("APIM_DR_KEYS", &format!("backup={KEY}"));
    let server = place.serve().await;
    let run = async |body: Value, key: &str, address: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, body.to_string()).unwrap();
        let mut command = tokio::process::Command::new("sh");
        command.arg(&script).arg(address).arg(file.path()).env("FUNCTIONS_KEY", key).env("TRIES", "1");
        let output = command.output().await.unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(!format!("{out}{err}").contains("t=") && !format!("{out}{err}").contains(key), "{out}{err}");
        (output.status.code().unwrap(), out, err)
    };
    let (code, out, err) = run(seed("backup"), KEY, &server.url).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(r#""runtimeStatus":"Completed""#), "{out}");
    let wrong = but(seed("backup"), &json!({ "clientSecret": "wrong-but-long-enough" }));
    let (code, out, err) = run(wrong, KEY, &server.url).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("AADSTS7000215"), "{err}");
    let (code, _, err) = run(seed("backup"), "no-such-key-of-backups", &server.url).await;
    assert!(code == 2 && err.contains("not started: 401"), "{err}");
    // Nobody is there.
    let (code, _, err) = run(seed("backup"), KEY, "http://127.0.0.1:1").await;
    assert!(code == 2 && err.contains("as far as anybody can tell"), "{err}");
    assert_eq!(place.emulator.accepted("backup"), 1);
}
