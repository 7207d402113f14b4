//! Thousands of trials of the whole program that is killed at any moment. See `tests/chaos`.
//!
//! `cargo run --release --example chaos -- --trials 5000`; with `--processes` after `cargo build --release`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the trials")]

#[path = "../tests/chaos/mod.rs"]
mod chaos;

use std::{env, path::PathBuf, process::ExitCode, time::Instant};

use chaos::{Tally, Way};
use clap::Parser;
use indicatif::ProgressBar;

/// Kills the program at any moment, lets everything fail, and looks whether its promises hold.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many trials.
    #[arg(long, default_value_t = 100)]
    trials: u64,
    /// The number of the first one; the others count on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instances are processes: the program beside this one, as `cargo build` with the same profile leaves it. Linux only.
    #[arg(long)]
    processes: bool,
    /// Go on after a promise was broken.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let Arguments { trials, seed, processes, keep_going } = Arguments::parse();
    let way = if processes { Way::Processes(program()) } else { Way::Within };
    let began = Instant::now();
    let (mut tally, mut broken) = (Tally::default(), 0);
    let bar = ProgressBar::new(trials);
    for seed in seed..seed.saturating_add(trials) {
        match chaos::run(seed, &way) {
            Ok(trial) => tally.add(trial),
            Err(found) => {
                broken += 1;
                let more = if processes { " --processes" } else { "" };
                bar.suspend(|| {
                    println!("{found}");
                    println!("again: cargo run --release --example chaos -- --seed {seed} --trials 1{more}");
                });
                if !keep_going {
                    return ExitCode::FAILURE;
                }
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{tally}{:>8.1} s", began.elapsed().as_secs_f64());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `target/{profile}/apim-dr`, beside `target/{profile}/examples/chaos`.
fn program() -> PathBuf {
    let own = env::current_exe().unwrap();
    let program = own.parent().unwrap().with_file_name(format!("apim-dr{}", env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not there: build the program first", program.display());
    program
}
