//! What a subscription knows of its own: services that were deleted, storage accounts, and whether a name is
//! taken.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::backup::json_body;
use super::error::ArmError;
use super::{Answer, check_type, storage};
use crate::emulator::accounts;
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::service::region_of;
use crate::emulator::world::{Deleted, World};

/// How long a deleted service can be brought back, by the documentation.
const SOFT_DELETED: SignedDuration = SignedDuration::from_hours(48);

/// Deleted services, or the one of this location and name. By the schema of 2022-08-01; none was recorded,
/// and the texts are unverified.
pub(super) fn deleted_services(
    world: &World,
    call: &Call,
    version: &str,
    one: Option<(&str, &str)>,
) -> Answer {
    check_type(version, "deletedservices", "2020-06-01-preview")?;
    let kept = |deleted: &&Deleted| call.at.duration_since(deleted.at) < SOFT_DELETED;
    let Some((location, name)) = one else {
        let value: Vec<Value> = world.deleted_services.values().filter(kept).map(deleted_service).collect();
        return Ok(reply::json(StatusCode::OK, &json!({ "value": value })));
    };
    let here = |deleted: &&Deleted| deleted.service.region() == region_of(location);
    let found = world.deleted_services.get(name).filter(kept).filter(here);
    let missing =
        || ArmError::provider(404, "ServiceNotFound", format!("Api service does not exist: {name}"));
    Ok(reply::json(StatusCode::OK, &deleted_service(found.ok_or_else(missing)?)))
}

fn deleted_service(Deleted { service, at }: &Deleted) -> Value {
    let purged = at.checked_add(SOFT_DELETED).unwrap_or(*at);
    json!({
        "id": format!(
            "/subscriptions/{}/providers/Microsoft.ApiManagement/locations/{}/deletedservices/{}",
            service.subscription,
            service.region(),
            service.name
        ),
        "name": service.name,
        "type": "Microsoft.ApiManagement/deletedservices",
        "location": service.location,
        "properties": {
            "serviceId": service.id(),
            "scheduledPurgeDate": format!("{purged:.7}"),
            "deletionDate": format!("{at:.7}")
        }
    })
}

/// The storage accounts of the subscription, by name, in pages.
pub(super) fn storage_accounts(world: &World, call: &Call, version: &str) -> Response {
    let after = call.query("$skipToken").unwrap_or_default();
    let rest = world.accounts.iter().filter(|(name, account)| account.listed && name.as_str() > after);
    let page: Vec<_> = rest.clone().take(world.account_page.max(1)).collect();
    let value: Vec<Value> =
        page.iter().map(|(name, account)| storage::resource(name, account, &call.base)).collect();
    let mut body = json!({ "value": value });
    if let Some((last, _)) = page.last().filter(|_| rest.count() > page.len()) {
        body["nextLink"] = json!(format!(
            "{}/subscriptions/{}/providers/Microsoft.Storage/storageAccounts?api-version={version}&%24skipToken={last}",
            call.base,
            accounts::SUBSCRIPTION_ID
        ));
    }
    reply::json(StatusCode::OK, &body)
}

#[derive(Deserialize)]
struct Name {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Whether a storage account of this name could be made: names are Azure's, not a subscription's. A real blob
/// service is not asked: every name is taken there.
pub(super) fn check_name(world: &World, call: &Call) -> Answer {
    let Name { name, kind } = json_body(call)?;
    if !kind.eq_ignore_ascii_case("Microsoft.Storage/storageAccounts") {
        return Err(ArmError::gateway(400, "InvalidResourceType", "The resource type is invalid."));
    }
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let body = if !(3..=24).contains(&name.len()) || !plain {
        let text = format!(
            "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only."
        );
        json!({ "nameAvailable": false, "reason": "AccountNameInvalid", "message": text })
    } else if world.stores_outside || world.accounts.contains_key(&name) {
        let text = format!("The storage account named {name} is already taken.");
        json!({ "nameAvailable": false, "reason": "AlreadyExists", "message": text })
    } else {
        json!({ "nameAvailable": true })
    };
    Ok(reply::json(StatusCode::OK, &body))
}
