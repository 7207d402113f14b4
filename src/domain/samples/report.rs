//! A report with everything that may be in one: a target that is well, one with a bit of every trouble, one that never
//! had a backup. What may hold any text holds what somebody would write who wants a page or a table to break.

use jiff::{SignedDuration, Timestamp};

use super::at;
use crate::domain::{
    CheckReport, Condition, DrillReport, Finding, Health, Impact, LastFailure, Level, OperationId, Phase,
    PointCounts, PointReport, PointSize, Progress, Readiness, ReadinessReason, ReadinessVerdict, Report, Run,
    RunKind, ServiceId, StandbyReport, TargetReport, conditions,
};

/// Markup, quotes, an ampersand, and a character that turns the direction of writing.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script> \"a\" & 'b' \u{202e}txt.exe";

const DAY: i64 = 24 * 3600;

/// 2026-11-22T12:00:00Z. The targets are backed up at 01:00.
pub(crate) fn report() -> Report {
    let now = at(DAY + 11 * 3600);
    let targets: Vec<_> = [well(now), troubled(now), bare(now)]
        .into_iter()
        .map(|target| {
            let conditions = conditions(&target, now);
            TargetReport { health: Health::of(&conditions), conditions, ..target }
        })
        .collect();
    let told = Condition::new("records.corrupt", Level::Warning, HOSTILE, HOSTILE);
    let health = targets.iter().map(|target| target.health).max().unwrap();
    Report { at: now, health, targets, conditions: vec![told] }
}

/// The instant at which a backup was due, so many days ago.
fn due(days_ago: i64) -> Timestamp {
    at(DAY - days_ago * DAY)
}

/// The same id for the same instant and number, so that texts can be held by snapshots.
fn id(opened: Timestamp, number: u8) -> OperationId {
    let millis = opened.as_millisecond();
    let text = format!("{:08x}-{:04x}-7000-8000-{number:012x}", millis >> 16, millis & 0xffff);
    text.parse().unwrap()
}

fn service(name: &str) -> ServiceId {
    let mut service = super::plan("sampleapim").service;
    service.name = name.parse().unwrap();
    service
}

/// It took so many minutes from the minute after its opening.
fn run(kind: RunKind, service: &str, opened: Timestamp, minutes: i64) -> Run {
    let started = opened + SignedDuration::from_mins(1);
    Run {
        id: id(opened, kind as u8),
        kind,
        service: service.parse().unwrap(),
        phase: Phase::Succeeded,
        opened,
        started: Some(started),
        closed: started + SignedDuration::from_mins(minutes),
        failure: None,
    }
}

fn failed(run: Run, phase: Phase) -> Run {
    Run { phase, failure: Some(HOSTILE.to_owned()), ..run }
}

fn newest(backup: &str, point: Timestamp, now: Timestamp) -> PointReport {
    PointReport {
        backup: backup.parse().unwrap(),
        operation: id(point, 0),
        at: point,
        age_seconds: now.duration_since(point).as_secs(),
        restorable_until: point + SignedDuration::from_hours(30 * 24),
        size_bytes: 5_242_880,
    }
}

/// What all of them have.
fn target(name: &str, instance: &str, now: Timestamp) -> TargetReport {
    let plan = super::plan(instance);
    let schedule: crate::domain::Schedule = "0 0 1 * * *".parse().unwrap();
    TargetReport {
        name: name.parse().unwrap(),
        service: plan.service,
        container: plan.blob.place(),
        health: Health::Ok,
        conditions: Vec::new(),
        next_run: schedule.next(now),
        schedule,
        rpo_seconds: 26 * 3600,
        newest: None,
        points: PointCounts::default(),
        sizes: Vec::new(),
        history: Vec::new(),
        missed: Vec::new(),
        last_success: None,
        median_seconds: None,
        in_progress: Vec::new(),
        last_failure: None,
        standby: None,
        drill: None,
        check: None,
        unreadable: Vec::new(),
    }
}

/// Thirty days of backups, a drill, a standby that is ready.
fn well(now: Timestamp) -> TargetReport {
    let mut history: Vec<_> =
        (0..30).map(|day| run(RunKind::Backup, "sampleapim", due(day), 34 + day * 7 % 11)).collect();
    let drill = run(RunKind::Drill, "sampleapim-drill", due(4) + SignedDuration::from_hours(7), 41);
    history.insert(4, drill.clone());
    let sizes = (0..30)
        .rev()
        .map(|day| PointSize { at: due(day), size_bytes: 5_242_880 - 4096 * day.unsigned_abs() });
    TargetReport {
        newest: Some(newest("sampleapim-20261122T010000Z", due(0), now)),
        points: PointCounts { restorable: 30, unverified: 1 },
        sizes: sizes.collect(),
        last_success: Some(history[0].closed),
        median_seconds: Some(39 * 60),
        standby: Some(StandbyReport {
            service: service("sampleapim-standby"),
            readiness: Some(Readiness { verdict: ReadinessVerdict::Ready, reasons: Vec::new() }),
        }),
        drill: Some(DrillReport {
            service: service("sampleapim-drill"),
            next: Some(due(-3)),
            rto_seconds: Some(drill.closed.duration_since(drill.opened).as_secs()),
            last: Some(drill),
        }),
        check: Some(CheckReport { at: due(0), findings: Vec::new() }),
        history,
        ..target("primary", "sampleapim", now)
    }
}

/// Its newest recovery point is old, a backup runs, others failed or never came.
fn troubled(now: Timestamp) -> TargetReport {
    const INSTANCE: &str = "contoso-contoso-contoso-contoso-contoso-contoso-xy";
    let mut history: Vec<_> = (2..24)
        .filter(|day| ![6, 7].contains(day))
        .map(|day| run(RunKind::Backup, INSTANCE, due(day), 60 + day))
        .collect();
    history[3] = failed(history[3].clone(), Phase::Failed);
    history[5] = failed(history[5].clone(), Phase::Canceled);
    history.insert(0, failed(run(RunKind::Backup, INSTANCE, due(1), 3), Phase::Failed));
    history.insert(
        2,
        failed(run(RunKind::Restore, INSTANCE, due(3) + SignedDuration::from_hours(2), 9), Phase::Failed),
    );
    history.insert(3, run(RunKind::SafetyBackup, INSTANCE, due(3) + SignedDuration::from_hours(1), 50));
    let skipped =
        failed(run(RunKind::Backup, INSTANCE, due(11) + SignedDuration::from_hours(1), 0), Phase::Skipped);
    history.insert(11, Run { started: None, ..skipped });
    let opened = due(0) + SignedDuration::from_hours(10);
    let reason = |severity, text: &str| ReadinessReason {
        severity,
        text: text.to_owned(),
        remedy: HOSTILE.to_owned(),
        of_points: false,
    };
    TargetReport {
        newest: Some(newest("contoso/\"><script>alert(1)</script>&'\u{202e}.apimbackup", due(2), now)),
        rpo_seconds: 72 * 3600,
        points: PointCounts { restorable: 18, unverified: 0 },
        sizes: (2..8).rev().map(|day| PointSize { at: due(day), size_bytes: 9_000_000 }).collect(),
        missed: vec![due(6), due(7)],
        last_success: Some(due(2) + SignedDuration::from_hours(1)),
        median_seconds: Some(70 * 60),
        in_progress: vec![Progress {
            id: id(opened, 9),
            kind: RunKind::Backup,
            service: INSTANCE.parse().unwrap(),
            phase: Phase::Running,
            stands: HOSTILE.to_owned(),
            opened,
            started: Some(opened),
            elapsed_seconds: 3600,
            deadline: opened + SignedDuration::from_hours(6),
            expected_end: Some(opened + SignedDuration::from_mins(70)),
        }],
        last_failure: Some(LastFailure {
            operation: history[0].id,
            kind: RunKind::Backup,
            at: history[0].closed,
            text: HOSTILE.to_owned(),
            code: Some(HOSTILE.to_owned()),
            cause: Some("the storage account has a firewall that keeps API Management out".to_owned()),
            remedy: Some(HOSTILE.to_owned()),
        }),
        standby: Some(StandbyReport {
            service: service("contoso-standby"),
            readiness: Some(Readiness {
                verdict: ReadinessVerdict::AtRisk,
                reasons: vec![reason(Impact::Risks, HOSTILE), reason(Impact::Risks, "the standby is busy")],
            }),
        }),
        drill: Some(DrillReport {
            service: service("contoso-drill"),
            next: None,
            last: None,
            rto_seconds: None,
        }),
        check: Some(CheckReport {
            at: due(0),
            findings: vec![
                Finding::blocks("account.key", HOSTILE, HOSTILE),
                Finding::warns("account.cors", "the storage account has CORS rules", "remove them"),
            ],
        }),
        history,
        ..target("shop-europe", INSTANCE, now)
    }
}

/// Nothing ever worked, and nobody knows of its standby.
fn bare(now: Timestamp) -> TargetReport {
    TargetReport {
        points: PointCounts { restorable: 0, unverified: 2 },
        missed: (0..30).map(due).collect(),
        standby: Some(StandbyReport { service: service("legacy-standby"), readiness: None }),
        unreadable: vec![HOSTILE.to_owned()],
        ..target("legacy", "legacyapim", now)
    }
}

#[test]
fn the_sample_has_one_target_of_each_health() {
    let healths: Vec<_> = report().targets.iter().map(|target| target.health).collect();
    assert_eq!(healths, [Health::Ok, Health::AtRisk, Health::Failing]);
}
