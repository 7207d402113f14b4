//! A script in sentences, for whoever looks into a promise that was broken.

use std::fmt;

use super::script::{Deed, Move, Request, Scheduled, Script, Step, Then};

impl Script {
    /// What there is before anything happens.
    pub(super) fn setting(&self) -> Vec<String> {
        let place = if self.in_files { "files" } else { "a container" };
        let mut lines = vec![format!("{} instances, with their records in {place}", self.instances)];
        lines.extend(self.targets.iter().map(ToString::to_string));
        let numbered = self.requests.iter().enumerate();
        lines.extend(numbered.map(|(number, request)| format!("request {number} is a {request}")));
        lines
    }
}

impl fmt::Display for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, instance, schedule } = self;
        write!(f, "target {name} backs up {instance} at {schedule}")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}, blob {}", self.kind, self.instance, self.blob)?;
        if let Some(key) = &self.key {
            write!(f, ", with the Idempotency-Key {key}")?;
        }
        if self.queue { f.write_str(", that waits for its turn") } else { Ok(()) }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        match self.then {
            Then::Quiet => Ok(()),
            Then::Turns(turns) => write!(f, "; {turns} turns later"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(deed, to) => write!(f, "{deed} to {to}"),
            Self::Fire { off, to } => write!(f, "the timer fires {off} ms after its instant, at {to:?}"),
            Self::Meet(fault) => {
                let on = &fault.on;
                let (method, path) = (on.method.as_deref(), on.path_contains.as_deref());
                let (method, path) = (method.unwrap_or("any"), path.unwrap_or_default());
                let (skip, times, effect) = (on.skip, fault.times, &fault.effect);
                write!(f, "after {skip} others {times} requests {method} ..{path}.. meet {effect:?}")
            }
            Self::Struck { deed, to, skip, processed } => {
                let done = if *processed { "done but not answered" } else { "neither done nor answered" };
                write!(f, "{deed} to {to}; its request after {skip} others is {done}, and it is killed")
            }
            Self::Kill(whom) => write!(f, "{whom} is killed"),
            Self::Start(whom) => write!(f, "{whom} is started, if it is dead"),
            Self::Advance(by) => write!(f, "{by:?} pass"),
            Self::Live(minutes) => write!(f, "{minutes} minutes pass, each with its sweep"),
            Self::Jump(whom, seconds) => write!(f, "the clock of {whom} is ahead by {seconds} s"),
            Self::Cancel(usize::MAX) => f.write_str("the newest operation that callers know is cancelled"),
            Self::Cancel(which) => write!(f, "operation {which} of those that callers know is cancelled"),
            Self::GiveUp => f.write_str("whoever waits in vain gives up"),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(request) => write!(f, "request {request}"),
            Self::Sweep => f.write_str("a sweep"),
        }
    }
}
