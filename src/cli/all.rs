//! `apim-dr backup --all`: every target, opened at once and followed together.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;
use tokio::signal::ctrl_c;

use super::{
    args::Output,
    exit::Exit,
    follow::{Lines, Progress, tell},
    open, print, story,
};
use crate::{
    app::App,
    domain::{Operation, OperationId, Phase, Target},
    settings::Settings,
    view::OperationView,
    workflows::{self, Cause, IfBusy, Step},
};

pub(super) async fn backup(settings: &Settings, output: Output) -> anyhow::Result<Exit> {
    let app = open(settings).await?;
    if app.targets().is_empty() {
        return Ok(Exit::usage("no targets can be backed up (the setting APIM_DR_TARGETS)"));
    }
    let lines = Lines::new();
    let followed = app.targets().iter().map(|target| follow(&app, target, lines.line()));
    let mut followed = Box::pin(join_all(followed));
    let mut interrupted = false;
    let ended = loop {
        tokio::select! {
            ended = &mut followed => break Some(ended),
            signal = ctrl_c(), if !interrupted => {
                signal?;
                interrupted = true;
                app.driver.stop();
                lines.say("stopping after these steps; Ctrl-C again leaves at once");
            }
            _ = ctrl_c(), if interrupted => break None,
        }
    };
    drop(followed);
    let Some(ended) = ended else {
        eprintln!("interrupted; what was started goes on. See it: apim-dr operations list");
        return Ok(Exit::Interrupted);
    };
    for (target, ended) in app.targets().iter().zip(&ended) {
        match ended {
            Ok(operation) if output == Output::Table => {
                print(&format!("{}: {}", target.name, story::ending(operation)))?;
            }
            Ok(_) => {}
            Err(error) => eprintln!("error: {}: {error:#}", target.name),
        }
    }
    if output == Output::Json {
        let rows = app.targets().iter().zip(&ended).map(|(target, ended)| {
            json!({ "target": target.name, "operation": ended.as_ref().ok().map(OperationView::from) })
        });
        print(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?)?;
    }
    let operations = || ended.iter().flatten();
    let open = operations().filter(|operation| !operation.phase.is_closed()).count();
    if open > 0 {
        eprintln!("{open} not over; the server goes on with them, or: apim-dr operations follow <id>");
    }
    let closed: Vec<_> =
        operations().filter(|operation| operation.phase.is_closed()).map(|operation| operation.id).collect();
    tell(&app, &closed).await;
    let in_phase = |phase| operations().filter(|operation| operation.phase == phase).count();
    let (succeeded, skipped) = (in_phase(Phase::Succeeded), in_phase(Phase::Skipped));
    Ok(match succeeded {
        _ if interrupted && open > 0 => Exit::Interrupted,
        all if all == ended.len() && settings.schedule_problems().next().is_none() => Exit::Ok,
        0 if skipped == ended.len() => Exit::Skipped,
        0 => Exit::Failed,
        _ => Exit::Partial,
    })
}

/// Opens a target's backup, and drives it as far as it goes.
async fn follow(app: &Arc<App>, target: &Target, progress: Progress) -> anyhow::Result<Operation> {
    let plan = target.by_hand(app.ports().azure.now());
    let opened = workflows::open(app.ports(), plan, &target.credentials, &Cause::Request, IfBusy::Wait)
        .await?
        .operation;
    let id: OperationId = opened.id;
    let mut newest = opened;
    let drive = app.driver.drive(id, jiff::Timestamp::MAX, |operation| {
        progress.show_named(target.name.as_str(), operation);
        newest = operation.clone();
    });
    let driven = drive.await;
    progress.finish();
    match driven {
        Some(Ok(Step { operation, .. })) => Ok(operation),
        Some(Err(error)) => Err(error.into()),
        // It was told to stop before the first step.
        None => Ok(newest),
    }
}
