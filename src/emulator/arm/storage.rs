//! What a preflight reads of storage: the account, its keys, its blob service, its containers.
//!
//! Read-only, and only the members that matter to a backup.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Answer;
use super::error::ArmError;
use crate::emulator::accounts;
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::storage::{Account, account_id, container_id};
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
    let account = world.accounts.get(name).filter(|account| account.listed).or(any.as_ref());
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
                return Err(ArmError::no_container(call.at));
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

pub(super) fn resource(name: &str, account: &Account, base: &str) -> Value {
    let ip_rules = account.ip_rules.iter().map(|range| json!({ "value": range, "action": "Allow" }));
    let networks = account.virtual_network_rules.iter();
    let networks = networks.map(|id| json!({ "id": id, "action": "Allow", "state": "Succeeded" }));
    let tier = account.sku.split('_').next().unwrap_or_default();
    json!({
        "id": account_id(name),
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": account.location,
        "kind": "StorageV2",
        "sku": { "name": account.sku, "tier": tier },
        "properties": {
            "provisioningState": "Succeeded",
            "allowSharedKeyAccess": account.allow_shared_key,
            "publicNetworkAccess": account.public_network_access,
            "isHnsEnabled": account.hns,
            "networkAcls": {
                "defaultAction": if account.firewall { "Deny" } else { "Allow" },
                "bypass": account.bypass,
                "ipRules": ip_rules.collect::<Vec<_>>(),
                "virtualNetworkRules": networks.collect::<Vec<_>>(),
                "resourceAccessRules": account.resource_access_rules
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
