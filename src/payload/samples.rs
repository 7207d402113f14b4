//! Bodies for the tests, and what they ask of the answer.

use serde_json::{Value, json};

use super::{Parsed, Problem, StartPolicy, parse};
use crate::domain::Kind;

pub(super) const SECRET: &str = "s3cr+t/=&~";
pub(super) const KEY: &str = "ZW11bGF0b3Ita2V5";

/// The Logic App's body with `edits`; null takes a field out.
pub(super) fn body(edits: &Value) -> String {
    let mut body = json!({
        "applicationId": "11111111-2222-3333-4444-555555555555",
        "clientSecret": SECRET,
        "tenantId": "99999999-8888-7777-6666-555555555555",
        "subscriptionId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "resourceGroup": "apimdrresourcegroup",
        "apimInstance": "sampleapim",
        "backupName": "apimbackup",
        "operation": "backup",
        "containerName": "backup",
        "storageAccount": "apimdrstorage",
        "accessKey": KEY,
    });
    for (name, value) in edits.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

pub(super) fn backup(edits: &Value) -> Result<Parsed, Vec<Problem>> {
    parse(Kind::Backup, body(edits).as_bytes(), &StartPolicy::default(), &[])
}

/// Exactly these problems: field and a piece of the remedy.
#[track_caller]
pub(super) fn check(answer: Result<Parsed, Vec<Problem>>, expected: &[(&str, &str)]) {
    let problems = answer.err().unwrap_or_default();
    let fields: Vec<&str> = problems.iter().filter_map(|problem| problem.field.as_deref()).collect();
    assert_eq!(fields, expected.iter().map(|(field, _)| *field).collect::<Vec<_>>(), "{problems:#?}");
    for (problem, (_, remedy)) in problems.iter().zip(expected) {
        assert!(problem.remedy.contains(remedy), "{remedy:?} in {problem}");
    }
}
