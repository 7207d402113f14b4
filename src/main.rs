//! Parses the command line, runs one command, prints what went wrong, sets the exit code.

use apim_dr::{
    cli::{self, Cli, Command, Exit},
    settings::{Environment, Settings},
    telemetry,
};
use clap::Parser as _;

#[tokio::main]
async fn main() -> Exit {
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
    cli::run(cli.command, settings, &environment).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Exit::Failed
    })
}
