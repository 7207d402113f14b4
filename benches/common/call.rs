//! One request to the program, in both shapes in which the host hands it on.

use std::{
    fmt,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// How the host hands a request on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Proxied,
    Enveloped,
}

pub(crate) struct Call<'a> {
    function: &'static str,
    /// The id of an operation, and its token.
    link: Option<(&'a str, &'a str)>,
    body: Option<String>,
    wished: u16,
}

/// The time that it took, and the `Location` of its answer; or what else became of it.
pub(crate) type Answer = Result<(Duration, Option<String>), String>;

impl<'a> Call<'a> {
    pub(crate) fn backup(body: &Value) -> Self {
        Self { function: "backup", link: None, body: Some(body.to_string()), wished: 202 }
    }

    /// Reads an operation that is open, by its id and its token.
    pub(crate) fn operation(link: (&'a str, &'a str)) -> Self {
        Self { function: "operations", link: Some(link), body: None, wished: 202 }
    }

    pub(crate) fn page() -> Self {
        Self { function: "status", link: None, body: None, wished: 200 }
    }

    pub(crate) fn wishes(self, wished: u16) -> Self {
        Self { wished, ..self }
    }

    /// Sends it to the program at `url`. Whatever is not answered as it wishes is an error.
    pub(crate) async fn send(self, client: &Client, shape: Shape, url: &str) -> Answer {
        let request = match shape {
            Shape::Proxied => self.proxied(client, url),
            Shape::Enveloped => self.enveloped(client, url),
        };
        let began = Instant::now();
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        let (mut status, mut headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
        let time = began.elapsed();
        let mut location = headers.remove("location").map(|link| link.to_str().unwrap().to_owned());
        if let Shape::Enveloped = shape {
            let envelope: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            let inner = &envelope["Outputs"]["res"];
            status = inner["statusCode"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(0);
            location = inner["headers"]["location"].as_str().map(str::to_owned);
        }
        if status == self.wished { Ok((time, location)) } else { Err(format!("{status}: {text}")) }
    }

    fn proxied(&self, client: &Client, url: &str) -> RequestBuilder {
        let url = format!("{url}/api/{}", self.function);
        match (self.link, &self.body) {
            (Some((id, token)), _) => client.get(format!("{url}/{id}?t={token}")),
            (None, Some(body)) => client.post(url).body(body.clone()),
            (None, None) => client.get(url),
        }
    }

    fn enveloped(&self, client: &Client, url: &str) -> RequestBuilder {
        let request = json!({
            "Url": format!("http://localhost:7071/api/{}", self.function),
            "Method": if self.body.is_some() { "POST" } else { "GET" },
            "Query": self.link.map_or(json!({}), |(_, token)| json!({"t": token})),
            "Headers": {"Host": ["localhost"], "Content-Type": ["application/json"]},
            "Params": self.link.map_or(json!({}), |(id, _)| json!({"id": id})),
            "Identities": [],
            "Body": self.body,
        });
        let envelope = json!({"Data": {"req": request}, "Metadata": {}});
        client.post(format!("{url}/{}-trigger", self.function)).body(envelope.to_string())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proxied => "proxied",
            Self::Enveloped => "enveloped",
        })
    }
}

/// The id and the token of a link.
pub(crate) fn parts(link: &str) -> (&str, &str) {
    let (_, operation) = link.split_once("/api/operations/").unwrap();
    operation.split_once("?t=").unwrap()
}
