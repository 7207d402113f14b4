//! `POST backup` and `POST restore`: what is refused at once, and how an operation begins.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ArmError;
use super::{Answer, Timing, accepted, results, service};
use crate::emulator::call::Call;
use crate::emulator::operation::{Access, Kind, Place};
use crate::emulator::storage::Account;
use crate::emulator::world::World;

/// The body; ARM ignores what it does not know.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    storage_account: Option<String>,
    container_name: Option<String>,
    backup_name: Option<String>,
    access_type: Option<String>,
    access_key: Option<String>,
    client_id: Option<String>,
}

/// Starts an operation: 202, no body, `Location` with the two slashes recorded until 2021,
/// `Retry-After`.
pub(super) fn start(
    world: &mut World,
    call: &Call,
    name: &str,
    version: &str,
    timing: Timing,
    restore: bool,
) -> Answer {
    let parameters: Parameters = json_body(call)?;
    let service = service::seen(world, name)?;
    if ["Consumption", "BasicV2", "StandardV2"].contains(&service.tier.as_str()) {
        // Documented as unsupported; status, code and text unverified.
        let text = "Method not allowed in this pricing tier";
        return Err(ArmError::provider(400, "MethodNotAllowedInPricingTier", text));
    }
    let place = read_place(parameters, version)?;
    if world.stores_outside && !matches!(place.access, Access::Key(_)) {
        // The code is the emulator's own.
        let text = "The emulator was started with a blob endpoint, which it opens with an access key only.";
        return Err(ArmError::provider(400, "EmulatorNeedsAccessKey", text));
    }
    check_cors(world.accounts.get(&place.account), &place.access)?;
    if !service.is_idle() {
        return Err(ArmError::service_locked(&service.name));
    }
    let kind = if restore { Kind::Restore(place) } else { Kind::Backup(place) };
    let id = world.start(name, kind, version, call.at, timing.operation, results::script(call));
    if let Some(operation) = world.operations.get_mut(&id) {
        operation.client_request_id = call.header("x-ms-client-request-id").map(str::to_owned);
    }
    let service = service::seen(world, name)?;
    Ok(accepted(
        &format!("{}{}//operationresults/{id}?api-version={version}", call.base, service.id()),
        timing,
    ))
}

/// A JSON body under a JSON content type.
pub(super) fn json_body<T: DeserializeOwned>(call: &Call) -> Result<T, ArmError> {
    let media_type = call.media_type().unwrap_or_default();
    if media_type != "application/json" {
        let text = format!(
            "The content media type '{media_type}' is not supported. Only 'application/json' is supported."
        );
        return Err(ArmError::gateway(415, "UnsupportedMediaType", text));
    }
    serde_json::from_slice(&call.body).map_err(|error| {
        let text = format!("The request content was invalid and could not be deserialized: '{error}'.");
        ArmError::gateway(400, "InvalidRequestContent", text)
    })
}

/// Checks names and access. The text for a bad container name was seen; its siblings are made
/// alike, unverified.
fn read_place(parameters: Parameters, version: &str) -> Result<Place, ArmError> {
    let account = required(parameters.storage_account, "backupStorageAccount")?;
    let container = required(parameters.container_name, "backupContainerName")?;
    let blob = required(parameters.backup_name, "backupName")?;
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !(3..=24).contains(&account.len()) || !plain(&account) {
        return Err(bad_name("backupStorageAccount"));
    }
    let parts = || container.split('-').all(|part| !part.is_empty() && plain(part));
    if !(3..=63).contains(&container.len()) || !parts() {
        return Err(bad_name("backupContainerName"));
    }
    if blob.chars().count() > 1024 || blob.ends_with(['.', '/']) {
        return Err(bad_name("backupName"));
    }
    // Versions before 2021-04-01-preview have neither accessType nor clientId.
    let access_type = parameters.access_type.filter(|_| version >= "2021-04-01");
    let access = match access_type.as_deref() {
        None | Some("AccessKey") => Access::Key(required(parameters.access_key, "accessKey")?),
        Some("SystemAssignedManagedIdentity") => Access::SystemIdentity,
        Some("UserAssignedManagedIdentity") => {
            Access::UserIdentity(required(parameters.client_id, "clientId")?)
        }
        Some(other) => {
            let text = format!("Requested value '{other}' was not found.\r\nParameter name: accessType");
            return Err(ArmError::invalid_parameter(&text));
        }
    };
    Ok(Place { account, container, blob, access })
}

fn required(value: Option<String>, parameter: &str) -> Result<String, ArmError> {
    let missing =
        || ArmError::invalid_parameter(&format!("Value cannot be null.\r\nParameter name: {parameter}"));
    value.filter(|value| !value.is_empty()).ok_or_else(missing)
}

fn bad_name(parameter: &str) -> ArmError {
    // "specifed" is the service's.
    let text =
        format!("The specifed resource name contains invalid characters.\r\n\r\nParameter name: {parameter}");
    ArmError::invalid_parameter(&text)
}

/// With a key, CORS that allows PATCH is refused at once, as users reported in 2023.
fn check_cors(account: Option<&Account>, access: &Access) -> Result<(), ArmError> {
    let methods = account.map(|account| account.cors_methods.as_slice()).unwrap_or_default();
    if !matches!(access, Access::Key(_)) || !methods.iter().any(|method| method == "PATCH") {
        return Ok(());
    }
    let text = format!(
        "Requested value '{}' was not found.\r\nParameter name: backupStorageAccount",
        methods.join(",")
    );
    Err(ArmError::invalid_parameter(&text))
}
