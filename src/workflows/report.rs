//! What the records tell of the targets: one report for the status page, its JSON, the metrics, `status` and the alarms.
//! Nothing of it is remembered, so every process tells the same.

use std::collections::HashMap;

use futures::{StreamExt as _, TryStreamExt as _, stream, try_join};
use jiff::{SignedDuration, Timestamp};

use super::median;
use crate::{
    domain::{
        CheckReport, Condition, DailyCheck, DrillReport, HISTORY, Health, Kind, LIFETIME, LastFailure, Level,
        Operation, Phase, Pick, PointCounts, PointReport, PointSize, Progress, RecoveryPoint, Report, Run,
        RunKind, ServiceName, StandbyReport, Target, TargetReport, conditions, corrupt, missed, standing,
        stuck,
    },
    ports::{Ended, Points, Ports, RecordsError},
    view::sentence,
};

/// How many targets, and how many operations, are read at the same time.
const AT_ONCE: usize = 8;
/// A backup may be started a day after it was opened, at most.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Reads everything. `invalid` is what is wrong with targets that are not among `targets`.
pub async fn report(
    ports: &Ports,
    targets: &[Target],
    invalid: &[String],
    now: Timestamp,
) -> Result<Report, RecordsError> {
    let Open { operations, unreadable } = open(ports).await?;
    // Collected before: a stream that has the closure in its type is not known to be `Send`.
    let reads: Vec<_> = targets.iter().map(|target| of_target(ports, target, &operations, now)).collect();
    let mut reports: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    for report in &mut reports {
        report.conditions = conditions(report, now);
        report.health = Health::of(&report.conditions);
    }
    let conditions = of_app(targets, &operations, &unreadable, invalid, now);
    let health = reports.iter().map(|report| report.health).chain([Health::of(&conditions)]).max();
    Ok(Report { at: now, health: health.unwrap_or(Health::Ok), targets: reports, conditions })
}

/// What is open, and what of it cannot be read.
struct Open {
    operations: Vec<Operation>,
    unreadable: Vec<String>,
}

async fn open(ports: &Ports) -> Result<Open, RecordsError> {
    let ids = ports.journal.open_operations().await?;
    let mut read = stream::iter(ids).map(|id| ports.journal.last(id)).buffered(AT_ONCE);
    let mut open = Open { operations: Vec::new(), unreadable: Vec::new() };
    while let Some(entry) = read.next().await {
        match entry {
            // Without one it was claimed a moment ago; one that is closed is being closed.
            Ok(entry) => {
                let entry = entry.filter(|entry| !entry.operation.phase.is_closed());
                open.operations.extend(entry.map(|entry| entry.operation));
            }
            Err(error @ RecordsError::Corrupt { .. }) => open.unreadable.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(open)
}

/// What no target tells.
fn of_app(
    targets: &[Target],
    open: &[Operation],
    unreadable: &[String],
    invalid: &[String],
    now: Timestamp,
) -> Vec<Condition> {
    let mut all = Vec::new();
    if let [first, ..] = invalid {
        let text = format!(
            "{} of the configured targets: nobody backs up what they are about: {first}",
            count(invalid)
        );
        let remedy = "mend the setting; apim-dr targets validate tells everything that is wrong";
        all.push(Condition::new("targets.invalid", Level::Critical, text, remedy));
    }
    let medians = HashMap::new();
    let others =
        open.iter().filter(|operation| !targets.iter().any(|target| kind_for(target, operation).is_some()));
    let others: Vec<_> =
        others.map(|operation| progress(operation, kind_of(operation), &medians, now)).collect();
    all.extend(stuck(&others, now));
    if let [first, ..] = unreadable {
        all.push(corrupt(format!("{} of open operations, such as: {first}", count(unreadable))));
    }
    all
}

fn count(problems: &[String]) -> String {
    match problems.len() {
        1 => "one problem".to_owned(),
        n => format!("{n} problems"),
    }
}

fn kind_of(operation: &Operation) -> RunKind {
    let plan = &operation.plan;
    RunKind::new(plan.kind, plan.drill.is_some(), plan.safety_for.is_some())
}

/// What an operation is to a target; `None`: nothing.
fn kind_for(target: &Target, operation: &Operation) -> Option<RunKind> {
    let plan = &operation.plan;
    let is = |name: &ServiceName| name.key() == plan.service.name.key();
    let concerns = match &plan.drill {
        Some(drill) => *drill == target.name,
        None if is(&target.plan.service.name) => {
            plan.kind == Kind::Restore || plan.blob.place() == target.plan.blob.place()
        }
        None => {
            plan.kind == Kind::Restore && target.standby.as_ref().is_some_and(|standby| is(&standby.name))
        }
    };
    concerns.then(|| kind_of(operation))
}

async fn of_target(
    ports: &Ports,
    target: &Target,
    open: &[Operation],
    now: Timestamp,
) -> Result<TargetReport, RecordsError> {
    let (journal, service) = (&ports.journal, &target.plan.service.name);
    let from = now.checked_sub(HISTORY).unwrap_or(Timestamp::MIN);
    let schedule = target.schedule.to_string();
    let of_standby = async {
        match &target.standby {
            Some(standby) => journal.history(&standby.name, Some(from)).await,
            None => Ok(Vec::new()),
        }
    };
    let of_drills = async {
        match &target.drill {
            Some(drill) => journal.history(&drill.service.name, None).await,
            None => Ok(Vec::new()),
        }
    };
    let (own, restores, drills, points, since, check) = try_join!(
        journal.history(service, Some(from)),
        of_standby,
        of_drills,
        points(ports, target, now),
        since(ports, target, &schedule),
        journal.newest_check(&target.name, now),
    )?;
    let Points { points: stock, unreadable: mut broken } = points;
    let (since, unread_since) = since;
    broken.extend(unread_since);
    // Another target may back the same service up to another place.
    let place = format!("{}/", target.plan.blob.place());
    let own: Vec<_> = own
        .into_iter()
        .filter(|ended| ended.kind == Kind::Restore || ended.blob.starts_with(&place))
        .collect();
    let drills: Vec<_> =
        drills.into_iter().filter(|ended| ended.drill.as_ref() == Some(&target.name)).collect();
    let median_of = |history: &[Ended], kind| {
        median(history, kind).and_then(|median| i64::try_from(median.as_secs()).ok())
    };
    let median_seconds = median_of(&own, Kind::Backup);
    let medians = HashMap::from([
        (RunKind::Backup, median_seconds),
        (RunKind::SafetyBackup, median_seconds),
        (RunKind::Restore, median_of(&restores, Kind::Restore).or(median_of(&own, Kind::Restore))),
        (RunKind::Drill, median_of(&drills, Kind::Restore)),
    ]);
    let history = history(target, &own, &restores, &drills, from);
    let is_success = |run: &&Run| run.kind == RunKind::Backup && run.phase == Phase::Succeeded;
    let unreadable = broken.iter().map(ToString::to_string).collect();
    let stock = standing(stock);
    let newest = Pick { verified: true, until: None }.choose(&stock);
    let in_progress = open
        .iter()
        .filter_map(|operation| Some(progress(operation, kind_for(target, operation)?, &medians, now)));
    Ok(TargetReport {
        name: target.name.clone(),
        service: target.plan.service.clone(),
        container: target.plan.blob.place(),
        health: Health::Ok,
        conditions: Vec::new(),
        schedule: target.schedule.clone(),
        next_run: target.schedule.next(now),
        rpo_seconds: target.rpo.as_secs(),
        newest: newest.map(|point| point_report(point, now)),
        points: counts(&stock, now),
        sizes: sizes(&stock),
        missed: missed(&target.schedule, since, ports.deadlines.backup, &history, now),
        last_success: history.iter().find(is_success).map(|run| run.closed),
        last_failure: last_failure(ports, &history).await,
        median_seconds,
        in_progress: in_progress.collect(),
        history,
        standby: standby_report(target, check.as_ref(), newest, now),
        drill: drill_report(target, &drills, now),
        check: check.map(|check| CheckReport { at: check.at, findings: check.findings }),
        unreadable,
    })
}

/// The recovery points of a target in its own container that need not have expired yet. Where none of those was verified,
/// all: an old one is better told of than none.
async fn points(ports: &Ports, target: &Target, now: Timestamp) -> Result<Points, RecordsError> {
    let service = &target.plan.service.name;
    let place = target.plan.blob.place();
    let recent = now.checked_sub(LIFETIME).and_then(|from| from.checked_sub(A_DAY)).unwrap_or(Timestamp::MIN);
    let mut read = ports.catalog.points(service, Some(recent)).await?;
    if !read.points.iter().any(|point| point.is_verified() && point.blob.place() == place) {
        read = ports.catalog.points(service, None).await?;
    }
    read.points.retain(|point| point.blob.place() == place);
    Ok(read)
}

/// Since when the target has this schedule, or what keeps that from being read.
async fn since(
    ports: &Ports,
    target: &Target,
    schedule: &str,
) -> Result<(Option<Timestamp>, Option<RecordsError>), RecordsError> {
    match ports.journal.known_since(&target.name, Kind::Backup, schedule).await {
        Ok(since) => Ok((since, None)),
        Err(error @ RecordsError::Corrupt { .. }) => Ok((None, Some(error))),
        Err(error) => Err(error),
    }
}

/// What ended since `from`, newest first. A drill is told of by its own target; what happened in an instance for drills
/// otherwise is nobody's.
fn history(
    target: &Target,
    own: &[Ended],
    restores: &[Ended],
    drills: &[Ended],
    from: Timestamp,
) -> Vec<Run> {
    let is_drill = |ended: &&Ended| ended.drill.is_some();
    let own = own.iter().filter(|ended| !is_drill(ended)).map(|ended| run(ended, &target.plan.service.name));
    let into_standby = target.standby.iter().flat_map(|standby| {
        let restores = restores.iter().filter(|ended| ended.kind == Kind::Restore && !is_drill(ended));
        restores.map(|ended| run(ended, &standby.name))
    });
    let tried = target.drill.iter().flat_map(|drill| {
        drills.iter().filter(|ended| ended.closed >= from).map(|ended| run(ended, &drill.service.name))
    });
    let mut history: Vec<_> = own.chain(into_standby).chain(tried).collect();
    history.sort_unstable_by_key(|run| std::cmp::Reverse((run.closed, run.id)));
    history
}

fn drill_report(target: &Target, drills: &[Ended], now: Timestamp) -> Option<DrillReport> {
    let drill = target.drill.as_ref()?;
    let runs: Vec<_> = drills.iter().map(|ended| run(ended, &drill.service.name)).collect();
    let succeeded = runs.iter().find(|run| run.phase == Phase::Succeeded);
    Some(DrillReport {
        service: drill.service.clone(),
        next: drill.schedule.as_ref().and_then(|schedule| schedule.next(now)),
        rto_seconds: succeeded.map(|run| run.closed.duration_since(run.opened).as_secs()),
        last: runs.first().cloned(),
    })
}

/// The standby as it was looked at, with the recovery point as it is.
fn standby_report(
    target: &Target,
    check: Option<&DailyCheck>,
    newest: Option<&RecoveryPoint>,
    now: Timestamp,
) -> Option<StandbyReport> {
    let standby = target.standby.as_ref()?;
    let looked = check.and_then(|check| check.standby.clone());
    let looked = looked.filter(|looked| looked.service == *standby).and_then(|looked| looked.readiness);
    let readiness = looked.map(|looked| looked.renewed(newest, target.rpo, now));
    Some(StandbyReport { service: standby.clone(), readiness })
}

fn run(ended: &Ended, service: &ServiceName) -> Run {
    Run {
        id: ended.id,
        kind: RunKind::new(ended.kind, ended.drill.is_some(), ended.safety),
        service: service.clone(),
        phase: ended.phase,
        opened: ended.opened,
        started: ended.started,
        closed: ended.closed,
        failure: ended.failure.clone(),
    }
}

fn progress(
    operation: &Operation,
    kind: RunKind,
    medians: &HashMap<RunKind, Option<i64>>,
    now: Timestamp,
) -> Progress {
    let started = operation.started();
    let median = medians.get(&kind).copied().flatten().map(SignedDuration::from_secs);
    Progress {
        id: operation.id,
        kind,
        service: operation.plan.service.name.clone(),
        phase: operation.phase,
        stands: sentence(operation),
        opened: operation.opened,
        started,
        elapsed_seconds: now.duration_since(operation.opened).as_secs().max(0),
        deadline: operation.deadline,
        expected_end: started.zip(median).and_then(|(started, median)| started.checked_add(median).ok()),
    }
}

fn point_report(point: &RecoveryPoint, now: Timestamp) -> PointReport {
    PointReport {
        backup: point.blob.name.clone(),
        operation: point.id,
        at: point.at,
        age_seconds: now.duration_since(point.at).as_secs(),
        restorable_until: point.expires(),
        size_bytes: point.verification.seen().map_or(0, |seen| seen.size),
    }
}

fn counts(stock: &[RecoveryPoint], now: Timestamp) -> PointCounts {
    let mut counts = PointCounts::default();
    for point in stock.iter().filter(|point| point.safety_for.is_none()) {
        match (point.is_expired(now), point.is_verified()) {
            (true, _) => {}
            (false, true) => counts.restorable += 1,
            (false, false) => counts.unverified += 1,
        }
    }
    counts
}

fn sizes(stock: &[RecoveryPoint]) -> Vec<PointSize> {
    let counting = stock.iter().rev().filter(|point| point.is_verified() && point.safety_for.is_none());
    let size = |point: &RecoveryPoint| {
        point.verification.seen().map(|seen| PointSize { at: point.at, size_bytes: seen.size })
    };
    counting.filter_map(size).collect()
}

/// The newest that failed or was skipped, with what is known of it. An operation that cannot be read tells no more than
/// the history does.
async fn last_failure(ports: &Ports, history: &[Run]) -> Option<LastFailure> {
    let run = history.iter().find(|run| matches!(run.phase, Phase::Failed | Phase::Skipped))?;
    let told = LastFailure {
        operation: run.id,
        kind: run.kind,
        at: run.closed,
        text: run.failure.clone().unwrap_or_else(|| "it could not start in time".to_owned()),
        code: None,
        cause: None,
        remedy: None,
    };
    let Ok(Some(entry)) = ports.journal.last(run.id).await else { return Some(told) };
    let operation = &entry.operation;
    let Some(failure) = &operation.failure else {
        return Some(LastFailure { text: operation.waiting.clone().unwrap_or(told.text), ..told });
    };
    let told = LastFailure { code: failure.error.code.clone(), remedy: failure.error.remedy.clone(), ..told };
    Some(told.explained(operation.explanation()))
}
