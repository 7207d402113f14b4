//! The timer triggers: the schedule, and whatever is due.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use super::{invocation::InvocationResult, problem::ProblemDetails};
use crate::{app::Gate, workflows::Swept};

/// How long a sweep stays for what falls due: less than the minute until the next one.
const LINGER: Duration = Duration::from_secs(50);

/// The backup schedule. This version has no targets, so there is nothing to open.
pub(super) async fn timer(State(gate): State<Arc<Gate>>) -> Result<InvocationResult, ProblemDetails> {
    gate.app().await?;
    Ok(InvocationResult::logged("nothing to do: no targets are configured".to_owned()))
}

/// Advances every open operation that is due.
pub(super) async fn sweep(State(gate): State<Arc<Gate>>) -> Result<Response, ProblemDetails> {
    let app = gate.app().await?;
    let Swept { open, closed, failed } = app.sweep(LINGER).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the sweep failed");
        ProblemDetails::unavailable("the records cannot be read now")
    })?;
    if open == 0 {
        return Ok(InvocationResult::logged("nothing to do".to_owned()).into_response());
    }
    Ok(InvocationResult::logged(format!("{open} open, {closed} ended, {failed} cannot go on"))
        .into_response())
}
