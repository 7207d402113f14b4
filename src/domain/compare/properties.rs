//! What holds for any two services.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::domain::{
    CaCertificate, Certificate, Diagnostic, Hostname, Identity, Inventory, Network, Region, Tier,
    UserAssigned, samples::plan,
};

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn any_text(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

/// Some ended, some will soon.
fn any_certificate() -> impl Strategy<Value = Certificate> {
    let expiry =
        option::of((-40_i64..400).prop_map(|days| now() + jiff::SignedDuration::from_hours(24 * days)));
    (any_text(&["aa", "AA", "BB"]), expiry).prop_map(|(thumbprint, expiry)| Certificate {
        subject: thumbprint.to_uppercase(),
        thumbprint,
        expiry,
    })
}

fn any_hostnames() -> impl Strategy<Value = Vec<Hostname>> {
    let kind = any_text(&["Proxy", "Portal", "Scm"]);
    let hostname = (kind, option::of(any_certificate()), any::<[bool; 3]>());
    vec(hostname, 0..4).prop_map(|all| {
        let named =
            |(index, (kind, certificate, [a, b, c])): (usize, (String, Option<Certificate>, [bool; 3]))| {
                Hostname {
                    kind,
                    host: format!("host{index}"),
                    certificate,
                    key_vault: a.then(|| "vault".to_owned()),
                    identity_client_id: None,
                    default_ssl_binding: b,
                    negotiates_client_certificate: c,
                }
            };
        all.into_iter().enumerate().map(named).collect()
    })
}

fn any_certificates() -> impl Strategy<Value = Vec<CaCertificate>> {
    vec(any_certificate(), 0..3).prop_map(|all| {
        let stored = |(index, certificate)| CaCertificate { store: format!("store{index}"), certificate };
        all.into_iter().enumerate().map(stored).collect()
    })
}

fn any_regions() -> impl Strategy<Value = Vec<Region>> {
    let region = (any_text(&["Japan East", "japanwest", "UK South"]), option::of(0..3_u64));
    let region = region.prop_map(|(location, capacity)| Region { location, capacity, ..Region::default() });
    vec(region, 0..3)
}

fn any_diagnostics() -> impl Strategy<Value = Vec<Diagnostic>> {
    let sinks = vec(any_text(&["/microsoft.storage/a", "/Microsoft.EventHub/h", "/else/w"]), 0..3);
    let categories = vec(any_text(&["GatewayLogs", "allLogs", "AllMetrics", "allmetrics"]), 0..3);
    let diagnostic = (sinks, categories).prop_map(|(sinks, categories)| Diagnostic {
        name: "d".to_owned(),
        sinks: sinks.into_iter().collect(),
        categories: categories.into_iter().collect(),
    });
    vec(diagnostic, 0..3)
}

fn any_inventory() -> impl Strategy<Value = Inventory> {
    let texts = || option::of(any_text(&["Enabled", "disabled", "2021-08-01", "2024-05-01"]));
    let settings = vec((any_text(&["A", "b"]), any_text(&["True", "false", "x"])), 0..3);
    let identities = vec(any_text(&["/one", "/ONE", "/two"]), 0..3);
    let lists = (any_hostnames(), any_certificates(), any_regions(), settings, identities);
    let rest = (any::<[bool; 4]>(), texts(), texts(), 0..3_usize, option::of(0..3_u64));
    (lists, rest).prop_map(|((hostnames, certificates, regions, settings, identities), rest)| {
        let ([tier, system_assigned, gateway_disabled, internal], access, version, endpoints, capacity) =
            rest;
        let user_assigned = identities.into_iter().map(|id| (id, UserAssigned::default())).collect();
        Inventory {
            location: "UK South".to_owned(),
            tier: tier.then(|| Tier("Premium".to_owned())),
            capacity,
            regions,
            identity: Identity { system_assigned, principal: None, user_assigned },
            hostnames,
            certificates,
            network: Network {
                kind: if internal { "Internal" } else { "" }.to_owned(),
                ..Network::default()
            },
            public_network_access: access,
            private_endpoints: endpoints,
            settings: settings.into_iter().collect(),
            min_api_version: version,
            gateway_disabled,
            ..Inventory::default()
        }
    })
}

fn any_snapshot(instance: &'static str) -> impl Strategy<Value = Snapshot> {
    (any_inventory(), any_diagnostics(), any_text(&["", "r1"])).prop_map(
        |(inventory, diagnostics, revision)| Snapshot {
            service: plan(instance).service,
            taken: now(),
            inventory,
            counts: Some(Counts::default()),
            diagnostics: Some(diagnostics),
            portal_revision: Some(revision),
            unread: Vec::new(),
        },
    )
}

fn reversed(mut snapshot: Snapshot) -> Snapshot {
    let Inventory { hostnames, certificates, regions, .. } = &mut snapshot.inventory;
    hostnames.reverse();
    certificates.reverse();
    regions.reverse();
    if let Some(diagnostics) = &mut snapshot.diagnostics {
        diagnostics.reverse();
    }
    snapshot
}

proptest! {
    #[test]
    fn a_service_beside_itself_is_fine_but_for_certificates_that_end(snapshot in any_snapshot("sampleapim")) {
        for difference in compare(&snapshot, &snapshot, now()) {
            let is_fine = difference.severity == Impact::Notes || difference.text.contains(" end");
            prop_assert!(is_fine, "{difference:?}");
        }
    }

    #[test]
    fn no_order_matters(primary in any_snapshot("sampleapim"), standby in any_snapshot("standby")) {
        let expected = compare(&primary, &standby, now());
        prop_assert_eq!(compare(&reversed(primary), &reversed(standby), now()), expected);
    }

    #[test]
    fn what_is_not_carried_is_what_differs_in_other_words(source in any_snapshot("a"), target in any_snapshot("b")) {
        let weighed = |it: &Difference| (it.severity, it.item.clone(), it.primary.clone(), it.standby.clone());
        let all: Vec<_> = compare(&source, &target, now()).iter().map(weighed).collect();
        for difference in not_carried(&source, &target, now()) {
            prop_assert!(all.contains(&weighed(&difference)), "{difference:?}");
        }
    }
}
