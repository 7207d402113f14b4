//! Alarms: who is first, how they stand, and when their changes go.

use super::*;
use crate::{
    domain::{Alarm, Change, Condition, Level, Subject},
    ports::{Alarms as _, Standing},
};

pub(super) fn alarm(code: &str, seq: u32, text: &str) -> Alarm {
    Alarm {
        subject: Subject::Target("primary".parse().unwrap()),
        seq,
        change: Change::Raised,
        at: now(),
        since: now(),
        condition: Condition::new(code.to_owned(), Level::Warning, text, "remedy"),
    }
}

async fn record(records: &Records, alarm: &Alarm) {
    assert!(records.record_alarm(alarm).await.unwrap());
}

#[tokio::test]
async fn of_ten_that_record_a_change_one_is_the_first_and_its_own_stands() {
    on_each_place(|records| async move {
        let all: Vec<_> = (0..10).map(|n| alarm("rpo", 1, &n.to_string())).collect();
        let firsts = join_all(all.iter().map(|alarm| records.record_alarm(alarm))).await;
        let ours: Vec<_> = firsts.into_iter().map(Result::unwrap).collect();
        assert_eq!(ours.iter().filter(|ours| **ours).count(), 1, "{ours:?}");
        let first = &all[ours.iter().position(|ours| *ours).unwrap()];
        assert_eq!(records.alarm(&first.subject, "rpo", 1).await.unwrap().as_ref(), Some(first));
        assert_eq!(records.alarms().await.unwrap().alarms, std::slice::from_ref(first));
        assert_eq!(records.alarm(&first.subject, "rpo", 2).await.unwrap(), None);
        assert_eq!(records.alarm(&Subject::App, "rpo", 1).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_newest_change_of_each_subject_and_code_is_how_it_stands() {
    on_each_place(|records| async move {
        let of_app = Alarm { subject: Subject::App, ..alarm("rpo", 1, "app") };
        // One code begins another, and one is of a newer version that knows no bounds.
        let others = [alarm("rpo.x", 1, "x"), alarm("../rpo", 1, "odd"), alarm("blocked.a-b", 12, "blocked")];
        for alarm in others.iter().chain([&of_app, &alarm("rpo", 9, "9"), &alarm("rpo", 10, "10")]) {
            record(&records, alarm).await;
        }
        let Standing { mut alarms, unreadable } = records.alarms().await.unwrap();
        assert!(unreadable.is_empty(), "{unreadable:?}");
        alarms.sort_by_key(|alarm| alarm.condition.text.clone());
        let [x, odd, blocked] = others;
        assert_eq!(alarms, [alarm("rpo", 10, "10"), of_app, blocked, odd, x]);
    })
    .await;
}

#[tokio::test]
async fn one_that_cannot_be_read_stops_no_other_and_is_not_taken_for_an_older_one() {
    on_each_place(|records| async move {
        for alarm in [alarm("rpo", 1, "1"), alarm("size.unusual", 1, "size")] {
            record(&records, &alarm).await;
        }
        for unreadable in UNREADABLE {
            let path = Path::from("alarms/primary/rpo/000002.json");
            records.store.0.put(&path, unreadable.into()).await.unwrap();
            let Standing { alarms, unreadable } = records.alarms().await.unwrap();
            assert_eq!(alarms, [alarm("size.unusual", 1, "size")]);
            assert_eq!((unreadable[0].subject.as_str(), unreadable[0].code.as_str()), ("primary", "rpo"));
            assert!(!records.record_alarm(&alarm("rpo", 2, "2")).await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn old_changes_are_pruned_but_for_the_highest_of_each_alarm() {
    on_each_place(|records| async move {
        for seq in 1..=3 {
            record(&records, &alarm("rpo", seq, "")).await;
        }
        record(&records, &alarm("rpo.x", 1, "")).await;
        record(&records, &Alarm { subject: Subject::App, ..alarm("rpo", 7, "") }).await;
        // By the store's own time, which is today's.
        assert_eq!(records.prune("2001-01-01T00:00:00Z".parse().unwrap()).await.unwrap().deleted, 0);
        for deleted in [2, 0] {
            assert_eq!(
                records.prune("2100-01-01T00:00:00Z".parse().unwrap()).await.unwrap().deleted,
                deleted
            );
        }
        let left = records.store.list(&Path::from("alarms")).await.unwrap();
        let left: Vec<_> = left.iter().map(AsRef::as_ref).collect();
        let expected = [
            "alarms/apim.dr/rpo/000007.json",
            "alarms/primary/rpo.x/000001.json",
            "alarms/primary/rpo/000003.json",
        ];
        assert_eq!(left, expected);
    })
    .await;
}
