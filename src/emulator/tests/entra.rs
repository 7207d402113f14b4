use serde_json::json;

use super::{Bed, RESOURCE, on};
use crate::emulator::accounts;

fn encoded(text: &str) -> String {
    urlencoding::encode(text).into_owned()
}

#[tokio::test]
async fn v2_answers_numbers_and_v1_answers_strings() {
    let bed = Bed::start().await;
    let secret = encoded(accounts::CLIENT_SECRET);
    let v2 = format!("/{}/oauth2/v2.0/token", accounts::TENANT_DOMAIN);
    let fields =
        [("client_secret", secret.as_str()), ("scope", "https%3A%2F%2Fmanagement.azure.com%2F%2F.default")];
    let v2 = bed.token_request(&v2, &fields).await.json();
    assert_eq!((&v2["expires_in"], &v2["token_type"]), (&json!(3599), &json!("Bearer")));

    let v1 = bed.v1(&[("client_secret", &secret), ("resource", RESOURCE)]).await.json();
    let expires = bed.emulator.clock().now().as_second() + 3599;
    assert_eq!(v1["expires_in"], "3599");
    assert_eq!(v1["expires_on"], expires.to_string());
    assert_eq!(v1["resource"], RESOURCE);
    assert_ne!(v1["access_token"], v2["access_token"]);
}

#[tokio::test]
async fn refusals_have_the_status_error_and_code_of_entra() {
    let bed = Bed::start().await;
    let secret = encoded(accounts::CLIENT_SECRET);
    let secret = secret.as_str();
    let tenant = accounts::TENANT_ID;
    let nobody = "00000000-0000-4000-8000-000000000000";
    let scope = ("scope", "https%3A%2F%2Fmanagement.azure.com%2F.default");
    let cases = [
        // A form that nobody encoded: '+' is a space, '&' ends the value.
        (tenant, vec![("client_secret", accounts::CLIENT_SECRET), scope], 401, "invalid_client", 7_000_215),
        (tenant, vec![scope], 401, "invalid_client", 7_000_218),
        (
            tenant,
            vec![("client_id", nobody), ("client_secret", secret), scope],
            400,
            "unauthorized_client",
            700_016,
        ),
        (nobody, vec![("client_secret", secret), scope], 400, "invalid_request", 90_002),
        ("unknown.example.com", vec![("client_secret", secret), scope], 400, "invalid_request", 90_002),
        ("no tenant", vec![("client_secret", secret), scope], 400, "invalid_request", 900_023),
        (tenant, vec![("grant_type", ""), ("client_secret", secret), scope], 400, "invalid_request", 900_144),
        (tenant, vec![("client_secret", secret), ("scope", "user.read")], 400, "invalid_scope", 70_011),
        (tenant, vec![("client_secret", secret), ("scope", RESOURCE)], 400, "invalid_scope", 70_011),
    ];
    for (tenant, fields, status, error, code) in cases {
        let answer = bed.token_request(&format!("/{}/oauth2/v2.0/token", encoded(tenant)), &fields).await;
        let body = answer.json();
        assert_eq!((answer.status, body["error"].as_str()), (status, Some(error)), "{body}");
        assert_eq!(body["error_codes"], json!([code]));
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        for id in ["trace_id", "correlation_id", "timestamp"] {
            assert!(description.contains(body[id].as_str().unwrap()), "{description}");
        }
        assert!(!description.contains(accounts::CLIENT_SECRET));
    }
}

#[tokio::test]
async fn a_token_request_that_is_not_a_form_has_no_fields() {
    let bed = Bed::start().await;
    let body = format!("grant_type=client_credentials&client_id={}", accounts::APPLICATION_ID);
    let path = format!("/{}/oauth2/v2.0/token", accounts::TENANT_ID);
    let answer = bed.send("POST", &path, &[("content-type", "application/json")], body).await.unwrap();
    assert_eq!((answer.status, &answer.json()["error_codes"]), (400, &json!([900_144])));
}

#[tokio::test]
async fn a_workload_identity_signs_in_with_an_assertion() {
    let bed = Bed::start().await;
    let fields = [
        ("client_assertion_type", "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"),
        ("client_assertion", "header.claims.signature"),
        ("resource", RESOURCE),
    ];
    assert_eq!(bed.v1(&fields).await.status, 200);
    assert_eq!(bed.v1(&fields[1..]).await.status, 401);
}

#[tokio::test]
async fn a_managed_identity_token_needs_the_header_and_opens_arm() {
    let mut bed = Bed::start().await;
    let path = format!("/msi/token?api-version=2019-08-01&resource={}", encoded(RESOURCE));
    let header = [("x-identity-header", accounts::IDENTITY_HEADER)];
    let answer = bed.send("GET", &path, &header, String::new()).await.unwrap();
    let body = answer.json();
    assert_eq!(body["client_id"], accounts::SYSTEM_IDENTITY_CLIENT_ID);
    assert!(body["expires_on"].as_str().unwrap().parse::<i64>().is_ok());
    assert!(body.get("expires_in").is_none());
    bed.token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(bed.get(&on(accounts::SERVICE, "")).await.status, 200);

    let user = format!("{path}&client_id={}", accounts::USER_IDENTITY_CLIENT_ID);
    let answer = bed.send("GET", &user, &header, String::new()).await.unwrap();
    assert_eq!(answer.json()["client_id"], accounts::USER_IDENTITY_CLIENT_ID);

    for (path, header, status) in [
        (path.clone(), [("x-identity-header", "wrong")], 401),
        (format!("{path}&client_id=unknown"), header, 400),
        (path.replace("management", "nothing"), header, 500),
    ] {
        let answer = bed.send("GET", &path, &header, String::new()).await.unwrap();
        assert_eq!((answer.status, &answer.json()["statusCode"]), (status, &json!(status)));
    }
}
