//! The hooks: a JSON array of those who are told, read as strictly as the targets.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    MOST_UNKNOWN, Problem,
    fields::{Fields, Noted, Read, Variables},
    json::{self, Json},
};
use crate::domain::{Hook, HookKind, Secret, TargetName, Topic, sendable};

/// Of a secret, in bytes, by Standard Webhooks.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Stands before the base64 of such a secret.
const SECRET_PREFIX: &str = "whsec_";

/// The hooks that could be read, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Hooks {
    pub hooks: Vec<Hook>,
    /// Their fields begin with the element: `hooks[2] (ops).url`.
    pub problems: Vec<Problem>,
    /// What works, and should be otherwise.
    pub warnings: Vec<String>,
}

/// Reads the hooks. Addresses and secrets may be given as `env:NAME`.
pub fn parse(text: &[u8], allow_http_loopback: bool, variables: Variables) -> Hooks {
    let mut read = Hooks::default();
    let items = json::array(text).unwrap_or_else(|problem| {
        let remedy =
            r#"give a JSON array, such as [{"name": "ops", "type": "slack", "url": "env:OPS_SLACK_URL"}]"#;
        read.problems.push(Problem { remedy: remedy.to_owned(), ..problem });
        Vec::new()
    });
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("hooks[{at}]");
        let Json::Object(entries) = item else {
            let detail = format!("{} where an object belongs", item.what());
            let remedy = "write one object in { } for each hook".to_owned();
            read.problems.push(Problem { field: Some(place), detail, remedy });
            continue;
        };
        let mut fields = Fields::referring(entries, variables);
        let name = fields.required::<TargetName>("name");
        let place = name.as_ref().map_or(place.clone(), |name| format!("{place} ({name})"));
        if let Ok(name) = &name
            && read.hooks.iter().any(|hook| hook.name == *name)
        {
            fields.note("name", "the name of another hook, too", "give each hook its own name");
        }
        let hook = hook(name, allow_http_loopback, &mut fields);
        let field = |name: Option<String>| Some(name.map_or(place.clone(), |name| format!("{place}.{name}")));
        let problems = fields.problems.into_iter();
        read.problems.extend(problems.map(|problem| Problem { field: field(problem.field), ..problem }));
        read.warnings.extend(fields.warnings.into_iter().map(|warning| format!("{place}.{warning}")));
        read.hooks.extend(hook);
    }
    read
}

fn hook(name: Read<TargetName>, allow_http_loopback: bool, fields: &mut Fields) -> Read<Hook> {
    let kind = fields.required::<HookKind>("type");
    let url = url(allow_http_loopback, fields);
    let secret = secret(kind, fields);
    let on = topics(kind, fields);
    let targets = targets(fields);
    // Passed over for its spelling, it would be missed on the bad day.
    let unknown: Vec<String> = fields.unknown().take(MOST_UNKNOWN).collect();
    for name in unknown {
        fields.note(&name, "not a field of a hook", "take name, type, url, secret, on or targets");
    }
    let hook = Hook { name: name?, kind: kind?, url: url?, secret: secret?, on: on?, targets: targets? };
    if fields.problems.is_empty() { Ok(hook) } else { Err(Noted) }
}

fn url(allow_http_loopback: bool, fields: &mut Fields) -> Read<Secret> {
    let Some(url) = fields.secret("url")? else {
        let remedy = "give the https:// URL to post to, or env:NAME for the variable that has it";
        return Err(fields.note("url", "missing or empty", remedy));
    };
    match sendable(url.expose(), allow_http_loopback) {
        Ok(_) => Ok(url),
        Err(remedy) => Err(fields.note("url", "not valid", remedy)),
    }
}

/// What is left is base64.
fn secret(kind: Read<HookKind>, fields: &mut Fields) -> Read<Option<Secret>> {
    let Some(secret) = fields.secret("secret")? else { return Ok(None) };
    if kind? != HookKind::Webhook {
        let remedy = "leave it out, or make type webhook";
        return Err(fields.note("secret", "only a webhook is signed", remedy));
    }
    let base64 = secret.expose().strip_prefix(SECRET_PREFIX).unwrap_or(secret.expose());
    match BASE64_STANDARD.decode(base64).map(zeroize::Zeroizing::new) {
        Ok(bytes) if SECRET_BYTES.contains(&bytes.len()) => Ok(Some(Secret::new(base64))),
        _ => {
            let remedy = "give 24 to 64 bytes in base64, as `openssl rand -base64 32` prints them; whsec_ may stand before";
            Err(fields.note("secret", "not valid", remedy))
        }
    }
}

fn topics(kind: Read<HookKind>, fields: &mut Fields) -> Read<BTreeSet<Topic>> {
    let given = fields.all::<Topic>("on")?;
    let kind = kind?;
    let Some(topics) = given else { return Ok(kind.default_topics()) };
    let topics: BTreeSet<Topic> = topics.into_iter().collect();
    if topics.is_empty() {
        let remedy = "name some, or leave it out for the usual ones";
        return Err(fields.note("on", "names nothing that is told", remedy));
    }
    if kind == HookKind::Ping && topics.contains(&Topic::Alarms) {
        let remedy = "leave alarms out, or take another type for them";
        return Err(fields.note("on", "has alarms, and a ping tells of backups alone", remedy));
    }
    Ok(topics)
}

fn targets(fields: &mut Fields) -> Read<Vec<TargetName>> {
    match fields.all("targets")? {
        Some(targets) if targets.is_empty() => {
            Err(fields.note("targets", "names none", "name some, or leave it out for all"))
        }
        targets => Ok(targets.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const URL: &str = "https://hooks.example.com/s3cret?sig=s3cret";
    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(hooks: &Value, allow_http_loopback: bool) -> Hooks {
        let variables = |name: &str| match name {
            "OPS_URL" => Some(Secret::new(URL)),
            "OPS_KEY" => Some(Secret::new(format!("whsec_{KEY}"))),
            "VAULT" => Some(Secret::new("@Microsoft.KeyVault(VaultName=hidden;SecretName=s)")),
            _ => None,
        };
        parse(hooks.to_string().as_bytes(), allow_http_loopback, &variables)
    }

    #[test]
    fn a_hook_has_what_is_usual_for_its_type_unless_it_says_otherwise() {
        let hooks = json!([
            { "name": "bus", "type": "webhook", "url": "env:OPS_URL", "secret": "env:OPS_KEY" },
            { "name": "ops", "type": "teams", "url": URL, "on": ["alarms"], "targets": ["primary", "eu-west"] },
        ]);
        let Hooks { hooks, problems, warnings } = read(&hooks, false);
        assert_eq!(problems, []);
        let [plain] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(plain.starts_with("hooks[1] (ops).url: ") && plain.contains("env:"), "{plain}");
        assert!(!plain.contains("s3cret"), "{plain}");
        let [bus, ops] = hooks.as_slice() else { panic!("{hooks:?}") };
        assert_eq!((bus.url.expose(), bus.secret.as_ref().map(Secret::expose)), (URL, Some(KEY)));
        assert_eq!((&bus.on, bus.targets.len()), (&HookKind::Webhook.default_topics(), 0));
        assert_eq!((&ops.on, ops.targets.len()), (&BTreeSet::from([Topic::Alarms]), 2));
        assert!(!format!("{hooks:?}").contains("s3cret"), "{hooks:?}");
    }

    #[test]
    fn whatever_is_wrong_is_told_with_its_field_and_remedy_and_without_its_value() {
        let rows = [
            (json!({ "name": "s3cret.x" }), "hooks[0].name", "letters"),
            (json!({ "name": null }), "hooks[0].name", "letters"),
            (json!({ "type": "s3cret" }), "hooks[0] (ops).type", "webhook, slack, teams or ping"),
            (json!({ "type": null }), "hooks[0] (ops).type", "webhook, slack, teams or ping"),
            (json!({ "url": null }), "hooks[0] (ops).url", "env:NAME"),
            (json!({ "url": "s3cret" }), "hooks[0] (ops).url", "https://"),
            (json!({ "url": "http://s3cret.example" }), "hooks[0] (ops).url", "https://"),
            (json!({ "url": "http://127.0.0.1/s3cret" }), "hooks[0] (ops).url", "https://"),
            (json!({ "url": "https://me:s3cret@example.com" }), "hooks[0] (ops).url", "leave out user"),
            (json!({ "url": "env:NOBODY" }), "hooks[0] (ops).url", "set it"),
            (json!({ "url": "env:VAULT" }), "hooks[0] (ops).url", "read that vault"),
            (json!({ "url": "@Microsoft.KeyVault(s3cret)" }), "hooks[0] (ops).url", "app setting of its own"),
            (json!({ "url": ["s3cret"] }), "hooks[0] (ops).url", "write it in quotes"),
            (json!({ "secret": "s3cret" }), "hooks[0] (ops).secret", "openssl rand"),
            (json!({ "secret": "whsec_czNjcmV0" }), "hooks[0] (ops).secret", "openssl rand"),
            (json!({ "type": "slack", "secret": "env:OPS_KEY" }), "hooks[0] (ops).secret", "leave it out"),
            (json!({ "on": [] }), "hooks[0] (ops).on", "leave it out"),
            (json!({ "on": ["s3cret"] }), "hooks[0] (ops).on", "started, succeeded, failed or alarms"),
            (json!({ "on": [7] }), "hooks[0] (ops).on", "quotes"),
            (json!({ "on": "failed" }), "hooks[0] (ops).on", "[ ]"),
            (json!({ "type": "ping", "on": ["alarms"] }), "hooks[0] (ops).on", "another type"),
            (json!({ "targets": [] }), "hooks[0] (ops).targets", "leave it out"),
            (json!({ "targets": ["s3cret.x"] }), "hooks[0] (ops).targets", "letters"),
            (json!({ "Name": "ops" }), "hooks[0].name", "leave one"),
            (json!({ "colour": "s3cret" }), "hooks[0] (ops).colour", "take name, type"),
        ];
        for (edits, field, remedy) in rows {
            let mut hook = json!({ "name": "ops", "type": "webhook", "url": URL });
            for (name, value) in edits.as_object().unwrap() {
                hook[name] = value.clone();
            }
            let Hooks { hooks, problems, .. } = read(&json!([hook]), false);
            let [problem] = problems.as_slice() else { panic!("{edits}: {problems:?}") };
            assert_eq!((problem.field.as_deref(), hooks.len()), (Some(field), 0), "{problem}");
            assert!(problem.remedy.contains(remedy), "{remedy:?} in {problem}");
            assert!(!problem.to_string().contains("s3cret"), "{problem}");
        }
    }

    #[test]
    fn one_that_is_wrong_does_not_keep_the_others_from_being_told() {
        let ops = json!({ "name": "ops", "type": "slack", "url": URL });
        let Hooks { hooks, problems, .. } =
            read(&json!([7, ops, { "type": "slack", "url": URL }, ops]), false);
        assert_eq!(hooks.len(), 1);
        let fields: Vec<_> = problems.iter().filter_map(|problem| problem.field.as_deref()).collect();
        assert_eq!(fields, ["hooks[0]", "hooks[2].name", "hooks[3] (ops).name"]);
    }

    #[test]
    fn plain_http_goes_to_this_machine_where_that_is_allowed() {
        let hook = json!([{ "name": "ops", "type": "slack", "url": "http://127.0.0.1:7000/x" }]);
        assert_eq!((read(&hook, true).hooks.len(), read(&hook, false).hooks.len()), (1, 0));
    }

    #[test]
    fn what_is_no_array_is_one_problem_with_an_example() {
        for text in ["{}", "[", "env:OPS_URL", "", "7"] {
            let Hooks { hooks, problems, .. } = parse(text.as_bytes(), false, &|_| None);
            assert_eq!((hooks.len(), problems.len()), (0, 1), "{problems:?}");
            assert!(problems[0].remedy.contains("env:OPS_SLACK_URL"), "{problems:?}");
        }
    }
}
