//! What history costs: a sweep over ten open operations, and the report that the status page shows, after ever more
//! operations that were closed.
//!
//! The closed ones are daily backups of as many services as it takes, a year each; the ten targets are among them. They
//! are written straight into the records. The program's parts run in this very process, in simulated time, so that the
//! records may be in memory.
//!
//! `cargo bench --bench history -- 10 1000 100000`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the benchmark")]

mod common;
#[path = "../tests/it/simulated.rs"]
mod simulated;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use apim_dr::{
    app::{App, Gate},
    domain::{
        Answer, AttemptId, BlobLook, BlobRef, Caller, Continuation, Credentials, Entry, Event, Kind,
        Operation, OperationId, Plan, RecoveryPoint, RequestIds, Secret, Seen, ServiceId, StorageAccess,
        Verification, later,
    },
    emulator::{Clock as EmulatedClock, Config, Emulator, Service, accounts},
    ports::{Catalog as _, Cause, Clock as _, Journal as _},
    records::{Location, Records},
    settings::Settings,
    workflows::{self, IfBusy},
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};
use serde_json::Value;
use tempfile::TempDir;

use common::{instance, median, millis, sizes, target};
use simulated::SimulatedClock;

/// How many operations are open, each of a target of its own.
const OPEN: u32 = 10;
/// Backups of one service: one a day.
const A_YEAR: u32 = 365;
/// How often is measured; the middle one counts.
const ROUNDS: usize = 21;

/// No target's schedule is due.
const NOW: &str = "2026-11-21T12:30:00Z";
/// 32 bytes, base64.
const STATE_KEY: &str = "YmVuY2gtc3RhdGUta2V5LW5vdC1hLXNlY3JldC0wMDE=";

#[tokio::main]
async fn main() {
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>7} {:>10} {:>7}",
        "records", "closed", "written s", "sweep ms", "ratio", "report ms", "ratio"
    );
    for is_in_memory in [true, false] {
        let mut first = None;
        for closed in sizes(&[10, 1_000, 100_000]) {
            let folder = TempDir::new().unwrap();
            let (written, mut sweep, mut report) = measure(closed, is_in_memory, folder.path()).await;
            let (sweep, report) = (median(&mut sweep), median(&mut report));
            let (first_sweep, first_report) = *first.get_or_insert((sweep, report));
            println!(
                "{:>9} {closed:>9} {:>9.1} {:>9} {:>7.2} {:>10} {:>7.2}",
                if is_in_memory { "memory" } else { "directory" },
                written.as_secs_f64(),
                millis(sweep),
                sweep.as_secs_f64() / first_sweep.as_secs_f64(),
                millis(report),
                report.as_secs_f64() / first_report.as_secs_f64(),
            );
        }
    }
}

/// How long it took to write the history; the sweeps; the reports.
async fn measure(closed: u32, is_in_memory: bool, folder: &Path) -> (Duration, Vec<Duration>, Vec<Duration>) {
    let clock = SimulatedClock(EmulatedClock::manual(NOW.parse().unwrap()));
    let config = Config {
        clock: clock.0.clone(),
        operation: Duration::from_hours(24),
        retry_after: 60,
        ..Config::default()
    };
    let emulator = Emulator::start(config).await.unwrap();
    for number in 0..OPEN {
        emulator.add_service(Service::new(&instance(number), accounts::LOCATION));
    }
    let settings = settings(&emulator);
    // Without fsync, which the program would wait for.
    let store: Arc<dyn ObjectStore> = if is_in_memory {
        Arc::new(InMemory::new())
    } else {
        Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap())
    };
    let records = Records::on(store.clone(), settings.state_key.clone().unwrap());
    let began = Instant::now();
    stream::iter(0..closed).for_each_concurrent(16, |number| write(&records, number, clock.now())).await;
    let written = began.elapsed();

    let place = if is_in_memory {
        Location::Container { store, prefix: String::new() }
    } else {
        Location::Directory(folder.to_owned())
    };
    let app = Gate::at(place, settings, Arc::new(clock.clone())).app().await.unwrap();
    let credentials = Credentials {
        client_secret: Some(Secret::new(accounts::CLIENT_SECRET)),
        access_key: Some(Secret::new(accounts::ACCOUNT_KEY)),
        callback: None,
    };
    for number in 0..OPEN {
        let plan = plan(number, "open");
        workflows::open(app.ports(), plan, &credentials, &Cause::Request, IfBusy::Wait).await.unwrap();
    }
    sweep(&app).await;
    app.settle().await;
    assert_eq!(emulator.accepted("backup"), usize::try_from(OPEN).unwrap());
    let (mut sweeps, mut reports) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        clock.0.advance(Duration::from_mins(1));
        sweeps.push(sweep(&app).await);
        app.settle().await;
        let began = Instant::now();
        assert_eq!(app.report().await.unwrap().targets.len(), usize::try_from(OPEN).unwrap());
        reports.push(began.elapsed());
    }
    emulator.stop().await;
    (written, sweeps, reports)
}

/// Every open operation is looked at.
async fn sweep(app: &Arc<App>) -> Duration {
    let began = Instant::now();
    let swept = app.sweep(Duration::ZERO).await.unwrap();
    let took = began.elapsed();
    assert_eq!((swept.open, swept.closed, swept.failed), (usize::try_from(OPEN).unwrap(), 0, 0));
    took
}

fn settings(emulator: &Emulator) -> Settings {
    let targets: Vec<_> = (0..OPEN).map(|number| target(&instance(number))).collect();
    let own = [
        ("APIM_DR_RECORDS", "memory:".to_owned()),
        ("APIM_DR_STATE_KEY", STATE_KEY.to_owned()),
        ("APIM_DR_TARGETS", Value::from(targets).to_string()),
        ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *".to_owned()),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "0".to_owned()),
    ];
    let variables = emulator.settings().into_iter().chain(own);
    let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value)).collect();
    let settings = Settings::read(&variables.into_iter().collect());
    assert!(settings.problems.is_empty(), "{:?}", settings.problems);
    settings
}

fn plan(number: u32, blob: &str) -> Plan {
    Plan {
        kind: Kind::Backup,
        service: ServiceId {
            subscription: accounts::SUBSCRIPTION_ID.parse().unwrap(),
            resource_group: accounts::RESOURCE_GROUP.parse().unwrap(),
            name: instance(number).parse().unwrap(),
        },
        blob: BlobRef {
            account: accounts::STORAGE_ACCOUNT.parse().unwrap(),
            container: accounts::CONTAINER.parse().unwrap(),
            name: format!("{}_{blob}", instance(number)).parse().unwrap(),
        },
        access: StorageAccess::AccessKey,
        caller: Caller::Application {
            tenant: accounts::TENANT_ID.parse().unwrap(),
            client_id: accounts::APPLICATION_ID.parse().unwrap(),
        },
        retention: None,
        source: None,
        e_tag: None,
        ignore: std::collections::BTreeSet::new(),
        safety_backup: false,
        safety_for: None,
        drill: None,
    }
}

/// One backup from its opening to its end, as the program leaves it behind.
async fn write(records: &Records, number: u32, now: Timestamp) {
    let (service, day) = (number / A_YEAR, number % A_YEAR + 1);
    let opened = now - SignedDuration::from_hours(24 * i64::from(day));
    let at = |second: u64| later(opened, Duration::from_secs(second));
    let operation =
        Operation::open(OperationId::at(opened), plan(service, &day.to_string()), opened, at(3600));
    let attempt = AttemptId::random();
    let continuation =
        Some(Continuation::Location(format!("https://management.azure.com//{}", operation.id)));
    let answer = Answer::Accepted { continuation, after_seconds: 60, ids: RequestIds::default() };
    let e_tag = format!("\"{number}\"");
    let blob = Seen { e_tag, size: 1 << 20, modified: Some(at(540)), md5: None, locked: None };
    let events = [
        Event::Started { attempt, post_until: at(90), blob: BlobLook::Absent, tier: None },
        Event::Answered { attempt, answer },
        Event::Completed { ids: RequestIds::default(), attempt: None },
        Event::Verified { verification: Verification::Verified { blob: blob.clone() } },
    ];
    let mut entry = Entry::first(operation);
    records.append(&entry).await.unwrap();
    for (event, second) in events.into_iter().zip([1, 2, 541, 542]) {
        entry = entry.then(event, at(second)).unwrap();
        records.append(&entry).await.unwrap();
    }
    let point = RecoveryPoint::of(&entry.operation).unwrap();
    records.record(&point).await.unwrap();
    records.record_verified(&point, &blob, at(542)).await.unwrap();
    records.close(&entry).await.unwrap();
}
