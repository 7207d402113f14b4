//! An operation as callers see it: the answer on its link, and what the command line prints as JSON.
//!
//! Durable Functions' names, so that existing clients understand it, and ours beside them. Has no
//! secret, because the plan has none.

pub(crate) mod story;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{
    Aftermath, Answer, Attempt, AzureError, Evidence, FailureKind, Finding, Operation, Phase, Probe,
    RequestIds, SafetyBackup, TargetName, Verification,
};

/// The body of `GET /api/operations/{id}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationView {
    name: &'static str,
    instance_id: String,
    runtime_status: &'static str,
    input: Value,
    custom_status: Value,
    output: Value,
    created_time: Timestamp,
    last_updated_time: Timestamp,
    id: String,
    phase: Phase,
    deadline: Timestamp,
    /// The target whose recovery point a drill tries out.
    #[serde(skip_serializing_if = "Option::is_none")]
    drill: Option<TargetName>,
    /// Of a drill that succeeded, from its opening to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    rto_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_backup: Option<SafetyBackup>,
    attempts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_ids: Option<RequestIds>,
}

/// Why it failed, as it was recorded, and what that means as far as is known today.
#[derive(Debug, Serialize)]
struct FailureView {
    kind: FailureKind,
    error: ErrorView,
}

#[derive(Debug, Serialize)]
struct ErrorView {
    #[serde(flatten)]
    recorded: AzureError,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'static str>,
}

impl From<&Operation> for OperationView {
    fn from(operation: &Operation) -> Self {
        let plan = &operation.plan;
        Self {
            name: plan.word(),
            instance_id: operation.id.to_string(),
            runtime_status: runtime_status(operation.phase),
            input: json!({
                "service": plan.service.to_string(),
                "storageAccount": plan.blob.account,
                "containerName": plan.blob.container,
                "backupName": plan.blob.name,
                "access": plan.access,
            }),
            custom_status: json!(sentence(operation)),
            output: output(operation),
            created_time: operation.opened,
            last_updated_time: operation.updated,
            id: operation.id.to_string(),
            phase: operation.phase,
            deadline: operation.deadline,
            drill: plan.drill.clone(),
            rto_seconds: operation.recovery_time().map(|took| took.as_secs()),
            waiting: operation.waiting.clone(),
            findings: operation.findings.clone(),
            safety_backup: operation.safety_backup.clone(),
            attempts: operation.attempts.len(),
            evidence: operation.evidence.clone(),
            verification: operation.verification.clone(),
            failure: failure(operation),
            request_ids: operation.attempts.last().and_then(|attempt| match &attempt.answer {
                Some(Answer::Accepted { ids, .. }) => Some(ids.clone()),
                _ => None,
            }),
        }
    }
}

fn failure(operation: &Operation) -> Option<FailureView> {
    let failure = operation.failure.as_ref()?;
    let known = operation.explanation();
    let error = ErrorView {
        recorded: failure.error.clone(),
        cause: known.map(|known| known.cause),
        document: known.and_then(|known| known.document),
    };
    Some(FailureView { kind: failure.kind, error })
}

/// Durable Functions' word for a phase.
fn runtime_status(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Starting | Phase::Running | Phase::Verifying => "Running",
        Phase::Succeeded => "Completed",
        Phase::Failed | Phase::Skipped => "Failed",
        Phase::Canceled => "Terminated",
    }
}

/// Where an operation stands, in one sentence.
pub(crate) fn sentence(operation: &Operation) -> String {
    match operation.phase {
        Phase::Pending => match &operation.waiting {
            Some(reason) => format!("waits to start: {reason}"),
            None => match operation.waits_for() {
                Some(first) => format!("waits for its safety backup, operation {first}"),
                None => "is about to start".to_owned(),
            },
        },
        Phase::Starting => starting(operation),
        Phase::Running => match &operation.waiting {
            Some(reason) => format!("runs: {reason}"),
            None => "runs in Azure".to_owned(),
        },
        Phase::Verifying => match &operation.waiting {
            Some(reason) => reason.clone(),
            None => "is done, Azure says; looking for ourselves".to_owned(),
        },
        Phase::Succeeded => match &operation.verification {
            Some(Verification::Verified { blob }) => {
                format!("succeeded; verified: the blob is there, {} bytes", blob.size)
            }
            Some(Verification::Unverified { reason, .. }) => format!("succeeded; unverified: {reason}"),
            Some(Verification::Looked { aftermath }) => format!("succeeded; {}", looked(aftermath)),
            None => "succeeded".to_owned(),
        },
        Phase::Failed => match &operation.failure {
            Some(failure) => format!("failed: {failure}"),
            None => "failed".to_owned(),
        },
        Phase::Canceled => format!("was {}", cancelled(operation)),
        Phase::Skipped => {
            format!("was skipped: {}", operation.waiting.as_deref().unwrap_or("its deadline passed"))
        }
    }
}

/// How a service is after a restore.
pub(crate) fn looked(aftermath: &Aftermath) -> String {
    let Aftermath { differences, counts, expected, gateway } = aftermath;
    if !differences.is_empty() {
        return format!("but {}", differences.join("; "));
    }
    let mut words = vec!["the service is idle".to_owned()];
    if *gateway == Some(Probe::Up) {
        words.push("its gateway answers".to_owned());
    }
    if let Some(counts) = counts {
        let as_expected = if expected.is_some() { ", as when the backup was taken" } else { "" };
        words.push(format!("it has {counts}{as_expected}"));
    }
    words.join("; ")
}

/// What it means that it was cancelled.
pub(crate) fn cancelled(operation: &Operation) -> &'static str {
    if operation.attempts.iter().any(Attempt::may_have_begun) {
        "cancelled: no longer watched; what Azure does goes on"
    } else {
        "cancelled before it began"
    }
}

fn starting(operation: &Operation) -> String {
    let lost = match operation.attempts.last().and_then(|attempt| attempt.answer.as_ref()) {
        None if operation.idle_since.is_none() => {
            return "is being started: the request is on its way to Azure".to_owned();
        }
        Some(Answer::Unknown { error }) => format!(": {error}"),
        _ => String::new(),
    };
    let since = match operation.idle_since {
        Some(since) => format!("; the service has been idle since {since:.0}"),
        None => String::new(),
    };
    format!("may have started, the answer was lost{lost}{since}")
}

fn output(operation: &Operation) -> Value {
    match operation.phase {
        Phase::Succeeded => {
            json!({ "backup": operation.plan.blob.to_string(), "evidence": operation.evidence })
        }
        Phase::Failed | Phase::Skipped | Phase::Canceled => json!(sentence(operation)),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::{Failure, Kind, samples::operation};

    #[test]
    fn a_failure_is_what_was_recorded_and_what_it_means_where_that_is_known() {
        let shown = |code: &str, message: &str| {
            let mut operation = operation(Kind::Restore);
            let error = AzureError {
                status: Some(400),
                code: Some(code.to_owned()),
                ..AzureError::local(message).with_remedy("as it was recorded")
            };
            operation.failure = Some(Failure { kind: FailureKind::Failed, error });
            serde_json::to_string_pretty(&OperationView::from(&operation).failure).unwrap()
        };
        assert_snapshot!(shown("RestoreFailed", "Cannot restore: backup expired"), @r#"
        {
          "kind": "failed",
          "error": {
            "status": 400,
            "code": "RestoreFailed",
            "message": "Cannot restore: backup expired",
            "remedy": "as it was recorded",
            "ids": {},
            "cause": "the backup is older than 30 days",
            "document": "https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore"
          }
        }
        "#);
        assert_snapshot!(shown("SomethingNew", "a {new}\r\nproblem"), @r#"
        {
          "kind": "failed",
          "error": {
            "status": 400,
            "code": "SomethingNew",
            "message": "a {new}\r\nproblem",
            "remedy": "as it was recorded",
            "ids": {}
          }
        }
        "#);
    }
}
