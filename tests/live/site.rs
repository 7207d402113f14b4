//! Where the checks run: a subscription that the environment names, or the emulator; and the program there.

use std::{fs, process::Stdio, time::Duration};

use apim_dr::emulator::{Clock, Config, Emulator, accounts};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// What says where; none is a setting of the program.
const VARIABLES: [&str; 8] = [
    "APIM_DR_LIVE",
    "APIM_DR_LIVE_SUBSCRIPTION",
    "APIM_DR_LIVE_RESOURCE_GROUP",
    "APIM_DR_LIVE_INSTANCE",
    "APIM_DR_LIVE_STORAGE_ACCOUNT",
    "APIM_DR_LIVE_CONTAINER",
    "APIM_DR_LIVE_STANDBY",
    "APIM_DR_LIVE_URL",
];

/// How much may be done there. Each allows what is before it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Read,
    Backup,
    Restore,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }

    /// What `APIM_DR_LIVE` says.
    pub(crate) fn allowed() -> Option<Self> {
        let said = variable("APIM_DR_LIVE")?;
        let level =
            [Self::Read, Self::Backup, Self::Restore].into_iter().find(|level| level.as_str() == said);
        Some(level.expect("APIM_DR_LIVE must be read, backup or restore"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the program's own settings are not these")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An instance, its container, and a folder for records of its own.
pub(crate) struct Site {
    emulator: Option<Emulator>,
    folder: TempDir,
    variables: Vec<(String, String)>,
    pub(crate) instance: String,
    pub(crate) account: String,
    pub(crate) container: String,
    /// What may be overwritten.
    pub(crate) standby: Option<String>,
    /// An app that runs somewhere.
    pub(crate) url: Option<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Site {
    /// The one that the environment names; the program reads its own settings from there, too.
    pub(crate) fn real() -> Self {
        let named = |name: &str| {
            let name = format!("APIM_DR_LIVE_{name}");
            variable(&name).unwrap_or_else(|| panic!("set {name}: see docs/live.md"))
        };
        let ids = [named("SUBSCRIPTION"), named("RESOURCE_GROUP")];
        let place = [named("INSTANCE"), named("STORAGE_ACCOUNT"), named("CONTAINER")];
        let (standby, url) = (variable("APIM_DR_LIVE_STANDBY"), variable("APIM_DR_LIVE_URL"));
        assert_ne!(standby.as_ref(), Some(&place[0]), "a restore into the instance itself proves too much");
        Self::of(None, ids, place, standby, url)
    }

    /// The emulator, in a time of its own.
    pub(crate) async fn emulated() -> Self {
        let clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
        let emulator = Emulator::start(Config { clock, ..Config::default() }).await.unwrap();
        let ids = [accounts::SUBSCRIPTION_ID, accounts::RESOURCE_GROUP].map(str::to_owned);
        let place = [accounts::SERVICE, accounts::STORAGE_ACCOUNT, accounts::CONTAINER].map(str::to_owned);
        Self::of(Some(emulator), ids, place, Some(accounts::STANDBY.to_owned()), None)
    }

    fn of(
        emulator: Option<Emulator>,
        [subscription, group]: [String; 2],
        [instance, account, container]: [String; 3],
        standby: Option<String>,
        url: Option<String>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = emulator.iter().flat_map(Emulator::settings);
        let mut variables: Vec<_> = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        // Nobody is told of it, and nothing but the throw-away instance is ever restored into.
        let own = [
            ("APIM_DR_RECORDS", "file:records"),
            ("APIM_DR_TARGETS", "targets.json"),
            ("APIM_DR_NOTIFY", "[]"),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let restorable = standby.clone().unwrap_or_else(|| "none".to_owned());
        variables.push(("APIM_DR_RESTORE_TARGETS".to_owned(), restorable));
        let target = |name: &str, instance: &str| {
            let mut target = json!({
                "name": name, "subscriptionId": subscription, "resourceGroup": group, "apimInstance": instance,
                "storageAccount": account, "containerName": container, "backupName": format!("apim-dr-{name}"),
            });
            if let Some(standby) = &standby {
                target["standby"] = json!(standby);
            }
            if emulator.is_none() && variable("AZURE_STORAGE_KEY").is_some() {
                target["accessKey"] = json!("env:AZURE_STORAGE_KEY");
            }
            target
        };
        let nobody = format!("{}-x", instance.chars().take(48).collect::<String>());
        let targets = json!([target("live", &instance), target("nobody", &nobody)]);
        fs::write(folder.path().join("targets.json"), targets.to_string()).unwrap();
        Self { emulator, folder, variables, instance, account, container, standby, url }
    }

    fn command(&self, arguments: &[&str], more: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_apim-dr"));
        if self.emulator.is_some() {
            command.env_clear();
        }
        // It would point them out as unknown.
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.args(arguments).envs(self.variables.clone()).envs(more.iter().copied());
        command.current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[]).await
    }

    /// The same with settings of its own.
    pub(crate) async fn run_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Ended {
        let output = self.command(arguments, more).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Follows an operation to its end, however long that takes.
    pub(crate) async fn follow(&self, id: &str) -> Ended {
        let arguments = ["operations", "follow", id, "-o", "json"];
        let follow = self.run(&arguments);
        let Some(emulator) = &self.emulator else { return follow.await };
        let pass = async {
            // Longer than anything is watched.
            for _ in 0..(49 * 60) {
                // It takes a moment, which is all that whoever follows needs in each minute.
                self.run(&["operations", "show", id]).await;
                emulator.clock().advance(Duration::from_mins(1));
            }
        };
        tokio::select! {
            ended = follow => ended,
            () = pass => panic!("it never ends"),
        }
    }

    /// The events of an operation, as docs/records.md describes them.
    pub(crate) fn events(&self, id: &str) -> Vec<Value> {
        let months = fs::read_dir(self.folder.path().join("records/operations")).unwrap();
        let folder =
            months.map(|month| month.unwrap().path().join(id)).find(|folder| folder.is_dir()).unwrap();
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        let read = |path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
        entries.into_iter().map(|path| read(path)["event"].take()).collect()
    }

    /// The app that runs somewhere; against the emulator one of our own, which ends with what is returned.
    pub(crate) async fn served(&self) -> Option<(String, Option<Child>)> {
        if self.emulator.is_none() {
            return self.url.as_ref().map(|url| (url.trim_end_matches('/').to_owned(), None));
        }
        // It follows what is open in its records.
        let own = [
            ("APIM_DR_KEYS", "backup=backup-key-0123456789,status=status-key-0123456789"),
            ("APIM_DR_RECORDS", "memory:"),
        ];
        let mut child = self.command(&["serve", "--listen", "127.0.0.1:0"], &own).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = lines.next_line().await.unwrap().expect("it ended");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                return Some((format!("http://{}", line["address"].as_str().unwrap()), Some(child)));
            }
        }
    }
}

/// What was seen, for whoever notes it down.
pub(crate) fn seen(what: &str) {
    eprintln!("SEEN: {what}");
}
