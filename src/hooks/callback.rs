//! Telling whoever started an operation that it has ended.

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::Message;
use crate::{
    domain::{Callback, CallbackHosts, News, Notice, Phase, Secret},
    view::OperationView,
};

/// Where it is, if it may be called. `hosts` may have changed since the request was taken: they count now.
pub(super) fn address(callback: &Callback, hosts: &CallbackHosts) -> Result<Url, &'static str> {
    let (Callback::Url(url) | Callback::AzureDevOps { url, .. }) = callback;
    let refused = "its host may not be called any more: let the setting APIM_DR_CALLBACK_HOSTS name it";
    hosts.check(url.expose()).map_err(|_| refused)
}

pub(super) fn message(
    callback: &Callback,
    notice: &Notice,
    hosts: &CallbackHosts,
) -> Result<Message, &'static str> {
    let News::Ended { operation } = &notice.news else {
        return Err("only the end of an operation is told there");
    };
    let url = address(callback, hosts)?;
    match callback {
        Callback::Url(_) => {
            let body = serde_json::to_value(OperationView::from(&**operation));
            Ok(Message::json(url, &body.map_err(|_| "the operation cannot be written as JSON")?))
        }
        Callback::AzureDevOps { token, job, task, .. } => {
            let result = if operation.phase == Phase::Succeeded { "succeeded" } else { "failed" };
            let body = json!({ "name": "TaskCompleted", "taskId": task, "jobId": job, "result": result });
            let mut message = Message::json(url, &body);
            message.headers.insert(AUTHORIZATION, basic(token)?);
            Ok(message)
        }
    }
}

/// A token in place of a password, and no user.
fn basic(token: &Secret) -> Result<HeaderValue, &'static str> {
    let pair = Zeroizing::new(format!(":{}", token.expose()));
    let value = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(&*pair)));
    let mut value = HeaderValue::from_str(&value).map_err(|_| "its token is no header")?;
    value.set_sensitive(true);
    Ok(value)
}
