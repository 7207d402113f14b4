//! The server: under the Functions host, or stand-alone, where it also follows what is open by itself.

mod connections;

use std::{future::Future, io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::net::TcpListener;

use crate::{app::Gate, triggers};

pub use connections::Limits;

/// Pause before an app that could not be opened is tried again.
const PAUSE: Duration = Duration::from_secs(10);
/// How long steps that are under way may take once the process was told to stop. The platform waits longer, but
/// whoever stops a process wants it gone; what is cut short is carried on from the journal.
const GRACE: Duration = Duration::from_millis(1500);

/// Serves until `stop` completes.
pub async fn serve(
    gate: Arc<Gate>,
    listener: TcpListener,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let settings = gate.settings();
    for problem in &settings.problems {
        tracing::error!(setting = problem.setting, "bad setting: {problem}");
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(address = %listener.local_addr()?, records = %settings.records, "listening");
    let stopping = tokio_util::sync::CancellationToken::new();
    let server = connections::serve(listener, triggers::router(gate.clone()), limits, stopping.clone());
    let watch = (!settings.under_host).then(|| tokio::spawn(follow_what_is_open(gate.clone())));
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended,
        () = stop => stopping.cancel(),
    }
    tracing::info!("stopping; what is open is carried on from the journal");
    let finish = async {
        if let Some(app) = gate.opened() {
            app.driver.stop();
            app.settle().await;
        }
        server.await
    };
    // Too slow is no error: every step is in the journal or never happened.
    let finished = tokio::time::timeout(GRACE, finish).await.unwrap_or(Ok(()));
    if let Some(watch) = watch {
        watch.abort();
    }
    finished
}

/// Stand-alone there is no timer that asks us to look.
async fn follow_what_is_open(gate: Arc<Gate>) {
    loop {
        if let Ok(app) = gate.app().await {
            // It never ends by itself. What ended it must not end the schedule for the life of the process.
            if AssertUnwindSafe(app.pursue_what_is_open()).catch_unwind().await.is_err() {
                tracing::error!("looking for what is due and open ended in a panic; it begins again");
            }
        }
        gate.clock().sleep(PAUSE).await;
    }
}

/// Completes on SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
