//! A randomised crash test of the whole program: what it promises must hold whatever is killed, lost or late.
//!
//! A trial is one script, made from one number: requests and timers as a host brings them, faults of Azure and of the
//! storage, deaths at any moment, clocks that jump. Two or three instances share one journal. When the script is over all
//! faults end, everybody lives, and time goes on until nothing is open. Then what is there is judged from the outside.
//!
//! Instances are apps of this process, each on a runtime of its own that is dropped where it stands, or real processes
//! that get SIGKILL. In this process one thread takes turns with all runtimes, so that time moves only when nobody has
//! anything to do: a trial with the same number is nearly the same again. Nearly, because ids are random, and what the
//! program waits for in real time (connections, time-outs) is not ours to decide.

mod check;
mod director;
mod faults;
mod instance;
mod phrases;
mod script;
mod shelf;
mod tally;
mod world;

use std::{fmt, path::PathBuf};

pub(crate) use tally::Tally;

/// How instances live.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// Apps in this process, with the records in the emulator's storage.
    Within,
    /// The program at this path.
    Processes(PathBuf),
}

/// A promise that was broken.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) seed: u64,
    /// The promises, each in a sentence with what was seen instead.
    pub(crate) promises: Vec<String>,
    /// The script, and what was seen to happen.
    pub(crate) story: Vec<String>,
    /// What the records say.
    pub(crate) journal: Vec<String>,
}

/// Lives through the trial of this number.
pub(crate) fn run(seed: u64, way: &Way) -> Result<Tally, Box<Broken>> {
    let script = script::Script::new(seed, matches!(way, Way::Processes(_)));
    director::Director::new(script, way).direct()
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, promises, story, journal } = self;
        writeln!(f, "trial {seed}: {}", promises.join("\n  and "))?;
        for (title, lines) in [("the script", story), ("the journal", journal)] {
            writeln!(f, "{title}:")?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
