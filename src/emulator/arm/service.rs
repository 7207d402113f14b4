//! The service resource: read and list.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Answer;
use super::error::ArmError;
use crate::emulator::call::Call;
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
        if world.deleted_services.contains_key(name) {
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

/// The resource as this caller sees it.
pub(super) fn resource(world: &World, call: &Call, service: &Service) -> Value {
    service.resource(world.local_gateway.then_some(call.base.as_str()))
}

pub(super) fn get(world: &World, call: &Call, name: &str) -> Answer {
    let service = seen(world, name)?;
    let mut response = reply::json(StatusCode::OK, &resource(world, call, service));
    reply::set(response.headers_mut(), "etag", &format!("\"{}\"", service.etag()));
    Ok(response)
}

/// Services of a group, or of the whole subscription, on one page.
pub(super) fn list(world: &World, call: &Call, group: Option<&str>) -> Response {
    let within =
        |service: &&Service| group.is_none_or(|group| service.resource_group.eq_ignore_ascii_case(group));
    let found = world.services.values().filter(within);
    let value: Vec<Value> = found.map(|service| resource(world, call, service)).collect();
    reply::json(StatusCode::OK, &json!({ "value": value }))
}
