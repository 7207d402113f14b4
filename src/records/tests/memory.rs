//! What a process remembers of the operations that it follows, while others write.

use super::{failing::Failing, *};

fn waits(entry: &Entry) -> Entry {
    entry.then(Event::Waited { reason: "the service is busy".into(), until: hours(1) }, now()).unwrap()
}

/// Another process on the same records.
fn another(records: &Records) -> Records {
    Records::on(records.store.0.clone(), records.key.clone())
}

#[tokio::test]
async fn whoever_follows_an_operation_sees_what_others_wrote_since() {
    on_each_place(|records| async move {
        let first = opened(&records, "sampleapim").await;
        let id = first.operation.id;
        records.follow(id);
        assert_eq!(records.last(id).await.unwrap().as_ref(), Some(&first));
        let others = another(&records);
        let mut newest = first;
        for _ in 0..3 {
            newest = waits(&newest);
            others.append(&newest).await.unwrap();
        }
        assert_eq!(records.last(id).await.unwrap().as_ref(), Some(&newest));
        let end = skipped(&newest);
        others.append(&end).await.unwrap();
        assert_eq!(records.last(id).await.unwrap(), Some(end));
    })
    .await;
}

#[tokio::test]
async fn an_operation_that_is_followed_is_listed_and_its_seal_opened_once() {
    let store = Arc::new(Failing::default());
    let records = Records::on(store.clone(), StateKey::generate());
    let first = opened(&records, "sampleapim").await;
    let id = first.operation.id;
    records.follow(id);
    assert_eq!(records.last(id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(records.credentials(&first.operation).await.unwrap(), credentials());

    *store.unlisted.lock().unwrap() = Some(Path::from(format!("operations/{}/{id}", id.month())));
    store.delete(&Path::from(format!("open/{id}"))).await.unwrap();
    assert_eq!(records.last(id).await.unwrap().as_ref(), Some(&first));
    let second = waits(&first);
    records.append(&second).await.unwrap();
    assert_eq!(records.last(id).await.unwrap(), Some(second));
    assert_eq!(records.credentials(&first.operation).await.unwrap(), credentials());

    records.forget(id);
    assert!(records.last(id).await.is_err());
    assert_eq!(records.credentials(&first.operation).await.unwrap(), Credentials::default());
}

#[tokio::test]
async fn of_an_operation_that_is_not_followed_nothing_is_remembered() {
    on_each_place(|records| async move {
        let first = opened(&records, "sampleapim").await;
        let id = first.operation.id;
        assert!(records.last(id).await.unwrap().is_some());
        assert_eq!(records.credentials(&first.operation).await.unwrap(), credentials());
        assert_eq!((records.memory.newest(id), records.memory.credentials(id)), (None, None));
    })
    .await;
}
