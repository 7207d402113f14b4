//! Drills, end to end: where they restore into, what they tell, and how often a schedule opens one.

use std::{fs, time::Duration};

use apim_dr::{
    app::App,
    domain::OperationId,
    emulator::{Service, accounts},
    ports::{Cause, Claim, Opening},
};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    bed::Bed,
    process::Place,
    targets::{bed, finish, said, target, until},
};

const DRILL: &str = "sampleapim-drill";

/// The emulator's primary, with an instance for drills.
fn drilled(fields: &Value) -> Value {
    let mut own = json!({ "drill": DRILL, "standby": accounts::STANDBY });
    own.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    target("primary", &own)
}

pub(crate) async fn with_drills(schedule: &str) -> Bed {
    let bed = bed(&[drilled(&json!({ "drillSchedule": schedule }))]).await;
    bed.emulator.add_service(Service::new(DRILL, accounts::LOCATION));
    bed
}

fn content(bed: &Bed, name: &str) -> String {
    bed.emulator.with_service(name, |service| service.content.clone()).unwrap()
}

/// The newest operation, as it is.
async fn newest(app: &App) -> apim_dr::domain::Operation {
    let journal = &app.ports().journal;
    let id = journal.operations(1).await.unwrap()[0];
    journal.last(id).await.unwrap().unwrap().operation
}

fn slots(bed: &Bed) -> Vec<String> {
    let names = fs::read_dir(bed.records().join("slots/primary.drill")).unwrap();
    let mut names: Vec<_> = names
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "since")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_schedule_drills_the_newest_recovery_point_into_the_declared_instance_and_nowhere_else() {
    let bed = with_drills("0 0 3 * * *").await;
    finish(&bed).await;
    let before = [accounts::SERVICE, accounts::STANDBY].map(|name| content(&bed, name));
    until(&bed, "2026-11-21T03:00:10Z");
    finish(&bed).await;
    assert_eq!((bed.emulator.posts("restore"), slots(&bed)), (1, vec!["20261121T030000Z".to_owned()]));
    assert_eq!(content(&bed, DRILL), before[0], "the primary's, restored");
    assert_eq!([accounts::SERVICE, accounts::STANDBY].map(|name| content(&bed, name)), before);
    let drill = newest(&*bed.app().await).await;
    assert_eq!((drill.plan.word(), drill.plan.service.name.as_str()), ("drill", DRILL));
    assert_eq!(drill.plan.blob.name.as_str(), "primary_20261121");
    let took = drill.recovery_time().unwrap();
    assert!(took >= SignedDuration::from_mins(1), "{took}");
    let ended = bed.app().await.ports().journal.history(&drill.plan.service.name, None).await.unwrap();
    assert_eq!(ended[0].drill, drill.plan.drill);
}

#[tokio::test]
async fn of_missed_drills_only_the_newest_is_held_and_none_of_before_the_target_was_seen() {
    let bed = with_drills("0 0 0,3 * * *").await;
    finish(&bed).await;
    assert_eq!(bed.emulator.posts("restore"), 0, "midnight was before");
    until(&bed, "2026-11-23T18:30:00Z");
    finish(&bed).await;
    assert_eq!((bed.emulator.posts("restore"), slots(&bed)), (1, vec!["20261123T030000Z".to_owned()]));
}

#[tokio::test]
async fn a_schedule_opens_one_drill_per_instant_though_two_replicas_sweep_and_restart() {
    let bed = with_drills("0 0 3 * * *").await;
    finish(&bed).await;
    for day in ["2026-11-21T03:00:10Z", "2026-11-22T03:00:10Z"] {
        until(&bed, day);
        let replicas = join_all([0, 0].map(|_| bed.replica(SignedDuration::ZERO))).await;
        for swept in join_all(replicas.iter().map(|app| app.sweep(Duration::ZERO))).await {
            assert_eq!(swept.unwrap().failed, 0);
        }
        join_all(replicas.iter().map(|app| app.settle())).await;
        finish(&bed).await;
    }
    assert_eq!(bed.emulator.posts("restore"), 2);
    assert_eq!(slots(&bed), ["20261121T030000Z", "20261122T030000Z"]);
}

#[tokio::test]
async fn a_drill_whose_opener_died_after_claiming_its_instant_is_opened_with_what_it_had_chosen() {
    let bed = with_drills("0 0 3 * * *").await;
    finish(&bed).await;
    until(&bed, "2026-11-21T03:00:10Z");
    let app = bed.app().await;
    let (now, instant) = (bed.now(), "2026-11-21T03:00:00Z".parse().unwrap());
    let target = &app.targets()[0];
    let mut plan = target.drill_plan().unwrap();
    plan.blob.name = "primary_20261121".parse().unwrap();
    let opening = Opening {
        id: OperationId::at(now),
        plan,
        opened: now,
        deadline: now + SignedDuration::from_hours(12),
    };
    let cause = Cause::Drill { target: target.name.clone(), instant };
    assert_eq!(app.ports().journal.claim(&cause, &opening).await.unwrap(), Claim::Ours);
    finish(&bed).await;
    let drill = newest(&*bed.app().await).await;
    assert_eq!((drill.id, drill.plan), (opening.id, opening.plan));
    assert_eq!(bed.emulator.posts("restore"), 1);
}

#[tokio::test]
async fn a_drill_without_a_recovery_point_is_not_held_and_the_backups_go_on() {
    let late = json!({ "schedule": "0 0 4 * * *", "drillSchedule": "0 0 3 * * *" });
    let bed = bed(&[drilled(&late)]).await;
    bed.emulator.add_service(Service::new(DRILL, accounts::LOCATION));
    assert_eq!(said(&bed.sweep().await), "nothing to do");
    until(&bed, "2026-11-21T03:00:10Z");
    for _ in 0..3 {
        assert_eq!(said(&bed.sweep().await), "nothing to do");
    }
    until(&bed, "2026-11-21T04:00:10Z");
    finish(&bed).await;
    assert_eq!((bed.emulator.posts("backup"), bed.emulator.posts("restore")), (1, 0));
}

#[tokio::test]
async fn where_somebody_restored_by_hand_no_drill_is_held() {
    let bed = with_drills("0 0 3 * * *").await;
    finish(&bed).await;
    let by_hand = json!({ "target": "primary", "operation": "restore", "apimInstance": DRILL,
        "backup": "latest-verified" });
    assert_eq!(bed.run("/api/restore", &by_hand).await.status, 200);
    until(&bed, "2026-11-21T03:00:10Z");
    finish(&bed).await;
    assert_eq!(bed.emulator.posts("restore"), 1);
}

#[tokio::test]
async fn a_drill_that_waited_while_somebody_restored_by_hand_does_not_start() {
    let bed = with_drills("0 0 3 * * *").await;
    finish(&bed).await;
    until(&bed, "2026-11-21T02:59:00Z");
    let by_hand = json!({ "target": "primary", "operation": "restore", "apimInstance": DRILL,
        "backup": "latest-verified" });
    let link = bed.open("/api/restore", &by_hand).await;
    until(&bed, "2026-11-21T03:00:10Z");
    bed.sweep().await;
    assert_eq!((slots(&bed).len(), bed.get(&link).await.status.as_u16()), (1, 202));
    finish(&bed).await;
    let drill = newest(&*bed.app().await).await;
    assert_eq!((drill.plan.word(), drill.is_blocked()), ("drill", true), "{drill:#?}");
    assert_eq!(drill.failure.unwrap().error.code.as_deref(), Some("drill.in-use"));
    assert_eq!(bed.emulator.posts("restore"), 1);
}

#[tokio::test]
async fn a_drill_never_goes_into_what_a_target_rests_on() {
    let own = drilled(&json!({ "drill": accounts::SERVICE, "drillSchedule": "0 0 3 * * *" }));
    let into_standby = drilled(&json!({ "drill": accounts::STANDBY, "drillSchedule": "0 0 3 * * *" }));
    let other = target("other", &json!({ "apimInstance": DRILL, "schedule": "0 0 1 * * *" }));
    for targets in
        [vec![own], vec![into_standby], vec![drilled(&json!({ "drillSchedule": "0 0 3 * * *" })), other]]
    {
        let bed = bed(&targets).await;
        bed.emulator.add_service(Service::new(DRILL, accounts::LOCATION));
        finish(&bed).await;
        until(&bed, "2026-11-21T03:00:10Z");
        finish(&bed).await;
        assert_eq!(bed.emulator.posts("restore"), 0);
    }
}

#[tokio::test]
async fn the_command_line_holds_a_drill_and_tells_its_recovery_time() {
    let mut place = Place::start().await;
    place.emulator.add_service(Service::new(DRILL, accounts::LOCATION));
    place.set("APIM_DR_TARGETS", &json!([drilled(&json!({})), target("plain", &json!({}))]).to_string());
    place.set("PRIMARY_SECRET", accounts::CLIENT_SECRET);
    place.set("PRIMARY_KEY", accounts::ACCOUNT_KEY);
    let none = place.run(&["drill", "primary"], "").await;
    assert_eq!(none.code, Some(6), "{none:?}");
    for (target, why) in [("nobody", "not a configured target"), ("plain", "has no instance for drills")] {
        let refused = place.run(&["drill", target], "").await;
        assert_eq!((refused.code, refused.err.contains(why)), (Some(64), true), "{refused:?}");
    }
    let backed = place.run(&["backup", "--target", "primary"], "").await;
    assert_eq!(backed.code, Some(0), "{backed:?}");
    let held = place.run(&["drill", "primary", "--backup", "random"], "").await;
    assert_eq!(held.code, Some(0), "{held:?}");
    assert!(held.out.starts_with("drill of primary in sampleapim-drill succeeded; "), "{held:?}");
    assert!(held.out.contains("\n  RTO  "), "{held:?}");
    let held = place.run(&["drill", "primary", "-o", "json"], "").await;
    let shown: Value = serde_json::from_str(&held.out).unwrap();
    assert_eq!((&shown["name"], &shown["drill"]), (&json!("drill"), &json!("primary")), "{shown}");
    assert!(shown["rtoSeconds"].is_u64(), "{shown}");
    assert_eq!(shown["verification"]["result"], "looked", "{shown}");

    place.set("APIM_DR_RESTORE_TARGETS", accounts::STANDBY);
    let refused = place.run(&["drill", "primary"], "").await;
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.err.contains("APIM_DR_RESTORE_TARGETS"), "{refused:?}");
    assert_eq!(place.emulator.accepted("restore"), 2);
}
