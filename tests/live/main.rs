//! What is assumed of Azure, asked of Azure itself: each check runs the program's own command line against a subscription
//! that the environment names, and says what it saw. docs/live.md tells what each is for and what it costs. Without
//! `APIM_DR_LIVE` all are skipped but one: that they hold against the emulator.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod checks;
mod site;

use checks::{ALL, Check};
use site::{Level, Site};
use tokio::sync::Mutex;

/// They share an instance, which does one thing at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

async fn live(check: &Check) {
    if Level::allowed() < Some(check.level) {
        eprintln!(
            "SKIPPED: set APIM_DR_LIVE={} to run this, and read docs/live.md before",
            check.level.as_str()
        );
        return;
    }
    let _turn = ONE_AT_A_TIME.lock().await;
    (check.run)(&Site::real()).await;
}

#[tokio::test]
async fn the_instance_is_read() {
    live(&checks::INSTANCE).await;
}

#[tokio::test]
async fn each_api_version_that_we_know_reads_the_instance() {
    live(&checks::API_VERSIONS).await;
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_told_in_azures_words() {
    live(&checks::MISSING_INSTANCE).await;
}

#[tokio::test]
async fn the_container_is_listed() {
    live(&checks::CONTAINER).await;
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_told_from_one_that_may_not_be_read() {
    live(&checks::MISSING_BLOB).await;
}

#[tokio::test]
async fn the_standby_is_compared() {
    live(&checks::STANDBY).await;
}

#[tokio::test]
async fn whoever_serves_the_app_hands_calls_through() {
    live(&checks::SERVED).await;
}

#[tokio::test]
async fn the_records_may_lie_in_the_container() {
    live(&checks::RECORDS).await;
}

#[tokio::test]
async fn a_backup_goes_as_it_was_recorded() {
    live(&checks::BACKUP).await;
}

#[tokio::test]
async fn a_restore_into_the_throw_away_instance_goes_as_it_was_recorded() {
    live(&checks::RESTORE).await;
}

#[tokio::test]
async fn against_the_emulator_all_of_them_hold() {
    let each = include_str!("main.rs").matches(concat!("live(", "&checks::")).count();
    assert_eq!(each, ALL.len(), "one is not among them");
    let site = Site::emulated().await;
    for check in ALL {
        (check.run)(&site).await;
    }
}
