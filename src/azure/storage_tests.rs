use object_store::{ObjectStoreExt as _, path::Path};

use super::*;
use crate::azure::{
    entra::TokenConfig,
    testing::{ManualClock, Reply, Server},
};

const KEY: &str = "bm90IGEgc2VjcmV0LCBidXQgYmFzZTY0";

fn storage() -> Storage {
    let clock = ManualClock::shared();
    let http = Arc::new(Http::new(Limits::default(), clock.clone()));
    let config = TokenConfig { under_host: true, ..TokenConfig::default() };
    let authority = Url::parse("https://login.invalid").unwrap();
    Storage::new(Arc::new(Tokens::new(config, authority, http, clock.clone())), clock)
}

fn service(url: &str, access: BlobAccess) -> BlobService {
    BlobService { account: "account".into(), endpoint: Url::parse(url).unwrap(), access }
}

#[test]
fn a_connection_string_tells_the_account_its_place_and_what_opens_it() {
    let check = |text: &str, account: Option<&str>, expected: Result<(&str, &str, &str), &str>| match (
        BlobService::from_connection(text, account, false),
        expected,
    ) {
        (Ok(service), Ok((account, endpoint, opened_by))) => {
            assert_eq!((service.account.as_str(), service.endpoint.as_str()), (account, endpoint), "{text}");
            let access = match service.access {
                BlobAccess::Key(secret) => format!("key {}", secret.expose()),
                BlobAccess::Sas(secret) => format!("sas {}", secret.expose()),
                other => panic!("{text}: {other:?}"),
            };
            assert_eq!(access, opened_by, "{text}");
        }
        (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
        (outcome, expected) => panic!("{text}: {outcome:?} instead of {expected:?}"),
    };
    let by_key = format!("key {KEY}");
    let public = "https://abc.blob.core.windows.net/";
    let portal = format!(
        "DefaultEndpointsProtocol=https;AccountName=abc;AccountKey={KEY};EndpointSuffix=core.windows.net"
    );
    check(&portal, None, Ok(("abc", public, &by_key)));
    check(&portal, Some("abc"), Ok(("abc", public, &by_key)));
    check(&portal, Some("xyz"), Err("APIM_DR_RECORDS"));
    check(&format!("accountname=abc; accountkey={KEY};"), None, Ok(("abc", public, &by_key)));
    let china = format!("AccountName=abc;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn");
    check(&china, None, Ok(("abc", "https://abc.blob.core.chinacloudapi.cn/", &by_key)));
    let sas = "BlobEndpoint=https://abc.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=a%3D";
    check(sas, None, Ok(("abc", public, "sas sv=1&sig=a%3D")));
    check(sas, Some("xyz"), Ok(("xyz", public, "sas sv=1&sig=a%3D")));

    // Everybody knows this one's key.
    let development = BlobService::from_connection("UseDevelopmentStorage=true", None, false).unwrap();
    assert_eq!(development.endpoint.as_str(), "http://127.0.0.1:10000/devstoreaccount1");
    assert_eq!(development.account, "devstoreaccount1");
    check("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite", None, Err("BlobEndpoint"));

    let plain = format!("DefaultEndpointsProtocol=http;AccountName=abc;AccountKey={KEY}");
    check(&plain, None, Err("its blob endpoint must begin with https://"));
    let loopback = format!("AccountName=abc;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/abc");
    check(&loopback, None, Err("APIM_DR_ALLOW_HTTP_LOOPBACK"));
    assert!(BlobService::from_connection(&loopback, None, true).is_ok());
    for text in
        ["", "abc", "AccountName=abc", "AccountName=abc;AccountKey=not base64!", &format!("AccountKey={KEY}")]
    {
        check(text, None, Err("connection string"));
    }
}

#[tokio::test]
async fn only_a_blob_that_is_missing_is_not_found() {
    for (code, not_found) in
        [("BlobNotFound", true), ("ContainerNotFound", false), ("ResourceNotFound", false)]
    {
        let server = Server::start(move |_, _| Reply::status(404).with("x-ms-error-code", code)).await;
        let container =
            storage().container(&service(&server.url, BlobAccess::Key(Secret::new(KEY))), "backup");
        let container = container.unwrap();
        let path = Path::from("a blob");
        for error in [container.head(&path).await.unwrap_err(), container.get(&path).await.unwrap_err()] {
            let found = matches!(error, object_store::Error::NotFound { .. });
            assert_eq!(found, not_found, "{code}: {error}");
        }
        assert_eq!(server.seen().len(), 2, "{code}: asked again in vain");
    }
}

#[tokio::test]
async fn an_error_is_azures_code_and_nothing_that_was_sent() {
    let body = "<Error><Code>AuthenticationFailed</Code><Detail>string to sign used was x</Detail></Error>";
    let answer = |_: usize, _: &_| {
        Reply::Answer(403, vec![("x-ms-error-code", "AuthenticationFailed".to_owned())], body.to_owned())
    };
    let server = Server::start(answer).await;
    for access in [BlobAccess::Key(Secret::new(KEY)), BlobAccess::Sas(Secret::new("sv=1&sig=c2lnbmVk"))] {
        let container = storage().container(&service(&server.url, access), "backup").unwrap();
        let error = container.get(&Path::from("x")).await.unwrap_err();
        let text = format!("{error} {error:?} {container:?}");
        assert!(text.contains("AuthenticationFailed"), "{text}");
        assert!(storage_advice(&error, "a role").unwrap().contains("still valid"), "{text}");
        for secret in ["string to sign", KEY, "sig=", "c2lnbmVk"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_a_few_times() {
    for (failures, expected) in [(2, Ok(3)), (9, Err(4))] {
        let answer = move |number, _: &_| {
            let present = Reply::status(200)
                .with("etag", "\"0x1\"")
                .with("last-modified", "Sun, 22 Nov 2026 01:00:00 GMT");
            if number < failures { Reply::status(503) } else { present }
        };
        let server = Server::start(answer).await;
        let container =
            storage().container(&service(&server.url, BlobAccess::Key(Secret::new(KEY))), "backup");
        let found = container.unwrap().head(&Path::from("x")).await;
        let asked = server.seen().len();
        assert_eq!(found.map(|_| asked).map_err(|_| asked), expected);
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_reason_is_the_tokens() {
    let server = Server::start(|_, _| Reply::status(200)).await;
    let container = storage().container(&service(&server.url, BlobAccess::App), "backup").unwrap();
    let error = container.head(&Path::from("x")).await.unwrap_err();
    assert!(error.to_string().contains("no token for storage: no credential for Azure"), "{error}");
    // Anybody may see the advice.
    let advice = storage_advice(&error, "a role").unwrap();
    assert!(advice.contains("no token") && !advice.contains("AZURE_"), "{advice}");
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn what_helps_names_the_role_that_is_needed() {
    let code = |code: &'static str| storage_advice(&unusable(code), "Storage Blob Data Reader");
    assert!(code("AuthorizationPermissionMismatch").unwrap().contains("Storage Blob Data Reader"));
    assert_eq!(code("SomethingElse"), None);
}
