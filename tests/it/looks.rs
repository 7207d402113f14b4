//! Looks at a backup's blob: over HTTP, at the emulator.

use std::sync::Arc;

use apim_dr::{
    azure::{Arm, BlobReader},
    domain::{BlobLook, BlobRef, Secret},
    emulator::{Config, Effect, Emulator, Fault, accounts},
    ports::{Blobs as _, SystemClock},
    settings::Settings,
};
use serde_json::json;

use crate::bed::{Bed, but, everything_in, seed};

fn reader(emulator: &Emulator, more: &[(&str, &str)]) -> BlobReader {
    let own = emulator.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let arm = Settings::read(&own.chain(more).collect()).arm.unwrap();
    BlobReader::new(arm.endpoints.clone(), Arm::new(arm, Arc::new(SystemClock)).storage(), Vec::new())
}

fn blob(container: &str, name: &str) -> BlobRef {
    BlobRef {
        account: accounts::STORAGE_ACCOUNT.parse().unwrap(),
        container: container.parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

fn reason(look: BlobLook) -> String {
    match look {
        BlobLook::Unread { reason } => reason,
        other => panic!("{other:?}"),
    }
}

/// The identity that the environment gives the app.
const APP: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", accounts::TENANT_ID),
    ("AZURE_CLIENT_ID", accounts::APPLICATION_ID),
    ("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET),
];

/// None: a secret is demanded and not given.
const NOBODY: [(&str, &str); 1] = [("APIM_DR_CREDENTIAL", "client-secret")];

#[tokio::test]
async fn a_look_tells_a_blob_from_none_and_none_from_a_missing_container() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let key = Secret::new(accounts::ACCOUNT_KEY);
    for (access_key, identity) in [(Some(&key), &NOBODY[..]), (None, &APP)] {
        let reader = reader(&emulator, identity);
        for name in ["apimbackup", "a/b/ü with [every] ~ %41 kind"] {
            let blob = blob(accounts::CONTAINER, name);
            emulator.delete_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name);
            assert_eq!(reader.look(&blob, access_key).await, BlobLook::Absent);
            emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, name, "backup");
            let (_, _, e_tag) = emulator
                .blobs(accounts::STORAGE_ACCOUNT, accounts::CONTAINER)
                .into_iter()
                .find(|(found, ..)| found == name)
                .unwrap();
            let BlobLook::Present(seen) = reader.look(&blob, access_key).await else { panic!("it is there") };
            assert_eq!((seen.e_tag, seen.size), (e_tag, 6));
            assert!(seen.modified.is_some() && seen.locked.is_none());
        }
        let look = reader.look(&blob("elsewhere", "apimbackup"), access_key).await;
        assert!(reason(look).contains("create the container"));
    }
}

#[tokio::test]
async fn a_look_that_is_refused_says_what_is_missing_and_one_that_fails_is_repeated() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let reader = reader(&emulator, &APP);
    let key = Secret::new(accounts::ACCOUNT_KEY);
    let look = async |access_key| reader.look(&blob(accounts::CONTAINER, "apimbackup"), access_key).await;
    let answer = |status, code: &str| {
        let headers = [("x-ms-error-code".to_owned(), code.to_owned())].into();
        Effect::Status { status, body: None, headers }
    };
    for (code, expected) in [
        ("AuthorizationPermissionMismatch", "Storage Blob Data Reader"),
        ("AuthorizationFailure", "firewall"),
    ] {
        emulator.inject(Fault::once("HEAD", "/blob/", answer(403, code)));
        assert!(reason(look(None).await).contains(expected), "{code}");
    }
    // A proxy, which knows of no blob.
    emulator.inject(Fault::once("HEAD", "/blob/", answer(200, "")));
    assert!(reason(look(None).await).contains("no blob service"));
    emulator.inject(Fault::once("HEAD", "/blob/", answer(503, "ServerBusy")));
    assert_eq!(look(Some(&key)).await, BlobLook::Absent);
    assert_eq!(emulator.faults_left(), 0);
    let nobody = self::reader(&emulator, &NOBODY);
    let told = reason(nobody.look(&blob(accounts::CONTAINER, "apimbackup"), None).await);
    assert!(told.starts_with("no token for storage: a client secret also needs AZURE_TENANT_ID"), "{told}");
    let wrong = Secret::new("not base64!");
    let told = reason(look(Some(&wrong)).await);
    assert!(told.contains("copy it again") && !told.contains("base64!"), "{told}");
}

#[tokio::test]
async fn a_start_is_written_down_with_the_blob_that_it_found() {
    let bed = Bed::with(&APP).await;
    for body in [
        seed("backup"),
        but(seed("backup"), &json!({"accessKey": null, "accessType": "SystemAssignedManagedIdentity"})),
    ] {
        bed.run("/api/backup", &body).await;
    }
    let records = everything_in(bed.records());
    // The first found nothing, the second what the first wrote.
    assert!(records.contains(r#""blob":{"result":"absent"}"#), "{records}");
    assert!(records.contains(r#""blob":{"result":"present","eTag":""#), "{records}");
    assert!(!records.contains(r#""blob":{"result":"unread""#), "{records}");
}
