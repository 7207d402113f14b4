//! What a preflight reads of storage: the account, its keys, its blob service, its containers, role
//! assignments.
//!
//! Read-only, and only the members that matter to a backup.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Answer;
use super::error::ArmError;
use crate::emulator::accounts;
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::storage::{Account, account_id, container_id, is_within};
use crate::emulator::world::World;

/// Anything at or below `.../storageAccounts/{name}`.
pub(super) fn account(world: &World, call: &Call, name: &str, path: &[&str]) -> Answer {
    let not_found = |what: String| {
        let text = format!(
            "The Resource '{what}' under resource group '{}' was not found.",
            accounts::RESOURCE_GROUP
        );
        ArmError::gateway(404, "ResourceNotFound", text)
    };
    // A real blob service is not asked: any of its accounts is there, with any container.
    let any = world.stores_outside.then(Account::default);
    let account = world.accounts.get(name).or(any.as_ref());
    let account = account.ok_or_else(|| not_found(format!("Microsoft.Storage/storageAccounts/{name}")))?;
    let body = match (call.method.as_str(), path) {
        ("GET", []) => resource(name, account, &call.base),
        ("POST", ["listkeys"]) => {
            let keys = ["key1", "key2"].iter().zip(&account.keys);
            let keys =
                keys.map(|(key, value)| json!({ "keyName": key, "value": value, "permissions": "FULL" }));
            json!({ "keys": keys.collect::<Vec<_>>() })
        }
        ("GET", ["blobservices", "default"]) => json!({
            "id": format!("{}/blobServices/default", account_id(name)),
            "name": "default",
            "type": "Microsoft.Storage/storageAccounts/blobServices",
            "properties": { "cors": { "corsRules": cors_rules(account) } }
        }),
        ("GET", ["blobservices", "default", "containers", container]) => {
            if !world.stores_outside && !account.containers.contains_key(*container) {
                return Err(not_found(format!("{name}/default/{container}")));
            }
            json!({
                "id": container_id(name, container),
                "name": container,
                "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
                "properties": { "publicAccess": "None" }
            })
        }
        _ => return Err(ArmError::no_route()),
    };
    Ok(reply::json(StatusCode::OK, &body))
}

fn resource(name: &str, account: &Account, base: &str) -> Value {
    json!({
        "id": account_id(name),
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": "australiaeast",
        "kind": "StorageV2",
        "sku": { "name": "Standard_GRS", "tier": "Standard" },
        "properties": {
            "provisioningState": "Succeeded",
            "allowSharedKeyAccess": account.allow_shared_key,
            "publicNetworkAccess": "Enabled",
            "isHnsEnabled": false,
            "networkAcls": {
                "defaultAction": if account.firewall { "Deny" } else { "Allow" },
                "bypass": "AzureServices",
                "ipRules": [],
                "virtualNetworkRules": [],
                "resourceAccessRules": []
            },
            "primaryEndpoints": { "blob": format!("{base}/blob/{name}/") }
        }
    })
}

fn cors_rules(account: &Account) -> Value {
    if account.cors_methods.is_empty() {
        return json!([]);
    }
    json!([{
        "allowedOrigins": ["*"],
        "allowedMethods": account.cors_methods,
        "maxAgeInSeconds": 60,
        "exposedHeaders": ["*"],
        "allowedHeaders": ["*"]
    }])
}

/// Role assignments at the scope of the path. `$filter=atScope()`: at it and above; `principalId eq
/// '{guid}'`: at it, above and below.
pub(super) fn role_assignments(world: &World, call: &Call) -> Answer {
    let depth = call.segments.len().saturating_sub(3);
    let scope = format!("/{}", call.segments[..depth].join("/"));
    let filter = call.query("$filter").unwrap_or_default();
    let principal = filter.strip_prefix("principalId eq ").map(|id| id.trim_matches('\''));
    let at_scope = filter == "atScope()";
    if !filter.is_empty() && principal.is_none() && !at_scope {
        return Err(ArmError::gateway(400, "BadRequestFormat", "The emulator does not know this $filter."));
    }
    let matching = world.roles.iter().filter(|role| {
        let reaches = is_within(&scope, &role.scope) || !at_scope && is_within(&role.scope, &scope);
        reaches && principal.is_none_or(|principal| role.principal.eq_ignore_ascii_case(principal))
    });
    let value: Vec<Value> = matching
        .map(|role| {
            let definitions = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions", accounts::SUBSCRIPTION_ID);
            json!({
                "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", role.scope, role.name),
                "name": role.name,
                "type": "Microsoft.Authorization/roleAssignments",
                "properties": {
                    "scope": role.scope,
                    "roleDefinitionId": format!("{definitions}/{}", role.role),
                    "principalId": role.principal,
                    "principalType": "ServicePrincipal",
                    "condition": null
                }
            })
        })
        .collect();
    Ok(reply::json(StatusCode::OK, &json!({ "value": value })))
}
