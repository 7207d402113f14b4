//! What programs read: `CloudEvents` 1.0 as JSON, signed by the scheme of Standard Webhooks if the hook has a secret.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;
use zeroize::Zeroizing;

use super::Message;
use crate::{
    domain::{News, Notice, Operation, Phase, Secret},
    view::OperationView,
};

/// Stands before what all types have of their own.
const TYPE: &str = "io.github.apim-dr";
/// The source of an app that does not know its address.
const SOURCE: &str = "urn:apim-dr";

/// The event. Its id is that of the notice: who gets it twice can tell.
pub(super) fn event(notice: &Notice, public_url: Option<&str>) -> Value {
    let (what, subject, data) = match &notice.news {
        News::Started { operation } => of_operation("started", operation),
        News::Ended { operation } => {
            let what = match operation.phase {
                Phase::Succeeded => "succeeded",
                Phase::Canceled => "canceled",
                Phase::Skipped => "skipped",
                _ => "failed",
            };
            of_operation(what, operation)
        }
        News::Alarm { alarm } => {
            let subject = format!("{}/{}", alarm.subject, alarm.condition.code);
            (format!("alarm.{}", alarm.change.as_str()), subject, json!(alarm))
        }
        News::Test => ("test".to_owned(), "test".to_owned(), json!({})),
    };
    json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": public_url.unwrap_or(SOURCE),
        "type": format!("{TYPE}.{what}"),
        "time": notice.at,
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    })
}

fn of_operation(what: &str, operation: &Operation) -> (String, String, Value) {
    (format!("operation.{what}"), operation.id.to_string(), json!(OperationView::from(operation)))
}

pub(super) fn message(
    url: Url,
    event: &Value,
    notice: &Notice,
    secret: Option<&Secret>,
    now: Timestamp,
) -> Result<Message, &'static str> {
    let mut message = Message::new(url, "application/cloudevents+json", event.to_string());
    if let Some(secret) = secret {
        let at = now.as_second();
        let signature = signature(secret, &notice.id, at, &message.body).ok_or("its secret is not base64")?;
        for (name, value) in [
            ("webhook-id", notice.id.clone()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signature),
        ] {
            let value = HeaderValue::from_str(&value).map_err(|_| "the id of the notice is no header")?;
            message.headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(message)
}

/// `v1,` and the code of id, time and body under the secret:
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
fn signature(secret: &Secret, id: &str, at: i64, body: &str) -> Option<String> {
    let key = Zeroizing::new(BASE64_STANDARD.decode(secret.expose()).ok()?);
    let code = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    let code = code.chain_update(format!("{id}.{at}.{body}")).finalize().into_bytes();
    Some(format!("v1,{}", BASE64_STANDARD.encode(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_reference_of_standard_webhooks_does_it() {
        let secret = Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature(&secret, id, at, body).as_deref(), Some(expected));
    }
}
