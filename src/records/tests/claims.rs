//! Slots, keys and requests: whose opening it is.

use super::{failing::Failing, *};

fn slot(target: &str, instant: &str) -> Cause {
    Cause::Slot { target: target.parse().unwrap(), instant: instant.parse().unwrap() }
}

pub(super) fn key(route: &'static str, key: &str, body: &str) -> Cause {
    Cause::Key { route, key: key.to_owned(), body: body.to_owned() }
}

fn drill(target: &str, instant: &str) -> Cause {
    Cause::Drill { target: target.parse().unwrap(), instant: instant.parse().unwrap() }
}

/// One of each.
fn causes() -> [Cause; 5] {
    [
        slot("primary", NOW),
        drill("primary", NOW),
        key("backup", "nightly", "body"),
        Cause::Request,
        named("apimbackup_"),
    ]
}

fn named(alike: &str) -> Cause {
    Cause::Named { alike: alike.parse().unwrap() }
}

fn theirs(opening: &Opening) -> Claim {
    Claim::Theirs(Box::new(opening.clone()))
}

#[tokio::test]
async fn whoever_claims_first_has_it_and_the_others_are_told_whose_it_is() {
    on_each_place(|records| async move {
        for cause in causes() {
            let (first, second) = (opening("sampleapim"), opening("sampleapim"));
            assert_eq!(records.claim(&cause, &first).await.unwrap(), Claim::Ours, "{cause:?}");
            assert_eq!(records.claim(&cause, &second).await.unwrap(), theirs(&first), "{cause:?}");
            assert_eq!(records.claimed(&cause, &second).await.unwrap(), Some(theirs(&first)), "{cause:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_ten_that_claim_the_same_at_once_one_has_it() {
    on_each_place(|records| async move {
        for cause in causes() {
            let openings: Vec<_> = (0..10).map(|_| opening("sampleapim")).collect();
            let claims = join_all(openings.iter().map(|opening| records.claim(&cause, opening))).await;
            let claims: Vec<_> = claims.into_iter().map(Result::unwrap).collect();
            let ours = claims.iter().position(|claim| *claim == Claim::Ours).unwrap();
            for (n, claim) in claims.iter().enumerate() {
                let expected = if n == ours { Claim::Ours } else { theirs(&openings[ours]) };
                assert_eq!(*claim, expected, "{cause:?}: {n}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn to_ask_whose_it_is_changes_nothing() {
    on_each_place(|records| async move {
        let before = records.store.list(&Path::default()).await.unwrap();
        for cause in causes() {
            assert_eq!(records.claimed(&cause, &opening("sampleapim")).await.unwrap(), None);
        }
        assert_eq!(records.holder(&plan("sampleapim").service.name, now()).await.unwrap(), None);
        assert_eq!(records.store.list(&Path::default()).await.unwrap(), before);
    })
    .await;
}

#[tokio::test]
async fn targets_instants_routes_and_keys_do_not_meet() {
    on_each_place(|records| async move {
        let causes = [
            slot("primary", NOW),
            slot("standby", NOW),
            slot("primary", "2026-11-22T01:00:00Z"),
            key("backup", "nightly", "body"),
            key("restore", "nightly", "body"),
            key("backup", "nightly2", "body"),
            key("backupn", "ightly", "body"),
            key("backup", "../nightly", "body"),
        ];
        for cause in causes {
            assert_eq!(
                records.claim(&cause, &opening("sampleapim")).await.unwrap(),
                Claim::Ours,
                "{cause:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_with_another_body_is_told_and_keeps_its_first() {
    on_each_place(|records| async move {
        let (first, second) = (opening("sampleapim"), opening("other"));
        records.claim(&key("backup", "nightly", "first"), &first).await.unwrap();
        let other = key("backup", "nightly", "second");
        assert_eq!(records.claim(&other, &second).await.unwrap(), Claim::OtherBody);
        assert_eq!(records.claimed(&other, &second).await.unwrap(), Some(Claim::OtherBody));
        let same = key("backup", "nightly", "first");
        assert_eq!(records.claim(&same, &opening("sampleapim")).await.unwrap(), theirs(&first));
    })
    .await;
}

#[tokio::test]
async fn a_key_is_not_in_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&Location::Directory(folder.path().to_owned()), None).await.unwrap();
    records.claim(&key("backup", "nightly-4711", "mark"), &opening("sampleapim")).await.unwrap();
    let names = records.store.list(&Path::from("keys")).await.unwrap();
    assert_eq!(names.len(), 1);
    let text = std::fs::read_to_string(folder.path().join(names[0].as_ref())).unwrap();
    assert!(!format!("{names:?}{text}").contains("4711"), "{names:?} {text}");
}

#[tokio::test]
async fn an_equal_request_is_joined_while_it_is_open_and_free_afterwards() {
    on_each_place(|records| async move {
        let claim = async |opening: &Opening| records.claim(&Cause::Request, opening).await.unwrap();
        let (first, second) = (opening("sampleapim"), opening("SampleAPIM"));
        assert_eq!(claim(&first).await, Claim::Ours);
        assert_eq!(claim(&opening("other")).await, Claim::Ours);
        // It has no entry yet.
        let joined = claim(&second).await;
        assert!(matches!(&joined, Claim::Theirs(theirs) if theirs.id == first.id), "{joined:?}");
        let entry = self::first(first.clone());
        records.append(&entry).await.unwrap();
        assert!(matches!(claim(&second).await, Claim::Theirs(theirs) if theirs.id == first.id));

        records.append(&skipped(&entry)).await.unwrap();
        assert_eq!(records.claimed(&Cause::Request, &second).await.unwrap(), None);
        assert_eq!(claim(&second).await, Claim::Ours);
        assert!(matches!(claim(&first).await, Claim::Theirs(theirs) if theirs.id == second.id));
    })
    .await;
}

#[tokio::test]
async fn requests_whose_names_differ_by_the_time_are_equal_and_others_are_not() {
    on_each_place(|records| async move {
        let at = |name: &str| {
            let mut opening = opening("sampleapim");
            opening.plan.blob.name = name.parse().unwrap();
            opening
        };
        let claim = async |cause: Cause, name: &str| records.claim(&cause, &at(name)).await.unwrap();
        let first = at("apimbackup_20261121T010000Z");
        assert_eq!(records.claim(&named("apimbackup_"), &first).await.unwrap(), Claim::Ours);
        let again = claim(named("apimbackup_"), "apimbackup_20261121T010001Z").await;
        assert!(matches!(&again, Claim::Theirs(theirs) if theirs.id == first.id), "{again:?}");
        assert_eq!(claim(named("apimbackup-"), "apimbackup-20261121").await, Claim::Ours);
        assert_eq!(claim(Cause::Request, "apimbackup").await, Claim::Ours);
        assert_eq!(claim(Cause::Request, "apimbackup_20261121T010000Z").await, Claim::Ours);
    })
    .await;
}

#[tokio::test]
async fn of_ten_that_follow_a_closed_request_at_once_one_has_it() {
    on_each_place(|records| async move {
        let closed = opening("sampleapim");
        records.claim(&Cause::Request, &closed).await.unwrap();
        records.append(&skipped(&first(closed))).await.unwrap();
        let openings: Vec<_> = (0..10).map(|_| opening("sampleapim")).collect();
        let claims = join_all(openings.iter().map(|opening| records.claim(&Cause::Request, opening))).await;
        let ours = claims.iter().filter(|claim| matches!(claim, Ok(Claim::Ours))).count();
        assert_eq!(ours, 1, "{claims:?}");
    })
    .await;
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_ours_if_it_was_written_and_free_if_it_was_not() {
    for cause in causes() {
        for written in [true, false] {
            let store = Arc::new(Failing::default());
            let records = Records::on(store.clone(), StateKey::generate());
            *store.next.lock().unwrap() = Some(written);
            let (first, second) = (opening("sampleapim"), opening("sampleapim"));
            let claim = records.claim(&cause, &first).await;
            let after = records.claim(&cause, &second).await.unwrap();
            if written {
                assert!(matches!(claim, Ok(Claim::Ours)), "{cause:?}: {claim:?}");
                assert_eq!(after, theirs(&first), "{cause:?}");
            } else {
                assert!(matches!(claim, Err(RecordsError::Store { .. })), "{cause:?}: {claim:?}");
                assert_eq!(after, Claim::Ours, "{cause:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_is_named_and_stops_only_its_own() {
    on_each_place(|records| async move {
        for cause in causes() {
            records.claim(&cause, &opening("sampleapim")).await.unwrap();
        }
        let each = [("slots/primary", 0), ("slots/primary.drill", 1), ("keys", 2), ("requests", 3)];
        for (folder, cause) in each {
            let path = records.store.list(&Path::from(folder)).await.unwrap().remove(0);
            for text in UNREADABLE {
                records.store.0.put(&path, text.into()).await.unwrap();
                let error = records.claim(&causes()[cause], &opening("sampleapim")).await.unwrap_err();
                assert!(matches!(error, RecordsError::Corrupt { .. }), "{text:?}: {error}");
                assert!(error.to_string().contains(path.as_ref()), "{error}");
            }
        }
        let others = [slot("standby", NOW), key("backup", "weekly", "body"), Cause::Request];
        for cause in others {
            assert_eq!(records.claim(&cause, &opening("other")).await.unwrap(), Claim::Ours, "{cause:?}");
        }
    })
    .await;
}
