//! Routes for other processes, under `/_emulator/`: the clock, the log, faults, services. They are
//! neither logged nor struck by faults, and need no token: the emulator listens on loopback.
//!
//! - `GET clock` answers `{"now"}`; with `?after={instant}` as soon as it is later than that, or has not
//!   become so in 20 s. `POST clock/advance` takes `{"seconds"}` and answers the same.
//! - `GET requests` answers `{"requests", "posts": {"backup", "restore"}, "accepted": {"backup",
//!   "restore"}}`.
//! - `POST faults` takes a [`Fault`] and answers 204.
//! - `POST locks` takes `{"account", "container", "blob", "lock"}` with a [`Lock`] such as
//!   `{"kind": "legalHold"}`; 204, or 404 without the blob.
//! - `POST denied` takes `{"paths"}`, parts of the paths that Resource Manager then refuses with 403, instead of
//!   those of before; 204. See [`super::Emulator::deny`].
//! - `GET services/{name}` answers the service's state, a [`Service`]; `POST` replaces those members that it is
//!   given, each as a whole, and adds a service that is not there.
//! - `GET accounts/{name}` and `POST` do the same for the settings of a storage [`super::Account`].

use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::accounts;
use super::call::Call;
use super::clock::Clock;
use super::faults::Fault;
use super::reply;
use super::service::Service;
use super::storage::Lock;
use super::world::World;

/// What nobody may change of a service.
const FIXED: [&str; 4] = ["name", "subscription", "created", "revision"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Denied {
    paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockBlob {
    account: String,
    container: String,
    blob: String,
    lock: Lock,
}

/// How long `GET clock` waits, in real time.
const WAIT: Duration = Duration::from_secs(20);

/// Waits for what the call wants to wait for, but not longer than until the emulator stops.
pub(super) async fn wait(clock: &Clock, call: &Call, stopping: &CancellationToken) {
    let Some(Ok(after)) = after(call) else { return };
    tokio::select! {
        () = clock.passes(after) => {}
        () = tokio::time::sleep(WAIT) => {}
        () = stopping.cancelled() => {}
    }
}

/// The instant that the call wants to be over.
fn after(call: &Call) -> Option<Result<Timestamp, jiff::Error>> {
    let asks = call.method == Method::GET && call.segments[1..] == ["clock"];
    call.query("after").filter(|_| asks).map(str::parse)
}

/// Answers a request below `/_emulator/`.
pub(super) fn answer(world: &mut World, clock: &Clock, call: &Call, path: &[&str]) -> Response {
    match (call.method.as_str(), path) {
        ("GET", ["clock"]) => match after(call) {
            Some(Err(error)) => refused(&error),
            _ => now(clock),
        },
        ("POST", ["clock", "advance"]) => with_body(call, |Advance { seconds }| {
            clock.advance(Duration::from_secs(seconds));
            now(clock)
        }),
        ("GET", ["requests"]) => reply::json(
            StatusCode::OK,
            &json!({
                "requests": world.log.requests(),
                "posts": world.log.posts,
                "accepted": world.accepted
            }),
        ),
        ("POST", ["faults"]) => with_body(call, |fault: Fault| {
            world.faults.push(fault);
            reply::empty(StatusCode::NO_CONTENT)
        }),
        ("POST", ["locks"]) => with_body(call, |LockBlob { account, container, blob, lock }| {
            let blob = world.blob_mut(&account, &container, &blob);
            let locked = blob.map(|blob| blob.locks.push(lock));
            reply::empty(locked.map_or(StatusCode::NOT_FOUND, |()| StatusCode::NO_CONTENT))
        }),
        ("POST", ["denied"]) => with_body(call, |Denied { paths }| {
            world.denied = paths.iter().map(|path| path.to_ascii_lowercase()).collect();
            reply::empty(StatusCode::NO_CONTENT)
        }),
        ("GET", ["services", name]) => show(world.services.get(&name.to_ascii_lowercase())),
        ("POST", ["services", name]) => with_body(call, |change| change_service(world, call, name, change)),
        ("GET", ["accounts", name]) => show(world.accounts.get(*name)),
        ("POST", ["accounts", name]) => with_body(call, |change| change_account(world, name, change)),
        _ => reply::empty(StatusCode::NOT_FOUND),
    }
}

fn change_service(world: &mut World, call: &Call, name: &str, change: Map<String, Value>) -> Response {
    if let Some(fixed) = FIXED.iter().find(|fixed| change.contains_key(**fixed)) {
        return refused(&format!("`{fixed}` of a service cannot be changed"));
    }
    let key = name.to_ascii_lowercase();
    let old = world.services.get(&key).cloned();
    let location = change.get("location").and_then(Value::as_str).unwrap_or(accounts::LOCATION);
    let new = || Service { created: call.at, ..Service::new(name, location) };
    let is_new = old.is_none();
    match changed(&old.unwrap_or_else(new), change) {
        Ok(service) => {
            let service = Service { revision: service.revision + 1, ..service };
            let answer = show(Some(&service));
            if is_new {
                world.add_service(service);
            } else {
                world.services.insert(key, service);
            }
            answer
        }
        Err(error) => refused(&error),
    }
}

fn change_account(world: &mut World, name: &str, change: Map<String, Value>) -> Response {
    let old = world.accounts.get(name).cloned().unwrap_or_default();
    match changed(&old, change) {
        Ok(settings) => {
            let account = old.with_settings_of(settings);
            let answer = show(Some(&account));
            world.accounts.insert(name.to_owned(), account);
            answer
        }
        Err(error) => refused(&error),
    }
}

/// `old` with these members in place of its own.
fn changed<T: Serialize + DeserializeOwned>(
    old: &T,
    change: Map<String, Value>,
) -> Result<T, serde_json::Error> {
    let mut members = serde_json::to_value(old)?;
    if let Some(members) = members.as_object_mut() {
        members.extend(change);
    }
    serde_json::from_value(members)
}

fn with_body<T: DeserializeOwned>(call: &Call, use_it: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(&call.body) {
        Ok(body) => use_it(body),
        Err(error) => refused(&error),
    }
}

fn refused(error: &dyn std::fmt::Display) -> Response {
    reply::json(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string() }))
}

fn now(clock: &Clock) -> Response {
    reply::json(StatusCode::OK, &json!({ "now": clock.now() }))
}

fn show<T: Serialize>(state: Option<&T>) -> Response {
    match state.map(serde_json::to_value) {
        Some(Ok(state)) => reply::json(StatusCode::OK, &state),
        _ => reply::json(StatusCode::NOT_FOUND, &Value::Null),
    }
}
