//! What apim-dr does, one file per thing. Async; speaks to ports only.

mod advance;
mod cancel;
mod drive;
mod error;
mod open;
mod prune;
mod record;
mod recover;
mod schedule;

pub use crate::ports::{Cause, RecordsError};
pub use advance::{Next, Step};
pub use cancel::request_cancel;
pub use drive::{Driver, Swept};
pub use error::Error;
pub use open::{IfBusy, Opened, named, open, read};
pub use prune::Pruner;
pub use schedule::{Agenda, Due};
