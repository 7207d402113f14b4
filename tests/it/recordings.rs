//! Backups and restores that were recorded with real Azure (2014 to 2023), each replayed whole: from a
//! caller's POST to our own route, through the program, to the recorded end.

mod replay;
mod session;

use apim_dr::domain::{Continuation, Evidence, FailureKind, Kind, Phase, StorageAccess};
use serde_json::json;

use replay::{Report, TOLERANCE, replay};
use session::{Received, Session, backup_and_restore, recordings};

/// Replays a session that the program must take part in exactly as it was recorded.
async fn follow(session: &Session) -> Report {
    let report = replay(session).await;
    let Report { operation, complaints, location, pauses, posts, .. } = &report;
    let name = &session.name;
    assert_eq!(complaints, &[] as &[String], "{name}");
    assert_eq!((*posts, pauses.len()), (1, session.polls()), "{name}: POSTs and polls; {operation:?}");
    for (number, (pause, recorded)) in pauses.iter().zip(session.pauses()).enumerate() {
        let allowed = recorded..=recorded + TOLERANCE;
        assert!(allowed.contains(pause), "{name}: {pause:?} before poll {number}, not {recorded:?}");
    }
    assert_eq!(operation.continuation, Some(Continuation::Location(location.clone())), "{name}");
    report
}

fn assert_succeeded(session: &Session, Report { operation, status, .. }: &Report) {
    let outcome = (operation.phase, operation.evidence.as_ref(), *status);
    assert_eq!(outcome, (Phase::Succeeded, Some(&Evidence::Arm), 200), "{}: {operation:?}", session.name);
}

#[tokio::test]
async fn every_recorded_backup_and_restore_goes_through_the_program_to_its_recorded_end() {
    let Some(recordings) = recordings() else { return };
    let (mut backups, mut restores) = (0, 0);
    for (recording, sessions) in recordings {
        for mut session in sessions {
            let report = follow(&session).await;
            match session.end().status {
                200 => assert_succeeded(&session, &report),
                // The excerpt leaves it while it runs.
                202 if recording.excerpt => {
                    assert_eq!((report.operation.phase, report.status), (Phase::Running, 202));
                }
                status => panic!("{}: ends with {status}, which was never recorded", session.name),
            }
            match report.operation.plan.kind {
                Kind::Backup => backups += 1,
                Kind::Restore => restores += 1,
            }
        }
    }
    assert!(backups > 0 && restores > 0, "{backups} backups and {restores} restores were found");
}

#[tokio::test]
async fn the_end_of_a_restore_whose_start_is_missing_is_its_success() {
    let Some(recordings) = recordings() else { return };
    let Some((mut recording, mut sessions)) = recordings.into_iter().find(|(recording, _)| recording.excerpt)
    else {
        return;
    };
    let (mut session, end) = (sessions.remove(0), recording.exchanges.pop().unwrap());
    // Its start was not transcribed: that of the backup before it stands in.
    let mut start = session.exchanges.swap_remove(0);
    start.request.url = start.request.url.replace("/backup?", "/restore?");
    start.response.set("location", &end.request.url);
    session.exchanges = vec![start, end];
    let report = follow(&session).await;
    assert_succeeded(&session, &report);
    let plan = &report.operation.plan;
    assert_eq!(plan.kind, Kind::Restore);
    assert!(matches!(plan.access, StorageAccess::UserAssignedManagedIdentity { .. }), "{plan:?}");
}

#[tokio::test]
async fn another_end_than_the_recorded_one_is_another_outcome() {
    let Some([backup, restore]) = backup_and_restore() else { return };

    let mut failed = restore;
    let error = json!({"error": {"code": "RestoreFailed", "message": "The backup is of another tier."}});
    *failed.end() = Received::json(400, &error);
    let report = follow(&failed).await;
    assert_eq!((report.operation.phase, report.status), (Phase::Failed, 424));
    let failure = report.operation.failure.unwrap();
    assert_eq!((failure.kind, failure.error.code.as_deref()), (FailureKind::Failed, Some("RestoreFailed")));

    let mut running = backup;
    let last = running.exchanges.last().unwrap().clone();
    *running.end() = Received::json(200, &json!({"status": "InProgress"}));
    let report = follow(&running).await;
    assert_eq!((report.operation.phase, report.status), (Phase::Running, 202));

    running.exchanges.push(last);
    let report = follow(&running).await;
    assert_succeeded(&running, &report);
}

#[tokio::test]
async fn other_pauses_than_the_recorded_ones_are_kept_too() {
    let Some([mut session, _]) = backup_and_restore() else { return };
    for (exchange, seconds) in session.exchanges.iter_mut().zip(["17", "600", "60", "1", "90"]) {
        exchange.response.set("retry-after", seconds);
    }
    let report = follow(&session).await;
    assert_succeeded(&session, &report);
}

#[tokio::test]
async fn a_poll_that_was_not_recorded_is_complained_of() {
    let Some([session, _]) = backup_and_restore() else { return };
    for number in 1..=session.polls() {
        let mut other = session.clone();
        other.exchanges[number].request.url += "&other";
        let Report { operation, complaints, .. } = replay(&other).await;
        assert_eq!((complaints.len(), operation.phase), (1, Phase::Failed), "{complaints:?}");
        assert!(complaints[0].contains(&format!("as exchange {number}: recorded was ")), "{complaints:?}");
    }
}
