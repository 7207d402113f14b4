use super::{
    account::{CONTRIBUTOR, OWNER},
    *,
};
use crate::domain::{
    Firewall, Identity, Kind, Network, RoleAssignment, Seen, ServiceName, Severity, Tier, UserAssigned,
    Verification,
    samples::{self, after, at, plan, present, seen},
};

const PRINCIPAL: &str = "51511111-0000-4000-8000-000000000005";
const CLIENT: &str = "51511111-0000-4000-8000-000000000002";
const ACCOUNT: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/apimdrstorage";

/// Facts that may be changed. As they begin nothing speaks against a backup.
struct Known {
    plan: Plan,
    api_version: &'static str,
    inventory: Inventory,
    workspaces: Option<Looked<u64>>,
    connectivity: Option<Looked<Vec<Connectivity>>>,
    account: Looked<Option<AccountFacts>>,
    exists: Option<Looked<bool>>,
    cors: Option<Looked<Vec<String>>>,
    container: Option<Looked<bool>>,
    roles: Option<Looked<Vec<RoleAssignment>>>,
    source: Option<Source>,
}

impl Known {
    fn new() -> Self {
        let identity =
            Identity { system_assigned: true, principal: Some(PRINCIPAL.to_owned()), ..Identity::default() };
        Self {
            plan: Plan { access: StorageAccess::SystemAssignedManagedIdentity, ..plan("sampleapim") },
            api_version: "2024-05-01",
            inventory: Inventory {
                location: "Australia East".to_owned(),
                tier: Some(Tier("Premium".to_owned())),
                identity,
                ..Inventory::default()
            },
            workspaces: Some(Ok(0)),
            connectivity: None,
            account: Ok(Some(AccountFacts {
                id: ACCOUNT.to_owned(),
                location: "australiaeast".to_owned(),
                sku: "Standard_GRS".to_owned(),
                ..AccountFacts::default()
            })),
            exists: None,
            cors: Some(Ok(Vec::new())),
            container: Some(Ok(true)),
            roles: Some(Ok(vec![role(CONTRIBUTOR, ACCOUNT)])),
            source: None,
        }
    }

    fn findings(self) -> Vec<Finding> {
        findings(&Facts {
            plan: &self.plan,
            api_version: self.api_version,
            now: at(0),
            inventory: &self.inventory,
            workspaces: self.workspaces,
            connectivity: self.connectivity,
            account: self.account,
            account_exists: self.exists,
            cors_methods: self.cors,
            container_exists: self.container,
            roles: self.roles,
            source: self.source,
        })
    }

    fn tier(&mut self, tier: &str) {
        self.inventory.tier = Some(Tier(tier.to_owned()));
    }

    fn account(&mut self) -> &mut AccountFacts {
        self.account.as_mut().unwrap().as_mut().unwrap()
    }

    fn by_key(&mut self) -> &mut Self {
        self.plan.access = StorageAccess::AccessKey;
        self.roles = None;
        self
    }

    /// By an identity with this client id, where one with `assigned` is there.
    fn by_user_identity(&mut self, assigned: Option<&str>) {
        self.plan.access = StorageAccess::UserAssignedManagedIdentity { client_id: CLIENT.parse().unwrap() };
        let identity =
            UserAssigned { client_id: assigned.map(str::to_owned), principal: Some(PRINCIPAL.to_owned()) };
        self.inventory.identity.user_assigned.insert("/identities/one".to_owned(), identity);
    }

    fn firewall(&mut self, bypass: &str) -> &mut Firewall {
        self.account().firewall =
            Firewall { denies: true, bypass: vec![bypass.to_owned()], ..Firewall::default() };
        &mut self.account().firewall
    }

    fn reaches(&mut self, status: &str, minutes_ago: i64) -> &mut Connectivity {
        self.inventory.network = Network { kind: "External".to_owned(), ..Network::default() };
        self.connectivity = Some(Ok(vec![Connectivity {
            location: "Australia East".to_owned(),
            name: "apimstatic.blob.core.windows.net".to_owned(),
            status: status.to_owned(),
            updated: Some(at(-60 * minutes_ago)),
            ..Connectivity::default()
        }]));
        &mut self.connectivity.as_mut().unwrap().as_mut().unwrap()[0]
    }

    fn roles(&mut self, roles: &[RoleAssignment]) {
        self.roles = Some(Ok(roles.to_vec()));
    }

    /// A restore of a backup of this service, which is there.
    fn restore(&mut self, of: &str) -> &mut Source {
        self.plan.kind = Kind::Restore;
        let mut operation = after(Kind::Backup, &[]);
        operation.plan.service.name = of.parse().unwrap();
        let point = RecoveryPoint {
            id: operation.id,
            service: operation.plan.service,
            blob: operation.plan.blob,
            at: at(0),
            ended: at(9),
            tier: Some(Tier("Premium".to_owned())),
            evidence: None,
            verification: Verification::Verified { blob: seen("a") },
            safety_for: None,
        };
        self.source.insert(Source { look: present("a"), point: Some(point) })
    }
}

fn role(role: &str, scope: &str) -> RoleAssignment {
    RoleAssignment { scope: scope.to_owned(), role: role.to_owned(), has_condition: false }
}

fn forbidden<T>() -> Looked<T> {
    let error = AzureError { status: Some(403), ..AzureError::local("no") };
    Err(error.with_remedy("grant the caller Some/right/read on it"))
}

/// What brings the finding about, and a neighbour that does not.
type Row = (&'static str, Severity, fn(&mut Known), fn(&mut Known));

use Severity::{Blocks, Warns};

const ROWS: &[Row] = &[
    ("tier.unsupported", Blocks, |it| it.tier("StandardV2"), |it| it.tier("Standard")),
    ("tier.unsupported", Blocks, |it| it.tier("Consumption"), |it| it.tier("developer")),
    ("tier.unknown", Warns, |it| it.tier("Isolated"), |it| it.inventory.tier = None),
    ("workspaces.present", Blocks, |it| it.workspaces = Some(Ok(2)), |it| it.workspaces = None),
    ("workspaces.unread", Warns, |it| it.workspaces = Some(forbidden()), |it| it.workspaces = Some(Ok(0))),
    (
        "api-version.too-old",
        Blocks,
        |it| it.inventory.min_api_version = Some("2024-06-01-preview".to_owned()),
        |it| it.inventory.min_api_version = Some("2024-05-01-preview".to_owned()),
    ),
    (
        "service.unknown-parts",
        Warns,
        |it| {
            it.inventory.unread = vec!["identity".to_owned(), "zones".to_owned()];
            it.inventory.identity = Identity::default();
        },
        |it| it.inventory.unread = Vec::new(),
    ),
    (
        "identity.missing",
        Blocks,
        |it| it.inventory.identity.system_assigned = false,
        |it| it.by_key().inventory.identity.system_assigned = false,
    ),
    (
        "identity.not-assigned",
        Blocks,
        |it| it.by_user_identity(Some(PRINCIPAL)),
        |it| it.by_user_identity(Some(&CLIENT.to_ascii_uppercase())),
    ),
    ("identity.unknown", Warns, |it| it.by_user_identity(None), |it| it.by_user_identity(Some(CLIENT))),
    (
        "network.storage",
        Warns,
        |it| it.reaches("failure", 1).error = "time-out".to_owned(),
        |it| it.reaches("failure", 1).name = "monitoring.windows.net".to_owned(),
    ),
    (
        "network.storage",
        Warns,
        |it| {
            let item = it.reaches("failure", 1);
            (item.optional, item.resource_type) = (Some(true), Some("Queue".to_owned()));
        },
        |it| it.reaches("failure", 1).resource_type = Some("Monitoring".to_owned()),
    ),
    (
        "network.stale",
        Warns,
        |it| {
            it.reaches("success", 46);
        },
        |it| {
            it.reaches("success", 45);
        },
    ),
    (
        "network.unread",
        Warns,
        |it| it.connectivity = Some(forbidden()),
        |it| it.connectivity = Some(Ok(vec![])),
    ),
    ("account.unread", Warns, |it| it.account = forbidden(), |_| ()),
    (
        "account.missing",
        Blocks,
        |it| (it.account, it.exists) = (Ok(None), Some(Ok(false))),
        |it| {
            it.account();
        },
    ),
    ("account.unseen", Warns, |it| (it.account, it.exists) = (Ok(None), Some(Ok(true))), |_| ()),
    ("account.unread", Warns, |it| (it.account, it.exists) = (Ok(None), Some(forbidden())), |_| ()),
    (
        "account.keys-refused",
        Blocks,
        |it| it.by_key().account().shared_key_allowed = Some(false),
        |it| it.by_key().account().shared_key_allowed = None,
    ),
    (
        "account.hierarchical-namespace",
        Warns,
        |it| it.account().hierarchical_namespace = true,
        |it| it.account().hierarchical_namespace = false,
    ),
    (
        "account.perimeter",
        Warns,
        |it| it.account().public_network_access = Some("SecuredByPerimeter".to_owned()),
        |it| it.account().public_network_access = Some("Enabled".to_owned()),
    ),
    (
        "firewall.access-type",
        Blocks,
        |it| {
            it.by_key().firewall("AzureServices");
        },
        |it| {
            it.firewall("azureservices");
        },
    ),
    (
        "firewall.access-type",
        Warns,
        |it| it.by_key().firewall("AzureServices").ip_rules = 1,
        |it| it.by_key().account().firewall.ip_rules = 1,
    ),
    (
        "firewall.access-type",
        Blocks,
        |it| it.by_key().account().public_network_access = Some("disabled".to_owned()),
        |it| it.by_key().account().public_network_access = None,
    ),
    (
        "firewall.access-type",
        Warns,
        |it| {
            it.by_key().account().public_network_access = Some("Disabled".to_owned());
            it.reaches("success", 1);
        },
        |it| {
            it.reaches("success", 1);
        },
    ),
    (
        "firewall.bypass",
        Blocks,
        |it| {
            it.firewall("Logging");
        },
        |it| it.firewall("Logging").resources = vec![it_self().to_ascii_uppercase()],
    ),
    (
        "firewall.bypass",
        Blocks,
        |it| it.firewall("Logging").resources = vec![format!("{}-standby", it_self())],
        |it| {
            let all = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/*/providers/Microsoft.ApiManagement/service/*";
            it.firewall("None").resources = vec![all.to_owned()];
        },
    ),
    (
        "firewall.bypass",
        Warns,
        |it| it.firewall("Metrics").network_rules = 1,
        |it| it.firewall("AzureServices").network_rules = 1,
    ),
    (
        "firewall.public-access",
        Warns,
        |it| {
            it.firewall("AzureServices");
            it.account().public_network_access = Some("Disabled".to_owned());
        },
        |it| {
            it.firewall("AzureServices");
        },
    ),
    (
        "account.same-region",
        Warns,
        |it| it.account().sku = "Standard_ZRS".to_owned(),
        |it| it.account().sku = "Standard_RAGZRS".to_owned(),
    ),
    (
        "account.same-region",
        Warns,
        |it| it.account().sku = "Premium_LRS".to_owned(),
        |it| {
            it.account().sku = "Premium_LRS".to_owned();
            it.account().location = "australiacentral".to_owned();
        },
    ),
    (
        "account.cors",
        Warns,
        |it| it.by_key().cors = Some(Ok(vec!["GET".to_owned(), "PATCH".to_owned()])),
        |it| it.by_key().cors = Some(Ok(vec![])),
    ),
    ("account.cors", Warns, |it| it.cors = Some(Ok(vec!["GET".to_owned()])), |it| it.cors = None),
    ("cors.unread", Warns, |it| it.cors = Some(forbidden()), |_| ()),
    ("container.missing", Warns, |it| it.container = Some(Ok(false)), |it| it.container = Some(Ok(true))),
    (
        "container.missing",
        Blocks,
        |it| {
            it.restore("other");
            it.container = Some(Ok(false));
        },
        |it| {
            it.restore("other");
        },
    ),
    ("container.unread", Warns, |it| it.container = Some(forbidden()), |it| it.container = None),
    (
        "role.missing",
        Warns,
        |it| it.roles(&[role("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", ACCOUNT)]),
        |it| it.roles(&[role(&OWNER.to_ascii_uppercase(), "/subscriptions/S/")]),
    ),
    (
        "role.missing",
        Warns,
        |it| it.roles(&[role(CONTRIBUTOR, &format!("{ACCOUNT}/blobServices/default/containers/other"))]),
        |it| it.roles(&[role(CONTRIBUTOR, &format!("{ACCOUNT}/blobServices/default/containers/backup"))]),
    ),
    (
        "role.missing",
        Warns,
        |it| it.roles(&[role(CONTRIBUTOR, &format!("{ACCOUNT}2"))]),
        |it| it.roles = None,
    ),
    (
        "role.condition",
        Warns,
        |it| it.roles(&[RoleAssignment { has_condition: true, ..role(CONTRIBUTOR, ACCOUNT) }]),
        |it| {
            let narrow = RoleAssignment { has_condition: true, ..role(CONTRIBUTOR, ACCOUNT) };
            it.roles(&[narrow, role(CONTRIBUTOR, ACCOUNT)]);
        },
    ),
    ("role.unread", Warns, |it| it.roles = Some(forbidden()), |_| ()),
    (
        "backup.missing",
        Blocks,
        |it| it.restore("other").look = BlobLook::Absent,
        |it| {
            it.restore("other");
        },
    ),
    (
        "backup.empty",
        Blocks,
        |it| it.restore("other").look = BlobLook::Present(Seen { size: 0, ..seen("a") }),
        |it| it.restore("other").look = BlobLook::Present(Seen { size: 1, ..seen("a") }),
    ),
    (
        "backup.expired",
        Blocks,
        |it| it.restore("other").point.as_mut().unwrap().at = at(-30 * 24 * 3600),
        |it| it.restore("other").point.as_mut().unwrap().at = at(1 - 30 * 24 * 3600),
    ),
    (
        "backup.tier",
        Blocks,
        |it| it.restore("other").point.as_mut().unwrap().tier = Some(Tier("Standard".to_owned())),
        |it| it.restore("other").point.as_mut().unwrap().tier = None,
    ),
    (
        "backup.unread",
        Warns,
        |it| it.restore("other").look = samples::unread(),
        |it| {
            it.restore("other");
        },
    ),
    (
        "restore.in-place",
        Warns,
        |it| {
            it.restore("SampleAPIM");
        },
        |it| {
            it.restore("sampleapim");
            it.plan.source = Some("sampleapim".parse::<ServiceName>().unwrap());
        },
    ),
];

fn it_self() -> String {
    plan("sampleapim").service.to_string()
}

#[test]
fn each_finding_has_its_facts_and_a_neighbour_without_it() {
    assert_eq!(Known::new().findings(), []);
    for (n, (code, severity, with, without)) in ROWS.iter().enumerate() {
        let found = |change: &fn(&mut Known)| {
            let mut known = Known::new();
            change(&mut known);
            known.findings()
        };
        let expected = [((*code).into(), *severity)];
        let told: Vec<_> = found(with).into_iter().map(|it| (it.code, it.severity)).collect();
        assert_eq!(told, expected, "row {n}");
        assert_eq!(found(without), [], "the neighbour of row {n}, {code}");
    }
}

#[test]
fn every_finding_is_a_sentence_with_a_remedy() {
    let mut told = Vec::new();
    for (_, _, with, _) in ROWS {
        let mut known = Known::new();
        with(&mut known);
        for finding in known.findings() {
            assert!(!finding.remedy.is_empty() && !finding.text.ends_with('.'), "{finding:?}");
            told.push(format!("{finding}\n  {}", finding.remedy));
        }
    }
    told.dedup();
    insta::assert_snapshot!(told.join("\n"), @r#"
    tier.unsupported: sampleapim is of the tier StandardV2, which has no backup
      keep its APIs and policies in a repository instead (APIOps, Bicep), and deploy them to another instance; or move to Developer, Basic, Standard or Premium
    tier.unsupported: sampleapim is of the tier Consumption, which has no backup
      keep its APIs and policies in a repository instead (APIOps, Bicep), and deploy them to another instance; or move to Developer, Basic, Standard or Premium
    tier.unknown: sampleapim is of the tier Isolated, of which nobody here knows whether it has a backup
      documented are Developer, Basic, Standard and Premium; look at the outcome
    workspaces.present: sampleapim has 2 workspaces, and instances with workspaces have no backup
      keep workspaces in an instance of their own, or keep everything in a repository (APIOps) and deploy it
    workspaces.unread: the service's workspaces could not be read: 403: no
      grant the caller Some/right/read on it
    api-version.too-old: sampleapim takes no api-version before 2024-06-01-preview, and it is called with 2024-05-01
      set APIM_DR_API_VERSION to 2024-06-01-preview or later
    service.unknown-parts: sampleapim tells of identity, zones in a form that nobody here knows
      check these by hand; set APIM_DR_API_VERSION to an older one
    identity.missing: sampleapim has no system-assigned identity to reach the storage account with
      give it one: apim-dr identity enable --system --name sampleapim --resource-group apimdrresourcegroup
    identity.not-assigned: 51511111-0000-4000-8000-000000000002 is not the client id of an identity of sampleapim
      give it that one: apim-dr identity enable --user <its resource id> --name sampleapim --resource-group apimdrresourcegroup; or correct clientId, which is the identity's, not the caller's
    identity.unknown: 51511111-0000-4000-8000-000000000002 is not the client id of an identity of sampleapim, as far as Azure tells yet
      give it that one: apim-dr identity enable --user <its resource id> --name sampleapim --resource-group apimdrresourcegroup; or correct clientId, which is the identity's, not the caller's
    network.storage: sampleapim does not reach apimstatic.blob.core.windows.net in Australia East: time-out
      let the subnet reach Azure Storage (443, 445), then apply: az apim apply-network-updates --name sampleapim --resource-group apimdrresourcegroup
    network.storage: sampleapim does not reach apimstatic.blob.core.windows.net in Australia East, which is optional
      let the subnet reach Azure Storage (443, 445), then apply: az apim apply-network-updates --name sampleapim --resource-group apimdrresourcegroup
    network.stale: sampleapim has not said since 2026-11-21T00:14:00Z whether it reaches apimstatic.blob.core.windows.net in Australia East
      let the subnet reach Azure Storage (443, 445), then apply: az apim apply-network-updates --name sampleapim --resource-group apimdrresourcegroup
    network.unread: the service's network status could not be read: 403: no
      grant the caller Some/right/read on it
    account.unread: the storage account could not be read: 403: no
      grant the caller Some/right/read on it
    account.missing: there is no storage account apimdrstorage anywhere
      check storageAccount: it is the account's name, not its address
    account.unseen: the storage account apimdrstorage is not among those of the subscription aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee that may be read: nothing of it was checked
      grant the caller Reader on the account; in another subscription, check by hand: its firewall, keys, CORS rules, and the identity's role
    account.unread: the storage account could not be read: 403: no
      grant the caller Some/right/read on it
    account.keys-refused: the storage account apimdrstorage takes no keys
      use a managed identity (accessType), or allow keys: az storage account update --name apimdrstorage --allow-shared-key-access true
    account.hierarchical-namespace: the storage account apimdrstorage has a hierarchical namespace, with which backups are not documented
      prefer an account without; look whether a restore of it works (apim-dr drill)
    account.perimeter: the storage account apimdrstorage is in a network security perimeter, with which backups are not documented
      let API Management in by an inbound rule of the perimeter, for its subscription
    firewall.access-type: the storage account apimdrstorage has a firewall, through which only the service's system-assigned identity gets
      use accessType SystemAssignedManagedIdentity, and let trusted services through: az storage account update --name apimdrstorage --bypass AzureServices
    firewall.access-type: the storage account apimdrstorage takes no calls from public networks, through which only the service's system-assigned identity gets
      use accessType SystemAssignedManagedIdentity, and let trusted services through: az storage account update --name apimdrstorage --bypass AzureServices
    firewall.bypass: the storage account apimdrstorage has a firewall, and neither trusted services nor sampleapim are let through
      az storage account update --name apimdrstorage --bypass AzureServices; or az storage account network-rule add --account-name apimdrstorage --resource-id /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/sampleapim
    firewall.public-access: the storage account apimdrstorage takes no calls from public networks; that its exceptions still count is documented, no backup through them is
      look at the outcome of the next backup
    account.same-region: the only copy of a backup lies in Australia East, where sampleapim is (Standard_ZRS)
      take an account in another region, or one that copies: az storage account update --name apimdrstorage --sku Standard_GRS
    account.same-region: the only copy of a backup lies in Australia East, where sampleapim is (Premium_LRS)
      take an account in another region, or one that copies: az storage account update --name apimdrstorage --sku Standard_GRS
    account.cors: the blob service of apimdrstorage has CORS rules, which API Management's documentation forbids, and users report that PATCH among its methods ends a backup by key with InvalidParameters
      remove them: az storage cors clear --services b --account-name apimdrstorage; or use a managed identity
    account.cors: the blob service of apimdrstorage has CORS rules, which API Management's documentation forbids
      remove them: az storage cors clear --services b --account-name apimdrstorage; or use a managed identity
    cors.unread: the blob service's CORS rules could not be read: 403: no
      grant the caller Some/right/read on it
    container.missing: the storage account apimdrstorage has no container backup; newer versions of API Management make it, older ones fail
      az storage container create --account-name apimdrstorage --name backup --auth-mode login
    container.missing: the storage account apimdrstorage has no container backup
      check storageAccount and containerName; see apim-dr list
    container.unread: the container below /subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/apimdrstorage could not be read: 403: no
      grant the caller Some/right/read on it
    role.missing: the identity of sampleapim has no Storage Blob Data Contributor on apimdrstorage, unless by a group or a role of your own
      az role assignment create --role "Storage Blob Data Contributor" --scope /subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/apimdrstorage --assignee-object-id 51511111-0000-4000-8000-000000000005 --assignee-principal-type ServicePrincipal
    role.condition: the role of sampleapim on apimdrstorage has a condition, which may keep it from this blob
      read the condition; or assign the role without one
    role.unread: role assignments on the storage account could not be read: 403: no
      grant the caller Some/right/read on it
    backup.missing: the backup apimdrstorage/backup/apimbackup is not there
      see what there is: apim-dr list
    backup.empty: the backup apimdrstorage/backup/apimbackup is empty
      take another recovery point: apim-dr list
    backup.expired: the backup apimdrstorage/backup/apimbackup is 30 days old, and API Management restores none that is older than 30
      take a newer recovery point: apim-dr list
    backup.tier: the backup apimdrstorage/backup/apimbackup is of the tier Standard, the service is of the tier Premium
      restore into a service of the same tier; a service can be scaled to that tier first
    backup.unread: whether the backup apimdrstorage/backup/apimbackup is there could not be read: no right
      let the app read the container, or look by hand
    restore.in-place: sampleapim goes back to what it was itself, and what was changed since is lost
      name it as source if that is meant; safetyBackup keeps what is there now
    "#);
}

#[test]
fn what_blocks_is_told_first() {
    let mut known = Known::new();
    known.account().sku = "Standard_LRS".to_owned();
    known.container = Some(Ok(false));
    known.restore("other").look = BlobLook::Absent;
    known.account().hierarchical_namespace = true;
    let codes: Vec<_> = known.findings().into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["container.missing", "backup.missing", "account.hierarchical-namespace"]);
}

#[test]
fn a_service_that_cannot_be_read_is_missing_soft_deleted_forbidden_or_out_of_reach() {
    let plan = plan("sampleapim");
    let deleted = DeletedService { location: "Australia East".to_owned(), purged: Some(at(0)) };
    let error = |status| AzureError { status: Some(status), ..AzureError::local("said") };
    let rows = [
        (error(404), Some(&deleted), "service.soft-deleted", Blocks),
        (error(404), None, "service.missing", Blocks),
        (error(403), None, "service.unreadable", Blocks),
        (error(500), None, "service.unreadable", Blocks),
    ];
    for (error, deleted, code, severity) in rows {
        let finding = unreachable(&plan, &error, deleted);
        assert_eq!((&*finding.code, finding.severity), (code, severity), "{finding:?}");
    }
    insta::assert_snapshot!(unreachable(&plan, &error(404), Some(&deleted)).remedy, @r#"bring it back with all that it had: create it with "restore": true among its properties; to free its name for good instead: az apim deletedservice purge --service-name sampleapim --location "Australia East""#);
}

#[test]
fn a_busy_service_is_told_and_an_idle_one_is_not() {
    let status = |target: &str| ServiceStatus {
        tier: None,
        provisioning_state: "Succeeded".to_owned(),
        target_provisioning_state: target.to_owned(),
    };
    let plan = plan("sampleapim");
    assert_eq!(busy(&plan, &status("Updating")).map(|it| it.code), Some("service.busy".into()));
    assert_eq!(busy(&plan, &status("")), None);
}
