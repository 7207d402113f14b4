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
//! - `GET services/{name}` answers the service's state; `POST` changes what it is given, and adds a
//!   service that is not there.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::call::Call;
use super::clock::Clock;
use super::faults::Fault;
use super::reply;
use super::service::Service;
use super::storage::Lock;
use super::world::World;

/// What `POST services/{name}` may change; absent members stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    location: Option<String>,
    tier: Option<String>,
    capacity: Option<u32>,
    provisioning_state: Option<String>,
    target_provisioning_state: Option<String>,
    content: Option<String>,
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
        ("GET", ["services", name]) => show(world.services.get(&name.to_ascii_lowercase())),
        ("POST", ["services", name]) => with_body(call, |change: Change| {
            let key = name.to_ascii_lowercase();
            if !world.services.contains_key(&key) {
                let location = change.location.as_deref().unwrap_or(super::accounts::LOCATION);
                world.add_service(Service { created: call.at, ..Service::new(name, location) });
            }
            let service = world.services.get_mut(&key);
            show(service.map(|service| {
                change.apply(service);
                &*service
            }))
        }),
        _ => reply::empty(StatusCode::NOT_FOUND),
    }
}

impl Change {
    fn apply(self, service: &mut Service) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(&mut service.location, self.location);
        set(&mut service.tier, self.tier);
        set(&mut service.capacity, self.capacity);
        set(&mut service.provisioning_state, self.provisioning_state);
        set(&mut service.target_provisioning_state, self.target_provisioning_state);
        set(&mut service.content, self.content);
        service.revision += 1;
    }
}

fn with_body<T: serde::de::DeserializeOwned>(call: &Call, use_it: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(&call.body) {
        Ok(body) => use_it(body),
        Err(error) => refused(&error),
    }
}

fn refused(error: &dyn std::error::Error) -> Response {
    reply::json(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string() }))
}

fn now(clock: &Clock) -> Response {
    reply::json(StatusCode::OK, &json!({ "now": clock.now() }))
}

fn show(service: Option<&Service>) -> Response {
    match service.map(serde_json::to_value) {
        Some(Ok(service)) => reply::json(StatusCode::OK, &service),
        _ => reply::json(StatusCode::NOT_FOUND, &Value::Null),
    }
}
