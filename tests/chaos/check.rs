//! What must hold when all is quiet, seen from the outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use apim_dr::{
    domain::{
        Answer, Entry, Evidence, FailureKind, Kind, Operation, OperationId, Phase, RecoveryPoint, Schedule,
    },
    emulator::{LoggedRequest, Run, accounts},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    script::{Scheduled, Script},
    shelf::Shelf,
    world::{Reply, What, World},
};

/// How far the time of an entry and that of Azure may be apart: the former has what the last answer told.
const APART: SignedDuration = SignedDuration::from_secs(90);

/// What was seen to happen.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// How often each request was sent.
    pub(super) asked: BTreeMap<usize, usize>,
    pub(super) taken: Vec<Taken>,
    pub(super) cancelled: BTreeSet<OperationId>,
    /// The status of every link in the end.
    pub(super) ended: BTreeMap<OperationId, u16>,
    /// Promises that were seen to be broken.
    pub(super) seen: Vec<String>,
    pub(super) logs: Vec<PathBuf>,
    /// How many requests had arrived when somebody was killed for the last time.
    pub(super) last_kill: usize,
    /// When all faults had ended, and when nothing was open.
    pub(super) calm: Timestamp,
    pub(super) end: Timestamp,
}

/// A request that was answered 202.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) request: usize,
    pub(super) id: OperationId,
    /// Path and query.
    pub(super) link: String,
}

/// Somebody hears an answer.
pub(super) fn hear(facts: &mut Facts, script: &Script, what: What, reply: &Reply) -> Option<Taken> {
    let allowed: &[u16] = match what {
        What::Timer => &[200, 503],
        What::Request(_) => &[202, 409, 503],
    };
    if !allowed.contains(&reply.status) {
        facts.seen.push(format!("{what:?} was answered {}: {}", reply.status, reply.body));
    }
    let What::Request(request) = what else { return None };
    if reply.status == 409 && script.requests[request].queue {
        facts.seen.push(format!("request {request} was to wait for its turn: {}", reply.body));
    }
    if reply.status != 202 {
        return None;
    }
    let id = reply.body["id"].as_str().and_then(|id| id.parse().ok());
    let link = reply.body["statusQueryGetUri"].as_str().and_then(|link| link.split_once("/api/"));
    let (Some(id), Some((_, link))) = (id, link) else {
        facts.seen.push(format!("request {request} was taken without a link: {}", reply.body));
        return None;
    };
    Some(Taken { request, id, link: format!("/api/{link}") })
}

struct Check<'a> {
    script: &'a Script,
    facts: &'a Facts,
    shelf: &'a Shelf,
    entries: &'a BTreeMap<OperationId, Vec<Entry>>,
    runs: Vec<Run>,
    requests: Vec<LoggedRequest>,
    blobs: BTreeMap<String, usize>,
    broken: Vec<String>,
}

/// The promises that were broken, each in a sentence.
pub(super) fn check(
    script: &Script,
    facts: &Facts,
    world: &World,
    shelf: &Shelf,
    entries: &BTreeMap<OperationId, Vec<Entry>>,
) -> Vec<String> {
    let (runs, requests) = (world.emulator.runs(), world.emulator.requests());
    let broken = facts.seen.clone();
    let mut check = Check { script, facts, shelf, entries, runs, requests, blobs: world.blobs(), broken };
    check.callers();
    check.schedules();
    check.posts();
    for entries in entries.values() {
        check.journal(entries);
        if let Some(last) = entries.last() {
            check.operation(&last.operation, last.seq);
        }
    }
    check.leftovers();
    check.points();
    check.secrets();
    check.broken
}

impl Check<'_> {
    fn says(&mut self, holds: bool, broken: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(broken());
        }
    }

    fn last(&self, id: OperationId) -> Option<&Operation> {
        Some(&self.entries.get(&id)?.last()?.operation)
    }

    fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.entries.values().filter_map(|entries| Some(&entries.last()?.operation))
    }

    /// Who was told 202 has an operation that ended, and its link says how. Equal requests are one.
    fn callers(&mut self) {
        for (id, status) in &self.facts.ended {
            let phase = self.last(*id).map(|operation| operation.phase);
            let expected = if phase == Some(Phase::Succeeded) { 200 } else { 424 };
            let holds = phase.is_some_and(Phase::is_closed) && *status == expected;
            self.says(holds, || format!("a caller has {id}, which is {phase:?}, and its link says {status}"));
        }
        for (number, request) in self.script.requests.iter().enumerate() {
            let ids: BTreeSet<_> = self
                .operations()
                .filter(|operation| operation.plan.blob.name.as_str() == request.blob)
                .map(|operation| operation.id)
                .collect();
            let told = self.facts.taken.iter().filter(|taken| taken.request == number);
            let told: BTreeSet<_> = told.map(|taken| taken.id).collect();
            let asked = self.facts.asked.get(&number).copied().unwrap_or_default();
            let most = if request.key.is_some() { 1 } else { asked };
            let holds = ids.len() <= most && told.is_subset(&ids);
            self.says(holds, || format!("request {number} became {ids:?}, and callers were told {told:?}"));
        }
    }

    /// An instant is opened once at most, and the newest one always.
    fn schedules(&mut self) {
        let mut names = BTreeSet::new();
        let plans: Vec<_> = self.operations().map(|operation| operation.plan.blob.name.to_string()).collect();
        let requested: BTreeSet<_> =
            self.script.requests.iter().map(|request| request.blob.clone()).collect();
        for name in plans.into_iter().filter(|name| !requested.contains(name)) {
            let is_new = names.insert(name.clone());
            self.says(is_new, || format!("there are two operations for {name}"));
        }
        for Scheduled { name, schedule, .. } in &self.script.targets {
            let schedule: Schedule = schedule.parse().unwrap();
            // Whoever was to open it may not have come by yet.
            let due = schedule.latest(self.facts.end - SignedDuration::from_mins(15));
            let Some(due) = due.filter(|due| *due > self.facts.calm) else { continue };
            let instant = due.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
            let folder = format!("slots/{name}/");
            let slot = self.shelf.below(&folder).find(|(found, _)| *found == instant);
            let id = slot.and_then(|(_, slot)| slot["id"].as_str()?.parse().ok());
            let is_there = id.is_some_and(|id: OperationId| self.entries.contains_key(&id));
            self.says(is_there, || format!("the instant {instant} of {name} was lost"));
        }
    }

    /// What was posted was written down before, once, to a service that none of ours held.
    fn posts(&mut self) {
        let attempts = self.operations().flat_map(|operation| &operation.attempts);
        let attempts: BTreeMap<_, _> =
            attempts.map(|attempt| (attempt.id.to_string(), attempt.answer.is_some())).collect();
        let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
        for (number, request) in self.requests.iter().enumerate() {
            if request.method != "POST"
                || !["/backup?", "/restore?"].iter().any(|of| request.path.contains(of))
            {
                continue;
            }
            let id = request.client_request_id.clone().unwrap_or_default();
            // A token that is refused is renewed, and the same attempt is sent again.
            if request.status != Some(401) {
                *arrived.entry(id.clone()).or_default() += 1;
            }
            match attempts.get(&id) {
                None => self.broken.push(format!("a POST left that no entry announces: {request:?}")),
                // Who heard the answer, or gave up, lived.
                Some(false) if number >= self.facts.last_kill => {
                    self.broken.push(format!("nobody wrote down what came of a POST: {request:?}"));
                }
                Some(_) => {}
            }
            if request.status == Some(409) && request.fault.is_none() {
                self.broken.push(format!("a POST met a service that works for another of ours: {request:?}"));
            }
        }
        let twice: Vec<_> = arrived.into_iter().filter(|(_, times)| *times > 1).collect();
        self.says(twice.is_empty(), || format!("attempts were posted more than once: {twice:?}"));
        let mut taken = BTreeSet::new();
        for run in self.runs.clone() {
            let is_first = taken.insert(run.client_request_id.clone());
            self.says(is_first, || format!("an attempt was taken twice: {run:?}"));
        }
    }

    /// What Azure did because of an operation.
    fn runs_of(&self, operation: &Operation) -> Vec<Run> {
        let ids: BTreeSet<_> =
            operation.attempts.iter().map(|attempt| Some(attempt.id.to_string())).collect();
        self.runs.iter().filter(|run| ids.contains(&run.client_request_id)).cloned().collect()
    }

    fn operation(&mut self, operation: &Operation, seq: u32) {
        let Operation { id, plan, phase, attempts, failure, .. } = operation;
        let runs = self.runs_of(operation);
        let done = runs.iter().filter(|run| run.succeeded && !run.scripted).count();
        let most = if plan.kind == Kind::Backup { 3 } else { 1 };
        let holds = runs.len() <= most && done <= 1;
        self.says(holds, || format!("{id} was carried out too often: {runs:?}"));
        // Nobody denied to tell what became of it.
        let is_told = |attempt: &apim_dr::domain::Attempt| {
            matches!(&attempt.answer, Some(Answer::Accepted { continuation: Some(_), .. }))
        };
        let denied = self.requests.iter().any(|request| {
            request.fault.as_deref() == Some("location")
                || request.fault.as_deref() == Some("status")
                    && matches!(request.status, Some(403 | 404 | 410))
        });
        let holds = match (phase, failure.as_ref().map(|failure| failure.kind)) {
            (Phase::Succeeded, _) => operation.evidence.is_some(),
            (Phase::Canceled, _) => self.facts.cancelled.contains(id),
            (Phase::Skipped, _) | (Phase::Failed, Some(FailureKind::Blocked | FailureKind::Refused)) => {
                runs.is_empty()
            }
            (Phase::Failed, Some(FailureKind::Failed)) => done == 0 && !runs.is_empty(),
            (Phase::Failed, Some(FailureKind::OutcomeUnknown)) => {
                denied || done == 0 || !attempts.iter().all(is_told)
            }
            _ => false,
        };
        self.says(holds, || format!("{id} ended {phase} ({failure:?}), and Azure did {runs:?}"));
        let history = self.shelf.below("history/").map(|(name, _)| name);
        let newest = history.filter(|name| name.contains(&id.to_string())).max();
        let holds = newest.is_some_and(|name| name.ends_with(&format!("{id}.{seq:06}.json")));
        let newest = newest.map(str::to_owned);
        self.says(holds, || format!("{id} ended with entry {seq}, and its history is {newest:?}"));
    }

    /// What was called succeeded was so then; and that, or that it was cancelled, is the last word.
    fn journal(&mut self, entries: &[Entry]) {
        for pair in entries.windows(2) {
            let (before, entry) = (&pair[0].operation, &pair[1]);
            let after = &entry.operation;
            let id = after.id;
            self.says(pair[0].seq + 1 == entry.seq, || format!("{id} has a gap before entry {}", entry.seq));
            if matches!(before.phase, Phase::Succeeded | Phase::Canceled) {
                self.says(after.phase == before.phase, || format!("{id} was {} before", before.phase));
            } else if after.phase == Phase::Succeeded {
                let by = entry.at + APART;
                let ended = |run: &Run| run.ended.is_some_and(|ended| ended <= by);
                let holds = if after.evidence == Some(Evidence::Arm) {
                    self.runs_of(after).iter().any(|run| run.succeeded && ended(run))
                } else {
                    // Not provably its own.
                    let same = |run: &&Run| run.blob == after.plan.blob.name.as_str();
                    after.plan.kind == Kind::Backup && self.runs.iter().filter(same).any(ended)
                };
                let runs = self.runs_of(after);
                self.says(holds, || format!("{id} was called succeeded, and Azure did {runs:?}"));
            }
        }
    }

    /// Nothing is open, nothing is held.
    fn leftovers(&mut self) {
        let open: Vec<_> = self.shelf.below("open/").map(|(name, _)| name.to_owned()).collect();
        self.says(open.is_empty(), || format!("markers are left: {open:?}"));
        for folder in ["locks/", "requests/"] {
            let holders: Vec<_> = self.shelf.below(folder).collect();
            for (index, (name, holder)) in holders.iter().enumerate() {
                let chain = |name: &str| name.rsplit_once('/').map(|(chain, _)| chain.to_owned());
                if holders.get(index + 1).is_some_and(|(next, _)| chain(next) == chain(name)) {
                    continue;
                }
                let id: Option<OperationId> = holder["operation"].as_str().and_then(|id| id.parse().ok());
                let phase = id.and_then(|id| self.last(id)).map(|operation| operation.phase);
                // A request that was never stored whole waits for an equal one.
                let is_free = phase.is_some_and(Phase::is_closed) || phase.is_none() && folder == "requests/";
                if !is_free {
                    self.broken.push(format!("{folder}{name} is held by {id:?}, which is {phase:?}"));
                }
            }
        }
    }

    /// What the catalogue calls verified is there.
    fn points(&mut self) {
        let files: Vec<_> = self.shelf.below("catalog/").collect();
        for (name, _) in files.iter().filter(|(name, _)| name.ends_with("/verified.json")) {
            let point = name.replace("/verified.json", "/point.json");
            let point = files.iter().find(|(name, _)| *name == point).map(|(_, point)| point.clone());
            let point: Option<RecoveryPoint> = point.and_then(|point| serde_json::from_value(point).ok());
            let blob = point.map(|point| point.blob.name.to_string()).unwrap_or_default();
            let is_there = self.blobs.get(&blob).is_some_and(|size| *size > 0);
            self.says(is_there, || format!("{name} is of the blob {blob:?}, which is not there"));
        }
    }

    fn secrets(&mut self) {
        let logs =
            self.facts.logs.iter().filter_map(|log| Some((log.display().to_string(), fs::read(log).ok()?)));
        let records = self.shelf.0.iter().map(|(name, bytes)| (name.clone(), bytes.clone()));
        for (name, bytes) in records.chain(logs).collect::<Vec<_>>() {
            let text = String::from_utf8_lossy(&bytes);
            let is_told = [accounts::CLIENT_SECRET, accounts::ACCOUNT_KEY, "Bearer "]
                .iter()
                .any(|it| text.contains(it));
            self.says(!is_told, || format!("{name} has a secret"));
        }
    }
}
