//! Changing the identities of a service: what is sent, and what the answer means.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use url::Url;

use super::Question;
use crate::{
    azure::{
        arm::{lro, wire::azure_error},
        http::Response,
    },
    domain::{Answer, AzureError, Continuation, IdentityChange},
    ports::ReadError,
};

/// The body of the PATCH. Without a user-assigned identity the type alone takes them all away.
pub(super) fn body(change: &IdentityChange) -> Bytes {
    let IdentityChange { system_assigned, user_assigned, removed } = change;
    let kind = match (system_assigned, user_assigned.is_empty()) {
        (true, true) => "SystemAssigned",
        (true, false) => "SystemAssigned, UserAssigned",
        (false, false) => "UserAssigned",
        (false, true) => "None",
    };
    let mut identity = Map::from_iter([("type".to_owned(), kind.into())]);
    if !user_assigned.is_empty() {
        let stays = |id: &&String| !user_assigned.iter().any(|kept| kept.eq_ignore_ascii_case(id));
        let kept = user_assigned.iter().map(|id| (id.clone(), json!({})));
        let removed = removed.iter().filter(stays).map(|id| (id.clone(), Value::Null));
        let all: Map<_, _> = kept.chain(removed).collect();
        identity.insert("userAssignedIdentities".to_owned(), all.into());
    }
    json!({ "identity": identity }).to_string().into()
}

/// Where to ask how the change fares, if it is not over. From 2022-08-01 on a change that runs is answered with 200,
/// too: what tells it from one that is over is that a place to ask is named.
pub(super) fn read(
    question: &Question<'_>,
    request: &Url,
    response: &Response,
) -> Result<Option<Continuation>, ReadError> {
    match lro::begin(request, response) {
        Answer::Accepted { continuation: Some(continuation), .. } => Ok(Some(continuation)),
        Answer::Accepted { .. } if matches!(response.status, 200 | 204) => Ok(None),
        Answer::Accepted { .. } => {
            let message = "Azure took the change, and named no place to ask how it fares".to_owned();
            let error = AzureError { message, ..azure_error(response, None) };
            Err(ReadError::Transient(error.with_remedy("look at the identities of the service")))
        }
        Answer::Busy { error, .. } => Err(ReadError::Transient(error)),
        _ => Err(question.refused(response)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::testing::response;

    const ID: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a";
    const OTHER: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/b";

    #[test]
    fn the_body_says_the_whole_set_of_identities() {
        let check = |system_assigned, user_assigned: &[&str], removed: &[&str], expected: Value| {
            let owned = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
            let change = IdentityChange {
                system_assigned,
                user_assigned: owned(user_assigned),
                removed: owned(removed),
            };
            let sent: Value = serde_json::from_slice(&body(&change)).unwrap();
            assert_eq!(sent, json!({ "identity": expected }));
        };
        check(true, &[], &[], json!({"type": "SystemAssigned"}));
        check(false, &[ID], &[], json!({"type": "UserAssigned", "userAssignedIdentities": {ID: {}}}));
        check(
            true,
            &[ID],
            &[OTHER],
            json!({"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {ID: {}, OTHER: null}}),
        );
        // What is to stay stays, however Azure writes it.
        let lower = ID.to_ascii_lowercase();
        check(false, &[ID], &[&lower], json!({"type": "UserAssigned", "userAssignedIdentities": {ID: {}}}));
        check(false, &[], &[ID], json!({"type": "None"}));
        check(true, &[], &[ID], json!({"type": "SystemAssigned"}));
    }

    #[test]
    fn an_answer_is_over_running_refused_or_for_later() {
        let url = Url::parse("https://management.azure.com/s?api-version=2022-08-01").unwrap();
        let question = Question::service("/s", "", "Microsoft.ApiManagement/service/write");
        let place = "https://management.azure.com/op/1?api-version=2022-08-01&asyncResponse";
        let answered = |status, headers: &[(&'static str, &str)], body: &str| {
            read(&question, &url, &response(status, headers, body))
        };
        let running = Ok(Some(Continuation::Location(place.to_owned())));
        for status in [200, 202] {
            assert_eq!(
                answered(status, &[("location", place), ("azure-asyncoperation", place)], ""),
                running
            );
        }
        let monitored = Ok(Some(Continuation::StatusMonitor(place.to_owned())));
        assert_eq!(answered(200, &[("azure-asyncoperation", place)], ""), monitored);
        assert_eq!(answered(200, &[], r#"{"id":"i"}"#), Ok(None));
        // Whether it is over cannot be told.
        assert!(matches!(answered(202, &[], ""), Err(ReadError::Transient(_))));
        let elsewhere = answered(202, &[("location", "https://example.com/op")], "");
        assert!(matches!(elsewhere, Err(ReadError::Transient(_))));
        let locked = r#"{"error":{"code":"ServiceLocked","message":"m"}}"#;
        assert!(matches!(answered(409, &[], locked), Err(ReadError::Transient(_))));
        for status in [429, 500, 503] {
            assert!(matches!(answered(status, &[], ""), Err(ReadError::Transient(_))), "{status}");
        }
        let refused = |status, code: &str| {
            let body = json!({"error": {"code": code, "message": "m"}}).to_string();
            match answered(status, &[], &body) {
                Err(ReadError::Definite(error)) => error.remedy.unwrap_or_default(),
                other => panic!("{status} {code}: {other:?}"),
            }
        };
        assert_eq!(
            refused(403, "AuthorizationFailed"),
            "grant the caller Microsoft.ApiManagement/service/write on /s"
        );
        assert!(refused(403, "LinkedAuthorizationFailed").contains("linked resource"));
        assert!(refused(403, "RequestDisallowedByPolicy").contains("policy"));
        assert!(refused(409, "ScopeLocked").contains("lock"));
        assert_eq!(refused(400, "Whatever"), "");
    }
}
