//! Every setting this version knows: one table for reading, printing and documenting.

use crate::domain::CallbackHosts;

/// A setting, as people read about it.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub meaning: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
    /// Its value is never shown.
    pub secret: bool,
}

const fn plain(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, meaning, default, secret: false }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, meaning, default: "", secret: true }
}

/// In the order in which people meet them.
pub const SETTINGS: &[Setting] = &[
    plain(
        "APIM_DR_RECORDS",
        "file:.apim-dr; under the host azure-webjobs-hosts/apim-dr of AzureWebJobsStorage",
        "where operations are recorded: file:<directory>, memory: or az://<account>/<container>[/<prefix>]",
    ),
    secret(
        "APIM_DR_RECORDS_CONNECTION",
        "what opens the account of az://: a storage connection string or a SAS; default: the app's own identity",
    ),
    secret(
        "AzureWebJobsStorage",
        "the host's storage: a connection string; or __accountName or __blobServiceUri behind it, with __credential and __clientId",
    ),
    plain(
        "APIM_DR_LISTEN",
        "127.0.0.1:7071",
        "address to listen on without a host; one that is not loopback needs APIM_DR_KEYS",
    ),
    secret(
        "APIM_DR_KEYS",
        "keys of callers without a host: backup=<key>,restore=<key>,status=<key>, sent as x-functions-key or ?code=",
    ),
    plain(
        "APIM_DR_REQUIRE_PRINCIPAL",
        "false",
        "true refuses calls that App Service authentication did not let through; only under the host, with that authentication on",
    ),
    plain(
        "APIM_DR_REFUSE_PAYLOAD_SECRETS",
        "false",
        "true refuses bodies over HTTP that bring clientSecret or accessKey",
    ),
    plain(
        "APIM_DR_TARGETS",
        "targets.json, if it is there",
        "what the schedule backs up: a JSON array, or the path of a file with one",
    ),
    plain(
        "APIM_DR_BACKUP_SCHEDULE",
        "0 0 1 * * * (required under the host)",
        "when: NCRONTAB in UTC; targets with a schedule of their own have that",
    ),
    plain(
        "APIM_DR_RPO",
        "26h",
        "how old a target's newest verified recovery point may be; targets with an rpo of their own have that",
    ),
    secret("APIM_DR_NOTIFY", "who is told of operations and alarms: a JSON array of hooks"),
    plain(
        "APIM_DR_CALLBACK_HOSTS",
        CallbackHosts::DEFAULT,
        "hosts that callbackUrl, and the headers of Azure DevOps, may have us call: names, or *. and a suffix; with the port, if it is not 443",
    ),
    plain(
        "APIM_DR_CREDENTIAL",
        "auto",
        "who calls Azure when a request brings no secret: auto, client-secret, managed-identity, workload-identity, azure-cli",
    ),
    plain("AZURE_TENANT_ID", "", "tenant of client-secret"),
    plain("AZURE_CLIENT_ID", "", "application of client-secret; alone: the user-assigned managed identity"),
    secret("AZURE_CLIENT_SECRET", "secret of client-secret"),
    plain("AZURE_SUBSCRIPTION_ID", "", "subscription of backup and restore on the command line"),
    secret("AZURE_STORAGE_KEY", "storage account key of commands"),
    plain("APIM_DR_TOKEN_ENDPOINT", "v2", "Entra ID's token endpoint: v2 (scope) or v1 (resource)"),
    plain("APIM_DR_CLOUD", "public", "public, usgov or china"),
    plain("AZURE_AUTHORITY_HOST", "the cloud's", "Entra ID, in place of the cloud's"),
    plain(
        "APIM_DR_ARM_ENDPOINT",
        "the cloud's",
        "Azure Resource Manager, in place of the cloud's; the only host that gets its tokens",
    ),
    plain("APIM_DR_ARM_AUDIENCE", "the cloud's", "for whom tokens are asked, in place of the cloud's"),
    plain(
        "APIM_DR_BLOB_ENDPOINT",
        "the cloud's",
        "blobs of a storage account, in place of the cloud's, with {account} for its name",
    ),
    secret(
        "APIM_DR_BLOB_CONNECTION",
        "what opens storage accounts of backups whose key no request brings: connection strings, with a key or a SAS, between blanks",
    ),
    plain("APIM_DR_API_VERSION", "2024-05-01", "api-version of API Management"),
    plain(
        "APIM_DR_ALLOW_HTTP_LOOPBACK",
        "false",
        "true lets tokens and keys go over plain http to this machine: for the emulator",
    ),
    plain(
        "APIM_DR_CLOCK",
        "the system's",
        "address of the emulator's clock, to live in its time; only with APIM_DR_ALLOW_HTTP_LOOPBACK=true",
    ),
    secret(
        "APIM_DR_STATE_KEY",
        "32 bytes in base64 that seal credentials and sign links; default: made once, kept in the records",
    ),
    plain("APIM_DR_PUBLIC_URL", "WEBSITE_HOSTNAME, else the request's", "base of the links that callers get"),
    plain(
        "APIM_DR_RESTORE_CONFIRM",
        "operation",
        "what a restore must say: operation (\"operation\": \"restore\") or phrase (\"confirm\": \"RESTORE <instance>\")",
    ),
    plain(
        "APIM_DR_RESTORE_TARGETS",
        "all",
        "the only instances that may be restored into, separated by commas",
    ),
    plain(
        "APIM_DR_STORAGE_ACCOUNTS",
        "all",
        "the only storage accounts that backups may lie in, separated by commas",
    ),
    plain("APIM_DR_BACKUP_DEADLINE", "6h", "how long a backup may wait to start"),
    plain("APIM_DR_RESTORE_DEADLINE", "12h", "how long a restore may wait to start"),
    plain(
        "APIM_DR_SETTLE",
        "20m",
        "how long a service must be seen idle, and the blob unchanged, before a start whose answer was lost counts as not begun",
    ),
    plain("APIM_DR_LOG", "info; of commands other than serve: warn", "what is logged, as a tracing filter"),
];
