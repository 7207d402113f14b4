//! What Azure and the storage do wrong, by chance.

use std::collections::BTreeMap;

use apim_dr::{
    domain::Kind,
    emulator::{Effect, Fault, LocationForm, Match, accounts},
};
use fastrand::Rng;
use serde_json::json;

use super::world::RECORDS;

/// Longer than anybody waits, in milliseconds.
const NEVER: u64 = 3_600_000;

/// Of Azure Resource Manager, Entra ID, or the container of the backups.
pub(super) fn of_azure(rng: &mut Rng) -> Fault {
    match rng.u32(..10) {
        0..2 => of_a_start(rng, Kind::Backup),
        2 => of_a_start(rng, Kind::Restore),
        3..7 => fault(rng, "GET", "operationresults", at_a_look),
        7 => fault(rng, "GET", "/Microsoft.ApiManagement/service/sampleapim", at_a_look),
        8 => fault(rng, "POST", "/oauth2/", no_answer),
        _ => fault(rng, "HEAD", "/backup/", no_answer),
    }
}

/// Of what answers the POST of a backup or restore.
pub(super) fn of_a_start(rng: &mut Rng, kind: Kind) -> Fault {
    let mut fault = fault(rng, "POST", &format!("/{kind}?"), at_a_start);
    fault.on.skip /= 2;
    fault
}

/// Of what keeps the records.
pub(super) fn of_storage(rng: &mut Rng) -> Fault {
    let method = ["PUT", "PUT", "PUT", "GET", "DELETE"][rng.usize(..5)];
    let mut fault = fault(rng, method, "", no_answer);
    let path = ["", "/operations/", "/open/", "/locks/", "/slots/", "/keys/", "/history/", "/catalog/"];
    let path = path[rng.usize(..path.len())];
    fault.on.path_contains = Some(match method {
        // A listing has its folder in the query.
        "GET" => format!("{}/{RECORDS}", accounts::STORAGE_ACCOUNT),
        _ => format!("{}/{RECORDS}{path}", accounts::STORAGE_ACCOUNT),
    });
    if rng.u32(..4) == 0 {
        // Less than an app of this process waits, and more; less than it takes until whoever waits has given up.
        let millis = [40, 140][rng.usize(..2)];
        fault.effect = Effect::Slow { millis, processed: rng.bool() };
    }
    // More than are tried in a row, or fewer.
    fault.times = rng.u32(1..=9);
    fault
}

/// The POST is answered a little later, in real time: meanwhile others get on.
pub(super) fn of_a_late_answer(kind: Kind) -> Fault {
    let on = on("POST", &format!("/{kind}?"), 0);
    Fault { on, times: 1, effect: Effect::Slow { millis: 40, processed: true } }
}

/// An answer that never comes to somebody who lives.
pub(super) fn of_patience(rng: &mut Rng) -> Fault {
    let (method, path) =
        [("POST", "backup?"), ("POST", "restore?"), ("GET", "operationresults")][rng.usize(..3)];
    let on = on(method, path, 0);
    Fault { on, times: 1, effect: Effect::Slow { millis: NEVER, processed: rng.bool() } }
}

/// An answer that never comes: to the request after `skip` others, whatever it is.
pub(super) fn hang(skip: u32, processed: bool) -> Fault {
    let on = Match { method: None, path_contains: None, skip };
    Fault { on, times: 1, effect: Effect::Slow { millis: NEVER, processed } }
}

/// Whether it is one of those: all others are of one method.
pub(super) fn is_hang(fault: &Fault) -> bool {
    fault.on.method.is_none()
}

fn on(method: &str, path: &str, skip: u32) -> Match {
    Match { method: Some(method.to_owned()), path_contains: Some(path.to_owned()), skip }
}

fn fault(rng: &mut Rng, method: &str, path: &str, effect: fn(&mut Rng) -> Effect) -> Fault {
    Fault { on: on(method, path, rng.u32(..3)), times: rng.u32(1..=3), effect: effect(rng) }
}

fn status(status: u16, code: &str) -> Effect {
    let body = json!({"error": {"code": code, "message": "it was scripted"}}).to_string();
    let headers = [("Retry-After", "17"), ("Content-Type", "application/json")];
    let headers: BTreeMap<_, _> =
        headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    Effect::Status { status, body: Some(body), headers }
}

fn no_answer(rng: &mut Rng) -> Effect {
    match rng.u32(..5) {
        0 => status(503, "ServerBusy"),
        1 => status(500, "InternalError"),
        2 => Effect::ResetBefore,
        _ => Effect::ResetAfter,
    }
}

fn at_a_start(rng: &mut Rng) -> Effect {
    match rng.u32(..20) {
        0..4 => Effect::ResetAfter,
        4..6 => Effect::ResetBefore,
        6 => status(429, "TooManyRequests"),
        7 => status(409, "ServiceLocked"),
        8 => status(409, "ScopeLocked"),
        9 => status(500, "InternalServerError"),
        10 => status(503, "ServiceUnavailable"),
        11 => status(403, "AuthorizationFailed"),
        12 => Effect::Garbage { status: None },
        13 => Effect::ExpireToken,
        14 => Effect::FailOperation {
            after_polls: rng.u32(..4),
            status: 400,
            code: "BackupFailed".to_owned(),
            message: "it was scripted".to_owned(),
        },
        15 => Effect::NoBlob,
        16 => Effect::EmptyBlob,
        17 => Effect::LateBlob { seconds: rng.u64(30..=1_200) },
        18 => Effect::PartialBlob,
        _ => Effect::Location { form: form(rng) },
    }
}

fn form(rng: &mut Rng) -> LocationForm {
    match rng.u32(..4) {
        0 => LocationForm::Absent,
        1 => LocationForm::Relative,
        2 => LocationForm::Foreign("https://example.org/operation".to_owned()),
        _ => LocationForm::Http,
    }
}

fn at_a_look(rng: &mut Rng) -> Effect {
    match rng.u32(..10) {
        0 => status(429, "TooManyRequests"),
        1 => status(500, "InternalServerError"),
        2 => status(403, "AuthorizationFailed"),
        3 => status(404, "OperationNotFound"),
        4 => status(410, "Gone"),
        5 => Effect::Garbage { status: None },
        6 => Effect::Truncate,
        7 => Effect::ExpireToken,
        8 => Effect::ResetBefore,
        _ => Effect::ResetAfter,
    }
}
