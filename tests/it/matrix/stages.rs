//! A restore in two stages: its service is backed up first. Whichever access goes wrong, neither stage is done twice, and
//! nothing is overwritten that was not backed up before.

use super::*;

async fn open_both(driver: &Driver) -> Result<Opened, Error> {
    let (mut plan, credentials) = order(Kind::Restore, &serde_json::json!({ "safetyBackup": true }));
    plan.source = Some(plan.service.name.clone());
    open(driver.ports(), plan, &credentials, &Cause::Request, IfBusy::Wait).await
}

/// One access of the first process goes wrong; another one carries on. Whether there was such an access.
async fn lives(number: usize, mishap: Mishap) -> bool {
    let world = Case::of(Kind::Restore, Second::Sweep).world().await;
    let process = Process::new(&world, Some((number, mishap)));
    let first = async {
        let driver = Driver::new(process.ports());
        while let Err(error) = open_both(&driver).await {
            assert!(error.is_transient(), "{error}");
        }
        sweep_until_quiet(&process, &driver).await;
    };
    let mut first = pin!(first);
    let other = Process::new(&world, None);
    let driver = Driver::new(other.ports());
    tokio::select! {
        () = &mut first => {}
        () = process.fate.stopped.notified() => match mishap {
            Dies => sweep_until_quiet(&other, &driver).await,
            Paused(_) => {
                sweep_until_quiet(&other, &driver).await;
                process.fate.wake.notify_one();
                first.await;
            }
            _ => {
                join(first, sweep_until_quiet(&other, &driver)).await;
            }
        },
    }
    if all(&world).await.is_empty() {
        open_both(&driver).await.unwrap();
    }
    sweep_until_quiet(&other, &driver).await;
    check_stages(&world, mishap).await;
    process.fate.struck.load(Ordering::SeqCst)
}

async fn check_stages(world: &World, mishap: Mishap) {
    let operations = all(world).await;
    let [backup, restore] = [Kind::Backup, Kind::Restore].map(|kind| {
        let of_kind: Vec<_> = operations.iter().filter(|operation| operation.plan.kind == kind).collect();
        assert_eq!(of_kind.len(), 1, "{kind}: {operations:#?}");
        of_kind[0].clone()
    });
    assert_eq!(world.records.open_operations().await.unwrap(), [], "markers are left");
    let taken = |kind| {
        let runs = world.runs.lock().unwrap();
        runs.values().filter(|run| run.kind == kind).map(|run| run.ends).collect::<Vec<_>>()
    };
    let (backups, restores) = (taken(Kind::Backup), taken(Kind::Restore));
    assert!(restores.len() <= 1, "{restores:?}");
    let verified = matches!(backup.verification, Some(Verification::Verified { .. }));
    if let Some(started) = restore.started() {
        assert!(verified && backups.iter().any(|ended| *ended <= started), "{restore:#?}");
    }
    match restore.phase {
        Phase::Succeeded => assert_eq!(restores.len(), 1),
        // Nobody can tell whose the blob of a backup is whose answer was lost.
        Phase::Failed if restore.is_blocked() => assert!(!verified && restores.is_empty(), "{restore:#?}"),
        Phase::Failed => assert!(mishap != Refused || backups.len() == 1, "{restore:#?}"),
        phase => panic!("left {phase}: {restore:#?}"),
    }
}

#[tokio::test]
async fn a_restore_with_its_safety_backup_survives_everything() {
    for mishap in [Refused, AnswerLost, Blind, Dies, Paused(AtTheEnd)] {
        let mut number = 0;
        while Box::pin(lives(number, mishap)).await {
            number += 1;
        }
        assert!(number > 50, "{mishap:?}: only {number} accesses");
    }
}
