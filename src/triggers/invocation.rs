//! The Functions host's envelope: an invocation in, its result out.
//!
//! A function that is not proxied is called as `POST /<function name>` with
//! `{"Data": {<binding>: ...}, "Metadata": ...}` and must be answered with 200 and
//! `{"Outputs": ..., "Logs": [...], "ReturnValue": ...}`: an empty or `null` answer would hang the
//! invocation until its time-out, another status fails it with an empty 500 for the caller
//! (azure-functions-host, `DefaultHttpWorkerService`).

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::guard::{KEY_HEADER, KEY_QUERY};

/// The body of an invocation.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Invocation {
    /// By binding name. Values may be JSON text inside a string.
    #[serde(default)]
    data: Map<String, Value>,
}

/// `Data.req` of an HTTP trigger.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HttpRequestData {
    method: String,
    query: Map<String, Value>,
    headers: Map<String, Value>,
    params: Map<String, Value>,
    body: Value,
}

/// Which of our own routes stands for a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpFunction {
    pub(super) folder: &'static str,
    /// Without its parameter.
    pub(super) path: &'static str,
    /// Name of the route parameter, if it has one.
    pub(super) parameter: Option<&'static str>,
}

impl Invocation {
    /// Reads the envelope. Leniently: the binding value may be an object or its JSON text.
    pub(super) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// The instant that a timer's status names: of a timer that fires, this very one. Leniently: a timer without a
    /// monitor has no status.
    pub(super) fn next_fire(mut self) -> Option<Timestamp> {
        let mut timer = unwrap_text(self.data.remove("timer")?);
        let status = unwrap_text(timer.get_mut("ScheduleStatus")?.take());
        let next = status.get("Next")?.as_str()?;
        next.trim_matches('"').parse().ok()
    }

    /// The request that the host would have sent, had it proxied it, to our own route.
    pub(super) fn into_request(mut self, function: HttpFunction) -> Option<Request<Body>> {
        let data = unwrap_text(self.data.remove("req")?);
        let data: HttpRequestData = serde_json::from_value(data).ok()?;
        let mut path = function.path.to_owned();
        if let Some(value) = function.parameter.and_then(|name| data.params.get(name)?.as_str()) {
            path.push('/');
            path.push_str(&urlencoding::encode(value));
        }
        // The key that the host let it in by has served its purpose, and goes no further.
        let query = data.query.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(KEY_QUERY));
        let query = query.filter_map(|(name, value)| {
            Some(format!("{}={}", urlencoding::encode(name), urlencoding::encode(value.as_str()?)))
        });
        let query = query.collect::<Vec<_>>().join("&");
        if !query.is_empty() {
            path.push('?');
            path.push_str(&query);
        }
        let mut request =
            Request::builder().method(Method::from_bytes(data.method.as_bytes()).ok()?).uri(path);
        for (name, value) in &data.headers {
            // The host sends arrays; older ones and samples a plain string.
            let value = match value {
                Value::Array(values) => values.first().and_then(Value::as_str),
                value => value.as_str(),
            };
            let name = HeaderName::from_bytes(name.as_bytes())
                .ok()
                .filter(|name| name != header::CONTENT_LENGTH && name != KEY_HEADER);
            if let (Some(name), Some(value)) =
                (name, value.and_then(|value| HeaderValue::from_str(value).ok()))
            {
                request = request.header(name, value);
            }
        }
        let body = match data.body {
            Value::Null => String::new(),
            Value::String(text) => text,
            value => value.to_string(),
        };
        request.body(Body::from(body)).ok()
    }
}

/// A binding value that is JSON text inside a string, as the host double-encodes some.
fn unwrap_text(value: Value) -> Value {
    match value.as_str().map(serde_json::from_str) {
        Some(Ok(inner)) => inner,
        _ => value,
    }
}

/// The answer to an invocation. Never empty, never `null`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvocationResult {
    outputs: Value,
    logs: Vec<String>,
    return_value: Value,
}

impl InvocationResult {
    /// The result of a function without outputs.
    pub(super) fn logged(log: String) -> Self {
        Self { outputs: json!({}), logs: vec![log], return_value: Value::Null }
    }

    /// Wraps an HTTP answer as the output `res`: `statusCode` (the host ignores `status`), each header
    /// once, and the body as a string, because the host would re-print an object.
    pub(super) fn http(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Self {
        let headers: Map<String, Value> = headers
            .iter()
            .filter(|(name, _)| *name != header::CONTENT_LENGTH)
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.into())))
            .collect();
        let body = String::from_utf8_lossy(body);
        let res = json!({ "statusCode": status.as_u16(), "headers": headers, "body": body });
        Self { outputs: json!({ "res": res }), logs: Vec::new(), return_value: Value::Null }
    }
}

impl IntoResponse for InvocationResult {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_else(|_| br#"{"Outputs":{},"Logs":[]}"#.to_vec());
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    }
}
