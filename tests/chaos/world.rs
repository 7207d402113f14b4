//! What lives through all deaths: Azure, time, and whoever calls.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use apim_dr::emulator::{Account, Clock, Config, Container, Emulator, accounts};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinHandle,
};

use super::{Way, script::Script};

/// Within a second, which `Date` cannot tell, and not long before the schedules' next instant.
const START: &str = "2026-11-21T00:31:00.7Z";
/// Where the records are, if not in a directory.
pub(super) const RECORDS: &str = "records";
/// How often a runtime has its turn before the next one has.
const SPINS: usize = 6;

/// Azure and the callers, on a runtime that nobody kills.
pub(super) struct World {
    pub(super) emulator: Emulator,
    pub(super) way: Way,
    /// The same time, for those who wait for it in this process.
    pub(super) time: watch::Sender<Timestamp>,
    /// How often an app of this process asked for the time: it does when it does anything.
    pub(super) asked: Arc<AtomicU64>,
    /// The environment of every instance.
    pub(super) variables: BTreeMap<String, String>,
    /// Of processes: their records, if they are files, and their logs.
    pub(super) folder: TempDir,
    /// The records are files.
    pub(super) in_files: bool,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
}

/// A request that is on its way to an instance.
pub(super) struct Call {
    pub(super) what: What,
    pub(super) to: usize,
    answer: JoinHandle<reqwest::Result<Reply>>,
}

/// What a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Request(usize),
    Timer,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl World {
    pub(super) fn new(script: &Script, way: &Way) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let start: Timestamp = START.parse().unwrap();
        let config = Config { clock: Clock::manual(start), ..Config::default() };
        let emulator = runtime.block_on(Emulator::start(config)).unwrap();
        emulator.with_account(accounts::STORAGE_ACCOUNT, |account| {
            account.containers.insert(RECORDS.to_owned(), Container::new());
        });
        for blob in script.needed_blobs() {
            let file = json!({ "service": accounts::SERVICE, "sku": "Developer", "createdAt": start,
                "content": "apis", "padding": "" });
            emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, &blob, file.to_string());
        }
        let folder = TempDir::new().unwrap();
        let mut world = Self {
            way: way.clone(),
            time: watch::Sender::new(start),
            asked: Arc::default(),
            variables: BTreeMap::new(),
            in_files: script.in_files,
            client: Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            emulator,
            folder,
            runtime,
        };
        world.variables = world.environment(script);
        world
    }

    fn environment(&self, script: &Script) -> BTreeMap<String, String> {
        let account = accounts::STORAGE_ACCOUNT;
        let connection = format!(
            "AccountName={account};BlobEndpoint={};AccountKey={}",
            self.emulator.blob_endpoint(account),
            accounts::ACCOUNT_KEY
        );
        let records = match &self.way {
            // Opened for it, with less patience than it has itself.
            Way::Within => vec![("APIM_DR_RECORDS", "memory:".to_owned())],
            Way::Processes(_) if self.in_files => {
                vec![("APIM_DR_RECORDS", format!("file:{}", self.records().display()))]
            }
            Way::Processes(_) => vec![
                ("APIM_DR_RECORDS", format!("az://{account}/{RECORDS}")),
                ("APIM_DR_RECORDS_CONNECTION", connection),
            ],
        };
        let own = [
            // Under the host only a sweep goes on with what waits.
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "0".to_owned()),
            ("APIM_DR_BACKUP_SCHEDULE", super::script::SCHEDULE.to_owned()),
            ("APIM_DR_TARGETS", script.targets()),
            ("S", accounts::CLIENT_SECRET.to_owned()),
            ("K", accounts::ACCOUNT_KEY.to_owned()),
        ];
        let all = self.emulator.settings().into_iter().chain(own).chain(records);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The directory of records that are files.
    pub(super) fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    pub(super) fn now(&self) -> Timestamp {
        self.emulator.clock().now()
    }

    pub(super) fn advance(&self, by: Duration) {
        self.emulator.clock().advance(by);
        self.time.send_replace(self.now());
    }

    /// Whoever calls, and Azure, get on.
    pub(super) fn turn(&self) {
        match self.way {
            Way::Within => spin(&self.runtime),
            // The others have turns of their own.
            Way::Processes(_) => self.wait(Duration::from_micros(300)),
        }
    }

    /// Lets real time pass.
    pub(super) fn wait(&self, pause: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(pause).await });
    }

    /// Sends a request.
    pub(super) fn call(&self, what: What, to: usize, request: RequestBuilder) -> Call {
        let answer = self.runtime.spawn(async move {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let body = response.text().await?;
            Ok(Reply { status, body: serde_json::from_str(&body).unwrap_or(Value::Null) })
        });
        Call { what, to, answer }
    }

    /// What came back, if the call is over.
    pub(super) fn answer(&self, call: &mut Call) -> Option<reqwest::Result<Reply>> {
        call.answer.is_finished().then(|| self.runtime.block_on(&mut call.answer).unwrap())
    }

    /// What changes whenever anybody does anything.
    pub(super) fn signs(&self) -> (usize, u64) {
        (self.emulator.arrived(), self.asked.load(Ordering::Relaxed))
    }

    /// Whether there is a marker in the container of the records.
    pub(super) fn is_open(&self) -> bool {
        let open = |account: &mut Account| {
            let records = account.containers.get(RECORDS);
            records.is_some_and(|records| records.keys().any(|name| name.starts_with("open/")))
        };
        self.emulator.with_account(accounts::STORAGE_ACCOUNT, open) == Some(true)
    }

    /// Blobs of backups, by name.
    pub(super) fn blobs(&self) -> BTreeMap<String, usize> {
        let blobs = self.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
        blobs.into_iter().map(|(name, size, _)| (name, size)).collect()
    }
}

/// Everything on a runtime that can get on does.
pub(super) fn spin(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..SPINS {
            tokio::task::yield_now().await;
        }
    });
}

/// How long it is until then.
pub(super) fn until(now: Timestamp, then: Timestamp) -> Duration {
    then.duration_since(now).max(SignedDuration::ZERO).unsigned_abs()
}
