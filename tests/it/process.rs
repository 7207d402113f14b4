//! The program as a process: its command line, its server, its death. Real time, with an Azure that is quick.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use apim_dr::emulator::{Config, Effect, Emulator, Fault, accounts};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::bed::{Answer, but, everything_in, seed};

/// An emulator, and a folder in which processes run.
pub(crate) struct Place {
    pub(crate) emulator: Emulator,
    folder: TempDir,
    variables: Vec<(String, String)>,
    /// The root of processes, if it is one of their own, with a program in it.
    root: Option<PathBuf>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) async fn start() -> Self {
        Self::on(Config { retry_after: 1, operation: Duration::from_secs(1), ..Config::default() }).await
    }

    pub(crate) async fn on(config: Config) -> Self {
        let emulator = Emulator::start(config).await.unwrap();
        let folder = TempDir::new().unwrap();
        let records = ("APIM_DR_RECORDS".to_owned(), format!("file:{}/records", folder.path().display()));
        let settings = emulator.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
        let variables = settings.chain([records]).collect();
        Self { emulator, folder, variables, root: None }
    }

    /// Adds a variable to every process that is started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A file in the folder where processes run.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    /// Every process that is started from now on sees only what is below `root`, and is `apim-dr` there.
    pub(crate) fn below(&mut self, root: &Path) {
        self.root = Some(root.to_owned());
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.root {
            None => Command::new(env!("CARGO_BIN_EXE_apim-dr")),
            Some(root) => confined(root, "apim-dr"),
        };
        command.args(arguments).env_clear().envs(self.variables.clone()).current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input closes it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the server on a free port.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&["serve", "--listen", "127.0.0.1:0"]).await
    }

    pub(crate) async fn serve_with(&self, arguments: &[&str]) -> Server {
        let mut child = self.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Server { child, lines, log: String::new(), url: String::new() };
        let listening = server.wait_for(|line| line["message"] == "listening").await;
        server.url = format!("http://{}", listening["address"].as_str().unwrap());
        server
    }
}

/// A program that sees only what is below `root`.
pub(crate) fn confined(root: &Path, program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--root"]).arg(root).arg(format!("/{program}"));
    command
}

/// A running server and what it logs.
pub(crate) struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) log: String,
    pub(crate) url: String,
}

impl Server {
    /// Reads the log until a line is as wished.
    pub(crate) async fn wait_for(&mut self, wished: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self
                .lines
                .next_line()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("no such line:\n{}", self.log));
            self.log += &line;
            self.log.push('\n');
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if wished(&line) {
                return line;
            }
        }
    }

    pub(crate) async fn wait_for_phase(&mut self, phase: &str) -> Value {
        self.wait_for(|line| line["operation.phase"] == phase).await
    }

    pub(crate) async fn post(&self, route: &str, body: &Value) -> Answer {
        let request = reqwest::Client::new().post(format!("{}/api/{route}", self.url)).body(body.to_string());
        Answer::of(request.header("x-azure-functions-invocationid", "invocation-1").send().await.unwrap())
            .await
    }

    /// The link's path and query, on this server.
    pub(crate) async fn get(&self, link: &str) -> Answer {
        let path = link.split_once("/api/").unwrap().1;
        Answer::of(reqwest::get(format!("{}/api/{path}", self.url)).await.unwrap()).await
    }

    /// Sends a signal and gives the exit code.
    pub(crate) async fn end(mut self, signal: &str) -> Option<i32> {
        send(signal, &self.child).await;
        // Read on, or a full pipe would keep it from ending.
        while let Ok(Some(_)) = self.lines.next_line().await {}
        self.child.wait().await.unwrap().code()
    }
}

pub(crate) async fn send(signal: &str, child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
}

#[tokio::test]
async fn a_killed_server_goes_on_from_the_journal() {
    let place = Place::start().await;
    let mut server = place.serve().await;
    let link = server.post("backup", &seed("backup")).await.header("location");
    server.wait_for_phase("Running").await;
    assert_eq!(server.end("-KILL").await, None);

    let mut server = place.serve().await;
    server.wait_for_phase("Succeeded").await;
    let ended = server.get(&link).await;
    assert_eq!(
        (ended.status.as_u16(), ended.json()["phase"].as_str()),
        (200, Some("Succeeded")),
        "{ended:?}"
    );
    assert_eq!((place.emulator.posts("backup"), place.emulator.accepted("backup")), (1, 1));
    assert_eq!(server.end("-TERM").await, Some(0));
}

#[tokio::test]
async fn a_server_killed_before_it_could_write_azures_answer_never_posts_again() {
    let place = Place::start().await;
    let slow = Effect::Slow { millis: 3_600_000, processed: true };
    place.emulator.inject(Fault::once("POST", "/backup?", slow));
    let mut server = place.serve().await;
    let link = server.post("backup", &seed("backup")).await.header("location");
    server.wait_for_phase("Starting").await;
    while place.emulator.accepted("backup") == 0 {
        tokio::task::yield_now().await;
    }
    server.end("-KILL").await;

    let server = place.serve().await;
    let after = server.get(&link).await;
    // Nobody else decides before the POST's time is over; what comes then is tested in simulated time.
    assert_eq!((after.status.as_u16(), after.json()["phase"].as_str()), (202, Some("Starting")), "{after:?}");
    assert_eq!(server.end("-TERM").await, Some(0));
    assert_eq!((place.emulator.posts("backup"), place.emulator.accepted("backup")), (1, 1));
}

#[tokio::test]
async fn a_server_that_the_host_only_asks_whether_it_is_up_touches_no_records() {
    let mut place = Place::start().await;
    place.set("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    place.set("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *");
    let server = place.serve().await;
    for path in ["", "/api/health"] {
        assert_eq!(reqwest::get(format!("{}{path}", server.url)).await.unwrap().status(), 200);
    }
    assert_eq!(server.end("-TERM").await, Some(0));
    assert!(!place.records().exists());
}

#[tokio::test]
async fn the_log_is_one_json_line_per_event_with_its_ids_and_no_secret() {
    let place = Place::start().await;
    let mut server = place.serve().await;
    let id = server.post("backup", &seed("backup")).await.json()["id"].as_str().unwrap().to_owned();
    let opened = server.wait_for(|line| line["message"] == "operation opened").await;
    assert_eq!(
        (&opened["operation.id"], &opened["invocation.id"]),
        (&json!(id), &json!("invocation-1")),
        "{opened}"
    );
    let ended = server.wait_for_phase("Succeeded").await;
    assert_eq!(
        (&ended["operation.id"], &ended["invocation.id"]),
        (&json!(id), &json!("invocation-1")),
        "{ended}"
    );
    let everything = server.log.clone() + &everything_in(&place.records());
    for secret in [accounts::CLIENT_SECRET, accounts::ACCOUNT_KEY, "Bearer "] {
        assert!(!everything.contains(secret));
    }
    assert_eq!(server.end("-INT").await, Some(0));
}

#[tokio::test]
async fn a_body_without_credentials_uses_the_managed_identity() {
    let own = json!({"applicationId": null, "clientSecret": null, "tenantId": null, "accessKey": null});
    for (client_id, query) in [(None, ""), (Some(accounts::USER_IDENTITY_CLIENT_ID), "client_id=")] {
        let mut place = Place::start().await;
        if let Some(client_id) = client_id {
            place.set("AZURE_CLIENT_ID", client_id);
        }
        let body = but(seed("backup"), &own).to_string();
        let ended = place.run(&["backup", "--payload", "-"], &body).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let requests = place.emulator.requests();
        let asked: Vec<_> =
            requests.iter().filter(|request| request.path.starts_with("/msi/token")).collect();
        // For Azure Resource Manager, and for the look at the blob.
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(asked.iter().all(|request| request.path.contains(query)), "{asked:?}");
    }
}

#[tokio::test]
async fn the_command_line_backs_up_and_restores_with_azs_spellings() {
    let mut place = Place::start().await;
    place.set("AZURE_TENANT_ID", accounts::TENANT_ID);
    place.set("AZURE_CLIENT_ID", accounts::APPLICATION_ID);
    place.set("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET);
    place.set("AZURE_SUBSCRIPTION_ID", accounts::SUBSCRIPTION_ID);
    place.set("AZURE_STORAGE_KEY", accounts::ACCOUNT_KEY);
    let options = |command, name| {
        let account =
            ["--storage-account-name", accounts::STORAGE_ACCOUNT, "--storage-account-container", "backup"];
        [
            vec![command, "-g", accounts::RESOURCE_GROUP, "-n", name, "--backup-name", "nightly"],
            account.to_vec(),
        ]
        .concat()
    };
    let backup = place.run(&options("backup", accounts::SERVICE), "").await;
    assert_eq!(backup.code, Some(0), "{backup:?}");
    assert!(backup.out.starts_with("backup of sampleapim succeeded"), "{backup:?}");
    assert!(backup.out.contains("apimdrstorage/backup/nightly"), "{backup:?}");

    let restore = options("restore", accounts::STANDBY);
    let unasked = place.run(&restore, "").await;
    assert_eq!(unasked.code, Some(64), "{unasked:?}");
    let wrong = place.run(&[&restore[..], &["--yes", "RESTORE sampleapim"]].concat(), "").await;
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    assert_eq!(place.emulator.posts("restore"), 0);
    let arguments = [&restore[..], &["--yes", "RESTORE sampleapim-standby", "--output", "json"]].concat();
    let meant = place.run(&arguments, "").await;
    assert_eq!(meant.code, Some(0), "{meant:?}");
    let answer: Value = serde_json::from_str(&meant.out).unwrap();
    assert_eq!((&answer["phase"], &answer["name"]), (&json!("Succeeded"), &json!("restore")));
    assert_eq!((place.emulator.accepted("backup"), place.emulator.accepted("restore")), (1, 1));
}

#[tokio::test]
async fn the_command_line_says_what_went_wrong_and_exits_accordingly() {
    let mut place = Place::start().await;
    let run = async |place: &Place, changes: Value| {
        place.run(&["backup", "--payload", "-"], &but(seed("backup"), &changes).to_string()).await
    };
    let wrong_secret = run(&place, json!({"clientSecret": "wrong-but-long-enough"})).await;
    assert_eq!(wrong_secret.code, Some(1), "{wrong_secret:?}");
    assert!(
        wrong_secret.out.contains("AADSTS7000215") && wrong_secret.out.contains("remedy"),
        "{wrong_secret:?}"
    );
    assert!(!format!("{wrong_secret:?}").contains("wrong-but-long-enough"));
    let invalid = run(&place, json!({"backupName": "", "containerName": "Big"})).await;
    assert_eq!(invalid.code, Some(64));
    assert!(invalid.err.contains("backupName") && invalid.err.contains("containerName"), "{invalid:?}");
    place
        .emulator
        .with_service(accounts::SERVICE, |service| service.target_provisioning_state = "Updating".into());
    let arguments = ["backup", "--payload", "-", "--no-wait"];
    let busy = place.run(&arguments, &seed("backup").to_string()).await;
    assert_eq!(busy.code, Some(5), "{busy:?}");
    assert!(busy.out.contains("the service is busy"), "{busy:?}");
    place.set("APIM_DR_BACKUP_DEADLINE", "29s");
    let too_late = run(&place, json!({"apimInstance": accounts::STANDBY})).await;
    assert_eq!(too_late.code, Some(5), "{too_late:?}");
    assert!(too_late.out.contains("its deadline leaves no time for a start"), "{too_late:?}");
    let no_json = place.run(&["backup", "--payload", "-"], "").await;
    assert_eq!(no_json.code, Some(64), "{no_json:?}");
    for (arguments, code) in [
        (vec!["backup", "--no-such-option"], 64),
        (vec!["backup", "--payload", "no-such-file.json"], 1),
        (vec!["operations", "show", "not-an-id"], 64),
        (vec!["operations", "show", "01a20000-0000-7000-8000-000000000000"], 6),
        (vec!["operations", "follow", "01a20000-0000-7000-8000-000000000000"], 6),
        (vec!["serve", "--listen", "0.0.0.0:0"], 64),
        (vec!["--help"], 0),
    ] {
        let ended = place.run(&arguments, "").await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    }
    place.set("APIM_DR_CLOUD", "germany");
    let bad_setting = place.run(&["operations", "list"], "").await;
    assert_eq!(bad_setting.code, Some(1));
    assert!(bad_setting.err.contains("APIM_DR_CLOUD"), "{bad_setting:?}");
}

#[tokio::test]
async fn what_was_started_without_waiting_or_interrupted_is_followed_later() {
    let place =
        Place::on(Config { retry_after: 1, operation: Duration::from_secs(8), ..Config::default() }).await;
    std::fs::write(place.folder.path().join("body.json"), seed("backup").to_string()).unwrap();
    let arguments = ["backup", "--payload", "body.json", "--output", "json"];
    let taken = place.run(&[&arguments[..], &["--no-wait"]].concat(), "").await;
    assert_eq!(taken.code, Some(0), "{taken:?}");
    let taken: Value = serde_json::from_str(&taken.out).unwrap();
    assert_eq!(taken["phase"], "Running");
    let id = taken["id"].as_str().unwrap();

    let mut child = place.command(&["operations", "follow", id]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("runs in Azure"));
    send("-INT", &child).await;
    assert_eq!(child.wait().await.unwrap().code(), Some(130));

    let ended = place.run(&["operations", "follow", id], "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let shown = place.run(&["operations", "show", id], "").await;
    for word in ["opened", "starts, attempt", "Azure took it (request ", "Azure says that it is done"] {
        assert!(shown.out.contains(word), "{word}: {shown:?}");
    }
    let listed = place.run(&["operations", "list"], "").await;
    assert_eq!(listed.out.lines().count(), 2, "{listed:?}");
    assert!(listed.out.contains(id) && listed.out.contains("Succeeded"), "{listed:?}");
    assert_eq!(place.emulator.accepted("backup"), 1);
}

#[tokio::test]
async fn schema_and_settings_are_printed_without_network_or_secrets() {
    let mut place = Place::start().await;
    let schema: Value = serde_json::from_str(&place.run(&["schema"], "").await.out).unwrap();
    for field in ["applicationId", "clientSecret", "accessType", "safetyBackup"] {
        assert!(schema["properties"][field].is_object(), "{field}");
    }
    place.set("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET);
    for arguments in [vec!["settings"], vec!["settings", "--output", "json"]] {
        let settings = place.run(&arguments, "").await;
        assert_eq!(settings.code, Some(0), "{settings:?}");
        assert!(settings.out.contains("APIM_DR_RECORDS") && !settings.out.contains(accounts::CLIENT_SECRET));
    }
    assert_eq!(place.emulator.requests().len(), 0);
}
