//! Processes that live in the emulator's time. Nobody waits for that time: it is moved.

use std::time::Duration;

use apim_dr::{
    clock,
    emulator::{Clock as EmulatedClock, Config, Emulator},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{bed::seed, process::Place};

const START: &str = "2026-11-21T01:00:00Z";

fn manual() -> Config {
    Config { clock: EmulatedClock::manual(START.parse().unwrap()), ..Config::default() }
}

/// Moves the time by HTTP, as another process would.
async fn advance(emulator: &str, seconds: u64) -> Timestamp {
    let request = reqwest::Client::new().post(format!("{emulator}/_emulator/clock/advance"));
    let answer = request.body(json!({"seconds": seconds}).to_string()).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    answer["now"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_process_lives_in_the_emulators_time() {
    let place = Place::on(manual()).await;
    let mut server = place.serve().await;
    let link = server.post("backup", &seed("backup")).await.header("location");
    server.wait_for_phase("Running").await;
    let mut seconds = 0;
    let ended = loop {
        let answer = server.get(&link).await;
        if answer.status != 202 {
            break answer;
        }
        advance(&place.emulator.url(), 60).await;
        seconds += 60;
        assert!(seconds < 24 * 3_600, "it never ends: {answer:?}");
    };
    assert_eq!(ended.status, 200, "{ended:?}");
    let at = |name: &str| -> Timestamp { ended.json()[name].as_str().unwrap().parse().unwrap() };
    assert_eq!(at("createdTime"), START.parse().unwrap());
    assert!(at("lastUpdatedTime").duration_since(at("createdTime")).as_secs() >= 543, "{ended:?}");
    assert_eq!(place.emulator.posts("backup"), 1);
    assert_eq!(server.end("-TERM").await, Some(0));
}

#[tokio::test]
async fn who_sleeps_in_the_emulators_time_awakes_when_it_has_passed() {
    let emulator = Emulator::start(manual()).await.unwrap();
    let address = format!("{}/_emulator/clock", emulator.url()).parse().unwrap();
    let clock = clock::open(Some(&address)).await.unwrap();
    assert_eq!(clock.now(), START.parse().unwrap());
    let began = clock.elapsed();
    let passed = || clock.elapsed().saturating_sub(began);
    let sleep = |seconds| {
        let clock = clock.clone();
        tokio::spawn(async move { clock.sleep(Duration::from_secs(seconds)).await })
    };
    let (earlier, later) = (sleep(59), sleep(60));
    tokio::task::yield_now().await;
    emulator.clock().advance(Duration::from_secs(59));
    earlier.await.unwrap();
    assert!(!later.is_finished());
    emulator.clock().advance(Duration::from_secs(1));
    later.await.unwrap();
    assert_eq!(passed(), Duration::from_mins(1));

    // Whoever waits for the emulator does not keep it from ending.
    emulator.stop().await;
    let stopped = sleep(1);
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished());
    assert_eq!(passed(), Duration::from_mins(1));
}

#[tokio::test]
async fn a_process_whose_clock_is_not_there_does_not_begin() {
    let mut place = Place::start().await;
    // There is an emulator, but this is not its clock.
    for clock in ["http://127.0.0.1:9/_emulator/clock".to_owned(), format!("{}/clock", place.emulator.url())]
    {
        place.set("APIM_DR_CLOCK", &clock);
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["operations", "list"]] {
            let ended = place.run(arguments, "").await;
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.err.contains(&format!("APIM_DR_CLOCK: {clock} does not tell")), "{ended:?}");
            assert!(!ended.out.contains("listening"), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn the_emulator_tells_how_to_live_in_its_time() {
    let place = Place::start().await;
    let arguments = ["emulate", "--listen", "127.0.0.1:0", "--clock", "manual", "--start", START];
    let mut child = place.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let clock = loop {
        let line = lines.next_line().await.unwrap().expect("the clock is told");
        if let Some(clock) = line.strip_prefix("export APIM_DR_CLOCK='") {
            break clock.trim_end_matches('\'').to_owned();
        }
    };
    let emulator = clock.strip_suffix("/_emulator/clock").unwrap();
    assert_eq!(advance(emulator, 90).await, "2026-11-21T01:01:30Z".parse().unwrap());

    let running = place.run(&["emulate", "--start", START], "").await;
    assert_eq!(running.code, Some(64), "{running:?}");
}
