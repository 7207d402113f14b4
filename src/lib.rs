//! Disaster recovery of Azure API Management: backups and restores that are started once and
//! followed to their real end.
//!
//! Direction: `main -> cli -> {demo, serve} -> triggers -> app -> workflows -> {ports, domain}`. `app`
//! puts the adapters `azure`, `records` and `hooks` behind `ports`; `payload`, `view` and `status_page` turn
//! what callers send and see from and into `domain`; `domain` and `emulator` import nothing of ours. `fuzz` is built for
//! tests only.
//! `tests/it/architecture.rs` holds this.

pub mod app;
pub mod azure;
pub mod cli;
pub mod clock;
pub mod demo;
pub mod domain;
pub mod emulator;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod hooks;
pub mod keys;
pub mod metrics;
pub mod package;
pub mod payload;
pub mod ports;
pub mod records;
pub mod serve;
pub mod settings;
mod status_page;
pub mod telemetry;
mod triggers;
mod view;
pub mod workflows;
