//! What a process remembers of open operations, while others write.

use super::{failing::Failing, *};

fn waits(entry: &Entry) -> Entry {
    entry.then(Event::Waited { reason: "the service is busy".into(), until: hours(1) }, now()).unwrap()
}

/// Another process on the same records.
fn another(records: &Records) -> Records {
    Records::on(records.store.0.clone(), records.key.clone())
}

#[tokio::test]
async fn whoever_remembers_an_operation_sees_what_others_wrote_since() {
    on_each_place(|records| async move {
        let first = opened(&records, "sampleapim").await;
        let id = first.operation.id;
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
    assert_eq!(records.credentials(&first.operation).await.unwrap(), credentials());

    *store.unlisted.lock().unwrap() = Some(Path::from(format!("operations/{}/{id}", id.month())));
    store.delete(&Path::from(format!("open/{id}"))).await.unwrap();
    assert_eq!(records.last(id).await.unwrap(), Some(first.clone()));
    assert_eq!(records.credentials(&first.operation).await.unwrap(), credentials());
    let other = another(&records);
    assert!(other.last(id).await.is_err());
    assert_eq!(other.credentials(&first.operation).await.unwrap(), Credentials::default());
}

#[tokio::test]
async fn an_operation_is_forgotten_once_it_is_closed_whoever_closed_it() {
    on_each_place(|records| async move {
        let first = opened(&records, "sampleapim").await;
        let id = first.operation.id;
        let others = another(&records);
        let end = skipped(&first);
        others.append(&end).await.unwrap();
        others.close(&end).await.unwrap();
        assert!(records.memory.newest(id).is_some());
        assert_eq!(records.open_operations().await.unwrap(), []);
        assert!(records.memory.newest(id).is_none());

        let ours = opened(&records, "sampleapim").await;
        records.append(&skipped(&ours)).await.unwrap();
        assert!(records.memory.newest(ours.operation.id).is_none());
    })
    .await;
}
