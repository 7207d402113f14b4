//! The harness: an emulator and the app on free ports, in one simulated time.

#[path = "simulated.rs"]
mod simulated;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use apim_dr::{
    app::{App, Gate},
    emulator::{Clock as EmulatedClock, Config, Emulator, accounts},
    ports::Clock,
    records::Location,
    serve::{self, Limits},
    settings::{Environment, Settings},
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::{ObjectStore, local::LocalFileSystem};
use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub(crate) use simulated::SimulatedClock;

/// When every test begins: within a second, which `Date` cannot tell.
const START: &str = "2026-11-21T01:00:00.7Z";

/// A clock that was set wrong.
#[derive(Debug)]
struct WrongClock {
    clock: SimulatedClock,
    ahead: SignedDuration,
}

#[async_trait]
impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        self.clock.now() + self.ahead
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause).await;
    }
}

/// An emulator and the app. Dropping one with a fault that never struck fails the test.
pub(crate) struct Bed {
    pub(crate) emulator: Emulator,
    pub(crate) url: String,
    pub(crate) client: Client,
    clock: SimulatedClock,
    /// How far the app's clock is ahead of everybody's.
    pub(crate) ahead: SignedDuration,
    variables: BTreeMap<String, String>,
    patience: Option<Duration>,
    records: TempDir,
    /// The store of the records, if it is not the directory itself.
    store: Option<Arc<dyn ObjectStore>>,
    gate: Option<Arc<Gate>>,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Bed {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings on top of the emulator's.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        Self::on(Config::default(), variables).await
    }

    /// On an emulator that behaves as `config` says, but in simulated time.
    pub(crate) async fn on(config: Config, variables: &[(&str, &str)]) -> Self {
        let mut bed = Self::build(config, variables, None).await;
        bed.serve().await;
        bed
    }

    /// With `wrap` around the store of the records.
    pub(crate) async fn storing<S: ObjectStore>(
        variables: &[(&str, &str)],
        wrap: impl FnOnce(LocalFileSystem) -> Arc<S>,
    ) -> (Self, Arc<S>) {
        let mut bed = Self::build(Config::default(), variables, None).await;
        let store = wrap(LocalFileSystem::new_with_prefix(bed.records.path()).unwrap());
        bed.store = Some(store.clone());
        bed.serve().await;
        (bed, store)
    }

    /// With an app that waits for an answer only so long, in real time: for faults that answer too late.
    pub(crate) async fn hasty() -> Self {
        let mut bed = Self::build(Config::default(), &[], Some(Duration::from_millis(700))).await;
        bed.serve().await;
        bed
    }

    async fn build(config: Config, variables: &[(&str, &str)], patience: Option<Duration>) -> Self {
        let clock = EmulatedClock::manual(START.parse().unwrap());
        let config = Config { clock: clock.clone(), ..config };
        let emulator = Emulator::start(config).await.unwrap();
        let records = TempDir::new().unwrap();
        let own = [
            ("APIM_DR_RECORDS", format!("file:{}", records.path().display())),
            // As under the host: only a sweep goes on with what waits, so that the test decides when.
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071".to_owned()),
            ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *".to_owned()),
        ];
        let all = emulator.settings().into_iter().chain(own);
        let mut all: BTreeMap<_, _> = all.map(|(name, value)| (name.to_owned(), value)).collect();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self {
            emulator,
            url: String::new(),
            client: Client::builder().no_proxy().build().unwrap(),
            clock: SimulatedClock(clock),
            ahead: SignedDuration::ZERO,
            variables: all,
            patience,
            records,
            store: None,
            gate: None,
            server: None,
        }
    }

    fn settings(&self) -> Settings {
        let environment: Environment = self.variables.clone().into_iter().collect();
        let mut settings = Settings::read(&environment);
        if let (Some(arm), Some(patience)) = (&mut settings.arm, self.patience) {
            arm.limits.total = patience;
        }
        settings
    }

    /// One more app on the same records, as another replica has it; its clock is `ahead`.
    pub(crate) async fn replica(&self, ahead: SignedDuration) -> Arc<App> {
        let clock = Arc::new(WrongClock { clock: self.clock.clone(), ahead });
        Arc::new(App::open(&self.settings(), clock).await.unwrap())
    }

    async fn serve(&mut self) {
        let clock = Arc::new(WrongClock { clock: self.clock.clone(), ahead: self.ahead });
        let gate = match self.store.clone() {
            Some(store) => {
                Gate::at(Location::Container { store, prefix: String::new() }, self.settings(), clock)
            }
            None => Gate::new(self.settings(), clock),
        };
        let gate = Arc::new(gate);
        self.gate = Some(gate.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let server = tokio::spawn(async {
            serve::serve(gate, listener, Limits::of_this_process(), stopped).await.unwrap();
        });
        self.server = Some((stop, server));
    }

    /// A setting that counts from the next restart.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The same records, a new process state.
    pub(crate) async fn restart(&mut self) {
        if let Some((stop, server)) = self.server.take() {
            let _ = stop.send(());
            server.await.unwrap();
        }
        self.serve().await;
    }

    pub(crate) fn records(&self) -> &Path {
        self.records.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.0.now()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.0.advance(by);
    }

    /// Posts a body to a route.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        Answer::of(request.send().await.unwrap()).await
    }

    /// Asks a route or a link, also one of before a restart: its port was another.
    pub(crate) async fn get(&self, url: &str) -> Answer {
        let path = url.find("/api/").map_or(url, |at| &url[at..]);
        let url = format!("{}{path}", self.url);
        Answer::of(self.client.request(Method::GET, url).send().await.unwrap()).await
    }

    /// What the host does every minute.
    pub(crate) async fn try_sweep(&self) -> Answer {
        let timer = json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": false});
        self.post("/sweep-trigger", &json!({"Data": {"timer": timer}, "Metadata": {}})).await
    }

    pub(crate) async fn sweep(&self) -> Answer {
        let answer = self.try_sweep().await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer
    }

    /// Posts a start that is taken, and gives its link.
    pub(crate) async fn open(&self, path: &str, body: &Value) -> String {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        self.settle().await;
        answer.header("location")
    }

    /// Waits until the first steps, which are taken after the answer, are over.
    pub(crate) async fn settle(&self) {
        self.app().await.settle().await;
    }

    pub(crate) async fn app(&self) -> Arc<App> {
        let gate = self.gate.as_ref().expect("the app was started");
        gate.app().await.expect("the app is ready")
    }

    /// A sweep every minute, for that long.
    pub(crate) async fn sweep_for(&self, long: Duration) {
        let end = self.now() + long;
        while self.now() < end {
            self.advance(Duration::from_mins(1));
            self.sweep().await;
        }
    }

    /// What happened to an operation, by the names of its entries.
    pub(crate) fn story(&self, link: &str) -> Vec<String> {
        let id = link.split(['/', '?']).find(|part| part.len() == 36).expect("an id").to_owned();
        let months = fs::read_dir(self.records().join("operations")).unwrap();
        let folders = months.map(|month| month.unwrap().path().join(&id)).filter(|folder| folder.is_dir());
        let entries = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let name = |path: &PathBuf| {
            let entry: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            entry["event"]["type"].as_str().unwrap().to_owned()
        };
        paths.iter().map(name).collect()
    }

    /// A minute, then a sweep, until the link says how it ended.
    pub(crate) async fn follow(&self, link: &str) -> Answer {
        // More minutes than any of these operations may take.
        for _ in 0..(13 * 60) {
            let answer = self.get(link).await;
            if answer.status != StatusCode::ACCEPTED {
                return answer;
            }
            self.advance(Duration::from_mins(1));
            self.sweep().await;
        }
        panic!("the operation never ended: {:?}", self.get(link).await);
    }

    /// The whole of it: posted, followed, ended.
    pub(crate) async fn run(&self, path: &str, body: &Value) -> Answer {
        let link = self.open(path, body).await;
        self.follow(&link).await
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.emulator.faults_left(), 0, "a fault never struck");
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().unwrap().to_owned()
    }
}

/// The Logic App's eleven fields, for the emulator's primary.
pub(crate) fn seed(operation: &str) -> Value {
    accounts::body(operation, accounts::SERVICE)
}

/// Something to restore from.
pub(crate) fn put_backup(bed: &Bed) {
    let file = json!({"service": accounts::SERVICE, "sku": "Developer", "createdAt": bed.now(), "content": "apis",
        "padding": ""});
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "apimbackup", file.to_string());
}

/// A body with some fields replaced; `null` leaves one out.
pub(crate) fn but(mut body: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

/// Every file below a folder, as text, to look for what must not be there.
pub(crate) fn everything_in(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &everything_in(&path);
        } else {
            text += &path.display().to_string();
            match fs::read(&path) {
                Ok(bytes) => text += &String::from_utf8_lossy(&bytes),
                // A marker goes when its operation is closed, perhaps right now.
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", path.display()),
            }
        }
    }
    text
}
