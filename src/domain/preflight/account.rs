//! What speaks against the storage account: who gets in, where its copies lie, what the identity may do there.

use super::{Facts, principal, unread};
use crate::domain::{AccountFacts, Finding, Kind, Plan, RoleAssignment, StorageAccess};

pub(super) const CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
pub(super) const OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";
/// Kinds of storage that copy to another region.
const GEO: [&str; 4] = ["GRS", "RAGRS", "GZRS", "RAGZRS"];

/// Whether the service gets into the account at all.
pub(super) fn reach(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
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
    // Nobody can tell from here what its address rules let in, nor whether a service in a network comes by a private
    // endpoint.
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
pub(super) fn copies(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
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

pub(super) fn cors(facts: &Facts<'_>, found: &mut Vec<Finding>) {
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

pub(super) fn container(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
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

pub(super) fn role(facts: &Facts<'_>, account: &AccountFacts, found: &mut Vec<Finding>) {
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

pub(super) fn unseen(facts: &Facts<'_>, found: &mut Vec<Finding>) {
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
