//! Many instances backed up at once by one process, against the emulator.
//!
//! The emulator, and the TLS in front of it, run in this very process: on few cores they and the program share them, so
//! the wall time is theirs, too. The program's CPU time and memory are its own.
//!
//! After each size a client that only asks sends as many requests as the program did: what these take by themselves
//! (`cargo build --release --example asks`, or the one that `APIM_DR_ASKS` names).
//!
//! `cargo bench --bench fleet -- 1 1000 --seconds=60 --retry-after=5`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the benchmark")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use apim_dr::emulator::{Config, Emulator, LoggedRequest, Service, accounts};
use futures::{StreamExt as _, stream};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::Command,
};

use common::{Server, Usage, body, instance, megabytes, option, sizes, tls};

/// How many starts are under way at the same time.
const STARTS_AT_ONCE: usize = 64;
/// The emulator forgets more requests.
const KEPT: usize = 100_000;
/// Where records lie that are to be counted: in a container of the emulator's, beside that of the backups.
const COUNTED: &str = "records";

/// Where the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Memory,
    Directory,
    /// A container.
    Emulator,
}

/// One row of the table.
struct Run {
    wall: Duration,
    /// From the first start to the last answer that it was taken.
    starts: Duration,
    usage: Usage,
    requests: Vec<LoggedRequest>,
}

#[tokio::main]
async fn main() {
    common::open_many_files();
    let (seconds, retry_after) = (option("--seconds", 10), option("--retry-after", 1));
    let sizes = sizes(&[10, 100, 1_000]);
    println!("{seconds} s of each operation's own, Retry-After {retry_after}");
    println!(
        "{:>9} {:>9} {:>5} {:>7} {:>7} {:>9} {:>7} {:>8} {:>12}",
        "instances", "records", "TLS", "wall s", "ratio", "starts s", "CPU s", "peak MB", "requests per"
    );
    let last = sizes.len() - 1;
    for (at, &instances) in sizes.iter().enumerate() {
        let others: &[_] = if at == last { &[(Place::Memory, false), (Place::Directory, true)] } else { &[] };
        for &(place, is_tls) in [(Place::Memory, true)].iter().chain(others) {
            let run = measure(instances, place, is_tls, seconds, retry_after).await;
            let per = f64::from(u32::try_from(run.requests.len()).unwrap()) / f64::from(instances);
            let per = if run.requests.len() < KEPT { format!("{per:.1}") } else { "?".to_owned() };
            println!(
                "{instances:>9} {:>9} {:>5} {:>7.2} {:>7.3} {:>9.2} {:>7.2} {:>8} {per:>12}",
                format!("{place:?}").to_lowercase(),
                if is_tls { "yes" } else { "no" },
                run.wall.as_secs_f64(),
                run.wall.as_secs_f64() / Duration::from_secs(seconds).as_secs_f64(),
                run.starts.as_secs_f64(),
                run.usage.cpu.as_secs_f64(),
                megabytes(run.usage.peak),
            );
            if place == Place::Memory && is_tls {
                let usage = ask(run.requests.len()).await;
                let (cpu, peak) = (usage.cpu.as_secs_f64(), megabytes(usage.peak));
                println!("{:>48} {cpu:>7.2} {peak:>8}", format!("{} requests alone", run.requests.len()));
            }
        }
    }
    count(seconds, retry_after).await;
}

/// Tells what one backup asks of Azure and of the records, and what it could not do without.
async fn count(seconds: u64, retry_after: u64) {
    const INSTANCES: u32 = 10;
    let run = measure(INSTANCES, Place::Emulator, false, seconds, retry_after).await;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for request in &run.requests {
        *counts.entry(kind(request)).or_default() += 1;
    }
    let polls = seconds.div_ceil(retry_after);
    println!(
        "\nrequests per operation, of {INSTANCES}; at least: 1 look at the service, 1 at the blob before, the POST,"
    );
    println!(
        "{polls} polls, 1 look at the blob after; and as records marker, claim and lock, 5 entries, point and history"
    );
    for (kind, count) in counts {
        println!("{:>7.1}  {kind}", f64::from(count) / f64::from(INSTANCES));
    }
}

/// An emulated Azure, and the variables that lead to it.
struct World {
    emulator: Emulator,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl World {
    async fn start(instances: u32, is_tls: bool, seconds: u64, retry_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let config = Config {
            operation: Duration::from_secs(seconds),
            retry_after: u32::try_from(retry_after).unwrap(),
            public_url: is_tls.then_some(url),
            ..Config::default()
        };
        let emulator = Emulator::start(config).await.unwrap();
        for number in 0..instances {
            emulator.add_service(Service::new(&instance(number), accounts::LOCATION));
        }
        let folder = TempDir::new().unwrap();
        let settings = emulator.settings().into_iter();
        let mut variables: Vec<_> = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        if is_tls {
            let (authority, server) = tls::certificates();
            let file = folder.path().join("authority.pem");
            fs::write(&file, authority).unwrap();
            variables.push(("SSL_CERT_FILE".to_owned(), file.display().to_string()));
            let plain = emulator.url().trim_start_matches("http://").to_owned();
            tokio::spawn(tls::terminate(listener, server, plain));
        }
        Self { emulator, folder, variables }
    }
}

async fn measure(instances: u32, place: Place, is_tls: bool, seconds: u64, retry_after: u64) -> Run {
    let World { emulator, folder, mut variables } =
        World::start(instances, is_tls, seconds, retry_after).await;
    let records = match place {
        Place::Memory => "memory:".to_owned(),
        Place::Directory => format!("file:{}/records", folder.path().display()),
        Place::Emulator => {
            emulator.put_blob(accounts::STORAGE_ACCOUNT, COUNTED, "here", "");
            format!("az://{}/{COUNTED}", accounts::STORAGE_ACCOUNT)
        }
    };
    variables.push(("APIM_DR_RECORDS".to_owned(), records));
    let mut server = Server::start(&variables).await;

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    let post = async |number: u32| {
        let body = body(&instance(number)).to_string();
        let answer = client.post(format!("{}/api/backup", server.url)).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    };
    stream::iter(0..instances).for_each_concurrent(STARTS_AT_ONCE, post).await;
    let starts = began.elapsed();
    let mut wall = starts;
    for _ in 0..instances {
        let (phase, at) = server.ended.recv().await.expect("every operation ends");
        assert_eq!(phase, "Succeeded");
        wall = at - began;
    }
    let usage = server.usage();
    server.stop().await;
    assert_eq!(emulator.accepted("backup"), usize::try_from(instances).unwrap());
    let requests = emulator.requests();
    emulator.stop().await;
    Run { wall, starts, usage, requests }
}

/// What so many requests take of a client that does nothing else, one after another on each connection, over TLS.
async fn ask(requests: usize) -> Usage {
    let World { emulator, folder: _folder, variables } = World::start(1, true, 1, 1).await;
    let variable = |wanted| &variables.iter().find(|(name, _)| name == wanted).unwrap().1;
    let arm = variable("APIM_DR_ARM_ENDPOINT");
    let subscription = accounts::SUBSCRIPTION_ID;
    let group = accounts::RESOURCE_GROUP;
    let service = instance(0);
    let mut command = Command::new(common::example("asks", "APIM_DR_ASKS"));
    command.env_clear().envs(variables.iter().cloned()).env("REQUESTS", requests.to_string());
    command.env("URL", format!("{arm}/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ApiManagement/service/{service}?api-version=2024-05-01"));
    command.env("TOKEN", token(&emulator).await);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).await.unwrap();
    assert_eq!(said, "asked\n");
    let usage = Usage::of(child.id().unwrap());
    assert!(emulator.requests().len() >= requests.min(KEPT));
    emulator.stop().await;
    usage
}

/// The managed identity's, for Azure Resource Manager.
async fn token(emulator: &Emulator) -> String {
    let url =
        format!("{}/msi/token?api-version=2019-08-01&resource=https://management.azure.com/", emulator.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).header("X-IDENTITY-HEADER", accounts::IDENTITY_HEADER).send().await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// What a request is about, whichever instance and operation it is.
fn kind(request: &LoggedRequest) -> String {
    let path = request.path.split('?').next().unwrap();
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let parts = path.split('/').filter(|part| !part.is_empty());
    let is_name = |part: &str| {
        part.starts_with("instance-") || part.len() > 30 || part.chars().all(|c| c.is_ascii_digit())
    };
    let known = parts.map(|part| if is_name(part) { "*" } else { part }).collect::<Vec<_>>().join("/");
    let listing = if query.contains("comp=list") { " (list)" } else { "" };
    format!("{:<6} {known}{listing}", request.method)
}
