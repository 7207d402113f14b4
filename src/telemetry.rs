//! Logs: one JSON line per event, or text on a terminal.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The server's log. Only stdout: the Functions host reads every line of stderr as an error.
pub fn to_stdout(filter: &str) {
    init(filter, io::stdout, io::stdout().is_terminal());
}

/// A command's log: its stdout is its result.
pub fn to_stderr(filter: &str) {
    init(filter, io::stderr, true);
}

/// `filter` is a tracing filter; one that cannot be read counts as `info`.
fn init<W>(filter: &str, writer: W, text: bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = Registry::default().with(filter);
    // Fails if somebody logs already, as a test may: then theirs stays.
    let _ = if text {
        registry.with(fmt::layer().with_writer(writer).with_target(false)).try_init()
    } else {
        let json = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(json.with_writer(writer)).try_init()
    };
}
