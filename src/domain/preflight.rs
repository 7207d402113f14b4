//! What speaks against a backup or a restore before it starts: facts in, findings out.
//!
//! Only what cannot work blocks. What Azure does not document, what may be so and work all the same, and what nobody may
//! read, warns. The rules are those of API Management's disaster recovery page and of its users' reports
//! (docs/ARCHITECTURE.md, "Decisions").

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::{
    AccountFacts, AzureError, BlobLook, Connectivity, DeletedService, Finding, Inventory, Kind, Plan,
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
const CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
const OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";
/// The network status is made anew every 15 minutes.
const STALE: SignedDuration = SignedDuration::from_mins(45);
/// Kinds of storage that copy to another region.
const GEO: [&str; 4] = ["GRS", "RAGRS", "GZRS", "RAGZRS"];

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
            reach(facts, account, &mut found);
            copies(facts, account, &mut found);
            cors(facts, &mut found);
            container(facts, account, &mut found);
            role(facts, account, &mut found);
        }
        Ok(None) => unseen(facts, &mut found),
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
                "bring it back, or free its name: az apim deletedservice purge --service-name {} --location \"{}\"",
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

/// Whether the service gets into the account at all.
fn reach(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
    let plan = facts.plan;
    let name = &plan.blob.account;
    let by_key = plan.access == StorageAccess::AccessKey;
    if by_key && account.shared_key_allowed == Some(false) {
        found.push(Finding::blocks(
            "account.keys-refused",
            format!("the storage account {name} takes no keys"),
            format!("use a managed identity (accessType), or allow keys: az storage account update --name {name} --allow-shared-key-access true"),
        ));
    }
    if account.hierarchical_namespace {
        found.push(Finding::warns(
            "account.hierarchical-namespace",
            format!("the storage account {name} has a hierarchical namespace, with which backups are not documented"),
            "prefer an account without; look whether a restore of it works (apim-dr drill)",
        ));
    }
    let access = account.public_network_access.as_deref().unwrap_or("Enabled");
    if access.eq_ignore_ascii_case("SecuredByPerimeter") {
        found.push(Finding::warns(
            "account.perimeter",
            format!("the storage account {name} is in a network security perimeter, with which backups are not documented"),
            "let API Management in by an inbound rule of the perimeter, for its subscription",
        ));
    }
    let closed = access.eq_ignore_ascii_case("Disabled");
    if account.firewall.denies || closed {
        firewall(facts, account, closed, found);
    }
}

/// Behind a firewall only the system-assigned identity gets through, as a trusted service or by a rule for the instance.
fn firewall(facts: &Facts<'_>, account: &AccountFacts, closed: bool, found: &mut Vec<Finding>) {
    let plan = facts.plan;
    let (name, rules) = (&plan.blob.account, &account.firewall);
    let what = if closed { "takes no calls from public networks" } else { "has a firewall" };
    let is_trusted = rules.bypass.iter().any(|it| it.eq_ignore_ascii_case("AzureServices"));
    let is_let_in = rules.resources.iter().any(|resource| lets_in(resource, plan));
    // What its address rules let in, nobody can tell from here.
    // Nor whether a service in a network comes by a private endpoint.
    let has_rules =
        !closed && rules.ip_rules + rules.network_rules > 0 || facts.inventory.network.is_injected();
    if plan.access != StorageAccess::SystemAssignedManagedIdentity {
        let text = format!(
            "the storage account {name} {what}, through which only the service's system-assigned identity gets"
        );
        let remedy = "use accessType SystemAssignedManagedIdentity, and let trusted services through: az storage \
                      account update --name ";
        let remedy = format!("{remedy}{name} --bypass AzureServices");
        found.push(if has_rules {
            Finding::warns("firewall.access-type", text, remedy)
        } else {
            Finding::blocks("firewall.access-type", text, remedy)
        });
    } else if !is_trusted && !is_let_in {
        let text = format!(
            "the storage account {name} {what}, and neither trusted services nor {} are let through",
            plan.service.name
        );
        let remedy = format!(
            "az storage account update --name {name} --bypass AzureServices; or az storage account network-rule add \
             --account-name {name} --resource-id {}",
            plan.service
        );
        found.push(if has_rules {
            Finding::warns("firewall.bypass", text, remedy)
        } else {
            Finding::blocks("firewall.bypass", text, remedy)
        });
    } else if closed {
        let text = format!(
            "the storage account {name} {what}; that its exceptions still count is documented, no backup through them is"
        );
        found.push(Finding::warns("firewall.public-access", text, "look at the outcome of the next backup"));
    }
}

/// Whether a resource access rule means this service; one may be for all of a subscription or resource group.
fn lets_in(resource: &str, plan: &Plan) -> bool {
    let (resource, service) = (resource.to_ascii_lowercase(), plan.service.to_string().to_ascii_lowercase());
    match resource.split_once("/*") {
        None => resource == service,
        Some((above, _)) => {
            service.starts_with(&format!("{above}/"))
                && (!resource.contains("/providers/")
                    || resource.contains("/microsoft.apimanagement/service"))
        }
    }
}

/// Where the copies of a backup lie.
fn copies(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
    let plain = |location: &str| location.replace(' ', "").to_ascii_lowercase();
    let kind = account.sku.rsplit('_').next().unwrap_or_default();
    let is_copied = GEO.iter().any(|geo| geo.eq_ignore_ascii_case(kind));
    let same = !account.location.is_empty() && plain(&account.location) == plain(&facts.inventory.location);
    if facts.plan.kind == Kind::Backup && same && !is_copied {
        let (account_name, region) = (&facts.plan.blob.account, &facts.inventory.location);
        found.push(Finding::warns(
            "account.same-region",
            format!("the only copy of a backup lies in {region}, where {} is ({})", facts.plan.service.name, account.sku),
            format!("take an account in another region, or one that copies: az storage account update --name {account_name} --sku Standard_GRS"),
        ));
    }
}

fn cors(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let name = &facts.plan.blob.account;
    match &facts.cors_methods {
        None => {}
        Some(Ok(methods)) if methods.is_empty() => {}
        Some(Ok(methods)) => {
            let patch = methods.iter().any(|method| method.eq_ignore_ascii_case("PATCH"));
            let more = if patch && facts.plan.access == StorageAccess::AccessKey {
                ", and users report that PATCH among its methods ends a backup by key with InvalidParameters"
            } else {
                ""
            };
            found.push(Finding::warns(
                "account.cors",
                format!("the blob service of {name} has CORS rules, which API Management's documentation forbids{more}"),
                format!("remove them: az storage cors clear --services b --account-name {name}; or use a managed identity"),
            ));
        }
        Some(Err(error)) => found.push(unread("cors.unread", "the blob service's CORS rules", error)),
    }
}

fn container(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
    let blob = &facts.plan.blob;
    let text = || format!("the storage account {} has no container {}", blob.account, blob.container);
    match &facts.container_exists {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) if facts.plan.kind == Kind::Backup => found.push(Finding::warns(
            "container.missing",
            format!("{}; newer versions of API Management make it, older ones fail", text()),
            format!(
                "az storage container create --account-name {} --name {} --auth-mode login",
                blob.account, blob.container
            ),
        )),
        Some(Ok(false)) => found.push(Finding::blocks(
            "container.missing",
            text(),
            "check storageAccount and containerName; see apim-dr list",
        )),
        Some(Err(error)) => {
            found.push(unread("container.unread", &format!("the container below {}", account.id), error));
        }
    }
}

fn role(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
    let plan = facts.plan;
    let roles = match &facts.roles {
        None => return,
        Some(Ok(roles)) => roles,
        Some(Err(error)) => {
            return found.push(unread("role.unread", "role assignments on the storage account", error));
        }
    };
    let container = format!("{}/blobServices/default/containers/{}", account.id, plan.blob.container);
    let reaches = |role: &&RoleAssignment| {
        let scope = role.scope.trim_end_matches('/').to_ascii_lowercase();
        let container = container.to_ascii_lowercase();
        container == scope || container.starts_with(&format!("{scope}/")) || scope.is_empty()
    };
    let fit =
        |role: &&RoleAssignment| [CONTRIBUTOR, OWNER].iter().any(|id| id.eq_ignore_ascii_case(&role.role));
    let fitting: Vec<_> = roles.iter().filter(fit).filter(reaches).collect();
    let remedy = format!(
        "az role assignment create --role \"Storage Blob Data Contributor\" --scope {} --assignee-object-id {} \
         --assignee-principal-type ServicePrincipal",
        account.id,
        principal(plan, facts.inventory).unwrap_or("<principal id of the identity>")
    );
    if fitting.is_empty() {
        let text = format!(
            "the identity of {} has no Storage Blob Data Contributor on {}, unless by a group or a role of your own",
            plan.service.name, plan.blob.account
        );
        found.push(Finding::warns("role.missing", text, remedy));
    } else if fitting.iter().all(|role| role.has_condition) {
        let text = format!(
            "the role of {} on {} has a condition, which may keep it from this blob",
            plan.service.name, plan.blob.account
        );
        found.push(Finding::warns(
            "role.condition",
            text,
            "read the condition; or assign the role without one",
        ));
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

fn unseen(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (account, subscription) = (&facts.plan.blob.account, &facts.plan.service.subscription);
    match &facts.account_exists {
        Some(Ok(false)) => found.push(Finding::blocks(
            "account.missing",
            format!("there is no storage account {account} anywhere"),
            "check storageAccount: it is the account's name, not its address",
        )),
        Some(Err(error)) => found.push(unread("account.unread", "the storage account", error)),
        None | Some(Ok(true)) => found.push(Finding::warns(
            "account.unseen",
            format!("the storage account {account} is not among those of the subscription {subscription} that may be read: nothing of it was checked"),
            "grant the caller Reader on the account; in another subscription, check by hand: its firewall, keys, CORS rules, and the identity's role",
        )),
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
