//! Flags of what stays on this machine: the emulator, the package.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

#[derive(Debug, Args)]
pub struct EmulateArgs {
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub(in crate::cli) listen: SocketAddr,
    /// Seconds in Retry-After; 60 is what Azure was recorded to send
    #[arg(long, default_value_t = 60)]
    pub(in crate::cli) retry_after: u32,
    /// Seconds that a backup or a restore takes
    #[arg(long, default_value_t = 543)]
    pub(in crate::cli) operation_seconds: u64,
    /// Its time: the system's, or one that stands still until it is advanced
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) clock: EmulatedClock,
    /// When a manual clock begins, such as 2026-11-21T01:00:00Z [default: now]
    #[arg(long, value_name = "INSTANT")]
    pub(in crate::cli) start: Option<Timestamp>,
    /// A real blob service on this machine to write backups to and restore them from, such as Azurite at
    /// <http://127.0.0.1:10000/{account}> [default: the emulator's own]
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) blob_endpoint: Option<String>,
}

/// What drives the emulator's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum EmulatedClock {
    #[default]
    System,
    /// `POST /_emulator/clock/advance` with {"seconds": 60} moves it, and whoever has it as `APIM_DR_CLOCK`
    Manual,
}

#[derive(Debug, Args)]
pub struct PackageArgs {
    /// Only look at a package, a zip file or a folder, as the host would: 0, or 1 and what is wrong with it
    #[arg(long, value_name = "ZIP|FOLDER", conflicts_with_all = ["zip", "folder", "program", "targets", "auth"])]
    pub(in crate::cli) check: Option<PathBuf>,
    /// The zip file to write
    #[arg(long, value_name = "FILE", default_value = "apim-dr.zip", conflicts_with = "folder")]
    pub(in crate::cli) zip: PathBuf,
    /// Write it unpacked into this folder instead
    #[arg(long)]
    pub(in crate::cli) folder: Option<PathBuf>,
    /// The program to pack [default: this one]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) program: Option<PathBuf>,
    /// A file of targets to pack as targets.json
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) targets: Option<PathBuf>,
    /// Who lets callers in
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) auth: Auth,
    /// Take a program that needs libraries of the host
    #[arg(long)]
    pub(in crate::cli) allow_dynamic: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Auth {
    /// Function keys
    #[default]
    Keys,
    /// App Service authentication
    EasyAuth,
}
