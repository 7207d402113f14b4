//! Snapshots of services, their comparison, and what the commands on a target and its standby say.

use apim_dr::{
    app::App,
    domain::{Caller, Credentials, Snapshot},
    emulator::{Service, accounts},
    ports::{Access, ReadError},
    workflows::{Comparison, Error, Side, Whence, compare_sides, take_snapshot},
};
use serde_json::{Value, json};

use crate::{
    bed::{Bed, seed},
    process::Place,
    targets::target,
    verification::APP,
};

fn side(name: &str) -> Side {
    let service = format!(
        r#"{{"subscription":"{}","resourceGroup":"{}","name":"{name}"}}"#,
        accounts::SUBSCRIPTION_ID,
        accounts::RESOURCE_GROUP
    );
    let access = Access { caller: Caller::App, credentials: Credentials::default() };
    Side { service: serde_json::from_str(&service).unwrap(), access }
}

async fn taken(app: &App) -> Result<Snapshot, ReadError> {
    let Side { service, access } = side(accounts::SERVICE);
    let ports = app.ports();
    take_snapshot(&*ports.inspection, &service, &access, ports.azure.now()).await
}

async fn compared(bed: &Bed) -> Result<Comparison, Error> {
    let app = bed.app().await;
    let ports = app.ports();
    let [primary, standby] = [accounts::SERVICE, accounts::STANDBY].map(side);
    let now = ports.azure.now();
    compare_sides(&*ports.inspection, &*ports.catalog, &primary, &standby, now).await
}

/// What differs, but for what is expected to.
fn items(comparison: &Comparison) -> Vec<&str> {
    let expected = ["identity", "location"];
    let items = comparison.differences.iter().map(|difference| &*difference.item);
    items.filter(|item| !expected.contains(item)).collect()
}

#[tokio::test]
async fn a_snapshot_has_what_could_be_read_and_says_what_could_not() {
    let bed = Bed::with(&APP).await;
    bed.emulator
        .with_service(accounts::SERVICE, |service| service.portal_revision = Some("20261121".to_owned()));
    let app = bed.app().await;
    let whole = taken(&app).await.unwrap();
    assert_eq!((whole.counts.unwrap().subscriptions, whole.unread.len()), (3, 0));
    assert_eq!(
        (whole.portal_revision.as_deref(), whole.inventory.location.as_str()),
        (Some("20261121"), "Australia East")
    );
    for part in ["sampleapim/users", "diagnosticSettings", "portalRevisions"] {
        bed.emulator.deny(part);
    }
    let poor = taken(&app).await.unwrap();
    assert_eq!((poor.counts, &poor.diagnostics, &poor.portal_revision), (None, &None, &None));
    assert_eq!(poor.inventory, whole.inventory);
    let parts = ["the numbers of APIs", "the diagnostic settings", "the developer portal's revisions"];
    assert!(poor.unread.iter().zip(parts).all(|(said, part)| said.starts_with(part)), "{:?}", poor.unread);
    assert_eq!(poor.unread.len(), 3);
    bed.emulator.deny("service/sampleapim?");
    taken(&app).await.unwrap_err();
}

#[tokio::test]
async fn two_services_are_compared_as_they_are_now() {
    let bed = Bed::with(&APP).await;
    let alike = compared(&bed).await.unwrap();
    assert_eq!((&alike.whence, items(&alike), alike.standby_idle), (&Whence::Live, vec![], true));
    bed.emulator.with_service(accounts::SERVICE, |service| service.capacity = 2);
    bed.emulator.with_service(accounts::STANDBY, |service| {
        "Updating".clone_into(&mut service.target_provisioning_state);
        "Disabled".clone_into(&mut service.public_network_access);
    });
    let other = compared(&bed).await.unwrap();
    assert_eq!((items(&other), other.standby_idle), (vec!["public-network-access", "capacity"], false));
}

#[tokio::test]
async fn a_primary_that_is_gone_is_compared_as_it_was_recorded_last_and_without_that_nothing_is_compared() {
    let bed = Bed::with(&APP).await;
    let primary = || Service { capacity: 3, ..Service::new(accounts::SERVICE, accounts::LOCATION) };
    bed.emulator.delete_service(accounts::SERVICE);
    let error = compared(&bed).await.unwrap_err();
    assert!(matches!(error, Error::UnreadPrimary { .. }) && !error.is_transient(), "{error}");

    bed.emulator.add_service(primary());
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    let taken = bed.now();
    bed.advance(std::time::Duration::from_hours(5));
    bed.emulator.delete_service(accounts::SERVICE);
    let comparison = compared(&bed).await.unwrap();
    let Whence::Recorded { taken: at, because } = &comparison.whence else { panic!("{comparison:#?}") };
    assert!(*at <= taken && because.contains("404"), "{comparison:#?}");
    assert_eq!(items(&comparison), ["capacity"]);
}

#[tokio::test]
async fn a_standby_that_cannot_be_read_is_not_compared() {
    let bed = Bed::with(&APP).await;
    bed.emulator.delete_service(accounts::STANDBY);
    let error = compared(&bed).await.unwrap_err();
    assert!(matches!(error, Error::UnreadStandby { .. }), "{error}");
}

#[tokio::test]
async fn the_commands_tell_whether_a_backup_a_fail_over_and_a_restore_would_work() {
    let mut place = Place::start().await;
    let own = target("primary", &json!({ "standby": accounts::STANDBY, "backupName": "nightly" }));
    place.set("APIM_DR_TARGETS", &json!([own]).to_string());
    place.set("PRIMARY_SECRET", accounts::CLIENT_SECRET);
    place.set("PRIMARY_KEY", accounts::ACCOUNT_KEY);
    let run = async |arguments: &[&str]| {
        let ended = place.run(arguments, "").await;
        for secret in [accounts::CLIENT_SECRET, accounts::ACCOUNT_KEY] {
            assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{ended:?}");
        }
        ended
    };
    let plan =
        ["restore", "--plan", "--target", "primary", "-n", accounts::STANDBY, "--backup", "latest-verified"];
    let fine = run(&["check"]).await;
    assert!(fine.code == Some(0) && fine.out.contains("nothing speaks against a backup"), "{fine:?}");
    let not_ready = run(&["compare", "primary"]).await;
    assert!(not_ready.code == Some(2) && not_ready.out.contains("Not ready"), "{not_ready:?}");
    assert_eq!(run(&plan).await.code, Some(6));
    assert_eq!(run(&["backup", "--target", "primary"]).await.code, Some(0));
    let ready = run(&["compare", "primary"]).await;
    assert!(ready.code == Some(0) && ready.out.contains("Ready: a fail-over would work."), "{ready:?}");
    let planned = run(&plan).await;
    assert!(planned.code == Some(0) && planned.out.ends_with("nothing was started\n"), "{planned:?}");

    place.emulator.with_service(accounts::STANDBY, |service| service.tier = "Premium".to_owned());
    let blocked = run(&plan).await;
    assert!(blocked.code == Some(4) && blocked.out.contains("backup.tier"), "{blocked:?}");
    let json = run(&["compare", "primary", "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &shown["readiness"]["verdict"]), (Some(2), &json!("notReady")), "{shown:#}");
    place.emulator.with_service(accounts::SERVICE, |service| service.tier = "BasicV2".to_owned());
    let checked = run(&["check", "primary", "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(
        (checked.code, &shown[0]["findings"][0]["code"]),
        (Some(4), &json!("tier.unsupported")),
        "{shown:#}"
    );
    for wrong in [&["check", "other"][..], &["compare", "other"], &["compare", "other", "x"]] {
        assert_eq!(run(wrong).await.code, Some(64), "{wrong:?}");
    }
    assert_eq!((place.emulator.accepted("backup"), place.emulator.accepted("restore")), (1, 0));
}
