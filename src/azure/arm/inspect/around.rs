//! The bodies of what lies around a service. They come without nulls and empty texts.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::service::instant;
use crate::domain;

/// A diagnostic setting, as in Microsoft's specification of 2021-05-01-preview.
#[derive(Deserialize)]
pub(super) struct DiagnosticSetting {
    #[serde(default)]
    name: String,
    #[serde(default)]
    properties: DiagnosticProperties,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DiagnosticProperties {
    workspace_id: Option<String>,
    storage_account_id: Option<String>,
    event_hub_authorization_rule_id: Option<String>,
    service_bus_rule_id: Option<String>,
    marketplace_partner_id: Option<String>,
    logs: Vec<Switch>,
    metrics: Vec<Switch>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Switch {
    category: Option<String>,
    /// Instead of a category of logs: `allLogs`, `audit`.
    category_group: Option<String>,
    enabled: bool,
}

impl From<DiagnosticSetting> for domain::Diagnostic {
    fn from(DiagnosticSetting { name, properties }: DiagnosticSetting) -> Self {
        let sinks = [
            properties.workspace_id,
            properties.storage_account_id,
            properties.event_hub_authorization_rule_id,
            properties.service_bus_rule_id,
            properties.marketplace_partner_id,
        ];
        let switches = properties.logs.into_iter().chain(properties.metrics);
        Self {
            name,
            sinks: sinks.into_iter().flatten().collect(),
            categories: switches
                .filter(|switch| switch.enabled)
                .filter_map(|switch| switch.category.or(switch.category_group))
                .collect(),
        }
    }
}

/// A revision of the developer portal.
#[derive(Deserialize)]
pub(super) struct Revision {
    name: String,
    #[serde(default)]
    properties: RevisionProperties,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RevisionProperties {
    /// `pending`, `publishing`, `completed`, `failed`.
    status: String,
    is_current: bool,
    created_date_time: Option<String>,
}

/// The revision that visitors see: the current one, else the newest that was completed.
pub(super) fn current(revisions: Vec<Revision>) -> Option<String> {
    let standing = revisions.into_iter().filter(|revision| {
        revision.properties.is_current || revision.properties.status.eq_ignore_ascii_case("completed")
    });
    let age = |revision: &Revision| revision.properties.created_date_time.as_deref().and_then(instant);
    standing
        .max_by_key(|revision| (revision.properties.is_current, age(revision)))
        .map(|current| current.name)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionalStatus {
    #[serde(default)]
    location: String,
    network_status: NetworkStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkStatus {
    connectivity_status: Vec<Connectivity>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Connectivity {
    name: String,
    status: String,
    error: String,
    resource_type: Option<String>,
    is_optional: Option<bool>,
    last_updated: Option<String>,
}

/// Reads a network status: a list of regions, or, as 2016-10-10 has it, one without its name.
pub(super) fn connectivity(body: Value) -> Option<Vec<domain::Connectivity>> {
    let regions: Vec<RegionalStatus> = if body.is_array() {
        serde_json::from_value(body).ok()?
    } else {
        let network_status = serde_json::from_value(body).ok()?;
        vec![RegionalStatus { location: String::new(), network_status }]
    };
    let read = |location: &str, status: Connectivity| domain::Connectivity {
        location: location.to_owned(),
        name: status.name,
        status: status.status,
        error: status.error,
        resource_type: status.resource_type,
        optional: status.is_optional,
        updated: status.last_updated.as_deref().and_then(instant),
    };
    let each = regions.into_iter().flat_map(|RegionalStatus { location, network_status }| {
        network_status.connectivity_status.into_iter().map(move |status| read(&location, status))
    });
    Some(each.collect())
}

/// A soft-deleted service.
#[derive(Deserialize)]
pub(super) struct Deleted {
    name: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    properties: DeletedProperties,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DeletedProperties {
    scheduled_purge_date: Option<String>,
}

impl Deleted {
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl From<Deleted> for domain::DeletedService {
    fn from(Deleted { location, properties, .. }: Deleted) -> Self {
        Self { location, purged: properties.scheduled_purge_date.as_deref().and_then(instant) }
    }
}

/// A storage account.
#[derive(Deserialize)]
pub(super) struct Account {
    id: String,
    name: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    sku: Sku,
    #[serde(default)]
    properties: AccountProperties,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Sku {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AccountProperties {
    allow_shared_key_access: Option<bool>,
    public_network_access: Option<String>,
    is_hns_enabled: bool,
    network_acls: NetworkAcls,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NetworkAcls {
    default_action: String,
    /// A list in one text: `Logging, Metrics, AzureServices`, or `None`.
    bypass: String,
    ip_rules: Vec<Value>,
    virtual_network_rules: Vec<Value>,
    resource_access_rules: Vec<ResourceAccessRule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ResourceAccessRule {
    resource_id: Option<String>,
}

impl Account {
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl From<Account> for domain::AccountFacts {
    fn from(Account { id, location, sku, properties, .. }: Account) -> Self {
        Self {
            id,
            location,
            sku: sku.name,
            shared_key_allowed: properties.allow_shared_key_access,
            public_network_access: properties.public_network_access,
            hierarchical_namespace: properties.is_hns_enabled,
            firewall: properties.network_acls.into(),
        }
    }
}

impl From<NetworkAcls> for domain::Firewall {
    fn from(acls: NetworkAcls) -> Self {
        let bypass = acls.bypass.split(',').map(str::trim);
        let bypass = bypass.filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("None"));
        Self {
            denies: acls.default_action.eq_ignore_ascii_case("Deny"),
            bypass: bypass.map(str::to_owned).collect(),
            ip_rules: acls.ip_rules.len(),
            network_rules: acls.virtual_network_rules.len(),
            resources: acls.resource_access_rules.into_iter().filter_map(|rule| rule.resource_id).collect(),
        }
    }
}

#[derive(Deserialize)]
struct BlobService {
    properties: BlobServiceProperties,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BlobServiceProperties {
    cors: Cors,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Cors {
    cors_rules: Vec<CorsRule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct CorsRule {
    allowed_methods: BTreeSet<String>,
}

/// The methods of all rules, in the order of the alphabet; `None` if the body is no blob service.
pub(super) fn cors_methods(body: Value) -> Option<Vec<String>> {
    let BlobService { properties } = serde_json::from_value(body).ok()?;
    let methods: BTreeSet<_> =
        properties.cors.cors_rules.into_iter().flat_map(|rule| rule.allowed_methods).collect();
    Some(methods.into_iter().collect())
}

/// A role assignment.
#[derive(Deserialize)]
pub(super) struct Role {
    properties: RoleProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleProperties {
    scope: String,
    /// With the subscription before it, or without.
    role_definition_id: String,
    condition: Option<String>,
}

impl From<Role> for domain::RoleAssignment {
    fn from(Role { properties }: Role) -> Self {
        let RoleProperties { scope, role_definition_id, condition } = properties;
        let role = role_definition_id.rsplit('/').next().unwrap_or_default().to_owned();
        Self { scope, role, has_condition: condition.is_some() }
    }
}

#[cfg(test)]
#[path = "around_tests.rs"]
mod tests;
