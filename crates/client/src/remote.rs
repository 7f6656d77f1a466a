//! A Rasa server elsewhere, by its REST channel.

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind};
use intendant_port::upstream::{Answer, Failed, Pieces, Question, Upstream, Usage};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};
use crate::paid::{send, unknown};

/// A server that is asked by its REST channel.
pub struct RemoteRasa {
    client: HttpClient,
    endpoint: Endpoint,
    edition: String,
    timeout: Duration,
}

impl RemoteRasa {
    /// A server whose REST webhook is at `endpoint`.
    pub fn new(client: HttpClient, endpoint: Endpoint, (edition, timeout): (String, Duration)) -> Self {
        Self { client, endpoint, edition, timeout }
    }
}

impl Upstream for RemoteRasa {
    fn name(&self) -> &str {
        "rasa"
    }

    fn edition(&self) -> &str {
        &self.edition
    }

    fn needs(&self, _question: &Question) -> Vec<Usage> {
        vec![Usage { kind: "text", units: 1 }]
    }

    fn ask<'a>(
        &'a self,
        question: &'a Question,
        _pieces: Option<&'a dyn Pieces>,
    ) -> BoxFuture<'a, Result<Answer, Failed>> {
        Box::pin(async move {
            let body = json!({"sender": question.session, "message": question.input.as_intent(),
                              "metadata": {"language": question.language}});
            let outgoing = Outgoing::json(body.to_string().into_bytes(), self.timeout);
            let answer = send(&self.client, &self.endpoint, &outgoing).await?;
            let invalid = || unknown(Error::new(Kind::Invalid, "it answered with no list of messages"));
            let Ok(Value::Array(items)) = serde_json::from_slice(&answer.body) else { return Err(invalid()) };
            let messages: Option<Vec<Object>> = items
                .into_iter()
                .map(|item| match item {
                    Value::Object(mut message) => {
                        message.remove("recipient_id");
                        Some(message)
                    }
                    _ => None,
                })
                .collect();
            Ok(Answer { messages: messages.ok_or_else(invalid)?, leaves_state: true, ..Answer::default() })
        })
    }
}
