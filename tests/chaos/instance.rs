//! One instance of the program: an app in this process, or a process of its own. It can be killed at any moment.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use apim_dr::{
    app::Gate,
    domain::OperationId,
    emulator::accounts,
    ports::Clock,
    records::Location,
    serve::{self, Limits},
    settings::Settings,
    workflows::request_cancel,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    azure::MicrosoftAzureBuilder,
    client::{HttpClient, HttpConnector},
};
use reqwest::Client;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::{
    Way,
    world::{RECORDS, World, spin},
};

/// How long an app of this process waits for an answer, in real time.
pub(super) const PATIENCE: Duration = Duration::from_millis(120);

pub(super) enum Instance {
    Within(Within),
    Process(Process),
}

/// An app in this process.
pub(super) struct Within {
    runtime: Runtime,
    gate: Arc<Gate>,
    clock: Arc<OwnClock>,
    url: String,
}

/// The emulator's time, as somebody may have set it wrong.
#[derive(Debug)]
struct OwnClock {
    time: watch::Receiver<Timestamp>,
    /// In milliseconds.
    ahead: AtomicI64,
    asked: Arc<AtomicU64>,
}

#[async_trait]
impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        self.asked.fetch_add(1, Ordering::Relaxed);
        *self.time.borrow() + SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.time.borrow().as_duration().unsigned_abs()
    }

    async fn sleep(&self, pause: Duration) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let until = apim_dr::domain::later(*self.time.borrow(), pause);
        // Whoever moves the time lives longer than everybody.
        let _ = self.time.clone().wait_for(|now| *now >= until).await;
    }
}

impl Within {
    fn start(world: &World) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clock = Arc::new(OwnClock {
            time: world.time.subscribe(),
            ahead: AtomicI64::new(0),
            asked: world.asked.clone(),
        });
        let mut settings = Settings::read(&world.variables.clone().into_iter().collect());
        assert!(settings.problems.is_empty(), "{:?}", settings.problems);
        let limits = &mut settings.arm.as_mut().unwrap().limits;
        (limits.read, limits.total) = (PATIENCE, PATIENCE);
        let gate = Arc::new(Gate::at(container(world), settings, clock.clone()));
        let served = gate.clone();
        let url = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(serve::serve(served, listener, Limits::of_this_process(), std::future::pending()));
            url
        });
        Self { runtime, gate, clock, url }
    }
}

/// The records in the emulator's storage, as the program opens them but for its patience.
fn container(world: &World) -> Location {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        base: 2.0,
    };
    let store = MicrosoftAzureBuilder::new()
        .with_account(accounts::STORAGE_ACCOUNT)
        .with_access_key(accounts::ACCOUNT_KEY)
        .with_endpoint(world.emulator.blob_endpoint(accounts::STORAGE_ACCOUNT))
        .with_container_name(RECORDS)
        .with_allow_http(true)
        .with_http_connector(Plain)
        .with_retry(RetryConfig { backoff, max_retries: 3, retry_timeout: PATIENCE });
    Location::Container { store: Arc::new(store.build().unwrap()), prefix: String::new() }
}

/// Makes clients that need no certificates.
#[derive(Debug)]
struct Plain;

impl HttpConnector for Plain {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE);
        Ok(HttpClient::new(client.build().unwrap()))
    }
}

/// A process.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    url: String,
}

impl Process {
    /// Starts it and waits until it listens; nobody else has a turn meanwhile but Azure.
    fn start(world: &World, program: &Path, name: &str) -> Self {
        let log = world.folder.path().join(name);
        let child = command(world, program, &["serve"], &log).spawn().unwrap();
        let mut process = Self { child, log, url: String::new() };
        for _ in 0..20_000 {
            world.wait(Duration::from_micros(500));
            if let Some(address) = listening(&fs::read_to_string(&process.log).unwrap_or_default()) {
                process.url = format!("http://{address}");
                return process;
            }
            assert_eq!(process.child.try_wait().unwrap(), None, "{}", process.log.display());
        }
        panic!("a process never listened: {}", process.log.display());
    }
}

/// A run of the program in the world; what it says is added to `log`.
fn command(world: &World, program: &Path, arguments: &[&str], log: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&world.variables).current_dir(world.folder.path());
    let file = File::options().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    command
}

/// What all who cancelled on the command line said, if anybody did.
pub(super) fn cancel_log(world: &World) -> PathBuf {
    world.folder.path().join("cancel.log")
}

/// The address in the log line that says so.
fn listening(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut said = lines.filter(|line| line["message"] == "listening");
    said.find_map(|line| line["address"].as_str().map(str::to_owned))
}

impl Instance {
    /// `name` is of no other that was ever started in this world.
    pub(super) fn start(world: &World, name: &str) -> Self {
        match &world.way {
            Way::Within => Self::Within(Within::start(world)),
            Way::Processes(program) => Self::Process(Process::start(world, program, name)),
        }
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Within(app) => &app.url,
            Self::Process(process) => &process.url,
        }
    }

    /// It gets on, as far as that is ours to say.
    pub(super) fn turn(&self) {
        if let Self::Within(app) = self {
            spin(&app.runtime);
        }
    }

    /// Dies where it stands.
    pub(super) fn kill(self) {
        match self {
            Self::Within(app) => app.runtime.shutdown_background(),
            Self::Process(mut process) => {
                process.child.kill().unwrap();
                process.child.wait().unwrap();
            }
        }
    }

    /// Its clock is that far ahead from now on. A process lives in the emulator's time as it is.
    pub(super) fn jump(&self, ahead: SignedDuration) {
        if let Self::Within(app) = self {
            app.clock.ahead.store(i64::try_from(ahead.as_millis()).unwrap(), Ordering::Relaxed);
        }
    }

    /// Somebody cancels an operation here: on the command line, or as that does.
    pub(super) fn cancel(&self, world: &World, id: OperationId) -> Option<Child> {
        match (self, &world.way) {
            (Self::Within(app), _) => {
                let gate = app.gate.clone();
                app.runtime.spawn(async move {
                    if let Ok(app) = gate.app().await {
                        // Where the records fail, it is not cancelled.
                        let _ = request_cancel(app.ports(), id).await;
                    }
                });
                None
            }
            (_, Way::Processes(program)) => {
                let arguments = ["operations", "cancel", &id.to_string()];
                Some(command(world, program, &arguments, &cancel_log(world)).spawn().unwrap())
            }
            _ => None,
        }
    }

    /// What changes when a process does anything; `None` while it does.
    pub(super) fn signs(&self) -> Option<u64> {
        match self {
            Self::Within(_) => Some(0),
            Self::Process(process) => slices(process.child.id()),
        }
    }

    pub(super) fn log(&self) -> Option<&Path> {
        match self {
            Self::Within(_) => None,
            Self::Process(process) => Some(&process.log),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often the threads of a process had the processor, as Linux counts it; `None`: one of them has it, wants it, or
/// waits for a disk.
pub(super) fn slices(pid: u32) -> Option<u64> {
    let mut slices = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let thread = thread.ok()?.path();
        let stat = fs::read_to_string(thread.join("stat")).ok()?;
        if !stat.rsplit_once(") ")?.1.starts_with('S') {
            return None;
        }
        let counted = fs::read_to_string(thread.join("schedstat")).ok()?;
        slices += counted.split_whitespace().nth(2)?.parse::<u64>().ok()?;
    }
    Some(slices)
}
