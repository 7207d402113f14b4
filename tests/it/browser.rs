//! The status page in a real browser, spoken to as `WebDriver` says (W3C): whether it fits, in both colour schemes, without
//! its script, and by keyboard alone.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use apim_dr::emulator::accounts;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    bed::{Bed, but, seed},
    status_page::{id, with_targets},
};

/// As the Actions API names the key.
const TAB: &str = "\u{e004}";

/// Chromium with a profile of its own. It ends with its driver.
struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// `None` where there is no chromedriver, which is told, and is a failure if `APIM_DR_REQUIRE_CHROMIUM` is `1`.
    async fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = match command.kill_on_drop(true).spawn() {
            Ok(driver) => driver,
            Err(error) => {
                let required = variable("APIM_DR_REQUIRE_CHROMIUM").is_some_and(|value| value == "1");
                assert!(
                    !required,
                    "APIM_DR_REQUIRE_CHROMIUM is set, and chromedriver cannot be run: {error}"
                );
                // Not `eprintln`, which the test harness would keep to itself.
                let told = format!("SKIPPED in Chromium: chromedriver cannot be run: {error}\n");
                let _ = io::stderr().write_all(told.as_bytes());
                return None;
            }
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver tells its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // It goes on telling.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = TempDir::new().unwrap();
        let own = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            &own,
        ];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut browser = Self {
            driver,
            client: Client::builder().no_proxy().build().unwrap(),
            session: format!("http://127.0.0.1:{port}/session"),
            _profile: profile,
        };
        let started = browser.post("", json!({ "capabilities": { "alwaysMatch": capabilities } })).await;
        browser.session.push('/');
        browser.session.push_str(started["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.session));
        let request = request.timeout(Duration::from_mins(2));
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap().text().await.unwrap();
        let mut answer: Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert!(answer["value"].get("error").is_none(), "{path}: {answer}");
        answer["value"].take()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, Some(body)).await
    }

    /// A command of the `DevTools` protocol.
    async fn tell(&self, command: &str, parameters: Value) {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    async fn dress(&self, width: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// What a script's `return` gives.
    async fn ask(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What the console has said since the last time: what a policy forbids, and what fails, too.
    async fn console(&self) -> Value {
        self.post("/se/log", json!({ "type": "browser" })).await
    }

    async fn press(&self, key: &str) {
        let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post(
            "/actions",
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        )
        .await;
    }

    /// The whole page as a picture, if somebody wants to look.
    async fn picture(&self, name: &str) {
        let Some(folder) = variable("APIM_DR_SCREENSHOTS") else { return };
        let parameters = json!({ "captureBeyondViewport": true });
        let body = json!({ "cmd": "Page.captureScreenshot", "params": parameters });
        let picture = self.post("/goog/cdp/execute", body).await;
        let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        fs::write(PathBuf::from(folder).join(format!("{name}.png")), picture).unwrap();
    }

    async fn quit(mut self) {
        self.call(Method::DELETE, "", None).await;
        self.driver.kill().await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Records with something of everything, and the pages that tell of them.
async fn pages() -> (Bed, Vec<(&'static str, String)>) {
    let bed = with_targets().await;
    let refused = but(seed("backup"), &json!({ "apimInstance": "nobody" }));
    let failed = bed.open("/api/backup", &refused).await;
    bed.follow(&failed).await;
    let open =
        bed.open("/api/backup", &but(seed("backup"), &json!({ "apimInstance": accounts::SERVICE }))).await;
    let url = |query: &str| format!("{}/api/status{query}", bed.url);
    let pages = vec![
        ("overview", url("")),
        ("target", url("?target=primary")),
        ("operation", url(&format!("?operation={}", id(&open)))),
        ("failed", url(&format!("?operation={}", id(&failed)))),
    ];
    (bed, pages)
}

#[tokio::test]
async fn every_page_fits_every_width_in_both_schemes_and_breaks_no_policy() {
    let Some(browser) = Browser::start().await else { return };
    let (_bed, pages) = pages().await;
    for (name, url) in &pages {
        let mut backgrounds = BTreeSet::new();
        for width in [400, 800, 1600] {
            for scheme in ["light", "dark"] {
                browser.dress(width, scheme).await;
                browser.open(url).await;
                let seen = browser
                    .ask(
                        "const root = document.documentElement; \
                         return [root.scrollWidth, root.clientWidth, getComputedStyle(document.body).backgroundColor, \
                                 document.querySelectorAll('h1').length]",
                    )
                    .await;
                let name = format!("{name}-{width}-{scheme}");
                browser.picture(&name).await;
                assert!(seen[0].as_u64() <= seen[1].as_u64(), "{name} overflows: {seen}");
                assert_eq!(seen[3], 1, "{name}");
                backgrounds.insert(seen[2].to_string());
                assert_eq!(browser.console().await, json!([]), "{name}");
            }
        }
        assert_eq!(backgrounds.len(), 2, "{name}: {backgrounds:?}");
    }
    browser.quit().await;
}

#[tokio::test]
async fn without_its_script_a_page_shows_the_same() {
    const TEXT: &str = "return document.body.innerText";
    let Some(browser) = Browser::start().await else { return };
    let (_bed, pages) = pages().await;
    browser.dress(800, "light").await;
    for (name, url) in &pages {
        browser.tell("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
        browser.open(url).await;
        let with = browser.ask(TEXT).await;
        browser.tell("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        browser.open(url).await;
        let without = browser.ask(TEXT).await;
        assert_eq!(with, without, "{name}");
        assert!(with.as_str().unwrap().contains("as of 2026-"), "{name}: {with}");
    }
    browser.quit().await;
}

#[tokio::test]
async fn the_keyboard_reaches_every_link_and_shows_where_it_is() {
    let Some(browser) = Browser::start().await else { return };
    let (_bed, pages) = pages().await;
    browser.dress(800, "light").await;
    for (name, url) in &pages {
        browser.open(url).await;
        let all = browser
            .ask("return [...document.querySelectorAll('a[href], summary')].filter(it => it.checkVisibility()).length")
            .await;
        let all = usize::try_from(all.as_u64().unwrap()).unwrap();
        assert!(all > 1, "{name}");
        for at in 0..all {
            browser.press(TAB).await;
            let seen = browser
                .ask(
                    "const it = document.activeElement, all = [...document.querySelectorAll('a[href], summary')], \
                           style = getComputedStyle(it), box = it.getBoundingClientRect(); \
                     return [all.filter(it => it.checkVisibility()).indexOf(it), style.outlineStyle, \
                             parseFloat(style.outlineWidth) >= 2, box.top >= 0 && box.bottom <= innerHeight]",
                )
                .await;
            assert_eq!(seen, json!([at, "solid", true, true]), "{name}");
        }
    }
    browser.quit().await;
}

#[tokio::test]
async fn links_take_the_key_of_their_page_along_in_the_browser_alone() {
    let Some(browser) = Browser::start().await else { return };
    let (bed, _) = pages().await;
    browser.open(&format!("{}/api/status?code=a%2Bkey%3D", bed.url)).await;
    let links =
        browser.ask("return [...document.querySelectorAll('a')].map(it => it.getAttribute('href'))").await;
    let links: Vec<_> = links.as_array().unwrap().iter().map(|link| link.as_str().unwrap()).collect();
    assert!(links.contains(&"#main"), "{links:?}");
    let others = || links.iter().filter(|link| !link.starts_with('#'));
    assert!(others().count() > 2 && others().all(|link| link.contains("code=a%2Bkey%3D")), "{links:?}");
    assert!(others().any(|link| link.contains("target=primary&code=")), "{links:?}");
    browser.quit().await;
}

#[tokio::test]
async fn a_page_loads_itself_anew_while_something_runs_unless_somebody_reads_in_it() {
    // Of three loads each is counted, and a quarter of a minute passes at once.
    const HURRY: &str = "window.name += 'x'; const real = Date.now.bind(Date); let passed = 0; \
                         Date.now = () => real() + passed; \
                         window.setInterval = (f) => { window.tick = () => { passed += 15000; f(); }; };";
    const TICK: &str = "window.tick?.(); return null";
    let Some(browser) = Browser::start().await else { return };
    let (bed, pages) = pages().await;
    browser.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": HURRY })).await;
    let loads = async |expected: usize| {
        let name = browser.ask("return window.name").await;
        assert_eq!(name.as_str().unwrap().len(), expected);
    };
    let (_, overview) = &pages[0];
    browser.open(overview).await;
    loads(1).await;
    browser.ask(TICK).await;
    while browser.ask("return document.readyState").await != "complete" {}
    loads(2).await;
    browser.press(TAB).await;
    browser.ask(TICK).await;
    loads(2).await;

    // What is over stays as it is.
    crate::targets::finish(&bed).await;
    browser.open(overview).await;
    loads(3).await;
    assert_eq!(browser.ask("return 'busy' in document.documentElement.dataset").await, false);
    browser.ask(TICK).await;
    loads(3).await;
    browser.quit().await;
}
