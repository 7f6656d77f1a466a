//! One of the two servers, spoken to over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{Answer, HttpClient, Outgoing};
use intendant_evaluate::parity::Turn;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use super::Said;
use crate::failure::Failure;

/// The events from what was said on. Stores forget sessions, so events cannot be counted; and
/// actions can repeat an earlier message, so the text is looked for first.
fn since_said(mut events: Vec<Value>, said: &Said) -> Vec<Value> {
    let is_message = |event: &Value| event["event"] == "user";
    let is_said = |event: &Value| match said {
        Said::Text(text, _) => event["text"].as_str() == Some(text.trim()),
        Said::Intent(..) => false,
    };
    let start = events
        .iter()
        .rposition(|event| is_message(event) && is_said(event))
        .or_else(|| events.iter().rposition(is_message));
    events.split_off(start.unwrap_or(events.len()))
}

/// A server with Rasa's HTTP API.
pub struct Remote {
    client: HttpClient,
    url: String,
    token: Option<String>,
    timeout: Duration,
    /// Events are only told by the API, which may be off.
    pub has_api: bool,
}

impl Remote {
    /// Looks whether the server is there and what it offers.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open(
        client: HttpClient,
        url: &str,
        token: Option<String>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/').to_owned();
        let mut remote = Self { client, url, token, timeout, has_api: true };
        let status = remote.send("/status", Outgoing::get(timeout)).await?.status;
        if [401, 403].contains(&status.as_u16()) {
            let message =
                format!("{} asks for a token: give it with --against-token or --ours-token", remote.url);
            return Err(Failure::new("", message));
        }
        remote.has_api = status.is_success();
        if status.as_u16() == 409 {
            return Err(Failure::new("", format!("{} has no model loaded", remote.url)));
        }
        Ok(remote)
    }

    /// Says one thing in a conversation.
    ///
    /// # Errors
    /// When the server fails or cannot be reached.
    pub async fn say(&self, sender_id: &str, said: &Said) -> Result<Turn, Failure> {
        let replies = match said {
            Said::Text(text, metadata) => {
                let body = json!({"sender": sender_id, "message": text, "metadata": metadata});
                self.json("/webhooks/rest/webhook", body).await?
            }
            Said::Intent(intent, entities) => {
                let entities = entities.as_array().into_iter().flatten();
                let entities: Object = entities
                    .filter_map(|entity| {
                        Some((entity["entity"].as_str()?.to_owned(), entity["value"].clone()))
                    })
                    .collect();
                let path = format!("/conversations/{sender_id}/trigger_intent");
                let answer = self.json(&path, json!({"name": intent, "entities": entities})).await?;
                answer["messages"].clone()
            }
        };
        let events = match self.has_api {
            true => Some(since_said(self.events(sender_id).await?, said)),
            false => None,
        };
        Ok(Turn { replies: replies.as_array().cloned().unwrap_or_default(), events })
    }

    /// All events of a conversation.
    ///
    /// # Errors
    /// When the server fails or cannot be reached.
    pub async fn events(&self, sender_id: &str) -> Result<Vec<Value>, Failure> {
        let path = format!("/conversations/{sender_id}/tracker?include_events=ALL");
        let answer = self.send(&path, Outgoing::get(self.timeout)).await?;
        let tracker: Value = self.read(&path, &answer)?;
        Ok(tracker["events"].as_array().cloned().unwrap_or_default())
    }

    /// Puts a conversation into the state that these events give.
    ///
    /// # Errors
    /// When the server fails or cannot be reached.
    pub async fn put_events(&self, sender_id: &str, events: &[Value]) -> Result<(), Failure> {
        let path = format!("/conversations/{sender_id}/tracker/events");
        let body = Value::Array(events.to_vec()).to_string().into_bytes();
        let outgoing = Outgoing { method: Method::PUT, ..Outgoing::json(body, self.timeout) };
        let answer = self.send(&path, outgoing).await?;
        self.read(&path, &answer).map(drop)
    }

    /// How many variations each response of the domain has.
    ///
    /// # Errors
    /// When the server fails or cannot be reached.
    pub async fn variations(&self) -> Result<BTreeMap<String, usize>, Failure> {
        if !self.has_api {
            return Ok(BTreeMap::new());
        }
        let mut outgoing = Outgoing::get(self.timeout);
        let json = axum::http::HeaderValue::from_static("application/json");
        outgoing.headers.insert(axum::http::header::ACCEPT, json);
        let answer = self.send("/domain", outgoing).await?;
        let domain = self.read("/domain", &answer)?;
        let responses = domain["responses"].as_object().cloned().unwrap_or_default();
        Ok(responses.into_iter().map(|(name, all)| (name, all.as_array().map_or(0, Vec::len))).collect())
    }

    async fn json(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let answer = self.send(path, Outgoing::json(body.to_string().into_bytes(), self.timeout)).await?;
        self.read(path, &answer)
    }

    fn read(&self, path: &str, answer: &Answer) -> Result<Value, Failure> {
        let (url, status) = (&self.url, answer.status);
        if !status.is_success() {
            let said: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
            return Err(Failure::new("", format!("{url}{path} answered with status {status}: {said}")));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Failure::new("", format!("{url}{path} did not answer with JSON: {error}")))
    }

    async fn send(&self, path: &str, outgoing: Outgoing) -> Result<Answer, Failure> {
        let config = EndpointConfig {
            url: Some(format!("{}{path}", self.url)),
            token: self.token.clone(),
            token_name: "token".to_owned(),
            ..EndpointConfig::default()
        };
        let endpoint = Endpoint::new(&config).map_err(|error| Failure::of("", &error))?;
        self.client.send(&endpoint, outgoing).await.map_err(|error| Failure::new("", error.chain()))
    }
}
