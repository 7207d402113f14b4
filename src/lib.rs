//! Disaster recovery of Azure API Management: backups and restores that are started once and
//! followed to their real end.
//!
//! Direction: `main -> app -> {cli, triggers} -> workflows -> {ports, domain}`; `azure` and
//! `records` implement `ports`; `payload` turns what callers send into `domain`; `domain` and
//! `emulator` import nothing of ours. `tests/it/architecture.rs` holds this.

pub mod domain;
pub mod emulator;
pub mod ports;
