use super::{Answer, Bed};
use crate::emulator::{accounts, storage::RoleAssignment};

const BLOB: &str = "/blob/apimdrstorage/backup/a";

/// A bed with one blob, and a token of the app's application for this resource.
async fn with_token(resource: &str) -> (Bed, String) {
    let bed = Bed::start().await;
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "a", "content");
    let secret = urlencoding::encode(accounts::CLIENT_SECRET).into_owned();
    let answer = bed.v1(&[("client_secret", &secret), ("resource", resource)]).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    (bed, format!("Bearer {token}"))
}

async fn storage_token() -> (Bed, String) {
    with_token("https://storage.azure.com/").await
}

async fn send(bed: &Bed, method: &str, path: &str, authorization: &str) -> Answer {
    let headers = [("authorization", authorization), ("x-ms-blob-type", "BlockBlob")];
    bed.send(method, path, &headers, String::new()).await.unwrap()
}

/// Status and code of reading, heading, listing, writing and deleting.
async fn all(bed: &Bed, authorization: &str) -> Vec<(u16, String)> {
    let mut seen = Vec::new();
    let list = "/blob/apimdrstorage/backup?restype=container&comp=list";
    for (method, path) in [("GET", BLOB), ("HEAD", BLOB), ("GET", list), ("PUT", BLOB), ("DELETE", BLOB)] {
        let answer = send(bed, method, path, authorization).await;
        seen.push((answer.status, answer.header("x-ms-error-code").unwrap_or_default().to_owned()));
    }
    seen
}

fn statuses(seen: &[(u16, String)]) -> Vec<u16> {
    seen.iter().map(|(status, _)| *status).collect()
}

fn set_role(bed: &Bed, role: &str) {
    let of_app = |role: &&mut RoleAssignment| role.principal == accounts::APPLICATION_PRINCIPAL_ID;
    bed.emulator.with_roles(|roles| {
        role.clone_into(&mut roles.iter_mut().find(of_app).unwrap().role);
    });
}

#[tokio::test]
async fn a_role_decides_what_a_token_opens() {
    let (bed, token) = storage_token().await;
    assert_eq!(statuses(&all(&bed, &token).await), [200, 200, 200, 201, 202]);

    let (bed, token) = storage_token().await;
    set_role(&bed, accounts::BLOB_DATA_READER);
    let seen = all(&bed, &token).await;
    assert_eq!(statuses(&seen), [200, 200, 200, 403, 403]);
    assert_eq!(seen[4].1, "AuthorizationPermissionMismatch");

    bed.emulator.with_roles(Vec::clear);
    let seen = all(&bed, &token).await;
    assert!(
        seen.iter()
            .all(|(status, code)| (*status, code.as_str()) == (403, "AuthorizationPermissionMismatch"))
    );
    let missing = send(&bed, "GET", "/blob/apimdrstorage/missing/a", &token).await;
    assert_eq!(missing.status, 403, "who may not look is not told what there is");
}

#[tokio::test]
async fn a_managed_identity_opens_what_its_principal_may() {
    let bed = Bed::start().await;
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "a", "content");
    for (client, principal) in [
        (accounts::SYSTEM_IDENTITY_CLIENT_ID, accounts::SYSTEM_IDENTITY_PRINCIPAL_ID),
        (accounts::USER_IDENTITY_CLIENT_ID, accounts::USER_IDENTITY_PRINCIPAL_ID),
    ] {
        let path = format!(
            "/msi/token?api-version=2019-08-01&resource=https://storage.azure.com&client_id={client}"
        );
        let answer =
            bed.send("GET", &path, &[("x-identity-header", accounts::IDENTITY_HEADER)], String::new()).await;
        let token = format!("Bearer {}", answer.unwrap().json()["access_token"].as_str().unwrap());
        assert_eq!(send(&bed, "GET", BLOB, &token).await.status, 200);
        bed.emulator.with_roles(|roles| roles.retain(|role| role.principal != principal));
        assert_eq!(send(&bed, "GET", BLOB, &token).await.status, 403);
    }
}

#[tokio::test]
async fn a_token_must_be_issued_for_storage_and_alive() {
    let refused = (401, "InvalidAuthenticationInfo");
    let check = async |bed: &Bed, authorization: &str| {
        let answer = send(bed, "GET", BLOB, authorization).await;
        assert_eq!((answer.status, answer.header("x-ms-error-code").unwrap()), refused);
        assert!(answer.header("www-authenticate").is_some());
    };
    let (bed, for_arm) = with_token("https://management.azure.com/").await;
    check(&bed, &for_arm).await;
    check(&bed, "Bearer invented").await;
    let (bed, token) = storage_token().await;
    bed.pass(3598);
    assert_eq!(send(&bed, "GET", BLOB, &token).await.status, 200);
    bed.pass(1);
    check(&bed, &token).await;
}

#[tokio::test]
async fn keys_can_be_off_and_a_firewall_lets_nobody_in() {
    let (bed, token) = storage_token().await;
    let account = |change: fn(&mut crate::emulator::Account)| {
        bed.emulator.with_account(accounts::STORAGE_ACCOUNT, change).unwrap();
    };
    let by_sas = async |more: &str| {
        bed.send("GET", &format!("{BLOB}?sv=2024&sig=x{more}"), &[], String::new()).await.unwrap().status
    };
    account(|account| account.allow_shared_key = Some(false));
    let refused = send(&bed, "GET", BLOB, "SharedKey x").await;
    assert_eq!(
        (refused.status, refused.header("x-ms-error-code")),
        (403, Some("KeyBasedAuthenticationNotPermitted"))
    );
    assert_eq!((by_sas("").await, by_sas("&skoid=x").await), (403, 200));
    assert_eq!(send(&bed, "GET", BLOB, &token).await.status, 200);

    account(|account| (account.allow_shared_key, account.firewall) = (None, true));
    for authorization in ["SharedKey x", token.as_str()] {
        let refused = send(&bed, "GET", BLOB, authorization).await;
        assert_eq!((refused.status, refused.header("x-ms-error-code")), (403, Some("AuthorizationFailure")));
    }
}
