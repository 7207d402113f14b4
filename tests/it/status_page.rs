//! The status page and its JSON, end to end: in both shapes of the host, and only for who may see them.

use std::time::Duration;

use apim_dr::emulator::{Service, accounts};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    bed::{Answer, Bed, seed},
    host::call,
    targets::{bed, finish, target},
};

/// A target with a recovery point, a standby and an instance for drills, and one that has had no backup.
pub(crate) async fn with_targets() -> Bed {
    let standby = json!({ "standby": accounts::STANDBY, "drill": "sampleapim-drill" });
    let late = json!({ "apimInstance": accounts::STANDBY, "schedule": "0 0 5 * * *" });
    let bed = bed(&[target("primary", &standby), target("secondary", &late)]).await;
    bed.emulator.add_service(Service::new("sampleapim-drill", accounts::LOCATION));
    finish(&bed).await;
    bed
}

/// The id in the link of an operation.
pub(crate) fn id(link: &str) -> &str {
    link.split(['/', '?']).find(|part| part.len() == 36).unwrap()
}

/// What is sent with whatever the address answers.
fn assert_private(name: &str, header: impl Fn(&str) -> String) {
    assert_eq!(header("cache-control"), "no-store", "{name}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{name}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{name}");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{name}");
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{name}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{name}: {policy}");
}

#[tokio::test]
async fn the_pages_tell_of_targets_and_operations_in_both_shapes() {
    let bed = with_targets().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let id = id(&link);
    for (query, status, texts) in [
        (json!({}), 200, ["?target=primary", "?target=secondary"]),
        (json!({"target": "primary"}), 200, ["<h1>primary</h1>", "primary_20261121"]),
        (json!({"operation": id}), 200, ["What happened", id]),
        (json!({"target": "nobody"}), 404, ["There is no such target", "?"]),
        (json!({"target": "<script>"}), 404, ["There is no such target", "?"]),
        (
            json!({"operation": "01a200be-362e-758d-8556-f0b019d98067"}),
            404,
            ["There is no such operation", "?"],
        ),
        (json!({"operation": "x"}), 404, ["There is no such operation", "?"]),
    ] {
        let pairs = query.as_object().unwrap().iter();
        let text: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={}", urlencoding::encode(value.as_str().unwrap())))
            .collect();
        let proxied = bed.get(&format!("/api/status?{}", text.join("&"))).await;
        let enveloped = call(&bed, "status-trigger", "GET", json!({"view": null}), query.clone(), None).await;
        assert_eq!((proxied.status.as_u16(), enveloped.status), (status, u64::from(status)), "{query}");
        assert_eq!(proxied.text, enveloped.body, "{query}");
        assert_eq!(proxied.header("content-type"), "text/html; charset=utf-8");
        assert_private(&query.to_string(), |name| proxied.header(name));
        assert_private(&query.to_string(), |name| enveloped.headers[name].as_str().unwrap().to_owned());
        for text in texts {
            assert!(proxied.text.contains(text), "{query} lacks {text}: {}", proxied.text);
        }
        let policy = proxied.header("content-security-policy");
        for tag in ["style", "script"] {
            let rest = proxied.text.split_once(&format!("<{tag}>")).unwrap().1;
            let hash = STANDARD.encode(Sha256::digest(rest.split_once(&format!("</{tag}>")).unwrap().0));
            assert!(policy.contains(&format!("{tag}-src 'sha256-{hash}'")), "{query}: {tag}");
        }
    }
}

#[tokio::test]
async fn the_report_is_there_as_json_and_as_metrics_and_other_views_are_not() {
    let bed = with_targets().await;
    for (view, status) in [("json", 200), ("metrics", 200), ("html", 404), ("%FF", 404)] {
        let answer = bed.get(&format!("/api/status/{view}")).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_private(view, |name| answer.header(name));
    }
    let report = bed.get("/api/status/json").await.json();
    assert_eq!(report["targets"][0]["name"], "primary");
    assert_eq!(report["targets"][0]["points"]["restorable"], 1, "{report}");
    let metrics = bed.get("/api/status/metrics").await;
    assert_eq!(metrics.header("content-type"), apim_dr::metrics::CONTENT_TYPE);
    assert!(metrics.text.contains("target=\"primary\""), "{}", metrics.text);
    let enveloped = call(&bed, "status-trigger", "GET", json!({"view": "json"}), json!({}), None).await;
    assert_eq!((enveloped.status, enveloped.json()), (200, report));
}

#[tokio::test]
async fn a_head_has_the_headers_and_no_body() {
    let bed = with_targets().await;
    for path in ["/api/status", "/api/status?target=primary", "/api/status?target=nobody", "/api/status/json"]
    {
        let get = bed.get(path).await;
        let head = bed.client.request(Method::HEAD, format!("{}{path}", bed.url)).send().await.unwrap();
        let head = Answer::of(head).await;
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_private(path, |name| head.header(name));
    }
    let head = call(&bed, "status-trigger", "HEAD", json!({"view": null}), json!({}), None).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(bed.post("/api/status", &Value::Null).await.status, 405);
}

#[tokio::test]
async fn without_its_key_nothing_is_told_and_no_page_has_the_key() {
    const KEY: &str = "status-key-0123456789";
    let bed =
        Bed::with(&[("FUNCTIONS_CUSTOMHANDLER_PORT", ""), ("APIM_DR_KEYS", &format!("status={KEY}"))]).await;
    for path in ["/api/status", "/api/status?operation=x", "/api/status/json"] {
        let refused = bed.get(path).await;
        assert_eq!(refused.status, 401, "{path}");
        assert_private(path, |name| refused.header(name));
        let sign = if path.contains('?') { '&' } else { '?' };
        let told = bed.get(&format!("{path}{sign}code={KEY}")).await;
        assert_ne!(told.status, 401, "{path}");
        assert!(!format!("{told:?}").contains(KEY), "{path}");
    }
}

#[tokio::test]
async fn what_is_open_is_told_as_in_progress() {
    let bed = with_targets().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    bed.advance(Duration::from_mins(5));
    let page = bed.get("/api/status").await.text;
    assert!(page.contains(" data-busy>") && page.contains(&format!("?operation={}", id(&link))), "{page}");
    bed.follow(&link).await;
    assert!(!bed.get("/api/status").await.text.contains(" data-busy>"));
}
