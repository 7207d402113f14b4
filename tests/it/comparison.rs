//! Snapshots of services and their comparison, on services that answer as they are told.

use std::collections::HashMap;

use apim_dr::{
    domain::{
        AccountFacts, AzureError, Caller, Connectivity, ContainerName, Continuation, Counts, Credentials,
        DeletedService, Diagnostic, IdentityChange, Inventory, OperationId, Probe, RoleAssignment, ServiceId,
        ServiceStatus, Snapshot, StorageAccount, SubscriptionId,
    },
    ports::{Access, Catalog as _, Inspection, ReadError},
    records::{Location, Records},
    workflows::{Comparison, Error, Side, Whence, compare_sides, take_snapshot},
};
use async_trait::async_trait;
use jiff::Timestamp;

/// What a service answers; a part that is `None` is refused.
#[derive(Debug, Default)]
struct Answers {
    inventory: Option<(ServiceStatus, Inventory)>,
    counts: Option<Counts>,
    diagnostics: Option<Vec<Diagnostic>>,
    /// Empty: it was never published.
    portal_revision: Option<String>,
}

/// Services by name.
#[derive(Debug, Default)]
struct Inspected(HashMap<&'static str, Answers>);

impl Inspected {
    fn answer<T: Clone>(
        &self,
        service: &ServiceId,
        part: impl Fn(&Answers) -> &Option<T>,
    ) -> Result<T, ReadError> {
        let known = self.0.get(service.name.as_str()).and_then(|answers| part(answers).clone());
        known.ok_or_else(|| ReadError::Definite(AzureError::local("no right")))
    }
}

#[async_trait]
impl Inspection for Inspected {
    fn api_version(&self) -> String {
        unimplemented!()
    }

    async fn inventory(
        &self,
        service: &ServiceId,
        _: &Access,
    ) -> Result<(ServiceStatus, Inventory), ReadError> {
        self.answer(service, |it| &it.inventory)
    }

    async fn counts(&self, service: &ServiceId, _: &Access) -> Result<Counts, ReadError> {
        self.answer(service, |it| &it.counts)
    }

    async fn workspaces(&self, _: &ServiceId, _: &Access) -> Result<u64, ReadError> {
        unimplemented!()
    }

    async fn diagnostics(&self, service: &ServiceId, _: &Access) -> Result<Vec<Diagnostic>, ReadError> {
        self.answer(service, |it| &it.diagnostics)
    }

    async fn portal_revision(&self, service: &ServiceId, _: &Access) -> Result<Option<String>, ReadError> {
        let name = self.answer(service, |it| &it.portal_revision)?;
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    async fn connectivity(&self, _: &ServiceId, _: &Access) -> Result<Vec<Connectivity>, ReadError> {
        unimplemented!()
    }

    async fn deleted_service(&self, _: &ServiceId, _: &Access) -> Result<Option<DeletedService>, ReadError> {
        unimplemented!()
    }

    async fn account(
        &self,
        _: &SubscriptionId,
        _: &StorageAccount,
        _: &Access,
    ) -> Result<Option<AccountFacts>, ReadError> {
        unimplemented!()
    }

    async fn account_exists(
        &self,
        _: &SubscriptionId,
        _: &StorageAccount,
        _: &Access,
    ) -> Result<bool, ReadError> {
        unimplemented!()
    }

    async fn cors_methods(&self, _: &str, _: &Access) -> Result<Vec<String>, ReadError> {
        unimplemented!()
    }

    async fn container_exists(&self, _: &str, _: &ContainerName, _: &Access) -> Result<bool, ReadError> {
        unimplemented!()
    }

    async fn roles(&self, _: &str, _: &str, _: &Access) -> Result<Vec<RoleAssignment>, ReadError> {
        unimplemented!()
    }

    async fn probe(&self, _: &str) -> Probe {
        unimplemented!()
    }

    async fn change_identity(
        &self,
        _: &ServiceId,
        _: &IdentityChange,
        _: &Access,
    ) -> Result<Option<Continuation>, ReadError> {
        unimplemented!()
    }
}

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn side(name: &str) -> Side {
    let service = ServiceId {
        subscription: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap(),
        resource_group: "rg".parse().unwrap(),
        name: name.parse().unwrap(),
    };
    Side { service, access: Access { caller: Caller::App, credentials: Credentials::default() } }
}

/// Everything is read.
fn open(capacity: u64, state: &str) -> Answers {
    let status = ServiceStatus {
        tier: None,
        provisioning_state: state.to_owned(),
        target_provisioning_state: String::new(),
    };
    Answers {
        inventory: Some((status, Inventory { capacity: Some(capacity), ..Inventory::default() })),
        counts: Some(Counts { apis: 1, ..Counts::default() }),
        diagnostics: Some(Vec::new()),
        portal_revision: Some(String::new()),
    }
}

async fn taken(answers: Answers) -> Result<Snapshot, ReadError> {
    let inspected = Inspected(HashMap::from([("primary", answers)]));
    let Side { service, access } = side("primary");
    take_snapshot(&inspected, &service, &access, now()).await
}

#[tokio::test]
async fn a_snapshot_has_what_could_be_read_and_says_what_could_not() {
    let whole = taken(open(2, "Succeeded")).await.unwrap();
    let expected = Snapshot {
        service: side("primary").service,
        taken: now(),
        inventory: Inventory { capacity: Some(2), ..Inventory::default() },
        counts: Some(Counts { apis: 1, ..Counts::default() }),
        diagnostics: Some(Vec::new()),
        portal_revision: Some(String::new()),
        unread: Vec::new(),
    };
    assert_eq!(whole, expected);

    let inventory = open(2, "Updating").inventory;
    let poor = taken(Answers { inventory, ..Answers::default() }).await.unwrap();
    let unread = [
        "the numbers of APIs, products, subscriptions and users: no right",
        "the diagnostic settings: no right",
        "the developer portal's revisions: no right",
    ];
    let unread = unread.map(str::to_owned).into();
    assert_eq!(poor, Snapshot { counts: None, diagnostics: None, portal_revision: None, unread, ..expected });

    taken(Answers { inventory: None, ..open(2, "Succeeded") }).await.unwrap_err();
}

async fn compared(records: &Records, services: [(&'static str, Answers); 2]) -> Result<Comparison, Error> {
    let inspected = Inspected(HashMap::from(services));
    compare_sides(&inspected, records, &side("primary"), &side("standby"), now()).await
}

#[tokio::test]
async fn two_services_are_compared_as_they_are_now() {
    let records = Records::open(&Location::Memory, None).await.unwrap();
    for (state, is_idle) in [("Succeeded", true), ("Updating", false)] {
        let services = [("primary", open(2, "Updating")), ("standby", open(1, state))];
        let comparison = compared(&records, services).await.unwrap();
        assert_eq!((&comparison.whence, comparison.standby_idle), (&Whence::Live, is_idle));
        let items: Vec<_> = comparison.differences.iter().map(|it| &*it.item).collect();
        assert_eq!(items, ["capacity"]);
    }
}

#[tokio::test]
async fn a_primary_that_is_gone_is_compared_as_it_was_recorded_last_and_without_that_nothing_is_compared() {
    let records = Records::open(&Location::Memory, None).await.unwrap();
    let services = || [("primary", Answers::default()), ("standby", open(1, "Succeeded"))];
    let error = compared(&records, services()).await.unwrap_err();
    assert!(matches!(error, Error::UnreadPrimary { .. }) && !error.is_transient(), "{error}");

    for (hour, capacity) in [(2, 3), (1, 1)] {
        let at: Timestamp = format!("2026-11-21T0{hour}:00:00Z").parse().unwrap();
        let snapshot = Snapshot { taken: at, ..taken(open(capacity, "Succeeded")).await.unwrap() };
        records.record_snapshot(OperationId::at(at), &snapshot).await.unwrap();
    }
    let comparison = compared(&records, services()).await.unwrap();
    let newest = "2026-11-21T02:00:00Z".parse().unwrap();
    assert_eq!(comparison.whence, Whence::Recorded { taken: newest, because: "no right".to_owned() });
    assert_eq!(comparison.differences[0].primary, "3 units");
}

#[tokio::test]
async fn a_standby_that_cannot_be_read_is_not_compared() {
    let records = Records::open(&Location::Memory, None).await.unwrap();
    let services = [("primary", open(2, "Succeeded")), ("standby", Answers::default())];
    let error = compared(&records, services).await.unwrap_err();
    assert!(matches!(error, Error::UnreadStandby { .. }), "{error}");
}
