//! The response generator's webhook (`spec: dialogue.md §8`).

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::generate::{GenerateCall, Generator};
use intendant_rasa_format::wire::{self, Verbosity};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::http::{Answer, HttpClient, Outgoing};

/// How long a response may take.
const GENERATE_TIMEOUT: Duration = Duration::from_secs(300);

/// A response generator that is asked over HTTP.
pub struct WebhookGenerator {
    client: HttpClient,
    endpoint: Endpoint,
}

impl WebhookGenerator {
    /// A generator at `endpoint`. Nothing is connected.
    pub fn new(client: HttpClient, endpoint: Endpoint) -> Self {
        Self { client, endpoint }
    }
}

impl Generator for WebhookGenerator {
    fn generate<'a>(&'a self, call: GenerateCall<'a>) -> BoxFuture<'a, Result<Object>> {
        Box::pin(async move {
            let body = json!({
                "response": call.response,
                "id": call.response_id,
                "arguments": call.arguments,
                "tracker": wire::tracker_state(call.tracker, Verbosity::All),
                "channel": {"name": call.channel},
            });
            let outgoing =
                Outgoing::json(body.to_string().into_bytes(), GENERATE_TIMEOUT).traced(call.traceparent);
            let failed = |error: Error| {
                let message = format!("the response '{}' was not generated", call.response);
                Error::new(error.kind, message).because(error)
            };
            let answer = self.client.send(&self.endpoint, outgoing).await.map_err(failed)?;
            read(&answer).map_err(failed)
        })
    }
}

fn read(answer: &Answer) -> Result<Object> {
    if answer.status.is_client_error() || answer.status.is_server_error() {
        return Err(Error::new(Kind::Refused, format!("the generator answered {}", answer.status)));
    }
    let invalid = |what: String| Error::new(Kind::Invalid, format!("the generator answered with {what}"));
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|error| invalid("no JSON".to_owned()).because(error))?;
    let Value::Object(message) = body else {
        return Err(invalid("JSON that is no object".to_owned()));
    };
    for (key, value) in &message {
        let fits = match key.as_str() {
            "text" | "id" => value.is_string() || value.is_null(),
            "image" => value.is_string() || value.is_object() || value.is_null(),
            "buttons" | "elements" => value.is_array() || value.is_null(),
            "custom" => value.is_object() || value.is_null(),
            _ => true,
        };
        if !fits {
            return Err(invalid(format!("an unusable '{key}'")));
        }
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderMap, StatusCode};
    use bytes::Bytes;

    #[test]
    fn answers_are_checked() {
        let check = |status: StatusCode, body: &str, expected: &str| {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let found = read(&Answer { status, headers: HeaderMap::new(), body });
            let found = found.map_or_else(|error| error.message, |message| format!("{} keys", message.len()));
            assert_eq!(found, expected);
        };
        check(StatusCode::OK, r#"{"text": "hi", "buttons": []}"#, "2 keys");
        check(StatusCode::OK, r#"{"text": 1}"#, "the generator answered with an unusable 'text'");
        check(StatusCode::OK, "[]", "the generator answered with JSON that is no object");
        check(StatusCode::OK, "", "the generator answered with no JSON");
        check(StatusCode::BAD_GATEWAY, "{}", "the generator answered 502 Bad Gateway");
    }
}
