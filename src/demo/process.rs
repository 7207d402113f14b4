//! The app as a process of its own: where it lives, how it is started, how it ends.

use std::{
    env, fs,
    fs::{File, OpenOptions},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use reqwest::Client;
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::settings::Environment;

/// What a process needs of the environment that has nothing to do with our settings.
const KEPT: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR", "SystemRoot"];
/// How long the app may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// `apim-dr serve` and its folder, which end with this.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) address: SocketAddr,
    variables: Vec<(&'static str, String)>,
    // Dropped last; but only a process that was waited for writes no more, so `kill` comes first.
    folder: Folder,
}

impl Process {
    /// Starts the app with these settings and none else; it keeps its records and its log in a folder of its own.
    pub(super) fn start(
        settings: Vec<(&'static str, String)>,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let folder = Folder::make().context("there is no place for the app's records")?;
        let records = [("APIM_DR_RECORDS", format!("file:{}", folder.0.join("records").display()))];
        let kept = KEPT.iter().filter_map(|name| Some((*name, environment.get(name)?.to_owned())));
        let variables = settings.into_iter().chain(records).chain(kept).collect::<Vec<_>>();
        // A port that was free a moment ago: the app is to come back to it.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr())?;
        let child = spawn(&folder.0, address, &variables)?;
        Ok(Self { child, address, variables, folder })
    }

    /// Starts it again, where it was.
    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.folder.0, self.address, &self.variables)?;
        Ok(())
    }

    /// What a command prints that shares the app's settings.
    pub(super) async fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<String> {
        let program = env::current_exe().context("this program cannot be found")?;
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.folder.0).env_clear().kill_on_drop(true);
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .envs(variables.iter().copied());
        let output = command.stdin(Stdio::null()).output().await?;
        // What differs, or is at risk, is a result like any other.
        if !matches!(output.status.code(), Some(0 | 2)) {
            bail!("apim-dr {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// SIGKILL, where there are signals: nothing of it runs any more, not even a handler.
    pub(super) async fn kill(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Completes as soon as it answers.
    pub(super) async fn answers(&mut self, client: &Client) -> anyhow::Result<()> {
        let url = format!("http://{}/", self.address);
        let answered = async {
            while client.get(&url).send().await.is_err() {
                if let Some(status) = self.child.try_wait()? {
                    bail!("the app ended: {status}");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(answered) => answered,
            Err(_) => bail!("the app does not answer"),
        }
    }

    /// What it said; for when something went wrong.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(log_of(&self.folder.0)).unwrap_or_default()
    }
}

fn spawn(folder: &Path, address: SocketAddr, variables: &[(&'static str, String)]) -> anyhow::Result<Child> {
    let program = env::current_exe().context("this program does not know where it is")?;
    let log = OpenOptions::new().create(true).append(true).open(log_of(folder))?;
    let mut command = Command::new(&program);
    command.args(["serve", "--listen", &address.to_string()]).current_dir(folder);
    command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(File::try_clone(&log)?).stderr(log).kill_on_drop(true);
    command.spawn().with_context(|| format!("{} cannot be started", program.display()))
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// A folder that is removed when it is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("apim-dr-demo-{}", Uuid::new_v4().simple()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}
