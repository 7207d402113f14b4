//! What apim-dr does, one file per thing. Async; speaks to ports only.

mod advance;
mod cancel;
mod catalog;
mod choose;
mod drive;
mod error;
mod open;
mod prune;
mod record;
mod recover;
mod retire;
mod schedule;
mod stock;
mod verify;

pub use crate::ports::{Cause, RecordsError};
pub use advance::{Next, Step};
pub use cancel::request_cancel;
pub use catalog::{Adopted, Rebuilt, adopt, rebuild};
pub use choose::choose;
pub use drive::{Driver, Swept};
pub use error::Error;
pub use open::{IfBusy, Opened, is_claimed, open, read};
pub use prune::Pruner;
pub use retire::{Outcome, Retirement, Shelf, hears_the_time, judge, plan_retirement, retire};
pub use schedule::{Agenda, Due};
pub use stock::{Item, Stock, Whereabouts, note_all, take_stock};
