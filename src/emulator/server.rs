//! One request from its arrival to its answer: log, faults, time, and which part of Azure answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::arm::Timing;
use super::call::Call;
use super::faults::{Effect, strike};
use super::log::LoggedRequest;
use super::outside::Outside;
use super::world::World;
use super::{Config, admin, arm, blob, entra, gateway, reply};

/// Larger bodies are refused. ARM's own limit is 8 MB; a blob may be larger.
const BODY_LIMIT_BYTES: usize = 64 << 20;

/// What every request sees.
#[derive(Debug)]
pub(super) struct Shared {
    pub config: Config,
    /// Cancelled when the emulator is to end.
    pub stopping: CancellationToken,
    /// Where backups are written, if not in the world.
    pub outside: Option<Outside>,
    world: Mutex<World>,
    /// Held while what came due is transferred to or from `outside`.
    transferring: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(super) fn new(config: Config, outside: Option<Outside>) -> Self {
        let world = Mutex::new(World::new(&config));
        Self {
            config,
            stopping: CancellationToken::new(),
            outside,
            world,
            transferring: tokio::sync::Mutex::default(),
        }
    }

    /// Transfers what came due, without holding the world. Whoever comes meanwhile waits, so that nobody looks
    /// at an operation between its end and its blob.
    async fn transfer(&self) {
        let Some(outside) = &self.outside else { return };
        let _turn = self.transferring.lock().await;
        // A caller that hangs up may end this anywhere: what was not noted as done is done again.
        loop {
            let Some(job) = self.world().jobs.front().cloned() else { return };
            let transferred = outside.carry_out(&job.transfer).await;
            self.world().done(transferred);
        }
    }

    /// The world, with everything done that is due by now.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle(self.config.clock.now());
        world
    }
}

/// Serves until it is to stop, and what is being answered then is answered.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let stopping = shared.stopping.clone();
    // One handler for everything: a router takes neither double slashes nor paths without case.
    let app = Router::new().fallback(handle).with_state(shared);
    let served = axum::serve(listener, app).with_graceful_shutdown(stopping.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the emulator stopped");
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let Ok(body) = to_bytes(body, BODY_LIMIT_BYTES).await else {
        return reply::empty(StatusCode::PAYLOAD_TOO_LARGE);
    };
    shared.transfer().await;
    let Some(mut call) =
        Call::new(parts, body, shared.config.clock.now(), shared.config.public_url.as_deref())
    else {
        return reply::empty(StatusCode::BAD_REQUEST);
    };
    let mut response = if call.segments.first().is_some_and(|first| first == "_emulator") {
        admin::wait(&shared.config.clock, &call, &shared.stopping).await;
        let response = dispatch(&shared, call);
        // The clock may have been moved.
        shared.transfer().await;
        response
    } else {
        let number = arrive(&mut shared.world(), &mut call, path);
        let effect = call.effect.clone();
        let answered = effect.as_ref().is_none_or(|effect| !effect.hangs_up());
        let response = match effect {
            None => dispatch(&shared, call),
            Some(effect) => effect.apply(|| dispatch(&shared, call)).await,
        };
        if answered {
            shared.world().log.answered(number, response.status().as_u16());
        }
        response
    };
    let now = reply::http_date(shared.config.clock.now());
    reply::set(response.headers_mut(), "date", &now);
    response
}

/// Logs the call and lets a fault strike it; answers its number in the log.
fn arrive(world: &mut World, call: &mut Call, path: String) -> usize {
    call.effect = strike(&mut world.faults, call.method.as_str(), &path);
    world.log.arrived(LoggedRequest {
        at: call.at,
        method: call.method.to_string(),
        path,
        status: None,
        fault: call.effect.as_ref().map(|effect| effect.name().to_owned()),
        client_request_id: call.header("x-ms-client-request-id").map(str::to_owned),
    })
}

/// Processes a call, at the instant at which this happens.
fn dispatch(shared: &Shared, mut call: Call) -> Response {
    let Shared { config, .. } = shared;
    let world = &mut *shared.world();
    call.at = config.clock.now();
    if matches!(call.effect, Some(Effect::ExpireToken)) {
        return arm::expire_token(world, &call);
    }
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["_emulator", path @ ..] => admin::answer(world, &config.clock, &call, path),
        ["blob", account, container, ..] => blob::answer(world, &call, account, container),
        ["gateway", service, path @ ..] => gateway::answer(world, &call, service, path),
        ["msi", "token"] => entra::managed_identity(world, &call, config.token_lifetime),
        [tenant, "oauth2", "token"] => entra::token(world, &call, tenant, false, config.token_lifetime),
        [tenant, "oauth2", "v2.0", "token"] => {
            entra::token(world, &call, tenant, true, config.token_lifetime)
        }
        _ => {
            arm::answer(world, &call, Timing { operation: config.operation, retry_after: config.retry_after })
        }
    }
}
