//! What must hold of whatever comes from outside: one function for each way in, which takes any bytes and panics where
//! the program breaks a rule.
//!
//! cargo-fuzz calls them for as long as one likes (fuzz/README.md); the tests here with the seeds, and with what becomes
//! of these by chance. Built for the two of them only. Rules about what is private stand beside it.

#![allow(clippy::missing_panics_doc, reason = "to panic is how they tell what is wrong")]

mod answers;
mod entries;
mod envelope;
mod mark;
mod payload;
mod retention;
mod said;
mod schedule;
mod targets;
#[cfg(test)]
mod tests;
mod zone;

pub use answers::answers;
pub use entries::entries;
pub use envelope::envelope;
pub use payload::payload;
pub use retention::retention;
pub use schedule::schedule;
pub use targets::targets;
pub use zone::zone;
