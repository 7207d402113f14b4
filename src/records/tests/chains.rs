//! Who holds a service, and who held it before.

use super::{failing::Failing, *};

#[tokio::test]
async fn a_service_is_held_by_one_open_operation_whatever_the_case_of_its_name() {
    on_each_place(|records| async move {
        let first = opened(&records, "sampleapim").await;
        let second = opened(&records, "SampleAPIM").await;
        let other = opened(&records, "other").await;
        let hold = async |entry: &Entry| records.hold(&entry.operation, now()).await.unwrap();
        assert_eq!(hold(&first).await, Hold::Ours);
        assert_eq!(hold(&first).await, Hold::Ours);
        assert_eq!(hold(&second).await, Hold::Theirs(first.operation.id));
        assert_eq!(hold(&other).await, Hold::Ours);
        records.append(&skipped(&first)).await.unwrap();
        assert_eq!(hold(&second).await, Hold::Ours);
        assert_eq!(hold(&first).await, Hold::Theirs(second.operation.id));
    })
    .await;
}

#[tokio::test]
async fn of_many_that_want_a_service_at_once_one_gets_it() {
    on_each_place(|records| async move {
        let entries = join_all((0..16).map(|_| opened(&records, "sampleapim"))).await;
        let holds = join_all(entries.iter().map(|entry| records.hold(&entry.operation, now()))).await;
        let ours = holds.iter().filter(|hold| matches!(hold, Ok(Hold::Ours))).count();
        assert_eq!(ours, 1, "{holds:?}");
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_cannot_be_read_counts_until_it_expires() {
    on_each_place(|records| async move {
        // Opened and locked, but its entries are gone.
        let lost = first(opening("sampleapim"));
        records.hold(&lost.operation, now()).await.unwrap();
        let next = opened(&records, "sampleapim").await;
        let hold = async |at| records.hold(&next.operation, at).await.unwrap();
        assert_eq!(hold(hours(7)).await, Hold::Theirs(lost.operation.id));
        assert_eq!(hold(hours(8)).await, Hold::Ours);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_frees_no_service() {
    let store = Arc::new(Failing::default());
    let records = Records::on(store.clone(), StateKey::generate());
    let first = opened(&records, "sampleapim").await;
    let second = opened(&records, "sampleapim").await;
    assert_eq!(records.hold(&first.operation, now()).await.unwrap(), Hold::Ours);
    *store.unlisted.lock().unwrap() = Some(Path::from("operations"));
    // Long after the holder would have expired, and for one who has not read of it yet.
    let other = Records::on(store.clone(), records.key.clone());
    let error = other.hold(&second.operation, hours(100)).await.unwrap_err();
    assert!(matches!(error, RecordsError::Store { .. }), "{error}");
    *store.unlisted.lock().unwrap() = None;
    assert_eq!(records.hold(&second.operation, hours(100)).await.unwrap(), Hold::Theirs(first.operation.id));
}

#[tokio::test]
async fn to_ask_who_holds_a_service_tells_of_open_operations_only() {
    on_each_place(|records| async move {
        let holder = async |at| records.holder(&plan("SampleAPIM").service.name, at).await.unwrap();
        assert_eq!(holder(now()).await, None);
        let entry = opened(&records, "sampleapim").await;
        // Opened, and not holding yet.
        assert_eq!(holder(now()).await, None);
        records.hold(&entry.operation, now()).await.unwrap();
        assert_eq!(holder(hours(100)).await, Some(entry.operation.id));
        records.append(&skipped(&entry)).await.unwrap();
        assert_eq!(holder(now()).await, None);

        let lost = first(opening("sampleapim"));
        records.hold(&lost.operation, now()).await.unwrap();
        assert_eq!(holder(hours(7)).await, Some(lost.operation.id));
        assert_eq!(holder(hours(8)).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_chain_forgets_holders_ten_and_more_behind_the_highest_and_nothing_else() {
    on_each_place(|records| async move {
        let other = opened(&records, "sampleapim-2").await;
        records.hold(&other.operation, now()).await.unwrap();
        for n in 1..=13_u64 {
            let entry = opened(&records, "sampleapim").await;
            assert_eq!(records.hold(&entry.operation, now()).await.unwrap(), Hold::Ours);
            let left = records.store.list(&Path::from("locks/sampleapim")).await.unwrap();
            let expected: Vec<_> = (n.saturating_sub(10).max(1)..=n).map(|n| format!("{n:010}")).collect();
            let left: Vec<_> = left.iter().filter_map(Path::filename).collect();
            assert_eq!(left, expected, "after {n}");
            records.append(&skipped(&entry)).await.unwrap();
        }
        assert_eq!(records.store.list(&Path::from("locks/sampleapim-2")).await.unwrap().len(), 1);
        let holder = records.holder(&plan("sampleapim-2").service.name, now()).await.unwrap();
        assert_eq!(holder, Some(other.operation.id));
    })
    .await;
}

#[tokio::test]
async fn a_holder_whose_answer_was_lost_holds_if_it_was_written() {
    for written in [true, false] {
        let store = Arc::new(Failing::default());
        let records = Records::on(store.clone(), StateKey::generate());
        let (first, second) = (opened(&records, "sampleapim").await, opened(&records, "sampleapim").await);
        *store.next.lock().unwrap() = Some(written);
        let hold = records.hold(&first.operation, now()).await;
        let after = records.hold(&second.operation, now()).await.unwrap();
        if written {
            assert!(matches!(hold, Ok(Hold::Ours)), "{hold:?}");
            assert_eq!(after, Hold::Theirs(first.operation.id));
        } else {
            assert!(matches!(hold, Err(RecordsError::Store { .. })), "{hold:?}");
            assert_eq!(after, Hold::Ours);
        }
    }
}

#[tokio::test]
async fn a_holder_that_is_not_ours_or_newer_is_named_and_stops_only_its_service() {
    on_each_place(|records| async move {
        let entry = opened(&records, "sampleapim").await;
        let other = opened(&records, "other").await;
        let path = "locks/sampleapim/0000000001";
        for text in UNREADABLE {
            records.store.0.put(&Path::from(path), text.into()).await.unwrap();
            let error = records.hold(&entry.operation, hours(1000)).await.unwrap_err();
            assert!(matches!(error, RecordsError::Corrupt { .. }), "{text:?}: {error}");
            assert!(error.to_string().contains(path), "{error}");
            let error = records.holder(&entry.operation.plan.service.name, now()).await.unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
        assert_eq!(records.hold(&other.operation, now()).await.unwrap(), Hold::Ours);
    })
    .await;
}
