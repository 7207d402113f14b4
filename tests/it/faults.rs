//! Each fault of the emulator against the whole program: the right end, the right story, and no second
//! POST where the first may have been taken.

use std::{collections::BTreeMap, time::Duration};

use apim_dr::emulator::{Config, Effect, Fault, LocationForm, accounts};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::bed::{Bed, but, seed};

/// What a fault leads to.
struct End {
    /// The evidence of the success, or the kind of the failure.
    outcome: &'static str,
    /// Words of the story.
    says: &'static str,
    /// POSTs that arrived, and that Azure took.
    posts: (usize, usize),
}

const SUCCEEDED: End = End { outcome: "arm", says: "", posts: (1, 1) };
/// Nobody heard of it, but its blob was seen.
const FOUND: End = End { outcome: "blob", says: "not provably", posts: (1, 1) };

fn unknown(says: &'static str, posts: (usize, usize)) -> End {
    End { outcome: "outcomeUnknown", says, posts }
}

fn refused(says: &'static str, posts: usize) -> End {
    End { outcome: "refused", says, posts: (posts, 0) }
}

fn status(status: u16, body: Option<&str>) -> Effect {
    Effect::Status { status, body: body.map(str::to_owned), headers: BTreeMap::new() }
}

fn error(code: &str) -> String {
    json!({"error": {"code": code, "message": format!("{code} was scripted")}}).to_string()
}

/// How often a fault strikes that never ends.
const ALWAYS: u32 = u32::MAX;

/// Where a fault strikes.
const START: (&str, &str) = ("POST", "/backup?");
const RESTORE: (&str, &str) = ("POST", "/restore?");
const POLL: (&str, &str) = ("GET", "operationresults");
const TOKEN: (&str, &str) = ("POST", "/oauth2/");
const SERVICE: (&str, &str) = ("GET", "/service/sampleapim?");

async fn check(name: &str, (method, path): (&str, &str), times: u32, effect: Effect, end: End) {
    check_all(name, "backup", &[Fault { times, ..Fault::once(method, path, effect) }], end).await;
}

async fn check_all(name: &str, kind: &str, faults: &[Fault], end: End) {
    let slow = faults.iter().any(|fault| matches!(fault.effect, Effect::Slow { .. }));
    let bed = if slow { Bed::hasty().await } else { Bed::start().await };
    if kind == "restore" {
        assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    }
    for fault in faults {
        bed.emulator.inject(fault.clone());
    }
    let ended = bed.run(&format!("/api/{kind}"), &seed(kind)).await.json();
    let outcome = if ended["phase"] == "Failed" { &ended["failure"]["kind"] } else { &ended["evidence"] };
    assert_eq!(*outcome, end.outcome, "{name}: {ended}");
    assert!(ended.to_string().contains(end.says), "{name}: {ended}");
    assert_eq!((bed.emulator.posts(kind), bed.emulator.accepted(kind)), end.posts, "{name}: {ended}");
    let waiting = faults.iter().filter(|fault| fault.times < ALWAYS).count();
    let always = faults.len() - waiting;
    assert_eq!(bed.emulator.faults_left(), always, "{name}: a fault never struck");
    bed.emulator.clear_faults();
}

/// Answers to a start that tell nothing, and whether Azure took it.
fn lost_answers() -> Vec<(&'static str, Effect, bool)> {
    let slow = |processed| Effect::Slow { millis: 1500, processed };
    vec![
        ("503", status(503, Some(&error("ServerTimeout"))), false),
        ("500", status(500, None), false),
        ("408", status(408, None), false),
        ("reset before", Effect::ResetBefore, false),
        ("too slow, not taken", slow(false), false),
        ("reset after", Effect::ResetAfter, true),
        ("too slow, taken", slow(true), true),
    ]
}

#[tokio::test]
async fn a_backup_whose_answer_was_lost_is_believed_by_its_blob_or_started_again() {
    for (name, effect, taken) in lost_answers() {
        let end = if taken { FOUND } else { End { posts: (2, 1), ..SUCCEEDED } };
        check(name, START, 1, effect, end).await;
    }
    check("lost for ever", START, 3, Effect::ResetBefore, unknown("POST", (3, 0))).await;
}

#[tokio::test]
async fn a_restore_whose_answer_was_lost_is_never_posted_again() {
    for (name, effect, taken) in lost_answers() {
        let fault = Fault::once(RESTORE.0, RESTORE.1, effect);
        check_all(name, "restore", &[fault], unknown("outcome unknown", (1, usize::from(taken)))).await;
    }
}

#[tokio::test]
async fn a_backup_into_an_account_that_may_not_be_read_is_never_posted_again() {
    let unread = Fault { times: ALWAYS, ..Fault::once("HEAD", "/blob/", status(403, None)) };
    for (name, effect, taken) in lost_answers() {
        let faults = [unread.clone(), Fault::once(START.0, START.1, effect)];
        check_all(name, "backup", &faults, unknown("outcome unknown", (1, usize::from(taken)))).await;
    }
}

#[tokio::test]
async fn a_start_that_was_taken_without_an_address_is_watched_by_service_and_blob() {
    let form = |form| Effect::Location { form };
    let foreign = LocationForm::Foreign("https://example.com/operationresults/1".into());
    for (name, form) in [("no Location", form(LocationForm::Absent)), ("foreign Location", form(foreign))] {
        check(name, START, 1, form.clone(), FOUND).await;
        let fault = Fault::once(RESTORE.0, RESTORE.1, form);
        check_all(name, "restore", &[fault], unknown("no address", (1, 1))).await;
    }
}

#[tokio::test]
async fn a_start_that_was_refused_fails_with_azures_words() {
    check("400", START, 1, status(400, Some(&error("InvalidParameters"))), refused("InvalidParameters", 1))
        .await;
    check(
        "403",
        START,
        1,
        status(403, Some(&error("AuthorizationFailed"))),
        refused("AuthorizationFailed", 1),
    )
    .await;
    check("locked scope", START, 1, status(409, Some(&error("ScopeLocked"))), refused("ScopeLocked", 1))
        .await;
    check("redirect", START, 1, status(307, None), refused("307", 1)).await;
}

#[tokio::test]
async fn a_start_that_met_a_busy_service_is_posted_again_later() {
    let twice = || End { posts: (2, 1), ..SUCCEEDED };
    check("409", START, 1, status(409, Some(&error("ServiceLocked"))), twice()).await;
    check("429", START, 1, status(429, None), twice()).await;
    // Not a repeat: the gateway refused the token, so nothing was taken.
    check("401", START, 1, Effect::ExpireToken, twice()).await;
}

#[tokio::test]
async fn a_start_whose_answer_is_odd_but_complete_is_followed() {
    check("garbage", START, 1, Effect::Garbage { status: None }, SUCCEEDED).await;
    check("truncated", START, 1, Effect::Truncate, SUCCEEDED).await;
    check("relative Location", START, 1, Effect::Location { form: LocationForm::Relative }, SUCCEEDED).await;
}

#[tokio::test]
async fn a_look_that_failed_says_nothing_of_the_operation() {
    let foreign = LocationForm::Foreign("https://example.com/operationresults/1".into());
    let looks = [
        ("500", 7, status(500, None)),
        ("503", 1, status(503, None)),
        ("429", 2, status(429, None)),
        ("408", 1, status(408, None)),
        ("redirect", 1, status(302, None)),
        ("expired token", 1, Effect::ExpireToken),
        ("garbage", 1, Effect::Garbage { status: Some(200) }),
        ("truncated", 1, Effect::Truncate),
        ("reset before", 1, Effect::ResetBefore),
        ("reset after", 1, Effect::ResetAfter),
        ("too slow", 1, Effect::Slow { millis: 1500, processed: true }),
        ("no Location", 3, Effect::Location { form: LocationForm::Absent }),
        ("relative Location", 3, Effect::Location { form: LocationForm::Relative }),
        ("foreign Location", 3, Effect::Location { form: foreign }),
    ];
    for (name, times, effect) in looks {
        check(name, POLL, times, effect, SUCCEEDED).await;
    }
}

#[tokio::test]
async fn where_a_look_is_refused_for_good_service_and_blob_tell_of_a_backup_and_nothing_of_a_restore() {
    for refusal in [403, 404, 410] {
        let name = refusal.to_string();
        let refused =
            |times| Fault { times, ..Fault::once(POLL.0, POLL.1, status(refusal, Some(&error("Scripted")))) };
        check_all(&name, "backup", &[refused(1)], SUCCEEDED).await;
        check_all(&name, "backup", &[refused(ALWAYS)], FOUND).await;
        check_all(&name, "restore", &[refused(1)], SUCCEEDED).await;
        check_all(&name, "restore", &[refused(ALWAYS)], unknown("Scripted", (1, 1))).await;
    }
}

#[tokio::test]
async fn an_operation_that_azure_failed_fails_with_its_code_message_and_request_id() {
    let effect = Effect::FailOperation {
        after_polls: 3,
        status: 400,
        code: "RestoreFailed".into(),
        message: "Cannot restore: backup expired".into(),
    };
    let end = End { outcome: "failed", says: "Cannot restore: backup expired", posts: (1, 1) };
    check("failed after three polls", START, 1, effect, end).await;
}

#[tokio::test]
async fn what_comes_before_the_start_is_tried_again_or_refused() {
    check("token 503", TOKEN, 2, status(503, None), SUCCEEDED).await;
    check("token reset", TOKEN, 1, Effect::ResetBefore, SUCCEEDED).await;
    check("token garbage", TOKEN, 1, Effect::Garbage { status: None }, SUCCEEDED).await;
    check("service 500", SERVICE, 2, status(500, None), SUCCEEDED).await;
    check("service 401", SERVICE, 1, Effect::ExpireToken, SUCCEEDED).await;
    check(
        "service 403",
        SERVICE,
        1,
        status(403, Some(&error("AuthorizationFailed"))),
        refused("service/read", 0),
    )
    .await;
    check(
        "service 404",
        SERVICE,
        1,
        status(404, Some(&error("ResourceNotFound"))),
        refused("ResourceNotFound", 0),
    )
    .await;
}

#[tokio::test]
async fn a_token_is_renewed_while_an_operation_outlasts_it() {
    let config = Config { token_lifetime: Duration::from_secs(200), ..Config::default() };
    let bed = Bed::on(config, &[]).await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    let requests = bed.emulator.requests();
    let tokens = requests.iter().filter(|request| request.path.contains("/oauth2/")).count();
    assert!(tokens > 2, "{tokens} token requests");
    assert!(requests.iter().all(|request| request.status != Some(401)), "renewed only after it was refused");
}

#[tokio::test]
async fn a_restore_that_azure_fails_says_why_with_the_remedy() {
    let bed = Bed::start().await;
    assert_eq!(bed.run("/api/backup", &seed("backup")).await.status, 200);
    let restore = but(seed("restore"), &json!({"apimInstance": accounts::STANDBY}));
    let link = bed.open("/api/restore", &restore).await;
    // Nobody could see before that somebody scales it.
    bed.emulator.with_service(accounts::STANDBY, |service| service.tier = "Premium".into());
    let ended = bed.follow(&link).await;
    assert_eq!(ended.status, 424);
    let failure = ended.json()["failure"].clone();
    assert_eq!((&failure["kind"], &failure["error"]["code"]), (&json!("failed"), &json!("RestoreFailed")));
    assert_eq!(
        failure["error"]["message"],
        "Cannot restore: current SKU is 'Premium', backup SKU is 'Developer'"
    );
    for field in ["cause", "remedy", "document"] {
        assert!(failure["error"][field].is_string(), "{field}: {failure}");
    }
}

#[tokio::test]
async fn no_answer_of_any_kind_sends_a_token_elsewhere() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/operationresults/1", elsewhere.local_addr().unwrap());
    for (method, path) in [START, POLL] {
        let bed = Bed::start().await;
        let effect = Effect::Location { form: LocationForm::Foreign(url.clone()) };
        bed.emulator.inject(Fault::once(method, path, effect));
        let ended: Value = bed.run("/api/backup", &seed("backup")).await.json();
        assert!(ended["phase"].is_string());
    }
    let called = elsewhere.accept().map_err(|error| error.kind());
    assert_eq!(called.map(drop), Err(std::io::ErrorKind::WouldBlock));
}

#[tokio::test]
async fn a_process_with_a_fast_clock_does_not_call_a_start_lost_too_early() {
    let mut bed = Bed::start().await;
    bed.emulator.inject(Fault::once("POST", "/backup?", Effect::ResetAfter));
    let link = bed.open("/api/backup", &seed("backup")).await;
    bed.ahead = SignedDuration::from_mins(10);
    bed.restart().await;
    bed.sweep().await;
    let seen = || {
        let requests = bed.emulator.requests();
        requests.iter().filter(|request| request.method == "HEAD").count()
    };
    // It looked at the blob before the start, and not again before the POST is over by Azure's clock.
    assert_eq!((seen(), bed.get(&link).await.json()["phase"].as_str()), (1, Some("Starting")));
    bed.advance(Duration::from_mins(11));
    bed.sweep().await;
    assert_eq!((seen(), bed.get(&link).await.json()["evidence"].as_str()), (2, Some("blob")));
}

#[tokio::test]
async fn an_app_with_a_wrong_clock_backs_up_like_any_other() {
    let mut bed = Bed::start().await;
    bed.ahead = SignedDuration::from_mins(10);
    bed.restart().await;
    for name in ["first", "second"] {
        let link = bed.open("/api/backup", &but(seed("backup"), &json!({"backupName": name}))).await;
        // It was started at once, by Azure's clock.
        assert_eq!(bed.get(&link).await.json()["phase"], "Running");
        assert_eq!(bed.follow(&link).await.status, 200);
    }
}
