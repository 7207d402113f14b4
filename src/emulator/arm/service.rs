//! The service resource: read, list, change of identity, network status.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::error::ArmError;
use super::{Answer, Timing, results};
use crate::emulator::call::Call;
use crate::emulator::operation::{Identity, Kind};
use crate::emulator::reply;
use crate::emulator::service::Service;
use crate::emulator::world::World;

/// The service of this name in this group; both shapes of 404 are as recorded: the provider's for a
/// name that was deleted, ARM's for one that never was.
pub(super) fn find<'a>(
    world: &'a World,
    group: &str,
    name: &str,
    call: &Call,
) -> Result<&'a Service, ArmError> {
    let found = world.services.get(name).filter(|service| service.resource_group.eq_ignore_ascii_case(group));
    found.ok_or_else(|| {
        // Both names as the caller wrote them: segments 3 and 7 of the path.
        let sent = |at: usize| call.segments.get(at).map_or("", String::as_str);
        if world.deleted_services.contains(name) {
            return ArmError::service_gone(sent(7));
        }
        let text = format!(
            "The Resource 'Microsoft.ApiManagement/service/{}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            sent(7), sent(3)
        );
        ArmError::gateway(404, "ResourceNotFound", text)
    })
}

/// The service behind a key that [`find`] has seen.
pub(super) fn seen<'a>(world: &'a World, name: &str) -> Result<&'a Service, ArmError> {
    world.services.get(name).ok_or_else(|| ArmError::service_gone(name))
}

pub(super) fn get(world: &World, name: &str) -> Answer {
    let service = seen(world, name)?;
    let mut response = reply::json(StatusCode::OK, &service.resource());
    reply::set(response.headers_mut(), "etag", &format!("\"{}\"", service.etag()));
    Ok(response)
}

/// Services of a group, or of the whole subscription, on one page.
pub(super) fn list(world: &World, group: Option<&str>) -> Response {
    let within =
        |service: &&Service| group.is_none_or(|group| service.resource_group.eq_ignore_ascii_case(group));
    let value: Vec<Value> = world.services.values().filter(within).map(Service::resource).collect();
    reply::json(StatusCode::OK, &json!({ "value": value }))
}

/// `PATCH` of the identity, and of nothing else. No such PATCH was recorded: the answer is that of
/// a recorded PUT which updates, 200 with the status URL twice since 2022-08-01, 202 with
/// `Location` before.
pub(super) fn patch(world: &mut World, call: &Call, name: &str, version: &str, timing: Timing) -> Answer {
    let body: Value = super::backup::json_body(call)?;
    if !seen(world, name)?.is_idle() {
        return Err(ArmError::service_locked(&seen(world, name)?.name));
    }
    let identity = read_identity(&body)
        .ok_or_else(|| ArmError::invalid_parameter("only 'identity' can be changed here"))?;
    let script = results::script(call);
    let id = world.start(name, Kind::Update(identity), version, call.at, timing.operation, script);
    let service = seen(world, name)?;
    let asynchronous = version >= "2022-08-01";
    let mut response =
        reply::json(if asynchronous { StatusCode::OK } else { StatusCode::ACCEPTED }, &service.resource());
    results::point_to(
        &mut response,
        &results::url(call, service, &id, version, asynchronous),
        asynchronous,
        timing,
    );
    Ok(response)
}

/// `identity` of the body; types match without case, with or without a space after the comma.
fn read_identity(body: &Value) -> Option<Identity> {
    let identity = body.get("identity")?;
    let kind = identity.get("type")?.as_str()?.replace(' ', "").to_ascii_lowercase();
    let ids = identity.get("userAssignedIdentities").and_then(Value::as_object);
    let ids = || ids.map(|ids| ids.keys().cloned().collect()).unwrap_or_default();
    Some(match kind.as_str() {
        "systemassigned" => Identity { system: true, user: std::collections::BTreeSet::default() },
        "userassigned" => Identity { system: false, user: ids() },
        "systemassigned,userassigned" => Identity { system: true, user: ids() },
        "none" => Identity { system: false, user: std::collections::BTreeSet::default() },
        _ => return None,
    })
}

/// All locations as an array, or one location's inner object, as recorded in 2019 (without
/// `isOptional`).
pub(super) fn network_status(world: &World, call: &Call, name: &str, location: Option<&str>) -> Answer {
    let service = seen(world, name)?;
    let checked = format!("{:.7}", call.at);
    let storage = format!("apimgmtst{}.blob.core.windows.net", service.region());
    let status = json!({
        "dnsServers": ["168.63.129.16"],
        "connectivityStatus": [{
            "name": storage,
            "status": "success",
            "error": "",
            "lastUpdated": checked,
            "lastStatusChange": format!("{:.7}", service.created)
        }]
    });
    match location {
        None => Ok(reply::json(
            StatusCode::OK,
            &json!([{ "location": service.location, "networkStatus": status }]),
        )),
        Some(location) if location.replace(' ', "") == service.region() => {
            Ok(reply::json(StatusCode::OK, &status))
        }
        Some(location) => Err(ArmError::invalid_parameter(&format!("the service is not in '{location}'"))),
    }
}
