//! What a service can reach.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::ArmError;
use super::{Answer, service};
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::service::{Connectivity, Service, region_of};
use crate::emulator::world::World;

/// All locations as an array, or one location's inner object, as recorded in 2019.
pub(super) fn status(world: &World, call: &Call, name: &str, location: Option<&str>) -> Answer {
    let service = service::seen(world, name)?;
    let status = shown(service, call.at);
    let additional = service.additional_locations.iter().map(|additional| &additional.location);
    let mut locations = std::iter::once(&service.location).chain(additional);
    let Some(asked) = location else {
        let all = locations.map(|location| json!({ "location": location, "networkStatus": status }));
        return Ok(reply::json(StatusCode::OK, &all.collect()));
    };
    if locations.any(|location| region_of(location) == region_of(asked)) {
        return Ok(reply::json(StatusCode::OK, &status));
    }
    Err(ArmError::invalid_parameter(&format!("the service is not in '{asked}'")))
}

fn shown(service: &Service, now: Timestamp) -> Value {
    let item = |it: &Connectivity| {
        let mut item = json!({
            "name": it.name,
            "status": it.status,
            "error": it.error,
            "lastUpdated": format!("{:.7}", it.last_updated.unwrap_or(now)),
            "lastStatusChange": format!("{:.7}", service.created)
        });
        // The schema wants them since 2022-08-01; no recording has them.
        if let Some(kind) = &it.resource_type {
            item["resourceType"] = json!(kind);
        }
        if let Some(optional) = it.is_optional {
            item["isOptional"] = json!(optional);
        }
        item
    };
    json!({
        "dnsServers": ["168.63.129.16"],
        "connectivityStatus": service.connectivity.iter().map(item).collect::<Vec<_>>()
    })
}
