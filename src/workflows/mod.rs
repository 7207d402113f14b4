//! What apim-dr does, one file per thing. Async; speaks to ports only.

mod advance;
mod drive;
mod error;
mod open;

pub use advance::{Next, Step};
pub use drive::{Driver, Swept};
pub use error::Error;
pub use open::{open, read};
