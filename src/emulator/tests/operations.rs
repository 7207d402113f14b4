use base64::Engine as _;
use serde_json::{Value, json};

use super::{Bed, by_key, on, versioned, with};
use crate::emulator::{Service, accounts};

fn blob_names(bed: &Bed) -> Vec<String> {
    let blobs = bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER);
    blobs.into_iter().map(|(name, ..)| name).collect()
}

/// What the poll of a restore into the standby says at its end.
async fn restore_into_standby(bed: &Bed, body: Value) -> (u16, String) {
    let answer = bed.post(&on(accounts::STANDBY, "/restore"), body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    bed.pass(543);
    let end = bed.get(answer.location()).await;
    (end.status, if end.status == 200 { String::new() } else { format!("{}: {}", end.code(), end.message()) })
}

#[tokio::test]
async fn a_backup_goes_as_recorded() {
    let bed = Bed::start().await;
    let start = bed.post(&versioned(accounts::SERVICE, "/backup", "2019-01-01"), by_key()).await;
    assert_eq!((start.status, start.body.as_str(), start.header("retry-after")), (202, "", Some("60")));
    assert_eq!((start.header("content-length"), start.header("content-type")), (Some("0"), None));
    let (head, id) =
        start.location().split_once("/service/sampleapim//operationresults/").expect("two slashes");
    assert!(head.starts_with(&bed.emulator.url()));
    let id = id.strip_suffix("==?api-version=2019-01-01").expect("padding as it is");
    let id = base64::engine::general_purpose::STANDARD.decode(format!("{id}==")).unwrap();
    assert!(String::from_utf8(id).unwrap().starts_with("australiaeast:sampleapim_Backup_"));

    let poll = bed.get(start.location()).await;
    assert_eq!((poll.status, poll.body.as_str(), poll.header("retry-after")), (202, "", Some("60")));
    assert_eq!((poll.header("content-length"), poll.header("content-type")), (Some("0"), None));
    let next = start.location().replace("//operationresults", "/operationresults").replace("==?", "%3D%3D?");
    assert_eq!(poll.location(), next);
    let service = bed.get(&on(accounts::SERVICE, "")).await.json();
    assert_eq!(service["properties"]["provisioningState"], "Updating");

    bed.pass(542);
    assert_eq!(bed.get(&next).await.location(), next);
    assert!(blob_names(&bed).is_empty());
    bed.pass(60);
    for url in [&next, start.location(), &next] {
        let end = bed.get(url).await;
        assert_eq!((end.status, end.header("location"), end.header("retry-after")), (200, None, None));
        assert_eq!(end.json(), bed.get(&on(accounts::SERVICE, "")).await.json());
    }
    assert_eq!(blob_names(&bed), ["nightly"]);
    let written = bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| {
        account.blob(accounts::CONTAINER, "nightly").unwrap().last_modified.to_string()
    });
    assert_eq!(
        written.as_deref(),
        Some("2026-03-01T01:09:03Z"),
        "when it was due, not when it was looked at"
    );
    assert_eq!((bed.emulator.posts("backup"), bed.emulator.accepted("backup")), (1, 1));
    let [run] = bed.emulator.runs().try_into().unwrap();
    let told = (run.word, run.service.as_str(), run.blob.as_str(), run.succeeded, run.scripted);
    assert_eq!(told, ("Backup", "sampleapim", "nightly", true, false));
    assert_eq!(run.ended.map(|ended| ended.duration_since(run.began).as_secs()), Some(543));
}

#[tokio::test]
async fn a_busy_service_is_locked() {
    let bed = Bed::start().await;
    bed.accepted("/backup", by_key()).await;
    for kind in ["/backup", "/restore"] {
        let answer = bed.post(&on(accounts::SERVICE, kind), by_key()).await;
        assert_eq!((answer.status, answer.header("retry-after")), (409, None));
        let message =
            "The API Service sampleapim is transitioning at this time. Please try the request again later.";
        let error =
            json!({ "code": "ServiceLocked", "message": message, "details": null, "innerError": null });
        assert_eq!(answer.json(), json!({ "error": error }));
    }
    let identity = json!({ "identity": { "type": "None" } });
    assert_eq!(bed.arm("PATCH", &on(accounts::SERVICE, ""), Some(identity)).await.status, 409);
    assert_eq!((bed.emulator.accepted("backup"), bed.emulator.accepted("restore")), (1, 0));
    bed.pass(543);
    bed.accepted("/restore", by_key()).await;
}

#[tokio::test]
async fn a_restore_brings_the_content_of_the_backup() {
    let bed = Bed::start().await;
    bed.back_up().await;
    assert_eq!(restore_into_standby(&bed, by_key()).await, (200, String::new()));
    let content = bed.emulator.with_service(accounts::STANDBY, |service| service.content.clone());
    assert_eq!(content.as_deref(), Some("apis of sampleapim"));
    assert_eq!(bed.emulator.accepted("restore"), 1);
}

#[tokio::test]
async fn what_cannot_be_restored_fails_at_the_end() {
    let bed = Bed::start().await;
    bed.back_up().await;
    let missing = with(&json!({ "accessKey": accounts::ACCOUNT_KEY, "backupName": "missing" }));
    let (status, text) = restore_into_standby(&bed, missing).await;
    assert_eq!(
        (status, text.as_str()),
        (400, "RestoreFailed: Cannot restore: the specified backup does not exist")
    );

    bed.emulator.with_service(accounts::STANDBY, |service| service.tier = "Standard".into());
    let (status, text) = restore_into_standby(&bed, by_key()).await;
    let mismatch = "RestoreFailed: Cannot restore: current SKU is 'Standard', backup SKU is 'Developer'";
    assert_eq!((status, text.as_str()), (400, mismatch));
    bed.emulator.with_service(accounts::STANDBY, |service| service.tier = "Developer".into());

    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "picture", "not a backup");
    let other = with(&json!({ "accessKey": accounts::ACCOUNT_KEY, "backupName": "picture" }));
    assert_eq!(restore_into_standby(&bed, other).await.0, 400);
}

#[tokio::test]
async fn a_backup_expires_after_thirty_days() {
    let bed = Bed::patient().await;
    bed.back_up().await;
    for (days, status) in [(29, 200), (1, 400)] {
        bed.pass(days * 24 * 3600);
        let (seen, text) = restore_into_standby(&bed, by_key()).await;
        assert_eq!(seen, status, "{text}");
        assert!(status == 200 || text == "RestoreFailed: Cannot restore: backup expired", "{text}");
    }
}

#[tokio::test]
async fn a_backup_without_access_to_storage_fails_at_the_end() {
    let bed = Bed::patient().await;
    let system = with(&json!({ "accessType": "SystemAssignedManagedIdentity" }));
    let user = with(
        &json!({ "accessType": "UserAssignedManagedIdentity", "clientId": accounts::USER_IDENTITY_CLIENT_ID }),
    );
    let end = async |body: &Value| {
        let location = bed.accepted("/backup", body.clone()).await;
        bed.pass(543);
        let answer = bed.get(&location).await;
        assert!(answer.status == 200 || answer.code() == "BackupFailed");
        answer.status
    };
    assert_eq!(end(&system).await, 200);
    assert_eq!(end(&user).await, 400, "not assigned to the service");
    let assign =
        |service: &mut Service| service.user_identities.insert(accounts::USER_IDENTITY_ID.to_owned());
    bed.emulator.with_service(accounts::SERVICE, assign);
    assert_eq!(end(&user).await, 200);
    assert_eq!(end(&with(&json!({ "accessKey": "d3Jvbmc=" }))).await, 400);
    assert_eq!(
        end(&with(&json!({ "accessKey": accounts::ACCOUNT_KEY, "storageAccount": "missing" }))).await,
        400
    );

    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| account.firewall = true);
    assert_eq!((end(&by_key()).await, end(&user).await, end(&system).await), (400, 400, 200));
    bed.emulator.with_account(accounts::STORAGE_ACCOUNT, |account| {
        (account.firewall, account.allow_shared_key) = (false, Some(false));
    });
    assert_eq!(end(&by_key()).await, 400);
    bed.emulator.with_roles(Vec::clear);
    assert_eq!(end(&system).await, 400);
}

#[tokio::test]
async fn a_backup_makes_its_container_and_writes_over_its_blob() {
    let bed = Bed::start().await;
    let elsewhere = with(&json!({ "accessKey": accounts::ACCOUNT_KEY, "containerName": "new-one" }));
    bed.accepted("/backup", elsewhere).await;
    bed.pass(543);
    let etag =
        |bed: &Bed, container: &str| bed.emulator.blobs(accounts::STORAGE_ACCOUNT, container)[0].2.clone();
    assert!(!etag(&bed, "new-one").is_empty());
    bed.back_up().await;
    let first = etag(&bed, accounts::CONTAINER);
    bed.back_up().await;
    assert_ne!(etag(&bed, accounts::CONTAINER), first);
    assert!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER)[0].1 > 4096);
}

#[tokio::test]
async fn an_operation_is_found_at_its_own_service_only() {
    let bed = Bed::start().await;
    let location = bed.accepted("/backup", by_key()).await;
    assert_eq!(bed.get(&location.replace("sampleapim/", "sampleapim-standby/")).await.status, 404);
    assert_eq!(
        bed.get(&on(accounts::SERVICE, "/operationresults/bm90aGluZw%3D%3D")).await.code(),
        "OperationNotFound"
    );
}
