//! What happens in a trial: made from one number, before anything happens.

use std::time::Duration;

use apim_dr::{
    domain::Kind,
    emulator::{Fault, accounts},
};
use fastrand::Rng;
use serde_json::{Value, json};

use super::faults;

/// When the host's timer fires.
pub(super) const SCHEDULE: &str = "0 0 * * * *";
/// Schedules of targets: some instants are the timer's own, some are not.
const SCHEDULES: [&str; 4] = [SCHEDULE, "0 0 */2 * * *", "0 40 * * * *", "0 0 1 * * *"];

#[derive(Debug)]
pub(super) struct Script {
    pub(super) seed: u64,
    pub(super) instances: usize,
    /// The records are files. Only processes have them.
    pub(super) in_files: bool,
    pub(super) targets: Vec<Scheduled>,
    pub(super) requests: Vec<Request>,
    pub(super) moves: Vec<Move>,
}

/// A target that is backed up by a schedule.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) name: &'static str,
    pub(super) instance: &'static str,
    pub(super) schedule: &'static str,
}

/// What a caller sends, as often as it likes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) instance: &'static str,
    /// No other request has it.
    pub(super) blob: String,
    pub(super) key: Option<String>,
    pub(super) queue: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) step: Step,
    pub(super) then: Then,
}

/// Instances are numbers: the host takes the next one that lives.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Deed, usize),
    /// The time goes on until `off` from the timer's next instant, in milliseconds, and the timer fires.
    Fire {
        off: i64,
        to: Vec<usize>,
    },
    Meet(Fault),
    /// The same, but a request after `skip` others is not answered, and who sent it is killed.
    Struck {
        deed: Deed,
        to: usize,
        skip: u32,
        processed: bool,
    },
    Kill(usize),
    Start(usize),
    Advance(Duration),
    /// So many minutes go by as they should: each with its sweep.
    Live(usize),
    /// The clock of an instance is wrong by so many seconds.
    Jump(usize, i64),
    /// Of the operations that callers know, or else the newest.
    Cancel(usize),
    /// Whoever waits for an answer that never comes gives up.
    GiveUp,
}

/// What a host sends to an instance.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Ask(usize),
    Sweep,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// Nobody has anything left to do, but to wait for a later time.
    Quiet,
    /// Everybody has so many turns.
    Turns(u32),
}

impl Script {
    pub(super) fn new(seed: u64, processes: bool) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let instances = rng.usize(2..=3);
        let in_files = processes && rng.bool();
        let targets = ["first", "second"].into_iter().take(rng.usize(0..=2));
        let targets = targets.map(|name| Scheduled {
            name,
            instance: instance(rng),
            schedule: SCHEDULES[rng.usize(..SCHEDULES.len())],
        });
        let targets: Vec<_> = targets.collect();
        let requests: Vec<_> = (0..rng.usize(1..=4)).map(|number| Request::new(rng, number)).collect();
        let mut script = Self { seed, instances, in_files, targets, requests, moves: Vec::new() };
        for request in 0..script.requests.len() {
            for _ in 0..rng.usize(0..=3) {
                script.disturb(rng, processes);
            }
            if rng.u32(..3) > 0 {
                let fault = faults::of_a_start(rng, script.requests[request].kind);
                script.moves.push(Move { step: Step::Meet(fault), then: Then::Turns(0) });
            }
            if !in_files && rng.u32(..3) == 0 {
                let fault = faults::of_storage(rng);
                script.moves.push(Move { step: Step::Meet(fault), then: Then::Turns(0) });
            }
            let to = rng.usize(..instances);
            if !processes && rng.u32(..3) == 0 {
                // Azure's answer comes while somebody else has something to say.
                let fault = faults::of_a_late_answer(script.requests[request].kind);
                script.moves.push(Move { step: Step::Meet(fault), then: Then::Turns(0) });
                script.moves.push(Move { step: Step::Send(Deed::Ask(request), to), then: Then::Quiet });
                script.then(rng, Step::Cancel(usize::MAX));
            } else {
                script.then(rng, Step::Send(Deed::Ask(request), to));
            }
        }
        for _ in 0..rng.usize(6..=24) {
            script.disturb(rng, processes);
        }
        script
    }

    /// One more thing that happens.
    fn disturb(&mut self, rng: &mut Rng, processes: bool) {
        let to = rng.usize(..self.instances);
        let step = match rng.u32(..100) {
            0..18 => Step::Meet(faults::of_azure(rng)),
            18..28 if !self.in_files => Step::Meet(faults::of_storage(rng)),
            18..32 => Step::Send(Deed::Ask(rng.usize(..self.requests.len())), to),
            44..58 => Step::Struck { deed: self.deed(rng), to, skip: rng.u32(..14), processed: rng.bool() },
            58..64 => Step::Kill(to),
            64..68 => Step::Start(to),
            68..78 => Step::Advance(pause(rng)),
            78..88 => Step::Live(rng.usize(1..=15)),
            88..91 if !processes => Step::Jump(to, rng.i64(-600..=600)),
            91..93 => Step::Cancel(rng.usize(..4)),
            93..98 => {
                let off = [-20, 0, 900, 30_000, 400_000][rng.usize(..5)];
                let to = (0..rng.usize(1..=2)).map(|_| rng.usize(..self.instances)).collect();
                Step::Fire { off, to }
            }
            98.. if !processes => {
                self.moves.push(Move { step: Step::Meet(faults::of_patience(rng)), then: Then::Quiet });
                self.then(rng, Step::Send(Deed::Sweep, to));
                Step::GiveUp
            }
            _ => Step::Send(Deed::Sweep, to),
        };
        self.then(rng, step);
    }

    fn deed(&self, rng: &mut Rng) -> Deed {
        if rng.bool() { Deed::Sweep } else { Deed::Ask(rng.usize(..self.requests.len())) }
    }

    fn then(&mut self, rng: &mut Rng, step: Step) {
        let then = if rng.u32(..3) == 0 { Then::Turns(rng.u32(..40)) } else { Then::Quiet };
        self.moves.push(Move { step, then });
    }

    /// Backups that have to be there for the restores.
    pub(super) fn needed_blobs(&self) -> impl Iterator<Item = String> {
        let restores = self.requests.iter().filter(|request| request.kind == Kind::Restore);
        restores.map(|request| request.blob.clone())
    }

    /// What `APIM_DR_TARGETS` says.
    pub(super) fn targets(&self) -> String {
        let targets = self.targets.iter().map(|Scheduled { name, instance, schedule }| {
            let mut target = accounts::body("backup", instance);
            target.as_object_mut().unwrap().remove("operation");
            let own = [
                ("name", *name),
                ("backupName", *name),
                ("schedule", *schedule),
                ("clientSecret", "env:S"),
                ("accessKey", "env:K"),
            ];
            for (field, value) in own {
                target[field] = value.into();
            }
            target
        });
        targets.collect::<Value>().to_string()
    }
}

impl Request {
    fn new(rng: &mut Rng, number: usize) -> Self {
        let kind = if rng.u32(..3) == 0 { Kind::Restore } else { Kind::Backup };
        Self {
            kind,
            instance: instance(rng),
            blob: format!("{kind}-{number}"),
            key: rng.bool().then(|| format!("key-{number}")),
            queue: rng.bool(),
        }
    }

    pub(super) fn body(&self) -> String {
        let mut body = accounts::body(self.kind.as_str(), self.instance);
        body["backupName"] = json!(self.blob);
        body.to_string()
    }

    pub(super) fn path(&self) -> String {
        format!("/api/{}{}", self.kind, if self.queue { "?queue=true" } else { "" })
    }
}

fn instance(rng: &mut Rng) -> &'static str {
    if rng.bool() { accounts::SERVICE } else { accounts::STANDBY }
}

/// Seconds mostly, sometimes hours.
fn pause(rng: &mut Rng) -> Duration {
    match rng.u32(..10) {
        0..4 => Duration::from_secs(rng.u64(1..=90)),
        4..8 => Duration::from_secs(rng.u64(60..=900)),
        _ => Duration::from_secs(rng.u64(900..=3 * 3_600)),
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn the_same_number_gives_the_same_script() {
        let script = |seed, processes| format!("{:?}", Script::new(seed, processes));
        for seed in 0..100 {
            for processes in [false, true] {
                assert_eq!(script(seed, processes), script(seed, processes));
            }
            assert_ne!(script(seed, false), script(seed + 1, false));
        }
    }
}
