//! Azurite for the tests: one for each process of tests, a container for each test.
//!
//! It is a locked npm project beside this file, installed at its first use. It ends when its standard input does, so
//! it never outlives the tests.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use object_store::{ObjectStore, azure::MicrosoftAzureBuilder};
use serde::Deserialize;

/// Of every container.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";

/// A container that was made for one test, and how it is reached.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) endpoint: String,
    pub(crate) name: String,
    pub(crate) key: String,
    /// May do everything in the container.
    pub(crate) sas: String,
    pub(crate) read_only_sas: String,
}

struct Server {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Why there is none.
static SERVER: LazyLock<Result<Mutex<Server>, String>> = LazyLock::new(|| start().map(Mutex::new));

impl Container {
    /// A new one, empty. `None` where Azurite cannot run, which is told, and is a failure if
    /// `APIM_DR_REQUIRE_AZURITE` is `1`.
    pub(crate) fn create() -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let server = match &*SERVER {
            Ok(server) => server,
            Err(reason) => {
                assert!(!is_required(), "APIM_DR_REQUIRE_AZURITE is set, and {reason}");
                // Not `eprintln`, which the test harness would keep to itself.
                let told = format!("SKIPPED on Azurite ({number}): {reason}\n");
                let _ = io::stderr().write_all(told.as_bytes());
                return None;
            }
        };
        let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(server.input, "test-{number}").expect("Azurite runs");
        let mut answer = String::new();
        server.output.read_line(&mut answer).expect("Azurite runs");
        Some(serde_json::from_str(&answer).expect("Azurite runs; its standard error says more"))
    }

    pub(crate) fn connection(&self) -> String {
        format!("AccountName={ACCOUNT};AccountKey={};BlobEndpoint={}", self.key, self.endpoint)
    }

    /// The container, opened by its key.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        let builder = MicrosoftAzureBuilder::new().with_account(ACCOUNT).with_access_key(&self.key);
        let builder = builder.with_endpoint(self.endpoint.clone()).with_allow_http(true);
        Arc::new(builder.with_container_name(&self.name).build().expect("a container"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own")]
fn is_required() -> bool {
    std::env::var("APIM_DR_REQUIRE_AZURITE").is_ok_and(|value| value == "1")
}

fn start() -> Result<Server, String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azurite");
    install(&project)?;
    let mut child = Command::new("node")
        .arg("serve.js")
        .current_dir(&project)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("node cannot be run: {error}"))?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(output)) => Ok(Server { input, output: BufReader::new(output) }),
        _ => Err("node has no standard input or output".to_owned()),
    }
}

/// Installs what the lock file says, unless that was done before. Processes of tests take turns.
fn install(project: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("Azurite cannot be installed: {error}");
    let (locked, installed): (PathBuf, PathBuf) =
        (project.join("package-lock.json"), project.join("node_modules/.installed"));
    let turn = File::open(&locked).map_err(failed)?;
    turn.lock().map_err(failed)?;
    let locked = fs::read(&locked).map_err(failed)?;
    if fs::read(&installed).is_ok_and(|installed| installed == locked) {
        return Ok(());
    }
    let npm = Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(project).output();
    let npm = npm.map_err(|error| format!("npm cannot be run: {error}"))?;
    if !npm.status.success() {
        return Err(format!("npm ci failed: {}", String::from_utf8_lossy(&npm.stderr).trim()));
    }
    fs::write(&installed, locked).map_err(failed)
}
