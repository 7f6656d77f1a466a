//! Dialogflow ES over REST (`spec: dialogflow.md §3`).

use std::time::Duration;

use ::http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind};
use intendant_port::upstream::{Answer, Failed, Input, Pieces, Question, Upstream, Usage};
use intendant_port::web::percent_encode;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};
use crate::paid::{bearer, free, send, unknown};
use crate::service_account::ServiceAccount;

/// The service's own address.
const URL_DEFAULT: &str = "https://dialogflow.googleapis.com";
/// Where the system keeps counts that are no memory of the conversation.
const COUNTERS: &str = "__system_counters__";

/// Which agent, and how it is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The service's address.
    pub url: String,
    /// The project.
    pub project: String,
    /// The region, if it is not the global one.
    pub location: Option<String>,
    /// The environment, if it is not the draft.
    pub environment: Option<String>,
    /// The edition, for prices.
    pub edition: String,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// An agent that is asked over REST.
pub struct Dialogflow {
    client: HttpClient,
    agent: Agent,
    account: Option<ServiceAccount>,
}

/// The address of the service for a region, or for all.
pub fn service_url(location: Option<&str>) -> String {
    match location {
        Some(location) => format!("https://{location}-dialogflow.googleapis.com"),
        None => URL_DEFAULT.to_owned(),
    }
}

/// The address of a project's agent.
pub(crate) fn agent_url(service: &str, project: &str, location: Option<&str>) -> String {
    let mut url = format!("{}/v2/projects/", service.trim_end_matches('/'));
    percent_encode(project, &mut url);
    if let Some(location) = location {
        url.push_str("/locations/");
        percent_encode(location, &mut url);
    }
    url.push_str("/agent");
    url
}

impl Dialogflow {
    /// An agent; without an account it is asked without a token, as stand-ins are.
    pub fn new(client: HttpClient, agent: Agent, account: Option<ServiceAccount>) -> Self {
        Self { client, agent, account }
    }

    fn endpoint(&self, session: &str) -> Result<Endpoint, Error> {
        let mut url = agent_url(&self.agent.url, &self.agent.project, self.agent.location.as_deref());
        if let Some(environment) = &self.agent.environment {
            url.push_str("/environments/");
            percent_encode(environment, &mut url);
            url.push_str("/users/-");
        }
        url.push_str("/sessions/");
        percent_encode(session, &mut url);
        url.push_str(":detectIntent");
        Endpoint::bare(&url)
    }

    /// A token, in half the time at most: as long as there is none, nothing was sent that could be billed.
    async fn token(&self, account: &ServiceAccount) -> Result<String, Error> {
        let fetched = tokio::time::timeout(self.agent.timeout / 2, account.token()).await;
        fetched.unwrap_or_else(|_| Err(Error::new(Kind::Timeout, "no token was given in time")))
    }

    async fn detect(&self, question: &Question) -> Result<Answer, Failed> {
        let endpoint = self.endpoint(&question.session).map_err(free)?;
        let body = request(question).to_string().into_bytes();
        let mut is_repeated = false;
        loop {
            let mut outgoing = Outgoing::json(body.clone(), self.agent.timeout);
            let mut token = None;
            if let Some(account) = &self.account {
                let fetched = self.token(account).await.map_err(free)?;
                outgoing = bearer(outgoing, &fetched).map_err(free)?;
                token = Some((account, fetched));
            }
            match send(&self.client, &endpoint, &outgoing).await {
                Ok(answer) => {
                    let read: Result<Value, _> = serde_json::from_slice(&answer.body);
                    return match read {
                        Ok(Value::Object(detected)) if detected.contains_key("queryResult") => {
                            Ok(answer_of(Value::Object(detected)))
                        }
                        // It was done, but what it was cannot be read.
                        _ => Err(unknown(Error::new(Kind::Invalid, "it answered with no query result"))),
                    };
                }
                Err(failed) => match token {
                    // The token was taken back before its time; a new one may do.
                    Some((account, token)) if is_unauthorized(&failed) && !is_repeated => {
                        account.forget(&token).await;
                        is_repeated = true;
                    }
                    _ => return Err(failed),
                },
            }
        }
    }
}

fn is_unauthorized(failed: &Failed) -> bool {
    failed.error.message.contains(&StatusCode::UNAUTHORIZED.to_string())
}

impl Upstream for Dialogflow {
    fn name(&self) -> &str {
        "dialogflow"
    }

    fn edition(&self) -> &str {
        &self.agent.edition
    }

    fn needs(&self, _question: &Question) -> Vec<Usage> {
        vec![Usage { kind: "text", units: 1 }]
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        question: &'a Question,
        _pieces: Option<&'a dyn Pieces>,
    ) -> BoxFuture<'a, Result<Answer, Failed>> {
        Box::pin(self.detect(question))
    }
}

/// The body of `detectIntent` for a question.
pub fn request(question: &Question) -> Value {
    let language = &question.language;
    let input = match &question.input {
        Input::Text(text) => json!({"text": {"text": text, "languageCode": language}}),
        Input::Event { name, parameters } => {
            json!({"event": {"name": name, "parameters": parameters, "languageCode": language}})
        }
    };
    let mut body = json!({"queryInput": input});
    if let Some(parameters) = &question.query_params {
        body["queryParams"] = parameters.clone();
    }
    body
}

/// The answer in a response of `detectIntent`, its messages in the form of the REST channel.
pub fn answer_of(detected: Value) -> Answer {
    let result = &detected["queryResult"];
    let empty = Vec::new();
    let rich = result["fulfillmentMessages"].as_array().unwrap_or(&empty);
    let for_all = rich
        .iter()
        .filter(|message| matches!(message["platform"].as_str(), None | Some("PLATFORM_UNSPECIFIED")));
    let mut messages: Vec<Object> = for_all.flat_map(message_of).collect();
    if messages.is_empty()
        && let Some(text) = result["fulfillmentText"].as_str().filter(|text| !text.is_empty())
    {
        messages.push(object(json!({"text": text})));
    }
    let contexts = result["outputContexts"].as_array().unwrap_or(&empty);
    let leaves_state = contexts.iter().any(|context| {
        let is_counter = context["name"].as_str().is_some_and(|name| name.ends_with(COUNTERS));
        !is_counter && context["lifespanCount"].as_i64().unwrap_or(0) > 0
    });
    // Between the questions for a parameter there may be no context to be seen.
    let asks = result["allRequiredParamsPresent"] == Value::Bool(false);
    Answer { messages, leaves_state: leaves_state || asks, detected: Some(detected), usage: Vec::new() }
}

fn message_of(message: &Value) -> Vec<Object> {
    let buttons = |items: &Value, title: &str, payload: &str| -> Vec<Value> {
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        let button = |item: &Value| match item {
            Value::String(text) => json!({"title": text, "payload": text}),
            item => json!({"title": item[title], "payload": item[payload]}),
        };
        items.iter().map(button).collect()
    };
    if let Some(texts) = message["text"]["text"].as_array() {
        let texts = texts.iter().filter_map(Value::as_str).filter(|text| !text.is_empty());
        return texts.map(|text| object(json!({"text": text}))).collect();
    }
    if let Some(image) = message["image"]["imageUri"].as_str() {
        return vec![object(json!({"image": image}))];
    }
    let replies = &message["quickReplies"];
    if replies.is_object() {
        let buttons = buttons(&replies["quickReplies"], "", "");
        return vec![object(json!({"text": replies["title"], "buttons": buttons}))];
    }
    let card = &message["card"];
    if card.is_object() {
        let parts = [&card["title"], &card["subtitle"]];
        let text: Vec<&str> = parts.into_iter().filter_map(Value::as_str).collect();
        let mut made =
            json!({"text": text.join("\n"), "buttons": buttons(&card["buttons"], "text", "postback")});
        if let Some(image) = card["imageUri"].as_str() {
            made["image"] = image.into();
        }
        return vec![object(made)];
    }
    match &message["payload"] {
        Value::Null => Vec::new(),
        payload => vec![object(json!({"custom": payload}))],
    }
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_all_forms() {
        let check = |result: Value, messages: Value, leaves_state: bool| {
            let answer = answer_of(json!({"queryResult": result}));
            assert_eq!((json!(answer.messages), answer.leaves_state), (messages, leaves_state), "{result}");
        };
        check(json!({"fulfillmentText": "hi"}), json!([{"text": "hi"}]), false);
        check(json!({"fulfillmentText": ""}), json!([]), false);
        let rich = json!([
            {"text": {"text": ["one"]}},
            {"text": {"text": ["not here"]}, "platform": "FACEBOOK"},
            {"image": {"imageUri": "http://x/y.png"}},
            {"quickReplies": {"title": "which?", "quickReplies": ["a", "b"]}, "platform": "PLATFORM_UNSPECIFIED"},
            {"card": {"title": "t", "subtitle": "s", "buttons": [{"text": "go", "postback": "/go"}]}},
            {"payload": {"richContent": []}},
        ]);
        check(
            json!({"fulfillmentText": "one", "fulfillmentMessages": rich}),
            json!([
                {"text": "one"},
                {"image": "http://x/y.png"},
                {"text": "which?", "buttons": [{"title": "a", "payload": "a"}, {"title": "b", "payload": "b"}]},
                {"text": "t\ns", "buttons": [{"title": "go", "payload": "/go"}]},
                {"custom": {"richContent": []}},
            ]),
            false,
        );
        let counters =
            json!({"name": "projects/p/agent/sessions/s/contexts/__system_counters__", "lifespanCount": 1});
        check(json!({"outputContexts": [counters]}), json!([]), false);
        let context = json!({"name": "projects/p/agent/sessions/s/contexts/order", "lifespanCount": 2});
        check(json!({"outputContexts": [context]}), json!([]), true);
        check(json!({"allRequiredParamsPresent": false}), json!([]), true);
    }
}
