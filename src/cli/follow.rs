//! Follows one operation to its end, showing where it stands.

use std::{sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use jiff::Timestamp;

use super::{args::Output, exit::Exit, print, screen, story};
use crate::{
    app::App,
    domain::{Operation, OperationId, Phase, later},
    view::{OperationView, sentence, story::headline},
    workflows::{self, Error, Step},
};

pub(super) async fn follow(app: &Arc<App>, id: OperationId, output: Output) -> anyhow::Result<Exit> {
    run(app, id, false, output).await
}

/// Asks for the cancellation, and carries it out if that is safe now.
pub(super) async fn cancel(app: &Arc<App>, id: OperationId, output: Output) -> anyhow::Result<Exit> {
    let asked = match workflows::request_cancel(app.ports(), id).await {
        Ok(operation) => operation,
        Err(Error::NotFound(id)) => return Ok(not_found(id)),
        Err(error) => return Err(error.into()),
    };
    if asked.phase.is_closed() && asked.phase != Phase::Canceled {
        report(&asked, output)?;
        eprintln!("error: it had ended already; there is nothing to cancel");
        return Ok(Exit::Failed);
    }
    let driven = app.driver.drive(id, app.ports().clock.now(), |_| ()).await.transpose()?;
    let operation = driven.map_or(asked, |step| step.operation);
    report(&operation, output)?;
    if !operation.phase.is_closed() {
        eprintln!(
            "it is cancelled as soon as it is certain whether Azure took it: apim-dr operations follow {id}"
        );
    }
    Ok(Exit::Ok)
}

fn not_found(id: OperationId) -> Exit {
    eprintln!("error: there is no operation {id} in the records");
    Exit::NotFound
}

/// Drives an operation to its end; with `no_wait` only as far as it comes without waiting.
pub(super) async fn run(
    app: &Arc<App>,
    id: OperationId,
    no_wait: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let progress = Progress::new();
    let until = if no_wait { later(app.ports().clock.now(), FIRST_STEPS) } else { Timestamp::MAX };
    let mut newest = None;
    let drive = app.driver.drive(id, until, |operation| {
        progress.show(operation);
        newest = Some(operation.clone());
        if no_wait && operation.phase >= Phase::Running {
            app.driver.stop();
        }
    });
    let mut drive = Box::pin(drive);
    let mut interrupted = false;
    let driven = loop {
        tokio::select! {
            driven = &mut drive => break driven,
            signal = tokio::signal::ctrl_c(), if !interrupted => {
                signal?;
                interrupted = true;
                app.driver.stop();
                progress.say("stopping after this step; Ctrl-C again leaves at once");
            }
            _ = tokio::signal::ctrl_c(), if interrupted => break None,
        }
    };
    drop(drive);
    progress.finish();
    let operation = match driven {
        Some(Ok(Step { operation, .. })) => operation,
        Some(Err(Error::NotFound(id))) => return Ok(not_found(id)),
        Some(Err(error)) => return Err(error.into()),
        None => match newest {
            Some(operation) => operation,
            None => return Ok(left(id, None)),
        },
    };
    if operation.phase.is_closed() {
        let exit = report(&operation, output)?;
        tell(app, &[id]).await;
        return Ok(exit);
    }
    if interrupted {
        return Ok(left(id, Some(&operation)));
    }
    report(&operation, output)?;
    screen::note(&format!("it is not over; follow it: apim-dr operations follow {id}"));
    // Without waiting, what cannot start now is busy.
    Ok(if operation.phase == Phase::Pending { Exit::Skipped } else { Exit::Ok })
}

/// How long the steps may take that need no waiting.
const FIRST_STEPS: Duration = Duration::from_secs(5);

/// How long telling may take: what is not told then is the server's to tell.
const TELLING: Duration = Duration::from_secs(10);

/// Carries the letters of these operations. What there is to say was said, so Ctrl-C ends it as well.
pub(super) async fn tell(app: &App, ids: &[OperationId]) {
    let telling = screen::waiting("telling whoever wants to know", app.deliver(Some(ids)));
    tokio::select! {
        told = tokio::time::timeout(TELLING, telling) => {
            if told.is_err() {
                screen::note("not everybody could be told within 10 seconds; the server tries again");
            }
        }
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// What Ctrl-C leaves behind.
fn left(id: OperationId, operation: Option<&Operation>) -> Exit {
    let waits_for = operation.and_then(Operation::waits_for);
    let what = match operation.map(|operation| operation.phase) {
        Some(Phase::Pending) if waits_for.is_some() => {
            "its safety backup may go on in Azure, and nobody starts the restore until it is followed again"
        }
        Some(Phase::Running | Phase::Verifying) => "Azure goes on with it",
        Some(Phase::Pending) => "nothing runs in Azure, but the operation stays open",
        _ => "Azure may have taken it",
    };
    eprintln!("interrupted; {what}. Follow it: apim-dr operations follow {id}");
    Exit::Interrupted
}

/// Prints how it ended, or how far it came.
fn report(operation: &Operation, output: Output) -> anyhow::Result<Exit> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&OperationView::from(operation))?)?,
        Output::Table => print(&story::ending(operation))?,
    };
    Ok(Exit::of(operation))
}

/// Several operations on one screen: a line for each on a terminal; elsewhere a line for each change.
pub(super) struct Lines {
    screen: MultiProgress,
    terminal: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        let terminal = screen::is_watched();
        Self { screen: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), terminal }
    }

    pub(super) fn line(&self) -> Progress {
        let progress = Progress::new();
        if self.terminal { Progress { bar: self.screen.add(progress.bar), ..progress } } else { progress }
    }

    pub(super) fn say(&self, message: &str) {
        // A screen that cannot be drawn has nobody to tell.
        if !self.terminal || self.screen.println(message).is_err() {
            screen::note(message);
        }
    }
}

/// A bar with the elapsed time on a terminal; elsewhere a line for each change.
pub(super) struct Progress {
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self { bar: screen::bar(), terminal: screen::is_watched() }
    }

    fn show(&self, operation: &Operation) {
        self.say(&headline(operation));
    }

    fn say(&self, message: &str) {
        if self.terminal {
            self.bar.set_message(message.to_owned());
        } else if self.bar.message() != message {
            screen::note(message);
            self.bar.set_message(message.to_owned());
        }
    }

    /// One of several.
    pub(super) fn show_named(&self, name: &str, operation: &Operation) {
        self.say(&format!("{name}: {}", sentence(operation)));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
