//! The body as a JSON Schema, for people, editors and generators.
//!
//! Describes the canonical spelling; the parser takes names and fixed words in any case. What fields
//! mean together (credentials, ways to the storage account) is said in words.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Value, json};

const GUID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const DOMAIN_LABEL: &str = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const NAME_SUFFIX: &str = r"^(date|([^\p{Cc}\\?#{}]|\{(name|instance|date|time|utc)\})*\{(date|utc)\}([^\p{Cc}\\?#{}]|\{(name|instance|date|time|utc)\})*)$";
const SERVICE_NAME: &str = "[a-zA-Z]([a-zA-Z0-9-]{0,48}[a-zA-Z0-9])?";

/// A name, or a resource id whose fixed parts are in any case.
const INSTANCE: &str =
    "^([a-zA-Z]([a-zA-Z0-9-]{0,48}[a-zA-Z0-9])?|/.+/.+/.+/.+/.+/.+/.+/[a-zA-Z][a-zA-Z0-9-]*)$";

/// The body's JSON Schema, draft 2020-12.
pub fn schema() -> Schema {
    schema_for!(Body)
}

/// What an element of the targets has beyond the payload's fields.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the element; `parse_targets` reads it")]
struct Element {
    /// Unique among the targets.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"), example = &"primary")]
    name: String,
    /// When it is backed up: NCRONTAB in UTC. Absent: as the setting `APIM_DR_BACKUP_SCHEDULE` says.
    #[schemars(example = &"0 0 1 * * *")]
    schedule: Option<String>,
    /// Whose days and clock the names of its backups have, by its IANA or Windows name. Absent: UTC.
    #[schemars(example = &"Pacific/Auckland", example = &"New Zealand Standard Time")]
    time_zone: Option<String>,
    /// What the names of its backups have beyond `backupName`, as the payload's. Absent: `date`.
    #[schemars(regex(pattern = NAME_SUFFIX), example = &"date", example = &"{instance}/{name}_{utc}.apimbackup")]
    name_suffix: Option<String>,
    /// How old its newest verified recovery point may be, such as `26h`, `90m` or `PT6H`. Absent: as the setting
    /// `APIM_DR_RPO` says.
    #[schemars(example = &"26h", example = &"PT6H")]
    rpo: Option<String>,
    /// The instance that is to take over: its name, in the target's resource group, or its resource id.
    #[schemars(regex(pattern = INSTANCE), example = &"sampleapim-standby")]
    standby: Option<String>,
    /// An instance that is there for drills alone: they overwrite it. Its name, in the target's resource group, or its
    /// resource id. Never what a target backs up, nor a standby.
    #[schemars(regex(pattern = INSTANCE), example = &"sampleapim-drill")]
    drill: Option<String>,
    /// When a drill is held: NCRONTAB in UTC. Absent: only by hand.
    #[schemars(example = &"0 0 3 * * SUN")]
    drill_schedule: Option<String>,
}

/// The JSON Schema of `APIM_DR_TARGETS`: the payload's fields, as far as a scheduled backup has them, and those of
/// its own. A secret may be given as `env:NAME`.
pub fn targets_schema() -> Value {
    const OF_A_REQUEST: [&str; 8] =
        ["operation", "confirm", "callbackUrl", "target", "source", "backup", "at", "safetyBackup"];
    let (mut own, mut payload) = (schema_for!(Element).to_value(), schema().to_value());
    let (mut properties, of_payload) = (own["properties"].take(), payload["properties"].take());
    if let (Some(properties), Value::Object(of_payload)) = (properties.as_object_mut(), of_payload) {
        for (name, mut schema) in of_payload {
            if OF_A_REQUEST.contains(&name.as_str()) || properties.contains_key(&name) {
                continue;
            }
            if name == "accessKey" || name == "clientSecret" {
                schema["examples"] = json!(["env:PRIMARY_SECRET"]);
            }
            properties.insert(name, schema);
        }
    }
    let required =
        [&own["required"], &payload["required"]].map(|names| names.as_array().cloned().unwrap_or_default());
    let required = [required.concat(), vec!["backupName".into()]].concat();
    json!({
        "$schema": payload["$schema"],
        "title": "apim-dr targets",
        "type": "array",
        "$defs": payload["$defs"],
        "items": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        },
    })
}

/// Which recovery points to keep: restic's rules, each of which is enough. Without any, all stay. The newest that was
/// verified always does, and what nobody may delete.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "describes the object; `Options` reads it")]
struct Retention {
    /// The newest ones.
    keep_last: Option<u32>,
    /// The newest one of each of so many hours that have one.
    keep_hourly: Option<u32>,
    /// The newest one of each of so many days that have one, in the time zone.
    keep_daily: Option<u32>,
    /// The newest one of each of so many weeks that have one, from Monday on.
    keep_weekly: Option<u32>,
    /// The newest one of each of so many months that have one.
    keep_monthly: Option<u32>,
    /// The newest one of each of so many years that have one.
    keep_yearly: Option<u32>,
    /// All that are no older than this, counted from the newest one: years, months, days and hours as in `1y5m7d2h`, or
    /// `P1Y5M7DT2H`.
    #[schemars(example = &"14d", example = &"P14D")]
    keep_within: Option<String>,
    /// The newest one of each hour within this.
    #[schemars(example = &"2d")]
    keep_within_hourly: Option<String>,
    /// The newest one of each day within this.
    #[schemars(example = &"7d")]
    keep_within_daily: Option<String>,
    /// The newest one of each week within this.
    #[schemars(example = &"1m")]
    keep_within_weekly: Option<String>,
    /// The newest one of each month within this.
    #[schemars(example = &"1y")]
    keep_within_monthly: Option<String>,
    /// The newest one of each year within this.
    #[schemars(example = &"10y")]
    keep_within_yearly: Option<String>,
    /// Never fewer verified ones than these, whatever the rules say. Not a rule by itself.
    min_keep: Option<u32>,
}

/// A backup or a restore of an Azure API Management service, as `POST /api/backup` and
/// `POST /api/restore` take it.
///
/// Names match without case; unknown fields are ignored and named in the answer's warnings. Null and
/// the empty text count as absent.
#[derive(JsonSchema)]
#[schemars(title = "apim-dr payload", rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; `parse` reads it")]
struct Body {
    /// Application that calls Azure Resource Manager. Goes with `clientSecret` and `tenantId`; without
    /// all three the app calls with its own identity.
    #[schemars(regex(pattern = format!("^{GUID}$")), example = &"11111111-2222-3333-4444-555555555555")]
    application_id: Option<String>,
    /// Secret of that application.
    #[schemars(example = &"not-a-real-secret", extend("writeOnly" = true))]
    client_secret: Option<String>,
    /// Its tenant: an id or a domain name.
    #[schemars(regex(pattern = format!(r"^({GUID}|{DOMAIN_LABEL}(\.{DOMAIN_LABEL})+)$")), length(max = 253), example = &"contoso.onmicrosoft.com")]
    tenant_id: Option<String>,
    /// Subscription of the service.
    #[schemars(regex(pattern = format!("^{GUID}$")), example = &"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")]
    subscription_id: String,
    /// Resource group of the service.
    #[schemars(
        regex(pattern = r"^[\p{L}\p{N}_.()-]{0,89}[\p{L}\p{N}_()-]$"),
        example = &"apimdrresourcegroup"
    )]
    resource_group: String,
    /// Name of the service.
    #[schemars(regex(pattern = format!("^{SERVICE_NAME}$")), example = &"sampleapim")]
    apim_instance: String,
    /// Name of the blob that a backup writes, or overwrites, and a restore reads. Absent only where a restore has
    /// `backup` or `at`.
    #[schemars(
        regex(pattern = r"^[^\p{Cc}\\?#/]+(/[^\p{Cc}\\?#/]+)*$"),
        length(max = 1024),
        example = &"apimbackup"
    )]
    backup_name: Option<String>,
    /// Has to agree with the route. A restore has to say so, here or in `confirm`.
    #[schemars(extend("enum" = ["backup", "restore", null]))]
    operation: Option<String>,
    /// Container of the blob.
    #[schemars(regex(pattern = "^[a-z0-9](-?[a-z0-9]){2,62}$"), length(max = 63), example = &"backup")]
    container_name: String,
    /// Name of the storage account, not its address.
    #[schemars(regex(pattern = "^[a-z0-9]{3,24}$"), example = &"apimdrstorage")]
    storage_account: String,
    /// Key of the storage account, base64. Without it API Management uses a managed identity.
    #[schemars(example = &"bm90LWEtcmVhbC1rZXk=", extend("writeOnly" = true, "contentEncoding" = "base64"))]
    access_key: Option<String>,
    /// How API Management reaches the storage account. Absent: with `accessKey` if there is one, with
    /// the identity that `clientId` names, else with its system-assigned identity.
    #[schemars(extend(
        "enum" = ["AccessKey", "SystemAssignedManagedIdentity", "UserAssignedManagedIdentity", null]
    ))]
    access_type: Option<String>,
    /// Client id of the user-assigned identity with which API Management reaches the storage account.
    /// Not the application that signs in: that is `applicationId`.
    #[schemars(regex(pattern = format!("^{GUID}$")), example = &"66666666-7777-8888-9999-000000000000")]
    client_id: Option<String>,
    /// Says that a restore is meant: `RESTORE`, a blank and the name in `apimInstance`.
    #[schemars(regex(pattern = "^RESTORE "), example = &"RESTORE sampleapim")]
    confirm: Option<String>,
    /// What to append to the `backupName` of a backup: `date`, which is `_{date}`, or a template of
    /// `{name}`, `{instance}`, `{date}`, `{time}` and `{utc}`. With `{name}` it is the whole name. Absent:
    /// `backupName` is the whole name.
    #[schemars(regex(pattern = NAME_SUFFIX), example = &"date", example = &"{instance}/{name}_{utc}.apimbackup")]
    name_suffix: Option<String>,
    /// Time zone of that date and time, by its IANA or Windows name. Absent: that of `target`, or UTC.
    #[schemars(example = &"Pacific/Auckland", example = &"New Zealand Standard Time")]
    time_zone: Option<String>,
    /// Of a backup: which recovery points of the service stay in this container once the backup was verified. Absent:
    /// all.
    retention: Option<Retention>,
    /// https URL to which the operation is posted once it has ended. Its host has to be one of `APIM_DR_CALLBACK_HOSTS`.
    #[schemars(
        url,
        regex(pattern = "^https://"),
        example = &"https://callback.example/?sig=not-a-real-key",
        extend("writeOnly" = true)
    )]
    callback_url: Option<String>,
    /// A configured target: stands in for the fields that are left out, secrets included.
    #[schemars(example = &"primary")]
    target: Option<String>,
    /// Of a restore: the service whose recovery point it reads. Absent: that of the target, else `apimInstance`.
    #[schemars(regex(pattern = format!("^{SERVICE_NAME}$")), example = &"sampleapim")]
    source: Option<String>,
    /// Of a restore: the recovery point to read, in place of `backupName`: `latest`, `latest-verified`, or a name.
    #[schemars(example = &"latest-verified")]
    backup: Option<String>,
    /// Of a restore: the newest recovery point that was started up to this instant.
    #[schemars(extend("format" = "date-time"), example = &"2026-11-30T01:00:00Z")]
    at: Option<String>,
    /// Of a restore: back the service up before it is overwritten. Without that backup, verified, nothing is restored.
    safety_backup: Option<bool>,
    /// Codes of findings, with commas between, that are not to keep it from its start though they would.
    #[schemars(
        regex(pattern = r"^[a-z0-9.-]+(, *[a-z0-9.-]+)*$"),
        example = &"tier.unsupported",
        example = &"firewall.bypass, backup.tier"
    )]
    ignore: Option<String>,
}
