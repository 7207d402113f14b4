use proptest::prelude::*;

use super::*;
use crate::azure::{lro_rules::hold, testing::response};

const POSTED: &str = "https://management.azure.com/subscriptions/s/service/n/backup?api-version=2018-01-01";
const POLLED: &str = "https://management.azure.com/s/service/n//operationresults/b25l?api-version=2018-01-01";
const RESOURCE: &str = r#"{"id":"/subscriptions/s","properties":{"provisioningState":"Updating"}}"#;
const FAILED: &str = r#"{"error":{"code":"RestoreFailed","message":"Cannot restore: backup expired"}}"#;

fn begun(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    begin(&Url::parse(POSTED).unwrap(), &response(status, headers, body))
}

#[test]
fn an_accepted_start_names_where_to_ask() {
    let check = |headers: &[(&'static str, &str)], expected: Option<Continuation>, seconds: u32| {
        let Answer::Accepted { continuation, after_seconds, .. } = begun(202, headers, "") else {
            panic!("not accepted: {headers:?}");
        };
        assert_eq!((continuation, after_seconds), (expected, seconds), "{headers:?}");
    };
    let location = |url: &str| Some(Continuation::Location(url.to_owned()));
    let monitor = |url: &str| Some(Continuation::StatusMonitor(url.to_owned()));
    check(&[("location", POLLED), ("retry-after", "30")], location(POLLED), 30);
    check(&[("location", POLLED)], location(POLLED), 60);
    // Recorded in 2014: both, by different paths, the second without an api-version.
    let both = [("azure-asyncoperation", "https://management.azure.com/op"), ("location", POLLED)];
    check(&both, location(POLLED), 60);
    check(&both[..1], monitor("https://management.azure.com/op"), 60);
    check(&[], None, 60);
    // Kept byte for byte, even where a URL would be written otherwise.
    let odd = "HTTPS://Management.Azure.com:443/s//op/b25l%3d%3D==?x&asyncResponse";
    check(&[("location", odd)], location(odd), 60);
    check(&[("location", "/op/1?x")], location("https://management.azure.com/op/1?x"), 60);
    check(&[("location", "../op")], location("https://management.azure.com/subscriptions/s/service/op"), 60);
    for elsewhere in [
        "https://example.com/op",
        "//example.com/op",
        "http://management.azure.com/op",
        "https://management.azure.com:8443/op",
        "https://management.azure.com.example.com/op",
        "https://management.azure.com@example.com/op",
        "https://user@management.azure.com/op",
        "https://",
        "ftp:op",
    ] {
        check(&[("location", elsewhere)], None, 60);
    }
}

#[test]
fn an_answer_to_a_start_is_a_yes_a_no_a_later_or_a_mystery() {
    let check = |status: u16, body: &str, expected: &str| {
        let answer = serde_json::to_value(begun(status, &[], body)).unwrap();
        assert_eq!(answer["result"], expected, "{status} {body}");
    };
    for status in [200, 201, 202, 204] {
        check(status, "", "accepted");
    }
    for status in [300, 302, 307, 400, 401, 403, 404, 412, 422, 499] {
        check(status, "", "refused");
    }
    check(409, r#"{"error":{"code":"ScopeLocked","message":"m"}}"#, "refused");
    check(409, r#"{"error":{"code":"ServiceLocked","message":"m"}}"#, "busy");
    check(409, "", "busy");
    check(429, "", "busy");
    for status in [100, 408, 500, 502, 503, 504, 599] {
        check(status, "", "unknown");
    }
    let Answer::Busy { after_seconds, .. } = begun(429, &[("retry-after", "17")], "") else { panic!() };
    assert_eq!(after_seconds, Some(17));
}

/// What [`next`] says, in a word.
fn word(poll: &Poll) -> &'static str {
    match poll {
        Poll::Running { .. } => "running",
        Poll::Succeeded { .. } => "succeeded",
        Poll::Failed(_) => "failed",
        Poll::Unread { .. } => "unread",
        Poll::Refused(_) => "refused",
    }
}

#[test]
fn a_location_tells_how_the_operation_fares() {
    let check = |status: u16, body: &str, expected: &str| {
        let poll = next(&Continuation::Location(POLLED.to_owned()), &response(status, &[], body));
        assert_eq!(word(&poll), expected, "{status} {body}");
    };
    check(202, "", "running");
    check(202, RESOURCE, "running");
    check(200, r#"{"status":"InProgress"}"#, "running");
    check(200, r#"{"status":"AnythingElse"}"#, "running");
    check(200, r#"{"status":"Succeeded"}"#, "succeeded");
    check(200, r#"{"status":"Failed","error":{"code":"c","message":"m"}}"#, "failed");
    check(200, r#"{"status":"Canceled"}"#, "failed");
    check(200, RESOURCE, "succeeded");
    check(200, r#"{"name":"n"}"#, "succeeded");
    for body in ["", "null", "{}", "[]", "<html>", r#"{"id":"half"#, r#"{"id":7}"#, r#"{"status":7}"#] {
        check(200, body, "unread");
    }
    check(201, RESOURCE, "unread");
    check(204, "", "unread");
    check(400, FAILED, "failed");
    for status in [402, 405, 409, 412, 422] {
        check(status, FAILED, "failed");
    }
    for status in [403, 404, 410] {
        check(status, FAILED, "refused");
    }
    for status in [301, 302, 307, 401, 408, 429, 500, 503, 504] {
        check(status, FAILED, "unread");
    }
}

#[test]
fn a_status_monitor_tells_it_in_its_body_only() {
    let check = |status: u16, body: &str, expected: &str| {
        let poll = next(&Continuation::StatusMonitor(POLLED.to_owned()), &response(status, &[], body));
        assert_eq!(word(&poll), expected, "{status} {body}");
    };
    check(200, r#"{"status":"InProgress"}"#, "running");
    check(200, r#"{"status":"succeeded"}"#, "succeeded");
    check(200, r#"{"status":"Failed"}"#, "failed");
    check(200, r#"{"status":"Cancelled"}"#, "failed");
    check(200, RESOURCE, "unread");
    check(202, "", "unread");
    // A 4xx or 5xx says that the status could not be read, not that the operation failed.
    for status in [400, 401, 409, 429, 500] {
        check(status, FAILED, "unread");
    }
    for status in [403, 404, 410] {
        check(status, FAILED, "refused");
    }
}

#[test]
fn the_newest_address_is_the_one_to_ask() {
    let check = |asked: &Continuation, headers: &[(&'static str, &str)], expected: &Continuation| {
        let Poll::Running { continuation, after } =
            next(asked, &response(200, headers, r#"{"status":"InProgress"}"#))
        else {
            panic!("not running");
        };
        assert_eq!((&continuation, after), (expected, DEFAULT_PAUSE), "{headers:?}");
    };
    let location = |url: &str| Continuation::Location(url.to_owned());
    let monitor = |url: &str| Continuation::StatusMonitor(url.to_owned());
    let moved = "https://management.azure.com/s/operationresults/b25l%3D%3D?api-version=2018-01-01";
    check(&location(POLLED), &[], &location(POLLED));
    check(&location(POLLED), &[("location", moved)], &location(moved));
    check(&location(POLLED), &[("azure-asyncoperation", moved)], &location(POLLED));
    check(&location(POLLED), &[("location", "https://example.com/x")], &location(POLLED));
    check(&monitor(POLLED), &[("location", moved)], &monitor(POLLED));
    check(&monitor(POLLED), &[("azure-asyncoperation", moved)], &monitor(moved));
}

#[test]
fn a_failure_is_told_with_azures_own_words() {
    let Poll::Failed(error) = next(&Continuation::Location(POLLED.to_owned()), &response(400, &[], FAILED))
    else {
        panic!("not failed");
    };
    assert_eq!(error.to_string(), "400 RestoreFailed: Cannot restore: backup expired");
    assert!(error.remedy.unwrap().contains("30 days"));
    let canceled = response(200, &[], r#"{"status":"Canceled","error":{"message":"by an operator"}}"#);
    let Poll::Failed(error) = next(&Continuation::Location(POLLED.to_owned()), &canceled) else {
        panic!("not failed");
    };
    assert_eq!(error.to_string(), "Canceled: by an operator");
}

proptest! {
    #[test]
    fn no_answer_whatsoever_is_taken_for_what_it_is_not(
        status in 100_u16..1000,
        location in proptest::option::of("[ -~]{0,60}"),
        monitor in proptest::option::of("(https://management\\.azure\\.com)?[!-~]{0,40}"),
        retry_after in proptest::option::of("[0-9a-z.:-]{0,25}"),
        body in prop_oneof![
            "\\PC{0,80}",
            r#"\{"(status|error|id|code|details|message)":("[a-zA-Z]{0,9}"|\{\}|\[\]|null|7|\[\{"code":7\}\])\}"#,
        ],
    ) {
        let headers: Vec<(&'static str, &str)> = [
            ("location", location.as_deref()),
            ("azure-asyncoperation", monitor.as_deref()),
            ("retry-after", retry_after.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        hold(status, response(status, &headers, "").headers, body.as_bytes());
    }
}
