use super::*;
use crate::{
    domain::{BlobRef, Evidence, OperationId, Period, Reason, Seen, Tier, Verification, samples},
    workflows::Whereabouts::{Gone, Overwritten, There, Unknown},
};

fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn seen(size: u64) -> Seen {
    Seen { size, ..samples::seen("\"0x8DE\"") }
}

/// A backup that was started so many hours ago, and verified.
fn made(name: &str, hours: i64) -> RecoveryPoint {
    let plan = samples::plan("sampleapim");
    RecoveryPoint {
        id: OperationId::at(ago(hours)),
        service: plan.service,
        blob: BlobRef { name: name.parse().unwrap(), ..plan.blob },
        at: ago(hours),
        ended: ago(hours) + SignedDuration::from_mins(9),
        tier: Some(Tier("Developer".to_owned())),
        evidence: Some(Evidence::Arm),
        verification: Verification::Verified { blob: seen(4217) },
        safety_for: None,
    }
}

fn unverified(point: RecoveryPoint) -> RecoveryPoint {
    RecoveryPoint { verification: Verification::unverified("no right"), ..point }
}

fn adopted(name: &str, hours: i64) -> RecoveryPoint {
    let RecoveryPoint { id, service, blob, at, .. } = made(name, hours);
    RecoveryPoint::adopted(id, service, blob, seen(9 * 1024 * 1024), at)
}

/// What is known of a container with these points.
fn shown(rows: Vec<(RecoveryPoint, Whereabouts, Option<Outcome>)>) -> Shown {
    let mut stock = Stock::default();
    let mut outcomes = Vec::new();
    for (point, blob, outcome) in rows {
        stock.items.push(Item { point, blob });
        outcomes.push(outcome);
    }
    Shown { container: samples::plan("sampleapim").blob.place(), stock, outcomes }
}

#[test]
fn what_lies_in_a_container_reads_as_a_table() {
    let there = || There(seen(4217));
    let kept = |reasons: &[Reason]| Some(Outcome::Kept(reasons.to_vec()));
    let day = Period::Day("2026-11-22".parse().unwrap());
    let locked = Outcome::KeptByLock { reason: "a legal hold".to_owned() };
    let standby = RecoveryPoint { service: samples::plan("sampleapim-standby").service, ..made("s1", 1) };
    let mut shown = shown(vec![
        (
            made("primary_20261122", 1),
            there(),
            kept(&[Reason::Last(1), Reason::Newest(day), Reason::NewestVerified]),
        ),
        (unverified(made("primary_20261121", 31)), there(), Some(Outcome::ToGo)),
        (made("primary_20261120", 55), there(), Some(locked)),
        (made("primary_20261119", 79), Overwritten(seen(1)), Some(Outcome::Overwritten)),
        (made("primary_20261118", 103), Gone, Some(Outcome::Gone)),
        (adopted("apimbackup_20261103", 463), There(seen(9 * 1024 * 1024)), Some(Outcome::ToGo)),
        (made("primary_20261022", 31 * 24), there(), kept(&[Reason::Newest(Period::Month(2026, 10))])),
        (standby, there(), None),
    ]);
    let stranger =
        |name: &str, modified| Listed { name: name.to_owned(), seen: Seen { modified, ..seen(512) } };
    shown.stock.strangers =
        vec![stranger("apimbackup_20261101", Some(ago(500))), stranger("notes.txt", None)];
    shown.stock.strangers_count = 25;
    insta::assert_snapshot!(table(&shown, now()), @r"
    apimdrstorage/backup
    NAME                 INSTANCE              AGE      SIZE  TIER       RESTORABLE UNTIL      VERIFIED     KEPT BECAUSE
    primary_20261122     sampleapim            60m    4217 B  Developer  2026-12-22T07:00:00Z  yes          last 1, daily 2026-11-22, newest verified
    primary_20261121     sampleapim            31h    4217 B  Developer  2026-12-21T01:00:00Z  no           nothing: the next pruning deletes it
    primary_20261120     sampleapim             2d    4217 B  Developer  2026-12-20T01:00:00Z  yes          kept by lock: a legal hold
    primary_20261119     sampleapim             3d    4217 B  Developer  2026-12-19T01:00:00Z  overwritten  left alone: somebody else wrote another blob under its name
    primary_20261118     sampleapim             4d    4217 B  Developer  2026-12-18T01:00:00Z  gone         not in its container any more: somebody else deleted it
    apimbackup_20261103  sampleapim            19d  9216 KiB  -          2026-12-03T01:00:00Z  no           nothing: the next pruning deletes it
    primary_20261022     sampleapim            31d    4217 B  Developer  expired               yes          monthly 2026-10
    s1                   sampleapim-standby    60m    4217 B  Developer  2026-12-22T07:00:00Z  yes          no policy

    Not ours, and never deleted unless adopted (apim-dr catalog adopt): 25
    apimbackup_20261101  -                     20d     512 B  like Logic App
    notes.txt            -                       -     512 B  unknown
    and 5 more: -o json shows up to 1,000
    ");
}

#[test]
fn a_container_without_recovery_points_and_one_that_cannot_be_listed_say_so() {
    insta::assert_snapshot!(table(&shown(Vec::new()), now()), @r"
    apimdrstorage/backup
    NAME  INSTANCE    AGE      SIZE  TIER       RESTORABLE UNTIL      VERIFIED     KEPT BECAUSE
    no recovery points
    ");
    let point = unverified(made("primary_20261122", 1));
    let mut shown = shown(vec![(point, Unknown, Some(Outcome::Unseen))]);
    shown.stock.unlisted = Some("the account does not take the key".to_owned());
    insta::assert_snapshot!(table(&shown, now()), @r"
    apimdrstorage/backup
      cannot be listed: the account does not take the key
    NAME              INSTANCE      AGE      SIZE  TIER       RESTORABLE UNTIL      VERIFIED     KEPT BECAUSE
    primary_20261122  sampleapim    60m         -  Developer  2026-12-22T07:00:00Z  no           left alone: the container cannot be listed
    ");
}
