use super::{
    Impact::{Breaks, Notes, Risks},
    *,
};
use crate::domain::{
    CaCertificate, Certificate, Counts, Diagnostic, Hostname, Inventory, Network, Region, Snapshot, Tier,
    UserAssigned, samples::plan,
};

const SUB: &str = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg/providers";

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn certificate(thumbprint: &str) -> Certificate {
    let expiry = Some("2027-11-22T00:00:00Z".parse().unwrap());
    Certificate { thumbprint: thumbprint.to_owned(), subject: format!("CN={thumbprint}"), expiry }
}

fn hostname(kind: &str, host: &str) -> Hostname {
    Hostname {
        kind: kind.to_owned(),
        host: host.to_owned(),
        certificate: Some(certificate("AB12")),
        key_vault: Some("https://vault/secrets/api".to_owned()),
        ..Hostname::default()
    }
}

fn diagnostic(sink: &str, categories: &[&str]) -> Diagnostic {
    Diagnostic {
        name: "d".to_owned(),
        sinks: [format!("{SUB}/{sink}")].into(),
        categories: categories.iter().map(ToString::to_string).collect(),
    }
}

fn region(location: &str, capacity: u64) -> Region {
    Region { location: location.to_owned(), capacity: Some(capacity), ..Region::default() }
}

const LOGS: &str = "Microsoft.OperationalInsights/workspaces/logs";

/// Two of these differ in nothing.
fn snapshot(instance: &str) -> Snapshot {
    let inventory = Inventory {
        tier: Some(Tier("Premium".to_owned())),
        capacity: Some(2),
        zones: ["1".to_owned(), "2".to_owned()].into(),
        regions: vec![region("Southeast Asia", 2)],
        hostnames: vec![hostname("Proxy", "api.contoso.com"), hostname("Portal", "dev.contoso.com")],
        certificates: vec![CaCertificate { store: "Root".to_owned(), certificate: certificate("CA") }],
        network: Network {
            kind: "External".to_owned(),
            subnet: Some(format!("{SUB}/subnets/{instance}")),
            public_ip: Some(format!("{SUB}/publicIPAddresses/{instance}")),
        },
        private_endpoints: 1,
        settings: [("Protocols.Server.Http2".to_owned(), "True".to_owned())].into(),
        min_api_version: Some("2021-08-01".to_owned()),
        platform: Some("stv2".to_owned()),
        ..Inventory::default()
    };
    Snapshot {
        service: plan(instance).service,
        taken: now(),
        inventory,
        counts: Some(Counts { apis: 7, products: 3, subscriptions: 12, users: 5 }),
        diagnostics: Some(vec![diagnostic(LOGS, &["GatewayLogs", "AllMetrics"])]),
        portal_revision: Some(format!("of {instance}")),
        unread: Vec::new(),
    }
}

pub(super) type Row = (&'static str, fn(&mut Snapshot, &mut Snapshot), &'static [(&'static str, Impact)]);

fn text(text: &str) -> String {
    text.to_owned()
}

fn expire(snapshot: &mut Snapshot, at: &str) {
    for hostname in &mut snapshot.inventory.hostnames {
        hostname.certificate.as_mut().unwrap().expiry = Some(at.parse().unwrap());
    }
}

fn expire_ca(snapshot: &mut Snapshot, at: &str) {
    snapshot.inventory.certificates[0].certificate.expiry = Some(at.parse().unwrap());
}

fn assign(snapshot: &mut Snapshot, id: &str) {
    let id = format!("{SUB}/userAssignedIdentities/{id}");
    snapshot.inventory.identity.user_assigned.insert(id, UserAssigned::default());
}

fn assign_system(snapshot: &mut Snapshot, principal: &str) {
    snapshot.inventory.identity.system_assigned = true;
    snapshot.inventory.identity.principal = Some(principal.to_owned());
}

fn set(snapshot: &mut Snapshot, name: &str, value: &str) {
    snapshot.inventory.settings.insert(name.to_owned(), value.to_owned());
}

/// Services that differ in one thing, each with a neighbour that does not count as different.
pub(super) const ROWS: &[Row] = &[
    ("nothing", |_, _| {}, &[]),
    ("tier", |_, b| b.inventory.tier = Some(Tier(text("Developer"))), &[("tier", Breaks)]),
    ("tier in small letters", |_, b| b.inventory.tier = Some(Tier(text("premium"))), &[]),
    ("tier unknown", |_, b| b.inventory.tier = None, &[("tier", Risks)]),
    ("no gateway name", |_, b| drop(b.inventory.hostnames.remove(0)), &[("hostname", Breaks)]),
    ("no portal name", |_, b| drop(b.inventory.hostnames.remove(1)), &[("hostname", Risks)]),
    ("names in capitals", |_, b| b.inventory.hostnames[0].host = text("API.contoso.com"), &[]),
    (
        "a name more",
        |_, b| b.inventory.hostnames.push(hostname("Proxy", "standby.contoso.com")),
        &[("hostname", Notes)],
    ),
    (
        "another certificate",
        |_, b| b.inventory.hostnames[0].certificate = Some(certificate("CD34")),
        &[("hostname", Risks)],
    ),
    ("certificate unknown", |_, b| b.inventory.hostnames[0].certificate = None, &[("hostname", Risks)]),
    ("the same one", |_, b| b.inventory.hostnames[0].certificate = Some(certificate("ab12")), &[]),
    (
        "client certificates there",
        |_, b| b.inventory.hostnames[0].negotiates_client_certificate = true,
        &[("hostname", Risks)],
    ),
    (
        "client certificates here",
        |a, _| a.inventory.hostnames[0].negotiates_client_certificate = true,
        &[("hostname", Risks)],
    ),
    ("default binding", |a, _| a.inventory.hostnames[0].default_ssl_binding = true, &[("hostname", Risks)]),
    ("no vault", |_, b| b.inventory.hostnames[0].key_vault = None, &[("hostname", Risks)]),
    ("another vault", |_, b| b.inventory.hostnames[0].key_vault = Some(text("https://other")), &[]),
    (
        "ends in 30 days on both",
        |a, b| [a, b].into_iter().for_each(|it| expire(it, "2026-12-22T00:00:00Z")),
        &[("certificate", Risks)],
    ),
    ("ends there", |_, b| expire(b, "2026-11-22T00:00:01Z"), &[("certificate", Risks)]),
    ("ends later", |a, b| [a, b].into_iter().for_each(|it| expire(it, "2026-12-22T00:00:01Z")), &[]),
    ("ended here", |a, _| expire(a, "2026-11-22T00:00:00Z"), &[("certificate", Breaks)]),
    ("no CA", |_, b| b.inventory.certificates.clear(), &[("ca-certificate", Risks)]),
    ("a CA more", |a, _| a.inventory.certificates.clear(), &[("ca-certificate", Notes)]),
    (
        "CA in another store",
        |_, b| b.inventory.certificates[0].store = text("CertificateAuthority"),
        &[("ca-certificate", Risks), ("ca-certificate", Notes)],
    ),
    ("the same CA", |_, b| b.inventory.certificates[0].certificate.thumbprint = text("ca"), &[]),
    (
        "CA ends",
        |a, b| [a, b].into_iter().for_each(|it| expire_ca(it, "2026-12-22T00:00:00Z")),
        &[("ca-certificate", Risks)],
    ),
    (
        "CA ended",
        |a, b| [a, b].into_iter().for_each(|it| expire_ca(it, "2026-11-21T00:00:00Z")),
        &[("ca-certificate", Risks)],
    ),
    ("no gateway", |_, b| b.inventory.gateway_disabled = true, &[("gateway", Breaks)]),
    ("gateway only there", |a, _| a.inventory.gateway_disabled = true, &[("gateway", Notes)]),
    (
        "gateways of both off",
        |a, b| [a, b].into_iter().for_each(|it| it.inventory.gateway_disabled = true),
        &[],
    ),
    ("no network", |_, b| b.inventory.network.kind = text("None"), &[("network", Risks)]),
    ("network only there", |a, _| a.inventory.network.kind = String::new(), &[("network", Risks)]),
    ("network inside", |_, b| b.inventory.network.kind = text("Internal"), &[("network", Risks)]),
    ("network in small letters", |_, b| b.inventory.network.kind = text("external"), &[]),
    ("no own address", |_, b| b.inventory.network.public_ip = None, &[("network", Notes)]),
    (
        "not public",
        |_, b| b.inventory.public_network_access = Some(text("Disabled")),
        &[("public-network-access", Risks)],
    ),
    (
        "public",
        |a, _| a.inventory.public_network_access = Some(text("Disabled")),
        &[("public-network-access", Risks)],
    ),
    ("public as by default", |_, b| b.inventory.public_network_access = Some(text("enabled")), &[]),
    ("no endpoint", |_, b| b.inventory.private_endpoints = 0, &[("private-endpoints", Risks)]),
    ("endpoints more", |_, b| b.inventory.private_endpoints = 2, &[]),
    ("protocol off", |_, b| b.inventory.settings.clear(), &[("protocols", Risks)]),
    ("protocol on", |_, b| set(b, "Protocols.Tls10", "true"), &[("protocols", Risks)]),
    ("other value", |_, b| set(b, "Protocols.Server.Http2", "Maybe"), &[("protocols", Risks)]),
    ("value in small letters", |_, b| set(b, "Protocols.Server.Http2", "true"), &[]),
    ("off by default", |a, _| set(a, "Protocols.Tls10", "false"), &[]),
    ("system identity", |a, _| assign_system(a, "p1"), &[("identity", Risks)]),
    ("system identity there", |_, b| assign_system(b, "p2"), &[("identity", Notes)]),
    (
        "system identities",
        |a, b| {
            assign_system(a, "p1");
            assign_system(b, "p2");
        },
        &[("identity", Notes)],
    ),
    ("identity", |a, _| assign(a, "one"), &[("identity", Risks)]),
    ("identity there", |_, b| assign(b, "one"), &[("identity", Notes)]),
    (
        "identity in capitals",
        |a, b| {
            assign(a, "one");
            assign(b, "ONE");
        },
        &[],
    ),
    (
        "category",
        |_, b| b.diagnostics = Some(vec![diagnostic(LOGS, &["AllMetrics"])]),
        &[("diagnostics", Risks)],
    ),
    (
        "all logs",
        |_, b| b.diagnostics = Some(vec![diagnostic(LOGS, &["allLogs", "AllMetrics"])]),
        &[("diagnostics", Notes)],
    ),
    (
        "no metrics",
        |_, b| b.diagnostics = Some(vec![diagnostic(LOGS, &["allLogs"])]),
        &[("diagnostics", Risks)],
    ),
    (
        "another kind of sink",
        |a, _| {
            let hub = diagnostic("Microsoft.EventHub/namespaces/hub", &["GatewayLogs"]);
            a.diagnostics.as_mut().unwrap().push(hub);
        },
        &[("diagnostics", Risks)],
    ),
    (
        "another workspace",
        |_, b| {
            let other = "Microsoft.OperationalInsights/workspaces/other";
            b.diagnostics = Some(vec![diagnostic(other, &["GatewayLogs", "AllMetrics"])]);
        },
        &[("diagnostics", Notes)],
    ),
    (
        "another name and case",
        |_, b| {
            let sink = LOGS.to_uppercase();
            let other = diagnostic(&sink, &["gatewaylogs", "allmetrics"]);
            b.diagnostics = Some(vec![Diagnostic { name: text("other"), ..other }]);
        },
        &[],
    ),
    ("smaller", |_, b| b.inventory.capacity = Some(1), &[("capacity", Risks)]),
    ("larger", |_, b| b.inventory.capacity = Some(3), &[]),
    ("a zone less", |_, b| drop(b.inventory.zones.pop_first()), &[("zones", Risks)]),
    ("other zones", |_, b| b.inventory.zones = [text("2"), text("3")].into(), &[]),
    ("a region less", |_, b| b.inventory.regions.clear(), &[("regions", Risks)]),
    ("a smaller region", |_, b| b.inventory.regions[0].capacity = Some(1), &[("regions", Risks)]),
    ("another region", |_, b| b.inventory.regions[0].location = text("Japan East"), &[("regions", Notes)]),
    ("the same region", |_, b| b.inventory.regions[0].location = text("southeastasia"), &[]),
    (
        "one place",
        |a, b| {
            a.inventory.location = text("Australia East");
            b.inventory.location = text("australiaeast");
        },
        &[("location", Risks)],
    ),
    (
        "two places",
        |a, b| {
            a.inventory.location = text("Australia East");
            b.inventory.location = text("Australia Southeast");
        },
        &[("location", Notes)],
    ),
    ("platform", |_, b| b.inventory.platform = Some(text("stv1")), &[("platform", Notes)]),
    ("platform in capitals", |_, b| b.inventory.platform = Some(text("STV2")), &[]),
    (
        "newer api-versions",
        |_, b| b.inventory.min_api_version = Some(text("2022-08-01")),
        &[("api-version-constraint", Risks)],
    ),
    (
        "only newer api-versions there",
        |a, _| a.inventory.min_api_version = None,
        &[("api-version-constraint", Risks)],
    ),
    ("all api-versions", |_, b| b.inventory.min_api_version = None, &[("api-version-constraint", Notes)]),
    ("portal", |_, b| b.portal_revision = Some(String::new()), &[("portal", Notes)]),
    ("portal only there", |a, _| a.portal_revision = Some(String::new()), &[]),
    ("counts", |_, b| b.counts = Some(Counts::default()), &[("counts", Notes)]),
    (
        "unread there",
        |_, b| {
            b.counts = None;
            b.unread = vec![text("the numbers: no right")];
        },
        &[("unread", Risks)],
    ),
    (
        "unread here",
        |a, _| {
            a.diagnostics = None;
            a.portal_revision = None;
        },
        &[("unread", Risks)],
    ),
];

pub(super) fn compared((_, change, _): &Row) -> Vec<Difference> {
    let (mut primary, mut standby) = (snapshot("sampleapim"), snapshot("standby"));
    change(&mut primary, &mut standby);
    compare(&primary, &standby, now())
}

#[test]
fn what_differs_is_found_and_weighed_and_what_does_not_is_left_out() {
    for row in ROWS {
        let found = compared(row);
        let found: Vec<_> = found.iter().map(|it| (&*it.item, it.severity)).collect();
        assert_eq!(found, row.2, "{}", row.0);
    }
}

#[test]
fn the_worst_comes_first() {
    let (mut primary, mut standby) = (snapshot("sampleapim"), snapshot("standby"));
    for (_, change, _) in ROWS.iter().filter(|(name, ..)| ["platform", "smaller", "tier"].contains(name)) {
        change(&mut primary, &mut standby);
    }
    let found = compare(&primary, &standby, now());
    let items: Vec<_> = found.iter().map(|it| &*it.item).collect();
    assert_eq!(items, ["tier", "capacity", "platform"]);
}

#[test]
fn a_restore_leaves_the_target_as_it_is_but_for_what_the_backup_carries() {
    let (mut source, mut target) = (snapshot("sampleapim"), snapshot("standby"));
    let changes = [
        "tier",
        "no gateway name",
        "two places",
        "platform",
        "counts",
        "portal",
        "protocol off",
        "unread there",
    ];
    for (_, change, _) in ROWS.iter().filter(|(name, ..)| changes.contains(name)) {
        change(&mut source, &mut target);
    }
    let found = not_carried(&source, &target, now());
    let items: Vec<_> = found.iter().map(|it| &*it.item).collect();
    assert_eq!(items, ["hostname", "protocols", "unread", "portal"]);
    assert_eq!(
        found[0].text,
        "after the restore nobody reaches an API under api.contoso.com: the target does not know the name, whatever DNS says"
    );
}

#[test]
fn counts_that_differ_are_told_with_both_numbers() {
    let had = Counts { apis: 7, products: 3, subscriptions: 12, users: 5 };
    assert_eq!(counts_differ(had, had), [""; 0]);
    let found = Counts { apis: 5, products: 2, subscriptions: 12, users: 8 };
    assert_eq!(
        counts_differ(had, found),
        [
            "2 APIs fewer than the backup had (5, was 7)",
            "1 product fewer than the backup had (2, was 3)",
            "3 users more than the backup had (8, was 5)",
        ]
    );
}
