//! How much happened in trials.

use std::{collections::BTreeMap, fmt};

use apim_dr::domain::{Entry, Evidence, Operation, OperationId, Phase};

use super::world::World;

/// What happened in one trial, or in many.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) trials: usize,
    pub(crate) operations: usize,
    pub(crate) kills: usize,
    /// Requests that reached Azure and its storage.
    pub(crate) requests: usize,
    pub(crate) posts: usize,
    /// POSTs that Azure took.
    pub(crate) taken: usize,
    /// Faults that struck, by their place and effect.
    pub(crate) faults: BTreeMap<String, usize>,
    /// How operations ended.
    pub(crate) ends: BTreeMap<String, usize>,
}

impl Tally {
    pub(super) fn of(world: &World, entries: &BTreeMap<OperationId, Vec<Entry>>, kills: usize) -> Self {
        let emulator = &world.emulator;
        let mut tally = Self {
            trials: 1,
            operations: entries.len(),
            kills,
            requests: emulator.arrived(),
            posts: emulator.posts("backup") + emulator.posts("restore"),
            taken: emulator.runs().len(),
            ..Self::default()
        };
        for request in emulator.requests() {
            let Some(fault) = request.fault else { continue };
            let place = match request.path.as_str() {
                path if path.starts_with("/blob/") && path.contains("/records") => "records",
                path if path.starts_with("/blob/") => "backups",
                path if path.contains("/oauth2/") => "Entra ID",
                path if path.contains("operationresults") => "looks",
                _ if request.method == "POST" => "starts",
                _ => "Azure",
            };
            *tally.faults.entry(format!("{place}: {fault}")).or_default() += 1;
        }
        for last in entries.values().filter_map(|entries| entries.last()) {
            *tally.ends.entry(end(&last.operation)).or_default() += 1;
        }
        tally
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.operations += other.operations;
        self.kills += other.kills;
        self.requests += other.requests;
        self.posts += other.posts;
        self.taken += other.taken;
        for (of, to) in [(other.faults, &mut self.faults), (other.ends, &mut self.ends)] {
            for (name, count) in of {
                *to.entry(name).or_default() += count;
            }
        }
    }
}

fn end(operation: &Operation) -> String {
    let kind = operation.plan.kind;
    match (operation.phase, &operation.evidence, &operation.failure) {
        (Phase::Succeeded, Some(Evidence::Blob), _) => format!("{kind} Succeeded, evidence blob"),
        (Phase::Failed, _, Some(failure)) => format!("{kind} Failed, {:?}", failure.kind),
        (phase, ..) => format!("{kind} {phase}"),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trials, operations, kills, requests, posts, taken, faults, ends } = self;
        let struck: usize = faults.values().sum();
        writeln!(f, "{trials:>8} trials")?;
        writeln!(f, "{operations:>8} operations")?;
        writeln!(f, "{kills:>8} kills")?;
        writeln!(f, "{requests:>8} requests")?;
        writeln!(f, "{posts:>8} POSTs, {taken} of them taken")?;
        writeln!(f, "{struck:>8} requests struck by faults")?;
        for (title, counts) in [("how operations ended", ends), ("faults that struck", faults)] {
            writeln!(f, "{title}:")?;
            for (name, count) in counts {
                writeln!(f, "{count:>8} {name}")?;
            }
        }
        Ok(())
    }
}
