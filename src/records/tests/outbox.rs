//! Letters: posted once, tried by one at a time, kept until they are over.

use super::{alarms::alarm, *};
use crate::{
    domain::{Callback, Letter, Notice, Recipient},
    ports::{Delivery, Found, Letters, Outbox as _, Waiting},
};

fn letter() -> Letter {
    Letter { notice: Notice::alarm(&alarm("rpo", 1, "text")), to: hook("ops") }
}

fn hook(name: &str) -> Recipient {
    Recipient::Hook(name.parse().unwrap())
}

fn ended(to: Recipient) -> Letter {
    let entry = skipped(&first(opening("sampleapim")));
    Letter { notice: Notice::ended(&entry.operation, entry.seq, Vec::new()), to }
}

fn callback() -> Recipient {
    Recipient::Callback(Callback::AzureDevOps {
        url: Secret::new("https://dev.azure.com/x?s3cr3t"),
        token: Secret::new("t0k3n"),
        job: "job".to_owned(),
        task: "task".to_owned(),
    })
}

async fn waiting(records: &Records) -> Vec<Waiting> {
    let Letters { waiting, unreadable } = records.waiting().await.unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    waiting
}

async fn only(records: &Records) -> Waiting {
    let [only] = waiting(records).await.try_into().unwrap();
    only
}

/// All that is left of letters.
async fn left(records: &Records) -> Vec<String> {
    let mut left = Vec::new();
    for folder in ["outbox", "told"] {
        left.extend(records.store.list(&Path::from(folder)).await.unwrap().iter().map(ToString::to_string));
    }
    left
}

#[tokio::test]
async fn a_letter_is_there_once_from_its_posting_to_its_end_and_never_again() {
    on_each_place(|records| async move {
        let letter = letter();
        let key = letter.key();
        for hour in [0, 1] {
            records.post(&letter, hours(hour)).await.unwrap();
            assert_eq!(waiting(&records).await, [Waiting { key: key.clone(), tries: 0, at: now() }]);
        }
        let found = records.letter(&key).await.unwrap();
        assert_eq!(found, Some(Found { letter: letter.clone(), posted: now() }));
        assert!(records.take(&only(&records).await, hours(2)).await.unwrap());
        assert_eq!(waiting(&records).await, [Waiting { key: key.clone(), tries: 1, at: hours(2) }]);
        for delivery in [Delivery::Delivered, Delivery::GivenUp { reason: "late".to_owned() }] {
            records.end(&key, &delivery, hours(3)).await.unwrap();
            assert_eq!(waiting(&records).await, []);
            records.post(&letter, hours(4)).await.unwrap();
            assert_eq!(left(&records).await, [format!("told/{key}.json")]);
        }
        let told = records.store.0.get(&Path::from(format!("told/{key}.json"))).await.unwrap();
        let told = String::from_utf8(told.bytes().await.unwrap().to_vec()).unwrap();
        assert!(told.contains("delivered") && !told.contains("late"), "how it ended first counts: {told}");
    })
    .await;
}

#[tokio::test]
async fn of_ten_that_take_a_try_one_has_it() {
    on_each_place(|records| async move {
        records.post(&letter(), now()).await.unwrap();
        for tries in 0..3 {
            let only = only(&records).await;
            assert_eq!(only.tries, tries);
            let takes = join_all((0..10).map(|_| records.take(&only, hours(1)))).await;
            assert_eq!(takes.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn letters_of_one_notice_and_those_of_two_times_are_not_one() {
    on_each_place(|records| async move {
        let letter = letter();
        let other = Letter { to: hook("other"), ..letter.clone() };
        let mut later = letter.clone();
        later.notice.at = hours(1);
        // A hook may have this name.
        let (ended, own) = (ended(callback()), ended(hook("callback")));
        for letter in [&letter, &other, &later, &ended, &Letter { notice: ended.notice.clone(), ..own }] {
            records.post(letter, now()).await.unwrap();
        }
        assert_eq!(waiting(&records).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_is_left_of_a_letter_that_is_over_is_taken_away_by_whoever_meets_it() {
    on_each_place(|records| async move {
        let letter = letter();
        let key = letter.key();
        let told = [format!("told/{key}.json")];
        // Whoever ended it died before it took anything away, or in between, or another one wrote after it.
        for leave in [&["000000.json", "000001.json"][..], &["000000.json"], &["000002.json"]] {
            records.post(&letter, now()).await.unwrap();
            records.end(&key, &Delivery::Delivered, now()).await.unwrap();
            for file in leave {
                let path = Path::from(format!("outbox/{key}/{file}"));
                let content = outbox_file(&records, &letter).await;
                records.store.0.put(&path, content.into()).await.unwrap();
            }
            let waiting = only(&records).await;
            if records.letter(&key).await.unwrap().is_some() {
                assert!(!records.take(&waiting, hours(1)).await.unwrap());
            }
            assert_eq!(left(&records).await, told);
        }
    })
    .await;
}

/// What a letter looks like in the store.
async fn outbox_file(records: &Records, letter: &Letter) -> Vec<u8> {
    let elsewhere = Records::on(Arc::new(InMemory::new()), records.key.clone());
    elsewhere.post(letter, now()).await.unwrap();
    let path = Path::from(format!("outbox/{}/000000.json", letter.key()));
    elsewhere.store.0.get(&path).await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn a_callback_is_sealed_for_its_operation() {
    on_each_place(|records| async move {
        let letter = ended(callback());
        records.post(&letter, now()).await.unwrap();
        let stored = records.store.list(&Path::from("outbox")).await.unwrap();
        let stored = records.store.0.get(&stored[0]).await.unwrap().bytes().await.unwrap();
        let stored = String::from_utf8(stored.to_vec()).unwrap();
        assert!(stored.contains("ciphertext"), "{stored}");
        for secret in ["s3cr3t", "t0k3n", "dev.azure.com"] {
            assert!(!stored.contains(secret), "{stored}");
        }
        let other = Records::on(records.store.0.clone(), StateKey::generate());
        let unopened = other.letter(&letter.key()).await;
        assert!(matches!(unopened, Err(RecordsError::Sealed { .. })), "{unopened:?}");
        assert_eq!(records.letter(&letter.key()).await.unwrap().unwrap().letter, letter);
        let misplaced = Letter { to: callback(), ..super::outbox::letter() };
        assert!(matches!(records.post(&misplaced, now()).await, Err(RecordsError::Sealed { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_cannot_be_read_is_left_as_it_is_and_stops_no_other() {
    on_each_place(|records| async move {
        let (theirs, ours) = (ended(hook("ops")), letter());
        records.post(&ours, now()).await.unwrap();
        for (n, unreadable) in (0..).zip(UNREADABLE) {
            let path = Path::from(format!("outbox/{}/{n:06}.json", theirs.key()));
            records.store.0.put(&path, unreadable.into()).await.unwrap();
            let letters = records.waiting().await.unwrap();
            assert_eq!((letters.waiting.len(), letters.unreadable.len()), (1, 1), "{letters:?}");
            assert_eq!(letters.waiting[0].key, ours.key());
        }
        let before = left(&records).await;
        assert!(matches!(records.letter(&theirs.key()).await, Err(RecordsError::Corrupt { .. })));
        assert_eq!(left(&records).await, before);
    })
    .await;
}

#[tokio::test]
async fn how_letters_ended_is_pruned_and_those_that_wait_never() {
    on_each_place(|records| async move {
        let over = ended(hook("ops"));
        for letter in [&letter(), &over] {
            records.post(letter, now()).await.unwrap();
        }
        records.end(&over.key(), &Delivery::Delivered, now()).await.unwrap();
        assert_eq!(records.prune("2001-01-01T00:00:00Z".parse().unwrap()).await.unwrap().deleted, 0);
        assert_eq!(records.prune("2100-01-01T00:00:00Z".parse().unwrap()).await.unwrap().deleted, 1);
        assert_eq!(left(&records).await, [format!("outbox/{}/000000.json", letter().key())]);
    })
    .await;
}
