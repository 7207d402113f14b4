//! Scripted faults: which request they strike, and what they do to its answer.
//!
//! A fault is JSON as well, so that another process can inject it through the admin routes.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream;
use serde::{Deserialize, Serialize};

/// Strikes the requests that match, `times` times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    #[serde(default)]
    pub on: Match,
    /// How many matching requests are struck before the fault is used up; 1 unless given.
    #[serde(default = "once")]
    pub times: u32,
    pub effect: Effect,
}

/// Which requests a [`Fault`] strikes; an absent condition holds for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    pub method: Option<String>,
    /// A part of path and query as sent, with case.
    pub path_contains: Option<String>,
    /// How many matching requests pass before the first is struck.
    pub skip: u32,
}

/// What happens to a request that is struck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Effect {
    /// Not processed; this is the answer.
    Status {
        status: u16,
        #[serde(default)]
        body: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Not processed; the connection is closed without a byte of an answer.
    ResetBefore,
    /// Processed; the connection is closed without a byte of an answer.
    ResetAfter,
    /// Answered late, in real milliseconds: processed before the wait, or after it. A caller that
    /// hangs up meanwhile has its request processed in the first case only.
    Slow { millis: u64, processed: bool },
    /// Processed; the body is not JSON. Headers such as `Location` stay, the status too unless one
    /// is given.
    Garbage {
        #[serde(default)]
        status: Option<u16>,
    },
    /// Processed; `Content-Length` promises more than is sent before the connection closes.
    Truncate,
    /// Not processed; the bearer token is forgotten and the answer is 401
    /// `ExpiredAuthenticationToken`.
    ExpireToken,
    /// Processed; the backup, restore or update that this POST or PATCH starts ends with this
    /// error: at the poll after `after_polls` others, or when its time is over, whichever is first.
    FailOperation { after_polls: u32, status: u16, code: String, message: String },
    /// Processed; the backup that this POST starts succeeds, and writes nothing: what lay there lies there
    /// still.
    NoBlob,
    /// Processed; the backup that this POST starts succeeds, and its blob has no byte.
    EmptyBlob,
    /// Processed; the backup that this POST starts succeeds, and its blob appears so much later, by the
    /// emulator's clock.
    LateBlob { seconds: u64 },
    /// Processed; the backup that this POST starts writes half of its blob, and fails.
    PartialBlob,
    /// Processed; `Location` (and `Azure-AsyncOperation`) is sent in another form.
    Location { form: LocationForm },
}

/// How a struck answer gives its `Location`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LocationForm {
    /// Not at all.
    Absent,
    /// Path and query only, which the RPC forbids.
    Relative,
    /// This URL instead.
    Foreign(String),
    /// `http` instead of `https`.
    Http,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Strikes the next request of this method whose path and query contain `path`.
    pub fn once(method: &str, path: &str, effect: Effect) -> Self {
        let on = Match { method: Some(method.to_owned()), path_contains: Some(path.to_owned()), skip: 0 };
        Self { on, times: 1, effect }
    }
}

impl Match {
    fn holds(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path_contains.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// The effect of the first fault that strikes this request; counts it down.
pub(super) fn strike(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<Effect> {
    for at in 0..faults.len() {
        let fault = &mut faults[at];
        if !fault.on.holds(method, path) {
            continue;
        }
        if fault.on.skip > 0 {
            fault.on.skip -= 1;
            continue;
        }
        fault.times = fault.times.saturating_sub(1);
        let effect = fault.effect.clone();
        if fault.times == 0 {
            faults.remove(at);
        }
        return Some(effect);
    }
    None
}

impl Effect {
    /// The name that the request log shows.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::ResetBefore => "resetBefore",
            Self::ResetAfter => "resetAfter",
            Self::Slow { .. } => "slow",
            Self::Garbage { .. } => "garbage",
            Self::Truncate => "truncate",
            Self::ExpireToken => "expireToken",
            Self::FailOperation { .. } => "failOperation",
            Self::NoBlob => "noBlob",
            Self::EmptyBlob => "emptyBlob",
            Self::LateBlob { .. } => "lateBlob",
            Self::PartialBlob => "partialBlob",
            Self::Location { .. } => "location",
        }
    }

    /// Whether the caller gets no answer at all.
    pub(super) fn hangs_up(&self) -> bool {
        matches!(self, Self::ResetBefore | Self::ResetAfter)
    }

    /// Processes the request or not, waits, spoils the answer: whatever the effect is. What an
    /// effect does inside the processing is not done here.
    pub(super) async fn apply(self, process: impl FnOnce() -> Response) -> Response {
        match self {
            Self::Status { status, body, headers } => {
                let mut response = Response::new(Body::from(body.unwrap_or_default()));
                *response.status_mut() = status_code(status);
                for (name, value) in headers {
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
                    {
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
            Self::ResetBefore => hang_up(),
            Self::ResetAfter => {
                process();
                hang_up()
            }
            Self::Slow { millis, processed } => {
                let wait = tokio::time::sleep(Duration::from_millis(millis));
                if processed {
                    let response = process();
                    wait.await;
                    return response;
                }
                wait.await;
                process()
            }
            Self::Garbage { status } => {
                let (mut parts, _) = process().into_parts();
                parts.status = status.map_or(parts.status, status_code);
                parts.headers.remove(header::CONTENT_LENGTH);
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Response::from_parts(parts, Body::from("<html>\u{fffd} Bad Gateway"))
            }
            Self::Truncate => truncate(process()),
            Self::ExpireToken
            | Self::FailOperation { .. }
            | Self::NoBlob
            | Self::EmptyBlob
            | Self::LateBlob { .. }
            | Self::PartialBlob => process(),
            Self::Location { form } => {
                let mut response = process();
                for name in ["location", "azure-asyncoperation"] {
                    relocate(response.headers_mut(), name, &form);
                }
                response
            }
        }
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A body that fails before its first byte: hyper then closes the connection with the head still
/// unsent.
fn hang_up() -> Response {
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(broken())])))
}

/// A body that fails after its first bytes were sent: the pause lets hyper flush them.
fn truncate(response: Response) -> Response {
    let pause = stream::once(async {
        tokio::task::yield_now().await;
        Err(broken())
    });
    let sent = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"id\":"))]).chain(pause);
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("4096"));
    Response::from_parts(parts, Body::from_stream(sent))
}

fn broken() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

fn relocate(headers: &mut HeaderMap, name: &'static str, form: &LocationForm) {
    let Some(old) = headers.remove(name) else { return };
    let uri = Uri::try_from(old.as_bytes()).ok();
    let path = uri.as_ref().and_then(Uri::path_and_query).map(ToString::to_string).unwrap_or_default();
    let new = match form {
        LocationForm::Absent => return,
        LocationForm::Relative => path,
        LocationForm::Foreign(url) => url.clone(),
        LocationForm::Http => {
            format!("http://{}{path}", uri.as_ref().and_then(Uri::authority).map_or("", |host| host.as_str()))
        }
    };
    super::reply::set(headers, name, &new);
}
