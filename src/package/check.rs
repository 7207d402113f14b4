//! A package as the host would see it.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use super::{FUNCTION, FUNCTIONS, File, REQUIRE_PRINCIPAL, binary, secrets};
use crate::{domain::Schedule, settings::SETTINGS};

/// What is wrong with a package, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A file, or the package as a whole.
    pub at: String,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.at, self.what, self.remedy)
    }
}

/// Whether the program may need libraries of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linking {
    /// One file for every host.
    Static,
    Any,
}

/// What a look at a package found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub faults: Vec<Fault>,
    /// Settings that its functions name: the host indexes no function whose setting is missing.
    pub settings: BTreeSet<String>,
}

const ANEW: &str = "make the package anew with `apim-dr package`";

impl Checked {
    fn fault(&mut self, at: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault { at: at.to_owned(), what: what.into(), remedy: remedy.into() });
    }
}

/// Looks at the files of a package.
pub fn check(files: &[File], linking: Linking) -> Checked {
    let mut checked = Checked::default();
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let Some(host) = find("host.json") else {
        let inner = files.iter().find(|file| file.path.ends_with("/host.json"));
        let what =
            inner.map_or("is missing".to_owned(), |inner| format!("lies in a folder, as {}", inner.path));
        checked.fault(
            "host.json",
            what,
            "the host looks for it at the package's root: zip the files, not their folder",
        );
        return checked;
    };
    let arguments = check_host(host, find, linking, &mut checked);
    let anonymous = check_functions(files, &mut checked);
    let demands = arguments.iter().any(|argument| argument == REQUIRE_PRINCIPAL);
    if !anonymous.is_empty() && !demands {
        let what = format!(
            "{} {} anonymous: anybody could call",
            anonymous.join(", "),
            if anonymous.len() > 1 { "are" } else { "is" }
        );
        let remedy = "take `apim-dr package --auth easy-auth`, which lets in only whom App Service authentication signed in; or the level \"function\"";
        checked.fault("host.json", what, remedy);
    }
    for file in files {
        if file.mode.is_none_or(|mode| mode & 0o444 != 0o444) {
            checked.fault(&file.path, "may not be read by everybody, or the zip does not say", ANEW);
        }
        if let Some((what, remedy)) = secrets::fault(file) {
            checked.fault(&file.path, what, remedy);
        }
    }
    checked
}

/// The program and how it is started. Gives its arguments.
fn check_host<'a>(
    host: &File,
    find: impl Fn(&str) -> Option<&'a File>,
    linking: Linking,
    checked: &mut Checked,
) -> Vec<String> {
    // What is no JSON is told of any file.
    let Ok(json) = serde_json::from_slice::<Value>(&host.bytes) else { return Vec::new() };
    if json["version"] != "2.0" {
        checked.fault(&host.path, "version is not \"2.0\"", ANEW);
    }
    let handler = &json["customHandler"];
    for switch in ["enableForwardingHttpRequest", "enableProxyingHttpRequest"] {
        if handler[switch] != true {
            checked.fault(&host.path, format!("customHandler.{switch} is not true"), ANEW);
        }
    }
    let description = &handler["description"];
    let arguments = description["arguments"].as_array().into_iter().flatten();
    let arguments: Vec<String> =
        arguments.filter_map(|argument| argument.as_str().map(str::to_owned)).collect();
    if arguments.first().is_none_or(|first| first != "serve") {
        checked.fault(&host.path, "customHandler.description.arguments does not begin with \"serve\"", ANEW);
    }
    let path = description["defaultExecutablePath"].as_str().unwrap_or_default();
    match find(path) {
        None => {
            let what = format!(
                "customHandler.description.defaultExecutablePath is {path:?}, which is not in the package"
            );
            checked.fault(&host.path, what, ANEW);
        }
        Some(program) => {
            if program.mode.is_none_or(|mode| mode & 0o111 != 0o111) {
                // The host sets it on some plans only.
                checked.fault(
                    path,
                    "is not executable, or the zip does not say",
                    "give it the mode 0755, and zip it on Linux or with `apim-dr package`",
                );
            }
            if let Some((what, remedy)) = binary::fault(&program.bytes, linking) {
                checked.fault(path, what, remedy);
            }
        }
    }
    arguments
}

/// Each function is there as this version serves it. Gives those that need a caller to be known and are anonymous.
fn check_functions(files: &[File], checked: &mut Checked) -> Vec<String> {
    let mut anonymous = Vec::new();
    for (path, ours) in FUNCTIONS {
        let name = path.trim_end_matches(FUNCTION);
        let Some(file) = files.iter().find(|file| file.path == path) else {
            checked.fault(path, "is missing", ANEW);
            continue;
        };
        // Ours are JSON.
        let mut expected: Value = serde_json::from_str(ours).unwrap_or_default();
        let Ok(mut given) = serde_json::from_slice::<Value>(&file.bytes) else { continue };
        if !given["bindings"][0].is_object() {
            checked.fault(path, "has no binding", ANEW);
            continue;
        }
        let level = given["bindings"][0]["authLevel"].take();
        let needed = expected["bindings"][0]["authLevel"].take();
        if level == "anonymous" && needed != "anonymous" {
            anonymous.push(name.to_owned());
        } else if level != needed && !(needed == "function" && level == "admin") {
            checked.fault(path, format!("authLevel is {level}, not {needed}"), ANEW);
        }
        if expected["bindings"][0]["schedule"].is_string()
            && let Some(schedule) = given["bindings"][0]["schedule"].as_str()
        {
            check_schedule(path, schedule, checked);
            expected["bindings"][0]["schedule"].take();
            given["bindings"][0]["schedule"].take();
        }
        if given != expected {
            checked.fault(path, "differs from what this version serves", ANEW);
        }
    }
    let functions = files.iter().filter(|file| file.path.ends_with(FUNCTION));
    for file in functions.filter(|file| FUNCTIONS.iter().all(|(path, _)| file.path != *path)) {
        checked.fault(&file.path, "a function that this version does not serve", "leave it out");
    }
    anonymous
}

fn check_schedule(path: &str, schedule: &str, checked: &mut Checked) {
    let setting = schedule.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    match setting {
        Some(name) if SETTINGS.iter().any(|setting| setting.name == name) => {
            checked.settings.insert(name.to_owned());
        }
        Some(name) => {
            checked.fault(path, format!("schedule is the setting {name}, which nobody knows"), ANEW);
        }
        None if schedule.parse::<Schedule>().is_err() => {
            checked.fault(path, format!("the schedule {schedule:?} is none that fires"), Schedule::REMEDY);
        }
        None => {}
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
