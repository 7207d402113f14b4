//! Backups in a blob service that is not ours: the emulated API Management writes them to Azurite.

use apim_dr::emulator::{Config, accounts};
use futures::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path};
use serde_json::{Value, json};

use crate::{
    azurite::{ACCOUNT, Container},
    bed::{Bed, but, seed},
};

/// The Logic App's eleven fields, with the storage account in Azurite.
fn body(operation: &str, container: &Container) -> Value {
    let place =
        json!({"storageAccount": ACCOUNT, "accessKey": container.key, "containerName": container.name});
    but(seed(operation), &place)
}

#[tokio::test]
async fn a_backup_lands_in_azurite_and_is_restored_from_there() {
    let Some(container) = Container::create() else { return };
    let blob_endpoint = Some(container.endpoint.replace(ACCOUNT, "{account}"));
    let bed = Bed::on(Config { blob_endpoint, ..Config::default() }, &[]).await;
    let ended = bed.run("/api/backup", &body("backup", &container)).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let stored: Vec<_> = container.store().list(None).try_collect().await.unwrap();
    let names: Vec<_> = stored.iter().map(|blob| blob.location.as_ref()).collect();
    assert_eq!(names, ["apimbackup"]);
    let backup = container.store().get(&Path::from("apimbackup")).await.unwrap().bytes().await.unwrap();
    let backup: Value = serde_json::from_slice(&backup).unwrap();
    assert_eq!(backup["service"], accounts::SERVICE);

    let restore = but(body("restore", &container), &json!({"apimInstance": accounts::STANDBY}));
    let ended = bed.run("/api/restore", &restore).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let restored = bed.emulator.with_service(accounts::STANDBY, |service| service.content.clone());
    assert_eq!(restored.as_deref(), backup["content"].as_str());

    // Without the app, which may look before it asks for this.
    let service = format!(
        "{}/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ApiManagement/service/{}",
        bed.emulator.url(),
        accounts::SUBSCRIPTION_ID,
        accounts::RESOURCE_GROUP,
        accounts::SERVICE
    );
    let token = bed.emulator.tokens().pop().expect("the app's");
    let missing = json!({"storageAccount": ACCOUNT, "accessKey": container.key, "containerName": "missing",
        "backupName": "apimbackup"});
    let request = bed.client.post(format!("{service}/backup?api-version=2024-05-01")).bearer_auth(&token);
    let request = request.header("content-type", "application/json").body(missing.to_string());
    let accepted = request.send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    let location = accepted.headers()["location"].to_str().unwrap().to_owned();
    bed.advance(Config::default().operation);
    let ended = bed.client.get(location).bearer_auth(&token).send().await.unwrap();
    assert_eq!(ended.status(), 400);
    let text = ended.text().await.unwrap();
    assert!(text.contains("BackupFailed") && text.contains("ContainerNotFound"), "{text}");
}
