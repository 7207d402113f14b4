//! End to end: the app over HTTP, as a process and as a command line, against the emulator.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod adoption;
mod architecture;
#[path = "../azurite/server.rs"]
mod azurite;
mod azurite_backups;
mod bed;
mod browser;
mod catalog;
mod checks;
mod choices;
mod clock;
mod commands;
mod comparison;
mod containers;
mod delivery;
mod demo;
mod drills;
mod endurance;
mod explain;
mod faults;
mod functions;
mod guard;
mod guarded;
mod hooks;
mod host;
mod http;
mod identity;
mod log_fields;
mod logged;
mod looks;
mod matrix;
mod outage;
mod owners;
mod package;
mod payloads;
mod places;
mod preflight;
mod process;
mod prune;
mod recordings;
mod repeats;
mod replicas;
mod reports;
mod retention;
mod runbook;
mod samples;
mod secrets;
mod security;
mod status_command;
mod status_page;
mod targets;
mod threats;
mod tls;
mod verification;
