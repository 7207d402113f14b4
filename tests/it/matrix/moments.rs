//! Single moments that the matrix does not come to.

use super::*;

#[tokio::test]
async fn a_process_that_was_told_to_stop_begins_no_post() {
    let world = World::new();
    let case = Case::of(Kind::Backup, Second::Sweep);
    let process = Process::new(&world, Some((8, Paused(AtTheEnd))));
    let driver = Driver::new(process.ports());
    let id = case.open(&driver).await.unwrap().operation.id;
    let mut step = pin!(driver.drive(id, Timestamp::MAX, |_| ()));
    // On its way to the start: its service is held, nothing is written down.
    tokio::select! {
        _ = &mut step => panic!("it never paused"),
        () = process.fate.stopped.notified() => {}
    }
    driver.stop();
    process.fate.wake.notify_one();
    assert!(step.await.is_some());
    assert_eq!(world.accepted(), 0);
    assert_eq!(all(&world).await[0].attempts, [], "none was written down either");
    assert!(driver.drive(id, Timestamp::MAX, |_| ()).await.is_none(), "no step begins after the stop");
    second(case, &world, &process.fate).await;
    assert_eq!(all(&world).await[0].phase, Phase::Succeeded);
}

/// Opens a backup, and gives it its first steps.
async fn running(world: &Arc<World>) -> (Arc<Process>, Driver, OperationId) {
    let process = Process::new(world, None);
    let driver = Driver::new(process.ports());
    let case = Case::of(Kind::Backup, Second::Sweep);
    let id = case.open(&driver).await.unwrap().operation.id;
    driver.drive(id, world.now(), |_| ()).await;
    assert_eq!(all(world).await[0].phase, Phase::Running);
    (process, driver, id)
}

#[tokio::test]
async fn whoever_follows_an_operation_no_longer_keeps_none_of_its_secrets() {
    let world = World::new();
    let (_, driver, id) = running(&world).await;
    let (operation, journal) = (&all(&world).await[0], &driver.ports().journal);
    assert_ne!(journal.credentials(operation).await.unwrap(), Credentials::default());
    object_store::ObjectStoreExt::delete(&*world.store, &format!("open/{id}").into()).await.unwrap();
    assert_eq!(journal.credentials(operation).await.unwrap(), Credentials::default());
}

#[tokio::test]
async fn an_operation_is_watched_for_two_days_at_most() {
    let world = World::new();
    let (_, driver, id) = running(&world).await;
    for run in world.runs.lock().unwrap().values_mut() {
        run.never_ends();
    }
    world.advance(Duration::from_hours(47));
    driver.drive(id, world.now(), |_| ()).await;
    assert_eq!(all(&world).await[0].phase, Phase::Running);
    world.advance(Duration::from_hours(2));
    driver.drive(id, world.now(), |_| ()).await;
    let failure = all(&world).await[0].failure.clone().unwrap();
    assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
    assert!(failure.to_string().contains("gave up watching after 48 hours"), "{failure}");
}

/// Lives until the deed of that number, and stands still before it.
async fn stands_at(
    world: &Arc<World>,
    case: Case,
    number: usize,
) -> (Arc<Process>, impl Future<Output = ()>) {
    let process = Process::new(world, Some((number, Paused(AtTheEnd))));
    let mut life = Box::pin(first(case, process.clone()));
    tokio::select! {
        () = &mut life => panic!("it never paused"),
        () = process.fate.stopped.notified() => {}
    }
    (process, life)
}

#[tokio::test]
async fn nobody_decides_by_a_clock_that_is_ahead_while_a_post_is_under_way() {
    for missing in [false, true] {
        let world = World::new();
        let case = Case::of(Kind::Backup, Second::Cancel);
        let post = deeds(case).await.iter().position(|deed| *deed == Deed::Post).unwrap();
        let (process, life) = stands_at(&world, case, post).await;
        let other = Process::ahead(&world, jiff::SignedDuration::from_mins(10), None);
        let driver = Driver::new(other.ports());
        let id = world.records.open_operations().await.unwrap()[0];
        if !missing {
            request_cancel(driver.ports(), id).await.unwrap();
        }
        world.missing.store(missing, Ordering::SeqCst);
        driver.sweep(Duration::ZERO).await.unwrap();
        assert_eq!(all(&world).await[0].phase, Phase::Starting);
        world.missing.store(false, Ordering::SeqCst);
        process.fate.wake.notify_one();
        life.await;
        check(case, &world).await;
        assert_eq!(world.accepted(), 1);
    }
}

/// Two equal requests, by two callers: one claims it, the other stores it and dies, and the first goes on.
#[tokio::test]
async fn a_plan_is_carried_out_with_the_secrets_that_came_with_it() {
    let world = World::new();
    let case = Case::of(Kind::Backup, Second::EqualRequest);
    let deeds = deeds(case).await;
    let marker = (0..deeds.len()).filter(|number| deeds[*number] == Deed::Write).nth(1).unwrap();
    let (process, life) = stands_at(&world, case, marker).await;
    let (plan, credentials) = case.other_order();
    let theirs = Opening {
        id: OperationId::at(world.now()),
        plan,
        opened: world.now(),
        deadline: world.now() + jiff::SignedDuration::from_hours(6),
    };
    let claim = world.records.claim(&case.cause(), &theirs).await.unwrap();
    let Claim::Theirs(opening) = claim else { panic!("{claim:?}") };
    world.records.open(&opening, &credentials).await.unwrap();
    process.fate.wake.notify_one();
    life.await;
    check(case, &world).await;
    let operation = &all(&world).await[0];
    assert_eq!((operation.id, operation.phase), (opening.id, Phase::Succeeded));
    assert_eq!(operation.plan, opening.plan);
}

#[tokio::test]
async fn a_start_that_stands_still_past_its_deadline_is_not_posted() {
    let deadline = Duration::from_mins(1);
    let case = Case { deadline, ..Case::of(Kind::Backup, Second::Sweep) };
    let post = deeds(case).await.iter().position(|deed| *deed == Deed::Post).unwrap();
    for number in post - 1..=post {
        // Still within the time of the POST itself.
        live_through(case, number, &[Paused(After(45))]).await;
    }
}
