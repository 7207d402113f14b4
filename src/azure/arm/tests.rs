use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::*;
use crate::{
    azure::{
        cloud::{Cloud, Overrides},
        testing::{ManualClock, Reply, Seen, Server},
    },
    domain::{AttemptId, BlobRef, Caller, Credentials, StorageAccess, samples},
};

const SERVICE: &str =
    r#"{"id":"i","sku":{"name":"Developer"},"properties":{"provisioningState":"Succeeded"}}"#;
const KEY: &str = "k+/=&%~==";
const BACKUP: &str = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/gruppe-%C3%BC.%281%29/\
                      providers/Microsoft.ApiManagement/service/sampleapim/backup?api-version=2024-05-01";

/// Entra ID and Azure Resource Manager on one port: tokens are `t0`, `t1`, ...
pub(super) struct Bed {
    pub(super) server: Server,
    pub(super) arm: Arm,
    clock: Arc<ManualClock>,
}

impl Bed {
    pub(super) async fn start(reply: impl Fn(&Seen) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let tokens = Arc::new(AtomicUsize::new(0));
        let server = Server::start(move |_, seen| {
            if seen.target.ends_with("/token") {
                Reply::token(&format!("t{}", tokens.fetch_add(1, Ordering::SeqCst)), 3_600)
            } else {
                reply(seen)
            }
        })
        .await;
        let clock = ManualClock::shared();
        let arm = arm(&server.url, &clock);
        Self { server, arm, clock }
    }

    /// What Azure Resource Manager saw.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.server.seen().into_iter().filter(|seen| !seen.target.ends_with("/token")).collect()
    }

    async fn backup(&self) -> Answer {
        start(&self.arm, &|| true).await
    }
}

fn arm(url: &str, clock: &Arc<ManualClock>) -> Arm {
    let overrides =
        Overrides { authority: Some(url.to_owned()), arm: Some(url.to_owned()), ..Overrides::default() };
    let config = ArmConfig {
        endpoints: Endpoints::new(Cloud::Public, &overrides, true).unwrap(),
        api_version: ApiVersion::DEFAULT,
        limits: Limits { total: Duration::from_millis(500), ..Limits::default() },
        tokens: TokenConfig::default(),
    };
    Arm::new(config, clock.clone())
}

pub(super) fn access() -> Access {
    Access {
        caller: Caller::Application {
            tenant: "contoso.onmicrosoft.com".parse().unwrap(),
            client_id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        },
        credentials: Credentials {
            client_secret: Some(Secret::new("client secret")),
            access_key: Some(Secret::new(KEY)),
            callback: None,
        },
    }
}

pub(super) fn plan() -> Plan {
    let plan = samples::plan("sampleapim");
    Plan {
        service: ServiceId { resource_group: "gruppe-ü.(1)".parse().unwrap(), ..plan.service },
        blob: BlobRef {
            account: "storage1".parse().unwrap(),
            container: "backups".parse().unwrap(),
            name: "a.apimbackup".parse().unwrap(),
        },
        caller: access().caller,
        ..plan
    }
}

async fn start(arm: &Arm, may_post: &(dyn Fn() -> bool + Sync)) -> Answer {
    let attempt = AttemptId::random();
    arm.start(Order { plan: &plan(), access: &access(), attempt }, may_post).await
}

#[tokio::test]
async fn a_start_is_posted_and_its_answer_followed() {
    let bed = Bed::start(|seen| match seen.method.as_str() {
        "POST" => Reply::status(202)
            .with("location", format!("http://{}/s//op/x%3D?v=1&y", seen.header("host").unwrap())),
        _ => Reply::json(200, SERVICE),
    })
    .await;
    let Answer::Accepted { continuation: Some(continuation), ids, .. } = bed.backup().await else {
        panic!("not accepted");
    };
    assert_eq!(continuation.url(), format!("{}/s//op/x%3D?v=1&y", bed.server.url));
    assert!(matches!(bed.arm.poll(&continuation, &access()).await, Poll::Succeeded { .. }));
    let [post, poll] = bed.seen().try_into().unwrap();
    assert_eq!((post.method.as_str(), post.target.as_str()), ("POST", BACKUP));
    assert_eq!(post.header("content-type"), Some("application/json"));
    assert_eq!(post.header("authorization"), Some("Bearer t0"));
    assert_eq!(post.header("x-ms-client-request-id"), ids.client.as_deref());
    let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!(body["accessKey"], KEY);
    assert_eq!(poll.target, "/s//op/x%3D?v=1&y");
    assert_eq!(poll.header("authorization"), Some("Bearer t0"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let bed = Bed::start(|seen| match seen.header("authorization") {
        Some("Bearer t0") => Reply::status(401),
        _ => Reply::status(202),
    })
    .await;
    assert!(matches!(bed.backup().await, Answer::Accepted { .. }));
    assert_eq!(bed.seen().len(), 2);

    let bed = Bed::start(|_| Reply::status(401)).await;
    assert!(matches!(bed.backup().await, Answer::Refused { .. }));
    assert_eq!(bed.seen().len(), 2);
    assert!(matches!(bed.arm.service(&plan().service, &access()).await, Err(ReadError::Definite(_))));
    assert!(matches!(
        bed.arm.poll(&Continuation::Location(format!("{}/op", bed.server.url)), &access()).await,
        Poll::Unread { .. }
    ));
}

#[tokio::test]
async fn nothing_is_posted_too_late() {
    let bed = Bed::start(|_| Reply::status(202)).await;
    assert!(matches!(start(&bed.arm, &|| false).await, Answer::NotSent { .. }));
    assert_eq!(bed.seen().len(), 0);

    let bed = Bed::start(|_| Reply::status(401)).await;
    let asked = AtomicUsize::new(0);
    let answer = start(&bed.arm, &|| asked.fetch_add(1, Ordering::SeqCst) == 0).await;
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
    assert_eq!(bed.seen().len(), 1);
}

#[tokio::test]
async fn a_lost_start_is_unknown_and_an_unsent_one_is_not() {
    let bed = Bed::start(|_| Reply::Silence).await;
    assert!(matches!(bed.backup().await, Answer::Unknown { .. }));
    assert_eq!(bed.seen().len(), 1);

    let bed = Bed::start(|_| Reply::status(500)).await;
    assert!(matches!(bed.backup().await, Answer::Unknown { .. }));
    assert_eq!(bed.seen().len(), 1);

    let answer = start(&arm("http://127.0.0.1:9", &ManualClock::shared()), &|| true).await;
    assert!(matches!(answer, Answer::NotSent { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_token_goes_nowhere_else() {
    let bed = Bed::start(|_| Reply::status(202).with("location", "http://127.0.0.1:1/op")).await;
    assert!(matches!(bed.backup().await, Answer::Accepted { continuation: None, .. }));
    for elsewhere in ["http://127.0.0.1:1/op", "https://example.com/op", "no address"] {
        let poll = bed.arm.poll(&Continuation::Location(elsewhere.to_owned()), &access()).await;
        assert!(matches!(poll, Poll::Refused(_)), "{elsewhere}: {poll:?}");
    }
    assert_eq!(bed.seen().len(), 1);
}

#[tokio::test]
async fn a_secret_that_azure_echoes_is_hidden() {
    let bed = Bed::start(|seen| Reply::json(400, seen.body.clone())).await;
    let Answer::Refused { error } = bed.backup().await else { panic!("not refused") };
    assert!(error.message.contains("storage1") && !error.message.contains(KEY), "{error}");
}

#[tokio::test]
async fn a_service_is_read_or_the_reason_told() {
    let check = async |status: u16, body: &'static str, definite: Option<bool>, remedy: &str| {
        let bed = Bed::start(move |_| Reply::json(status, body)).await;
        let outcome = bed.arm.service(&plan().service, &access()).await;
        let error = match (outcome, definite) {
            (Ok(status), None) => return assert!(status.is_idle()),
            (Err(ReadError::Definite(error)), Some(true))
            | (Err(ReadError::Transient(error)), Some(false)) => error,
            (outcome, _) => panic!("{status} {body}: {outcome:?}"),
        };
        assert!(error.remedy.as_deref().unwrap_or_default().contains(remedy), "{error:?}");
    };
    check(200, SERVICE, None, "").await;
    check(200, "<html>", Some(false), "").await;
    check(302, "", Some(true), "APIM_DR_ARM_ENDPOINT").await;
    check(403, "", Some(true), "service/read").await;
    check(404, r#"{"code":"ServiceNotFound","message":"m"}"#, Some(true), "name").await;
    check(404, "", Some(true), "name").await;
    check(429, "", Some(false), "").await;
    check(503, "", Some(false), "").await;
}

#[tokio::test]
async fn getting_ready_asks_for_a_token_and_looks_at_the_version() {
    let bed = Bed::start(|_| Reply::status(500)).await;
    bed.arm.prepare(&plan(), &access()).await.unwrap();
    assert_eq!(bed.server.seen().len(), 1);
    let mut arm = arm(&bed.server.url, &bed.clock);
    arm.api_version = "2019-12-01".parse().unwrap();
    let plan = Plan { access: StorageAccess::SystemAssignedManagedIdentity, ..plan() };
    let Err(ReadError::Definite(error)) = arm.prepare(&plan, &access()).await else { panic!("prepared") };
    assert!(error.remedy.unwrap().contains("APIM_DR_API_VERSION"));
}

/// What only its own answers have.
const REQUEST: &str = "x-ms-request-id";

#[tokio::test]
async fn the_time_is_azure_resource_managers() {
    let bed = Bed::start(|_| {
        Reply::json(200, SERVICE).with("date", "Sat, 21 Nov 2026 12:10:00 GMT").with(REQUEST, "1")
    })
    .await;
    assert_eq!(bed.arm.now(), bed.clock.now());
    bed.arm.service(&plan().service, &access()).await.unwrap();
    // A `Date` has whole seconds: it was the middle of this one, as far as anybody knows.
    assert_eq!(bed.arm.now(), "2026-11-21T12:10:00.5Z".parse().unwrap());
    bed.clock.advance(Duration::from_secs(5));
    assert_eq!(bed.arm.now(), "2026-11-21T12:10:05.5Z".parse().unwrap());
}

#[tokio::test]
async fn a_date_that_our_clock_agrees_with_corrects_nothing() {
    let bed = Bed::start(|_| {
        Reply::json(200, SERVICE).with("date", "Sat, 21 Nov 2026 12:10:00 GMT").with(REQUEST, "1")
    })
    .await;
    bed.arm.service(&plan().service, &access()).await.unwrap();
    let corrected = bed.arm.now();
    for _ in 0..3 {
        bed.clock.advance(Duration::from_millis(120));
        bed.arm.service(&plan().service, &access()).await.unwrap();
    }
    assert_eq!(bed.arm.now().duration_since(corrected), SignedDuration::from_millis(360));
}

#[tokio::test]
async fn whoever_sets_our_clock_moves_no_time_that_was_heard() {
    // One that our clock agrees with, and one that it does not.
    for date in ["Sat, 21 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 2026 12:10:00 GMT"] {
        let bed = Bed::start(move |_| Reply::json(200, SERVICE).with("date", date).with(REQUEST, "1")).await;
        bed.arm.service(&plan().service, &access()).await.unwrap();
        let heard = bed.arm.now();
        for set in [3_600, -86_400] {
            bed.clock.set(set);
            assert_eq!(bed.arm.now(), heard, "{date}");
        }
        bed.clock.advance(Duration::from_secs(5));
        assert_eq!(bed.arm.now().duration_since(heard), SignedDuration::from_secs(5), "{date}");
    }
}

#[tokio::test]
async fn a_machine_that_slept_finds_azure_resource_managers_time_gone_on() {
    let bed = Bed::start(|_| {
        Reply::json(200, SERVICE).with("date", "Sat, 21 Nov 2026 12:00:00 GMT").with(REQUEST, "1")
    })
    .await;
    bed.arm.service(&plan().service, &access()).await.unwrap();
    // Its wall clock awakes where it fell asleep.
    bed.clock.advance(Duration::from_hours(2));
    bed.clock.set(-7_200);
    assert_eq!(bed.arm.now(), "2026-11-21T14:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn our_own_time_counts_until_azure_resource_manager_is_heard() {
    let bed = Bed::start(|_| {
        Reply::json(200, SERVICE).with("date", "Sat, 21 Nov 2026 13:00:00 GMT").with(REQUEST, "1")
    })
    .await;
    assert_eq!(bed.arm.now(), bed.clock.now());
    bed.clock.set(3_600);
    assert_eq!(bed.arm.now(), bed.clock.now());
    bed.arm.service(&plan().service, &access()).await.unwrap();
    assert_eq!(bed.arm.now(), bed.clock.now());
}

#[tokio::test]
async fn the_time_of_somebody_elses_answer_is_not_heard() {
    let bed = Bed::start(|_| Reply::json(503, "{}").with("date", "Sat, 21 Nov 2026 19:00:00 GMT")).await;
    assert!(bed.arm.service(&plan().service, &access()).await.is_err());
    assert_eq!(bed.arm.now(), bed.clock.now());
}

#[tokio::test]
async fn one_answer_alone_moves_the_time_that_was_heard_by_no_more_than_a_minute() {
    let date = Arc::new(Mutex::new("12:00:00"));
    let told = date.clone();
    let bed = Bed::start(move |_| {
        let date = format!("Sat, 21 Nov 2026 {} GMT", told.lock().unwrap());
        Reply::json(200, SERVICE).with("date", &date).with(REQUEST, "1")
    })
    .await;
    let ask = async |time: &'static str| {
        *date.lock().unwrap() = time;
        bed.arm.service(&plan().service, &access()).await.unwrap();
        bed.arm.now().to_string()
    };
    assert_eq!(ask("12:00:00").await, "2026-11-21T12:00:00Z");
    assert_eq!(ask("12:00:50").await, "2026-11-21T12:00:50.5Z");
    // Far off: only when another says the same.
    assert_eq!(ask("19:00:00").await, "2026-11-21T12:00:50.5Z");
    assert_eq!(ask("22:00:00").await, "2026-11-21T12:00:50.5Z");
    assert_eq!(ask("12:00:50").await, "2026-11-21T12:00:50.5Z");
    assert_eq!(ask("19:00:00").await, "2026-11-21T12:00:50.5Z");
    assert_eq!(ask("19:00:00").await, "2026-11-21T19:00:00.5Z");
}
