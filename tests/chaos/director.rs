//! Carries a script out: it is the host, the callers, and whoever kills.

use std::{
    collections::BTreeMap,
    process::Child,
    time::{Duration, Instant},
};

use apim_dr::{domain::OperationId, emulator::LoggedRequest};
use jiff::{SignedDuration, Timestamp};
use reqwest::header;
use serde_json::json;

use super::{
    Broken, Tally, Way,
    check::{self, Facts, Taken},
    faults,
    instance::{Instance, PATIENCE, cancel_log, slices},
    script::{Deed, Script, Step, Then},
    shelf::{Shelf, journal},
    world::{Call, What, World, until},
};

/// How far the time may move while somebody works. Less than a POST may take.
const AT_WORK: Duration = Duration::from_secs(20);
/// How long it may take, in simulated time, until nothing is open. A started operation is watched for 48 hours.
const BOUND: SignedDuration = SignedDuration::from_hours(60);
/// How long everything goes on well at least, with targets and without: an instant of the hourly schedules passes.
const CALM: [SignedDuration; 2] = [SignedDuration::from_mins(80), SignedDuration::from_mins(5)];
/// Turns until something is wrong with a trial that never becomes quiet, and real time until it hangs.
const TURNS: u32 = 400_000;
const HANGS: Duration = Duration::from_mins(3);

pub(super) struct Director {
    script: Script,
    world: World,
    instances: Vec<Option<Instance>>,
    /// How many were ever started.
    started: usize,
    calls: Vec<Call>,
    commands: Vec<Child>,
    /// The time has moved since everybody was quiet.
    moved: bool,
    began: Instant,
    facts: Facts,
    story: Vec<String>,
    kills: usize,
}

impl Director {
    pub(super) fn new(script: Script, way: &Way) -> Self {
        let world = World::new(&script, way);
        let instances = (0..script.instances).map(|_| None).collect();
        let mut director = Self {
            world,
            instances,
            started: 0,
            calls: Vec::new(),
            commands: Vec::new(),
            moved: false,
            began: Instant::now(),
            facts: Facts::default(),
            story: Vec::new(),
            kills: 0,
            script,
        };
        for whom in 0..director.instances.len() {
            director.start(whom);
        }
        director
    }

    pub(super) fn direct(mut self) -> Result<Tally, Box<Broken>> {
        for step in self.script.moves.clone() {
            self.story.push(format!("{} {step}", self.world.now()));
            self.take(step.step);
            match step.then {
                Then::Quiet => self.settle(),
                Then::Turns(turns) => (0..turns).for_each(|_| self.turn()),
            }
        }
        self.calm();
        self.follow_links();
        self.judge()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send(deed, to) => {
                let to = self.living(to);
                self.send(deed, to);
            }
            Step::Fire { off, to } => self.fire(off, &to),
            Step::Meet(fault) => self.world.emulator.inject(fault),
            Step::Struck { deed, to, skip, processed } => self.strike(deed, to, skip, processed),
            Step::Kill(whom) => self.kill(whom),
            Step::Start(whom) => self.start(whom),
            Step::Advance(by) => self.advance(by),
            Step::Live(minutes) => (0..minutes).for_each(|minute| self.minute(minute)),
            Step::Jump(whom, seconds) => {
                if let Some(instance) = &self.instances[whom] {
                    instance.jump(SignedDuration::from_secs(seconds));
                }
            }
            Step::Cancel(which) => self.cancel(which),
            Step::GiveUp => self.give_up(),
        }
    }

    fn start(&mut self, whom: usize) {
        if self.instances[whom].is_none() {
            self.started += 1;
            self.instances[whom] = Some(Instance::start(&self.world, &format!("{}.log", self.started)));
        }
    }

    fn kill(&mut self, whom: usize) {
        if let Some(instance) = self.instances[whom].take() {
            self.facts.logs.extend(instance.log().map(std::path::Path::to_owned));
            instance.kill();
            self.kills += 1;
            self.facts.last_kill = self.world.emulator.arrived();
        }
    }

    /// The first that lives, from `to` on. A host to which somebody comes has one.
    fn living(&mut self, to: usize) -> usize {
        let count = self.instances.len();
        let living = (to..to + count).map(|number| number % count);
        let living = living.into_iter().find(|number| self.instances[*number].is_some());
        living.unwrap_or_else(|| {
            self.start(to);
            to
        })
    }

    fn url(&self, to: usize) -> &str {
        self.instances[to].as_ref().map_or("http://127.0.0.1:9", Instance::url)
    }

    fn send(&mut self, deed: Deed, to: usize) {
        match deed {
            Deed::Ask(number) => {
                let request = &self.script.requests[number];
                let mut call = self.world.client.post(format!("{}{}", self.url(to), request.path()));
                if let Some(key) = &request.key {
                    call = call.header("Idempotency-Key", key);
                }
                let call = call.header(header::CONTENT_TYPE, "application/json").body(request.body());
                *self.facts.asked.entry(number).or_default() += 1;
                self.calls.push(self.world.call(What::Request(number), to, call));
            }
            Deed::Sweep => self.trigger("sweep-trigger", to, None),
        }
    }

    /// A timer, as the host sends it.
    fn trigger(&mut self, function: &str, to: usize, next: Option<Timestamp>) {
        let status = next.map(|next| json!({ "Last": next, "Next": next, "LastUpdated": next }));
        let timer =
            json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": status, "IsPastDue": false });
        let body = json!({ "Data": { "timer": timer }, "Metadata": {} }).to_string();
        let call = self.world.client.post(format!("{}/{function}", self.url(to))).body(body);
        self.calls.push(self.world.call(What::Timer, to, call));
    }

    fn fire(&mut self, off: i64, to: &[usize]) {
        let hour = 3_600_000;
        let next = (self.world.now().as_millisecond() / hour + 1) * hour;
        let [instant, then] = [next, next + off].map(|millis| Timestamp::from_millisecond(millis).unwrap());
        self.advance(until(self.world.now(), then));
        for to in to {
            let to = self.living(*to);
            self.trigger("timer-trigger", to, Some(instant));
        }
    }

    /// Whoever does the deed meets a request that is not answered, and dies of it.
    fn strike(&mut self, deed: Deed, to: usize, skip: u32, processed: bool) {
        self.settle();
        let to = self.living(to);
        let before = self.world.emulator.arrived();
        self.world.emulator.inject(faults::hang(skip, processed));
        self.send(deed, to);
        self.settle();
        if self.world.emulator.faults().iter().any(faults::is_hang) {
            self.world.emulator.clear_faults();
            self.story.push("  that was too far away, and all faults end".to_owned());
            return;
        }
        let requests = self.world.emulator.requests();
        let is_unanswered =
            |request: &&LoggedRequest| request.fault.as_deref() == Some("slow") && request.status.is_none();
        for struck in requests[before..].iter().filter(is_unanswered) {
            self.story.push(format!("  it was {} {}", struck.method, struck.path));
        }
        // A process that repeats what failed does so in real time, and may have been the one.
        let repeats = matches!(self.world.way, Way::Processes(_))
            && requests.iter().any(|request| request.fault.is_some() && request.path.starts_with("/blob/"));
        if repeats {
            (0..self.instances.len()).for_each(|whom| self.kill(whom));
        }
        self.kill(to);
    }

    fn advance(&mut self, by: Duration) {
        if self.moved || by > AT_WORK {
            self.settle();
        }
        self.moved = true;
        self.world.advance(by);
    }

    /// A minute with its sweep, which may find nobody alive but whom it starts.
    fn minute(&mut self, number: usize) {
        let to = self.living(number % self.instances.len());
        self.relieve(to);
        self.trigger("sweep-trigger", to, None);
        self.advance(Duration::from_mins(1));
        self.settle();
    }

    fn cancel(&mut self, which: usize) {
        let taken = self.facts.taken.get(which).or(self.facts.taken.last());
        let Some(id) = taken.map(|taken| taken.id) else { return };
        let at = self.living(which % self.instances.len());
        self.facts.cancelled.insert(id);
        let instance = self.instances[at].as_ref();
        self.commands.extend(instance.and_then(|instance| instance.cancel(&self.world, id)));
    }

    fn give_up(&mut self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE + PATIENCE / 4 {
            self.turn();
            self.world.wait(Duration::from_millis(1));
        }
    }

    fn turn(&mut self) {
        self.instances.iter().flatten().for_each(Instance::turn);
        self.world.turn();
        let mut calls = std::mem::take(&mut self.calls);
        calls.retain_mut(|call| match self.world.answer(call) {
            None => true,
            Some(answer) => {
                if let Ok(answer) = answer {
                    let taken = check::hear(&mut self.facts, &self.script, call.what, &answer);
                    self.check_taken(taken);
                }
                false
            }
        });
        self.calls.append(&mut calls);
    }

    /// A caller has a link: for a request without a key it is another one only when the one before has ended.
    fn check_taken(&mut self, taken: Option<Taken>) {
        let Some(taken) = taken else { return };
        let request = &self.script.requests[taken.request];
        let before = self.facts.taken.iter().rev().find(|before| before.request == taken.request);
        if let Some(before) = before.filter(|before| before.id != taken.id && request.key.is_none()) {
            let entries = Shelf::read(&self.world).entries();
            let is_open = |id: OperationId| {
                let last = entries.get(&id).and_then(|entries| entries.last());
                last.is_none_or(|last| !last.operation.phase.is_closed() && !last.operation.reopened)
            };
            if is_open(before.id) {
                let text = format!("{} was opened while the equal {} is open", taken.id, before.id);
                self.facts.seen.push(text);
            }
        }
        self.facts.taken.push(taken);
    }

    /// Until nobody has anything left to do at this time.
    fn settle(&mut self) {
        let (mut calm, mut turns) = (0, 0);
        while calm < 4 {
            let before = self.signs();
            self.turn();
            let after = self.signs();
            calm = if before.is_some() && before == after { calm + 1 } else { 0 };
            turns += 1;
            if turns > TURNS || self.began.elapsed() > HANGS {
                self.facts.seen.push("it never becomes quiet".to_owned());
                break;
            }
        }
        self.moved = false;
    }

    /// What changes whenever anybody does anything; `None` while a process does.
    fn signs(&mut self) -> Option<(usize, (usize, u64), Vec<u64>)> {
        self.commands.retain_mut(|command| matches!(command.try_wait(), Ok(None)));
        let processes = self.instances.iter().flatten().map(Instance::signs);
        let commands = self.commands.iter().map(|command| slices(command.id()));
        let slices: Option<Vec<_>> = processes.chain(commands).collect();
        Some((self.calls.len(), self.world.signs(), slices?))
    }

    /// All faults end, everybody lives, and time goes on until nothing is open.
    fn calm(&mut self) {
        self.settle();
        self.story.push(format!("{} all faults end", self.world.now()));
        self.world.emulator.clear_faults();
        if self.world.emulator.requests().iter().any(|request| request.fault.as_deref() == Some("slow")) {
            self.give_up();
        }
        (0..self.instances.len()).for_each(|whom| self.start(whom));
        let began = self.world.now();
        self.facts.calm = began;
        let least = CALM[usize::from(self.script.targets.is_empty())];
        let (mut quiet, mut turn) = (0, 0);
        while quiet < 2 || self.world.now().duration_since(began) < least {
            let passed = self.world.now().duration_since(began);
            if passed > BOUND || self.began.elapsed() > HANGS {
                self.facts.seen.push(format!("something is open {passed:#} after all faults ended"));
                break;
            }
            let pause = match (quiet, passed.as_hours()) {
                (0, 0..2) => 100,
                (0, 2..8) => 300,
                (0, _) => 1_200,
                _ => 600,
            };
            turn += 1;
            let to = turn % self.instances.len();
            self.relieve(to);
            self.trigger("sweep-trigger", to, None);
            self.settle();
            self.advance(Duration::from_secs(pause));
            self.settle();
            quiet = if self.is_open() { 0 } else { quiet + 1 };
        }
        self.facts.end = self.world.now();
    }

    /// Waits until an instance has answered most of what it was sent: a process may be slow in real time.
    fn relieve(&mut self, to: usize) {
        while self.calls.iter().filter(|call| call.to == to).count() > 2 && self.began.elapsed() < HANGS {
            self.world.wait(Duration::from_millis(1));
            self.turn();
        }
    }

    fn is_open(&self) -> bool {
        if self.world.in_files {
            return Shelf::read(&self.world).below("open/").next().is_some();
        }
        self.world.is_open()
    }

    /// Every caller asks how it ended.
    fn follow_links(&mut self) {
        let links: BTreeMap<_, _> =
            self.facts.taken.iter().map(|taken| (taken.id, taken.link.clone())).collect();
        for (id, link) in links {
            let mut status = 0;
            // Records that were too slow for an app of this process, in real time, are another 503.
            for _ in 0..20 {
                status = self.follow(&link);
                if ![0, 503].contains(&status) {
                    break;
                }
            }
            self.facts.ended.insert(id, status);
        }
    }

    /// The status of a link; 0 without an answer.
    fn follow(&mut self, link: &str) -> u16 {
        let to = self.living(0);
        let call = self.world.client.get(format!("{}{link}", self.url(to)));
        let mut call = self.world.call(What::Timer, to, call);
        while self.began.elapsed() < HANGS {
            if let Some(answer) = self.world.answer(&mut call) {
                return answer.map_or(0, |answer| answer.status);
            }
            self.turn();
        }
        0
    }

    fn judge(mut self) -> Result<Tally, Box<Broken>> {
        let logs = self.instances.iter().flatten().filter_map(Instance::log);
        self.facts.logs.extend(logs.map(std::path::Path::to_owned));
        self.facts.logs.push(cancel_log(&self.world));
        let records = Shelf::read(&self.world);
        let entries = records.entries();
        let promises = check::check(&self.script, &self.facts, &self.world, &records, &entries);
        if promises.is_empty() {
            return Ok(Tally::of(&self.world, &entries, self.kills));
        }
        let story = self.script.setting().into_iter().chain(self.story).collect();
        Err(Box::new(Broken { seed: self.script.seed, promises, story, journal: journal(&entries) }))
    }
}
