//! Snapshots: what is written, what is read back, and what stays.

use super::*;
use crate::{
    domain::{Inventory, ServiceName, Snapshot},
    ports::Catalog as _,
};

fn snapshot(location: &str) -> Snapshot {
    Snapshot {
        service: plan("SampleApim").service,
        taken: now(),
        inventory: Inventory { location: location.to_owned(), ..Inventory::default() },
        counts: None,
        diagnostics: Some(Vec::new()),
        portal_revision: None,
        unread: vec!["no right".to_owned()],
    }
}

fn service() -> ServiceName {
    "sampleapim".parse().unwrap()
}

fn id(hour: u64) -> OperationId {
    OperationId::at(hours(hour))
}

async fn newest(records: &Records) -> Option<(OperationId, Snapshot)> {
    records.newest_snapshot(&service()).await.unwrap()
}

#[tokio::test]
async fn a_snapshot_is_read_back_by_its_operation_and_as_the_newest_whatever_the_case_of_its_service() {
    on_each_place(|records| async move {
        let (older, newer) = (id(1), id(2));
        assert_eq!(records.snapshot(&service(), older).await.unwrap(), None);
        assert_eq!(newest(&records).await, None);
        // In another order than they were taken.
        records.record_snapshot(newer, &snapshot("newer")).await.unwrap();
        records.record_snapshot(older, &snapshot("older")).await.unwrap();
        assert_eq!(records.snapshot(&service(), older).await.unwrap(), Some(snapshot("older")));
        assert_eq!(newest(&records).await, Some((newer, snapshot("newer"))));

        // Whoever is first has written it.
        records.record_snapshot(older, &snapshot("other")).await.unwrap();
        assert_eq!(records.snapshot(&service(), older).await.unwrap(), Some(snapshot("older")));
        let other = "another".parse().unwrap();
        assert_eq!(records.newest_snapshot(&other).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_hides_no_older_one_and_where_none_can_be_that_is_said() {
    for text in UNREADABLE {
        let records = Records::open(&Location::Memory, None).await.unwrap();
        let path = Path::from(format!("snapshots/sampleapim/{}.json", id(2)));
        records.store.0.put(&path, text.into()).await.unwrap();
        let error = records.newest_snapshot(&service()).await.unwrap_err();
        assert!(error.to_string().contains(path.as_ref()), "{text}: {error}");
        records.record_snapshot(id(1), &snapshot("older")).await.unwrap();
        assert_eq!(newest(&records).await.map(|(_, snapshot)| snapshot), Some(snapshot("older")), "{text}");
    }
}

#[tokio::test]
async fn old_snapshots_leave_the_records_but_for_the_newest_of_each_instance() {
    on_each_place(|records| async move {
        let elsewhere = Snapshot { service: plan("standby").service, ..snapshot("elsewhere") };
        let (older, old, newest_one) = (id(1), id(2), id(3));
        for id in [older, old, newest_one] {
            records.record_snapshot(id, &snapshot("here")).await.unwrap();
        }
        records.record_snapshot(older, &elsewhere).await.unwrap();
        let is_there = async |id| records.snapshot(&service(), id).await.unwrap().is_some();

        assert_eq!(records.prune(hours(2)).await.unwrap().deleted, 1);
        assert!(!is_there(older).await && is_there(old).await);
        assert_eq!(records.prune(hours(9)).await.unwrap().deleted, 1);
        assert_eq!(newest(&records).await, Some((newest_one, snapshot("here"))));
        let standby = records.snapshot(&elsewhere.service.name, older).await.unwrap();
        assert_eq!(standby, Some(elsewhere));
        assert_eq!(records.prune(hours(9)).await.unwrap().deleted, 0);
    })
    .await;
}
