//! The recordings as they are stored, and the backups and restores in them.
//!
//! Knows nothing of the program.

use std::{env, fs, path::PathBuf, time::Duration};

use apim_dr::emulator::accounts;
use jiff::{Timestamp, fmt::rfc2822};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

/// What every recorder that keeps `Retry-After` shows; that of the Azure CLI strips it.
const PAUSE: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
pub(super) struct Recording {
    name: String,
    /// Transcribed in parts only.
    #[serde(default)]
    pub(super) excerpt: bool,
    pub(super) exchanges: Vec<Exchange>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Sent,
    pub(super) response: Received,
}

#[derive(Clone, Deserialize)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) url: String,
    body: Option<String>,
}

impl Sent {
    fn is_start(&self) -> bool {
        let path = self.url.split('?').next().unwrap_or_default();
        self.method == "POST" && (path.ends_with("/backup") || path.ends_with("/restore"))
    }
}

#[derive(Clone, Deserialize)]
pub(super) struct Received {
    pub(super) status: u16,
    /// A header with several values is a list.
    pub(super) headers: Map<String, Value>,
    pub(super) body: Option<String>,
}

impl Received {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Map::new(), body: Some(body.to_string()) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Map::new(), body: None }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1.as_str()
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
        self.headers.insert(name.to_owned(), json!(value));
    }
}

impl Received {
    /// The gateway's address is a real one.
    fn without_gateway(mut self) -> Self {
        let mut body: Value =
            serde_json::from_str(self.body.as_deref().unwrap_or_default()).unwrap_or_default();
        if body.pointer_mut("/properties/gatewayUrl").map(Value::take).is_some() {
            self.body = Some(body.to_string());
        }
        self
    }
}

/// One backup or restore.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) name: String,
    /// Its POST, then its polls up to the first that did not say "running".
    pub(super) exchanges: Vec<Exchange>,
    /// The service, as it is when nothing runs on it.
    pub(super) service: Received,
    /// Whether the recorder evened out the double slashes that were sent.
    pub(super) evened: bool,
}

impl Session {
    /// The session that the POST at `start` began.
    fn of(recording: &Recording, start: usize) -> Self {
        let mut exchanges = vec![recording.exchanges[start].clone()];
        let mut location = recording.exchanges[start].response.header("location").unwrap();
        for poll in &recording.exchanges[start + 1..] {
            if even(&poll.request.url) != even(location) {
                break; // An excerpt leaves out what came in between.
            }
            exchanges.push(poll.clone());
            if poll.response.status != 202 {
                break; // The clients of 2018 and later asked again when it was finished.
            }
            location = poll.response.header("location").unwrap_or(location);
        }
        let end = exchanges.last().filter(|end| end.response.status == 200);
        let service = end.or(recording.exchanges.last()).unwrap().response.clone();
        Self {
            name: format!("{}, exchange {start}", recording.name),
            service: service.without_gateway(),
            evened: recording.name.contains("-cli-"),
            exchanges,
        }
    }

    pub(super) fn end(&mut self) -> &mut Received {
        &mut self.exchanges.last_mut().unwrap().response
    }

    pub(super) fn polls(&self) -> usize {
        self.exchanges.len() - 1
    }

    /// How long to wait before each poll.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> {
        self.exchanges[..self.polls()].iter().map(|Exchange { response, .. }| {
            response.header("retry-after").map_or(PAUSE, |text| Duration::from_secs(text.parse().unwrap()))
        })
    }

    pub(super) fn began(&self) -> Timestamp {
        let date = self.exchanges[0].response.header("date").unwrap();
        rfc2822::parse(date).unwrap().timestamp()
    }

    pub(super) fn url(&self) -> Url {
        self.exchanges[0].request.url.parse().unwrap()
    }

    /// The body of the POST.
    pub(super) fn order(&self) -> Value {
        let body = self.exchanges[0].request.body.as_deref().unwrap();
        // Two recordings hold it as Python prints bytes.
        let body = body.strip_prefix("b'").and_then(|body| body.strip_suffix('\'')).unwrap_or(body);
        serde_json::from_str(body).unwrap()
    }

    pub(super) fn is_backup(&self) -> bool {
        self.url().path().ends_with("/backup")
    }

    /// Where the replay has the blob that it writes or reads.
    pub(super) fn blob_path(&self) -> String {
        let order = self.order();
        let part = |name: &str| order[name].as_str().unwrap().to_owned();
        format!("/blob/{}/{}/{}", part("storageAccount"), part("containerName"), part("backupName"))
    }

    /// The route for a caller of ours who wants the same, and the Logic App's body.
    pub(super) fn request(&self) -> (String, Value) {
        let url = self.url();
        let path: Vec<_> = url.path_segments().unwrap().collect();
        let [_, subscription, _, resource_group, _, _, _, service, operation] = path[..] else {
            panic!("{}: {url}", self.name);
        };
        let mut body = self.order();
        for (name, value) in [
            ("applicationId", accounts::APPLICATION_ID),
            ("clientSecret", accounts::CLIENT_SECRET),
            ("tenantId", accounts::TENANT_ID),
            ("subscriptionId", subscription),
            ("resourceGroup", resource_group),
            ("apimInstance", service),
            ("operation", operation),
        ] {
            body[name] = json!(value);
        }
        (format!("/api/{operation}"), body)
    }
}

/// An address with its double slashes evened out.
pub(super) fn even(url: &str) -> String {
    url.replace("://", ":").replace("//", "/")
}

/// The recordings that hold backups or restores; `None`, said aloud, where there are no recordings.
pub(super) fn recordings() -> Option<Vec<(Recording, Vec<Session>)>> {
    #[expect(clippy::disallowed_methods, reason = "names test data, not a setting")]
    let directory = env::var("APIM_DR_RECORDINGS").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures/arm-recordings")),
        PathBuf::from,
    );
    let Ok(files) = fs::read_dir(&directory) else {
        eprintln!("SKIPPED: no recordings in {}; set APIM_DR_RECORDINGS", directory.display());
        return None;
    };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let recordings = files.into_iter().map(|path| {
        let recording: Recording = serde_json::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let starts = (0..recording.exchanges.len()).filter(|&at| recording.exchanges[at].request.is_start());
        let sessions: Vec<_> = starts.map(|start| Session::of(&recording, start)).collect();
        (recording, sessions)
    });
    Some(recordings.filter(|(_, sessions)| !sessions.is_empty()).collect())
}

/// The first recording that holds one backup and one restore.
pub(super) fn backup_and_restore() -> Option<[Session; 2]> {
    let pair = recordings()?.into_iter().find_map(|(_, sessions)| sessions.try_into().ok());
    if pair.is_none() {
        eprintln!("SKIPPED: no recording holds one backup and one restore");
    }
    pair
}
