//! What somebody hostile may try who calls us, leads a browser to us, or writes where the records are.
//! docs/security.md tells of all threats, and which test holds each.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use apim_dr::{emulator::accounts, workflows::Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    bed::{Answer, Bed, but, put_backup, seed},
    owners::retired,
    process::Place,
    targets::blobs,
};

const ATTACKER: &str = "attacker.example";
/// Stand-alone.
const NO_HOST: (&str, &str) = ("FUNCTIONS_CUSTOMHANDLER_PORT", "");

async fn send(bed: &Bed, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = bed.client.request(method, format!("{}{path}", bed.url)).body(body.to_owned());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Answer::of(request.send().await.unwrap()).await
}

/// The files below a folder of the records.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// The newest entry of the only operation.
fn newest_entry(bed: &Bed) -> PathBuf {
    files(&bed.records().join("operations")).pop().unwrap()
}

/// Whether anybody has called there.
fn was_called(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_ok()
}

/// Writes into the catalogue what stands there of `blob`, with some texts replaced.
fn forge(bed: &Bed, blob: &str, forged: &[(&str, &str)]) {
    let points = files(&bed.records().join("catalog"));
    let is_of_blob = |path: &PathBuf| fs::read_to_string(path).unwrap().contains(&format!("\"{blob}\""));
    let point = points.into_iter().find(|path| path.ends_with("point.json") && is_of_blob(path)).unwrap();
    let id = point.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let other = format!("{}{:012x}", &id[..24], u64::from(u32::from_be_bytes(*b"evil")));
    let text = fs::read_to_string(&point).unwrap().replace(&id, &other);
    let text = forged.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}: {text}");
        text.replace(from, to)
    });
    let folder = point.parent().unwrap().with_file_name(other);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("point.json"), text).unwrap();
}

#[tokio::test]
async fn no_header_that_was_forged_leads_a_link_elsewhere() {
    let bed = Bed::start().await;
    let forged = [
        ("x-forwarded-host", ATTACKER),
        ("x-forwarded-proto", "https"),
        ("x-original-host", ATTACKER),
        ("x-original-url", "https://attacker.example/"),
        ("disguised-host", ATTACKER),
        ("forwarded", "host=attacker.example"),
    ];
    let body = seed("backup").to_string();
    let answer = send(&bed, Method::POST, "/api/backup", &forged, &body).await;
    assert!(answer.header("location").starts_with(&bed.url), "{answer:?}");
    let known = Bed::with(&[("WEBSITE_HOSTNAME", "apim-dr.azurewebsites.net")]).await;
    let answer = send(&known, Method::POST, "/api/backup", &[("host", ATTACKER)], &body).await;
    assert!(answer.header("location").starts_with("https://apim-dr.azurewebsites.net/"), "{answer:?}");
    assert!(!format!("{answer:?}").contains(ATTACKER), "{answer:?}");
}

#[tokio::test]
async fn nobody_keeps_what_a_link_tells_or_learns_its_address() {
    let bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    for address in [link.clone(), link.replace("?t=", "?t=x")] {
        let answer = bed.get(&address).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{answer:?}");
            assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{answer:?}");
        }
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_page_whose_name_leads_to_this_machine_reads_and_starts_nothing() {
    let bed = Bed::with(&[NO_HOST, ("APIM_DR_PUBLIC_URL", "https://dr.example.com/")]).await;
    let status = async |host: &str| {
        send(&bed, Method::GET, "/api/status/json", &[("host", host)], "").await.status.as_u16()
    };
    for host in ["attacker.example", "attacker.example:7071", "localhost.attacker.example", "127.0.0.1.x", ""]
    {
        assert_eq!(status(host).await, 421, "{host}");
        let headers = [("host", host)];
        let start = send(&bed, Method::POST, "/api/restore", &headers, &seed("restore").to_string()).await;
        assert_eq!(start.status, 421, "{host}: {start:?}");
    }
    for host in
        ["localhost:7071", "app.localhost", "127.0.0.1", "[::1]:7071", "10.0.0.4", "DR.example.com:443"]
    {
        assert_eq!(status(host).await, 200, "{host}");
    }
    assert_eq!(bed.emulator.requests().len(), 0);

    // With keys a page has nothing to send.
    let bed = Bed::with(&[NO_HOST, ("APIM_DR_KEYS", "status=status-key-0123456789")]).await;
    let headers = [("host", ATTACKER), ("x-functions-key", "status-key-0123456789")];
    assert_eq!(send(&bed, Method::GET, "/api/status/json", &headers, "").await.status, 200);
}

#[tokio::test]
async fn of_two_ids_of_an_invocation_the_hosts_counts() {
    let mut place = Place::start().await;
    place.set("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    place.set("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *");
    let mut server = place.serve().await;
    let request = reqwest::Client::new().post(format!("{}/api/backup", server.url));
    // A host that forwards adds its own behind the caller's.
    let request = request.header("x-azure-functions-invocationid", "forged");
    let request = request.header("x-azure-functions-invocationid", "the-hosts");
    assert_eq!(request.body(seed("backup").to_string()).send().await.unwrap().status(), 202);
    let line = server.wait_for_phase("Starting").await;
    assert_eq!(line["invocation.id"], "the-hosts", "{line}");
    assert!(!server.log.contains("forged"), "{}", server.log);
}

#[tokio::test]
async fn a_body_as_deep_or_as_wide_as_it_may_be_gets_a_short_answer() {
    let bed = Bed::start().await;
    let deep = format!("{{\"a\": {}", "[".repeat(1_000_000));
    let envelope = json!({"Data": {"req": {"Method": "POST", "Headers": {}, "Query": {}, "Body": deep}}});
    let nested = format!("{{\"Data\": {}", "{\"req\": ".repeat(100_000));
    for (path, body, expected) in [
        ("/api/backup", deep.clone(), 400),
        ("/backup-trigger", envelope.to_string(), 200),
        ("/backup-trigger", nested.clone(), 200),
        ("/timer-trigger", nested.clone(), 200),
    ] {
        let answer = send(&bed, Method::POST, path, &[], &body).await;
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
        assert!(answer.text.len() < 2000, "{path}: {} bytes", answer.text.len());
    }
    assert!(bed.emulator.requests().is_empty());

    let mut wide = seed("backup");
    for n in 0..50_000 {
        wide[format!("field{n}")] = json!(n);
    }
    let answer = send(&bed, Method::POST, "/api/backup", &[], &wide.to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.text.len() < 2000, "{} bytes", answer.text.len());
    assert!(files(bed.records()).iter().all(|file| fs::metadata(file).unwrap().len() < 10_000));
}

#[tokio::test]
async fn an_address_that_was_edited_into_the_records_gets_no_token() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bed = Bed::start().await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let entry = newest_entry(&bed);
    let text = fs::read_to_string(&entry).unwrap();
    let edited = text.replace(&bed.emulator.url(), &format!("http://{}", elsewhere.local_addr().unwrap()));
    assert_ne!(edited, text);
    fs::write(&entry, edited).unwrap();
    bed.restart().await;
    // Service and blob are watched in its place.
    let ended = bed.follow(&link).await;
    assert_eq!((ended.status.as_u16(), &ended.json()["evidence"]), (200, &json!("blob")), "{ended:?}");
    assert!(!was_called(&elsewhere));
    assert_eq!(bed.emulator.posts("backup"), 1);
}

#[tokio::test]
async fn without_its_newest_entry_a_restore_is_not_posted_again() {
    let mut bed = Bed::start().await;
    put_backup(&bed);
    let link = bed.open("/api/restore", &seed("restore")).await;
    assert_eq!(bed.get(&link).await.json()["phase"], "Running");
    fs::remove_file(newest_entry(&bed)).unwrap();
    bed.restart().await;
    let ended = bed.follow(&link).await;
    assert_eq!((ended.status.as_u16(), bed.emulator.posts("restore")), (424, 1), "{ended:?}");
    assert!(ended.text.contains("outcome unknown"), "{ended:?}");
}

#[tokio::test]
async fn a_state_key_that_was_replaced_opens_no_seal_and_no_link() {
    let own = [
        ("AZURE_TENANT_ID", accounts::TENANT_ID),
        ("AZURE_CLIENT_ID", accounts::APPLICATION_ID),
        ("AZURE_CLIENT_SECRET", accounts::CLIENT_SECRET),
    ];
    let mut bed = Bed::with(&own).await;
    let link = bed.open("/api/backup", &seed("backup")).await;
    let waits =
        bed.open("/api/backup?queue=true", &but(seed("backup"), &json!({"backupName": "other"}))).await;
    let key = bed.records().join("state-key");
    let mut stored: Value = serde_json::from_slice(&fs::read(&key).unwrap()).unwrap();
    stored["key"] = json!("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=");
    fs::write(&key, stored.to_string()).unwrap();
    bed.restart().await;
    for link in [&link, &waits] {
        assert_eq!(bed.get(link).await.status, 404);
    }
    bed.sweep_for(Duration::from_mins(30)).await;
    // What runs is watched by the app itself; what has not begun does not begin with other credentials than its own.
    assert_eq!(bed.story(&link).last().map(String::as_str), Some("verified"));
    assert_eq!(bed.story(&waits).last().map(String::as_str), Some("failed"));
    assert_eq!(bed.emulator.posts("backup"), 1);
}

#[tokio::test]
async fn a_forged_recovery_point_deletes_no_blob_that_was_not_seen_so() {
    let bed = Bed::start().await;
    for name in ["b1", "b2"] {
        bed.advance(Duration::from_mins(1));
        let ended = bed.run("/api/backup", &but(seed("backup"), &json!({"backupName": name}))).await;
        assert_eq!(ended.json()["verification"]["result"], "verified", "{ended:?}");
    }
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "theirs", "not ours");
    forge(&bed, "b1", &[("\"b1\"", "\"theirs\"")]);
    let retired = retired(&bed, accounts::SERVICE).await;
    assert!(retired.contains(&("theirs".to_owned(), Outcome::Overwritten)), "{retired:?}");
    assert_eq!(blobs(&bed), ["b2", "theirs"]);
}

#[tokio::test]
async fn a_forged_recovery_point_is_restored_from_nowhere_else() {
    let bed = Bed::start().await;
    assert_eq!(bed.run("/api/backup", &but(seed("backup"), &json!({"backupName": "b1"}))).await.status, 200);
    bed.advance(Duration::from_hours(1));
    let latest = json!({"apimInstance": accounts::STANDBY, "source": accounts::SERVICE, "backup": "latest", "backupName": null});
    let latest = but(seed("restore"), &latest);
    let theirs = json!({"service": accounts::SERVICE, "sku": "Developer", "content": "theirs"}).to_string();
    let e_tag = |account: &str| {
        let blobs = bed.emulator.blobs(account, accounts::CONTAINER);
        blobs.into_iter().find(|(name, ..)| name == "b1").unwrap().2
    };
    bed.emulator.put_blob("attackerstorage", accounts::CONTAINER, "b1", theirs.clone());
    bed.emulator.put_blob(accounts::STORAGE_ACCOUNT, accounts::CONTAINER, "theirs", theirs);
    let (ours, attackers) = (e_tag(accounts::STORAGE_ACCOUNT), e_tag("attackerstorage"));
    let newer = ("2026-11-21T01:0", "2026-11-21T01:5");
    for forged in [
        // As that blob is.
        vec![
            ("apimdrstorage", "attackerstorage"),
            (ours.trim_matches('"'), attackers.trim_matches('"')),
            newer,
        ],
        vec![("\"b1\"", "\"theirs\""), newer],
    ] {
        let catalog = bed.records().join("catalog");
        let before = files(&catalog);
        forge(&bed, "b1", &forged);
        let plan = bed.post("/api/restore?plan=true", &latest).await;
        let backup = &plan.json()["backup"];
        assert_eq!(
            (&backup["account"], &backup["name"]),
            (&json!("apimdrstorage"), &json!("b1")),
            "{plan:?}"
        );
        let forged = files(&catalog).into_iter().find(|file| !before.contains(file)).unwrap();
        fs::remove_dir_all(forged.parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn an_emulator_that_others_could_reach_does_not_start() {
    let place = Place::start().await;
    let refused = place.run(&["emulate", "--listen", "0.0.0.0:0"], "");
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it listens");
    assert_eq!(refused.code, Some(64), "{refused:?}");
    assert!(refused.err.contains("loopback"), "{refused:?}");
}
