//! How the public repository checks, builds and releases: its workflows name what there is, and what it depends on may be.

use std::{collections::BTreeSet, process::Command};

use serde_json::{Value, json};

use crate::{
    architecture::files_below,
    samples::{root, text, yaml},
};

const WORKFLOWS: [&str; 3] = ["ci.yml", "package.yml", "release.yml"];

fn workflow(name: &str) -> Value {
    yaml(&format!(".github/workflows/{name}"))
}

/// The steps of all jobs of a workflow.
fn steps(workflow: &Value) -> Vec<Value> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.filter_map(|job| job["steps"].as_array()).flatten().cloned().collect()
}

fn printed(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_yaml_parses_and_every_script_in_it_is_one_of_bash() {
    let folders = [".github", "samples", "azure.yaml"].map(|name| root().join(name));
    let files = folders.iter().filter(|path| path.exists()).flat_map(|path| files_below(path));
    let mut scripts = 0;
    for file in files {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap();
        if !file.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            continue;
        }
        let document = yaml(name);
        let Some(jobs) = document["jobs"].as_object() else { continue };
        for script in jobs
            .values()
            .filter_map(|job| job["steps"].as_array())
            .flatten()
            .filter_map(|step| step["run"].as_str())
        {
            // What comes from outside goes in by the environment, so that it is never part of a script.
            assert!(!script.contains("${{"), "{name}: {script}");
            let ended = Command::new("bash").args(["-n", "-c", script]).status().unwrap();
            assert!(ended.success(), "{name}: {script}");
            scripts += 1;
        }
    }
    assert!(scripts >= 8, "{scripts}");
}

#[test]
fn actions_of_strangers_are_pinned_to_a_commit_and_rights_are_given_only_where_they_are_needed() {
    for name in WORKFLOWS {
        let workflow = workflow(name);
        assert_eq!(workflow["permissions"], json!({ "contents": "read" }), "{name}");
        for (job, content) in workflow["jobs"].as_object().unwrap() {
            let more = !content["permissions"].is_null();
            assert_eq!(more, (name, job.as_str()) == ("release.yml", "release"), "{name}: {job}");
            if let Some(file) = content["uses"].as_str() {
                assert!(root().join(file.strip_prefix("./").unwrap()).exists(), "{file}");
            } else {
                assert!(content["timeout-minutes"].is_number(), "{name}: {job}");
            }
        }
    }
    let samples = ["samples/github-actions.yml"].map(yaml);
    let actions = WORKFLOWS
        .map(workflow)
        .iter()
        .chain(&samples)
        .flat_map(steps)
        .filter_map(|step| step["uses"].as_str().map(str::to_owned))
        .collect::<Vec<_>>();
    for action in actions {
        let (name, version) = action.split_once('@').unwrap();
        let tag = version
            .strip_prefix('v')
            .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
        let commit = version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Whoever runs the workflow, or is deployed to, is trusted to move a tag.
        let known = ["actions/", "azure/"].iter().any(|owner| name.starts_with(owner));
        assert!(commit || known && tag, "{action}");
    }
}

#[test]
fn what_is_built_has_a_profile_and_a_target_that_exist_and_the_rust_that_is_promised() {
    let manifest = text("Cargo.toml");
    let package = workflow("package.yml");
    let target = package["env"]["TARGET"].as_str().unwrap();
    let targets = printed(Command::new("rustc").args(["--print", "target-list"]));
    assert!(targets.lines().any(|known| known == target), "{target}");
    let scripts: String = steps(&package).iter().filter_map(|step| step["run"].as_str()).collect();
    let builds: Vec<_> =
        scripts.lines().filter(|line| line.trim_start().starts_with("cargo build")).collect();
    assert_eq!(builds.len(), 2, "{scripts}");
    for build in builds {
        let profile = build.split("--profile ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(manifest.contains(&format!("\n[profile.{profile}]\n")), "{profile}");
        assert!(scripts.contains(&format!("/{profile}/apim-dr")) && build.contains("--locked"), "{build}");
    }
    let rust = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    let image = workflow("ci.yml")["jobs"]["check"]["container"]["image"].as_str().unwrap().to_owned();
    assert!(image.starts_with(&format!("rust:{rust}-")), "{image}");
    assert!(scripts.contains(&format!("rustup default {rust}\n")), "{scripts}");
    for update in yaml(".github/dependabot.yml")["updates"].as_array().unwrap() {
        let folder = update["directory"].as_str().unwrap();
        assert!(root().join(folder.trim_start_matches('/')).is_dir(), "{folder}");
    }
}

#[test]
fn a_release_is_refused_unless_its_tag_is_the_version() {
    let release = workflow("release.yml");
    let script = release["jobs"]["version"]["steps"][1]["run"].as_str().unwrap();
    let refused = |tag: &str| {
        let mut command = Command::new("bash");
        let ended =
            command.args(["-e", "-c", script]).env("GITHUB_REF_NAME", tag).current_dir(root()).output();
        !ended.unwrap().status.success()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert!(!refused(&format!("v{version}")));
    assert!(refused("v999.0.0") && refused(version) && refused(""));
}

#[test]
fn nothing_is_released_that_did_not_pass_all_checks() {
    let (release, ci) = (workflow("release.yml")["jobs"].clone(), workflow("ci.yml"));
    assert_eq!(
        (&release["check"]["needs"], &release["release"]["needs"]),
        (&json!("version"), &json!("check"))
    );
    assert_eq!(release["check"]["uses"], "./.github/workflows/ci.yml");
    assert_eq!(ci["jobs"]["package"]["uses"], "./.github/workflows/package.yml");
    for callable in [&ci, &workflow("package.yml")] {
        assert!(callable["on"].as_object().unwrap().contains_key("workflow_call"));
    }
    let checks = steps(&ci);
    assert!(checks.iter().any(|step| step["run"] == ".ci/run"));
    assert!(checks.iter().any(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("cargo-deny"))));
    assert!(ci["jobs"].as_object().unwrap().values().all(|job| job["if"].is_null()));
}

/// The texts of a list in deny.toml.
fn listed<'a>(deny: &'a str, list: &str) -> BTreeSet<&'a str> {
    let list = deny.split(&format!("\n{list} = [\n")).nth(1).unwrap().split("\n]").next().unwrap();
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether an expression of SPDX can be kept with these licenses alone. Those who write a slash mean `OR`.
fn kept(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let kept = any(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "{expression}");
    kept
}

fn any(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let mut kept = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        kept |= all(words, at, allowed);
    }
    kept
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let mut kept = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        kept &= one(words, at, allowed);
    }
    kept
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let kept = any(words, at, allowed);
        *at += 1;
        return kept;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
        return allowed.contains(&*format!("{word} WITH {}", words[*at - 1]));
    }
    allowed.contains(word)
}

#[test]
fn expressions_of_licenses_are_read_as_they_are_meant() {
    let allowed = BTreeSet::from(["A", "B"]);
    for (expression, expected) in [
        ("A", true),
        ("C", false),
        ("C OR A", true),
        ("C/A", true),
        ("A AND C", false),
        ("A AND C OR B", true),
        ("A AND (C OR B)", true),
        ("(C OR D) AND A", false),
        ("A WITH x", false),
        ("A WITH x OR B", true),
    ] {
        assert_eq!(kept(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn what_is_shipped_has_licenses_that_are_allowed_and_one_tls_library() {
    let tree = printed(Command::new(env!("CARGO")).args([
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p};{l}",
    ]));
    let deny = text("deny.toml");
    let (allowed, banned) = (listed(&deny, "allow"), listed(&deny, "deny"));
    assert!(banned.contains("openssl-sys") && allowed.contains("MIT"));
    let packages: BTreeSet<_> = tree.lines().collect();
    assert!(packages.len() > 100, "{tree}");
    for package in packages {
        let (name, license) = package.split_once(';').unwrap();
        assert!(kept(license, &allowed), "{name}: {license}");
        assert!(!banned.contains(name.split(' ').next().unwrap()), "{name}");
    }
    // Each is there for somebody: on other systems there is webpki-root-certs, too.
    let needed = |license: &str| tree.contains(license) || license == "CDLA-Permissive-2.0";
    assert!(allowed.iter().all(|license| needed(license)), "{allowed:?}");
    assert!(text("Cargo.lock").contains("name = \"webpki-root-certs\""));
}
