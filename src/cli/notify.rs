//! `apim-dr notify test`: tries out whether hooks work.

use futures::future::join_all;
use serde_json::json;

use super::{
    args::{NotifyCommand, Output},
    exit::{Exit, usage},
    print,
};
use crate::{
    clock,
    domain::{Hook, Notice, Recipient},
    hooks::{Limits, Messenger},
    ports::{Hooks as _, NotDelivered},
    settings::Settings,
};

pub(super) async fn run(command: NotifyCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let NotifyCommand::Test { name, output } = command;
    for problem in settings.hook_problems() {
        eprintln!("warning: {problem}");
    }
    let hooks: Vec<&Hook> = match &name {
        None => settings.hooks.hooks.iter().collect(),
        Some(name) => vec![hook(settings, name)?],
    };
    let clock = clock::open(settings.clock.as_ref()).await?;
    let notice = Notice::test(clock.now());
    let messenger = Messenger::new(settings.hooks.clone(), Limits::default(), clock);
    let sendings = hooks.into_iter().map(|hook| {
        let to = Recipient::Hook(hook.name.clone());
        let (messenger, notice) = (&messenger, &notice);
        async move { (hook, messenger.send(notice, &to).await) }
    });
    let tried: Vec<Tried> = join_all(sendings).await;
    // One that cannot be read is not told, either.
    let all_read = name.is_some() || settings.hook_problems().next().is_none();
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&tried.iter().map(view).collect::<Vec<_>>())?)?,
        Output::Table if tried.is_empty() && all_read => {
            print("no hooks are configured: set APIM_DR_NOTIFY")?
        }
        Output::Table if tried.is_empty() => Exit::Failed,
        Output::Table => print(&tried.iter().map(line).collect::<Vec<_>>().join("\n"))?,
    };
    let all_arrived = tried.iter().all(|(_, outcome)| outcome.is_ok());
    Ok(if all_arrived && all_read { Exit::Ok } else { Exit::Failed })
}

/// The hook of that name.
fn hook<'a>(settings: &'a Settings, name: &str) -> anyhow::Result<&'a Hook> {
    settings.hooks.hooks.iter().find(|hook| hook.name.as_str() == name).ok_or_else(|| {
        let names: Vec<_> = settings.hooks.hooks.iter().map(|hook| hook.name.as_str()).collect();
        let remedy = match names.as_slice() {
            [] => "the setting APIM_DR_NOTIFY has no hooks".to_owned(),
            names => format!("take one of {}", names.join(", ")),
        };
        usage(format!("{name}: not a configured hook; {remedy}"))
    })
}

type Tried<'a> = (&'a Hook, Result<(), NotDelivered>);

fn view((hook, outcome): &Tried) -> serde_json::Value {
    let reason = outcome.as_ref().err().map(|not_delivered| &not_delivered.reason);
    json!({ "name": hook.name, "type": hook.kind.as_str(), "delivered": outcome.is_ok(), "reason": reason })
}

fn line((hook, outcome): &Tried) -> String {
    let came = match outcome {
        Ok(()) => "delivered",
        Err(NotDelivered { reason, .. }) => reason,
    };
    format!("{:<20}  {:<7}  {came}", hook.name.as_str(), hook.kind.as_str())
}
