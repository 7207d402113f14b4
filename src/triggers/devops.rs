//! The headers with which a task of Azure DevOps asks to be told when it is over: `AzureFunction` that waits for its
//! callback.

use axum::http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::problem::ProblemDetails;
use crate::domain::{Callback, CallbackHosts, NotCallable, Secret};

/// In the order in which the task's documentation names them.
const HEADERS: [&str; 7] =
    ["PlanUrl", "ProjectId", "HubName", "PlanId", "JobId", "TaskInstanceId", "AuthToken"];

/// The callback that the headers ask for; or what there is to say if some are missing.
pub(super) fn callback(
    headers: &HeaderMap,
    hosts: &CallbackHosts,
) -> Result<(Option<Callback>, Option<String>), ProblemDetails> {
    let given = HEADERS.map(|name| {
        let text = headers.get(name).and_then(|value| value.to_str().ok());
        text.map(str::trim).filter(|text| !text.is_empty())
    });
    let [Some(plan_url), Some(project), Some(hub), Some(plan), Some(job), Some(task), Some(token)] = given
    else {
        let missing: Vec<_> =
            HEADERS.iter().zip(given).filter(|(_, text)| text.is_none()).map(|(name, _)| *name).collect();
        let some_given = missing.len() < HEADERS.len();
        let warning = format!("no task of Azure DevOps is told of the end: without {}", missing.join(", "));
        return Ok((None, some_given.then_some(warning)));
    };
    for (name, text) in [("ProjectId", project), ("PlanId", plan), ("JobId", job), ("TaskInstanceId", task)] {
        if Uuid::parse_str(text).is_err() {
            return Err(refused(name, "must be a GUID, as Azure DevOps has it"));
        }
    }
    if !hub.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Err(refused("HubName", "must be a name, such as build"));
    }
    if plan_url.contains('?') {
        return Err(refused("PlanUrl", "must have no query"));
    }
    let url = format!(
        "{}/{project}/_apis/distributedtask/hubs/{hub}/plans/{plan}/events?api-version=2.0-preview.1",
        plan_url.trim_end_matches('/')
    );
    hosts
        .check(&url)
        .map_err(|NotCallable { detail, remedy }| refused("PlanUrl", &format!("{detail}: {remedy}")))?;
    let callback = Callback::AzureDevOps {
        url: Secret::new(url),
        token: Secret::new(token),
        job: job.to_owned(),
        task: task.to_owned(),
    };
    Ok((Some(callback), None))
}

fn refused(header: &str, why: &str) -> ProblemDetails {
    let detail = format!("the header {header}: {why}; nothing was started");
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}
