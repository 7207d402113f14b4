//! Commands and flags. az's spellings work.

mod local;
mod order;

use std::net::SocketAddr;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(super) use local::{Auth, EmulateArgs, EmulatedClock, PackageArgs};
pub(super) use order::{BackupArgs, DrillArgs, DrillBackup, OrderArgs, RestoreArgs};

use crate::domain::{OperationId, Secret, is_identity_id};

/// Disaster recovery of Azure API Management.
#[derive(Debug, Parser)]
#[command(name = "apim-dr", version, about, max_term_width = 100)]
pub struct Cli {
    /// Only the result, warnings and errors: no progress and no hints
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP and timer triggers: under the Functions host, or stand-alone
    Serve {
        /// Address to listen on without a host [default: 127.0.0.1:7071]
        #[arg(long)]
        listen: Option<SocketAddr>,
        /// Take only calls that App Service authentication let through, whatever the settings say
        #[arg(long)]
        require_principal: bool,
    },
    /// Back an API Management instance up, and follow it to its end
    Backup(BackupArgs),
    /// Restore an API Management instance from a backup, and follow it to its end
    Restore(RestoreArgs),
    /// Try a recovery point of a target out: restore it into the instance that is there for drills, and tell how long
    /// that takes
    Drill(DrillArgs),
    /// What was recorded of operations
    Operations {
        #[command(subcommand)]
        command: OperationsCommand,
    },
    /// How it stands with the targets, by the records alone: ok (0), at risk or failing (2)
    Status(StatusArgs),
    /// Look at a target, or at all, as before a backup: 0, or 4 and what is in the way
    Check {
        /// A configured target [default: all]
        target: Option<String>,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Compare a primary with its standby on what a backup does not carry: ready (0), at risk or not ready (2)
    Compare(CompareArgs),
    /// The recovery points, and what else lies in their containers
    List {
        #[command(flatten)]
        place: PlaceArgs,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// One recovery point: what is known of it
    Show {
        /// The name of its blob, or the operation that made it
        #[arg(value_name = "NAME")]
        point: String,
        #[command(flatten)]
        place: PlaceArgs,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Delete the recovery points that no rule keeps
    Prune {
        /// Only say what would go, and why the rest stays
        #[arg(long)]
        dry_run: bool,
        /// The rules, such as {"keepDaily": 7, "keepWeekly": 4} [default: those of the target]
        #[arg(long, value_name = "JSON")]
        retention: Option<String>,
        /// Whose days and weeks these are, by its IANA or Windows name [default: the target's, else UTC]
        #[arg(long, value_name = "ZONE", requires = "retention")]
        time_zone: Option<String>,
        #[command(flatten)]
        place: PlaceArgs,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// The catalogue of recovery points
    Catalog {
        #[command(subcommand)]
        command: CatalogCommand,
    },
    /// The managed identities of an API Management instance
    Identity {
        #[command(subcommand)]
        command: IdentityCommand,
    },
    /// Those who are told of operations and alarms
    Notify {
        #[command(subcommand)]
        command: NotifyCommand,
    },
    /// How to fail over: the runbook's chapter, with the names of a target
    Runbook(RunbookArgs),
    /// What the schedule backs up
    Targets {
        #[command(subcommand)]
        command: TargetsCommand,
    },
    /// What an error of Azure means and what helps; without a code everything that is known
    Explain {
        /// A code, a status, or all of what Azure said, as it was logged or printed
        #[arg(value_names = ["CODE", "MESSAGE"])]
        said: Vec<String>,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Print the JSON Schema of the payload
    Schema {
        /// That of the targets instead
        #[arg(long, conflicts_with = "status")]
        targets: bool,
        /// That of what `status --output json` and the status page's JSON say
        #[arg(long)]
        status: bool,
    },
    /// Print what completes commands and options in a shell
    Completions { shell: Shell },
    /// Print every setting, its value and its meaning; secrets are hidden
    Settings {
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Write the package that the Functions host runs, or check one
    Package(PackageArgs),
    /// Run a small Azure on this machine, to try things on
    Emulate(EmulateArgs),
    /// Back up and restore on the embedded emulator: no account, no network, nothing left behind
    Demo {
        /// Go on serving when it is over, to look at the status page, until Ctrl-C
        #[arg(long)]
        stay: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum OperationsCommand {
    /// The newest operations
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// One operation as a story
    Show {
        /// As the answer to a start or the list gives it
        id: OperationId,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Stop watching an open operation: what waits is not started, what Azure does goes on
    Cancel {
        /// As the answer to a start or the list gives it
        id: OperationId,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Follow an open operation to its end
    Follow {
        /// As the answer to a start or the list gives it
        id: OperationId,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Make it anew from the recorded operations, and compare it with what lies in the containers
    Rebuild {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Take in backups that other tools left: from then on retention counts them, and may delete them
    Adopt {
        /// Names of blobs
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All that look like backups of a tool that we know
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Resource group of the API Management instance, without a target
        #[arg(long, short = 'g')]
        resource_group: Option<String>,
        /// [default: `AZURE_SUBSCRIPTION_ID`]
        #[arg(long)]
        subscription: Option<String>,
        #[command(flatten)]
        place: PlaceArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a test to a hook, or to all, and say what came of it
    Test {
        /// A configured hook [default: all]
        name: Option<String>,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Which it has, and for a target whether its own may write to the storage account
    Show {
        #[command(flatten)]
        service: IdentityArgs,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Give it identities; those that it has stay
    #[command(group = ArgGroup::new("which").required(true).multiple(true))]
    Enable {
        #[command(flatten)]
        service: IdentityArgs,
        /// The system-assigned one
        #[arg(long, group = "which")]
        system: bool,
        /// A user-assigned one; may be repeated
        #[arg(long, value_name = "RESOURCE_ID", value_parser = identity_id, group = "which")]
        user: Vec<String>,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Take identities away; those that are not named stay
    #[command(group = ArgGroup::new("which").required(true).multiple(true))]
    Disable {
        #[command(flatten)]
        service: IdentityArgs,
        /// The system-assigned one
        #[arg(long, group = "which")]
        system: bool,
        /// A user-assigned one; may be repeated
        #[arg(long, value_name = "RESOURCE_ID", value_parser = identity_id, group = "which")]
        user: Vec<String>,
        /// All of them
        #[arg(long, group = "which", conflicts_with_all = ["system", "user"])]
        all: bool,
        /// Do not ask, even if none is left
        #[arg(long)]
        yes: bool,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A configured target, and all that is known of it [default: all]
    pub(super) target: Option<String>,
    /// Look again every five seconds, until Ctrl-C
    #[arg(long)]
    pub(super) watch: bool,
    #[arg(long, short, value_enum, default_value_t)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub struct RunbookArgs {
    /// A configured target: what is lost
    pub(super) target: String,
    /// The instance that takes over: its name, if it is in the same resource group, or its resource id [default: the
    /// target's standby]
    #[arg(long, value_name = "INSTANCE")]
    pub(super) standby: Option<String>,
}

/// Whose identities.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// A configured target: stands in for what is not given
    #[arg(long)]
    pub(super) target: Option<String>,
    /// Name of the API Management instance
    #[arg(long, short)]
    pub(super) name: Option<String>,
    /// Its resource group
    #[arg(long, short = 'g')]
    pub(super) resource_group: Option<String>,
    /// [default: `AZURE_SUBSCRIPTION_ID`]
    #[arg(long)]
    pub(super) subscription: Option<String>,
}

fn identity_id(text: &str) -> Result<String, &'static str> {
    const REMEDY: &str = "give a resource id: /subscriptions/.../resourceGroups/.../providers/Microsoft.ManagedIdentity/\
                          userAssignedIdentities/...";
    if is_identity_id(text) { Ok(text.to_owned()) } else { Err(REMEDY) }
}

/// Where recovery points are looked for. Without any: in the containers of all targets, and wherever one was recorded.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// A configured target: its instance and its container
    #[arg(long, conflicts_with_all = ["name", "storage_account_name"])]
    pub(super) target: Option<String>,
    /// Name of the API Management instance
    #[arg(long, short)]
    pub(super) name: Option<String>,
    /// Storage account: its name, not its address
    #[arg(long, requires = "storage_account_container")]
    pub(super) storage_account_name: Option<String>,
    /// Container
    #[arg(long, requires = "storage_account_name")]
    pub(super) storage_account_container: Option<String>,
    /// Better given as `AZURE_STORAGE_KEY`: others on this machine can read a command line
    #[arg(long)]
    pub(super) storage_account_key: Option<Secret>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A configured target; or an instance by its name or its resource id
    pub(super) primary: String,
    /// The other instance: its name, if it is in the same resource group, or its resource id [default: the target's
    /// standby]
    pub(super) standby: Option<String>,
    /// Resource group of the primary, if that is given by its name
    #[arg(long, short = 'g')]
    pub(super) resource_group: Option<String>,
    /// [default: `AZURE_SUBSCRIPTION_ID`]
    #[arg(long)]
    pub(super) subscription: Option<String>,
    #[arg(long, short, value_enum, default_value_t)]
    pub(super) output: Output,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum TargetsCommand {
    /// The targets, and when each is next backed up
    List {
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Check the targets and their schedules: 0, or 64 and every problem
    Validate {
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_is_one_that_can_be_parsed() {
        Cli::command().debug_assert();
    }
}
