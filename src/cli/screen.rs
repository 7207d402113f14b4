//! What is said on a terminal beside a command's result.

use std::{
    future::Future,
    io::{IsTerminal as _, stderr},
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Set once, before the command runs: whether only results, warnings and errors are wanted.
static QUIET: AtomicBool = AtomicBool::new(false);
/// What takes longer shows that it goes on.
const LONG: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether somebody watches the progress of what is done.
pub(super) fn is_watched() -> bool {
    stderr().is_terminal() && !is_quiet()
}

/// Says something that helps, and is neither the result nor a problem.
pub(super) fn note(text: &str) {
    if !is_quiet() {
        eprintln!("{text}");
    }
}

/// A line with the elapsed time that moves; hidden where nobody watches.
pub(super) fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
        bar.set_style(style);
    }
    if is_watched() {
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Does the work, and shows meanwhile what is being done if that takes long. The work itself prints nothing.
pub(super) async fn waiting<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if !is_watched() {
        return work.await;
    }
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(LONG) => {}
    }
    let bar = bar().with_message(what).with_elapsed(LONG);
    let done = work.await;
    bar.finish_and_clear();
    done
}
