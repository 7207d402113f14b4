//! Records that version 1 wrote can be read for ever: tests/data/records/v1.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use super::*;
use crate::{
    domain::{
        Answer, AttemptId, Callback, Change, Continuation, Evidence, FailureKind, Kind, Letter, Level,
        Notice, Phase, Plan, Probe, Recipient, Subject, Topic, Verification,
    },
    ports::{Alarms as _, Catalog as _, Letters, Outbox as _, Points, Standing},
};

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/records/v1")
}

/// A copy of the folder, opened; and all that is in it, by name.
async fn copied() -> (tempfile::TempDir, Records) {
    let copy = tempfile::tempdir().unwrap();
    let source = Store::local(&data()).unwrap();
    let target = Store::local(copy.path()).unwrap();
    for path in source.list(&Path::default()).await.unwrap() {
        let bytes = source.0.get(&path).await.unwrap().bytes().await.unwrap();
        target.0.put(&path, bytes.into()).await.unwrap();
    }
    let records = Records::open(&Location::Directory(copy.path().to_owned()), None).await.unwrap();
    (copy, records)
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&fs::read(data().join(path)).unwrap()).unwrap()
}

/// The n-th operation, one an hour.
fn id(n: usize) -> OperationId {
    let ids = ["01a1fb9e-0680", "01a1fbd4-f500", "01a1fc0b-e380", "01a1fc42-d200", "01a1fc79-c080"];
    let ids =
        [ids.as_slice(), &["01a1fcb0-af00", "01a1fce7-9d80", "01a1fd1e-8c00", "01a1fd55-7a80"]].concat();
    format!("{}-7000-8000-00000000000{n}", ids[n]).parse().unwrap()
}

fn example_credentials() -> Credentials {
    Credentials {
        client_secret: Some(Secret::new("example-client-secret")),
        access_key: Some(Secret::new("example-access-key")),
        callback: None,
    }
}

#[tokio::test]
async fn each_operation_of_version_1_is_the_story_that_it_was() {
    let (_copy, records) = copied().await;
    let stories = [
        ("opened waited started answered unread moved completed verified", Phase::Succeeded),
        ("opened started answered seenBusy seenIdle found", Phase::Succeeded),
        ("opened started answered started answered started answered", Phase::Failed),
        ("opened started failed", Phase::Failed),
        ("opened cancelRequested canceled", Phase::Canceled),
        ("opened skipped", Phase::Skipped),
        ("opened started answered", Phase::Running),
        (
            "opened checked safetyBackupOpened safetyBackupVerified started answered moved completed verified",
            Phase::Succeeded,
        ),
    ];
    // The eighth is a drill of which only the slot is here.
    let number = |n: usize| if n < 7 { n } else { n + 1 };
    let mut newest_first: Vec<_> = (0..stories.len()).map(number).map(id).collect();
    newest_first.reverse();
    assert_eq!(records.operations(100).await.unwrap(), newest_first);
    let mut last = Vec::new();
    for (n, (story, phase)) in stories.into_iter().enumerate() {
        let id = id(number(n));
        let entries = records.entries(id).await.unwrap();
        let events: Vec<_> = entries.iter().map(|entry| entry.event.name()).collect();
        assert_eq!(events.join(" "), story, "{n}");
        let operation = entries.last().unwrap().operation.clone();
        assert_eq!((operation.id, operation.phase), (id, phase));
        last.push(operation);
    }
    assert_eq!((&last[0].evidence, &last[1].evidence), (&Some(Evidence::Arm), &Some(Evidence::Blob)));
    assert!(last[0].verification.is_some());
    assert_eq!(last[2].plan.kind, Kind::Restore);
    assert_eq!(last[2].attempts.len(), 3);
    let kinds = [2, 3].map(|n| last[n].failure.as_ref().unwrap().kind);
    assert_eq!(kinds, [FailureKind::Refused, FailureKind::OutcomeUnknown]);
    assert!(last[4].cancel_requested.is_some());
    assert!(last[5].waiting.as_ref().unwrap().contains("its deadline"));
    assert!(
        matches!(&last[6].continuation, Some(Continuation::Location(url)) if url.contains("//operationresults"))
    );
    assert!(last[7].plan.safety_backup && last[7].safety_backup.as_ref().unwrap().verified);
    assert_eq!(last[7].findings[0].code, "account.hierarchical-namespace");
    let Some(Verification::Looked { aftermath }) = &last[7].verification else { panic!("{:?}", last[7]) };
    assert_eq!((&aftermath.gateway, aftermath.expected), (&Some(Probe::Up), aftermath.counts));
    assert_eq!(last[6].deadline, "2026-11-21T13:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn what_was_open_in_version_1_is_carried_on_with_its_credentials() {
    let (_copy, records) = copied().await;
    let example = StateKey::from_base64("ZXhhbXBsZS1rZXktbm90LXNlY3JldC0zMi1ieXRlcyE=").unwrap();
    assert_eq!(records.state_key().id(), example.id());
    assert_eq!(records.open_operations().await.unwrap(), [id(3), id(6)]);
    let open = records.last(id(6)).await.unwrap().unwrap().operation;
    let opening = records.opening(id(6)).await.unwrap().unwrap();
    assert_eq!((opening.plan, opening.opened), (open.plan.clone(), open.opened));
    assert_eq!(records.credentials(&open).await.unwrap(), example_credentials());

    let reopened = records.last(id(3)).await.unwrap().unwrap().operation;
    let attempt: AttemptId = reopened.attempts[0].id;
    assert_eq!(records.opening(id(3)).await.unwrap(), None);
    let kept = records.kept_answer(id(3), attempt).await.unwrap();
    assert!(matches!(kept, Some(Answer::Accepted { after_seconds: 60, .. })), "{kept:?}");
    assert_eq!(records.credentials(&reopened).await.unwrap(), example_credentials());
}

#[tokio::test]
async fn claims_and_holders_of_version_1_still_count() {
    let (_copy, records) = copied().await;
    let whose = async |cause: Cause, plan: Plan| {
        let opening = Opening { plan, ..opening("sampleapim") };
        match records.claimed(&cause, &opening).await.unwrap() {
            Some(Claim::Theirs(theirs)) => Some(theirs.id),
            Some(Claim::OtherBody) => panic!("another body"),
            Some(Claim::Ours) | None => None,
        }
    };
    let plan = || plan("sampleapim");
    let instant = "2026-11-21T01:00:00Z".parse().unwrap();
    let target: crate::domain::TargetName = "primary".parse().unwrap();
    assert_eq!(whose(Cause::Slot { target: target.clone(), instant }, plan()).await, Some(id(0)));
    let drill = Cause::Drill { target: target.clone(), instant: "2026-11-21T08:00:00Z".parse().unwrap() };
    assert_eq!(whose(drill.clone(), plan()).await, Some(id(7)));
    let Some(Claim::Theirs(theirs)) = records.claimed(&drill, &opening("sampleapim")).await.unwrap() else {
        panic!("the drill's slot is there");
    };
    assert_eq!((theirs.plan.word(), theirs.plan.drill.as_ref()), ("drill", Some(&target)));
    let key = claims::key("backup", "example-key", "example-body-mark");
    assert_eq!(whose(key, plan()).await, Some(id(1)));
    assert_eq!(whose(Cause::Request, plan()).await, Some(id(6)));
    let closed = Plan { kind: Kind::Restore, ..crate::domain::samples::plan("sampleapim-standby") };
    assert_eq!(whose(Cause::Request, closed).await, None);
    let service = plan().service.name;
    assert_eq!(records.holder(&service, hours(100)).await.unwrap(), Some(id(6)));
    let since = records.since(&target, "0 0 1 * * *", now()).await.unwrap();
    assert_eq!(since, crate::ports::Since { at: "2026-11-21T00:00:00Z".parse().unwrap(), changed: false });
    assert!(!records.claim_pruning(now()).await.unwrap());
}

#[tokio::test]
async fn recovery_points_of_version_1_are_still_known() {
    let (_copy, records) = copied().await;
    let service = plan("sampleapim").service.name;
    let Points { points, unreadable } = records.points(&service, None).await.unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let [adopted, made] = points.try_into().unwrap();
    assert_eq!(
        (adopted.evidence.as_ref(), adopted.tier.as_ref(), adopted.is_verified()),
        (None, None, false)
    );
    assert_eq!(adopted.verification.seen().unwrap().size, 4096);
    assert_eq!(adopted.at, "2026-11-17T01:00:00Z".parse().unwrap());
    assert_eq!((made.id, &made.evidence), (id(0), &Some(Evidence::Arm)));
    assert_eq!(made.tier.as_ref().map(|tier| tier.0.as_str()), Some("Developer"));
    let seen = made.verification.seen().unwrap();
    assert_eq!(
        (made.is_verified(), seen.size, seen.md5.as_deref()),
        (true, 4242, Some("ZXhhbXBsZS1kaWdlc3QhIQ=="))
    );
    assert_eq!(made.ended, "2026-11-21T01:10:00Z".parse().unwrap());
    let until: Timestamp = "2026-12-06T01:14:00Z".parse().unwrap();
    assert_eq!(records.marked(&made.blob, now()).await.unwrap(), Some(until));
    assert_eq!(records.marked(&made.blob, until).await.unwrap(), None);
    assert_eq!(records.owners(&made.blob).await.unwrap(), [service]);
    let (container, until) = (made.blob.place(), "2026-11-22T03:00:06Z".parse().unwrap());
    assert_eq!(records.frozen(&container, now()).await.unwrap(), Some(id(2)));
    assert_eq!(records.frozen(&container, until).await.unwrap(), None);
}

#[tokio::test]
async fn snapshots_of_version_1_are_still_known() {
    let (_copy, records) = copied().await;
    let service = plan("sampleapim").service;
    let snapshot = records.snapshot(&service.name, id(0)).await.unwrap().unwrap();
    assert_eq!(records.newest_snapshot(&service.name).await.unwrap(), Some((id(0), snapshot.clone())));
    assert_eq!(records.snapshot(&service.name, id(1)).await.unwrap(), None);
    assert_eq!((snapshot.service, snapshot.taken), (service, "2026-11-21T01:00:01Z".parse().unwrap()));
    let inventory = snapshot.inventory;
    assert_eq!((inventory.location.as_str(), inventory.capacity), ("Australia East", Some(2)));
    assert_eq!(inventory.tier.as_ref().map(|tier| tier.0.as_str()), Some("Premium"));
    assert_eq!((inventory.zones.len(), inventory.regions[0].capacity), (2, Some(1)));
    assert!(inventory.identity.system_assigned && inventory.identity.user_assigned.len() == 1);
    let hostname = &inventory.hostnames[0];
    assert_eq!((hostname.kind.as_str(), hostname.host.as_str()), ("Proxy", "api.contoso.com"));
    let certificate = hostname.certificate.as_ref().unwrap();
    assert_eq!(certificate.thumbprint, "9A8B7C6D5E4F3A2B1C0D9E8F7A6B5C4D3E2F1A0B");
    assert_eq!(certificate.expiry, Some("2027-06-30T23:59:59Z".parse().unwrap()));
    assert!(hostname.key_vault.is_some() && hostname.identity_client_id.is_some());
    assert!(hostname.default_ssl_binding && !hostname.negotiates_client_certificate);
    assert_eq!(inventory.certificates[0].store, "CertificateAuthority");
    assert!(inventory.network.is_injected() && inventory.network.public_ip.is_some());
    assert_eq!(inventory.public_network_access.as_deref(), Some("Enabled"));
    assert_eq!(inventory.settings["Protocols.Server.Http2"], "True");
    assert_eq!(inventory.min_api_version.as_deref(), Some("2021-08-01"));
    assert_eq!((inventory.platform.as_deref(), inventory.gateway_disabled), (Some("stv2"), false));
    assert_eq!(
        snapshot.counts.unwrap().named(),
        [("APIs", 7), ("products", 3), ("subscriptions", 12), ("users", 5)]
    );
    assert_eq!(snapshot.diagnostics.unwrap()[0].categories.len(), 2);
    assert_eq!((snapshot.portal_revision, snapshot.unread.len()), (None, 1));
}

#[tokio::test]
async fn a_days_look_of_version_1_is_still_known() {
    let (_copy, records) = copied().await;
    let target: crate::domain::TargetName = "primary".parse().unwrap();
    assert!(records.is_checked(&target, now()).await.unwrap());
    assert!(!records.is_checked(&target, hours(24)).await.unwrap());
    let check = records.newest_check(&target, hours(24)).await.unwrap().unwrap();
    assert_eq!((&check.target, check.at), (&target, "2026-11-21T00:00:12Z".parse().unwrap()));
    assert_eq!(
        (check.findings[0].code.as_ref(), check.findings[0].is_blocking()),
        ("account.firewall", true)
    );
    let standby = check.standby.unwrap();
    assert_eq!(standby.service, plan("sampleapim-standby").service);
    let readiness = standby.readiness.unwrap();
    assert_eq!(readiness.verdict, crate::domain::ReadinessVerdict::NotReady);
    assert_eq!((standby.findings.len(), readiness.reasons.len()), (1, 1));
}

#[tokio::test]
async fn alarms_of_version_1_still_stand() {
    let (_copy, records) = copied().await;
    let Standing { alarms, unreadable } = records.alarms().await.unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let [invalid, rpo] = alarms.as_slice() else { panic!("{alarms:?}") };
    assert_eq!((&invalid.subject, invalid.condition.code.as_ref()), (&Subject::App, "targets.invalid"));
    let target = Subject::Target("primary".parse().unwrap());
    assert_eq!((&rpo.subject, rpo.seq, rpo.change), (&target, 2, Change::Worsened));
    assert_eq!((rpo.condition.level, rpo.since), (Level::Critical, "2026-11-21T22:00:00Z".parse().unwrap()));
    let first = records.alarm(&target, "rpo", 1).await.unwrap().unwrap();
    assert_eq!((first.change, first.at, first.stands()), (Change::Raised, first.since, true));
}

#[tokio::test]
async fn letters_of_version_1_still_arrive_and_those_that_were_told_are_not_told_again() {
    let (_copy, records) = copied().await;
    let Letters { waiting, unreadable } = records.waiting().await.unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let [alarm, ended] = waiting.as_slice() else { panic!("{waiting:?}") };
    let ended = records.letter(&ended.key).await.unwrap().unwrap().letter;
    assert_eq!(ended.to, Recipient::Callback(Callback::Url(Secret::new("https://example.com/example"))));
    assert_eq!(ended.notice.topic(), Topic::Failed);
    assert_eq!((alarm.tries, alarm.at), (1, "2026-11-22T03:10:01Z".parse().unwrap()));
    let alarm = records.letter(&alarm.key).await.unwrap().unwrap().letter;
    assert_eq!(alarm.to, Recipient::Hook("ops".parse().unwrap()));
    let subject = Subject::Target("primary".parse().unwrap());
    let recorded = async |seq| records.alarm(&subject, "rpo", seq).await.unwrap().unwrap();
    assert_eq!(alarm.notice, Notice::alarm(&recorded(2).await));
    let raised = Letter { notice: Notice::alarm(&recorded(1).await), to: alarm.to.clone() };
    for told in [raised, Letter { to: alarm.to, ..ended }] {
        records.post(&told, now()).await.unwrap();
        assert_eq!(records.waiting().await.unwrap().waiting.len(), 2, "{}", told.key());
    }
}

/// Nothing reads it yet: it has to be what the entry that it is made from says.
#[tokio::test]
async fn history_of_version_1_is_what_its_entries_say() {
    let (_copy, records) = copied().await;
    let without_writer = |mut history: Value| {
        history.as_object_mut().unwrap().remove("writer");
        history
    };
    for path in records.store.list(&Path::from("history")).await.unwrap() {
        let id: OperationId = path.filename().unwrap().split('.').next().unwrap().parse().unwrap();
        let anew = Records::open(&Location::Memory, None).await.unwrap();
        anew.close(&records.last(id).await.unwrap().unwrap()).await.unwrap();
        let written = anew.store.0.get(&path).await.unwrap().bytes().await.unwrap();
        let written = serde_json::from_slice(&written).unwrap();
        assert_eq!(without_writer(json(path.as_ref())), without_writer(written), "{path}");
    }
}

/// The document shows these very objects, one of each kind.
#[test]
fn the_samples_of_the_document_are_these_objects() {
    let document = include_str!("../../../docs/records.md");
    let mut shown = BTreeSet::new();
    for section in document.split("\n## ").skip(1) {
        for sample in section.split("```json\n").skip(1) {
            let sample = sample.split("```").next().unwrap();
            let path = section.split("Sample: `").nth(1).and_then(|text| text.split('`').next());
            let path = path.unwrap_or_else(|| panic!("which one is this? {sample}"));
            let sample: Value =
                serde_json::from_str(sample).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(sample, json(path), "{path}");
            shown.insert(path.rsplit_once('/').map_or(path, |(folder, _)| folder).to_owned());
        }
    }
    let kinds: BTreeSet<_> = shown.iter().map(|path| path.split('/').next().unwrap()).collect();
    let all = [
        "alarms",
        "catalog",
        "checks",
        "frozen",
        "history",
        "keys",
        "locks",
        "open",
        "operations",
        "outbox",
        "owners",
        "pruned",
        "requests",
        "retiring",
        "slots",
        "snapshots",
        "state-key",
        "told",
    ];
    assert_eq!(kinds, all.into());
}
