use std::sync::Arc;

use tokio::net::TcpListener;

use super::*;
use crate::{
    azure::testing::{ManualClock, Reply, Server},
    domain::Secret,
};

fn get(url: &str) -> Request {
    Request::get(Url::parse(url).unwrap())
}

fn post(url: &str) -> Request {
    Request::post(Url::parse(url).unwrap(), "application/json", Bytes::from_static(b"{}"), Repeat::Never)
}

fn http(limits: Limits, clock: &Arc<ManualClock>) -> Http {
    Http::new(limits, clock.clone())
}

/// Sends one request to a server that answers by `reply`; the outcome, how often it was sent, how long was slept.
async fn sent(
    request: fn(&str) -> Request,
    limits: Limits,
    reply: fn(usize) -> Reply,
) -> (Result<Response, NoAnswer>, usize, Duration) {
    let server = Server::start(move |number, _| reply(number)).await;
    let clock = ManualClock::shared();
    let outcome = http(limits, &clock).send(&request(&server.url)).await;
    (outcome, server.seen().len(), clock.slept())
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_while_that_may_help() {
    let reply = |number| if number < 2 { Reply::status(503) } else { Reply::status(200) };
    let (outcome, times, slept) = sent(get, Limits::default(), reply).await;
    let response = outcome.unwrap();
    assert_eq!((response.status, response.attempts, times), (200, 3, 3));
    assert!(slept >= Duration::from_millis(750), "{slept:?}");
}

#[tokio::test]
async fn the_last_answer_is_handed_on_when_the_attempts_are_used_up() {
    let (outcome, times, _) = sent(get, Limits::default(), |_| Reply::status(500)).await;
    assert_eq!((outcome.unwrap().status, times), (500, 4));
}

#[tokio::test]
async fn retry_after_is_honored_if_it_fits_the_budget() {
    let reply = |number| match number {
        0 => Reply::status(429).with("retry-after", "7"),
        _ => Reply::status(429).with("retry-after", "60"),
    };
    let (outcome, times, slept) = sent(get, Limits::default(), reply).await;
    assert_eq!((outcome.unwrap().status, times, slept), (429, 2, Duration::from_secs(7)));
}

#[tokio::test]
async fn whoever_sets_our_clock_changes_no_budget() {
    let clock = ManualClock::shared();
    let set = clock.clone();
    let server = Server::start(move |_, _| {
        set.set(86_400);
        Reply::status(503)
    })
    .await;
    let response = http(Limits::default(), &clock).send(&get(&server.url)).await.unwrap();
    assert_eq!((response.attempts, server.seen().len()), (4, 4));
}

#[tokio::test]
async fn a_start_is_sent_once_whatever_comes() {
    for reply in [|_| Reply::status(503), |_| Reply::status(429), |_| Reply::Silence] {
        let limits = Limits { total: Duration::from_millis(200), ..Limits::default() };
        let (_, times, slept) = sent(post, limits, reply).await;
        assert_eq!((times, slept), (1, Duration::ZERO));
    }
}

#[tokio::test]
async fn a_definite_answer_is_not_asked_for_again() {
    for status in [200, 202, 302, 400, 401, 404, 409] {
        let server = Server::start(move |_, _| Reply::status(status).with("location", "/elsewhere")).await;
        let response = http(Limits::default(), &ManualClock::shared()).send(&get(&server.url)).await.unwrap();
        assert_eq!((response.status, server.seen().len()), (status, 1));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let reply = |number| match number {
        0 => Reply::Broken(200, Vec::new(), "{\"half".to_owned()),
        _ => Reply::json(200, "{}"),
    };
    let (outcome, times, _) = sent(get, Limits::default(), reply).await;
    assert_eq!((&*outcome.unwrap().body, times), (&b"{}"[..], 2));
}

#[tokio::test]
async fn what_a_broken_answer_to_a_start_said_is_kept() {
    let reply = |_| Reply::Broken(202, vec![("location", "/op".to_owned())], "half".to_owned());
    let (outcome, ..) = sent(post, Limits::default(), reply).await;
    let response = outcome.unwrap();
    assert_eq!((response.status, response.header("location").as_deref()), (202, Some("/op")));
}

#[tokio::test]
async fn a_long_body_is_cut() {
    let limits = Limits { body: 10, ..Limits::default() };
    let (outcome, times, _) = sent(get, limits, |_| Reply::json(200, "x".repeat(100_000))).await;
    assert_eq!((outcome.unwrap().body.len(), times), (10, 1));
}

#[tokio::test]
async fn a_refused_connection_is_certainly_nothing_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token?sig=secret", listener.local_addr().unwrap());
    drop(listener);
    let no_answer = http(Limits::default(), &ManualClock::shared()).send(&get(&url)).await.unwrap_err();
    assert!(no_answer.never_sent);
    assert_eq!(no_answer.error.attempts, 4);
    let text = format!("{:?}", no_answer.error);
    assert!(text.contains("/token") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn silence_may_be_anything() {
    let limits = Limits { total: Duration::from_millis(200), ..Limits::default() };
    let (outcome, ..) = sent(post, limits, |_| Reply::Silence).await;
    assert!(!outcome.unwrap_err().never_sent);
}

#[tokio::test]
async fn who_only_asks_for_a_status_waits_as_long_as_it_says() {
    let http = http(Limits::default(), &ManualClock::shared());
    let ask = async |server: &Server| {
        let url = format!("{}/status?sig=s3cret", server.url).parse().unwrap();
        http.status(&url, Duration::from_millis(200)).await
    };
    assert_eq!(ask(&Server::start(|_, _| Reply::status(503)).await).await, Ok(503));
    let silent = Server::start(|_, _| Reply::Silence).await;
    let error = ask(&silent).await.unwrap_err().to_string();
    assert!(error.contains("timed out") && !error.contains("s3cret"), "{error}");
    assert_eq!(silent.seen().len(), 1);
}

#[tokio::test]
async fn an_address_goes_over_the_wire_as_it_was_sent() {
    let server = Server::start(|_, _| Reply::status(200)).await;
    let http = http(Limits::default(), &ManualClock::shared());
    for target in [
        "/subscriptions/s/service/n//operationresults/b25l%3D%3D?api-version=2018-01-01",
        "/operationresults/b25lc2Rr==?api-version=2022-08-01&asyncResponse",
        "/a%2Fb/%7Ex/~y/(z)/'q'?$filter=atScope()&x=%20+",
    ] {
        http.send(&get(&format!("{}{target}", server.url))).await.unwrap();
        assert_eq!(server.seen().last().unwrap().target, target);
    }
}

#[tokio::test]
async fn every_exchange_keeps_its_ids() {
    let server = Server::start(|_, _| {
        let answer = Reply::status(200).with("x-ms-request-id", "first").with("x-ms-request-id", "second");
        answer.with("x-ms-correlation-request-id", "c").with("date", "Sat, 18 Sep 2021 08:59:55 GMT")
    })
    .await;
    let mut request = get(&server.url);
    request.set_client_id(&"attempt");
    request.authorize(&Secret::new("t")).unwrap();
    let response = http(Limits::default(), &ManualClock::shared()).send(&request).await.unwrap();
    let ids = [
        response.ids.request.as_deref(),
        response.ids.correlation.as_deref(),
        response.ids.client.as_deref(),
    ];
    assert_eq!(ids, [Some("first"), Some("c"), Some("attempt")]);
    assert_eq!(response.date(), Some("2021-09-18T08:59:55Z".parse().unwrap()));
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-ms-client-request-id"), Some("attempt"));
    assert_eq!(seen.header("authorization"), Some("Bearer t"));
    assert_eq!(seen.header("user-agent"), Some(concat!("apim-dr/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn an_unknown_certificate_authority_is_named_with_what_to_set() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = certificate.signing_key.serialize_der();
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(stream).await;
        }
    });
    let no_answer = http(Limits::default(), &ManualClock::shared()).send(&post(&url)).await.unwrap_err();
    assert!(no_answer.never_sent);
    assert_eq!(no_answer.error.remedy.as_deref(), Some(SET_AUTHORITIES), "{}", no_answer.error);
}

#[test]
fn retry_after_is_whole_seconds_within_bounds() {
    let check = |value: &str, seconds: Option<u64>| {
        let response = crate::azure::testing::response(202, &[("retry-after", value)], "");
        assert_eq!(response.retry_after(), seconds.map(Duration::from_secs), "{value}");
    };
    check("60", Some(60));
    check("0", Some(1));
    check("86400", Some(600));
    check("1.5", None);
    check("-1", None);
    check("Fri, 31 Dec 1999 23:59:59 GMT", None);
}

#[test]
fn a_url_is_shown_without_what_may_be_secret() {
    let url = Url::parse("https://user:password@host:8/a//b?sig=s#f").unwrap();
    assert_eq!(shown(&url), "https://host:8/a//b");
}

#[tokio::test]
async fn a_refusal_that_echoes_what_was_sent_is_shown_without_its_secrets() {
    const SECRET: &str = "a \"quoted\" key/+";
    const ECHO: &str = r#"{"plain":"a "quoted" key/+","json":"a \"quoted\" key/+","form":"a%20%22quoted%22%20key%2F%2B","token":"Bearer tok3n"}"#;
    let server = Server::start(|_, _| Reply::json(400, ECHO)).await;
    let mut request = post(&server.url);
    request.hide([&Secret::new(SECRET)]);
    request.authorize(&Secret::new("tok3n")).unwrap();
    let response = http(Limits::default(), &ManualClock::shared()).send(&request).await.unwrap();
    assert_eq!(
        response.body,
        r#"{"plain":"[hidden]","json":"[hidden]","form":"[hidden]","token":"Bearer [hidden]"}"#
    );
}
