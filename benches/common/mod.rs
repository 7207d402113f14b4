//! What the benchmarks share: the program as a process, and what it takes of the machine.

#![allow(dead_code, reason = "each benchmark uses some of it")]

pub(crate) mod call;
pub(crate) mod crowd;
pub(crate) mod tls;

use std::{
    env, fs,
    process::Stdio,
    time::{Duration, Instant},
};

use apim_dr::emulator::accounts;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// The unit of times in `/proc`, which Linux has fixed for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The program that is measured: `APIM_DR_PROGRAM`, or the one that was built with the benchmark.
#[expect(clippy::disallowed_methods, reason = "benchmarks have no settings")]
pub(crate) fn program() -> String {
    env::var("APIM_DR_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_apim-dr").to_owned())
}

/// An example that is measured beside it: the one that `variable` names, or that was built with the benchmark.
#[expect(clippy::disallowed_methods, reason = "benchmarks have no settings")]
pub(crate) fn example(name: &str, variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        // Beside the benchmark's own folder.
        let built = env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join(name);
        assert!(built.exists(), "build it first: cargo build --release --example {name}");
        built.to_str().unwrap().to_owned()
    })
}

/// Whether `cargo bench` asks; `cargo test` only wants to see that it works.
pub(crate) fn is_asked() -> bool {
    env::args().any(|argument| argument == "--bench")
}

/// The numbers on the command line, or else these; without `cargo bench` the first alone.
pub(crate) fn sizes(otherwise: &[u32]) -> Vec<u32> {
    let given: Vec<u32> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { otherwise.to_vec() } else { given };
    if is_asked() { sizes } else { sizes.into_iter().take(1).collect() }
}

/// The number behind `name` on the command line, as in `--seconds=60`.
pub(crate) fn option(name: &str, otherwise: u64) -> u64 {
    let given = env::args().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    given.unwrap_or(otherwise)
}

/// Lets this process open as many files as it may.
pub(crate) fn open_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// The Logic App's fields for one of the instances; each has a blob of its own.
pub(crate) fn body(instance: &str) -> Value {
    let mut body = accounts::body("backup", instance);
    body["backupName"] = instance.into();
    body
}

/// A target without secrets: the app calls Azure as itself.
pub(crate) fn target(instance: &str) -> Value {
    json!({
        "name": instance,
        "subscriptionId": accounts::SUBSCRIPTION_ID,
        "resourceGroup": accounts::RESOURCE_GROUP,
        "apimInstance": instance,
        "backupName": instance,
        "containerName": accounts::CONTAINER,
        "storageAccount": accounts::STORAGE_ACCOUNT,
    })
}

pub(crate) fn instance(number: u32) -> String {
    format!("instance-{number:06}")
}

/// The server as a process.
pub(crate) struct Server {
    pub(crate) url: String,
    child: Child,
    /// How each operation ended, and when.
    pub(crate) ended: UnboundedReceiver<(String, Instant)>,
}

impl Server {
    /// Starts it with these variables and no others.
    pub(crate) async fn start(variables: &[(String, String)]) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().envs(variables.iter().cloned());
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = log.next_line().await.unwrap().expect("the server listens");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break format!("http://{}", line["address"].as_str().unwrap());
            }
        };
        let (told, ended) = unbounded_channel();
        tokio::spawn(read(log, told));
        Self { url, child, ended }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.child.id().unwrap())
    }

    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Reads the log for the ends of operations.
async fn read(
    mut log: Lines<BufReader<ChildStdout>>,
    ended: tokio::sync::mpsc::UnboundedSender<(String, Instant)>,
) {
    while let Ok(Some(line)) = log.next_line().await {
        // Most lines tell of no end, and are not worth parsing.
        for phase in ["Succeeded", "Failed", "Skipped"] {
            if line.contains(&format!("\"operation.phase\":\"{phase}\"")) {
                // Nobody listens any more at the end.
                let _ = ended.send((phase.to_owned(), Instant::now()));
            }
        }
    }
}

/// What a process has taken of the machine so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// In bytes, as all that follows.
    pub(crate) resident: u64,
    /// Of that what is its own, and not the program's file.
    pub(crate) anonymous: u64,
    pub(crate) peak: u64,
}

impl Usage {
    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
        };
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // Behind the name, which may hold anything: utime and stime are the 12th and 13th field there.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
        let ticks: f64 = fields.map(|field| field.parse::<f64>().unwrap()).sum();
        Self {
            cpu: Duration::from_secs_f64(ticks / TICKS_PER_SECOND),
            resident: bytes("VmRSS:"),
            anonymous: bytes("RssAnon:"),
            peak: bytes("VmHWM:"),
        }
    }
}

/// In millions of bytes.
#[expect(clippy::cast_precision_loss, reason = "it is rounded to a tenth of a million")]
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The middle one.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    share(times, 50)
}

/// The one that `percent` of all are not above.
pub(crate) fn share(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
