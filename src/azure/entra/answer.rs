//! What a token endpoint answers: Entra ID v1 and v2, and the endpoints of managed identities.

use jiff::{Timestamp, Zoned};
use serde::Deserialize;
use serde_json::Value;

use super::Token;
use crate::{
    azure::http::{NoAnswer, Response},
    domain::{AzureError, Secret, explain, later},
    ports::ReadError,
};

/// The life of a token that does not tell its own.
const UNTOLD_LIFETIME: std::time::Duration = std::time::Duration::from_mins(5);

/// Reads the token, or why there is none.
pub(super) fn token(outcome: Result<Response, NoAnswer>, now: Timestamp) -> Result<Token, ReadError> {
    let response = outcome.map_err(NoAnswer::into_read_error)?;
    if response.status == 200 {
        return read(&response.body, now).ok_or_else(|| {
            let mut error = AzureError::local("the token endpoint's answer holds no token");
            error.ids = response.ids;
            ReadError::Transient(error)
        });
    }
    let error = refusal(&response);
    if response.is_transient() { Err(ReadError::Transient(error)) } else { Err(ReadError::Definite(error)) }
}

/// Numbers come as numbers (v2) or as strings (v1 and managed identities); `expires_on` may be a date.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
}

fn read(body: &[u8], now: Timestamp) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let told = match seconds(&answer.expires_in) {
        Some(lifetime) => Some(later(now, std::time::Duration::from_secs(lifetime))),
        None => instant(&answer.expires_on),
    };
    let expires = told.unwrap_or_else(|| later(now, UNTOLD_LIFETIME));
    (!answer.access_token.is_empty()).then(|| Token::new(Secret::new(answer.access_token), now, expires))
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Seconds since 1970, or a date as older App Service stacks sent it: `11/05/2021 15:18:31 +00:00`.
fn instant(value: &Value) -> Option<Timestamp> {
    match seconds(value) {
        Some(seconds) => Timestamp::from_second(i64::try_from(seconds).ok()?).ok(),
        None => Some(Zoned::strptime("%m/%d/%Y %H:%M:%S %:z", value.as_str()?).ok()?.timestamp()),
    }
}

/// A refusal of Entra ID (`error`, `error_description`, `error_codes`) or of a managed identity's endpoint
/// (`statusCode`, `message`).
fn refusal(response: &Response) -> AzureError {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let said = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let description = said("error_description").or_else(|| said("message")).unwrap_or_default();
    // Trace id, correlation id and timestamp follow, on lines of their own or behind blanks.
    let sentence = description.split(['\r', '\n']).next().unwrap_or_default();
    let sentence = sentence.split(" Trace ID:").next().unwrap_or_default().trim();
    let (named, sentence) = match sentence.split_once(": ") {
        Some((code, rest)) if code.starts_with("AADSTS") => (Some(code.to_owned()), rest),
        _ => (None, sentence),
    };
    let numbered = body.pointer("/error_codes/0").and_then(Value::as_u64);
    let code = numbered.map(|number| format!("AADSTS{number}")).or(named).or_else(|| said("error"));
    let message = if sentence.is_empty() {
        "the token endpoint gave no reason".to_owned()
    } else {
        sentence.to_owned()
    };
    let mut ids = response.ids.clone();
    ids.request = said("trace_id").or(ids.request);
    ids.correlation = said("correlation_id").or(ids.correlation);
    let known = explain(Some(response.status), code.as_deref(), &message, None);
    AzureError {
        status: Some(response.status),
        remedy: known.map(|known| known.remedy.to_owned()),
        code,
        message,
        ids,
        attempts: response.attempts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::testing::response;

    #[test]
    fn a_lifetime_is_read_in_every_form_it_was_seen_in() {
        let now: Timestamp = "2020-01-27T18:58:12Z".parse().unwrap();
        let check = |fields: &str, expires: &str| {
            let body = format!(r#"{{"token_type":"Bearer","access_token":"t",{fields}}}"#);
            let token = token(Ok(response(200, &[], &body)), now).unwrap();
            assert_eq!(token.value, Secret::new("t"));
            assert_eq!(token.expires, expires.parse().unwrap(), "{fields}");
        };
        // Recorded: Entra ID v2 in 2021, IMDS in 2020.
        check(r#""expires_in":86399,"ext_expires_in":86399"#, "2020-01-28T18:58:11Z");
        check(
            r#""expires_in":"28799","expires_on":"1580179303","not_before":"1580150203""#,
            "2020-01-28T02:58:11Z",
        );
        // App Service 2019-08-01 and 2017-09-01.
        check(r#""expires_on":"1580179303","resource":"r""#, "2020-01-28T02:41:43Z");
        check(r#""expires_on":1580179303"#, "2020-01-28T02:41:43Z");
        check(r#""expires_on":"11/05/2021 15:18:31 +00:00""#, "2021-11-05T15:18:31Z");
        check(r#""expires_on":"soon""#, "2020-01-27T19:03:12Z");
        check(r#""expires_in":18446744073709551615"#, "9999-12-30T22:00:00.999999999Z");
    }

    #[test]
    fn an_answer_without_a_token_is_worth_another_try() {
        for body in ["", "<html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":7}"#] {
            let error = token(Ok(response(200, &[], body)), Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(matches!(error, ReadError::Transient(_)), "{body}: {error}");
        }
    }

    #[test]
    fn a_refusal_says_code_reason_remedy_and_ids() {
        let check = |status: u16, body: &str, definite: bool, shown: &str, remedy: &str| {
            let error = token(Ok(response(status, &[], body)), Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(matches!(error, ReadError::Definite(_)), definite, "{body}");
            let (ReadError::Definite(error) | ReadError::Transient(error)) = error;
            assert_eq!(error.to_string(), shown);
            assert!(error.remedy.as_deref().unwrap_or_default().contains(remedy), "{error:?}");
            error
        };
        // Recorded in 2020, v1.
        let v1 = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret is provided.\r\nTrace ID: t\r\nCorrelation ID: c\r\nTimestamp: 2020-08-19 04:22:28Z","error_codes":[7000215],"trace_id":"t","correlation_id":"c"}"#;
        let error =
            check(401, v1, true, "401 AADSTS7000215: Invalid client secret is provided.", "secret's value");
        assert_eq!((error.ids.request.as_deref(), error.ids.correlation.as_deref()), (Some("t"), Some("c")));
        // Newer descriptions separate with blanks.
        let v2 = r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys for app 'x' are expired. Trace ID: t Correlation ID: c Timestamp: z"}"#;
        let shown = "401 AADSTS7000222: The provided client secret keys for app 'x' are expired.";
        check(401, v2, true, shown, "new client secret");
        check(
            400,
            r#"{"error":"invalid_request"}"#,
            true,
            "400 invalid_request: the token endpoint gave no reason",
            "",
        );
        check(
            500,
            r#"{"statusCode":500,"message":"An unexpected error occurred."}"#,
            false,
            "500: An unexpected error occurred.",
            "",
        );
        check(429, "slow down", false, "429: the token endpoint gave no reason", "");
        check(302, "", true, "302: the token endpoint gave no reason", "");
    }
}
