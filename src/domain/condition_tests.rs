//! What a report says of its target, one row per condition with its neighbours.

use super::*;
use crate::domain::{
    CheckReport, Impact, LastFailure, OperationId, PointCounts, Readiness, ReadinessReason, Schedule,
    StandbyReport, missed,
    samples::{at, plan},
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// When the reports are read.
const NOW: i64 = 100 * DAY;

/// Nothing speaks against it.
fn target() -> TargetReport {
    let plan = plan("sampleapim");
    TargetReport {
        name: "primary".parse().unwrap(),
        service: plan.service,
        container: plan.blob.place(),
        health: Health::Ok,
        conditions: Vec::new(),
        schedule: "0 0 1 * * *".parse().unwrap(),
        next_run: None,
        rpo_seconds: 26 * HOUR,
        newest: Some(point(HOUR)),
        points: PointCounts::default(),
        sizes: Vec::new(),
        history: vec![run(Phase::Succeeded, NOW - HOUR)],
        missed: Vec::new(),
        last_success: Some(at(NOW - HOUR)),
        median_seconds: None,
        in_progress: Vec::new(),
        last_failure: None,
        standby: None,
        drill: None,
        check: None,
        unreadable: Vec::new(),
    }
}

/// So old.
fn point(age_seconds: i64) -> PointReport {
    PointReport {
        backup: "apimbackup".parse().unwrap(),
        operation: OperationId::at(at(0)),
        at: at(NOW - age_seconds),
        age_seconds,
        restorable_until: at(NOW - age_seconds + 30 * DAY),
        size_bytes: 1,
    }
}

fn run(phase: Phase, closed: i64) -> Run {
    Run {
        id: OperationId::at(at(closed)),
        kind: RunKind::Backup,
        service: "sampleapim".parse().unwrap(),
        phase,
        opened: at(closed - 600),
        started: Some(at(closed - 590)),
        closed: at(closed),
        failure: (phase == Phase::Failed).then(|| "Azure said no".to_owned()),
    }
}

fn open(deadline: i64) -> Progress {
    Progress {
        id: OperationId::at(at(0)),
        kind: RunKind::Restore,
        service: "sampleapim-standby".parse().unwrap(),
        phase: Phase::Running,
        stands: "runs in Azure".to_owned(),
        opened: at(0),
        started: None,
        elapsed_seconds: 0,
        deadline: at(deadline),
        expected_end: None,
    }
}

fn standby(verdict: Option<ReadinessVerdict>) -> StandbyReport {
    let reason = ReadinessReason {
        severity: Impact::Breaks,
        text: "it has another tier".to_owned(),
        remedy: "change it".to_owned(),
        of_points: false,
    };
    let readiness = verdict.map(|verdict| Readiness { verdict, reasons: vec![reason] });
    StandbyReport { service: plan("sampleapim-standby").service, readiness }
}

fn sizes(all: &[u64]) -> Vec<PointSize> {
    all.iter().zip(0..).map(|(size_bytes, n)| PointSize { at: at(n), size_bytes: *size_bytes }).collect()
}

fn told(target: &TargetReport) -> Vec<String> {
    let word = |it: Condition| format!("{} {}: {}", it.level.as_str(), it.code, it.text);
    conditions(target, at(NOW)).into_iter().map(word).collect()
}

fn with(change: &dyn Fn(&mut TargetReport)) -> TargetReport {
    let mut target = target();
    change(&mut target);
    target
}

#[test]
fn of_recovery_points_and_runs_each_condition_is_told_and_its_neighbour_is_not() {
    let rpo = |age| with(&move |it| it.newest = Some(point(age)));
    let ended = |phase| with(&move |it| it.history.insert(0, run(phase, NOW - 10)));
    let rows: Vec<(TargetReport, &[&str])> = vec![
        (target(), &[]),
        (
            with(&|it| it.newest = None),
            &[
                "critical rpo: there is no verified recovery point: nothing can be restored that somebody has seen",
            ],
        ),
        (
            rpo(26 * HOUR + 1),
            &[
                "critical rpo: the newest verified recovery point, apimbackup, is 26 hours old, where 26 hours is the most (RPO)",
            ],
        ),
        (ended(Phase::Failed), &["warning backup.failed: the last backup failed: Azure said no"]),
        (ended(Phase::Skipped), &["warning backup.failed: the last backup was skipped"]),
        (ended(Phase::Canceled), &[]),
        (with(&|it| it.history.insert(0, Run { kind: RunKind::Drill, ..run(Phase::Failed, NOW - 10) })), &[]),
        (
            with(&|it| {
                it.history.insert(0, Run { kind: RunKind::SafetyBackup, ..run(Phase::Failed, NOW - 10) });
            }),
            &[],
        ),
        (
            with(&|it| it.missed = vec![at(NOW - HOUR + 1)]),
            &["warning backup.missed: the backup that was due at 2027-03-01T00:00:01Z has not succeeded"],
        ),
        (with(&|it| it.missed = vec![at(NOW - HOUR)]), &[]),
        (
            with(&|it| {
                it.missed = vec![at(NOW - HOUR), at(NOW - DAY), at(NOW - 2 * DAY)];
                it.last_success = Some(at(NOW - 2 * DAY));
            }),
            &[
                "warning backup.missed: 2 backups that were due have not succeeded: the first at 2027-02-28T01:00:00Z, the last at 2027-03-01T00:00:00Z",
            ],
        ),
        (
            with(&|it| {
                it.rpo_seconds = 40 * DAY;
                it.newest = Some(point(27 * DAY - 1));
            }),
            &[],
        ),
        (
            with(&|it| {
                it.rpo_seconds = 40 * DAY;
                it.newest = Some(point(27 * DAY));
            }),
            &["warning point.expiring: the newest verified recovery point, apimbackup, expires in 3 days"],
        ),
        (
            with(&|it| {
                it.rpo_seconds = 40 * DAY;
                it.newest = Some(point(30 * DAY));
            }),
            &["critical point.expiring: the newest verified recovery point, apimbackup, has expired"],
        ),
    ];
    for (target, expected) in rows {
        assert_eq!(told(&target), expected);
    }
}

#[test]
fn an_rpo_is_at_risk_only_if_the_next_run_is_late_or_would_come_too_late() {
    // The time is 01:00, and a run is due then.
    let day = "0 0 1 * * *";
    let rows = [
        // Between two runs all is as it should be, however much of the RPO is over.
        (day, None, 26, 24 * HOUR, false),
        (day, None, 26, 24 * HOUR - 60, false),
        // The run of two hours and a minute ago did not come.
        ("0 59 22 * * *", None, 26, 25 * HOUR, true),
        ("0 0 0 * * *", None, 26, 25 * HOUR, false),
        // It takes two hours, or four, as usual.
        ("0 30 22 * * *", Some(2 * HOUR), 30, 26 * HOUR + HOUR / 2, false),
        ("0 59 20 * * *", Some(2 * HOUR), 30, 28 * HOUR, true),
        // The next run ends after the RPO.
        ("0 0 2 * * *", Some(HOUR), 26, 23 * HOUR, false),
        ("0 0 2 * * *", Some(4 * HOUR), 26, 23 * HOUR, true),
        ("0 0 1 * * SUN", None, 26, 22 * HOUR, true),
        // A fifth of it is left, and a second more.
        ("0 0 1 * * SUN", None, 26, 26 * HOUR * 8 / 10, true),
        ("0 0 1 * * SUN", None, 26, 26 * HOUR * 8 / 10 - 1, false),
    ];
    for (schedule, median_seconds, rpo, age, expected) in rows {
        let target = TargetReport {
            schedule: schedule.parse().unwrap(),
            median_seconds,
            rpo_seconds: rpo * HOUR,
            newest: Some(point(age)),
            ..target()
        };
        let found = conditions(&target, at(NOW));
        let told = found.iter().map(|it| (it.code.as_ref(), it.level)).collect::<Vec<_>>();
        assert_eq!(
            told == [("rpo", Level::Warning)],
            expected,
            "{schedule} {median_seconds:?} {age}: {told:?}"
        );
        assert!(expected || told.is_empty(), "{schedule} {median_seconds:?} {age}: {told:?}");
    }
}

#[test]
fn while_every_backup_succeeds_nothing_is_ever_told() {
    // Looked at every so many minutes, a few dozen times.
    let rows = [
        ("0 0 1 * * *", 26, 9, 47),
        ("0 0 1 * * *", 26, 110, 47),
        ("0 0 * * * *", 3, 20, 7),
        ("0 0 1 * * SUN", 8 * 24, 40, 301),
    ];
    for (schedule, rpo, minutes, pause) in rows {
        let schedule: Schedule = schedule.parse().unwrap();
        let took = SignedDuration::from_mins(minutes);
        let begin = at(0);
        let instants = std::iter::successors(schedule.next(begin), |instant| schedule.next(*instant));
        let runs: Vec<_> = instants.take_while(|instant| *instant < at(45 * DAY)).collect();
        for step in 0..70 {
            let now = at(30 * DAY + step * pause * 60);
            let ended = runs.iter().filter(|instant| **instant + took <= now).rev();
            let history: Vec<_> = ended
                .map(|instant| Run {
                    opened: *instant,
                    started: Some(*instant),
                    closed: *instant + took,
                    ..run(Phase::Succeeded, 0)
                })
                .collect();
            let newest = history[0].opened;
            let age_seconds = now.duration_since(newest).as_secs();
            let target = TargetReport {
                schedule: schedule.clone(),
                rpo_seconds: rpo * HOUR,
                newest: Some(PointReport {
                    at: newest,
                    age_seconds,
                    restorable_until: newest + SignedDuration::from_hours(30 * 24),
                    ..point(0)
                }),
                missed: missed(&schedule, Some(begin), std::time::Duration::from_hours(6), &history, now),
                last_success: Some(history[0].closed),
                median_seconds: Some(took.as_secs()),
                history,
                ..target()
            };
            assert_eq!(conditions(&target, now), [], "{schedule} at {now}");
        }
    }
}

#[test]
fn of_all_else_each_condition_is_told_and_its_neighbour_is_not() {
    let check = |finding: Finding| Some(CheckReport { at: at(NOW), findings: vec![finding] });
    let rows: Vec<(TargetReport, &[&str])> = vec![
        (with(&|it| it.in_progress = vec![open(NOW - 600)]), &[]),
        (
            with(&|it| it.in_progress = vec![open(NOW), open(NOW - 601)]),
            &[
                "warning operation.stuck: the restore of sampleapim-standby is Running past its deadline: runs in Azure",
            ],
        ),
        (with(&|it| it.standby = Some(standby(None))), &[]),
        (with(&|it| it.standby = Some(standby(Some(ReadinessVerdict::AtRisk)))), &[]),
        (
            with(&|it| it.standby = Some(standby(Some(ReadinessVerdict::NotReady)))),
            &[
                "critical standby.not-ready: a fail-over to sampleapim-standby would not work: it has another tier",
            ],
        ),
        (
            with(&|it| it.check = check(Finding::warns("account.cors", "it has CORS rules", "remove them"))),
            &[],
        ),
        (
            with(&|it| {
                it.check = check(Finding::blocks("tier.unsupported", "it is StandardV2", "take another"));
            }),
            &["warning blocked.tier.unsupported: the next backup cannot work: it is StandardV2"],
        ),
        // A backup was opened and succeeded after the look.
        (
            with(&|it| {
                let findings = vec![Finding::blocks("tier.unsupported", "it is StandardV2", "take another")];
                it.check = Some(CheckReport { at: at(NOW - HOUR - 600), findings });
            }),
            &[],
        ),
        (with(&|it| it.sizes = sizes(&[100, 100, 300])), &[]),
        (with(&|it| it.sizes = sizes(&[100, 110, 90, 200])), &[]),
        (with(&|it| it.sizes = sizes(&[100, 110, 90, 50])), &[]),
        (
            with(&|it| it.sizes = sizes(&[100, 110, 90, 201])),
            &["warning size.unusual: the newest backup has 201 bytes, where 100 are usual"],
        ),
        (
            with(&|it| it.sizes = sizes(&[100, 110, 90, 49])),
            &["warning size.unusual: the newest backup has 49 bytes, where 100 are usual"],
        ),
        (
            with(&|it| it.unreadable = vec!["a is broken".to_owned()]),
            &["warning records.corrupt: a is broken"],
        ),
        (
            with(&|it| it.unreadable = vec!["a is broken".to_owned(), "b is, too".to_owned()]),
            &["warning records.corrupt: 2 records cannot be read, such as: a is broken"],
        ),
    ];
    for (target, expected) in rows {
        assert_eq!(told(&target), expected);
    }
}

#[test]
fn the_worst_comes_first_and_is_the_health() {
    let mut target = target();
    target.history.insert(0, run(Phase::Failed, NOW - 10));
    assert_eq!(Health::of(&conditions(&target, at(NOW))), Health::AtRisk);
    target.newest = None;
    let all = conditions(&target, at(NOW));
    assert_eq!(all.iter().map(|it| it.code.as_ref()).collect::<Vec<_>>(), ["rpo", "backup.failed"]);
    assert_eq!(Health::of(&all), Health::Failing);
    assert_eq!(Health::of(&[]), Health::Ok);
}

#[test]
fn a_failure_is_told_with_the_remedy_that_is_known_of_it() {
    let mut target = target();
    let failed = run(Phase::Failed, NOW - 10);
    target.history.insert(0, failed.clone());
    let remedy = |target: &TargetReport| conditions(target, at(NOW)).remove(0).remedy;
    assert_eq!(remedy(&target), format!("see what happened: apim-dr operations show {}", failed.id));
    target.last_failure = Some(LastFailure {
        operation: failed.id,
        kind: RunKind::Backup,
        at: failed.closed,
        text: String::new(),
        code: None,
        cause: None,
        remedy: Some("give it the role".to_owned()),
    });
    assert_eq!(remedy(&target), "give it the role");
}

/// Since when the schedule is known, what ended, when it is looked at, and what was missed.
type Missing<'a> = (Option<&'a str>, Vec<Run>, &'a str, &'a [&'a str]);

#[test]
fn an_instant_is_missed_if_no_backup_succeeded_by_its_deadline() {
    let schedule = "0 0 1 * * *".parse().unwrap();
    let instant = |text: &str| -> Timestamp { text.parse().unwrap() };
    let ended = |phase, opened: &str, closed: &str| Run {
        opened: instant(opened),
        closed: instant(closed),
        ..run(phase, 0)
    };
    let ok = |opened, closed| ended(Phase::Succeeded, opened, closed);
    let no = |opened, closed| ended(Phase::Failed, opened, closed);
    let since = Some("2026-11-19T12:00:00Z");
    let rows: [Missing<'_>; 11] = [
        // Nobody knows since when.
        (None, vec![], "2026-11-21T12:00:00Z", &[]),
        (since, vec![], "2026-11-20T06:59:59Z", &[]),
        (since, vec![], "2026-11-20T07:00:00Z", &["2026-11-20T01:00:00Z"]),
        (since, vec![], "2026-11-21T12:00:00Z", &["2026-11-21T01:00:00Z", "2026-11-20T01:00:00Z"]),
        (since, vec![ok("2026-11-20T01:00:01Z", "2026-11-20T07:00:00Z")], "2026-11-20T12:00:00Z", &[]),
        (
            since,
            vec![ok("2026-11-20T01:00:01Z", "2026-11-20T07:00:01Z")],
            "2026-11-20T12:00:00Z",
            &["2026-11-20T01:00:00Z"],
        ),
        (
            since,
            vec![no("2026-11-20T01:00:01Z", "2026-11-20T01:10:00Z")],
            "2026-11-20T12:00:00Z",
            &["2026-11-20T01:00:00Z"],
        ),
        // A timer fires a moment early; what was begun before has not what was changed until then.
        (since, vec![ok("2026-11-20T00:59:59Z", "2026-11-20T01:10:00Z")], "2026-11-20T12:00:00Z", &[]),
        (
            since,
            vec![ok("2026-11-20T00:30:00Z", "2026-11-20T01:10:00Z")],
            "2026-11-20T12:00:00Z",
            &["2026-11-20T01:00:00Z"],
        ),
        // By hand is as good.
        (since, vec![ok("2026-11-20T05:00:00Z", "2026-11-20T05:10:00Z")], "2026-11-20T12:00:00Z", &[]),
        // The fire in which it was first seen counts.
        (Some("2026-11-20T01:00:30Z"), vec![], "2026-11-20T12:00:00Z", &["2026-11-20T01:00:00Z"]),
    ];
    for (since, history, now, expected) in rows {
        let found =
            missed(&schedule, since.map(instant), std::time::Duration::from_hours(6), &history, instant(now));
        let expected: Vec<_> = expected.iter().map(|at| instant(at)).collect();
        assert_eq!(found, expected, "{since:?} {history:?} {now}");
    }
}

#[test]
fn of_a_schedule_that_fires_all_the_time_the_last_instants_count_and_none_older_than_30_days() {
    let count = |schedule: &str| {
        let since = "2020-01-01T00:00:00Z".parse().unwrap();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        missed(&schedule.parse().unwrap(), Some(since), std::time::Duration::from_hours(6), &[], now).len()
    };
    assert_eq!((count("0 0 1 * * *"), count("0 0 * * * *"), count("0 * * * * *")), (30, 715, 1000));
}

#[test]
fn a_condition_is_over_only_if_what_it_is_seen_by_could_be_read() {
    let standby = |readiness| TargetReport {
        standby: Some(StandbyReport { service: plan("standby").service, readiness }),
        ..target()
    };
    let looked = |codes: &[&'static str]| {
        let findings = codes.iter().map(|code| Finding::warns(code, "text", "remedy")).collect();
        TargetReport { check: Some(CheckReport { at: at(NOW), findings }), ..target() }
    };
    let unreadable = || TargetReport { unreadable: vec!["one".to_owned()], ..target() };
    let ready = Readiness { verdict: ReadinessVerdict::Ready, reasons: Vec::new() };
    let firewall = "blocked.firewall.bypass";
    let rows = vec![
        (target(), "rpo", true),
        (unreadable(), "rpo", false),
        (unreadable(), CORRUPT, false),
        (target(), NOT_READY, true),
        (standby(None), NOT_READY, false),
        (standby(Some(ready)), NOT_READY, true),
        (target(), firewall, false),
        (looked(&[]), firewall, true),
        (looked(&["role.unread"]), firewall, true),
        (looked(&["role.unread"]), "blocked.role.missing", false),
        (looked(&["account.unread"]), firewall, false),
        (looked(&["account.unseen"]), firewall, false),
        (looked(&["service.missing"]), firewall, false),
        (looked(&["service.missing"]), "blocked.service.missing", true),
        (looked(&["identity.unknown"]), "blocked.identity.not-assigned", false),
        (looked(&["service.unknown-parts"]), "blocked.identity.missing", false),
        (TargetReport { history: Vec::new(), ..target() }, FAILED, false),
        (TargetReport { history: Vec::new(), ..target() }, MISSED, false),
        (target(), FAILED, true),
        (target(), MISSED, true),
        (looked(&["account.unread"]), "blocked.container.missing", false),
        (looked(&["account.unread"]), "blocked.tier.unsupported", true),
        (looked(&["service.unreadable"]), "blocked.tier.unsupported", false),
        (looked(&["tier.unknown"]), "blocked.tier.unsupported", false),
    ];
    for (target, code, expected) in rows {
        let subject = Subject::Target(target.name.clone());
        let report = |conditions| Report {
            at: at(NOW),
            health: Health::Ok,
            targets: vec![target.clone()],
            conditions,
        };
        let plain = report(Vec::new());
        assert_eq!(is_told(&plain, &subject, code), expected, "{code}: {:?}", target.check);
        assert!(is_told(&plain, &Subject::App, code), "{code}");
        let corrupt = report(vec![corrupt("text".to_owned())]);
        assert!(!is_told(&corrupt, &subject, STUCK) && !is_told(&corrupt, &Subject::App, STUCK));
    }
}
