//! What leaves the records, and what stays.
//!
//! In a far year: the stores say themselves when a key was written, and that is today.

use std::collections::BTreeSet;

use super::{claims::key, failing::Failing, *};
use crate::{
    domain::{
        AttemptId, FailureKind,
        samples::{accepted, failure, started},
    },
    ports::Pruned,
};

/// The middle of a month: only the months before it are wholly older.
const BEFORE: &str = "2100-03-15T12:00:00Z";
const OLD: &str = "2100-02-28T23:59:59Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// All that is in the records, except what there is once.
async fn names(records: &Records) -> BTreeSet<String> {
    let names = records.store.list(&Path::default()).await.unwrap();
    names.iter().map(ToString::to_string).filter(|name| name != "state-key").collect()
}

fn at(instant: &str) -> Opening {
    let opened = time(instant);
    Opening { id: OperationId::at(opened), opened, deadline: opened, ..opening("sampleapim") }
}

/// Opens an operation by slot and by key, and writes its first entry.
async fn opened_at(records: &Records, instant: &str) -> Entry {
    let opening = at(instant);
    let slot = Cause::Slot { target: "primary".parse().unwrap(), instant: opening.opened };
    assert_eq!(records.claim(&slot, &opening).await.unwrap(), Claim::Ours);
    assert_eq!(records.claim(&key("backup", instant, "body"), &opening).await.unwrap(), Claim::Ours);
    records.open(&opening, &credentials()).await.unwrap();
    let entry = first(opening);
    records.append(&entry).await.unwrap();
    entry
}

async fn closed_at(records: &Records, instant: &str) -> Entry {
    let entry = opened_at(records, instant).await;
    let terminal = entry.then(Event::Skipped { reason: "late".into() }, time(instant)).unwrap();
    records.append(&terminal).await.unwrap();
    records.close(&terminal).await.unwrap();
    terminal
}

async fn pruned(records: &Records) -> Pruned {
    records.prune(time(BEFORE)).await.unwrap()
}

/// How many objects were deleted; nothing is left that is not over.
async fn deleted(records: &Records) -> usize {
    let Pruned { deleted, left } = pruned(records).await;
    assert!(left.is_empty(), "{left:?}");
    deleted
}

#[tokio::test]
async fn what_is_over_since_before_then_goes_with_all_that_names_it() {
    on_each_place(|records| async move {
        closed_at(&records, "2100-06-01T00:00:00Z").await;
        let young = names(&records).await;
        closed_at(&records, "2099-12-31T01:00:00Z").await;
        closed_at(&records, OLD).await;
        // Each: two entries, a history, a slot and a key.
        assert_eq!(deleted(&records).await, 2 * 5);
        assert_eq!(names(&records).await, young);
        assert_eq!(deleted(&records).await, 0);
        assert_eq!(names(&records).await, young);
    })
    .await;
}

#[tokio::test]
async fn what_is_younger_stays() {
    on_each_place(|records| async move {
        closed_at(&records, "2100-03-15T12:00:00Z").await;
        closed_at(&records, "2101-01-01T00:00:00Z").await;
        records.since(&"primary".parse().unwrap(), "0 0 1 * * *", time(OLD)).await.unwrap();
        let all = names(&records).await;
        assert_eq!(deleted(&records).await, 0);
        assert_eq!(names(&records).await, all);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_found_as_long_as_its_operation_is() {
    on_each_place(|records| async move {
        // Old, but its month is not wholly so.
        let opened = "2100-03-01T00:00:00Z";
        let entry = closed_at(&records, opened).await;
        let again = async || records.claimed(&key("backup", opened, "body"), &at(BEFORE)).await.unwrap();
        deleted(&records).await;
        assert_eq!(records.last(entry.operation.id).await.unwrap(), Some(entry.clone()));
        assert!(matches!(again().await, Some(Claim::Theirs(theirs)) if theirs.id == entry.operation.id));
        records.prune(time("2100-04-01T00:00:00Z")).await.unwrap();
        assert_eq!(records.last(entry.operation.id).await.unwrap(), None);
        assert_eq!(again().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_the_store_saw_lately_stays_whatever_it_says() {
    on_each_place(|records| async move {
        // Written today, opened long ago, and nothing came of it.
        records.claim(&key("backup", "nightly", "body"), &at("2001-01-01T00:00:00Z")).await.unwrap();
        let all = names(&records).await;
        assert_eq!(records.prune(time("2002-01-01T00:00:00Z")).await.unwrap().deleted, 0);
        assert_eq!(names(&records).await, all);
    })
    .await;
}

#[tokio::test]
async fn what_is_open_stays_however_old() {
    on_each_place(|records| async move {
        // Newer slots, so that slots are no reason to stay.
        closed_at(&records, "2100-06-01T00:00:00Z").await;
        let open = opened_at(&records, "2100-01-01T00:00:00Z").await;
        // Closed without the answer, which came later.
        let reopened = opened_at(&records, "2100-01-02T00:00:00Z").await;
        let attempt = AttemptId::random();
        let started = reopened.then(started(attempt), time(OLD)).unwrap();
        let failed = started.then(failure(FailureKind::OutcomeUnknown), time(OLD)).unwrap();
        for entry in [&started, &failed] {
            records.append(entry).await.unwrap();
        }
        records.close(&failed).await.unwrap();
        records.keep_answer(failed.operation.id, attempt, &accepted(), &credentials()).await.unwrap();
        // Opened by a key, and whoever did died before the first entry.
        let unborn = at("2100-01-03T00:00:00Z");
        let its_key = key("backup", "unborn", "body");
        records.claim(&its_key, &unborn).await.unwrap();
        records.open(&unborn, &credentials()).await.unwrap();

        deleted(&records).await;
        assert_eq!(records.entries(open.operation.id).await.unwrap(), std::slice::from_ref(&open));
        assert_eq!(records.entries(failed.operation.id).await.unwrap().len(), 3);
        assert_eq!(records.open_operations().await.unwrap().len(), 3);
        let keys = [
            (key("backup", "2100-01-01T00:00:00Z", "body"), open.operation.id),
            (key("backup", "2100-01-02T00:00:00Z", "body"), failed.operation.id),
            (its_key, unborn.id),
        ];
        for (cause, id) in keys {
            let claimed = records.claimed(&cause, &unborn).await.unwrap();
            assert!(matches!(&claimed, Some(Claim::Theirs(theirs)) if theirs.id == id), "{cause:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_told_to_be_over_stays_and_is_named() {
    on_each_place(|records| async move {
        let terminal = closed_at(&records, OLD).await;
        let unreadable = closed_at(&records, "2100-01-01T00:00:00Z").await.operation.id;
        let entry = Path::from(format!("operations/210001/{unreadable}/000002.json"));
        records.store.0.put(&entry, "{".into()).await.unwrap();
        let unmarked = first(at("2100-01-02T00:00:00Z"));
        records.append(&unmarked).await.unwrap();
        records.store.0.put(&Path::from("keys/x"), "{".into()).await.unwrap();
        records.store.0.put(&Path::from("operations/210001/x/y"), "{".into()).await.unwrap();

        let left = pruned(&records).await.left;
        let mut paths: Vec<_> = left
            .iter()
            .map(|error| match error {
                RecordsError::Corrupt { path, .. } => path.clone(),
                other => panic!("{other}"),
            })
            .collect();
        paths.sort();
        let mut expected = [
            "keys/x".to_owned(),
            entry.to_string(),
            format!("operations/210001/{}/000001.json", unmarked.operation.id),
        ];
        expected.sort();
        assert_eq!(paths, expected);
        assert_eq!(records.last(unmarked.operation.id).await.unwrap(), Some(unmarked));
        assert!(records.last(unreadable).await.is_err());
        // The others went.
        assert_eq!(records.last(terminal.operation.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_newest_slot_of_a_target_stays_so_that_its_instant_is_never_opened_again() {
    on_each_place(|records| async move {
        for (target, instants) in [
            ("leap", vec!["2096-02-29T00:00:00Z", "2092-02-29T00:00:00Z"]),
            ("primary-2", vec!["2099-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "2100-06-01T00:00:00Z"]),
        ] {
            let target: crate::domain::TargetName = target.parse().unwrap();
            records.since(&target, "0 0 0 29 2 *", time("2092-01-01T00:00:00Z")).await.unwrap();
            for instant in instants {
                let cause = Cause::Slot { target: target.clone(), instant: time(instant) };
                records.claim(&cause, &at(instant)).await.unwrap();
            }
        }
        // Drills have a newest of their own.
        for instant in ["2096-03-01T00:00:00Z", "2092-03-01T00:00:00Z"] {
            let cause = Cause::Drill { target: "leap".parse().unwrap(), instant: time(instant) };
            records.claim(&cause, &at(instant)).await.unwrap();
        }
        assert_eq!(deleted(&records).await, 4);
        let left = names(&records).await;
        let slots: Vec<_> = left.iter().filter(|name| !name.contains("/since/")).collect();
        let expected = [
            "slots/leap.drill/20960301T000000Z",
            "slots/leap/20960229T000000Z",
            "slots/primary-2/21000601T000000Z",
        ];
        assert_eq!(slots, expected);
        assert_eq!(left.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn two_may_prune_at_once() {
    on_each_place(|records| async move {
        closed_at(&records, "2100-06-01T00:00:00Z").await;
        let young = names(&records).await;
        for day in 1..=9 {
            closed_at(&records, &format!("2100-01-0{day}T00:00:00Z")).await;
        }
        for left in join_all([pruned(&records), pruned(&records)]).await {
            assert!(left.left.is_empty(), "{left:?}");
        }
        assert_eq!(names(&records).await, young);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_leaves_closed_operations_and_the_rest_to_the_next_time() {
    for deletes in 0..8 {
        let store = Arc::new(Failing::default());
        let records = Records::on(store.clone(), StateKey::generate());
        closed_at(&records, "2100-06-01T00:00:00Z").await;
        let young = names(&records).await;
        let old = [closed_at(&records, OLD).await, closed_at(&records, "2100-01-01T00:00:00Z").await];
        *store.deletes.lock().unwrap() = Some(deletes);
        let error = records.prune(time(BEFORE)).await.unwrap_err();
        assert!(matches!(error, RecordsError::Store { action: "delete", .. }), "{error}");
        for terminal in &old {
            let id = terminal.operation.id;
            match records.last(id).await.unwrap() {
                Some(entry) => {
                    assert_eq!(entry, *terminal);
                    let instant = terminal.operation.opened.to_string();
                    let claimed =
                        records.claimed(&key("backup", &instant, "body"), &at(BEFORE)).await.unwrap();
                    assert!(matches!(claimed, Some(Claim::Theirs(theirs)) if theirs.id == id), "{deletes}");
                }
                None => assert!(deletes > 1),
            }
        }
        deleted(&records).await;
        assert_eq!(names(&records).await, young, "after {deletes}");
    }
}

#[tokio::test]
async fn of_ten_that_would_prune_on_one_day_one_does() {
    on_each_place(|records| async move {
        // None on the first day, nor after the time has jumped, back or forth.
        let days = [
            ("2100-03-15", 0),
            ("2100-03-16", 1),
            ("2100-04-15", 1),
            ("2100-05-16", 0),
            ("2100-05-17", 1),
            ("2136-05-18", 0),
            ("2100-05-18", 1),
            ("2100-03-01", 0),
        ];
        for (day, expected) in days {
            let claims = (0..10).map(|hour| records.claim_pruning(time(&format!("{day}T0{hour}:00:00Z"))));
            let claims = join_all(claims).await;
            let ours = claims.iter().filter(|claim| matches!(claim, Ok(true))).count();
            assert_eq!(ours, expected, "{day}: {claims:?}");
        }
        // Its marks are pruned, too.
        assert_eq!(records.prune(time("2100-05-18T00:00:00Z")).await.unwrap().deleted, 6);
        let left = ["pruned/21000518", "pruned/21360518"].map(str::to_owned);
        assert_eq!(names(&records).await, left.into());
    })
    .await;
}

#[tokio::test]
async fn no_empty_folder_is_left_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&Location::Directory(folder.path().to_owned()), None).await.unwrap();
    closed_at(&records, OLD).await;
    closed_at(&records, "2100-06-01T00:00:00Z").await;
    deleted(&records).await;
    let months = std::fs::read_dir(folder.path().join("operations")).unwrap();
    assert_eq!(months.map(|month| month.unwrap().file_name()).collect::<Vec<_>>(), ["210006"]);
    assert_eq!(records.operations(10).await.unwrap().len(), 1);
}
