//! What must hold when all is quiet.

use super::*;

/// What must hold when all is quiet.
pub(super) async fn check(case: Case, world: &World) {
    let operations = all(world).await;
    assert!(!operations.is_empty(), "nothing was opened");
    assert_eq!(*world.broken.lock().unwrap(), [""; 0]);
    assert_eq!(world.records.open_operations().await.unwrap(), [], "markers are left");
    for service in operations.iter().map(|operation| &operation.plan.service.name) {
        assert_eq!(world.records.holder(service, world.now()).await.unwrap(), None, "{service} is held");
    }
    let posts = world.posts.lock().unwrap().clone();
    for (attempt, (arrived, taken)) in &posts {
        assert!(*arrived <= 1 && *taken <= 1, "attempt {attempt}: {arrived} POSTs, {taken} taken");
    }
    match case.second {
        Second::NextSlot | Second::EqualRequest => {}
        Second::Restore | Second::Restoring | Second::Overwrite => assert_eq!(operations.len(), 2),
        _ => assert_eq!(operations.len(), 1, "one request is one operation"),
    }
    for operation in &operations {
        check_operation(case, world, operation);
        check_journal(world, operation).await;
        check_history(world, operation).await;
        told::check_letters(world, operation).await;
    }
}

/// Of its attempts, those that Azure took and that had ended well by then.
fn done(world: &World, operation: &Operation, by: Timestamp) -> Vec<AttemptId> {
    let runs = world.runs.lock().unwrap();
    let ids = operation.attempts.iter().map(|attempt| attempt.id);
    ids.filter(|id| runs.get(&id.to_string()).is_some_and(|run| run.is_done(by))).collect()
}

fn check_operation(case: Case, world: &World, operation: &Operation) {
    let Operation { id, plan, phase, attempts, .. } = operation;
    let posts = world.posts.lock().unwrap();
    let posted: Vec<_> = attempts.iter().filter(|attempt| posts.contains_key(&attempt.id)).collect();
    let taken = posted.iter().filter(|attempt| posts[&attempt.id].1 > 0).count();
    let done = done(world, operation, world.now()).len();
    let unknown = posted.iter().filter(|attempt| {
        attempt.answer.as_ref().is_none_or(|answer| matches!(answer, apim_dr::domain::Answer::Unknown { .. }))
    });
    let most = if plan.kind == Kind::Backup { 3 } else { 1 };
    assert!(unknown.count() <= most && taken <= most && done <= 1, "{operation:#?}");

    let dies = matches!(case.mishap, Some((_, Dies)));
    let lost = matches!(case.mishap, Some((_, AnswerLost | Blind | Refused)));
    match phase {
        Phase::Succeeded => {
            assert!(done == 1 && operation.evidence.is_some(), "{operation:#?}");
        }
        Phase::Canceled => assert_eq!(case.second, Second::Cancel, "{operation:#?}"),
        Phase::Failed => {
            let Some(Failure { kind, .. }) = operation.failure else { panic!("{operation:#?}") };
            match kind {
                FailureKind::Blocked => assert!(came_too_late(world, operation), "{operation:#?}"),
                FailureKind::Refused => {
                    assert!(case.replies.contains(&Reply::Refused) && taken == 0, "{operation:#?}");
                }
                FailureKind::Failed => assert!(taken > 0 && done == 0, "{operation:#?}"),
                // A backup tells by its blob, or is started again. Who lives knows what was not sent, and tells late
                // what was taken.
                FailureKind::OutcomeUnknown if case.is_plain() => {
                    assert_eq!(plan.kind, Kind::Restore, "{operation:#?}");
                    assert!(dies || lost || taken == 0, "{operation:#?}");
                }
                FailureKind::OutcomeUnknown => {}
            }
        }
        Phase::Skipped => assert!(!case.is_plain() && taken == 0, "{operation:#?}"),
        phase => panic!("operation {id} was left {phase}"),
    }
}

/// What was called succeeded was so then, and that it ended well, or was cancelled, is the last word.
async fn check_journal(world: &World, operation: &Operation) {
    let entries = world.records.entries(operation.id).await.unwrap();
    for pair in entries.windows(2) {
        let (before, entry) = (&pair[0].operation, &pair[1]);
        let after = &entry.operation;
        if matches!(before.phase, Phase::Succeeded | Phase::Canceled) {
            assert_eq!(after.phase, before.phase, "{entries:#?}");
        } else if after.phase == Phase::Succeeded {
            assert!(!done(world, after, entry.at).is_empty(), "{entries:#?}");
            if after.evidence == Some(Evidence::Arm) {
                assert!(matches!(entry.event, Event::Verified { .. }), "{entries:#?}");
            }
        }
    }
}

/// The newest history of an operation is its last entry's.
async fn check_history(world: &World, operation: &Operation) {
    let last = world.records.last(operation.id).await.unwrap().unwrap();
    let listed: Vec<_> = world.store.list(Some(&Path::from("history"))).try_collect().await.unwrap();
    let id = operation.id.to_string();
    let names = listed.iter().map(|object| &object.location);
    let newest = names
        .filter(|name| name.filename().unwrap().starts_with(&id))
        .max_by_key(|name| name.filename().map(str::to_owned));
    let newest = newest.unwrap_or_else(|| panic!("{id} has no history"));
    assert!(newest.as_ref().ends_with(&format!("{id}.{:06}.json", last.seq)), "{newest}, {last:#?}");
    let bytes =
        object_store::ObjectStoreExt::get(&*world.store, newest).await.unwrap().bytes().await.unwrap();
    let history: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(history["phase"], last.operation.phase.as_str());
}

/// Whether it is a restore from what retention had deleted before it could begin.
pub(super) fn came_too_late(world: &World, operation: &Operation) -> bool {
    let Operation { plan, attempts, failure, .. } = operation;
    plan.kind == Kind::Restore
        && world.shelf.was_deleted(plan.blob.name.as_str())
        && attempts.is_empty()
        && failure.as_ref().is_some_and(|failure| failure.error.message.contains("is not there"))
}
