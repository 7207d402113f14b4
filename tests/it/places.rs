//! The records in a container, through the whole program: on Azurite, and by an identity on the emulator.

use std::{collections::BTreeMap, error::Error as _, sync::Arc};

use apim_dr::{
    app::{App, NotOpened},
    emulator::accounts,
    ports::SystemClock,
    settings::Settings,
};
use object_store::path::Path;

use crate::{
    azurite::{ACCOUNT, Container},
    bed::{Bed, seed},
    process::Place,
};

/// The settings of an app whose records are in the container, and some more.
fn variables(container: &Container, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let records = format!("az://{ACCOUNT}/{}", container.name);
    let own = [("APIM_DR_RECORDS", records.as_str()), ("APIM_DR_ALLOW_HTTP_LOOPBACK", "true")];
    own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn open(variables: BTreeMap<String, String>) -> Result<App, NotOpened> {
    App::open(&Settings::read(&variables.into_iter().collect()), Arc::new(SystemClock)).await
}

/// The error and all its causes, as they are printed.
fn chain(error: &NotOpened) -> String {
    let mut words = vec![error.to_string(), format!("{error:?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.join(": ")
}

#[tokio::test]
async fn a_backup_whose_records_are_in_a_container_survives_a_restart() {
    let Some(container) = Container::create() else { return };
    let records = format!("az://{ACCOUNT}/{}/deep/down", container.name);
    let connection = container.connection();
    let mut bed =
        Bed::with(&[("APIM_DR_RECORDS", &records), ("APIM_DR_RECORDS_CONNECTION", &connection)]).await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    assert_eq!(bed.get(&link).await.status, 202);
    bed.restart().await;
    // The old link is of the old port; its token and path are still good.
    let link = link.split_once("/api/").unwrap().1;
    let answer = bed.follow(&format!("/api/{link}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bed.emulator.posts("backup"), 1);
    bed.settle().await;
    let listed = container.store().list_with_delimiter(Some(&Path::from("deep/down"))).await.unwrap();
    let names: Vec<_> = listed.common_prefixes.iter().filter_map(Path::filename).collect();
    assert_eq!(
        names,
        ["catalog", "history", "locks", "operations", "owners", "pruned", "requests", "snapshots"]
    );
}

#[tokio::test]
async fn a_connection_string_or_a_sas_opens_the_records() {
    let Some(container) = Container::create() else { return };
    let Container { endpoint, sas, .. } = &container;
    let of_account = endpoint.replace(ACCOUNT, "{account}");
    for more in [
        &[("APIM_DR_RECORDS_CONNECTION", container.connection())][..],
        &[("APIM_DR_RECORDS_CONNECTION", format!("BlobEndpoint={endpoint}/;SharedAccessSignature={sas}"))],
        &[("APIM_DR_RECORDS_CONNECTION", sas.clone()), ("APIM_DR_BLOB_ENDPOINT", of_account.clone())],
        &[("APIM_DR_RECORDS_CONNECTION", format!("?{sas}")), ("APIM_DR_BLOB_ENDPOINT", of_account)],
    ] {
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let opened = open(variables(&container, &more)).await;
        assert!(opened.is_ok(), "{more:?}: {}", chain(&opened.unwrap_err()));
    }
}

#[tokio::test]
async fn what_keeps_us_out_of_the_records_is_told_once_with_its_remedy_and_without_a_secret() {
    let Some(container) = Container::create() else { return };
    let Container { endpoint, key, sas, read_only_sas, .. } = &container;
    let connection = container.connection();
    let wrong_key = "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXk=";
    let signature = |sas: &str| sas.split_once("sig=").unwrap().1.to_owned();
    let check = async |more: &[(&str, &str)], expected: &str| {
        let error = open(variables(&container, more)).await.unwrap_err();
        let text = chain(&error);
        let told = error.problems();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].setting, "APIM_DR_RECORDS");
        assert!(
            told[0].remedy.contains(expected) && error.to_string().contains(expected),
            "{expected}: {text}"
        );
        for secret in [key, wrong_key, &signature(sas), &signature(read_only_sas)] {
            assert!(!text.contains(secret), "{text}");
        }
    };
    let missing = format!("az://{ACCOUNT}/missing/there");
    check(
        &[("APIM_DR_RECORDS", &missing), ("APIM_DR_RECORDS_CONNECTION", &connection)],
        "create the container",
    )
    .await;
    let wrong = connection.replace(key.as_str(), wrong_key);
    check(&[("APIM_DR_RECORDS_CONNECTION", &wrong)], "its key or SAS is wrong").await;
    let read_only = format!("BlobEndpoint={endpoint};SharedAccessSignature={read_only_sas}");
    check(&[("APIM_DR_RECORDS_CONNECTION", &read_only)], "Storage Blob Data Contributor").await;
    let nobody = format!("AccountName={ACCOUNT};AccountKey={key};BlobEndpoint=http://127.0.0.1:1/{ACCOUNT}");
    check(&[("APIM_DR_RECORDS_CONNECTION", &nobody)], "cannot be reached").await;
    // Under the host the Azure CLI is not tried, so there is no identity.
    let host = [("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"), ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *")];
    check(&host, "gets no token").await;
}

#[tokio::test]
async fn under_the_host_the_records_are_in_its_account_by_the_identity_that_it_names() {
    const CONTAINER: &str = "azure-webjobs-hosts";
    let mut place = Place::start().await;
    place.emulator.put_blob(accounts::STORAGE_ACCOUNT, CONTAINER, "made/by/the/host", "");
    for (name, value) in [
        ("APIM_DR_RECORDS", ""),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
        ("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *"),
        ("AzureWebJobsStorage__accountName", accounts::STORAGE_ACCOUNT),
        ("AzureWebJobsStorage__credential", "managedidentity"),
        ("AzureWebJobsStorage__clientId", accounts::USER_IDENTITY_CLIENT_ID),
    ] {
        place.set(name, value);
    }
    let ended = place.run(&["backup", "--payload", "-"], &seed("backup").to_string()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let names: Vec<_> = place.emulator.blobs(accounts::STORAGE_ACCOUNT, CONTAINER);
    let ours = names.iter().filter(|(name, ..)| name.starts_with("apim-dr/")).count();
    assert!(ours > 5 && ours == names.len() - 1, "{names:?}");
    let requests = place.emulator.requests();
    let asked: Vec<_> = requests.iter().filter(|request| request.path.starts_with("/msi/token")).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].path.contains("storage.azure.com"), "{asked:?}");
    assert!(asked[0].path.contains(accounts::USER_IDENTITY_CLIENT_ID), "{asked:?}");
}
