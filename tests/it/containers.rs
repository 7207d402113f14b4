//! Containers as they are listed, looked into and cleared: the same on the emulator and on Azurite.

mod locks;
mod sas;

use std::sync::Arc;

use apim_dr::{
    azure::{Arm, BlobReader},
    domain::{BlobLook, BlobRef, ContainerRef, Seen},
    emulator::{Config, Effect, Emulator, Fault, accounts},
    ports::{Blobs as _, Clock as _, Deletion, Listed, SystemClock},
    settings::Settings,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method};

use crate::azurite::{self, Container};

/// What every blob holds that says nothing else, and its MD5.
const CONTENT: &str = "backup";
const MD5: &str = "QCBR9L4Mw6rTO886w9ZTKw==";

/// A SAS as the emulator takes it, which looks at no signature.
const SAS: &str = "sv=2023-11-03&sr=c&sp=racwdl&sig=c2lnbmF0dXJl%2Bsecret%3D";

/// A container, how the app gets there, and how a stranger does.
struct Place {
    on: &'static str,
    /// Opens the account by its connection string.
    reader: BlobReader,
    container: ContainerRef,
    address: String,
    sas: String,
    stranger: Client,
}

impl Place {
    fn emulated(emulator: &Emulator, more: &[(&str, &str)]) -> Self {
        let address = emulator.blob_endpoint(accounts::STORAGE_ACCOUNT);
        Self {
            on: "the emulator",
            reader: reader(emulator.settings().iter().map(|(name, value)| (*name, value.as_str())), more),
            container: container(accounts::STORAGE_ACCOUNT, accounts::CONTAINER),
            address: format!("{address}/{}", accounts::CONTAINER),
            sas: SAS.to_owned(),
            stranger: Client::new(),
        }
    }

    fn in_azurite(azurite: &Container, connection: &str) -> Self {
        let settings = [("APIM_DR_ALLOW_HTTP_LOOPBACK", "true"), ("APIM_DR_BLOB_CONNECTION", connection)];
        Self {
            on: "Azurite",
            reader: reader(settings.into_iter(), &[]),
            container: container(azurite::ACCOUNT, &azurite.name),
            address: format!("{}/{}", azurite.endpoint, azurite.name),
            sas: azurite.sas.clone(),
            stranger: Client::new(),
        }
    }

    /// Sends a request about a blob past the app; the answer has to be one of success.
    async fn send(&self, method: Method, name: &str, query: &str, headers: &[(&str, &str)], body: String) {
        let name: Vec<_> = name.split('/').map(urlencoding::encode).collect();
        let url = format!("{}/{}?{query}{}", self.address, name.join("/"), self.sas);
        let request = self.stranger.request(method, url).header("x-ms-version", "2023-11-03").body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{name:?} on {}: {answer:?}", self.on);
    }

    async fn put(&self, name: &str, content: &str) {
        let kind = [("x-ms-blob-type", "BlockBlob")];
        self.send(Method::PUT, name, "", &kind, content.to_owned()).await;
    }

    async fn list(&self) -> Result<Vec<Listed>, String> {
        self.reader.list(&self.container, None).try_collect().await
    }

    async fn look(&self, name: &str) -> BlobLook {
        self.reader.look(&self.blob(name), None).await
    }

    async fn seen(&self, name: &str) -> Seen {
        match self.look(name).await {
            BlobLook::Present(seen) => seen,
            other => panic!("{name:?} on {}: {other:?}", self.on),
        }
    }

    async fn delete(&self, name: &str, seen: &Seen) -> Deletion {
        self.reader.delete(&self.blob(name), seen, None).await
    }

    fn blob(&self, name: &str) -> BlobRef {
        let ContainerRef { account, container } = self.container.clone();
        BlobRef { account, container, name: name.parse().unwrap() }
    }
}

fn reader<'a>(own: impl Iterator<Item = (&'a str, &'a str)>, more: &[(&'a str, &'a str)]) -> BlobReader {
    let variables = own.chain(more.iter().copied());
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let settings = Settings::read(&variables);
    let arm = settings.arm.unwrap();
    let endpoints = arm.endpoints.clone();
    let storage = Arm::new(arm, Arc::new(SystemClock)).storage();
    BlobReader::new(endpoints, storage, settings.blob_connections)
}

fn container(account: &str, name: &str) -> ContainerRef {
    ContainerRef { account: account.parse().unwrap(), container: name.parse().unwrap() }
}

/// What opens the emulator's account: by its key, or by a SAS.
fn connection(emulator: &Emulator, access: &str) -> String {
    let account = accounts::STORAGE_ACCOUNT;
    format!("AccountName={account};BlobEndpoint={};{access}", emulator.blob_endpoint(account))
}

fn by_key(emulator: &Emulator) -> Place {
    let connection = connection(emulator, &format!("AccountKey={}", accounts::ACCOUNT_KEY));
    Place::emulated(emulator, &[("APIM_DR_BLOB_CONNECTION", &connection)])
}

/// The app's own identity, which the environment gives it.
fn by_identity(emulator: &Emulator) -> Place {
    let own = [
        ("AZURE_TENANT_ID", accounts::TENANT_ID),
        ("AZURE_CLIENT_ID", accounts::APPLICATION_ID),
        ("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET),
    ];
    Place::emulated(emulator, &own)
}

async fn emulator() -> Emulator {
    Emulator::start(Config::default()).await.unwrap()
}

/// Azurite's container by its key, if Azurite runs here.
fn azurite() -> Option<Place> {
    let azurite = Container::create()?;
    Some(Place::in_azurite(&azurite, &azurite.connection()))
}

/// An answer of this status, code and body in place of the emulator's.
fn answer(status: u16, code: &str, body: &str) -> Effect {
    let headers = [("x-ms-error-code".to_owned(), code.to_owned())].into();
    Effect::Status { status, body: Some(body.to_owned()), headers }
}

/// More than a page has, each of its own size.
fn many() -> impl Iterator<Item = (String, String)> {
    (1..=2_100).map(|size| (format!("daily/{size:04}"), "x".repeat(size)))
}

async fn list_many(place: &Place) {
    let listed = place.list().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|blob| (blob.name, blob.seen.size)).collect();
    let expected: Vec<_> = many().map(|(name, content)| (name, content.len() as u64)).collect();
    assert!(listed == expected, "{} on {}: {:?}", listed.len(), place.on, listed.first());
}

#[tokio::test]
async fn a_container_of_more_blobs_than_a_page_is_listed_to_its_end() {
    let emulator = emulator().await;
    for (name, content) in many() {
        emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, &name, content);
    }
    list_many(&by_key(&emulator)).await;
    let requests = emulator.requests();
    let pages: Vec<_> = requests.iter().filter(|request| request.path.contains("comp=list")).collect();
    assert_eq!(pages.len(), 2, "{pages:?}");
    if let Some(azurite) = &azurite() {
        let put = |(name, content): (String, String)| async move { azurite.put(&name, &content).await };
        stream::iter(many().map(put)).buffer_unordered(16).collect::<()>().await;
        list_many(azurite).await;
    }
}

/// Names that a URL, XML or a client could take for something else.
const ODD: [&str; 9] = [
    "%41",
    "&amp;<b>",
    "a b/ c",
    "a+b",
    "deep/down/~2026",
    "it's \"quoted\";=,",
    "x:y@z!$*()",
    "ü",
    "日本.apimbackup",
];

async fn read_and_clear(place: &Place) {
    for name in ODD {
        place.put(name, CONTENT).await;
    }
    // No backup of ours is called so, but whoever put it must not hide the others.
    place.put("a//b", CONTENT).await;
    let listed = place.list().await.unwrap();
    let mut names: Vec<_> = listed.iter().map(|blob| blob.name.as_str()).collect();
    names.sort_unstable();
    let mut expected = [&ODD[..], &["a//b"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected, "on {}", place.on);

    let now = SystemClock.now();
    for Listed { name, seen } in listed.iter().filter(|blob| blob.name != "a//b") {
        let looked = place.seen(name).await;
        let told = format!("{name:?} on {}: listed as {seen:?}, looked at as {looked:?}", place.on);
        assert_eq!(seen.e_tag.trim_matches('"'), looked.e_tag.trim_matches('"'), "{told}");
        assert!(!seen.e_tag.is_empty() && seen.modified == looked.modified, "{told}");
        let is_now = |at: Timestamp| at.duration_since(now).abs() < SignedDuration::from_mins(1);
        assert!(seen.modified.is_some_and(is_now), "{told}");
        assert_eq!((seen.size, looked.size), (6, 6), "{told}");
        assert_eq!((seen.md5.as_deref(), looked.md5.as_deref()), (Some(MD5), Some(MD5)), "{told}");

        place.put(name, "written again").await;
        assert_eq!(place.delete(name, seen).await, Deletion::Changed, "{told}");
        let again = place.seen(name).await;
        assert_eq!(again.size, 13, "{told}");
        assert_eq!(place.delete(name, &again).await, Deletion::Deleted, "{told}");
        // Azurite holds the condition against what is not there.
        let gone = if place.on == "Azurite" { Deletion::Changed } else { Deletion::Gone };
        assert_eq!(place.delete(name, &again).await, gone, "{told}");
        assert_eq!(place.look(name).await, BlobLook::Absent, "{told}");
    }
    let left: Vec<_> = place.list().await.unwrap().into_iter().map(|blob| blob.name).collect();
    assert_eq!(left, ["a//b"], "on {}", place.on);
}

#[tokio::test]
async fn blobs_of_any_name_are_listed_as_they_are_seen_and_deleted_only_as_they_were_seen() {
    read_and_clear(&by_key(&emulator().await)).await;
    if let Some(azurite) = azurite() {
        read_and_clear(&azurite).await;
    }
}

/// By what a listing has seen, which has no quotes.
#[tokio::test]
async fn what_was_listed_can_be_deleted() {
    let emulator = emulator().await;
    for place in [Some(by_key(&emulator)), azurite()].into_iter().flatten() {
        place.put("apimbackup", CONTENT).await;
        let listed = place.list().await.unwrap();
        assert_eq!(place.delete("apimbackup", &listed[0].seen).await, Deletion::Deleted, "on {}", place.on);
        assert_eq!(place.list().await, Ok(Vec::new()), "on {}", place.on);
    }
}

async fn miss(mut place: Place) {
    place.put("apimbackup", CONTENT).await;
    let seen = place.seen("apimbackup").await;
    place.container = container(place.container.account.as_str(), "missing");
    let reason = "the container does not exist; create the container".to_owned();
    assert_eq!(place.list().await, Err(reason.clone()), "on {}", place.on);
    let unread = BlobLook::Unread { reason: reason.clone() };
    assert_eq!(place.look("apimbackup").await, unread, "on {}", place.on);
    assert_eq!(place.delete("apimbackup", &seen).await, Deletion::Refused { reason }, "on {}", place.on);
}

#[tokio::test]
async fn a_missing_container_is_neither_empty_nor_are_its_blobs_gone() {
    miss(by_key(&emulator().await)).await;
    if let Some(azurite) = azurite() {
        miss(azurite).await;
    }
}

#[tokio::test]
async fn a_listing_that_is_not_allowed_or_breaks_off_ends_with_the_reason() {
    let emulator = emulator().await;
    for (name, _) in many() {
        emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, &name, CONTENT);
    }
    let place = by_key(&emulator);
    for (effect, expected) in [
        (answer(403, "AuthorizationFailure", ""), "its firewall keeps it out"),
        (answer(403, "AuthorizationPermissionMismatch", ""), "grant the role Storage Blob Data Reader"),
        (answer(404, "ContainerNotFound", ""), "create the container"),
        (answer(409, "Strange", ""), "the storage account answers 409 Strange"),
        (answer(200, "", "<EnumerationResults><Blobs><Blob>"), "cannot be read"),
        (answer(200, "", "<html><body>Please sign in</body></html>"), "cannot be read"),
    ] {
        for (query, read) in [("comp=list", 0), ("&marker=", 2_000)] {
            emulator.inject(Fault::once("GET", query, effect.clone()));
            let mut listed: Vec<_> = place.reader.list(&place.container, None).collect().await;
            let told = listed.pop().unwrap().unwrap_err();
            assert!(told.contains(expected), "{expected}: {told}");
            assert!(listed.len() == read && listed.iter().all(Result::is_ok), "{expected}: {}", listed.len());
        }
    }
    assert_eq!(emulator.faults_left(), 0);

    emulator.with_roles(Vec::clear);
    let told = by_identity(&emulator).list().await.unwrap_err();
    assert!(told.contains("grant the role Storage Blob Data Reader"), "{told}");
    if let Some(azurite) = Container::create() {
        let wrong = azurite.connection().replace(&azurite.key, accounts::ACCOUNT_KEY);
        let told = Place::in_azurite(&azurite, &wrong).list().await.unwrap_err();
        assert!(told.contains("its key or SAS is wrong"), "{told}");
    }
}

#[tokio::test]
async fn a_delete_that_the_blob_service_did_not_answer_is_not_called_one() {
    let emulator = emulator().await;
    let place = by_key(&emulator);
    place.put("apimbackup", CONTENT).await;
    let seen = place.seen("apimbackup").await;
    for (effect, times, expected) in [
        (answer(200, "", "<html><body>Please sign in</body></html>"), 1, "the storage account answers 200"),
        (answer(503, "ServerBusy", ""), 9, "the storage account answers 503 ServerBusy"),
        (Effect::ResetBefore, 9, "the account cannot be reached"),
    ] {
        emulator.clear_faults();
        emulator.inject(Fault { times, ..Fault::once("DELETE", "/blob/", effect) });
        let deletion = place.delete("apimbackup", &seen).await;
        let Deletion::Unknown { reason } = &deletion else { panic!("{expected}: {deletion:?}") };
        assert!(reason.starts_with(expected), "{expected}: {reason}");
    }
    emulator.clear_faults();
    assert_eq!(place.delete("apimbackup", &seen).await, Deletion::Deleted);
}

#[tokio::test]
async fn whoever_may_only_read_lists_and_looks_and_is_told_which_role_deletes() {
    let refused = async |place: &Place| {
        let listed = place.list().await.unwrap();
        assert_eq!(listed.len(), 1, "on {}", place.on);
        let seen = place.seen("apimbackup").await;
        let Deletion::Refused { reason } = place.delete("apimbackup", &seen).await else {
            panic!("deleted on {}", place.on)
        };
        assert!(reason.contains("grant the role Storage Blob Data Contributor"), "{reason}");
        assert_eq!(place.seen("apimbackup").await, seen, "on {}", place.on);
    };
    let emulator = emulator().await;
    let place = by_identity(&emulator);
    place.put("apimbackup", CONTENT).await;
    emulator.with_roles(|roles| {
        for role in roles {
            accounts::BLOB_DATA_READER.clone_into(&mut role.role);
        }
    });
    refused(&place).await;
    if let Some(azurite) = Container::create() {
        let Container { endpoint, read_only_sas, .. } = &azurite;
        let read_only = format!("BlobEndpoint={endpoint};SharedAccessSignature={read_only_sas}");
        let account = format!("AccountName={};{read_only}", azurite::ACCOUNT);
        let place = Place::in_azurite(&azurite, &account);
        place.put("apimbackup", CONTENT).await;
        refused(&place).await;
    }
}
