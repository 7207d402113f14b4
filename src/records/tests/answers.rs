//! Answers that come after the end, and the markers that keep them.

use super::*;
use crate::domain::{
    Answer, AttemptId, FailureKind,
    samples::{accepted, answered, failure, lost, started},
};

/// An operation that was closed, once or twice started, without the answers, and its last entry.
async fn closed_without_answers(records: &Records, attempts: &[AttemptId]) -> Entry {
    let mut entry = opened(records, "sampleapim").await;
    for attempt in attempts {
        entry = appended(records, &entry, started(*attempt)).await;
    }
    entry = appended(records, &entry, failure(FailureKind::OutcomeUnknown)).await;
    records.close(&entry).await.unwrap();
    entry
}

async fn appended(records: &Records, entry: &Entry, event: Event) -> Entry {
    let next = entry.then(event, now()).unwrap();
    assert!(matches!(records.append(&next).await.unwrap(), Appended::Written));
    next
}

#[tokio::test]
async fn an_answer_to_a_closed_operation_opens_it_again_and_brings_the_credentials() {
    on_each_place(|records| async move {
        let attempt = AttemptId::random();
        let closed = closed_without_answers(&records, &[attempt]).await;
        let id = closed.operation.id;
        assert_eq!(records.kept_answer(id, attempt).await.unwrap(), None);
        // Somebody follows it, and looks too early.
        records.follow(id);
        assert_eq!(records.credentials(&closed.operation).await.unwrap(), Credentials::default());
        for _ in 0..2 {
            records.keep_answer(id, attempt, &accepted(), &credentials()).await.unwrap();
        }
        assert_eq!(records.open_operations().await.unwrap(), [id]);
        assert_eq!(records.kept_answer(id, attempt).await.unwrap(), Some(accepted()));
        assert_eq!(records.kept_answer(id, AttemptId::random()).await.unwrap(), None);
        assert_eq!(records.credentials(&closed.operation).await.unwrap(), credentials());
        // It is not an opening: nobody begins it anew.
        assert_eq!(records.opening(id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_kept_answer_stays_until_the_journal_has_it() {
    on_each_place(|records| async move {
        let attempts = [AttemptId::random(), AttemptId::random()];
        let closed = closed_without_answers(&records, &attempts).await;
        let id = closed.operation.id;
        for attempt in attempts {
            records.keep_answer(id, attempt, &lost(), &Credentials::default()).await.unwrap();
        }
        assert_eq!(records.open_operations().await.unwrap(), [id]);
        let kept = async |attempt| records.kept_answer(id, attempt).await.unwrap();

        records.close(&closed).await.unwrap();
        assert_eq!((kept(attempts[0]).await, kept(attempts[1]).await), (Some(lost()), Some(lost())));
        let one = appended(&records, &closed, answered(attempts[1], lost())).await;
        records.close(&one).await.unwrap();
        assert_eq!((kept(attempts[0]).await, kept(attempts[1]).await), (Some(lost()), None));
        assert_eq!(records.open_operations().await.unwrap(), [id]);
        let both = appended(&records, &one, answered(attempts[0], lost())).await;
        records.close(&both).await.unwrap();
        assert_eq!(records.open_operations().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_marker_that_cannot_be_read_is_named_and_stops_only_its_own() {
    on_each_place(|records| async move {
        let attempt = AttemptId::random();
        let kept = closed_without_answers(&records, &[attempt]).await;
        records.keep_answer(kept.operation.id, attempt, &accepted(), &credentials()).await.unwrap();
        let open = opened(&records, "sampleapim").await;
        let other = opened(&records, "other").await;
        for text in UNREADABLE {
            for name in [open.operation.id.to_string(), format!("{}.{attempt}", kept.operation.id)] {
                records.store.0.put(&Path::from(format!("open/{name}")), text.into()).await.unwrap();
            }
            let errors = [
                (records.opening(open.operation.id).await.map(drop), open.operation.id),
                (records.credentials(&open.operation).await.map(drop), open.operation.id),
                (records.kept_answer(kept.operation.id, attempt).await.map(drop), kept.operation.id),
            ];
            for (result, id) in errors {
                let error = result.unwrap_err();
                assert!(matches!(error, RecordsError::Corrupt { .. }), "{text:?}: {error}");
                assert!(error.to_string().contains(&id.to_string()), "{error}");
            }
            assert_eq!(records.open_operations().await.unwrap().len(), 3);
            assert_eq!(records.credentials(&other.operation).await.unwrap(), credentials());
        }
    })
    .await;
}

#[tokio::test]
async fn every_answer_is_kept_as_it_was() {
    use crate::domain::samples::{busy, not_sent, refused};
    on_each_place(|records| async move {
        let answers: [Answer; 5] = [accepted(), refused(), busy(), lost(), not_sent()];
        for answer in answers {
            let (id, attempt) = (OperationId::at(now()), AttemptId::random());
            records.keep_answer(id, attempt, &answer, &Credentials::default()).await.unwrap();
            assert_eq!(records.kept_answer(id, attempt).await.unwrap(), Some(answer));
        }
    })
    .await;
}
