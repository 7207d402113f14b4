//! One entry of an operation's journal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, Operation};

/// What happened, and the whole state after it. The entry with the highest `seq` is the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Of this format; see docs/records.md.
    pub version: u32,
    /// Random; tells our own create from somebody else's.
    pub writer: Uuid,
    /// Counts from 1, and stays below [`Entry::END`].
    pub seq: u32,
    pub at: Timestamp,
    pub event: Event,
    pub operation: Operation,
}

impl Entry {
    /// The version that is written.
    pub const VERSION: u32 = 1;
    /// No entry has this number or a higher one: a name has six digits, and with more the names would not be in order.
    pub const END: u32 = 999_999;

    /// The entry that opens `operation`.
    pub fn first(operation: Operation) -> Self {
        Self {
            version: Self::VERSION,
            writer: Uuid::new_v4(),
            seq: 1,
            at: operation.opened,
            event: Event::Opened,
            operation,
        }
    }

    /// The entry after this one.
    pub fn then(&self, event: Event, at: Timestamp) -> Result<Self, super::IllegalEvent> {
        let operation = self.operation.after(&event, at)?;
        // Nobody goes on from an entry with such a number.
        let seq = self.seq.saturating_add(1);
        Ok(Self { version: Self::VERSION, writer: Uuid::new_v4(), seq, at, event, operation })
    }
}
