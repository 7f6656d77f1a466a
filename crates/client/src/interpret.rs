//! Understanding by another server of ours or Rasa's (`spec: http-and-channels.md §9`).

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::interpret::Interpreter;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_rasa_format::wire;
use intendant_talk::message::Parse;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};

/// How long understanding may take.
const PARSE_TIMEOUT: Duration = Duration::from_secs(300);

/// A server that is asked to understand texts.
pub struct WebhookInterpreter {
    client: HttpClient,
    endpoint: Endpoint,
    token: Option<String>,
}

impl WebhookInterpreter {
    /// The server that `nlu` of `endpoints.yml` names. Nothing is connected.
    ///
    /// # Errors
    /// When its URL cannot be used.
    pub fn new(client: HttpClient, config: &EndpointConfig) -> Result<Self> {
        let endpoint = Endpoint::new(config)?;
        let url = format!("{}/model/parse", config.url.as_deref().unwrap_or_default().trim_end_matches('/'));
        Ok(Self { client, endpoint: endpoint.at(&url)?, token: config.token.clone() })
    }
}

impl Interpreter for WebhookInterpreter {
    fn parse<'a>(&'a self, text: &'a str, sender_id: &'a str) -> BoxFuture<'a, Result<Parse>> {
        Box::pin(async move {
            // Rasa sends the token in the body, where no server looks for it; the endpoint has it in
            // the query too.
            let body = json!({"token": self.token, "text": text, "message_id": sender_id});
            let outgoing = Outgoing::json(body.to_string().into_bytes(), PARSE_TIMEOUT);
            let answer = self.client.send(&self.endpoint, outgoing).await?;
            if !answer.status.is_success() {
                return Err(Error::new(Kind::Refused, format!("the NLU server answered {}", answer.status)));
            }
            let invalid =
                |what: String| Error::new(Kind::Invalid, format!("the NLU server answered with {what}"));
            let body: Value = serde_json::from_slice(&answer.body)
                .map_err(|error| invalid("no JSON".to_owned()).because(error))?;
            wire::parse_from_json(&body).map_err(|error| invalid(format!("no parse data: {error}")))
        })
    }
}
