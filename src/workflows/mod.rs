//! What apim-dr does, one file per thing. Async; speaks to ports only.

mod advance;
mod aftermath;
mod cancel;
mod catalog;
mod choose;
mod compare;
mod drive;
mod error;
mod open;
mod preflight;
mod preview;
mod prune;
mod record;
mod recover;
mod retire;
mod safety;
mod schedule;
mod snapshot;
mod stock;
mod verify;

pub use crate::ports::{Access, Cause, RecordsError};
pub use advance::{Next, Step};
pub use cancel::request_cancel;
pub use catalog::{Adopted, Rebuilt, adopt, rebuild};
pub use choose::choose;
pub use compare::{Comparison, Side, Whence, compare_sides};
pub use drive::{Driver, Swept};
pub use error::Error;
pub use open::{IfBusy, Opened, is_claimed, open, read};
pub use preflight::{Checked, check};
pub use preview::{Preview, median, preview};
pub use prune::Pruner;
pub use retire::{Outcome, Retirement, Shelf, hears_the_time, judge, plan_retirement, retire};
pub use schedule::{Agenda, Due};
pub use snapshot::take as take_snapshot;
pub use stock::{Item, Stock, Whereabouts, note_all, take_stock};
