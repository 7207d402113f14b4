//! Callers: many operations at once, which are started, read and shown, in both shapes; bodies as large as they may be;
//! clients that are slow, or say nothing at all; floods of connections.
//!
//! The callers, and the emulator, run in this very process and share the machine with the program.
//!
//! `cargo bench --bench load -- 1 10 100 1000 10000`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the benchmark")]

mod common;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use apim_dr::emulator::{Config, Emulator, Service, accounts};
use futures::{StreamExt as _, stream};
use reqwest::Client;
use serde_json::Value;
use tokio::time::sleep;

use common::{
    Server, body,
    call::{Answer, Call, Shape, parts},
    crowd::Crowd,
    instance, is_asked, megabytes, millis, share, sizes, target,
};

/// How many requests are under way at the most, each on a connection. The program takes 2,048.
const CONNECTIONS: usize = 1_000;
/// Requests of a row that only reads; never fewer.
const READS: usize = 200;
/// Targets on the status page.
const TARGETS: u32 = 10;
/// The largest payload that is read, and how many such are sent at once.
const PAYLOAD: usize = 1024 * 1024;
const LARGE: usize = 32;
/// Starts beside a crowd.
const BESIDE: usize = 20;
/// Services beyond those of the operations at once.
const SPARE: u32 = 1_000;

/// The program under the host, the emulator behind it, and callers.
struct Bed {
    shape: Shape,
    emulator: Emulator,
    server: Server,
    client: Client,
    /// How many instances were asked for.
    asked: AtomicU32,
}

#[tokio::main]
async fn main() {
    common::open_many_files();
    let shapes = [Shape::Proxied, Shape::Enveloped];
    println!(
        "{:>8} {:>22} {:>8} {:>6} {:>7} {:>9} {:>8} {:>7} {:>7}",
        "at once", "request", "requests", "failed", "each s", "median ms", "p99 ms", "RSS MB", "peak MB"
    );
    for operations in sizes(&[1, 10, 100, 1_000]) {
        for shape in shapes {
            let bed = Bed::start(shape, operations).await;
            bed.operations(usize::try_from(operations).unwrap()).await;
            bed.server.stop().await;
        }
    }
    for shape in shapes {
        let bed = Bed::start(shape, 0).await;
        bed.large().await;
        bed.server.stop().await;
    }
    let bed = Bed::start(Shape::Proxied, 0).await;
    bed.crowds().await;
    bed.server.stop().await;
}

impl Bed {
    async fn start(shape: Shape, operations: u32) -> Self {
        // They go on longer than the benchmark: what is measured is callers.
        let config = Config { operation: Duration::from_hours(1), ..Config::default() };
        let emulator = Emulator::start(config).await.unwrap();
        for number in 0..operations + SPARE {
            emulator.add_service(Service::new(&instance(number), accounts::LOCATION));
        }
        let targets: Vec<_> = (0..TARGETS).map(|number| target(&instance(number))).collect();
        let own = [
            ("APIM_DR_RECORDS", "memory:".to_owned()),
            ("APIM_DR_TARGETS", Value::from(targets).to_string()),
            ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *".to_owned()),
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "0".to_owned()),
        ];
        let variables = emulator.settings().into_iter().chain(own);
        let variables: Vec<_> = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        let server = Server::start(&variables).await;
        Self { shape, emulator, server, client: client(), asked: 0.into() }
    }

    /// So many operations, all of them open while they and the page are read.
    async fn operations(&self, operations: usize) {
        let reads = if is_asked() { READS } else { 1 };
        let links = self.row("start", operations, operations, |_| Call::backup(&self.next_body())).await;
        assert!(!links.is_empty(), "nothing was started");
        self.settle(links.len()).await;
        let links: Vec<_> = links.iter().map(|link| parts(link)).collect();
        let read = |at: usize| Call::operation(links[at % links.len()]);
        self.row("operation", operations, operations.max(reads), read).await;
        self.row("page", operations, operations.clamp(reads, CONNECTIONS), |_| Call::page()).await;
        assert!(self.server.ended.is_empty(), "an operation ended meanwhile");
    }

    /// Bodies as large as they may be, and larger.
    async fn large(&self) {
        for (size, wished) in [(PAYLOAD, 202), (PAYLOAD + 1, 413)] {
            let call = |_| {
                let mut body = self.next_body();
                body["padding"] = "".into();
                let missing = size - body.to_string().len();
                body["padding"] = ".".repeat(missing).into();
                Call::backup(&body).wishes(wished)
            };
            let links = self.row(&format!("{size} bytes"), LARGE, LARGE, call).await;
            self.settle(links.len()).await;
        }
    }

    /// Asks for a backup of an instance that has none.
    fn next_body(&self) -> Value {
        body(&instance(self.asked.fetch_add(1, Ordering::Relaxed)))
    }

    /// Sends so many requests, and tells how it went; gives the links of what was accepted.
    async fn row<'a>(
        &self,
        name: &str,
        at_once: usize,
        requests: usize,
        call: impl Fn(usize) -> Call<'a>,
    ) -> Vec<String> {
        let began = Instant::now();
        let asked = stream::iter(0..requests).map(|at| self.ask(&self.client, call(at)));
        let answers: Vec<_> = asked.buffer_unordered(at_once.min(CONNECTIONS)).collect().await;
        let each = f64::from(u32::try_from(requests).unwrap()) / began.elapsed().as_secs_f64();
        let usage = self.server.usage();
        let (mut times, links, failures) = sort(answers);
        println!(
            "{at_once:>8} {:>22} {requests:>8} {:>6} {each:>7.0} {:>9} {:>8} {:>7} {:>7}",
            format!("{name}, {}", self.shape),
            failures.len(),
            told(&mut times, 50),
            told(&mut times, 99),
            megabytes(usage.resident),
            megabytes(usage.peak),
        );
        tell_first(&failures);
        links
    }

    async fn ask(&self, client: &Client, call: Call<'_>) -> Answer {
        call.send(client, self.shape, &self.server.url).await
    }

    /// Waits until Azure has so many backups.
    async fn settle(&self, backups: usize) {
        while self.emulator.accepted("backup") < backups {
            assert!(self.server.ended.is_empty(), "an operation ended before Azure had it");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Clients that are slow or silent, and floods of them.
    async fn crowds(&self) {
        println!(
            "\n{:>8} {:>22} {:>8} {:>8} {:>7} {:>7} {:>6} {:>6} {:>9} {:>8} {:>7} {:>7}",
            "clients",
            "who",
            "answered",
            "cut off",
            "waiting",
            "failed",
            "starts",
            "failed",
            "median ms",
            "p99 ms",
            "RSS MB",
            "peak MB"
        );
        let (_, link) = self.ask(&self.client, Call::backup(&self.next_body())).await.unwrap();
        let (id, token) = parts(link.as_deref().unwrap());
        let head = format!("GET /api/operations/{id}?t={token} HTTP/1.1\r\nhost: localhost\r\n");
        let body = "POST /api/backup HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n\r\n";
        let (few, many, most) = if is_asked() { (400, 2_000, 10_000) } else { (40, 40, 40) };
        self.beside(few, "slow heads", &format!("{head}x-slow: "), true).await;
        self.beside(few, "slow bodies", body, true).await;
        self.beside(many, "silent", "", false).await;
        self.beside(most, "silent", "", false).await;
        self.beside(most, "each asks once", &format!("{head}\r\n"), false).await;
    }

    /// Starts, while so many clients have said this; who is slow goes on with a byte now and then.
    async fn beside(&self, clients: usize, who: &str, says: &str, is_slow: bool) {
        let address = self.server.url.trim_start_matches("http://");
        let crowd = Crowd::start(address, clients, says, is_slow).await;
        let mut answers = Vec::new();
        for _ in 0..BESIDE {
            // On a connection of its own: one that was there before says nothing.
            answers.push(self.ask(&client(), Call::backup(&self.next_body())).await);
        }
        let beside = self.server.usage();
        let ends = crowd.ends().await;
        let (mut times, _, mut failures) = sort(answers);
        println!(
            "{clients:>8} {who:>22} {:>8} {:>8} {:>7} {:>7} {:>6} {:>6} {:>9} {:>8} {:>7} {:>7}",
            ends.answered,
            ends.cut_off,
            ends.waiting,
            ends.failures.len(),
            BESIDE,
            failures.len(),
            told(&mut times, 50),
            told(&mut times, 99),
            megabytes(beside.resident),
            megabytes(self.server.usage().peak),
        );
        failures.extend(ends.failures);
        tell_first(&failures);
    }
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Times, links and failures.
fn sort(answers: Vec<Answer>) -> (Vec<Duration>, Vec<String>, Vec<String>) {
    let (mut times, mut links, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok((time, link)) => {
                times.push(time);
                links.extend(link);
            }
            Err(failure) => failures.push(failure),
        }
    }
    (times, links, failures)
}

fn told(times: &mut [Duration], percent: usize) -> String {
    if times.is_empty() { "-".to_owned() } else { millis(share(times, percent)) }
}

fn tell_first(failures: &[String]) {
    if let Some(failure) = failures.first() {
        println!("         failed, such as: {}", failure.chars().take(200).collect::<String>());
    }
}
