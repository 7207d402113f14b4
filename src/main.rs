//! Parses the command line, runs one command, prints what went wrong, sets the exit code.

use std::time::Duration;

use apim_dr::{
    cli::{self, Cli, Command, Exit},
    domain,
    settings::{Environment, Settings},
    telemetry,
};
use clap::Parser as _;

/// In what is shipped. That of musl is slow, and asks the system again and again.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// How long what blocks a thread (a name that is not resolved, a disk that hangs) may keep the process from
/// ending: nothing that matters waits for it.
const PATIENCE: Duration = Duration::from_millis(100);

fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing can only fail when nobody reads.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
    let variables = std::env::vars_os();
    let environment: Environment = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let settings = Settings::read(&environment);
    match cli.command {
        Command::Serve { .. } => telemetry::to_stdout(&settings.log),
        _ => telemetry::to_stderr(environment.get("APIM_DR_LOG").unwrap_or("warn")),
    }
    let ended = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(cli::run(cli, settings, &environment));
        runtime.shutdown_timeout(PATIENCE);
        ended
    });
    ended.unwrap_or_else(|error| {
        eprintln!("error: {}", domain::shown(&format!("{error:#}")));
        Exit::Failed
    })
}
