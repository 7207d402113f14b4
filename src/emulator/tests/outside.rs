//! Backups in another blob service: here that of a second emulator.

use std::time::Duration;

use serde_json::json;

use super::{Bed, by_key, on, with};
use crate::emulator::{Config, Emulator, accounts};

/// Who starts the backups, and who keeps their blobs.
async fn beds() -> (Bed, Bed) {
    let outside = Bed::start().await;
    let blob_endpoint = Some(outside.emulator.blob_endpoint("{account}"));
    (Bed::with(Config { blob_endpoint, ..Config::default() }).await, outside)
}

fn sizes(bed: &Bed) -> Vec<usize> {
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    blobs.into_iter().map(|(_, size, _)| size).collect()
}

#[tokio::test]
async fn a_backup_goes_to_the_service_outside_and_is_restored_from_there() {
    let (bed, outside) = beds().await;
    bed.back_up().await;
    assert!(sizes(&outside)[0] > 4096 && sizes(&bed).is_empty());
    assert_eq!(bed.emulator.blob_endpoint("x"), outside.emulator.blob_endpoint("x"));

    let answer = bed.post(&on(accounts::STANDBY, "/restore"), by_key()).await;
    bed.pass(543);
    assert_eq!(bed.get(answer.location()).await.status, 200);
    let content = bed.emulator.with_service(accounts::STANDBY, |service| service.content.clone());
    assert_eq!(content.as_deref(), Some("apis of sampleapim"));
}

#[tokio::test]
async fn a_scripted_end_leaves_there_what_it_should() {
    for (effect, status, size) in [
        (json!({ "kind": "noBlob" }), 200, None),
        (json!({ "kind": "emptyBlob" }), 200, Some(0..1)),
        (json!({ "kind": "partialBlob" }), 400, Some(1000..4000)),
        (json!({ "kind": "lateBlob", "seconds": 30 }), 200, None),
    ] {
        let (bed, outside) = beds().await;
        bed.inject(json!({ "on": { "method": "POST" }, "effect": effect })).await;
        let location = bed.accepted("/backup", by_key()).await;
        bed.pass(543);
        assert_eq!(bed.get(&location).await.status, status, "{effect}");
        assert_eq!(sizes(&outside).len(), usize::from(size.is_some()), "{effect}");
        assert!(size.is_none_or(|size| size.contains(&sizes(&outside)[0])), "{effect}");
        let later = r#"{"seconds":30}"#.to_owned();
        bed.send("POST", "/_emulator/clock/advance", &[], later).await.unwrap();
        assert_eq!(sizes(&outside).len(), usize::from(effect["kind"] != "noBlob"), "{effect}: 30 s later");
    }
}

#[tokio::test]
async fn what_the_service_outside_refuses_fails_with_its_code() {
    let (bed, outside) = beds().await;
    let ends = async |kind: &str, members: serde_json::Value| {
        let mut all = json!({ "accessKey": accounts::ACCOUNT_KEY });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let location = bed.accepted(kind, with(&all)).await;
        bed.pass(543);
        let end = bed.get(&location).await;
        (end.code(), end.message().split(':').next().unwrap().to_owned())
    };
    let failed = |kind: &str, why: &str| (format!("{kind}Failed"), why.to_owned());
    let missing = json!({ "containerName": "missing" });
    assert_eq!(ends("/backup", missing).await, failed("Backup", "ContainerNotFound"));
    assert_eq!(
        ends("/backup", json!({ "storageAccount": "nobody" })).await,
        failed("Backup", "ResourceNotFound")
    );
    assert_eq!(ends("/restore", json!({ "backupName": "missing" })).await, failed("Restore", "BlobNotFound"));
    outside.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "text", "text");
    let other = ends("/restore", json!({ "backupName": "text" })).await;
    assert_eq!(other, failed("Restore", "Cannot restore"));
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_lose_the_blob() {
    let (bed, outside) = beds().await;
    let location = bed.accepted("/backup", by_key()).await;
    bed.pass(543);
    outside
        .inject(json!({ "on": { "method": "PUT" }, "effect": { "kind": "slow", "millis": 500, "processed": false } }))
        .await;
    let hasty = bed.http.get(&location).bearer_auth(&bed.token).timeout(Duration::from_millis(100));
    assert!(hasty.send().await.is_err());
    assert_eq!(bed.get(&location).await.status, 200);
    assert!(sizes(&outside)[0] > 4096);
}

#[tokio::test]
async fn only_keys_open_a_service_outside_and_only_on_this_machine() {
    let (bed, _outside) = beds().await;
    for members in [
        json!({ "accessType": "SystemAssignedManagedIdentity" }),
        json!({ "accessType": "UserAssignedManagedIdentity", "clientId": accounts::USER_IDENTITY_CLIENT_ID }),
    ] {
        let refused = bed.post(&on(accounts::SERVICE, "/backup"), with(&members)).await;
        assert_eq!((refused.status, refused.code()), (400, "EmulatorNeedsAccessKey".to_owned()));
    }
    let blob_endpoint = Some("https://{account}.blob.core.windows.net".to_owned());
    let error = Emulator::start(Config { blob_endpoint, ..Config::default() }).await.expect_err("foreign");
    assert!(error.to_string().contains("of this machine"), "{error}");
}
