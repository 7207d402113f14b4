//! Success is only said of what was seen: the blob of a backup after Azure's word, and that of a restore before it.

use std::{collections::BTreeMap, time::Duration};

use apim_dr::emulator::{Effect, Fault, accounts};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bed::{Answer, Bed, but, everything_in, put_backup, seed};

/// The identity that the environment gives the app.
pub(crate) const APP: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", accounts::TENANT_ID),
    ("AZURE_CLIENT_ID", accounts::APPLICATION_ID),
    ("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET),
];

/// A backup whose key nobody brings: API Management has an identity, and so has the app.
fn without_key() -> Value {
    but(seed("backup"), &json!({ "accessKey": null, "accessType": "SystemAssignedManagedIdentity" }))
}

/// Takes from the app's identity what it may do with blobs.
fn without_role(bed: &Bed) {
    bed.emulator.with_roles(|roles| {
        roles.retain(|role| role.principal != accounts::APPLICATION_PRINCIPAL_ID);
    });
}

fn looks(bed: &Bed) -> usize {
    bed.emulator.requests().iter().filter(|request| request.method == "HEAD").count()
}

fn time(ended: &Answer, field: &str) -> Timestamp {
    ended.json()[field].as_str().unwrap().parse().unwrap()
}

fn in_seconds(ended: &Answer) -> i64 {
    time(ended, "lastUpdatedTime").duration_since(time(ended, "createdTime")).as_secs()
}

/// That it failed, of this kind, with this message.
fn assert_failed(ended: &Answer, kind: &str, message: &str) {
    assert_eq!(ended.status, 424, "{ended:?}");
    let failure = &ended.json()["failure"];
    assert_eq!(failure["kind"], kind, "{ended:?}");
    let found = failure["error"]["message"].as_str().unwrap();
    assert!(found.contains(message), "{found:?} does not say {message:?}");
    assert!(failure["error"]["remedy"].is_string(), "{failure}");
}

#[tokio::test]
async fn a_backup_ends_verified_with_the_size_and_the_md5_of_its_blob() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let ended = bed.follow(&link).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let (size, e_tag, md5) = bed
        .emulator
        .with_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "apimbackup", |blob| {
            (blob.content.len(), blob.etag.clone(), blob.content_md5.clone())
        })
        .unwrap();
    let body = ended.json();
    let verification = &body["verification"];
    assert_eq!(verification["result"], "verified", "{body}");
    let blob = &verification["blob"];
    assert_eq!((&blob["size"], &blob["eTag"], &blob["md5"]), (&json!(size), &json!(e_tag), &json!(md5)));
    assert!(md5.is_some() && blob["modified"].is_string(), "{blob}");
    assert_eq!(body["customStatus"], format!("succeeded; verified: the blob is there, {size} bytes"));
    assert_eq!(bed.story(&link).last().map(String::as_str), Some("verified"));
}

#[tokio::test]
async fn a_success_without_a_blob_of_its_own_is_a_failure_after_patient_looks() {
    const MISSING: &str = "Azure reported success, the blob is not there";
    const OLD: &str = "Azure reported success, the blob is the one that was there before";
    const EMPTY: &str = "Azure reported success, the blob is empty";
    for (effect, overwrites, says) in [
        (Effect::NoBlob, false, MISSING),
        (Effect::NoBlob, true, OLD),
        (Effect::EmptyBlob, false, EMPTY),
        (Effect::EmptyBlob, true, EMPTY),
    ] {
        let bed = Bed::start().await;
        if overwrites {
            put_backup(&bed);
        }
        bed.emulator.inject(Fault::once("POST", "/backup?", effect));
        let link = bed.open("/api/backup", &seed("backup")).await;
        let ended = bed.follow(&link).await;
        assert_failed(&ended, "failed", says);
        // Azure's own time is nine minutes, and the blob was looked for ten more.
        assert!((1140..1300).contains(&in_seconds(&ended)), "{} s", in_seconds(&ended));
        assert!(looks(&bed) > 10, "{} looks", looks(&bed));
        let story = bed.story(&link);
        assert_eq!(story[story.len() - 3..], ["completed", "unread", "failed"], "{story:?}");
        assert_eq!(bed.emulator.accepted("backup"), 1, "nobody repeats it by himself");
        assert!(!bed.records().join("catalog").exists(), "it is no recovery point");
    }
}

#[tokio::test]
async fn a_blob_that_comes_late_is_waited_for() {
    let bed = Bed::start().await;
    bed.emulator.inject(Fault::once("POST", "/backup?", Effect::LateBlob { seconds: 400 }));
    let ended = bed.run("/api/backup", &seed("backup")).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json()["verification"]["result"], "verified");
    assert!((940..1100).contains(&in_seconds(&ended)), "{} s", in_seconds(&ended));
}

#[tokio::test]
async fn a_part_of_a_blob_makes_no_success_of_a_failure() {
    let bed = Bed::start().await;
    bed.emulator.inject(Fault::once("POST", "/backup?", Effect::PartialBlob));
    let ended = bed.run("/api/backup", &seed("backup")).await;
    assert_eq!(ended.status, 424, "{ended:?}");
    assert_eq!(ended.json()["failure"]["error"]["code"], "BackupFailed");
    assert_eq!(bed.emulator.blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER).len(), 1);
    assert!(!bed.records().join("catalog").exists(), "it is no recovery point");
}

#[tokio::test]
async fn without_a_right_to_read_a_backup_succeeds_unverified_and_names_the_role() {
    let bed = Bed::with(&APP).await;
    without_role(&bed);
    let ended = bed.run("/api/backup", &without_key()).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let body = ended.json();
    assert_eq!((&body["phase"], &body["evidence"]), (&json!("Succeeded"), &json!("arm")));
    assert_eq!(body["verification"]["result"], "unverified");
    let reason = body["verification"]["reason"].as_str().unwrap();
    assert!(reason.contains("Storage Blob Data Reader"), "{reason}");
    assert!(body["customStatus"].as_str().unwrap().starts_with("succeeded; unverified: "), "{body}");
    assert!(in_seconds(&ended) < 700, "nobody waits for a right: {} s", in_seconds(&ended));
}

#[tokio::test]
async fn a_connection_with_a_sas_opens_an_account_that_the_app_itself_may_not_read() {
    let mut bed = Bed::with(&APP).await;
    without_role(&bed);
    let connection = format!(
        "BlobEndpoint={};AccountName={};SharedAccessSignature=sv=2022-11-02&sp=rl&sig=bm90LWEtc2VjcmV0",
        bed.emulator.blob_endpoint(accounts::STORAGE_ACCOUNT),
        accounts::STORAGE_ACCOUNT
    );
    bed.set("APIM_DR_BLOB_CONNECTION", &connection);
    bed.restart().await;
    let ended = bed.run("/api/backup", &without_key()).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json()["verification"]["result"], "verified", "{ended:?}");
    let requests = bed.emulator.requests();
    let heads: Vec<_> = requests.iter().filter(|request| request.method == "HEAD").collect();
    assert!(heads.len() > 1 && heads.iter().all(|head| head.path.contains("sig=")), "{heads:?}");
    assert!(!everything_in(bed.records()).contains("bm90LWEtc2VjcmV0"), "a secret is in the records");
}

#[tokio::test]
async fn a_wrong_connection_is_said_aloud_and_keeps_nobody_from_a_backup_or_a_restore() {
    let mut bed = Bed::start().await;
    for connection in ["nonsense", "@Microsoft.KeyVault(VaultName=v;SecretName=s)"] {
        bed.set("APIM_DR_BLOB_CONNECTION", connection);
        bed.restart().await;
        let health = bed.get("/api/health").await;
        assert_eq!(health.status, 503, "{health:?}");
        assert!(health.text.contains("APIM_DR_BLOB_CONNECTION"), "{health:?}");
        for kind in ["backup", "restore"] {
            let ended = bed.run(&format!("/api/{kind}"), &seed(kind)).await;
            assert_eq!(ended.status, 200, "{ended:?}");
        }
    }
}

#[tokio::test]
async fn a_restore_of_a_name_that_is_not_there_fails_before_its_start_with_the_nearest_names() {
    let bed = Bed::start().await;
    for name in ["apimbackup_20261118", "apimbackup_20261119", "apimbackup_20261120", "zebra"] {
        bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "backup");
    }
    let asked = |name: &str| but(seed("restore"), &json!({ "backupName": name }));
    let ended = bed.run("/api/restore", &asked("apimbackup_20261121")).await;
    assert_failed(&ended, "blocked", "apimdrstorage/backup/apimbackup_20261121 is not there");
    let remedy = ended.json()["failure"]["error"]["remedy"].as_str().unwrap().to_owned();
    let near = "apimdrstorage/backup has apimbackup_20261120, apimbackup_20261119, apimbackup_20261118";
    assert!(remedy.contains(near) && !remedy.contains("zebra"), "{remedy}");
    let ended = bed.run("/api/restore", &asked("quite-another")).await;
    assert_failed(&ended, "blocked", "quite-another is not there");
    assert_eq!(bed.emulator.posts("restore"), 0);
}

#[tokio::test]
async fn a_restore_of_an_old_an_empty_or_an_unfit_backup_fails_before_its_start() {
    let bed = Bed::start().await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "empty", "");
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "foreign", "backup");
    let standby = but(seed("restore"), &json!({ "apimInstance": accounts::STANDBY }));

    let ended = bed.run("/api/restore", &but(standby.clone(), &json!({ "backupName": "empty" }))).await;
    assert_failed(&ended, "blocked", "apimdrstorage/backup/empty is empty");

    bed.emulator.with_service(accounts::STANDBY, |service| service.tier = "Premium".into());
    let ended = bed.run("/api/restore", &standby).await;
    assert_failed(&ended, "blocked", "is of the tier Developer, the service is of the tier Premium");
    bed.emulator.with_service(accounts::STANDBY, |service| service.tier = "Developer".into());

    bed.advance(Duration::from_hours(31 * 24));
    for name in ["apimbackup", "foreign"] {
        let ended = bed.run("/api/restore", &but(standby.clone(), &json!({ "backupName": name }))).await;
        assert_failed(&ended, "blocked", "is 31 days old, and API Management restores none that is older");
    }
    assert_eq!(bed.emulator.posts("restore"), 0);
}

#[tokio::test]
async fn what_may_not_be_read_refuses_no_restore() {
    let bed = Bed::with(&APP).await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    without_role(&bed);
    let fields = json!({ "accessKey": null, "accessType": "SystemAssignedManagedIdentity" });
    let ended = bed.run("/api/restore", &but(seed("restore"), &fields)).await;
    assert_eq!((ended.status.as_u16(), bed.emulator.accepted("restore")), (200, 1), "{ended:?}");
    // The catalogue knows the tier, but not whether it is still that blob.
    bed.emulator.with_service(accounts::SERVICE, |service| service.tier = "Premium".into());
    let ended = bed.run("/api/restore", &but(seed("restore"), &fields)).await;
    assert_failed(&ended, "failed", "backup SKU is 'Developer'");
    assert_eq!(bed.emulator.posts("restore"), 2);
}

#[tokio::test]
async fn a_wrong_key_reads_nothing_and_the_failure_is_azures_own() {
    let bed = Bed::start().await;
    put_backup(&bed);
    let headers = BTreeMap::from([("x-ms-error-code".to_owned(), "AuthenticationFailed".to_owned())]);
    // The emulated Blob service takes any signature.
    let refused = Effect::Status { status: 403, body: None, headers };
    bed.emulator.inject(Fault { times: u32::MAX, ..Fault::once("HEAD", "/blob/", refused) });
    for kind in ["backup", "restore"] {
        let wrong = but(seed(kind), &json!({ "accessKey": "d3Jvbmcga2V5IHdyb25nIGtleQ==" }));
        let ended = bed.run(&format!("/api/{kind}"), &wrong).await;
        assert_eq!((ended.status.as_u16(), bed.emulator.posts(kind)), (424, 1), "{ended:?}");
        let failure = &ended.json()["failure"];
        assert_eq!(failure["kind"], "failed", "{failure}");
        assert!(failure.to_string().contains("AuthenticationFailed"), "{failure}");
        assert!(!ended.text.contains("d3Jvbmcg"), "{ended:?}");
    }
    bed.emulator.clear_faults();
    let records = everything_in(bed.records());
    assert!(
        records.contains("the account does not take the key"),
        "what was seen before the start is written down"
    );
    assert!(!records.contains("d3Jvbmcg"), "a secret is in the records");
}
