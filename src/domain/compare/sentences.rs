//! Every sentence that a person reads.

use std::fmt::Write as _;

use super::{
    Difference,
    tests::{ROWS, compared},
};

/// What callers meet.
const MET: [&str; 9] = [
    "hostname",
    "certificate",
    "ca-certificate",
    "gateway",
    "network",
    "public-network-access",
    "private-endpoints",
    "protocols",
    "api-version-constraint",
];

fn sentences(are_met: bool) -> String {
    let mut all = String::new();
    let found = ROWS.iter().flat_map(compared).filter(|it| MET.contains(&&*it.item) == are_met);
    for Difference { severity, item, primary, standby, text, remedy } in found {
        let _ = writeln!(all, "{severity} {item} [{primary} | {standby}] {text}");
        if !remedy.is_empty() {
            let _ = writeln!(all, "  -> {remedy}");
        }
    }
    all
}

#[test]
fn every_sentence_on_what_callers_meet_reads_well() {
    insta::assert_snapshot!(sentences(true), @r#"
    breaks hostname [api.contoso.com | -] after a fail-over nobody reaches an API under api.contoso.com: the standby does not know the name, whatever DNS says
      -> add the host name with the same certificate: Azure portal, standby, Custom domains; both services may have it, DNS says which one is meant
    risks hostname [dev.contoso.com | -] after a fail-over nothing answers to dev.contoso.com (Portal)
      -> add the host name with the same certificate: Azure portal, standby, Custom domains; both services may have it, DNS says which one is meant
    notes hostname [- | standby.contoso.com] only the standby answers to standby.contoso.com (Proxy)
    risks hostname [AB12 | CD34] after a fail-over api.contoso.com shows another certificate: clients that pin the old one refuse it
      -> let both read the same certificate, best from a Key Vault: Azure portal, Custom domains
    risks hostname [AB12 | -] nobody can tell whether api.contoso.com shows the same certificate after a fail-over: Azure did not say one
      -> let both read the same certificate, best from a Key Vault: Azure portal, Custom domains
    risks hostname [no client certificate | client certificate] after a fail-over api.contoso.com asks for a client certificate: clients without one may fail
      -> Azure portal, Custom domains: set Negotiate client certificate alike
    risks hostname [client certificate | no client certificate] after a fail-over api.contoso.com asks for no client certificate: policies that check one refuse every call
      -> Azure portal, Custom domains: set Negotiate client certificate alike
    risks hostname [default binding | no default binding] after a fail-over clients that do not name their host (SNI) are shown another certificate
      -> Azure portal, Custom domains: set Default SSL binding alike
    risks hostname [Key Vault | by hand] the standby has the certificate of api.contoso.com by hand: it is not renewed with the Key Vault's
      -> Azure portal, Custom domains: take it from the Key Vault
    risks certificate [2026-12-22 | 2026-12-22] the certificate of api.contoso.com, dev.contoso.com on both ends on 2026-12-22: clients refuse it then
      -> renew it, in the Key Vault if it comes from there; else Azure portal, Custom domains
    risks certificate [- | 2026-11-22] the certificate of api.contoso.com, dev.contoso.com on the standby ends on 2026-11-22: clients refuse it then
      -> renew it, in the Key Vault if it comes from there; else Azure portal, Custom domains
    breaks certificate [2026-11-22 | -] the certificate of api.contoso.com, dev.contoso.com on the primary ended on 2026-11-22: clients refuse it
      -> renew it, in the Key Vault if it comes from there; else Azure portal, Custom domains
    risks ca-certificate [CN=CA | -] after a fail-over backends and clients whose certificates CN=CA issued are not trusted (Root)
      -> upload it: Azure portal, standby, Certificates, CA certificates
    notes ca-certificate [- | CN=CA] only the standby trusts what CN=CA issued (Root)
    risks ca-certificate [CN=CA | -] after a fail-over backends and clients whose certificates CN=CA issued are not trusted (Root)
      -> upload it: Azure portal, standby, Certificates, CA certificates
    notes ca-certificate [- | CN=CA] only the standby trusts what CN=CA issued (CertificateAuthority)
    risks ca-certificate [CN=CA | CN=CA] CN=CA on both ends on 2026-12-22: from then on nothing that it issued is trusted
      -> upload its successor: Azure portal, Certificates, CA certificates; remove it if nothing needs it
    risks ca-certificate [CN=CA | CN=CA] CN=CA on both ended on 2026-11-21: from then on nothing that it issued is trusted
      -> upload its successor: Azure portal, Certificates, CA certificates; remove it if nothing needs it
    breaks gateway [enabled | disabled] after a fail-over no API answers: the gateway of the standby is disabled
      -> az apim update --name standby --resource-group apimdrresourcegroup --disable-gateway false
    notes gateway [disabled | enabled] the gateway of the primary is disabled, that of the standby answers
    risks network [External | None] after a fail-over the gateway reaches no backend that lies in a virtual network
      -> Azure portal, standby, Network; it takes up to 45 minutes, and changes the service's addresses
    risks network [None | External] after a fail-over the gateway lies in a virtual network: its routes and rules decide what it reaches and who reaches it
      -> Azure portal, standby, Network; it takes up to 45 minutes, and changes the service's addresses
    risks network [External | Internal] after a fail-over callers reach the gateway from elsewhere: External answers the internet, Internal its network only
      -> Azure portal, standby, Network; it takes up to 45 minutes, and changes the service's addresses
    notes network [own address | -] the standby has no public address of your own: it may change, and partners cannot let it in beforehand
    risks public-network-access [Enabled | Disabled] after a fail-over only callers with a private endpoint reach the gateway
      -> az apim update --name standby --resource-group apimdrresourcegroup --public-network-access true
    risks public-network-access [Disabled | Enabled] after a fail-over the gateway answers the whole internet, as it did not before
      -> az apim update --name standby --resource-group apimdrresourcegroup --public-network-access false
    risks private-endpoints [1 | 0] after a fail-over callers behind a private endpoint do not reach the gateway: the standby has 0 of 1
      -> az network private-endpoint create --name <name> --resource-group <group> --subnet <id> --connection-name <name> --group-id Gateway --private-connection-resource-id /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby
    risks protocols [True | False] after a fail-over Protocols.Server.Http2 is off: whoever needs it cannot connect
      -> set it alike: Azure portal, standby, Protocols + ciphers
    risks protocols [False | true] after a fail-over Protocols.Tls10 is on, though it was off: what was closed is open
      -> set it alike: Azure portal, standby, Protocols + ciphers
    risks protocols [True | Maybe] after a fail-over Protocols.Server.Http2 has another value
      -> set it alike: Azure portal, standby, Protocols + ciphers
    risks api-version-constraint [2021-08-01 | 2022-08-01] the standby refuses api-versions before 2022-08-01: pipelines and scripts that use one fail after a fail-over
      -> az rest --method patch --url "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby?api-version=2024-05-01" --body '{"properties":{"apiVersionConstraint":{"minApiVersion":"2021-08-01"}}}'
    risks api-version-constraint [- | 2021-08-01] the standby refuses api-versions before 2021-08-01: pipelines and scripts that use one fail after a fail-over
      -> az rest --method patch --url "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby?api-version=2024-05-01" --body '{"properties":{"apiVersionConstraint":{"minApiVersion":null}}}'
    notes api-version-constraint [2021-08-01 | -] the standby takes older api-versions
    "#);
}

#[test]
fn every_sentence_on_the_rest_reads_well() {
    insta::assert_snapshot!(sentences(false), @r#"
    breaks tier [Premium | Developer] a backup of the tier Premium cannot be restored into the tier Developer
      -> az apim update --name standby --resource-group apimdrresourcegroup --sku-name Premium
    risks tier [Premium | -] nobody can tell whether the tiers are the same: Azure did not say one
      -> look again
    risks identity [system-assigned | -] after a fail-over nothing works that needs the system-assigned identity: Key Vault, backends, backups
      -> turn it on, then give it its roles: az apim update --name standby --resource-group apimdrresourcegroup --enable-managed-identity true
    notes identity [- | system-assigned] only the standby has a system-assigned identity
    notes identity [p1 | p2] each has a system-assigned identity of its own: what the one of the primary may do the other may not, unless somebody granted it
      -> compare the roles (Key Vault, storage, backends): az role assignment list --all --assignee p2
    risks identity [one | -] after a fail-over nothing works that needs the user-assigned identity one
      -> az rest --method patch --url "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby?api-version=2024-05-01" --body '{"identity":{"type":"UserAssigned","userAssignedIdentities":{"/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/rg/providers/userAssignedIdentities/one":{}}}}'
    notes identity [- | one] only the standby has the user-assigned identity one
    risks diagnostics [AllMetrics to logs, GatewayLogs to logs | AllMetrics to logs] after a fail-over nobody sees what is sent now: GatewayLogs to a workspace
      -> send them to sinks of the same kinds: az monitor diagnostic-settings create --name <name> --resource /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby --workspace <id> --logs <json> --metrics <json>
    notes diagnostics [AllMetrics to logs, GatewayLogs to logs | AllMetrics to logs, allLogs to logs] after a fail-over logs and metrics go elsewhere, or more of them do
    risks diagnostics [AllMetrics to logs, GatewayLogs to logs | allLogs to logs] after a fail-over nobody sees what is sent now: AllMetrics to a workspace
      -> send them to sinks of the same kinds: az monitor diagnostic-settings create --name <name> --resource /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby --workspace <id> --logs <json> --metrics <json>
    risks diagnostics [AllMetrics to logs, GatewayLogs to hub, GatewayLogs to logs | AllMetrics to logs, GatewayLogs to logs] after a fail-over nobody sees what is sent now: GatewayLogs to an event hub
      -> send them to sinks of the same kinds: az monitor diagnostic-settings create --name <name> --resource /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/standby --workspace <id> --logs <json> --metrics <json>
    notes diagnostics [AllMetrics to logs, GatewayLogs to logs | AllMetrics to other, GatewayLogs to other] after a fail-over logs and metrics go elsewhere, or more of them do
    risks capacity [2 units | 1 unit] after a fail-over what 2 units carried falls to 1 unit: calls may be slow or fail
      -> scale it, which takes up to 45 minutes: az apim update --name standby --resource-group apimdrresourcegroup --sku-capacity 2
    risks zones [1, 2 | 2] after a fail-over fewer availability zones carry the service: the loss of one hurts more
      -> Azure portal, standby, Locations: choose the zones
    risks regions [Southeast Asia (2 units) | -] after a fail-over fewer gateways in other regions carry the calls: those near them take longer, or fail
      -> add them: Azure portal, standby, Locations
    risks regions [Southeast Asia (2 units) | Southeast Asia (1 unit)] after a fail-over fewer gateways in other regions carry the calls: those near them take longer, or fail
      -> add them: Azure portal, standby, Locations
    notes regions [Southeast Asia (2 units) | Japan East (2 units)] after a fail-over calls take other ways: the gateways lie in other regions
    risks location [Australia East | australiaeast] both lie in Australia East: whoever loses the region loses both
      -> keep the standby in another region
    notes location [Australia East | Australia Southeast] they lie in different regions, as they should: expect other latencies, and addresses that partners may not let in yet
    notes platform [stv2 | stv1] they run on different platforms of Azure: stv2 and stv1
    notes portal [published | never published] after a fail-over developers find no portal: that of the standby was never published, and its content does not come with a backup
      -> move the content, then publish: Azure portal, standby, Portal overview, Publish
    notes counts [7 APIs, 3 products, 12 subscriptions, 5 users | 0 APIs, 0 products, 0 subscriptions, 0 users] a restore brings the standby what the backup had
    risks unread [- | the counts] of the standby nobody could read the counts, so nobody knows whether it differs: the numbers: no right
      -> let whoever compares read it (the roles API Management Service Reader Role and Monitoring Reader), and compare again
    risks unread [the diagnostics, the portal's revision | -] of the primary nobody could read the diagnostics, the portal's revision, so nobody knows whether it differs
      -> let whoever compares read it (the roles API Management Service Reader Role and Monitoring Reader), and compare again
    "#);
}
