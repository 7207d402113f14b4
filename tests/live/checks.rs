//! One function for each thing that is assumed. What it says when it fails is what to change.

use std::{future::Future, pin::Pin};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::site::{Level, Site, seen};

/// Something that is assumed of Azure.
pub(crate) struct Check {
    pub(crate) level: Level,
    pub(crate) run: for<'a> fn(&'a Site) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

pub(crate) static INSTANCE: Check = Check { level: Level::Read, run: |site| Box::pin(instance(site)) };
pub(crate) static API_VERSIONS: Check =
    Check { level: Level::Read, run: |site| Box::pin(api_versions(site)) };
pub(crate) static MISSING_INSTANCE: Check =
    Check { level: Level::Read, run: |site| Box::pin(missing_instance(site)) };
pub(crate) static CONTAINER: Check = Check { level: Level::Read, run: |site| Box::pin(container(site)) };
pub(crate) static MISSING_BLOB: Check =
    Check { level: Level::Read, run: |site| Box::pin(missing_blob(site)) };
pub(crate) static STANDBY: Check = Check { level: Level::Read, run: |site| Box::pin(standby(site)) };
pub(crate) static SERVED: Check = Check { level: Level::Read, run: |site| Box::pin(served(site)) };
pub(crate) static RECORDS: Check = Check { level: Level::Backup, run: |site| Box::pin(records(site)) };
pub(crate) static BACKUP: Check = Check { level: Level::Backup, run: |site| Box::pin(backup(site)) };
pub(crate) static RESTORE: Check = Check { level: Level::Restore, run: |site| Box::pin(restore(site)) };

/// In the order of docs/live.md.
pub(crate) static ALL: [&Check; 10] = [
    &INSTANCE,
    &API_VERSIONS,
    &MISSING_INSTANCE,
    &CONTAINER,
    &MISSING_BLOB,
    &STANDBY,
    &SERVED,
    &RECORDS,
    &BACKUP,
    &RESTORE,
];

/// What is found wrong, by its codes.
fn codes(findings: &Value) -> Vec<&str> {
    findings.as_array().into_iter().flatten().filter_map(|finding| finding["code"].as_str()).collect()
}

async fn instance(site: &Site) {
    let looked = site.run(&["check", "live", "-o", "json"]).await;
    let look = looked.json()[0].take();
    seen(&format!("tier {}, state {}, findings {:?}", look["tier"], look["state"], codes(&look["findings"])));
    for finding in look["findings"].as_array().into_iter().flatten() {
        seen(&format!("{}: {}", finding["code"], finding["text"]));
    }
    assert!(look["state"].is_string(), "the service cannot be read: azure/arm/wire.rs, or a right: {look}");
    assert!(look["tier"].is_string(), "sku.name is elsewhere: azure/arm/inspect/service.rs: {look}");
}

async fn api_versions(site: &Site) {
    for version in ["2021-08-01", "2022-08-01", "2024-05-01"] {
        let looked =
            site.run_with(&["check", "live", "-o", "json"], &[("APIM_DR_API_VERSION", version)]).await;
        let look = looked.json()[0].take();
        seen(&format!("{version}: state {}, findings {:?}", look["state"], codes(&look["findings"])));
        let is_told = codes(&look["findings"]).contains(&"api-version.too-old");
        assert!(look["state"].is_string() || is_told, "{version}: azure/arm/wire.rs, ApiVersion: {look}");
    }
}

async fn missing_instance(site: &Site) {
    let looked = site.run(&["check", "nobody", "-o", "json"]).await;
    let look = looked.json()[0].take();
    seen(&look["findings"].to_string());
    let is_missing = codes(&look["findings"]).first().is_some_and(|code| code.starts_with("service."));
    assert!(is_missing && look["state"].is_null(), "domain/preflight.rs, unreachable: {look}");
    assert_eq!(looked.code, Some(4), "{looked:?}");
}

async fn container(site: &Site) {
    let listed = site.run(&["list", "--target", "live", "-o", "json"]).await;
    seen(&format!("exit code {:?}, {}", listed.code, listed.err));
    assert_eq!(listed.code, Some(0), "azure/blobs.rs, azure/storage.rs, or a role: {listed:?}");
    let containers = listed.json();
    seen(&format!("{} blob(s) that are not ours", containers[0]["notOursCount"]));
    assert!(containers[0]["unlisted"].is_null(), "azure/blobs.rs, or a role: {containers:#}");
}

/// A restore that would be blocked: nothing is started.
async fn missing_blob(site: &Site) {
    let into = site.standby.as_deref().unwrap_or(&site.instance);
    let restore = ["restore", "--plan", "--target", "live", "-n", into, "--source", &site.instance];
    // A plan needs no permission to restore.
    let allowed = [("APIM_DR_RESTORE_TARGETS", into)];
    let options = ["--backup-name", "apim-dr-no-such-backup", "-o", "json"];
    let planned = site.run_with(&[&restore[..], &options[..]].concat(), &allowed).await;
    let plan = planned.json();
    seen(&format!("exit code {:?}, findings {:?}", planned.code, codes(&plan["findings"])));
    assert!(
        codes(&plan["findings"]).contains(&"backup.missing"),
        "azure/storage.rs, azure/blobs.rs: {plan:#}"
    );
    assert_eq!(planned.code, Some(4), "{planned:?}");
}

async fn standby(site: &Site) {
    if site.standby.is_none() {
        return seen("nothing: no APIM_DR_LIVE_STANDBY");
    }
    let compared = site.run(&["compare", "live", "-o", "json"]).await;
    let verdict = compared.json();
    seen(&format!("exit code {:?}, verdict {}", compared.code, verdict["readiness"]["verdict"]));
    assert!(matches!(compared.code, Some(0 | 2)), "azure/arm/inspect: {compared:?}");
}

/// The host in front: whether calls reach us, and come back as we answered them.
async fn served(site: &Site) {
    let Some((url, child)) = site.served().await else { return seen("nothing: no APIM_DR_LIVE_URL") };
    let client = Client::new();
    let ask = async |method: Method, path: &str| {
        let body = if method == Method::POST { "{}" } else { "" };
        let answer = client.request(method, format!("{url}{path}")).body(body).send().await.unwrap();
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("none");
        let (status, kind) = (answer.status().as_u16(), kind.to_owned());
        seen(&format!("{path}: {status}, {kind}"));
        (status, kind, answer.text().await.unwrap())
    };
    let (status, _, body) = ask(Method::GET, "/api/health").await;
    assert_eq!(status, 200, "a setting is wrong, or the host does not reach us: {body}");
    let (status, _, body) = ask(Method::HEAD, "/api/health").await;
    assert_eq!((status, &*body), (200, ""), "health-trigger/function.json: HEAD");
    let unknown = "/api/operations/01a200b1-9ba3-7ad5-a152-eb955720a6d1?t=wrong";
    let (status, kind, body) = ask(Method::GET, unknown).await;
    assert_eq!(status, 404, "{body}");
    assert!(kind.starts_with("application/problem+json"), "triggers/invocation.rs: {kind}: {body}");
    for (method, path) in
        [(Method::POST, "/api/backup"), (Method::POST, "/api/restore"), (Method::GET, "/api/status")]
    {
        let (status, _, body) = ask(method, path).await;
        assert!(
            matches!(status, 401 | 403),
            "{path} is open without a key: function.json, authLevel: {body}"
        );
    }
    drop(child);
}

/// Leaves a few blobs below a prefix of its own.
async fn records(site: &Site) {
    let records = format!("az://{}/{}/apim-dr-live", site.account, site.container);
    for _ in 0..2 {
        let listed = site
            .run_with(&["operations", "list", "-o", "json"], &[("APIM_DR_RECORDS", records.as_str())])
            .await;
        seen(&format!("exit code {:?} {}", listed.code, listed.err));
        assert_eq!(listed.code, Some(0), "records/store.rs, probe, or the role: {listed:?}");
    }
}

/// What Azure answered to the POST, and where it has us ask.
fn assert_recorded_shape(site: &Site, id: &str) {
    let events = site.events(id);
    let taken = events.iter().find(|event| event["answer"]["result"] == "accepted");
    let answer = &taken.expect("azure/arm/lro.rs, begin: Azure took it otherwise")["answer"];
    let continuation = answer["continuation"].as_object().cloned().unwrap_or_default();
    for (kind, url) in &continuation {
        let url = url.as_str().unwrap_or_default();
        let path = url.split('?').next().unwrap_or_default().rsplit('/').nth(1).unwrap_or_default();
        let version = url.split("api-version=").nth(1).unwrap_or("none");
        let slashes = if url.split_once("://").is_some_and(|(_, rest)| rest.contains("//")) {
            "two slashes"
        } else {
            "one slash"
        };
        seen(&format!("asked at {kind} .../{path}/..., {slashes}, api-version {version}"));
    }
    seen(&format!("Retry-After as understood: {}", answer["afterSeconds"]));
    assert!(continuation.contains_key("location"), "azure/arm/lro.rs, begin: {answer}");
    let moved = events.iter().filter(|event| event["type"] == "moved").count();
    seen(&format!("the address moved {moved} time(s)"));
}

async fn backup(site: &Site) {
    let started = site.run(&["backup", "--target", "live", "--no-wait", "-o", "json"]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    let id = started.json()["id"].as_str().unwrap().to_owned();

    let look = site.run(&["check", "live", "-o", "json"]).await.json()[0].take();
    seen(&format!("while it runs: state {}, findings {:?}", look["state"], codes(&look["findings"])));
    let is_busy = codes(&look["findings"]).contains(&"service.busy");
    // Somebody who knows nothing of the first.
    let others = [("APIM_DR_RECORDS", "file:others")];
    let second = ["backup", "--target", "live", "--backup-name", "apim-dr-second", "--no-wait", "-o", "json"];
    let second = site.run_with(&second, &others).await;
    let told = second.json();
    seen(&format!("a second start: exit code {:?}, {}, {}", second.code, told["phase"], told["waiting"]));
    let cancelled = site.run_with(&["operations", "cancel", told["id"].as_str().unwrap()], &others).await;
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");

    let ended = site.follow(&id).await;
    let backup = ended.json();
    seen(&format!("{}; {}", backup["customStatus"], backup["verification"]));
    seen(&format!("opened {}, ended {}", backup["createdTime"], backup["lastUpdatedTime"]));
    assert_recorded_shape(site, &id);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(backup["evidence"], json!("arm"), "azure/arm/lro.rs, next: {backup:#}");
    assert_eq!(backup["verification"]["result"], "verified", "azure/blobs.rs, or a role: {backup:#}");
    assert!(
        is_busy,
        "a backup does not show: domain/service.rs, and APIM_DR_SETTLE has to be longer than it"
    );
    assert_eq!(second.code, Some(5), "it was taken although one ran: azure/arm/lro.rs, busy: {told:#}");
}

/// Overwrites the standby.
async fn restore(site: &Site) {
    let into = site.standby.as_deref().expect("set APIM_DR_LIVE_STANDBY: it is overwritten");
    let yes = format!("RESTORE {into}");
    let ran = site.run(&["backup", "--target", "live", "--no-wait", "-o", "json"]).await;
    let backup = site.follow(ran.json()["id"].as_str().unwrap()).await;
    assert_eq!(backup.code, Some(0), "{backup:?}");
    let restore = [
        "restore",
        "--target",
        "live",
        "-n",
        into,
        "--source",
        &site.instance,
        "--backup",
        "latest-verified",
    ];
    let started =
        site.run(&[&restore[..], &["--yes", yes.as_str(), "--no-wait", "-o", "json"]].concat()).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let ended = site.follow(&id).await;
    let restored = ended.json();
    seen(&format!("{}; {}", restored["customStatus"], restored["verification"]));
    seen(&format!("opened {}, ended {}", restored["createdTime"], restored["lastUpdatedTime"]));
    assert_recorded_shape(site, &id);
    assert_eq!((ended.code, &restored["evidence"]), (Some(0), &json!("arm")), "{ended:?}");
}
