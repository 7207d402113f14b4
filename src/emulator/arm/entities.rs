//! What hangs below a service: the entities of its management API, the revisions of its portal, its
//! diagnostic settings.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::ArmError;
use super::{Answer, check_type, service};
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::service::{Diagnostics, Entities, Logged};
use crate::emulator::world::World;

/// Items on a page whose `$top` is not given; unverified, as is the most that a page may have.
const PAGE: u64 = 100;

/// `GET apis` and its siblings: `count` tells of all, `value` holds at most `$top`. A tier without workspaces
/// has none of them, unverified.
pub(super) fn list(world: &World, call: &Call, name: &str, version: &str, kind: &str) -> Answer {
    let service = service::seen(world, name)?;
    let Entities { apis, products, subscriptions, users, workspaces } = service.entities;
    let count = match kind {
        "apis" => apis,
        "products" => products,
        "subscriptions" => subscriptions,
        "users" => users,
        "workspaces" => {
            check_type(version, "service/workspaces", "2022-09-01-preview")?;
            if ["Premium", "PremiumV2"].contains(&service.tier.as_str()) { workspaces } else { 0 }
        }
        _ => return Err(ArmError::no_route()),
    };
    let (top, skip) = (number(call, "$top", PAGE)?, number(call, "$skip", 0)?);
    if top == 0 {
        return Err(ArmError::invalid_parameter("$top"));
    }
    let end = skip.saturating_add(top.min(PAGE)).min(count);
    let id = service.id();
    let one = kind.trim_end_matches('s');
    let item = |at: u64| {
        json!({
            "id": format!("{id}/{kind}/{one}-{at}"),
            "type": format!("Microsoft.ApiManagement/service/{kind}"),
            "name": format!("{one}-{at}"),
            "properties": { "displayName": format!("{one} {at}") }
        })
    };
    let mut body = json!({ "value": (skip..end).map(item).collect::<Vec<_>>(), "count": count });
    if end < count {
        let base = &call.base;
        body["nextLink"] =
            json!(format!("{base}{id}/{kind}?api-version={version}&%24top={top}&%24skip={end}"));
    }
    Ok(reply::json(StatusCode::OK, &body))
}

fn number(call: &Call, parameter: &str, absent: u64) -> Result<u64, ArmError> {
    let text = call.query(parameter);
    text.map_or(Ok(absent), |text| text.parse().map_err(|_| ArmError::invalid_parameter(parameter)))
}

/// The revisions of the developer portal: the current one, if it was ever published. By the schema of
/// 2022-08-01; none was recorded.
pub(super) fn portal_revisions(world: &World, name: &str, version: &str) -> Answer {
    check_type(version, "service/portalRevisions", "2020-06-01-preview")?;
    let service = service::seen(world, name)?;
    let revision = service.portal_revision.iter().map(|revision| {
        json!({
            "id": format!("{}/portalRevisions/{revision}", service.id()),
            "type": "Microsoft.ApiManagement/service/portalRevisions",
            "name": revision,
            "properties": {
                "description": null,
                "statusDetails": null,
                "status": "completed",
                "isCurrent": true,
                "createdDateTime": format!("{:.7}", service.created),
                "updatedDateTime": format!("{:.7}", service.created)
            }
        })
    });
    let value: Vec<Value> = revision.collect();
    Ok(reply::json(StatusCode::OK, &json!({ "count": value.len(), "value": value })))
}

/// What another provider keeps below a service.
pub(super) fn extension(world: &World, call: &Call, name: &str, path: &[&str]) -> Answer {
    match (call.method.as_str(), path) {
        ("GET", ["microsoft.insights", "diagnosticsettings"]) => diagnostics(world, name),
        _ => Err(ArmError::no_route()),
    }
}

/// Azure Monitor's settings of the service, by the schema of 2021-05-01-preview; none was recorded.
fn diagnostics(world: &World, name: &str) -> Answer {
    let service = service::seen(world, name)?;
    let logged = |logged: &Logged| json!({ "category": logged.category, "enabled": logged.enabled });
    let setting = |it: &Diagnostics| {
        json!({
            "id": format!("{}/providers/microsoft.insights/diagnosticSettings/{}", service.id(), it.name),
            "type": "Microsoft.Insights/diagnosticSettings",
            "name": it.name,
            "properties": {
                "storageAccountId": it.storage_account_id,
                "workspaceId": it.workspace_id,
                "eventHubAuthorizationRuleId": it.event_hub_authorization_rule_id,
                "logs": it.logs.iter().map(logged).collect::<Vec<_>>(),
                "metrics": it.metrics.iter().map(logged).collect::<Vec<_>>()
            }
        })
    };
    let value: Vec<Value> = service.diagnostics.iter().map(setting).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "value": value })))
}
