//! What each kind of hook is told, as it goes out.

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::{
    domain::{
        Alarm, AzureError, Callback, Change, Condition, Evidence, Failure, FailureKind, Kind, Level, News,
        Operation, Phase, Secret, Subject, Verification,
        samples::{at, operation, seen},
    },
    ports::SystemClock,
};

const HOSTILE: &str =
    "<!channel> <https://evil.example|click> [click](https://evil.example) **&** \u{202e}`x`\r\n\u{7}# now";

fn with_id(mut operation: Operation) -> Operation {
    operation.id = "01a00000-0000-7000-8000-000000000001".parse().unwrap();
    operation
}

fn failed(message: &str) -> Operation {
    let error = AzureError {
        status: Some(400),
        code: Some("RestoreFailed".to_owned()),
        ..AzureError::local(message)
    };
    let failure = Some(Failure { kind: FailureKind::Failed, error });
    with_id(Operation { phase: Phase::Failed, failure, ..operation(Kind::Restore) })
}

fn succeeded() -> Operation {
    let verification = Some(Verification::Verified { blob: seen("0x8DE") });
    let evidence = Some(Evidence::Arm);
    with_id(Operation { phase: Phase::Succeeded, verification, evidence, ..operation(Kind::Backup) })
}

fn alarm(change: Change, text: &str) -> Notice {
    let subject = Subject::Target("primary".parse().unwrap());
    let condition = Condition::new(
        "rpo",
        Level::Critical,
        text,
        "find out why the last backups failed: apim-dr operations list",
    );
    Notice::alarm(&Alarm { subject, seq: 3, change, at: at(7200), since: at(60), condition })
}

fn news() -> [Notice; 6] {
    let primary = || vec!["primary".parse().unwrap()];
    let started = with_id(Operation { phase: Phase::Running, ..operation(Kind::Backup) });
    let text = "the newest verified recovery point is 27 h old; it may be 26 h old";
    [
        Notice::started(&started, 3, primary()),
        Notice::ended(&succeeded(), 6, primary()),
        Notice::ended(&failed("Cannot restore: backup expired"), 6, primary()),
        alarm(Change::Raised, text),
        alarm(Change::Resolved, text),
        Notice::test(at(0)),
    ]
}

fn hook(kind: HookKind) -> Hook {
    Hook {
        name: "ops".parse().unwrap(),
        kind,
        url: Secret::new("https://hooks.example.com/s3cret?sig=s3cret"),
        secret: None,
        on: kind.default_topics(),
        targets: Vec::new(),
    }
}

fn messenger(public_url: Option<&str>) -> Messenger {
    let settings = HookSettings { public_url: public_url.map(str::to_owned), ..HookSettings::default() };
    Messenger::new(settings, Limits::default(), Arc::new(SystemClock))
}

fn message(kind: HookKind, notice: &Notice) -> Message {
    messenger(Some("https://apim-dr.example.com"))
        .to_hook(&hook(kind), notice)
        .unwrap_or_else(|why| panic!("{why}"))
}

fn pretty(message: &Message) -> String {
    let body: Value = serde_json::from_str(&message.body).unwrap();
    serde_json::to_string_pretty(&body).unwrap()
}

#[test]
fn a_webhook_is_told_in_cloud_events() {
    for (notice, name) in news().iter().zip(NAMES) {
        let message = message(HookKind::Webhook, notice);
        assert_eq!(message.headers[CONTENT_TYPE], "application/cloudevents+json");
        assert_snapshot!(format!("webhook_{name}"), pretty(&message));
    }
}

const NAMES: [&str; 6] = ["started", "succeeded", "failed", "raised", "resolved", "test"];

#[test]
fn slack_is_told_in_blocks() {
    for (notice, name) in news().iter().zip(NAMES) {
        assert_snapshot!(format!("slack_{name}"), pretty(&message(HookKind::Slack, notice)));
    }
}

#[test]
fn teams_is_told_by_a_card() {
    for (notice, name) in news().iter().zip(NAMES) {
        assert_snapshot!(format!("teams_{name}"), pretty(&message(HookKind::Teams, notice)));
    }
}

#[test]
fn a_heartbeat_is_a_post_to_the_address_that_says_what_became_of_it() {
    let told = |notice: &Notice| {
        let message = message(HookKind::Ping, notice);
        format!("{}\n{}\n", message.url, message.body)
    };
    let [started, ended, failed, raised, _, test] = news();
    let all: String = [started, ended, failed, test].iter().map(told).collect();
    assert_snapshot!("ping", all);
    assert!(messenger(None).to_hook(&hook(HookKind::Ping), &raised).is_err());
}

#[test]
fn texts_of_others_make_no_link_call_nobody_and_are_in_one_line() {
    for kind in [HookKind::Slack, HookKind::Teams] {
        let shown = [Notice::ended(&failed(HOSTILE), 6, Vec::new()), alarm(Change::Raised, HOSTILE)];
        let shown: Vec<String> = shown.iter().map(|notice| pretty(&message(kind, notice))).collect();
        assert!(!shown.concat().contains(['\u{202e}', '\u{7}', '\r']), "{shown:?}");
        assert_snapshot!(format!("{}_hostile", kind.as_str()), shown.join("\n"));
    }
}

#[test]
fn whatever_azure_says_a_message_is_no_longer_than_its_reader_takes() {
    for letter in ["&", "\"", "\\", "\u{1}", "ü", "𝕏", "a"] {
        let long = letter.repeat(100_000);
        let notices = [Notice::ended(&failed(&long), 6, Vec::new()), alarm(Change::Reminded, &long)];
        for notice in &notices {
            assert!(message(HookKind::Teams, notice).body.len() < 28_000, "{letter:?}");
            let slack: Value = serde_json::from_str(&message(HookKind::Slack, notice).body).unwrap();
            for block in slack["blocks"].as_array().unwrap() {
                let text = block["text"]["text"].as_str().unwrap();
                assert!(text.chars().count() <= 3000, "{letter:?}");
                assert!(!text.trim_end_matches('…').ends_with("&am"), "an entity is whole");
            }
        }
        assert!(message(HookKind::Ping, &notices[0]).body.len() <= 10_000, "{letter:?}");
    }
}

#[test]
fn an_app_without_an_address_is_a_source_all_the_same() {
    let test = Notice::test(at(0));
    let message = messenger(None).to_hook(&hook(HookKind::Webhook), &test).ok().unwrap();
    assert!(message.body.contains(r#""source":"urn:apim-dr""#), "{}", message.body);
}

#[test]
fn only_a_webhook_with_a_secret_is_signed() {
    let test = Notice::test(at(0));
    let plain = message(HookKind::Webhook, &test);
    assert!(!plain.headers.contains_key("webhook-signature"));
    let secret = Some(Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    let signed = messenger(None).to_hook(&Hook { secret, ..hook(HookKind::Webhook) }, &test).ok().unwrap();
    assert_eq!(signed.headers["webhook-id"], test.id.as_str());
    assert!(signed.headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
}

#[test]
fn a_callback_is_told_of_the_end_and_of_nothing_else() {
    let hosts = CallbackHosts::read(CallbackHosts::DEFAULT, false).unwrap();
    let url = || Secret::new("https://dev.azure.com/o/p/_apis/x?api-version=2.0-preview.1");
    let devops = Callback::AzureDevOps {
        url: url(),
        token: Secret::new("s3cret"),
        job: "job-1".to_owned(),
        task: "task-1".to_owned(),
    };
    for (operation, result) in [(succeeded(), "succeeded"), (failed("no"), "failed")] {
        let notice = Notice::ended(&operation, 6, Vec::new());
        let plain = callback::message(&Callback::Url(url()), &notice, &hosts).ok().unwrap();
        let body: Value = serde_json::from_str(&plain.body).unwrap();
        assert_eq!(
            (body["id"].as_str(), body["phase"].as_str()),
            (Some(&*operation.id.to_string()), Some(operation.phase.as_str()))
        );
        let message = callback::message(&devops, &notice, &hosts).ok().unwrap();
        let expected =
            format!(r#"{{"name":"TaskCompleted","taskId":"task-1","jobId":"job-1","result":"{result}"}}"#);
        assert_eq!(message.body, expected);
        // What `printf :s3cret | base64` prints.
        assert_eq!(message.headers["authorization"], "Basic OnMzY3JldA==");
        assert!(
            callback::message(&devops, &notice, &CallbackHosts::default()).is_err(),
            "not allowed any more"
        );
        let started = Notice { news: News::Started { operation: Box::new(operation) }, ..notice };
        assert!(callback::message(&devops, &started, &hosts).is_err());
    }
}

#[test]
fn an_answer_tells_whether_it_helps_to_try_again() {
    for (outcome, expected) in [
        (Outcome::Answered(200), None),
        (Outcome::Answered(202), None),
        (Outcome::Answered(204), None),
        (Outcome::Answered(302), Some(true)),
        (Outcome::Answered(307), Some(true)),
        (Outcome::Answered(400), Some(true)),
        (Outcome::Answered(401), Some(true)),
        (Outcome::Answered(404), Some(true)),
        (Outcome::Answered(408), Some(false)),
        (Outcome::Answered(410), Some(true)),
        (Outcome::Answered(425), Some(false)),
        (Outcome::Answered(429), Some(false)),
        (Outcome::Answered(500), Some(false)),
        (Outcome::Answered(503), Some(false)),
        (Outcome::NoAnswer("it took too long"), Some(false)),
        (Outcome::NotSent("no authorities"), Some(true)),
    ] {
        let label = format!("{outcome:?}");
        let told = told("the hook ops", "APIM_DR_NOTIFY", outcome);
        assert_eq!(told.err().map(|not_delivered| not_delivered.lasting), expected, "{label}");
    }
}

#[test]
fn a_task_of_azure_devops_that_refuses_may_not_have_waited() {
    let secret = || Secret::new("https://dev.azure.com/");
    let devops =
        Callback::AzureDevOps { url: secret(), token: secret(), job: String::new(), task: String::new() };
    let (devops, url) = (Recipient::Callback(devops), Recipient::Callback(Callback::Url(secret())));
    let hook = Recipient::Hook("ops".parse().unwrap());
    for (status, expected) in
        [(200, false), (302, false), (400, true), (401, true), (404, true), (500, false)]
    {
        assert_eq!(is_of_the_other_mode(&devops, Outcome::Answered(status)), expected, "{status}");
        assert!(!is_of_the_other_mode(&url, Outcome::Answered(status)));
        assert!(!is_of_the_other_mode(&hook, Outcome::Answered(status)));
    }
    assert!(!is_of_the_other_mode(&devops, Outcome::NoAnswer("it took too long")));
}
