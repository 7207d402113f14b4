//! `apim-dr backup`, `apim-dr restore`.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
};

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::{
    args::{BackupArgs, OrderArgs, RestoreArgs},
    exit::Exit,
    follow, open, plan, screen,
};
use crate::{
    domain::{Kind, Secret, Target},
    payload::{self, Confirmation, Order, Parsed, StartPolicy},
    settings::Settings,
    workflows::{self, Cause, IfBusy},
};

pub(super) async fn backup(args: BackupArgs, settings: Settings) -> anyhow::Result<Exit> {
    let mut body = body(&args.order, &settings)?;
    for (field, value) in [("nameSuffix", args.name_suffix), ("timeZone", args.time_zone)] {
        if let Some(value) = value {
            body = with_field(&body, field, value);
        }
    }
    if let Some(text) = args.retention {
        // What is no JSON stays a text, and the parser says what it should be.
        let rules = serde_json::from_str(&text).unwrap_or(Value::String(text));
        body = with_field(&body, "retention", rules);
    }
    start(Kind::Backup, &body, &args.order, settings).await
}

/// A restore overwrites a whole service: whoever orders it writes its name.
pub(super) async fn restore(args: RestoreArgs, settings: Settings) -> anyhow::Result<Exit> {
    let mut without = body(&args.order, &settings)?;
    for (field, value) in [("backup", args.backup), ("at", args.at), ("source", args.source)] {
        if let Some(value) = value {
            without = with_field(&without, field, value);
        }
    }
    if args.safety_backup {
        without = with_field(&without, "safetyBackup", true);
    }
    if args.plan {
        return plan::plan(&without, &args.order, settings).await;
    }
    let phrase = match args.yes {
        Some(phrase) => phrase,
        None if io::stdin().is_terminal() && args.order.payload.as_deref() != Some("-") => {
            ask(&without, &settings.targets)?
        }
        None => return Ok(Exit::usage("a restore overwrites the instance: add --yes \"RESTORE <name>\"")),
    };
    let body = with_field(&without, "confirm", phrase);
    let policy = StartPolicy { confirm: Confirmation::Phrase, ..settings.start_policy };
    start(Kind::Restore, &body, &args.order, Settings { start_policy: policy, ..settings }).await
}

async fn start(kind: Kind, body: &[u8], args: &OrderArgs, settings: Settings) -> anyhow::Result<Exit> {
    let Some(Order { plan, choice, credentials }) = order(kind, body, &settings) else {
        return Ok(Exit::Usage);
    };
    let app = open(&settings).await?;
    let cause = Cause::request(&plan, &choice);
    let plan = match workflows::choose(app.ports(), plan, &choice, credentials.access_key.as_ref()).await {
        Ok(plan) => plan,
        Err(error @ workflows::Error::NoRecoveryPoint { .. }) => {
            eprintln!("error: {error}");
            return Ok(Exit::NotFound);
        }
        Err(error) => return Err(error.into()),
    };
    let opened = workflows::open(app.ports(), plan, &credentials, &cause, IfBusy::Wait).await?;
    let id = opened.operation.id;
    if opened.joined {
        screen::note(&format!("the same is open already, as operation {id}: following that one"));
        if let Some(callback) = &credentials.callback
            && !workflows::is_told(app.ports(), &opened.operation, callback).await
        {
            eprintln!("warning: it does not call back as this payload asks: what it was opened with counts");
        }
    }
    follow::run(&app, id, args.no_wait, args.output).await
}

/// Reads the payload, and says what is wrong with it.
pub(super) fn order(kind: Kind, body: &[u8], settings: &Settings) -> Option<Order> {
    let order = payload::parse(kind, body, &settings.start_policy, &settings.targets).and_then(
        |Parsed { payload, warnings }| Ok((payload.into_order(&settings.hooks.callbacks)?, warnings)),
    );
    match order {
        Ok((order, warnings)) => {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            Some(order)
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            None
        }
    }
}

/// The payload: what was given whole, with the options laid over it.
fn body(args: &OrderArgs, settings: &Settings) -> anyhow::Result<Vec<u8>> {
    let mut body = match args.payload.as_deref() {
        Some("-") => {
            let mut body = Vec::new();
            io::stdin().read_to_end(&mut body).context("standard input cannot be read")?;
            body
        }
        Some(path) => fs::read(path).with_context(|| format!("{path} cannot be read"))?,
        None => b"{}".to_vec(),
    };
    let key = args.storage_account_key.as_ref().map(Secret::expose);
    let options = [
        ("target", args.target.as_deref()),
        ("resourceGroup", args.resource_group.as_deref()),
        ("apimInstance", args.name.as_deref()),
        ("backupName", args.backup_name.as_deref()),
        ("storageAccount", args.storage_account_name.as_deref()),
        ("containerName", args.storage_account_container.as_deref()),
        ("accessKey", key),
        ("accessType", args.access_type.as_deref()),
        ("clientId", args.client_id.as_deref()),
        ("subscriptionId", args.subscription.as_deref()),
        ("ignore", args.ignore.as_deref()),
    ];
    for (field, value) in options {
        if let Some(value) = value {
            body = with_field(&body, field, value);
        }
    }
    // A target brings its own.
    if has(&body, "target") {
        return Ok(body);
    }
    if let Some(subscription) = settings.subscription.as_deref().filter(|_| !has(&body, "subscriptionId")) {
        body = with_field(&body, "subscriptionId", subscription);
    }
    let access_is_said = ["accessKey", "accessType", "clientId"].iter().any(|field| has(&body, field));
    if let Some(key) = settings.storage_key.as_ref().filter(|_| !access_is_said) {
        body = with_field(&body, "accessKey", key.expose());
    }
    Ok(body)
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

fn has(body: &[u8], field: &str) -> bool {
    object(body).is_some_and(|object| object.keys().any(|key| key.eq_ignore_ascii_case(field)))
}

/// Lays one field over a payload. What is no object stays as it is: the parser says what is wrong with it.
fn with_field(body: &[u8], field: &str, value: impl Into<Value>) -> Vec<u8> {
    let Some(mut object) = object(body) else { return body.to_vec() };
    object.retain(|key, _| !key.eq_ignore_ascii_case(field));
    object.insert(field.to_owned(), value.into());
    Value::Object(object).to_string().into_bytes()
}

/// Asks on the terminal.
fn ask(body: &[u8], targets: &[Target]) -> anyhow::Result<String> {
    let field = |name: &str| {
        let field = object(body)?.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        field.and_then(|(_, value)| value.as_str().map(str::to_owned)).filter(|value| !value.is_empty())
    };
    let of_target = || {
        let named = field("target")?;
        let target = targets.iter().find(|target| target.name.as_str() == named);
        target.map(|target| target.plan.service.name.to_string())
    };
    let name = field("apimInstance").or_else(of_target).unwrap_or_else(|| "<name>".to_owned());
    eprint!("This overwrites {name}. Type RESTORE {name} to go on: ");
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
