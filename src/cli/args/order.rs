//! Flags of what starts something: backup, restore, drill.

use clap::{Args, ValueEnum};

use super::Output;
use crate::domain::Secret;

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Back up every configured target, all at once
    #[arg(long, conflicts_with_all = [
        "payload", "resource_group", "name", "backup_name", "storage_account_name", "storage_account_container",
        "storage_account_key", "access_type", "client_id", "subscription", "no_wait", "name_suffix", "time_zone",
        "target", "retention", "ignore",
    ])]
    pub(in crate::cli) all: bool,
    #[command(flatten)]
    pub(in crate::cli) order: OrderArgs,
    /// What to append to the backup's name: date, or a template of {name}, {instance}, {date}, {time} and {utc};
    /// with {name} it is the whole name
    #[arg(long, value_name = "TEMPLATE")]
    pub(in crate::cli) name_suffix: Option<String>,
    /// Whose date and time that is, by its IANA or Windows name [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) time_zone: Option<String>,
    /// Which older recovery points stay once this one was verified, such as {"keepDaily": 7} [default: all]
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) retention: Option<String>,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    pub(in crate::cli) order: OrderArgs,
    /// The recovery point to read: latest, latest-verified, or the name of its blob
    #[arg(long, conflicts_with = "backup_name")]
    pub(in crate::cli) backup: Option<String>,
    /// The newest recovery point that was started up to this instant, such as 2026-11-21T01:00:00Z
    #[arg(long, value_name = "INSTANT", conflicts_with = "backup_name")]
    pub(in crate::cli) at: Option<String>,
    /// Only say what the restore would do, and what speaks against it
    #[arg(long)]
    pub(in crate::cli) plan: bool,
    /// Back the instance up first, and restore only once that backup was verified
    #[arg(long)]
    pub(in crate::cli) safety_backup: bool,
    /// The instance whose recovery point it is [default: that of the target, else the one that is restored]
    #[arg(long, value_name = "INSTANCE")]
    pub(in crate::cli) source: Option<String>,
    /// RESTORE and the name of the instance: what you would type if you were asked
    #[arg(long, value_name = "PHRASE")]
    pub(in crate::cli) yes: Option<String>,
}

#[derive(Debug, Args)]
pub struct DrillArgs {
    /// A configured target that has a drill
    pub(in crate::cli) target: String,
    /// The recovery point to try out
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) backup: DrillBackup,
    /// Do not wait: return when Azure has taken it (0), or when it cannot start now (5)
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
    #[arg(long, short, value_enum, default_value_t)]
    pub(in crate::cli) output: Output,
}

/// Which recovery point a drill tries out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DrillBackup {
    /// The newest
    Latest,
    /// The newest that was verified
    #[default]
    LatestVerified,
    /// Any that was verified and has not expired
    Random,
}

/// The order, from options, from a payload, or both: an option wins over the payload's field.
#[derive(Debug, Args)]
pub(in crate::cli) struct OrderArgs {
    /// A payload as it would be posted: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) payload: Option<String>,
    /// A configured target: stands in for what is not given
    #[arg(long)]
    pub(in crate::cli) target: Option<String>,
    /// Resource group of the API Management instance
    #[arg(long, short = 'g')]
    pub(in crate::cli) resource_group: Option<String>,
    /// Name of the API Management instance
    #[arg(long, short)]
    pub(in crate::cli) name: Option<String>,
    /// Blob that the backup writes or the restore reads
    #[arg(long)]
    pub(in crate::cli) backup_name: Option<String>,
    /// Storage account of that blob: its name, not its address
    #[arg(long)]
    pub(in crate::cli) storage_account_name: Option<String>,
    /// Container of that blob
    #[arg(long)]
    pub(in crate::cli) storage_account_container: Option<String>,
    /// Better given as `AZURE_STORAGE_KEY`: others on this machine can read a command line
    #[arg(long)]
    pub(in crate::cli) storage_account_key: Option<Secret>,
    /// How API Management reaches the storage account: `AccessKey`, `SystemAssignedManagedIdentity` or
    /// `UserAssignedManagedIdentity`
    #[arg(long)]
    pub(in crate::cli) access_type: Option<String>,
    /// Client id of API Management's user-assigned identity
    #[arg(long)]
    pub(in crate::cli) client_id: Option<String>,
    /// [default: `AZURE_SUBSCRIPTION_ID`]
    #[arg(long)]
    pub(in crate::cli) subscription: Option<String>,
    /// Codes of findings, with commas between, that are not to keep it from its start
    #[arg(long, value_name = "CODES")]
    pub(in crate::cli) ignore: Option<String>,
    /// Do not wait: return when Azure has taken it (0), or when it cannot start now (5)
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
    #[arg(long, short, value_enum, default_value_t)]
    pub(in crate::cli) output: Output,
}
