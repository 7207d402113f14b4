//! The command line: commands and flags, and what each prints.

mod all;
mod args;
mod catalog;
mod check;
mod compare;
mod compare_text;
#[cfg(test)]
mod documents;
mod drill;
mod exit;
mod explain;
mod follow;
mod identity;
mod list;
mod notify;
mod operations;
mod package;
mod place;
mod plan;
mod prune;
mod runbook;
mod screen;
mod start;
mod status;
mod story;
mod targets;

use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::CommandFactory as _;
use tokio::net::TcpListener;

pub use args::{Cli, Command};
pub use exit::Exit;

use crate::{
    app::{App, Gate},
    clock, demo,
    domain::{Report, shown},
    payload,
    ports::{Clock as _, SystemClock},
    serve,
    settings::{Environment, SETTINGS, Settings},
};
use args::{EmulatedClock, OperationsCommand, Output};
use exit::UsageError;

/// Runs one command.
pub async fn run(cli: Cli, settings: Settings, environment: &Environment) -> anyhow::Result<Exit> {
    if cli.quiet {
        screen::be_quiet();
    }
    match dispatch(cli.command, settings, environment).await {
        Err(error) if error.is::<UsageError>() => Ok(Exit::usage(&error.to_string())),
        Err(error) => {
            eprintln!("{}", shown(&explain::told_with_remedy(&error)));
            Ok(Exit::Failed)
        }
        ended => ended,
    }
}

async fn dispatch(
    command: Command,
    mut settings: Settings,
    environment: &Environment,
) -> anyhow::Result<Exit> {
    match command {
        Command::Serve { listen, require_principal } => {
            if require_principal && !settings.under_host {
                return Ok(Exit::usage(
                    "--require-principal: only under the Functions host; set APIM_DR_KEYS instead",
                ));
            }
            if require_principal {
                settings.demand_principal(environment);
            }
            let listen = listen.filter(|_| !settings.under_host).unwrap_or(settings.listen);
            if !listen.ip().is_loopback() && settings.caller_keys.is_none() {
                return Ok(Exit::usage("--listen: an address that is not loopback needs APIM_DR_KEYS"));
            }
            // First of all: what this process does from now on, it does in this time.
            let clock = clock::open(settings.clock.as_ref()).await?;
            let listener =
                TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
            let gate = Arc::new(Gate::new(settings, clock));
            serve::serve(gate, listener, serve::Limits::of_this_process(), serve::stop_signal()).await?;
            Ok(Exit::Ok)
        }
        Command::Backup(args) if args.all => Box::pin(all::backup(&settings, args.order.output)).await,
        Command::Backup(args) => Box::pin(start::backup(args, settings)).await,
        Command::Restore(args) => Box::pin(start::restore(args, settings)).await,
        Command::Drill(args) => Box::pin(drill::drill(args, &settings)).await,
        Command::Operations { command } => match command {
            OperationsCommand::List { limit, output } => {
                operations::list(&open(&settings).await?, limit, output).await
            }
            OperationsCommand::Show { id, output } => {
                operations::show(&open(&settings).await?, id, output).await
            }
            OperationsCommand::Cancel { id, output } => {
                follow::cancel(&open(&settings).await?, id, output).await
            }
            OperationsCommand::Follow { id, output } => {
                follow::follow(&open(&settings).await?, id, output).await
            }
        },
        Command::Compare(args) => Box::pin(compare::compare(&args, &settings)).await,
        Command::Status(args) => status::status(&args, &settings).await,
        Command::Check { target, output } => check::check(target.as_deref(), &settings, output).await,
        Command::List { place, output } => {
            Box::pin(list::list(&*open(&settings).await?, &place, &settings, output)).await
        }
        Command::Show { point, place, output } => {
            Box::pin(list::show(&*open(&settings).await?, &point, &place, &settings, output)).await
        }
        Command::Prune { dry_run, retention, time_zone, place, output } => {
            let pruning = prune::Pruning { dry_run, retention, time_zone };
            Box::pin(prune::prune(&*open(&settings).await?, pruning, &place, &settings, output)).await
        }
        Command::Catalog { command } => {
            Box::pin(catalog::run(&*open(&settings).await?, command, &settings)).await
        }
        Command::Identity { command } => Box::pin(identity::run(command, &settings)).await,
        Command::Notify { command } => notify::run(command, &settings).await,
        Command::Runbook(args) => runbook::runbook(&args, &settings),
        Command::Targets { command } => targets::run(command, &settings).await,
        Command::Explain { said, output } => explain::explain(&said, output),
        Command::Schema { targets, status } => {
            let schema = match (targets, status) {
                (true, _) => payload::targets_schema(),
                (_, true) => schemars::schema_for!(Report).to_value(),
                _ => payload::schema().to_value(),
            };
            print(&serde_json::to_string_pretty(&schema)?)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "apim-dr", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())
        }
        Command::Settings { output } => print_settings(&settings, environment, output),
        Command::Package(args) => package::package(&args),
        Command::Emulate(args) => {
            if !args.listen.ip().is_loopback() {
                // It asks nobody for a key, and lies as it is told to.
                return Ok(Exit::usage("--listen: the emulator listens on loopback only"));
            }
            let start = match (args.clock, args.start) {
                (EmulatedClock::System, None) => None,
                (EmulatedClock::System, Some(_)) => {
                    return Ok(Exit::usage("--start: only with --clock manual"));
                }
                (EmulatedClock::Manual, start) => Some(start.unwrap_or_else(|| SystemClock.now())),
            };
            let operation = Duration::from_secs(args.operation_seconds);
            demo::emulate(args.listen, args.retry_after, operation, start, args.blob_endpoint).await?;
            Ok(Exit::Ok)
        }
        Command::Demo { stay } => {
            demo::run(environment, stay).await.map(|told| if told { Exit::Ok } else { Exit::Interrupted })
        }
    }
}

/// Opens the app, or says what is in the way.
async fn open(settings: &Settings) -> anyhow::Result<Arc<App>> {
    for problem in settings.schedule_problems().chain(settings.hook_problems()) {
        eprintln!("warning: {problem}");
    }
    let clock = clock::open(settings.clock.as_ref()).await?;
    Ok(Arc::new(App::open(settings, clock).await?))
}

/// Targets that are given in the setting itself, and addresses with a user in them, may hold secrets.
fn may_hold_secret(value: &str) -> bool {
    value.trim_start().starts_with(['[', '{']) || value.contains('@')
}

/// Every setting with its value and where that comes from; secrets hidden, nothing asked of the network.
fn print_settings(settings: &Settings, environment: &Environment, output: Output) -> anyhow::Result<Exit> {
    let value = |setting: &crate::settings::Setting| match environment.get(setting.name) {
        Some(value) if setting.secret || may_hold_secret(value) => {
            (crate::domain::Secret::HIDDEN, "environment")
        }
        Some(value) => (value, "environment"),
        None => (setting.default, "default"),
    };
    if output == Output::Json {
        let rows = SETTINGS.iter().map(|setting| {
            let (value, source) = value(setting);
            serde_json::json!({ "name": setting.name, "value": value, "source": source, "meaning": setting.meaning })
        });
        let all = serde_json::json!({
            "settings": rows.collect::<Vec<_>>(), "problems": settings.problems, "warnings": settings.warnings,
        });
        print(&serde_json::to_string_pretty(&all)?)?;
    } else {
        for setting in SETTINGS {
            let (value, source) = value(setting);
            print(&format!("{} = {value}  ({source})\n    {}", setting.name, setting.meaning))?;
        }
        for line in settings.problems.iter().map(ToString::to_string).chain(settings.warnings.iter().cloned())
        {
            eprintln!("warning: {line}");
        }
    }
    Ok(if settings.problems.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// Prints to stdout what may have words of others in it.
fn print(text: &str) -> anyhow::Result<Exit> {
    print_as_it_is(&shown(text))
}

/// Prints to stdout; a reader that went away is no error.
fn print_as_it_is(text: &str) -> anyhow::Result<Exit> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Ok),
    }
}
