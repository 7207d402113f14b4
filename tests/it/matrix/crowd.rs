//! A thousand open operations, each on an instance of its own, and three replicas that sweep them at the same time.

use std::time::Duration;

use apim_dr::{
    domain::{Evidence, Kind, Phase},
    ports::Cause,
    workflows::{Driver, IfBusy, open},
};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use super::{all, order, process::Process, world::World};

#[tokio::test]
async fn a_thousand_operations_are_each_posted_once_by_three_replicas_with_three_times() {
    const MANY: usize = 1_000;
    let world = World::new();
    let ahead = [0, 5, -5].map(SignedDuration::from_mins);
    let drivers = ahead.map(|ahead| Driver::new(Process::ahead(&world, ahead, None).ports()));
    for number in 0..MANY {
        let kind = if number % 2 == 0 { Kind::Backup } else { Kind::Restore };
        let (mut plan, credentials) = order(kind, &json!({ "backupName": format!("blob{number}") }));
        plan.service.name = format!("apim{number}").parse().unwrap();
        if kind == Kind::Restore {
            world.put_point(&plan.service, plan.blob.clone(), world.now()).await;
        }
        // Whoever opened it: the replicas take turns.
        let ports = drivers[number % drivers.len()].ports();
        open(ports, plan, &credentials, &Cause::Request, IfBusy::Wait).await.unwrap();
    }
    let mut rounds = 0;
    loop {
        let swept = join_all(drivers.iter().map(|driver| driver.sweep(Duration::ZERO))).await;
        let swept: Vec<_> = swept.into_iter().map(Result::unwrap).collect();
        assert!(swept.iter().all(|swept| swept.failed == 0), "a drive gave up: {swept:?}");
        if swept.iter().all(|swept| swept.open == 0) {
            break;
        }
        rounds += 1;
        assert!(rounds < 20, "something stays open: {swept:?}");
        world.advance(Duration::from_mins(3));
    }
    let operations = all(&world).await;
    assert_eq!((operations.len(), world.accepted()), (MANY, MANY));
    let posts = world.posts.lock().unwrap();
    assert!(posts.values().all(|(arrived, taken)| (*arrived, *taken) == (1, 1)), "{posts:?}");
    for operation in operations {
        assert_eq!((operation.phase, &operation.evidence), (Phase::Succeeded, &Some(Evidence::Arm)));
        assert_eq!(operation.attempts.len(), 1, "{operation:#?}");
    }
}
