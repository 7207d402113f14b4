//! Those who are told: webhooks, Slack, Teams, heartbeats, and whoever started an operation.
//!
//! Sends one message once, and says whether it arrived. Does not know when to try again, nor who may be called: the
//! settings say that. Nothing here shows an address: whoever has one may post to it.

mod callback;
mod chat;
mod event;
mod http;
mod message;
mod ping;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use url::Url;

pub use http::Limits;
use http::{Client, Outcome};

use crate::{
    domain::{Callback, CallbackHosts, Hook, HookKind, HookName, Notice, Recipient, sendable},
    ports::{Clock, Hooks, NotDelivered},
};

/// Who is told, as it was set.
#[derive(Debug, Clone, Default)]
pub struct HookSettings {
    pub hooks: Vec<Hook>,
    /// Whom a request may have us call.
    pub callbacks: CallbackHosts,
    /// The app's own address: the source of events.
    pub public_url: Option<String>,
    pub allow_http_loopback: bool,
}

/// Tells them.
#[derive(Debug)]
pub struct Messenger {
    settings: HookSettings,
    clock: Arc<dyn Clock>,
    client: Client,
}

/// What is sent, and where. Without `Debug`: all of it may be a secret.
struct Message {
    url: Url,
    headers: HeaderMap,
    body: String,
}

impl Message {
    fn new(url: Url, content_type: &'static str, body: String) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { url, headers, body }
    }

    fn json(url: Url, body: &Value) -> Self {
        Self::new(url, "application/json", body.to_string())
    }
}

impl Messenger {
    pub fn new(settings: HookSettings, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, client: Client::new(limits) }
    }

    fn to_hook(&self, hook: &Hook, notice: &Notice) -> Result<Message, &'static str> {
        let url = sendable(hook.url.expose(), self.settings.allow_http_loopback)?;
        match hook.kind {
            HookKind::Webhook => {
                let event = event::event(notice, self.settings.public_url.as_deref());
                event::message(url, &event, notice, hook.secret.as_ref(), self.clock.now())
            }
            HookKind::Slack => Ok(Message::json(url, &chat::slack(&message::text(notice)))),
            HookKind::Teams => Ok(Message::json(url, &chat::teams(&message::text(notice)))),
            HookKind::Ping => ping::message(url, notice),
        }
    }
}

#[async_trait]
impl Hooks for Messenger {
    fn wanting(&self, notice: &Notice) -> Vec<HookName> {
        let wanting = self.settings.hooks.iter().filter(|hook| hook.wants(notice));
        wanting.map(|hook| hook.name.clone()).collect()
    }

    fn refuses(&self, to: &Recipient) -> Option<String> {
        match to {
            Recipient::Hook(name) => {
                let is_known = self.settings.hooks.iter().any(|hook| hook.name == *name);
                (!is_known).then(|| format!("the hook {name} is not in the settings"))
            }
            Recipient::Callback(callback) => {
                let refused = callback::address(callback, &self.settings.callbacks).err();
                refused.map(|why| format!("the callback of the request: {why}"))
            }
        }
    }

    fn is_one_row(&self, name: &str) -> bool {
        let mut hooks = self.settings.hooks.iter();
        hooks.any(|hook| hook.name.as_str() == name && hook.kind == HookKind::Ping)
    }

    async fn send(&self, notice: &Notice, to: &Recipient) -> Result<(), NotDelivered> {
        let (who, setting, message) = match to {
            Recipient::Hook(name) => {
                let hook = self.settings.hooks.iter().find(|hook| hook.name == *name);
                let who = format!("the hook {name}");
                let hook = hook.ok_or_else(|| lasting(format!("{who} is not in the settings any more")))?;
                (who, "APIM_DR_NOTIFY", self.to_hook(hook, notice))
            }
            Recipient::Callback(callback) => {
                let who = "the callback of the request".to_owned();
                (who, "the request", callback::message(callback, notice, &self.settings.callbacks))
            }
        };
        let message = message.map_err(|why| lasting(format!("{who}: {why}")))?;
        let outcome = self.client.post(message).await;
        told(&who, setting, outcome)
            .map_err(|error| NotDelivered { expected: is_of_the_other_mode(to, outcome), ..error })
    }
}

fn lasting(reason: String) -> NotDelivered {
    NotDelivered { reason, lasting: true, expected: false }
}

/// A task of Azure DevOps that does not wait for its callback has the same headers, and refuses what it is told.
fn is_of_the_other_mode(to: &Recipient, outcome: Outcome) -> bool {
    matches!(to, Recipient::Callback(Callback::AzureDevOps { .. }))
        && matches!(outcome, Outcome::Answered(400..=499))
}

/// What an outcome means, in words without the address.
fn told(who: &str, setting: &str, outcome: Outcome) -> Result<(), NotDelivered> {
    let (reason, lasting) = match outcome {
        Outcome::Answered(200..=299) => return Ok(()),
        Outcome::Answered(status @ 300..=399) => {
            let remedy = format!("let {setting} have the address itself");
            (format!("answered {status}, and redirects are not followed: {remedy}"), true)
        }
        Outcome::Answered(status @ (408 | 425 | 429 | 500..)) => {
            (format!("answered {status}: look there if it goes on"), false)
        }
        Outcome::Answered(status) => {
            (format!("answered {status}: check the address that {setting} has"), true)
        }
        Outcome::NoAnswer(why) => (format!("gave no answer: {why}"), false),
        Outcome::NotSent(why) => (format!("cannot be told: {why}"), true),
    };
    Err(NotDelivered { reason: format!("{who} {reason}"), lasting, expected: false })
}
