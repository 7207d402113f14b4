//! The timer triggers: the schedule, and whatever is due.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};

use super::{
    ENVELOPE_LIMIT,
    invocation::{Invocation, InvocationResult},
    problem::ProblemDetails,
    read_body,
};
use crate::{
    app::Gate,
    workflows::{Due, Swept},
};

/// How long a sweep stays for what falls due: less than the minute until the next one.
const LINGER: Duration = Duration::from_secs(50);
/// How long the invocation waits for it in all: a step may take longer, and goes on by itself; meanwhile the host
/// has to be able to begin the next sweep.
const PATIENCE: Duration = Duration::from_secs(55);

/// The backup schedule: the prompt way to what the sweep does too. What it cannot open fails the invocation, so that
/// the host shows it.
pub(super) async fn timer(
    State(gate): State<Arc<Gate>>,
    body: Body,
) -> Result<InvocationResult, ProblemDetails> {
    let app = gate.app().await?;
    let bytes = read_body(body, ENVELOPE_LIMIT).await?;
    let next = Invocation::parse(&bytes).ok().and_then(Invocation::next_fire);
    let wrong: Vec<_> = gate.settings().schedule_problems().cloned().collect();
    if app.targets().is_empty() && wrong.is_empty() {
        return Ok(InvocationResult::logged("nothing to do: no targets are configured".to_owned()));
    }
    let (opened, failed): (Vec<_>, Vec<_>) =
        app.fire(next).await.into_iter().partition(|due| due.opened.is_ok());
    let names = |due: &[Due]| due.iter().map(Due::name).collect::<Vec<_>>().join(", ");
    if !failed.is_empty() {
        let detail = format!("could not be opened, the sweep tries again: {}", names(&failed));
        return Err(ProblemDetails::unavailable(detail));
    }
    if !wrong.is_empty() {
        return Err(ProblemDetails::settings("the other targets are backed up; these are not", wrong));
    }
    Ok(InvocationResult::logged(match opened.as_slice() {
        [] => "nothing to do: what is due was opened before".to_owned(),
        opened => format!("opened: {}", names(opened)),
    }))
}

/// Opens what is due, and advances every open operation that is due.
pub(super) async fn sweep(State(gate): State<Arc<Gate>>) -> Result<Response, ProblemDetails> {
    let app = gate.app().await?;
    let Ok(swept) = tokio::time::timeout(PATIENCE, app.sweep(LINGER)).await else {
        return Ok(
            InvocationResult::logged("steps are still under way, and go on".to_owned()).into_response()
        );
    };
    let Swept { open, closed, failed } = swept.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the sweep failed");
        ProblemDetails::unavailable("the records cannot be read now")
    })?;
    if open == 0 {
        return Ok(InvocationResult::logged("nothing to do".to_owned()).into_response());
    }
    Ok(InvocationResult::logged(format!("{open} open, {closed} ended, {failed} cannot go on"))
        .into_response())
}
