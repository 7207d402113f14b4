use super::{
    Impact::{Breaks, Notes, Risks},
    ReadinessVerdict::{AtRisk, NotReady, Ready},
    *,
};
use crate::domain::{
    Evidence, OperationId, Verification,
    samples::{plan, seen},
};

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

/// Verified, of the tier Premium.
fn point(hours_ago: i64) -> RecoveryPoint {
    let (at, plan) = (now() - SignedDuration::from_hours(hours_ago), plan("sampleapim"));
    RecoveryPoint {
        id: OperationId::at(at),
        service: plan.service,
        blob: plan.blob,
        at,
        ended: at,
        tier: Some(Tier("Premium".to_owned())),
        evidence: Some(Evidence::Arm),
        verification: Verification::Verified { blob: seen("x") },
        safety_for: None,
    }
}

fn difference(severity: Impact, item: &'static str) -> Difference {
    let text = |text: &str| text.to_owned();
    let (primary, standby) = (text("a"), text("b"));
    Difference {
        severity,
        item: item.into(),
        primary,
        standby,
        text: format!("{item} differs"),
        remedy: text("do"),
    }
}

/// What a row changes of a pair that is ready.
struct Pair {
    point: Option<RecoveryPoint>,
    primary_tier: Option<&'static str>,
    standby_tier: Option<&'static str>,
    standby_idle: Option<bool>,
    differences: Vec<Difference>,
    findings: Vec<Finding>,
}

fn judged(change: impl FnOnce(&mut Pair)) -> Readiness {
    let mut pair = Pair {
        point: Some(point(1)),
        primary_tier: Some("Premium"),
        standby_tier: Some("Premium"),
        standby_idle: Some(true),
        differences: vec![difference(Notes, "platform")],
        findings: Vec::new(),
    };
    change(&mut pair);
    let tier = |name: Option<&str>| name.map(|name| Tier(name.to_owned()));
    readiness(ReadinessFacts {
        rpo: SignedDuration::from_hours(26),
        now: now(),
        newest_verified: pair.point.as_ref(),
        primary_tier: tier(pair.primary_tier).as_ref(),
        standby_tier: tier(pair.standby_tier).as_ref(),
        standby_idle: pair.standby_idle,
        differences: &pair.differences,
        findings: &pair.findings,
    })
}

#[test]
fn a_pair_is_ready_at_risk_or_not_and_each_reason_is_told() {
    type Row = (&'static str, fn(&mut Pair), ReadinessVerdict, &'static [&'static str]);
    const POINT: &str = "the newest verified recovery point, apimbackup,";
    const TIER: &str = "the backup is of the tier Premium, and the standby of the tier";
    const ROWS: &[Row] = &[
        ("all is well", |_| {}, Ready, &[]),
        ("no point", |it| it.point = None, NotReady, &["there is no verified recovery point"]),
        (
            "an unverified point",
            |it| {
                let verification = Verification::unverified("no right");
                it.point = Some(RecoveryPoint { verification, ..point(1) });
            },
            NotReady,
            &["there is no verified recovery point"],
        ),
        ("as old as may be", |it| it.point = Some(point(26)), Ready, &[]),
        ("older", |it| it.point = Some(point(27)), AtRisk, &[POINT]),
        ("dated in the future", |it| it.point = Some(point(-1)), Ready, &[]),
        ("three days left", |it| it.point = Some(point(27 * 24)), AtRisk, &[POINT, POINT]),
        ("more than three days left", |it| it.point = Some(point(27 * 24 - 1)), AtRisk, &[POINT]),
        ("expired", |it| it.point = Some(point(30 * 24)), NotReady, &[POINT]),
        ("another tier", |it| it.standby_tier = Some("Developer"), NotReady, &[TIER]),
        ("the tier in small letters", |it| it.standby_tier = Some("premium"), Ready, &[]),
        (
            "no tier",
            |it| it.standby_tier = None,
            AtRisk,
            &["nobody could tell whether the standby has the tier"],
        ),
        ("another tier by now", |it| it.primary_tier = Some("Developer"), Ready, &[]),
        (
            "a tier that only the primary tells",
            |it| {
                it.point.as_mut().unwrap().tier = None;
                it.standby_tier = Some("Developer");
            },
            NotReady,
            &[TIER],
        ),
        (
            "the tier differs, too",
            |it| {
                it.standby_tier = Some("Developer");
                it.differences.push(difference(Breaks, "tier"));
            },
            NotReady,
            &[TIER],
        ),
        ("busy", |it| it.standby_idle = Some(false), AtRisk, &["the standby is busy"]),
        (
            "nobody knows",
            |it| it.standby_idle = None,
            AtRisk,
            &["nobody could tell whether the standby is busy"],
        ),
        (
            "something breaks, something risks",
            |it| it.differences.extend([difference(Risks, "capacity"), difference(Breaks, "hostname")]),
            NotReady,
            &["hostname differs", "capacity differs"],
        ),
        (
            "something risks",
            |it| it.differences.push(difference(Risks, "capacity")),
            AtRisk,
            &["capacity differs"],
        ),
        ("a block", |it| it.findings.push(Finding::blocks("a.b", "blocked", "do")), NotReady, &["blocked"]),
        ("a warning", |it| it.findings.push(Finding::warns("a.b", "warned", "do")), AtRisk, &["warned"]),
    ];
    for (name, change, verdict, starts) in ROWS {
        let found = judged(change);
        assert_eq!(found.verdict, *verdict, "{name}: {found:?}");
        assert_eq!(found.reasons.len(), starts.len(), "{name}: {found:?}");
        for (reason, start) in found.reasons.iter().zip(*starts) {
            assert!(reason.text.starts_with(start), "{name}: {reason:?}");
            assert!(!reason.remedy.is_empty(), "{name}: {reason:?}");
        }
    }
}

#[test]
fn ages_are_told_beside_what_they_may_be() {
    let texts = |hours| judged(|it| it.point = Some(point(hours))).reasons.into_iter().map(|it| it.text);
    let texts: Vec<_> = texts(30).chain(texts(29 * 24 + 23)).chain(texts(720)).collect();
    insta::assert_snapshot!(texts.join("\n"), @r"
    the newest verified recovery point, apimbackup, is 30 hours old, where 26 hours is the most (RPO): later changes would be lost
    the newest verified recovery point, apimbackup, is 29 days old, where 26 hours is the most (RPO): later changes would be lost
    the newest verified recovery point, apimbackup, expires in 60 minutes
    the newest verified recovery point, apimbackup, has expired: API Management need not restore it
    ");
}
