//! Callers: many at once, in both shapes; bodies that are too large; clients that are slow, or say nothing at all.
//!
//! The callers, and the emulator, run in this very process and share the machine with the program.
//!
//! `cargo bench --bench load -- 1 10 100 1000`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the benchmark")]

mod common;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use apim_dr::emulator::{Config, Emulator, Service, accounts};
use futures::{StreamExt as _, future::join_all, stream};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    task::JoinHandle,
    time::{interval, sleep},
};

use common::{Server, body, instance, is_asked, median, megabytes, millis, share, sizes, target};

/// How many requests each caller sends; never fewer than `LEAST` in all.
const EACH: u32 = 5;
const LEAST: u32 = 200;
/// Targets on the status page.
const TARGETS: u32 = 10;
/// The largest payload that is read.
const PAYLOAD: usize = 1024 * 1024;
/// Clients that send a byte now and then, and connections that send none.
const SLOW: usize = 400;
const SILENT: usize = 2_000;

/// The program under the host, the emulator behind it, and callers.
struct Bed {
    emulator: Emulator,
    server: Server,
    client: Client,
    /// How many instances have been started.
    started: AtomicU32,
}

#[tokio::main]
async fn main() {
    common::open_many_files();
    let sizes = sizes(&[1, 10, 100, 1_000]);
    let bed = Bed::start(sizes.iter().map(|&callers| 2 * requests(callers)).sum()).await;
    println!(
        "{:>8} {:>18} {:>8} {:>9} {:>10} {:>8} {:>8} {:>8}",
        "callers", "request", "requests", "each s", "median ms", "p99 ms", "RSS MB", "peak MB"
    );
    for callers in sizes {
        let link = bed.link().await;
        bed.row(callers, "start, proxied", StatusCode::ACCEPTED, || bed.proxied()).await;
        bed.settle().await;
        bed.row(callers, "start, enveloped", StatusCode::OK, || bed.enveloped()).await;
        bed.settle().await;
        bed.row(callers, "operation", StatusCode::ACCEPTED, || bed.client.get(&link)).await;
        let page = format!("{}/api/status", bed.server.url);
        bed.row(callers, "status page", StatusCode::OK, || bed.client.get(&page)).await;
    }
    bed.large().await;
    bed.under("slow heads", SLOW, "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    bed.under("slow bodies", SLOW, "POST /api/backup HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n")
        .await;
    bed.under("silent", if is_asked() { SILENT } else { SLOW }, "").await;
    bed.server.stop().await;
}

fn requests(callers: u32) -> u32 {
    if is_asked() { (callers * EACH).max(LEAST) } else { callers }
}

impl Bed {
    async fn start(starts: u32) -> Self {
        // They go on longer than the benchmark: what is measured is callers.
        let config = Config { operation: Duration::from_hours(1), ..Config::default() };
        let emulator = Emulator::start(config).await.unwrap();
        // And some for the starts beside clients that are slow.
        for number in 0..starts + 1_000 {
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
        let client = Client::builder().no_proxy().build().unwrap();
        Self { emulator, server, client, started: AtomicU32::new(0) }
    }

    fn next_body(&self) -> Value {
        body(&instance(self.started.fetch_add(1, Ordering::Relaxed)))
    }

    fn proxied(&self) -> RequestBuilder {
        self.client.post(format!("{}/api/backup", self.server.url)).body(self.next_body().to_string())
    }

    fn enveloped(&self) -> RequestBuilder {
        let request = json!({
            "Url": "http://localhost:7071/api/backup",
            "Method": "POST",
            "Query": {},
            "Headers": {"Host": ["localhost"], "Content-Type": ["application/json"]},
            "Params": {},
            "Identities": [],
            "Body": self.next_body().to_string(),
        });
        let envelope = json!({"Data": {"req": request}, "Metadata": {}});
        self.client.post(format!("{}/backup-trigger", self.server.url)).body(envelope.to_string())
    }

    /// Starts a backup, and gives its link.
    async fn link(&self) -> String {
        let answer = self.proxied().send().await.unwrap();
        let link = answer.headers()["location"].to_str().unwrap().to_owned();
        self.settle().await;
        format!("{}/api/{}", self.server.url, link.split_once("/api/").unwrap().1)
    }

    /// Waits until Azure has all that was started.
    async fn settle(&self) {
        let started = usize::try_from(self.started.load(Ordering::Relaxed)).unwrap();
        while self.emulator.accepted("backup") < started {
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn row(&self, callers: u32, name: &str, wished: StatusCode, request: impl Fn() -> RequestBuilder) {
        let count = requests(callers);
        let began = Instant::now();
        let times = stream::iter(0..count).map(|_| timed(request(), wished));
        let mut times: Vec<_> = times.buffer_unordered(usize::try_from(callers).unwrap()).collect().await;
        let wall = began.elapsed();
        let usage = self.server.usage();
        println!(
            "{callers:>8} {name:>18} {count:>8} {:>9.0} {:>10} {:>8} {:>8} {:>8}",
            f64::from(count) / wall.as_secs_f64(),
            millis(median(&mut times)),
            millis(share(&mut times, 99)),
            megabytes(usage.resident),
            megabytes(usage.peak),
        );
    }

    /// Bodies as large as they may be, and larger.
    async fn large(&self) {
        let pad = |size: usize| {
            let mut body = self.next_body();
            body["padding"] = "".into();
            let missing = size - body.to_string().len();
            body["padding"] = ".".repeat(missing).into();
            body.to_string()
        };
        for (size, wished) in [(PAYLOAD, StatusCode::ACCEPTED), (PAYLOAD + 1, StatusCode::PAYLOAD_TOO_LARGE)]
        {
            let url = format!("{}/api/backup", self.server.url);
            let posts = (0..32).map(|_| timed(self.client.post(&url).body(pad(size)), wished));
            let mut times = join_all(posts).await;
            if wished == StatusCode::PAYLOAD_TOO_LARGE {
                self.started.fetch_sub(32, Ordering::Relaxed);
            }
            let usage = self.server.usage();
            let told = format!("{size} bytes: {}", wished.as_u16());
            println!(
                "{:>8} {told:>18} {:>8} {:>9} {:>10} {:>8} {:>8} {:>8}",
                32,
                32,
                "",
                millis(median(&mut times)),
                millis(share(&mut times, 99)),
                megabytes(usage.resident),
                megabytes(usage.peak)
            );
        }
        self.settle().await;
    }

    /// Starts, while so many clients have begun with `says` and go on with a byte now and then.
    async fn under(&self, name: &str, clients: usize, says: &'static str) {
        let address = self.server.url.trim_start_matches("http://").to_owned();
        let drips: Vec<_> = stream::iter(0..clients).then(|_| drip(address.clone(), says)).collect().await;
        let mut times = Vec::new();
        for _ in 0..20 {
            // On a connection of its own: one that was there before says nothing.
            let client = Client::builder().no_proxy().build().unwrap();
            let request = client.post(format!("{}/api/backup", self.server.url));
            times.push(timed(request.body(self.next_body().to_string()), StatusCode::ACCEPTED).await);
        }
        let usage = self.server.usage();
        println!(
            "{clients:>8} {name:>18} {:>8} {:>9} {:>10} {:>8} {:>8} {:>8}",
            times.len(),
            "",
            millis(median(&mut times)),
            millis(share(&mut times, 99)),
            megabytes(usage.resident),
            megabytes(usage.peak)
        );
        drips.iter().for_each(JoinHandle::abort);
    }
}

async fn timed(request: RequestBuilder, wished: StatusCode) -> Duration {
    let began = Instant::now();
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, wished, "{text}");
    began.elapsed()
}

/// A client that connects, begins, and goes on with a byte ten times a second, if it began at all.
async fn drip(address: String, says: &'static str) -> JoinHandle<()> {
    let mut client = TcpStream::connect(address).await.unwrap();
    tokio::spawn(async move {
        let mut tick = interval(Duration::from_millis(100));
        client.write_all(says.as_bytes()).await.unwrap();
        loop {
            tick.tick().await;
            // Who is cut off has nothing more to say.
            if !says.is_empty() && client.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
}
