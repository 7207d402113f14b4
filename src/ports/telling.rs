//! Telling what happened: alarms, what is on its way to somebody, and those who are told.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use super::RecordsError;
use crate::domain::{Alarm, HookName, Letter, LetterKey, Notice, Recipient, Subject};

/// How every alarm stands that was ever raised: the newest change of each.
#[derive(Debug, Default)]
pub struct Standing {
    pub alarms: Vec<Alarm>,
    pub unreadable: Vec<UnreadAlarm>,
}

/// An alarm of which nobody can tell how it stands.
#[derive(Debug)]
pub struct UnreadAlarm {
    pub subject: String,
    pub code: String,
    pub error: RecordsError,
}

/// The alarms, each as a row of changes.
#[async_trait]
pub trait Alarms: Debug + Send + Sync {
    async fn alarms(&self) -> Result<Standing, RecordsError>;

    /// Records a change, and tells whether it was ours: `false` if another one has its number.
    async fn record_alarm(&self, alarm: &Alarm) -> Result<bool, RecordsError>;

    /// The change of that number.
    async fn alarm(&self, subject: &Subject, code: &str, seq: u32) -> Result<Option<Alarm>, RecordsError>;
}

/// A letter that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub key: LetterKey,
    /// How often somebody tried, or is trying.
    pub tries: u32,
    /// When it was posted, or somebody tried last.
    pub at: Timestamp,
}

/// The letters that are there.
#[derive(Debug, Default)]
pub struct Letters {
    pub waiting: Vec<Waiting>,
    pub unreadable: Vec<RecordsError>,
}

/// A letter that can be read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub letter: Letter,
    pub posted: Timestamp,
}

/// What came of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Delivered,
    /// Nobody tries any more.
    GivenUp {
        reason: String,
    },
}

/// Letters: posted once, tried by one process at a time, kept until they are delivered or given up.
#[async_trait]
pub trait Outbox: Debug + Send + Sync {
    /// Puts a letter there, unless it was there before, delivered or not.
    async fn post(&self, letter: &Letter, now: Timestamp) -> Result<(), RecordsError>;

    /// The letters that are there.
    async fn waiting(&self) -> Result<Letters, RecordsError>;

    /// The letter; `None` if it is over. `RecordsError::Sealed`: nobody can tell here to whom it goes.
    async fn letter(&self, key: &LetterKey) -> Result<Option<Found>, RecordsError>;

    /// Takes the next try of a letter for us: `false` if another process has it, or it is over.
    async fn take(&self, waiting: &Waiting, now: Timestamp) -> Result<bool, RecordsError>;

    /// Ends it, unless it has ended before.
    async fn end(&self, key: &LetterKey, delivery: &Delivery, now: Timestamp) -> Result<(), RecordsError>;
}

/// Why a letter did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotDelivered {
    /// Without the address and without a secret.
    pub reason: String,
    /// Trying again without a change will not help.
    pub lasting: bool,
    /// Nothing is wrong: perhaps nobody waits for it.
    pub expected: bool,
}

/// Those who are told.
#[async_trait]
pub trait Hooks: Debug + Send + Sync {
    /// The hooks that want to be told this.
    fn wanting(&self, notice: &Notice) -> Vec<HookName>;

    /// Why this process cannot tell them, if it cannot: its settings may be others than those of the process that posted
    /// the letter.
    fn refuses(&self, to: &Recipient) -> Option<String>;

    /// Whether the recipient of that name ([`Recipient::name`]) must hear everything in its order, whatever it is about:
    /// only the newest counts there.
    fn is_one_row(&self, name: &str) -> bool;

    /// Tells one of them, once, in half a minute at most.
    async fn send(&self, notice: &Notice, to: &Recipient) -> Result<(), NotDelivered>;
}
