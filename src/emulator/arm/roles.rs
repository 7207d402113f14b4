//! Role assignments, and the rights that a test has taken away.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Answer;
use super::error::ArmError;
use crate::emulator::accounts;
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::storage::{RoleAssignment, is_within};
use crate::emulator::world::World;

/// Role assignments at the scope of the path. `$filter=atScope()`: at it and above; `principalId eq
/// '{guid}'`: at it, above and below; `assignedTo('{guid}')` the same, as there are no groups here.
pub(super) fn assignments(world: &World, call: &Call) -> Answer {
    let depth = call.segments.len().saturating_sub(3);
    let scope = format!("/{}", call.segments[..depth].join("/"));
    let filter = call.query("$filter").unwrap_or_default();
    let assigned = || filter.strip_prefix("assignedTo(").and_then(|rest| rest.strip_suffix(')'));
    let principal = filter.strip_prefix("principalId eq ").or_else(assigned).map(|id| id.trim_matches('\''));
    let at_scope = filter == "atScope()";
    if !filter.is_empty() && principal.is_none() && !at_scope {
        return Err(ArmError::gateway(400, "BadRequestFormat", "The emulator does not know this $filter."));
    }
    let matching = world.roles.iter().filter(|role| {
        let reaches = is_within(&scope, &role.scope) || !at_scope && is_within(&role.scope, &scope);
        reaches && principal.is_none_or(|principal| role.principal.eq_ignore_ascii_case(principal))
    });
    let value: Vec<Value> = matching.map(shown).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "value": value })))
}

fn shown(role: &RoleAssignment) -> Value {
    let definitions = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions",
        accounts::SUBSCRIPTION_ID
    );
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", role.scope, role.name),
        "name": role.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "scope": role.scope,
            "roleDefinitionId": format!("{definitions}/{}", role.role),
            "principalId": role.principal,
            "principalType": role.principal_type,
            "condition": role.condition
        }
    })
}

/// Refuses what was taken away. The path ends in a `?` here, so that a part can name its end.
pub(super) fn check(world: &World, call: &Call, principal: &str) -> Result<(), ArmError> {
    let path = format!("/{}?", call.segments.join("/")).to_ascii_lowercase();
    if world.denied.iter().any(|part| path.contains(part.as_str())) {
        let (action, scope) = asked(call);
        let text = format!(
            "The client '{principal}' with object id '{principal}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        );
        return Err(ArmError::gateway(403, "AuthorizationFailed", text));
    }
    Ok(())
}

/// The action that the call asks for, and the scope at which it does.
fn asked(call: &Call) -> (String, String) {
    let posted = usize::from(call.method == Method::POST);
    let segments = &call.segments[..call.segments.len().saturating_sub(posted)];
    let verb = match call.method.as_str() {
        "GET" | "HEAD" => "read".to_owned(),
        "DELETE" => "delete".to_owned(),
        "POST" => format!("{}/action", call.segments.last().map_or("", String::as_str)),
        _ => "write".to_owned(),
    };
    let provider = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
    let at = provider.unwrap_or(segments.len());
    // The namespace, then types and names by turns.
    let named = segments.get(at + 1..).unwrap_or_default();
    let types = named.iter().take(1).chain(named.iter().skip(1).step_by(2));
    let kind = types.map(String::as_str).chain([verb.as_str()]).collect::<Vec<_>>().join("/");
    // A type without a name is asked for at what it hangs below.
    let end = match named.len() {
        0..=2 => at,
        many if many % 2 == 0 => segments.len() - 1,
        _ => segments.len(),
    };
    (kind, format!("/{}", segments[..end].join("/")))
}
