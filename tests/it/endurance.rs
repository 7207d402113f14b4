//! Hours, storms and outages of Azure, in simulated time: each operation ends as it must, and its story says how.

use std::{collections::BTreeMap, time::Duration};

use apim_dr::emulator::{Config, Effect, Fault, Match};
use serde_json::{Value, json};

use crate::bed::{Bed, put_backup, seed};

/// Every call to Azure Resource Manager, until somebody ends it.
fn always(effect: Effect) -> Fault {
    let on = Match { path_contains: Some("/subscriptions/".to_owned()), ..Match::default() };
    Fault { on, times: u32::MAX, effect }
}

fn status(status: u16, headers: &[(&str, &str)]) -> Effect {
    let headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = json!({"error": {"code": "Scripted", "message": "not now"}}).to_string();
    Effect::Status { status, body: Some(body), headers }
}

/// An Azure with something to restore from, if a restore is what is asked for.
async fn bed(kind: &str) -> Bed {
    let bed = Bed::start().await;
    if kind == "restore" {
        put_backup(&bed);
    }
    bed
}

async fn open(bed: &Bed, kind: &str) -> String {
    bed.open(&format!("/api/{kind}"), &seed(kind)).await
}

/// The fault strikes for that long, while the host sweeps.
async fn strikes(bed: &Bed, effect: Effect, long: Duration) {
    bed.emulator.inject(always(effect));
    let before = bed.emulator.requests().len();
    bed.sweep_for(long).await;
    bed.emulator.clear_faults();
    let struck = bed.emulator.requests()[before..].iter().filter(|request| request.fault.is_some()).count();
    assert!(struck > 0, "the fault never struck");
}

/// How it ended: evidence or the kind of the failure, POSTs that arrived, POSTs that Azure took.
fn end(bed: &Bed, kind: &str, ended: &Value) -> (String, usize, usize) {
    let outcome = if ended["phase"] == "Failed" { &ended["failure"]["kind"] } else { &ended["evidence"] };
    let outcome = outcome.as_str().unwrap_or_else(|| panic!("{ended}")).to_owned();
    (outcome, bed.emulator.posts(kind), bed.emulator.accepted(kind))
}

#[tokio::test]
async fn a_restore_of_eleven_hours_outlasts_its_tokens_and_writes_no_entry_for_looking() {
    let mut stories = Vec::new();
    for hours in [1, 11] {
        let config = Config { operation: Duration::from_hours(hours), ..Config::default() };
        let bed = Bed::on(config, &[]).await;
        put_backup(&bed);
        let link = open(&bed, "restore").await;
        let ended = bed.follow(&link).await.json();
        assert_eq!(end(&bed, "restore", &ended), ("arm".to_owned(), 1, 1), "{ended}");
        let requests = bed.emulator.requests();
        let count = |part: &str| requests.iter().filter(|request| request.path.contains(part)).count();
        let (tokens, polls) = (count("/oauth2/"), count("operationresults"));
        // A token lives an hour less a second, and is renewed five minutes before.
        assert!(tokens > usize::try_from(hours).unwrap() && tokens < 20, "{tokens} tokens in {hours} hours");
        assert!(polls >= usize::try_from(hours).unwrap() * 30, "{polls} looks in {hours} hours");
        assert!(
            requests.iter().all(|request| request.status != Some(401)),
            "renewed only after it was refused"
        );
        stories.push(bed.story(&link));
    }
    let expected = ["opened", "started", "answered", "moved", "completed", "verified"];
    assert_eq!(stories, [expected, expected], "as many entries, however long it takes");
}

#[tokio::test]
async fn half_an_hour_of_429_delays_a_start_and_a_look_and_spoils_neither() {
    let storm = || status(429, &[("Retry-After", "17")]);
    for kind in ["backup", "restore"] {
        let bed = bed(kind).await;
        bed.emulator.inject(always(storm()));
        let link = open(&bed, kind).await;
        bed.emulator.clear_faults();
        strikes(&bed, storm(), Duration::from_mins(30)).await;
        let waits = bed.get(&link).await.json();
        assert_eq!((waits["phase"].as_str(), bed.emulator.posts(kind)), (Some("Pending"), 0), "{waits}");
        assert!(
            waits["customStatus"].as_str().unwrap().starts_with("waits to start: 429 Scripted: not now"),
            "{waits}"
        );
        while bed.emulator.accepted(kind) == 0 {
            bed.sweep_for(Duration::from_mins(1)).await;
        }
        strikes(&bed, storm(), Duration::from_mins(30)).await;
        let runs = bed.get(&link).await.json();
        assert_eq!(runs["customStatus"], "runs in Azure", "a look that failed says nothing of it");
        let ended = bed.follow(&link).await.json();
        assert_eq!(end(&bed, kind, &ended), ("arm".to_owned(), 1, 1), "{ended}");
    }
}

#[tokio::test]
async fn posts_that_meet_429_for_half_an_hour_start_once_and_are_no_lost_starts() {
    for kind in ["backup", "restore"] {
        let bed = bed(kind).await;
        let only_posts = Fault::once("POST", &format!("/{kind}?"), status(429, &[("Retry-After", "17")]));
        bed.emulator.inject(Fault { times: u32::MAX, ..only_posts });
        let link = open(&bed, kind).await;
        bed.sweep_for(Duration::from_mins(30)).await;
        let waits = bed.get(&link).await.json();
        assert!(waits["customStatus"].as_str().unwrap().contains("Azure is busy: 429"), "{waits}");
        bed.emulator.clear_faults();
        let refused = bed.emulator.posts(kind);
        assert!(refused > 3, "{refused}");
        let ended = bed.follow(&link).await.json();
        assert_eq!(end(&bed, kind, &ended), ("arm".to_owned(), refused + 1, 1), "{ended}");
    }
}

/// Ten minutes without an answer, ten of 503.
async fn outage(bed: &Bed) {
    strikes(bed, Effect::ResetBefore, Duration::from_mins(10)).await;
    strikes(bed, status(503, &[]), Duration::from_mins(10)).await;
}

#[tokio::test]
async fn an_outage_before_the_start_delays_it() {
    for kind in ["backup", "restore"] {
        let bed = bed(kind).await;
        bed.emulator.inject(always(Effect::ResetBefore));
        let link = open(&bed, kind).await;
        bed.emulator.clear_faults();
        outage(&bed).await;
        let waits = bed.get(&link).await.json();
        assert_eq!((waits["phase"].as_str(), bed.emulator.posts(kind)), (Some("Pending"), 0), "{waits}");
        let ended = bed.follow(&link).await.json();
        assert_eq!(end(&bed, kind, &ended), ("arm".to_owned(), 1, 1), "{ended}");
    }
}

#[tokio::test]
async fn an_outage_that_begins_with_the_answer_to_the_start_leads_to_no_blind_post() {
    let (taken, not_taken) = (Effect::ResetAfter, status(503, &[]));
    for (kind, post, expected) in [
        ("backup", taken.clone(), ("blob", 1, 1)),
        // It was certain after the outage that nothing had begun.
        ("backup", not_taken.clone(), ("arm", 2, 1)),
        ("restore", taken, ("outcomeUnknown", 1, 1)),
        ("restore", not_taken, ("outcomeUnknown", 1, 0)),
    ] {
        let bed = bed(kind).await;
        bed.emulator.inject(Fault::once("POST", &format!("/{kind}?"), post));
        let link = open(&bed, kind).await;
        outage(&bed).await;
        let lost = bed.get(&link).await.json();
        assert!(
            lost["customStatus"].as_str().unwrap().starts_with("may have started, the answer was lost"),
            "{lost}"
        );
        assert_eq!(bed.emulator.posts(kind), 1, "{lost}");
        let ended = bed.follow(&link).await.json();
        let (outcome, posts, accepted) = expected;
        assert_eq!(end(&bed, kind, &ended), (outcome.to_owned(), posts, accepted), "{ended}");
    }
}

#[tokio::test]
async fn an_outage_while_it_runs_changes_nothing() {
    for kind in ["backup", "restore"] {
        let bed = bed(kind).await;
        let link = open(&bed, kind).await;
        assert_eq!(bed.get(&link).await.json()["phase"], "Running");
        outage(&bed).await;
        assert_eq!(bed.get(&link).await.json()["customStatus"], "runs in Azure");
        let ended = bed.follow(&link).await.json();
        assert_eq!(end(&bed, kind, &ended), ("arm".to_owned(), 1, 1), "{ended}");
        assert_eq!(bed.story(&link), ["opened", "started", "answered", "completed", "verified"]);
    }
}
