//! What a service is: tier, size, place, identities.

use std::collections::BTreeMap;

use super::{Difference, Impact, NONE, Pair, counted, list};
use crate::domain::{Identity, Inventory, Region, Tier};

/// A backup restores only into a service of its tier.
pub(super) fn tier(pair: Pair<'_>) -> Option<Difference> {
    let name = |tier: &Option<Tier>| tier.as_ref().map_or(NONE, |tier| &tier.0).to_owned();
    let (primary, standby) = (name(&pair.primary.inventory.tier), name(&pair.standby.inventory.tier));
    if primary.eq_ignore_ascii_case(&standby) {
        return None;
    }
    if primary == NONE || standby == NONE {
        let text = "nobody can tell whether the tiers are the same: Azure did not say one".to_owned();
        return Some(Difference::new(Impact::Risks, "tier", primary, standby, text, "look again"));
    }
    let text = format!("a backup of the tier {primary} cannot be restored into the tier {standby}");
    let remedy = format!("az apim update {} --sku-name {primary}", pair.at());
    Some(Difference::new(Impact::Breaks, "tier", primary, standby, text, remedy))
}

pub(super) fn capacity(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (pair.primary.inventory.capacity?, pair.standby.inventory.capacity?);
    if theirs >= ours {
        return None;
    }
    let (primary, standby) = (counted(ours, "units"), counted(theirs, "units"));
    let text =
        format!("{} what {primary} carried falls to {standby}: calls may be slow or fail", pair.roles.then);
    let remedy =
        format!("scale it, which takes up to 45 minutes: az apim update {} --sku-capacity {ours}", pair.at());
    Some(Difference::new(Impact::Risks, "capacity", primary, standby, text, remedy))
}

/// Their names mean nothing in another region.
pub(super) fn zones(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (&pair.primary.inventory.zones, &pair.standby.inventory.zones);
    if theirs.len() >= ours.len() {
        return None;
    }
    let text =
        format!("{} fewer availability zones carry the service: the loss of one hurts more", pair.roles.then);
    let remedy = format!("Azure portal, {}, Locations: choose the zones", pair.standby.service.name);
    Some(Difference::new(Impact::Risks, "zones", list(ours), list(theirs), text, remedy))
}

/// Regions besides the first.
pub(super) fn regions(pair: Pair<'_>) -> Option<Difference> {
    let units = |inventory: &Inventory| -> u64 {
        inventory.regions.iter().map(|region| region.capacity.unwrap_or(1)).sum()
    };
    let (ours, theirs) = (&pair.primary.inventory, &pair.standby.inventory);
    let differs = |severity, text, remedy| {
        let (primary, standby) = (told(&ours.regions), told(&theirs.regions));
        Some(Difference::new(severity, "regions", primary, standby, text, remedy))
    };
    if theirs.regions.len() < ours.regions.len() || units(theirs) < units(ours) {
        let text = format!(
            "{} fewer gateways in other regions carry the calls: those near them take longer, or fail",
            pair.roles.then
        );
        let remedy = format!("add them: Azure portal, {}, Locations", pair.standby.service.name);
        return differs(Impact::Risks, text, remedy);
    }
    (names(&ours.regions) != names(&theirs.regions)).then_some(())?;
    let text = format!("{} calls take other ways: the gateways lie in other regions", pair.roles.then);
    differs(Impact::Notes, text, String::new())
}

fn names(regions: &[Region]) -> Vec<String> {
    let mut names: Vec<_> = regions.iter().map(|region| plain(&region.location)).collect();
    names.sort_unstable();
    names
}

fn told(regions: &[Region]) -> String {
    let mut regions: Vec<_> = regions
        .iter()
        .map(|Region { location, capacity, .. }| match capacity {
            Some(units) => format!("{location} ({})", counted(*units, "units")),
            None => location.clone(),
        })
        .collect();
    regions.sort_unstable();
    list(regions)
}

/// `australiaeast`, of whichever spelling.
fn plain(location: &str) -> String {
    location.chars().filter(|c| *c != ' ').flat_map(char::to_lowercase).collect()
}

pub(super) fn location(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (&pair.primary.inventory.location, &pair.standby.inventory.location);
    if pair.primary.service == pair.standby.service || ours.is_empty() || theirs.is_empty() {
        return None;
    }
    let (severity, text, remedy) = if plain(ours) == plain(theirs) {
        let text = format!("both lie in {ours}: whoever loses the region loses both");
        (Impact::Risks, text, "keep the standby in another region")
    } else {
        let text = "they lie in different regions, as they should: expect other latencies, and addresses that partners may not let in yet";
        (Impact::Notes, text.to_owned(), "")
    };
    Some(Difference::new(severity, "location", ours, theirs, text, remedy))
}

pub(super) fn platform(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) =
        (pair.primary.inventory.platform.as_ref()?, pair.standby.inventory.platform.as_ref()?);
    if ours.eq_ignore_ascii_case(theirs) {
        return None;
    }
    let text = format!("they run on different platforms of Azure: {ours} and {theirs}");
    Some(Difference::new(Impact::Notes, "platform", ours, theirs, text, ""))
}

/// Identities as sets. Whose they are never matters, but what they may do.
pub(super) fn identity(pair: Pair<'_>) -> Vec<Difference> {
    let (ours, theirs) = (&pair.primary.inventory.identity, &pair.standby.inventory.identity);
    let then = pair.roles.then;
    let mut found = Vec::new();
    let mut add = |severity, primary: &str, standby: &str, text: String, remedy: String| {
        found.push(Difference::new(severity, "identity", primary, standby, text, remedy));
    };
    let system = "system-assigned";
    match (ours.system_assigned, theirs.system_assigned) {
        (true, false) => {
            let text = format!(
                "{then} nothing works that needs the system-assigned identity: Key Vault, backends, backups"
            );
            let remedy = format!(
                "turn it on, then give it its roles: az apim update {} --enable-managed-identity true",
                pair.at()
            );
            add(Impact::Risks, system, NONE, text, remedy);
        }
        (false, true) => {
            let text = format!("only {} has a system-assigned identity", pair.roles.standby);
            add(Impact::Notes, NONE, system, text, String::new());
        }
        (true, true) => {
            let principal = |it: &Identity| it.principal.clone().unwrap_or_else(|| system.to_owned());
            let text = format!(
                "each has a system-assigned identity of its own: what the one of {} may do the other may not, unless somebody granted it",
                pair.roles.primary
            );
            let assignee = theirs.principal.as_deref().unwrap_or("<principal id>");
            let remedy = format!(
                "compare the roles (Key Vault, storage, backends): az role assignment list --all --assignee {assignee}"
            );
            add(Impact::Notes, &principal(ours), &principal(theirs), text, remedy);
        }
        (false, false) => {}
    }
    let by_id = |identity: &Identity| -> BTreeMap<String, String> {
        identity.user_assigned.keys().map(|id| (id.to_ascii_lowercase(), id.clone())).collect()
    };
    let (our_ids, their_ids) = (by_id(ours), by_id(theirs));
    for (_, id) in our_ids.iter().filter(|(key, _)| !their_ids.contains_key(*key)) {
        let text = format!("{then} nothing works that needs the user-assigned identity {}", name(id));
        let kind = if theirs.system_assigned { "SystemAssigned, UserAssigned" } else { "UserAssigned" };
        let body = format!(r#"{{"identity":{{"type":"{kind}","userAssignedIdentities":{{"{id}":{{}}}}}}}}"#);
        add(Impact::Risks, name(id), NONE, text, pair.patch(&body));
    }
    for (_, id) in their_ids.iter().filter(|(key, _)| !our_ids.contains_key(*key)) {
        let text = format!("only {} has the user-assigned identity {}", pair.roles.standby, name(id));
        add(Impact::Notes, NONE, name(id), text, String::new());
    }
    found
}

/// The last part of a resource id.
fn name(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, name)| name)
}
