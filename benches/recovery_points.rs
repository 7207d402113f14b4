//! How the time and the memory grow with the recovery points: all pages of a container are listed over HTTP, and a
//! retention is planned. Prints a table, and asserts nothing about time.
//!
//! The emulator serves from this very process, so the peak of a listing has the page as it writes it, too.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here ends the benchmark")]

use std::{
    env, fs, future,
    sync::Arc,
    time::{Duration, Instant},
};

use apim_dr::{
    azure::{Arm, BlobReader},
    domain::{Candidate, ContainerRef, Fate, Retention, Secret},
    emulator::{Config, Emulator, accounts},
    ports::{Blobs as _, Clock as _, SystemClock},
    settings::Settings,
};
use futures::TryStreamExt as _;
use jiff::{SignedDuration, tz::TimeZone};

/// Only the first is measured unless `cargo bench` asks.
const COUNTS: [u32; 3] = [1_000, 10_000, 100_000];

/// One row of the table.
struct Row {
    blobs: u32,
    list: Duration,
    plan: Duration,
    /// By how much the resident memory rose at its peak meanwhile, in bytes, if the system tells.
    list_peak: Option<u64>,
    plan_peak: Option<u64>,
    kept: usize,
}

#[tokio::main]
async fn main() {
    println!(
        "{:>7} {:>9} {:>7} {:>9} {:>7} {:>11} {:>11} {:>5}",
        "blobs", "list ms", "ratio", "plan ms", "ratio", "list peak B", "plan peak B", "kept"
    );
    let mut before: Option<Row> = None;
    let is_asked = env::args().any(|argument| argument == "--bench");
    for &blobs in &COUNTS[..if is_asked { COUNTS.len() } else { 1 }] {
        let row = measure(blobs).await;
        let ratio = |of: fn(&Row) -> Duration| {
            let ratio = before.as_ref().map(|before| of(&row).as_secs_f64() / of(before).as_secs_f64());
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}"))
        };
        let bytes = |peak: Option<u64>| peak.map_or_else(|| "?".to_owned(), |peak| peak.to_string());
        println!(
            "{:>7} {:>9.1} {:>7} {:>9.2} {:>7} {:>11} {:>11} {:>5}",
            row.blobs,
            row.list.as_secs_f64() * 1e3,
            ratio(|row| row.list),
            row.plan.as_secs_f64() * 1e3,
            ratio(|row| row.plan),
            bytes(row.list_peak),
            bytes(row.plan_peak),
            row.kept
        );
        before = Some(row);
    }
}

async fn measure(blobs: u32) -> Row {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    for at in 0..blobs {
        let name = format!("daily/sampleapim-{at:06}.apimbackup");
        emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, &name, "backup");
    }
    let settings = emulator.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let arm = Settings::read(&settings).arm.unwrap();
    let endpoints = arm.endpoints.clone();
    let reader = BlobReader::new(endpoints, Arm::new(arm, Arc::new(SystemClock)).storage(), Vec::new());
    let container = ContainerRef {
        account: accounts::STORAGE_ACCOUNT.parse().unwrap(),
        container: accounts::CONTAINER.parse().unwrap(),
    };
    let key = Secret::new(accounts::ACCOUNT_KEY);
    let before = resident();
    let began = Instant::now();
    let listed = reader.list(&container, Some(&key));
    let listed = listed.try_fold(0, |count, _| future::ready(Ok(count + 1))).await;
    let (list, list_peak) = (began.elapsed(), grown(before));
    assert_eq!(listed, Ok(blobs));

    let now = SystemClock.now();
    // Six a day, as far back as it takes.
    let points: Vec<_> = (0..blobs)
        .map(|at| Candidate {
            key: at,
            at: now - SignedDuration::from_hours(4 * i64::from(at)),
            verified: true,
            locked: None,
        })
        .collect();
    let retention = Retention {
        keep_daily: Some(30),
        keep_weekly: Some(52),
        keep_monthly: Some(24),
        ..Retention::default()
    };
    let zone = TimeZone::get("Australia/Sydney").unwrap();
    let before = resident();
    let began = Instant::now();
    let decisions = retention.plan(&points, &zone, now);
    let (plan, plan_peak) = (began.elapsed(), grown(before));
    let kept = decisions.iter().filter(|decision| decision.fate != Fate::Remove).count();
    Row { blobs, list, plan, list_peak, plan_peak, kept }
}

/// The memory that is resident now, in bytes, as Linux counts it. From here its peak is counted.
fn resident() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    peak()
}

fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn grown(before: Option<u64>) -> Option<u64> {
    Some(peak()?.saturating_sub(before?))
}
