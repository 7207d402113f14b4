//! Custom host names, their certificates, and the certificates that the gateway trusts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Difference, Impact, NONE, Pair, list};
use crate::domain::{CaCertificate, Certificate, Hostname, Snapshot};

/// How long before its end a certificate is told of.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A host name is the same by its kind and itself, in any case.
fn by_host(snapshot: &Snapshot) -> BTreeMap<(String, String), &Hostname> {
    let key = |it: &Hostname| (it.kind.to_ascii_lowercase(), it.host.to_ascii_lowercase());
    snapshot.inventory.hostnames.iter().map(|hostname| (key(hostname), hostname)).collect()
}

pub(super) fn hostnames(pair: Pair<'_>) -> Vec<Difference> {
    let (primary, standby) = (by_host(pair.primary), by_host(pair.standby));
    let mut found = Vec::new();
    for (key, ours) in &primary {
        match standby.get(key) {
            Some(theirs) => found.extend(same_host(pair, ours, theirs)),
            None => found.push(missing_host(pair, ours)),
        }
    }
    let only_there = standby.iter().filter(|(key, _)| !primary.contains_key(*key));
    found.extend(only_there.map(|(_, theirs)| {
        let text = format!("only {} answers to {} ({})", pair.roles.standby, theirs.host, theirs.kind);
        Difference::new(Impact::Notes, "hostname", NONE, &theirs.host, text, "")
    }));
    found
}

fn missing_host(pair: Pair<'_>, hostname: &Hostname) -> Difference {
    let is_proxy = hostname.kind.eq_ignore_ascii_case("Proxy");
    let Hostname { kind, host, .. } = hostname;
    let then = pair.roles.then;
    let (severity, text) = if is_proxy {
        let text = format!(
            "{then} nobody reaches an API under {host}: {} does not know the name, whatever DNS says",
            pair.roles.standby
        );
        (Impact::Breaks, text)
    } else {
        (Impact::Risks, format!("{then} nothing answers to {host} ({kind})"))
    };
    let remedy = format!(
        "add the host name with the same certificate: Azure portal, {}, Custom domains; both services may have it, DNS says which one is meant",
        pair.standby.service.name
    );
    Difference::new(severity, "hostname", host, NONE, text, remedy)
}

/// What differs though both have the host name.
fn same_host(pair: Pair<'_>, ours: &Hostname, theirs: &Hostname) -> Vec<Difference> {
    let then = pair.roles.then;
    let mut found = Vec::new();
    let mut add = |primary: String, standby: String, text: String, remedy: &str| {
        found.push(Difference::new(Impact::Risks, "hostname", primary, standby, text, remedy));
    };
    let host = &ours.host;
    let thumbprint = |it: &Hostname| it.certificate.as_ref().map(|it| it.thumbprint.to_ascii_uppercase());
    if thumbprint(ours) != thumbprint(theirs) {
        let told = |it| thumbprint(it).unwrap_or_else(|| NONE.to_owned());
        let text = if ours.certificate.is_some() && theirs.certificate.is_some() {
            format!("{then} {host} shows another certificate: clients that pin the old one refuse it")
        } else {
            format!("nobody can tell whether {host} shows the same certificate {then}: Azure did not say one")
        };
        let remedy =
            "let both read the same certificate, best from a Key Vault: Azure portal, Custom domains";
        add(told(ours), told(theirs), text, remedy);
    }
    if ours.negotiates_client_certificate != theirs.negotiates_client_certificate {
        let (ours, theirs) = (ours.negotiates_client_certificate, theirs.negotiates_client_certificate);
        let text = if ours {
            format!("{then} {host} asks for no client certificate: policies that check one refuse every call")
        } else {
            format!("{then} {host} asks for a client certificate: clients without one may fail")
        };
        let told = |asks| if asks { "client certificate" } else { "no client certificate" }.to_owned();
        add(
            told(ours),
            told(theirs),
            text,
            "Azure portal, Custom domains: set Negotiate client certificate alike",
        );
    }
    if ours.default_ssl_binding != theirs.default_ssl_binding {
        let text = format!("{then} clients that do not name their host (SNI) are shown another certificate");
        let told = |is_default| if is_default { "default binding" } else { "no default binding" }.to_owned();
        let (ours, theirs) = (ours.default_ssl_binding, theirs.default_ssl_binding);
        add(told(ours), told(theirs), text, "Azure portal, Custom domains: set Default SSL binding alike");
    }
    if ours.key_vault.is_some() && theirs.key_vault.is_none() {
        let text = format!(
            "{} has the certificate of {host} by hand: it is not renewed with the Key Vault's",
            pair.roles.standby
        );
        add(
            "Key Vault".to_owned(),
            "by hand".to_owned(),
            text,
            "Azure portal, Custom domains: take it from the Key Vault",
        );
    }
    found
}

/// Those that are over, or soon will be, on either side. One that serves several host names is told of once.
pub(super) fn certificates(pair: Pair<'_>) -> Vec<Difference> {
    let mut hosts: BTreeMap<(Timestamp, String), [BTreeSet<String>; 2]> = BTreeMap::new();
    for (side, snapshot) in [pair.primary, pair.standby].into_iter().enumerate() {
        for hostname in &snapshot.inventory.hostnames {
            if let Some(certificate) = &hostname.certificate
                && let Some(expiry) = ends_soon(certificate, pair.now)
            {
                let key = (expiry, certificate.thumbprint.to_ascii_uppercase());
                hosts.entry(key).or_default()[side].insert(hostname.host.to_ascii_lowercase());
            }
        }
    }
    let remedy = "renew it, in the Key Vault if it comes from there; else Azure portal, Custom domains";
    let difference = |((expiry, _), hosts): ((Timestamp, String), [BTreeSet<String>; 2])| {
        let all = list(hosts.iter().flatten().collect::<BTreeSet<_>>());
        let [primary, standby] =
            hosts.map(|hosts| if hosts.is_empty() { NONE.to_owned() } else { day(expiry) });
        let on = on(pair, &primary, &standby);
        let (severity, text) = if expiry <= pair.now {
            let text = format!("the certificate of {all} {on} ended on {}: clients refuse it", day(expiry));
            (Impact::Breaks, text)
        } else {
            let text =
                format!("the certificate of {all} {on} ends on {}: clients refuse it then", day(expiry));
            (Impact::Risks, text)
        };
        Difference::new(severity, "certificate", primary, standby, text, remedy)
    };
    hosts.into_iter().map(difference).collect()
}

fn by_store(snapshot: &Snapshot) -> BTreeMap<(String, String), &CaCertificate> {
    let key =
        |it: &CaCertificate| (it.store.to_ascii_lowercase(), it.certificate.thumbprint.to_ascii_uppercase());
    snapshot.inventory.certificates.iter().map(|it| (key(it), it)).collect()
}

pub(super) fn ca_certificates(pair: Pair<'_>) -> Vec<Difference> {
    let (primary, standby) = (by_store(pair.primary), by_store(pair.standby));
    let mut found = Vec::new();
    for key in primary.keys().chain(standby.keys()).collect::<BTreeSet<_>>() {
        let (ours, theirs) = (primary.get(key), standby.get(key));
        let Some(CaCertificate { store, certificate }) = ours.or(theirs) else { continue };
        let subject = &certificate.subject;
        let told = |has| if has { subject.as_str() } else { NONE };
        let (primary, standby) = (told(ours.is_some()), told(theirs.is_some()));
        if theirs.is_none() {
            let text = format!(
                "{} backends and clients whose certificates {subject} issued are not trusted ({store})",
                pair.roles.then
            );
            let remedy = format!(
                "upload it: Azure portal, {}, Certificates, CA certificates",
                pair.standby.service.name
            );
            found.push(Difference::new(Impact::Risks, "ca-certificate", primary, standby, text, remedy));
        } else if ours.is_none() {
            let text = format!("only {} trusts what {subject} issued ({store})", pair.roles.standby);
            found.push(Difference::new(Impact::Notes, "ca-certificate", primary, standby, text, ""));
        }
        if let Some(expiry) = ends_soon(certificate, pair.now) {
            let tense = if expiry <= pair.now { "ended" } else { "ends" };
            let on = on(pair, primary, standby);
            let text = format!(
                "{subject} {on} {tense} on {}: from then on nothing that it issued is trusted",
                day(expiry)
            );
            let remedy = "upload its successor: Azure portal, Certificates, CA certificates; remove it if nothing needs it";
            found.push(Difference::new(Impact::Risks, "ca-certificate", primary, standby, text, remedy));
        }
    }
    found
}

/// When a certificate ends, if that is no longer far off.
fn ends_soon(certificate: &Certificate, now: Timestamp) -> Option<Timestamp> {
    certificate.expiry.filter(|expiry| expiry.duration_since(now) <= SOON)
}

/// On which side, or sides.
fn on(pair: Pair<'_>, primary: &str, standby: &str) -> String {
    match (primary != NONE, standby != NONE) {
        (true, true) => "on both".to_owned(),
        (true, false) => format!("on {}", pair.roles.primary),
        (false, _) => format!("on {}", pair.roles.standby),
    }
}

fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}
