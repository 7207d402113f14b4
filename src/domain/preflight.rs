//! What speaks against a backup or a restore before it starts: facts in, findings out.
//!
//! Only what cannot work blocks. What Azure does not document, what may be so and work all the same, and what nobody may
//! read, warns. The rules are those of API Management's disaster recovery page and of its users' reports
//! (docs/ARCHITECTURE.md, "Decisions").

mod account;

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::{
    AccountFacts, AzureError, BlobLook, Connectivity, DeletedService, Finding, Inventory, Plan,
    RecoveryPoint, RoleAssignment, ServiceStatus, StorageAccess, objection,
};

/// What came of a look. An error is a fact, too.
pub type Looked<T> = Result<T, AzureError>;

/// What is known before a start. `None`: nobody asked, because nothing depends on it.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub plan: &'a Plan,
    /// With which API Management is called.
    pub api_version: &'a str,
    pub now: Timestamp,
    pub inventory: &'a Inventory,
    pub workspaces: Option<Looked<u64>>,
    pub connectivity: Option<Looked<Vec<Connectivity>>>,
    /// `Ok(None)`: not among those that the caller may see.
    pub account: Looked<Option<AccountFacts>>,
    pub account_exists: Option<Looked<bool>>,
    /// What the blob service allows other origins.
    pub cors_methods: Option<Looked<Vec<String>>>,
    pub container_exists: Option<Looked<bool>>,
    /// Of the identity that reaches the storage account.
    pub roles: Option<Looked<Vec<RoleAssignment>>>,
    /// Of a restore.
    pub source: Option<Source>,
}

/// What a restore is to read.
#[derive(Debug, Clone)]
pub struct Source {
    pub look: BlobLook,
    /// What the catalogue knows of it.
    pub point: Option<RecoveryPoint>,
}

/// Tiers that have backup and restore.
const CLASSIC: [&str; 4] = ["Developer", "Basic", "Standard", "Premium"];
/// The network status is made anew every 15 minutes.
const STALE: SignedDuration = SignedDuration::from_mins(45);

/// Everything that speaks against the operation; what blocks first.
pub fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    tier(facts, &mut found);
    api_version(facts, &mut found);
    unknown_parts(facts, &mut found);
    identity(facts, &mut found);
    connectivity(facts, &mut found);
    match &facts.account {
        Ok(Some(account)) => {
            account::reach(facts, account, &mut found);
            account::copies(facts, account, &mut found);
            account::cors(facts, &mut found);
            account::container(facts, account, &mut found);
            account::role(facts, account, &mut found);
        }
        Ok(None) => account::unseen(facts, &mut found),
        Err(error) => found.push(unread("account.unread", "the storage account", error)),
    }
    if let Some(source) = &facts.source {
        restore(facts, source, &mut found);
    }
    sorted(found)
}

/// What blocks comes first; else as they were found.
pub fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| Reverse(finding.is_blocking()));
    findings
}

/// Of a service that cannot be read; `deleted`, if one of its name is kept after its deletion.
pub fn unreachable(plan: &Plan, error: &AzureError, deleted: Option<&DeletedService>) -> Finding {
    let service = &plan.service;
    if let Some(deleted) = deleted {
        let until = deleted.purged.map(|at| format!(" until {at:.0}")).unwrap_or_default();
        let text = format!("{} was deleted, and its name is kept{until}", service.name);
        return Finding::blocks(
            "service.soft-deleted",
            text,
            format!(
                "bring it back with all that it had: create it with \"restore\": true among its properties; to free its \
                 name for good instead: az apim deletedservice purge --service-name {} --location \"{}\"",
                service.name, deleted.location
            ),
        );
    }
    match error.status {
        Some(404) => Finding::blocks(
            "service.missing",
            format!(
                "there is no service {} in the resource group {}: {error}",
                service.name, service.resource_group
            ),
            format!(
                "check its name, resource group and subscription: az apim list --subscription {} --output table",
                service.subscription
            ),
        ),
        _ => Finding::blocks(
            "service.unreadable",
            format!("the service {} cannot be read: {error}", service.name),
            error.remedy.clone().unwrap_or_else(|| "try again; the operation itself would wait".to_owned()),
        ),
    }
}

/// That the service does something else now: an operation would wait.
pub fn busy(plan: &Plan, status: &ServiceStatus) -> Option<Finding> {
    if status.is_idle() {
        return None;
    }
    let text = format!("the service {} is busy: it is {status}", plan.service.name);
    Some(Finding::warns("service.busy", text, "an operation waits for it, until its deadline"))
}

fn tier(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let kind = facts.plan.kind;
    match facts.inventory.tier.as_ref().map(|tier| tier.0.as_str()) {
        None => {}
        Some(tier) if CLASSIC.iter().any(|classic| classic.eq_ignore_ascii_case(tier)) => {}
        Some(tier)
            if tier.eq_ignore_ascii_case("Consumption") || tier.to_ascii_lowercase().ends_with("v2") =>
        {
            found.push(Finding::blocks(
                "tier.unsupported",
                format!("{} is of the tier {tier}, which has no {kind}", facts.plan.service.name),
                "keep its APIs and policies in a repository instead (APIOps, Bicep), and deploy them to another \
                 instance; or move to Developer, Basic, Standard or Premium",
            ));
        }
        Some(tier) => found.push(Finding::warns(
            "tier.unknown",
            format!(
                "{} is of the tier {tier}, of which nobody here knows whether it has a {kind}",
                facts.plan.service.name
            ),
            "documented are Developer, Basic, Standard and Premium; look at the outcome",
        )),
    }
    match &facts.workspaces {
        None | Some(Ok(0)) => {}
        Some(Ok(count)) => found.push(Finding::blocks(
            "workspaces.present",
            format!("{} has {count} workspaces, and instances with workspaces have no {kind}", facts.plan.service.name),
            "keep workspaces in an instance of their own, or keep everything in a repository (APIOps) and deploy it",
        )),
        Some(Err(error)) => found.push(unread("workspaces.unread", "the service's workspaces", error)),
    }
}

fn api_version(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let Some(oldest) = &facts.inventory.min_api_version else { return };
    if dated(facts.api_version) < dated(oldest) {
        found.push(Finding::blocks(
            "api-version.too-old",
            format!(
                "{} takes no api-version before {oldest}, and it is called with {}",
                facts.plan.service.name, facts.api_version
            ),
            format!("set APIM_DR_API_VERSION to {oldest} or later"),
        ));
    }
}

/// A preview comes before the version of its date.
fn dated(version: &str) -> (&str, bool) {
    let is_stable = !version.contains("preview");
    (version.get(..10).unwrap_or(version), is_stable)
}

fn unknown_parts(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let unread = &facts.inventory.unread;
    if !unread.is_empty() {
        let text = format!(
            "{} tells of {} in a form that nobody here knows",
            facts.plan.service.name,
            unread.join(", ")
        );
        found.push(Finding::warns(
            "service.unknown-parts",
            text,
            "check these by hand; set APIM_DR_API_VERSION to an older one",
        ));
    }
}

fn identity(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if facts.inventory.unread.iter().any(|part| part == "identity") {
        return;
    }
    let (plan, identity) = (facts.plan, &facts.inventory.identity);
    let service = &plan.service;
    match &plan.access {
        StorageAccess::SystemAssignedManagedIdentity if !identity.system_assigned => {
            found.push(Finding::blocks(
                "identity.missing",
                format!("{} has no system-assigned identity to reach the storage account with", service.name),
                format!(
                    "give it one: apim-dr identity enable --system --name {} --resource-group {}",
                    service.name, service.resource_group
                ),
            ));
        }
        StorageAccess::UserAssignedManagedIdentity { client_id } => {
            let known = |id: &String| id.eq_ignore_ascii_case(client_id.as_str());
            let ids = || identity.user_assigned.values().map(|assigned| assigned.client_id.as_ref());
            if ids().any(|id| id.is_some_and(known)) {
                return;
            }
            let text = format!("{client_id} is not the client id of an identity of {}", service.name);
            let remedy = format!(
                "give it that one: apim-dr identity enable --user <its resource id> --name {} --resource-group {}; \
                 or correct clientId, which is the identity's, not the caller's",
                service.name, service.resource_group
            );
            let unknown = ids().any(|id| id.is_none());
            found.push(if unknown {
                Finding::warns("identity.unknown", format!("{text}, as far as Azure tells yet"), remedy)
            } else {
                Finding::blocks("identity.not-assigned", text, remedy)
            });
        }
        StorageAccess::SystemAssignedManagedIdentity | StorageAccess::AccessKey => {}
    }
}

fn connectivity(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let name = &facts.plan.service.name;
    let remedy = format!(
        "let the subnet reach Azure Storage (443, 445), then apply: az apim apply-network-updates --name {name} \
         --resource-group {}",
        facts.plan.service.resource_group
    );
    let all = match &facts.connectivity {
        None => return,
        Some(Ok(all)) => all,
        Some(Err(error)) => {
            return found.push(unread("network.unread", "the service's network status", error));
        }
    };
    let is_storage = |item: &&Connectivity| {
        let kind = item.resource_type.as_deref().unwrap_or_default();
        let by_kind = ["BlobStorage", "FileStorage", "Queue", "TableStorage"]
            .iter()
            .any(|it| kind.eq_ignore_ascii_case(it));
        by_kind || kind.is_empty() && item.name.to_ascii_lowercase().contains(".core.")
    };
    for item in all.iter().filter(is_storage) {
        let place = if item.location.is_empty() { String::new() } else { format!(" in {}", item.location) };
        let is_old = item.updated.is_some_and(|updated| facts.now.duration_since(updated) > STALE);
        if item.status.eq_ignore_ascii_case("failure") {
            let optional = if item.optional == Some(true) { ", which is optional" } else { "" };
            let why = if item.error.is_empty() { String::new() } else { format!(": {}", item.error) };
            let text = format!("{name} does not reach {}{place}{optional}{why}", item.name);
            found.push(Finding::warns("network.storage", text, remedy.clone()));
        } else if is_old {
            let text = format!(
                "{name} has not said since {:.0} whether it reaches {}{place}",
                item.updated.unwrap_or_default(),
                item.name
            );
            found.push(Finding::warns("network.stale", text, remedy.clone()));
        }
    }
}

/// The principal of the identity with which a service is to reach the storage account, as far as known.
pub fn principal<'a>(plan: &Plan, inventory: &'a Inventory) -> Option<&'a str> {
    match &plan.access {
        StorageAccess::AccessKey => None,
        StorageAccess::SystemAssignedManagedIdentity => inventory.identity.principal.as_deref(),
        StorageAccess::UserAssignedManagedIdentity { client_id } => {
            let is_it = |id: &String| id.eq_ignore_ascii_case(client_id.as_str());
            let mut assigned = inventory.identity.user_assigned.values();
            assigned.find(|it| it.client_id.as_ref().is_some_and(is_it))?.principal.as_deref()
        }
    }
}

/// What is to be read, and what it does to the service.
fn restore(facts: &Facts<'_>, from: &Source, found: &mut Vec<Finding>) {
    let plan = facts.plan;
    let tier = facts.inventory.tier.as_ref();
    found.extend(objection(&plan.blob, &from.look, from.point.as_ref(), tier, facts.now));
    if let BlobLook::Unread { reason } = &from.look {
        let text = format!("whether the backup {} is there could not be read: {reason}", plan.blob);
        found.push(Finding::warns("backup.unread", text, "let the app read the container, or look by hand"));
    }
    let is_own = from.point.as_ref().is_some_and(|point| point.service.name.key() == plan.service.name.key());
    let is_said = plan.source.as_ref().is_some_and(|source| source.key() == plan.service.name.key());
    if is_own && !is_said {
        found.push(Finding::warns(
            "restore.in-place",
            format!(
                "{} goes back to what it was itself, and what was changed since is lost",
                plan.service.name
            ),
            "name it as source if that is meant; safetyBackup keeps what is there now",
        ));
    }
}

/// What could not be read is never held against the operation.
fn unread(code: &'static str, what: &str, error: &AzureError) -> Finding {
    let remedy = error.remedy.clone().unwrap_or_else(|| "try again later: apim-dr check".to_owned());
    Finding::warns(code, format!("{what} could not be read: {error}"), remedy)
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
