use jiff::Timestamp;
use serde_json::Value;

use super::Bed;
use crate::emulator::{Config, Emulator};

/// Asks for what is later than an instant; the status and the time that is told.
async fn after(emulator: String, instant: String) -> (u16, String) {
    let answer = reqwest::get(format!("{emulator}/_emulator/clock?after={instant}")).await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (status, body["now"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn whoever_asks_for_later_is_answered_as_soon_as_it_is() {
    const BEFORE: &str = "2026-03-01T01:00:00Z";
    let bed = Bed::start().await;
    let asks = after(bed.emulator.url(), BEFORE.to_owned());
    let asked = tokio::spawn(asks);
    while bed.emulator.clock().waiting() == 0 && !asked.is_finished() {
        tokio::task::yield_now().await;
    }
    bed.pass(1);
    let later = (200, "2026-03-01T01:00:01Z".to_owned());
    assert_eq!(asked.await.unwrap(), later);
    // What is over already needs no waiting.
    assert_eq!(after(bed.emulator.url(), BEFORE.to_owned()).await, later);
}

#[tokio::test]
async fn a_clock_that_runs_is_later_by_itself() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let before = emulator.clock().now();
    let (status, now) = after(emulator.url(), before.to_string()).await;
    assert!(status == 200 && now.parse::<Timestamp>().unwrap() > before, "{now}");
    assert_eq!(after(emulator.url(), "tomorrow".to_owned()).await.0, 400);
}
