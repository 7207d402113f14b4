//! The headers with which a task of Azure DevOps asks to be told when it is over: `AzureFunction` that waits for its
//! callback.

use axum::http::HeaderMap;
use uuid::Uuid;

use crate::domain::{Callback, CallbackHosts, NotCallable, Secret};

/// In the order in which the task's documentation names them.
const HEADERS: [&str; 7] =
    ["PlanUrl", "ProjectId", "HubName", "PlanId", "JobId", "TaskInstanceId", "AuthToken"];

const NOT_TOLD: &str = "no task of Azure DevOps is told of the end";

/// The callback that the headers ask for, if they do; or why nobody is called back. The task sends them in both its modes,
/// so they are no reason to refuse anything.
pub(super) fn callback(headers: &HeaderMap, hosts: &CallbackHosts) -> Result<Option<Callback>, String> {
    let given = HEADERS.map(|name| {
        let text = headers.get(name).and_then(|value| value.to_str().ok());
        text.map(str::trim).filter(|text| !text.is_empty())
    });
    let [Some(plan_url), Some(project), Some(hub), Some(plan), Some(job), Some(task), Some(token)] = given
    else {
        let missing: Vec<_> =
            HEADERS.iter().zip(given).filter(|(_, text)| text.is_none()).map(|(name, _)| *name).collect();
        if missing.len() == HEADERS.len() {
            return Ok(None);
        }
        return Err(format!("{NOT_TOLD}: without {}", missing.join(", ")));
    };
    for (name, text) in [("ProjectId", project), ("PlanId", plan), ("JobId", job), ("TaskInstanceId", task)] {
        if Uuid::parse_str(text).is_err() {
            return Err(unusable(name, "must be a GUID, as Azure DevOps has it"));
        }
    }
    if !hub.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Err(unusable("HubName", "must be a name, such as build"));
    }
    if plan_url.contains('?') {
        return Err(unusable("PlanUrl", "must have no query"));
    }
    let url = format!(
        "{}/{project}/_apis/distributedtask/hubs/{hub}/plans/{plan}/events?api-version=2.0-preview.1",
        plan_url.trim_end_matches('/')
    );
    hosts
        .check(&url)
        .map_err(|NotCallable { detail, remedy }| unusable("PlanUrl", &format!("{detail}: {remedy}")))?;
    let callback = Callback::AzureDevOps {
        url: Secret::new(url),
        token: Secret::new(token),
        job: job.to_owned(),
        task: task.to_owned(),
    };
    Ok(Some(callback))
}

/// Whether a task of Azure DevOps may have sent this.
pub(super) fn are_sent(headers: &HeaderMap) -> bool {
    HEADERS.iter().any(|name| headers.contains_key(*name))
}

fn unusable(header: &str, why: &str) -> String {
    format!("{NOT_TOLD}: the header {header}: {why}")
}
