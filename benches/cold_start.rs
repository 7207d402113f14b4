//! From the start of the process to its first answer, as the host waits for it, beside a bare server: in turns, so that
//! both meet the same machine.
//!
//! The bare server is `examples/bare.rs`, built like the program: `cargo build --release --example bare`, or the one that
//! `APIM_DR_BARE` names.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the benchmark")]

mod common;

use std::{
    fs,
    net::TcpListener as Free,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use common::{Usage, median, megabytes, millis, share};

/// How often the port is tried. The thread sleeps itself: the timers of tokio count in milliseconds.
const POLL: Duration = Duration::from_micros(50);

/// One of the two, and what was measured.
struct Server {
    name: &'static str,
    program: String,
    arguments: &'static [&'static str],
    times: Vec<Duration>,
    usage: Vec<Usage>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let program =
        |name, program, arguments| Server { name, program, arguments, times: Vec::new(), usage: Vec::new() };
    let mut servers = [
        program("bare axum", common::example("bare", "APIM_DR_BARE"), &[]),
        program("apim-dr", common::program(), &["serve"]),
    ];
    let rounds = if common::is_asked() { common::sizes(&[50])[0] } else { 1 };
    for _ in 0..=rounds {
        for server in &mut servers {
            server.run().await;
        }
    }
    println!(
        "{:>10} {:>9} {:>9} {:>7} {:>12} {:>12} {:>9}",
        "server", "median ms", "p90 ms", "ratio", "idle RSS MB", "its own MB", "file MB"
    );
    let mut first = None;
    for server in &mut servers {
        // The first round brings the files into memory.
        let mut times = server.times.split_off(1);
        let middle = median(&mut times);
        let ratio = middle.as_secs_f64() / first.get_or_insert(middle).as_secs_f64();
        let most = |of: fn(&Usage) -> u64| server.usage.iter().map(of).max().unwrap();
        println!(
            "{:>10} {:>9} {:>9} {ratio:>7.2} {:>12} {:>12} {:>9}",
            server.name,
            millis(middle),
            millis(share(&mut times, 90)),
            megabytes(most(|usage| usage.resident)),
            megabytes(most(|usage| usage.anonymous)),
            megabytes(fs::metadata(&server.program).unwrap().len()),
        );
    }
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
    async fn run(&mut self) {
        let port = Free::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&self.program);
        command.args(self.arguments).env_clear().stdout(Stdio::null()).kill_on_drop(true);
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        command.env("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *").env("APIM_DR_RECORDS", "memory:");
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let answer = loop {
            match ask(port).await {
                Ok(answer) => break answer,
                Err(_) => thread::sleep(POLL),
            }
        };
        self.times.push(began.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        self.usage.push(Usage::of(child.id().unwrap()));
        child.kill().await.unwrap();
    }
}

async fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
