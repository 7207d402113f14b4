use std::io::Write as _;

use super::*;
use crate::{
    azure::{
        http::Limits,
        testing::{ManualClock, Reply, Seen, Server},
    },
    domain::{Caller, Credentials},
};

const AUDIENCE: &str = "https://management.azure.com/";
const TENANT: &str = "99999999-8888-7777-6666-555555555555";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

fn caller(secret: &str) -> Access {
    let caller = Caller::Application { tenant: TENANT.parse().unwrap(), client_id: CLIENT.parse().unwrap() };
    let credentials = Credentials { client_secret: Some(Secret::new(secret)), ..Credentials::default() };
    Access { caller, credentials }
}

fn app() -> Access {
    Access { caller: Caller::App, credentials: Credentials::default() }
}

fn tokens(config: TokenConfig, authority: &str, clock: &Arc<ManualClock>) -> Tokens {
    let http = Arc::new(Http::new(Limits::default(), clock.clone()));
    Tokens::new(config, authority.parse().unwrap(), http, clock.clone())
}

/// Tokens by a server that answers by `reply`.
async fn bed(
    reply: impl Fn(usize, &Seen) -> Reply + Clone + Send + Sync + 'static,
) -> (Server, Tokens, Arc<ManualClock>) {
    let server = Server::start(reply).await;
    let clock = ManualClock::shared();
    let tokens = tokens(TokenConfig::default(), &server.url, &clock);
    (server, tokens, clock)
}

/// The n-th token, with a life in seconds.
fn numbered(expires_in: u32) -> impl Fn(usize, &Seen) -> Reply + Clone + Send + Sync + 'static {
    move |number, _| Reply::token(&format!("t{number}"), expires_in)
}

async fn token(tokens: &Tokens, secret: &str) -> String {
    tokens.token(&caller(secret), AUDIENCE).await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn client_credentials_are_a_form_in_either_dialect() {
    let check = async |endpoint: TokenEndpoint, path: &str, target: (&str, &str)| {
        let server = Server::start(numbered(3_600)).await;
        let config = TokenConfig { endpoint, ..TokenConfig::default() };
        let tokens = tokens(config, &server.url, &ManualClock::shared());
        assert_eq!(token(&tokens, "s+/=&%~ü").await, "t0");
        let [seen] = server.seen().try_into().unwrap();
        assert_eq!((seen.method.as_str(), &seen.target), ("POST", &format!("/{TENANT}/{path}")));
        assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
        let form = format!(
            "grant_type=client_credentials&client_id={CLIENT}&client_secret=s%2B%2F%3D%26%25~%C3%BC&{}={}",
            target.0, target.1
        );
        assert_eq!(seen.body, form);
    };
    let scope = "https%3A%2F%2Fmanagement.azure.com%2F.default";
    check(TokenEndpoint::V2, "oauth2/v2.0/token", ("scope", scope)).await;
    check(TokenEndpoint::V1, "oauth2/token", ("resource", "https%3A%2F%2Fmanagement.azure.com%2F")).await;
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_request() {
    let (server, tokens, _) = bed(numbered(3_600)).await;
    let outcomes = futures::future::join_all((0..50).map(|_| token(&tokens, "s"))).await;
    assert!(outcomes.iter().all(|token| token == "t0"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn many_who_fail_at_once_cause_one_request() {
    let (server, tokens, _) = bed(|_, _| Reply::status(400)).await;
    let access = caller("s");
    let outcomes = futures::future::join_all((0..50).map(|_| tokens.token(&access, AUDIENCE))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(ReadError::Definite(_)))));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_changed_secret_is_never_served_the_old_token() {
    let (_server, tokens, _) = bed(numbered(3_600)).await;
    assert_eq!(token(&tokens, "old").await, "t0");
    assert_eq!(token(&tokens, "new").await, "t1");
    assert_eq!(token(&tokens, "old").await, "t0");
    let other = tokens.token(&caller("old"), "https://storage.azure.com/").await.unwrap();
    assert_eq!(other.expose(), "t2");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let check = async |expires_in: u32, kept_seconds: u64| {
        let (_server, tokens, clock) = bed(numbered(expires_in)).await;
        assert_eq!(token(&tokens, "s").await, "t0");
        clock.advance(Duration::from_secs(kept_seconds - 1));
        assert_eq!(token(&tokens, "s").await, "t0");
        clock.advance(Duration::from_secs(1));
        assert_eq!(token(&tokens, "s").await, "t1");
    };
    check(3_600, 3_300).await;
    check(100, 50).await;
}

#[tokio::test]
async fn a_usable_token_outlives_a_failed_renewal() {
    let (server, tokens, clock) = bed(|number, _| match number {
        0 => Reply::token("t0", 3_600),
        1 | 2 => Reply::status(400),
        _ => Reply::token("t3", 3_600),
    })
    .await;
    assert_eq!(token(&tokens, "s").await, "t0");
    clock.advance(Duration::from_secs(3_400));
    assert_eq!(token(&tokens, "s").await, "t0");
    assert_eq!(server.seen().len(), 2);
    // The failure stands for a while.
    clock.advance(Duration::from_secs(29));
    assert_eq!(token(&tokens, "s").await, "t0");
    assert_eq!(server.seen().len(), 2);
    // Once the token has ended, the next failure is one.
    clock.advance(Duration::from_secs(171));
    assert!(tokens.token(&caller("s"), AUDIENCE).await.is_err());
    clock.advance(Duration::from_secs(30));
    assert_eq!(token(&tokens, "s").await, "t3");
}

#[tokio::test]
async fn a_forgotten_token_is_not_served_again() {
    let (server, tokens, _) = bed(numbered(3_600)).await;
    let refused = tokens.token(&caller("s"), AUDIENCE).await.unwrap();
    tokens.forget(&refused);
    assert_eq!(token(&tokens, "s").await, "t1");
    // Whoever was refused with the same token finds the new one.
    tokens.forget(&refused);
    assert_eq!(token(&tokens, "s").await, "t1");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn what_nobody_uses_any_more_is_dropped() {
    let (_server, tokens, clock) = bed(numbered(3_600)).await;
    for secret in ["a", "b", "c"] {
        token(&tokens, secret).await;
    }
    clock.advance(Duration::from_hours(2));
    token(&tokens, "d").await;
    assert_eq!(lock(&tokens.slots).len(), 1);
}

#[tokio::test]
async fn a_busy_token_endpoint_is_asked_again() {
    let (server, tokens, clock) = bed(|number, _| match number {
        0 => Reply::status(429).with("retry-after", "3"),
        1 => Reply::Broken(200, Vec::new(), "{".to_owned()),
        _ => Reply::token("t2", 3_600),
    })
    .await;
    assert_eq!(token(&tokens, "s").await, "t2");
    assert_eq!(server.seen().len(), 3);
    assert!(clock.slept() >= Duration::from_secs(3));
}

#[tokio::test]
async fn a_workload_identity_asks_the_configured_authority_with_its_file() {
    let server = Server::start(numbered(3_600)).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"assertion").unwrap();
    let config = TokenConfig {
        tenant: Some(TENANT.parse().unwrap()),
        client_id: Some(CLIENT.parse().unwrap()),
        federated_token_file: Some(file.path().to_owned()),
        ..TokenConfig::default()
    };
    let clock = ManualClock::shared();
    let tokens = tokens(config, &server.url, &clock);
    assert_eq!(tokens.token(&app(), AUDIENCE).await.unwrap().expose(), "t0");
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.target, format!("/{TENANT}/oauth2/v2.0/token"));
    let form: HashMap<String, String> =
        url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
    assert_eq!(form["client_assertion"], "assertion");
    assert_eq!(form["scope"], "https://management.azure.com/.default");
    // Its life is counted by our own clock.
    let life = lock(&lock(&tokens.slots).values().next().unwrap().state).token.clone().unwrap();
    assert_eq!(life.expires, crate::domain::later(clock.now(), Duration::from_hours(1)));
}

#[tokio::test]
async fn a_refused_workload_identity_says_what_entra_says_but_not_its_assertion() {
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS700024: Client assertion eyJ.assertion.x is not within its valid time range. Trace ID: t","error_codes":[700024]}"#;
    let server = Server::start(move |_, _| Reply::json(401, refusal)).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"eyJ.assertion.x").unwrap();
    let config = TokenConfig {
        tenant: Some(TENANT.parse().unwrap()),
        client_id: Some(CLIENT.parse().unwrap()),
        federated_token_file: Some(file.path().to_owned()),
        ..TokenConfig::default()
    };
    let tokens = tokens(config, &server.url, &ManualClock::shared());
    let Err(ReadError::Definite(error)) = tokens.token(&app(), AUDIENCE).await else { panic!("no refusal") };
    assert_eq!(error.code.as_deref(), Some("AADSTS700024"));
    assert_eq!(error.message, "Client assertion [hidden] is not within its valid time range.");
    assert!(error.remedy.is_some());
}

#[tokio::test]
async fn a_missing_token_file_is_named() {
    let config = TokenConfig {
        tenant: Some(TENANT.parse().unwrap()),
        client_id: Some(CLIENT.parse().unwrap()),
        federated_token_file: Some("/nowhere/token".into()),
        ..TokenConfig::default()
    };
    let tokens = tokens(config, "http://127.0.0.1:9", &ManualClock::shared());
    let Err(ReadError::Definite(error)) = tokens.token(&app(), AUDIENCE).await else { panic!("no refusal") };
    assert!(error.message.contains("/nowhere/token"), "{error}");
}

#[tokio::test]
async fn no_secret_is_shown() {
    let (_server, tokens, _) = bed(numbered(3_600)).await;
    token(&tokens, "hunter2").await;
    let config = TokenConfig { client_secret: Some(Secret::new("hunter2")), ..TokenConfig::default() };
    let shown = format!("{tokens:?} {config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("t0"), "{shown}");
}
