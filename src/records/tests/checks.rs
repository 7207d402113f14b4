//! The daily looks at targets: who is first, what was before, and when they go.

use super::*;
use crate::domain::{DailyCheck, Finding};

fn check(at: Timestamp, code: &'static str) -> DailyCheck {
    DailyCheck {
        target: "primary".parse().unwrap(),
        at,
        service: plan("sampleapim").service,
        findings: vec![Finding::blocks(code, "text", "remedy")],
        standby: None,
    }
}

#[tokio::test]
async fn of_ten_looks_on_one_day_one_is_the_first() {
    on_each_place(|records| async move {
        let check = |hour| check(hours(hour), "account.firewall");
        let target = check(0).target;
        assert!(!records.is_checked(&target, now()).await.unwrap());
        let all: Vec<_> = (0..10).map(check).collect();
        let firsts = join_all(all.iter().map(|check| records.record_check(check))).await;
        assert_eq!(firsts.iter().filter(|first| matches!(first, Ok(true))).count(), 1, "{firsts:?}");
        assert!(records.is_checked(&target, hours(22)).await.unwrap());
        // The next day is another one.
        assert!(!records.is_checked(&target, hours(23)).await.unwrap());
        assert!(records.record_check(&check(23)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_newest_look_is_that_of_the_day_or_of_the_last_week_that_can_be_read() {
    on_each_place(|records| async move {
        let (week, target) = (7 * 24, check(now(), "a").target);
        let newest = async |hour| {
            let newest = records.newest_check(&target, hours(hour)).await.unwrap();
            newest.map(|check| check.findings[0].code.to_string())
        };
        assert_eq!(newest(0).await, None);
        records.record_check(&check(now(), "a")).await.unwrap();
        records.record_check(&check(hours(48), "b")).await.unwrap();
        assert_eq!(newest(0).await.as_deref(), Some("a"));
        assert_eq!(newest(24).await.as_deref(), Some("a"));
        assert_eq!(newest(48).await.as_deref(), Some("b"));
        assert_eq!(newest(48 + week).await.as_deref(), Some("b"));
        assert_eq!(newest(72 + week).await, None);
        // What somebody wrote whom nobody understands was a look, but tells nothing.
        let path = Path::from("checks/primary/20261124.json");
        records.store.0.put(&path, UNREADABLE[3].into()).await.unwrap();
        assert!(records.is_checked(&target, hours(72)).await.unwrap());
        assert_eq!(newest(72).await.as_deref(), Some("b"));
    })
    .await;
}

#[tokio::test]
async fn old_looks_are_pruned_by_their_day() {
    on_each_place(|records| async move {
        for hour in [0, 24, 48] {
            records.record_check(&check(hours(hour), "a")).await.unwrap();
        }
        assert_eq!(records.prune(hours(47)).await.unwrap().deleted, 2);
        let left = records.store.list(&Path::from("checks")).await.unwrap();
        assert_eq!(left, [Path::from("checks/primary/20261123.json")]);
    })
    .await;
}
