//! Recovery points: what is written of them, and what is read back.

use super::*;
use crate::{
    domain::{
        BlobRef, Deleted, Evidence, RecoveryPoint, Seen, ServiceName, Verification, samples::seen, standing,
    },
    ports::{Catalog as _, Points},
};

fn point(name: &str, hour: u64) -> RecoveryPoint {
    let opening = opening("SampleApim");
    RecoveryPoint {
        id: OperationId::at(hours(hour)),
        service: opening.plan.service,
        blob: BlobRef { name: name.parse().unwrap(), ..opening.plan.blob },
        at: hours(hour),
        ended: hours(hour),
        tier: None,
        evidence: Some(Evidence::Arm),
        verification: Verification::unverified("no right"),
        safety_for: None,
    }
}

fn service() -> ServiceName {
    "sampleapim".parse().unwrap()
}

async fn read(records: &Records) -> Vec<RecoveryPoint> {
    let Points { points, unreadable } = records.points(&service(), None).await.unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    points
}

#[tokio::test]
async fn a_point_is_read_back_with_what_became_of_it_whatever_the_case_of_its_service() {
    on_each_place(|records| async move {
        assert_eq!(read(&records).await, []);
        let mut made = point("a", 1);
        records.record(&made).await.unwrap();
        assert_eq!(read(&records).await, [made.clone()]);

        // Whoever is first has written it.
        let other = RecoveryPoint { at: hours(9), ..made.clone() };
        records.record(&other).await.unwrap();
        assert_eq!(read(&records).await, [made.clone()]);

        records.record_verified(&made, &seen("x"), hours(2)).await.unwrap();
        made.verification = Verification::Verified { blob: seen("x") };
        assert_eq!(read(&records).await, [made.clone()]);

        let deleted = Deleted { at: hours(3), reason: "retention".to_owned() };
        records.record_deleted(&made, &deleted).await.unwrap();
        assert_eq!(read(&records).await, []);

        let blob = BlobRef { name: "left".parse().unwrap(), ..made.blob.clone() };
        let adopted = RecoveryPoint::adopted(
            OperationId::at(hours(4)),
            made.service.clone(),
            blob,
            seen("y"),
            hours(4),
        );
        records.record(&adopted).await.unwrap();
        assert_eq!(read(&records).await, std::slice::from_ref(&adopted));
        let since = records.points(&service(), Some(hours(4))).await.unwrap().points;
        assert_eq!(since, [adopted]);
        assert_eq!(records.services().await.unwrap(), [service()]);
    })
    .await;
}

#[tokio::test]
async fn a_point_that_cannot_be_read_hides_no_other() {
    let records = Records::open(&Location::Memory, None).await.unwrap();
    for (name, hour) in [("a", 1), ("b", 2)] {
        records.record(&point(name, hour)).await.unwrap();
    }
    let path = Path::from(format!("catalog/sampleapim/{}/point.json", OperationId::at(hours(3))));
    records.store.0.put(&path, "{}".into()).await.unwrap();
    let Points { points, unreadable } = records.points(&service(), None).await.unwrap();
    assert_eq!((points.len(), unreadable.len()), (2, 1));
    assert!(unreadable[0].to_string().contains(path.as_ref()), "{unreadable:?}");
}

#[tokio::test]
async fn a_mark_says_that_a_blob_is_about_to_go_until_its_writer_takes_it_back_or_its_time_is_over() {
    on_each_place(|records| async move {
        let (blob, other) = (point("a", 1).blob, point("b", 1).blob);
        let first = records.mark(&blob, hours(2)).await.unwrap();
        let second = records.mark(&blob, hours(3)).await.unwrap();
        assert_eq!(records.marked(&blob, hours(1)).await.unwrap(), Some(hours(3)));
        assert_eq!(records.marked(&other, hours(1)).await.unwrap(), None);
        assert_eq!(records.marked(&blob, hours(3)).await.unwrap(), None);
        records.unmark(&second).await.unwrap();
        assert_eq!(records.marked(&blob, hours(1)).await.unwrap(), Some(hours(2)));
        records.unmark(&first).await.unwrap();
        records.unmark(&first).await.unwrap();
        assert_eq!(records.marked(&blob, hours(1)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn long_after_they_went_points_leave_the_records_and_those_that_stand_never_do() {
    on_each_place(|records| async move {
        let standing_one = point("a", 3);
        for point in [&point("a", 1), &standing_one, &point("b", 2), &point("c", 50)] {
            records.record(point).await.unwrap();
        }
        for gone in [point("b", 2), point("c", 50)] {
            let gone = read(&records).await.into_iter().find(|known| known.at == gone.at).unwrap();
            records.record_verified(&gone, &Seen { size: 7, ..seen("x") }, hours(60)).await.unwrap();
            let deleted = Deleted { at: hours(60), reason: "retention".to_owned() };
            records.record_deleted(&gone, &deleted).await.unwrap();
        }
        let before = standing(read(&records).await);
        // The overwritten one, and three files of the one that was deleted.
        assert_eq!(records.prune(hours(40)).await.unwrap().deleted, 1 + 3);
        assert_eq!(standing(read(&records).await), before);
        // What was opened later stays, though it was deleted.
        assert_eq!(records.store.list(&Path::from("catalog/sampleapim")).await.unwrap().len(), 1 + 3);
        assert_eq!(records.prune(hours(40)).await.unwrap().deleted, 0);
    })
    .await;
}
