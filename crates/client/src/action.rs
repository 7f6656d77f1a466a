//! The action server's webhook (`spec: http-and-channels.md §8`).

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use ::http::{HeaderValue, StatusCode, header};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use intendant_port::BoxFuture;
use intendant_port::action::{ActionCall, ActionReply, ActionServer};
use intendant_port::clock::Clock;
use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::wire::{self, Verbosity};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::clock::SystemClock;
use crate::endpoint::Endpoint;
use crate::http::{Answer, HttpClient, Outgoing};

/// The protocol's version; action servers compare major and minor with their own.
const PROTOCOL_VERSION: &str = "3.6.21";

/// How an action server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionOptions {
    /// Leave the domain out unless the action asks for it (`enable_selective_domain`).
    pub selective_domain: bool,
    /// Compress requests (`COMPRESS_ACTION_SERVER_REQUEST`).
    pub compress: bool,
    /// How long an action may take.
    pub timeout: Duration,
    /// How long these may take, by name.
    pub timeouts: BTreeMap<String, Duration>,
    /// How many of a conversation's last events are sent at most; all unless given.
    pub events_max: Option<usize>,
}

/// An action server that is asked over HTTP.
pub struct WebhookActions {
    client: HttpClient,
    endpoint: Endpoint,
    options: ActionOptions,
}

impl WebhookActions {
    /// An action server at `endpoint`. Nothing is connected.
    pub fn new(client: HttpClient, endpoint: Endpoint, options: ActionOptions) -> Self {
        Self { client, endpoint, options }
    }

    fn request(&self, call: &ActionCall<'_>) -> Result<Outgoing> {
        let mut body = Map::new();
        body.insert("next_action".to_owned(), call.name.into());
        body.insert("sender_id".to_owned(), call.tracker.sender_id.as_str().into());
        let mut state = wire::tracker_state(call.tracker, Verbosity::All);
        if let (Some(most), Value::Array(events)) = (self.options.events_max, &mut state["events"]) {
            events.drain(..events.len().saturating_sub(most));
        }
        body.insert("tracker".to_owned(), state);
        if !self.options.selective_domain || call.needs_domain {
            body.insert("domain".to_owned(), Value::Object(call.domain.dict.clone()));
        }
        body.insert("version".to_owned(), PROTOCOL_VERSION.into());
        let body = Value::Object(body).to_string().into_bytes();
        let timeout = self.options.timeouts.get(call.name).copied().unwrap_or(self.options.timeout);
        let mut outgoing = Outgoing::json(body, timeout).traced(call.traceparent);
        if self.options.compress {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            let written = encoder.write_all(&outgoing.body).and_then(|()| encoder.finish());
            let compressed = written.map_err(|error| {
                Error::new(Kind::Invalid, "cannot compress the request to the action server").because(error)
            })?;
            outgoing.body = compressed.into();
            outgoing.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("deflate"));
        }
        Ok(outgoing)
    }
}

impl ActionServer for WebhookActions {
    fn run<'a>(&'a self, call: ActionCall<'a>) -> BoxFuture<'a, Result<ActionReply>> {
        Box::pin(async move {
            let failed = |error: Error| {
                Error::new(error.kind, format!("the custom action '{}' failed", call.name)).because(error)
            };
            let outgoing = self.request(&call).map_err(failed)?;
            let answer = self.client.send(&self.endpoint, outgoing).await.map_err(failed)?;
            reply(&answer, SystemClock.now()).map_err(failed)
        })
    }
}

fn reply(answer: &Answer, now: Timestamp) -> Result<ActionReply> {
    if answer.status == StatusCode::BAD_REQUEST {
        return rejection(answer);
    }
    if answer.status.is_client_error() || answer.status.is_server_error() {
        let text = String::from_utf8_lossy(&answer.body);
        let start: String = text.chars().take(SHOWN_CHARS).collect();
        return Err(Error::new(Kind::Refused, format!("it answered {}: {start}", answer.status)));
    }
    // An answer that is not JSON or empty counts as one without events.
    if !answer.is_json() || answer.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(ActionReply::Done { events: Vec::new(), responses: Vec::new() });
    }
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|error| invalid("no JSON").because(error))?;
    let Value::Object(body) = body else {
        return Err(invalid("JSON that is no object"));
    };
    let events = body.get("events").cloned().unwrap_or_else(|| json!([]));
    if !events.is_array() {
        return Err(invalid("events that are no list"));
    }
    let events =
        wire::validate_events(&events, now).map_err(|error| invalid("unusable events").because(error))?;
    Ok(ActionReply::Done { events, responses: responses(&body)? })
}

/// How much of an error's text is shown.
const SHOWN_CHARS: usize = 300;

fn responses(body: &Object) -> Result<Vec<Object>> {
    let items = match body.get("responses") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(invalid("responses that are no list")),
    };
    let objects = items.iter().map(|item| item.as_object().cloned());
    objects.map(|object| object.ok_or_else(|| invalid("a response that is no object"))).collect()
}

fn rejection(answer: &Answer) -> Result<ActionReply> {
    let body: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| invalid("status 400 without JSON").because(error))?;
    let Some(action_name) = body["action_name"].as_str() else {
        return Err(invalid("status 400 without the name of an action"));
    };
    let reason = body["error"].as_str().unwrap_or("no reason given").to_owned();
    Ok(ActionReply::Rejected { action_name: action_name.to_owned(), reason })
}

fn invalid(what: &str) -> Error {
    Error::new(Kind::Invalid, format!("it answered with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderMap;
    use bytes::Bytes;

    #[test]
    fn answers_are_read_as_the_protocol_says() {
        let check = |status: u16, content_type: &str, body: &str, expected: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
            let found = match reply(&answer, Timestamp::default()) {
                Ok(ActionReply::Done { events, responses }) => {
                    format!("{} events, {} responses", events.len(), responses.len())
                }
                Ok(ActionReply::Rejected { action_name, reason }) => {
                    format!("{action_name} rejects: {reason}")
                }
                Err(error) => error.chain(),
            };
            assert!(found.starts_with(expected), "{status} {body}: {found}");
        };
        let json = "application/json";
        check(200, json, r#"{"events": [], "responses": []}"#, "0 events, 0 responses");
        check(200, json, r#"{"events": [{"event": "restart"}], "responses": [{}]}"#, "1 events, 1 responses");
        check(200, json, "{}", "0 events, 0 responses");
        check(200, json, "", "0 events, 0 responses");
        check(204, json, "", "0 events, 0 responses");
        check(200, "text/plain", "ok", "0 events, 0 responses");
        check(200, json, "[]", "it answered with JSON that is no object");
        check(200, json, "{", "it answered with no JSON");
        check(200, json, r#"{"events": null}"#, "it answered with events that are no list");
        check(200, json, r#"{"events": [{"event": "bogus"}]}"#, "it answered with unusable events: ");
        check(200, json, r#"{"events": [{"event": "slot"}]}"#, "it answered with unusable events: ");
        check(200, json, r#"{"responses": [1]}"#, "it answered with a response that is no object");
        check(400, json, r#"{"error": "no", "action_name": "a"}"#, "a rejects: no");
        check(400, json, r#"{"error": "no"}"#, "it answered with status 400 without the name");
        check(400, "text/plain", "no", "it answered with status 400 without JSON");
        check(404, json, "{}", "it answered 404 Not Found");
        check(500, "text/plain", "boom", "it answered 500 Internal Server Error: boom");
    }
}
