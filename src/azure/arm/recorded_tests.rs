//! Replays recorded sessions of real Azure (2014 to 2023) through the poller and the parsers.

use std::{fs, path::PathBuf};

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;
use crate::domain::RequestIds;

#[derive(Deserialize)]
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Sent,
    pub(super) response: Received,
}

#[derive(Deserialize)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) url: String,
}

#[derive(Deserialize)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Option<String>,
}

impl Received {
    pub(super) fn response(&self) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for value in values {
                headers.append::<reqwest::header::HeaderName>(
                    name.parse().unwrap(),
                    value.as_str().unwrap().parse().unwrap(),
                );
            }
        }
        Response {
            status: self.status,
            headers,
            body: self.body.clone().unwrap_or_default().into(),
            ids: RequestIds::default(),
            attempts: 1,
        }
    }
}

/// Where the recordings are, if there are any.
#[expect(clippy::disallowed_methods, reason = "names test data, not a setting")]
pub(super) fn directory() -> PathBuf {
    std::env::var("APIM_DR_RECORDINGS").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures/arm-recordings")),
        PathBuf::from,
    )
}

/// All recordings; `None`, said aloud, where there are none.
pub(super) fn recordings() -> Option<Vec<Recording>> {
    let directory = directory();
    let Ok(files) = fs::read_dir(&directory) else {
        eprintln!("SKIPPED: no recordings in {}; set APIM_DR_RECORDINGS", directory.display());
        return None;
    };
    let files =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    Some(files.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect())
}

/// The path without its query, double slashes and the spelling of `=` evened out: recorders changed them.
fn spot(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    path.replace("//", "/").replace("%3D", "=").to_lowercase()
}

/// How one recorded operation went: its polls that were running, and the first answer that was not.
#[derive(Default)]
struct Session {
    running: usize,
    end: Option<Poll>,
}

/// Follows the operation that the exchange at `start` began.
fn follow(recording: &Recording, start: usize) -> Option<Session> {
    let Exchange { request, response } = &recording.exchanges[start];
    let Answer::Accepted { continuation, after_seconds, .. } =
        lro::begin(&request.url.parse().unwrap(), &response.response())
    else {
        return None;
    };
    assert_eq!(after_seconds, 60, "{}: recorded without exception", recording.name);
    let mut asked = continuation?;
    let mut session = Session::default();
    for exchange in &recording.exchanges[start + 1..] {
        if exchange.request.method != "GET" || spot(&exchange.request.url) != spot(asked.url()) {
            continue;
        }
        match lro::next(&asked, &exchange.response.response()) {
            Poll::Running { continuation, .. } => {
                session.running += 1;
                asked = continuation;
            }
            end => {
                session.end = Some(end);
                break;
            }
        }
    }
    Some(session)
}

#[test]
fn every_recorded_operation_is_followed_to_its_recorded_end() {
    let Some(recordings) = recordings() else { return };
    let (mut ends, mut polls) = (0, 0);
    for recording in &recordings {
        for start in 0..recording.exchanges.len() {
            let Exchange { request, response } = &recording.exchanges[start];
            let path = spot(&request.url);
            let is_start =
                request.method == "POST" && (path.ends_with("/backup") || path.ends_with("/restore"));
            let is_change =
                ["PUT", "DELETE"].contains(&request.method.as_str()) && path.contains("apimanagement");
            if !is_start && !is_change {
                continue;
            }
            let Some(Session { running, end }) = follow(recording, start) else {
                assert!(
                    !is_start && !response.headers.contains_key("Location"),
                    "{}: {path}",
                    recording.name
                );
                continue;
            };
            polls += running;
            match end {
                Some(Poll::Succeeded { .. }) => ends += usize::from(is_start),
                // An excerpt ends while the operation runs; a finished DELETE answers without a body.
                None => assert!(recording.name.contains("excerpt"), "{}: {path} has no end", recording.name),
                Some(Poll::Unread { .. }) if request.method == "DELETE" => {}
                Some(end) => panic!("{}: {path} ended as {end:?}", recording.name),
            }
        }
    }
    assert!(ends > 0 && polls > ends, "{ends} ends and {polls} polls were recognized");
    eprintln!("{ends} recorded backups and restores reached their end; {polls} polls were running");
}

#[test]
fn every_recorded_service_and_error_is_read() {
    let Some(recordings) = recordings() else { return };
    let (mut services, mut errors) = (0, 0);
    for Exchange { request, response } in recordings.iter().flat_map(|recording| &recording.exchanges) {
        let path = spot(&request.url);
        let is_service = request.method == "GET"
            && path.rsplit_once("/service/").is_some_and(|(_, name)| !name.is_empty() && !name.contains('/'));
        if is_service && response.status == 200 {
            let status = wire::service(response.response().body.as_ref());
            let status = status.unwrap_or_else(|| panic!("no service: {:?}", response.body));
            assert!(status.tier.is_some(), "{path}");
            services += 1;
        } else if response.status >= 400 && path.contains("apimanagement") {
            let error = wire::azure_error(&response.response(), None);
            assert!(error.code.is_some() && error.status == Some(response.status), "{error}");
            errors += 1;
        }
    }
    assert!(services > 0 && errors > 0, "{services} services and {errors} errors were recognized");
}
