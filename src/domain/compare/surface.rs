//! What callers meet: the gateway, the network, protocols and ciphers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, Impact, NONE, Pair};
use crate::domain::{Network, Snapshot};

/// What Azure takes a setting for that it does not send.
const UNSET: &str = "False";

pub(super) fn gateway(pair: Pair<'_>) -> Option<Difference> {
    let told = |snapshot: &Snapshot| if snapshot.inventory.gateway_disabled { "disabled" } else { "enabled" };
    let (primary, standby) = (told(pair.primary), told(pair.standby));
    if primary == standby {
        return None;
    }
    let differs = |severity, text, remedy: String| {
        Some(Difference::new(severity, "gateway", primary, standby, text, remedy))
    };
    if pair.standby.inventory.gateway_disabled {
        let text =
            format!("{} no API answers: the gateway of {} is disabled", pair.roles.then, pair.roles.standby);
        return differs(
            Impact::Breaks,
            text,
            format!("az apim update {} --disable-gateway false", pair.at()),
        );
    }
    let text =
        format!("the gateway of {} is disabled, that of {} answers", pair.roles.primary, pair.roles.standby);
    differs(Impact::Notes, text, String::new())
}

/// Subnets are expected to differ: each lies in its own region.
pub(super) fn network(pair: Pair<'_>) -> Vec<Difference> {
    let (ours, theirs) = (&pair.primary.inventory.network, &pair.standby.inventory.network);
    let then = pair.roles.then;
    let mut found = Vec::new();
    let (primary, standby) = (kind(ours), kind(theirs));
    if !primary.eq_ignore_ascii_case(standby) {
        let text = match (ours.is_injected(), theirs.is_injected()) {
            (true, false) => format!("{then} the gateway reaches no backend that lies in a virtual network"),
            (false, true) => format!(
                "{then} the gateway lies in a virtual network: its routes and rules decide what it reaches and who reaches it"
            ),
            _ => format!(
                "{then} callers reach the gateway from elsewhere: External answers the internet, Internal its network only"
            ),
        };
        let remedy = format!(
            "Azure portal, {}, Network; it takes up to 45 minutes, and changes the service's addresses",
            pair.standby.service.name
        );
        found.push(Difference::new(Impact::Risks, "network", primary, standby, text, remedy));
    }
    let address = |network: &Network| if network.public_ip.is_some() { "own address" } else { NONE };
    if ours.public_ip.is_some() && theirs.public_ip.is_none() {
        let text = format!(
            "{} has no public address of your own: it may change, and partners cannot let it in beforehand",
            pair.roles.standby
        );
        found.push(Difference::new(Impact::Notes, "network", address(ours), address(theirs), text, ""));
    }
    found
}

fn kind(network: &Network) -> &str {
    if network.kind.is_empty() { "None" } else { &network.kind }
}

pub(super) fn public_network_access(pair: Pair<'_>) -> Option<Difference> {
    let access = |snapshot: &Snapshot| {
        snapshot.inventory.public_network_access.clone().unwrap_or_else(|| "Enabled".to_owned())
    };
    let (primary, standby) = (access(pair.primary), access(pair.standby));
    if primary.eq_ignore_ascii_case(&standby) {
        return None;
    }
    let then = pair.roles.then;
    let (text, flag) = if standby.eq_ignore_ascii_case("Disabled") {
        (format!("{then} only callers with a private endpoint reach the gateway"), "true")
    } else {
        (format!("{then} the gateway answers the whole internet, as it did not before"), "false")
    };
    let remedy = format!("az apim update {} --public-network-access {flag}", pair.at());
    Some(Difference::new(Impact::Risks, "public-network-access", primary, standby, text, remedy))
}

pub(super) fn private_endpoints(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (pair.primary.inventory.private_endpoints, pair.standby.inventory.private_endpoints);
    if theirs >= ours {
        return None;
    }
    let text = format!(
        "{} callers behind a private endpoint do not reach the gateway: {} has {theirs} of {ours}",
        pair.roles.then, pair.roles.standby
    );
    let remedy = format!(
        "az network private-endpoint create --name <name> --resource-group <group> --subnet <id> --connection-name <name> --group-id Gateway --private-connection-resource-id {}",
        pair.standby.service
    );
    let (primary, standby) = (ours.to_string(), theirs.to_string());
    Some(Difference::new(Impact::Risks, "private-endpoints", primary, standby, text, remedy))
}

/// Protocols and ciphers, name by name in any case; one that is not there is off.
pub(super) fn protocols(pair: Pair<'_>) -> Vec<Difference> {
    let settings = |snapshot: &Snapshot| -> BTreeMap<String, (String, String)> {
        let settings = snapshot.inventory.settings.iter();
        settings.map(|(name, value)| (name.to_ascii_lowercase(), (name.clone(), value.clone()))).collect()
    };
    let (ours, theirs) = (settings(pair.primary), settings(pair.standby));
    let mut found = Vec::new();
    for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let Some((name, _)) = ours.get(key).or_else(|| theirs.get(key)) else { continue };
        let value = |of: &BTreeMap<String, (String, String)>| {
            of.get(key).map_or_else(|| UNSET.to_owned(), |(_, value)| value.clone())
        };
        let (primary, standby) = (value(&ours), value(&theirs));
        if primary.eq_ignore_ascii_case(&standby) {
            continue;
        }
        let then = pair.roles.then;
        let text = if standby.eq_ignore_ascii_case(UNSET) {
            format!("{then} {name} is off: whoever needs it cannot connect")
        } else if primary.eq_ignore_ascii_case(UNSET) {
            format!("{then} {name} is on, though it was off: what was closed is open")
        } else {
            format!("{then} {name} has another value")
        };
        let remedy =
            format!("set it alike: Azure portal, {}, Protocols + ciphers", pair.standby.service.name);
        found.push(Difference::new(Impact::Risks, "protocols", primary, standby, text, remedy));
    }
    found
}

/// Versions are dates: later ones sort behind.
pub(super) fn api_version_constraint(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (&pair.primary.inventory.min_api_version, &pair.standby.inventory.min_api_version);
    if ours == theirs {
        return None;
    }
    let told = |version: &Option<String>| version.clone().unwrap_or_else(|| NONE.to_owned());
    let (severity, text) = match theirs {
        Some(version) if theirs > ours => {
            let text = format!(
                "{} refuses api-versions before {version}: pipelines and scripts that use one fail {}",
                pair.roles.standby, pair.roles.then
            );
            (Impact::Risks, text)
        }
        _ => (Impact::Notes, format!("{} takes older api-versions", pair.roles.standby)),
    };
    let remedy = if severity == Impact::Risks {
        let version = ours.as_ref().map_or_else(|| "null".to_owned(), |version| format!("\"{version}\""));
        pair.patch(&format!(r#"{{"properties":{{"apiVersionConstraint":{{"minApiVersion":{version}}}}}}}"#))
    } else {
        String::new()
    };
    Some(Difference::new(severity, "api-version-constraint", told(ours), told(theirs), text, remedy))
}
