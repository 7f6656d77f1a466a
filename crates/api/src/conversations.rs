//! Operations on conversations.

use std::sync::Arc;

use axum::body::Body;
use http::{Response, StatusCode};
use intendant_channel::collect::Collector;
use intendant_policy::Prediction;
use intendant_port::BoxFuture;
use intendant_port::outlet::Outlet;
use intendant_port::store::Scope;
use intendant_rasa_format::wire::{self, ErrorKind, Verbosity};
use intendant_serve::assistant::Assistant;
use intendant_serve::server::{Execute, Incoming, Posted, Trigger};
use intendant_serve::turn::PickOutlet;
use intendant_talk::domain::python_text;
use intendant_talk::event::Event;
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::error::{ApiError, json_response, text_response};
use crate::request::Request;
use crate::router::Api;

type Answer = Result<Response<Body>, ApiError>;

pub async fn retrieve_tracker(api: &Api, request: &Request, id: &str) -> Answer {
    let verbosity = verbosity(request)?;
    let tracker = api.server.conversation(id).await?;
    let tracker = match until(request) {
        Some(until) => back_in_time(&tracker, until),
        None => tracker,
    };
    ok(wire::tracker_state(&tracker, verbosity))
}

pub async fn append_events(api: &Api, request: &Request, id: &str) -> Answer {
    let body = request.json()?;
    let events = events(api, &body)?;
    let verbosity = verbosity(request)?;
    if events.is_empty() {
        return Err(ApiError::conversation("couldn't extract a proper event from the request body"));
    }
    let posted = Posted { events, side_effects: request.flag("execute_side_effects", false) };
    let outlets = Outlets::new(api, request);
    let pick = outlets.pick();
    let look = move |tracker: &Tracker| wire::tracker_state(tracker, verbosity);
    ok(api.server.append_events(id.to_owned(), posted, pick, look).await?)
}

pub async fn replace_events(api: &Api, request: &Request, id: &str) -> Answer {
    let body = request.json()?;
    let events = events(api, &body)?;
    let verbosity = verbosity(request)?;
    if !body.is_array() {
        return Err(ApiError::conversation("a conversation is replaced by a list of events"));
    }
    let tracker = api.server.replace_events(id, events).await?;
    ok(wire::tracker_state(&tracker, verbosity))
}

pub async fn retrieve_story(api: &Api, request: &Request, id: &str) -> Answer {
    let all_sessions = request.flag("all_sessions", false);
    let scope = if all_sessions { Scope::AllSessions } else { Scope::LastSession };
    let tracker = known(api, id, scope).await?;
    let mut sessions = vec![tracker];
    if all_sessions {
        sessions = crate::story::sessions(&sessions.remove(0));
    }
    if let Some(until) = until(request) {
        sessions = sessions.iter().map(|session| back_in_time(session, until)).collect();
        sessions.retain(|session| !session.events().is_empty());
    }
    Ok(text_response(StatusCode::OK, crate::story::test_stories(id, &sessions)))
}

pub async fn execute_action(api: &Api, request: &Request, id: &str) -> Answer {
    known(api, id, Scope::LastSession).await?;
    let body = object(request)?;
    let name = body.get("name").filter(|name| !name.is_null() && **name != json!("")).map(python_text);
    let Some(name) = name else {
        let message = "Name of the action not provided in request body.";
        return Err(ApiError::bad_parameter(message, "name", "body"));
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let confidence = body.get("confidence").and_then(Value::as_f64);
    let verbosity = verbosity(request)?;
    let execute = Execute { name, policy: text("policy"), confidence };
    let outlets = Outlets::new(api, request);
    let look = move |tracker: &Tracker| wire::tracker_state(tracker, verbosity);
    let state = api.server.execute(id.to_owned(), execute, outlets.pick(), look).await?;
    ok(outlets.answer(state))
}

pub async fn trigger_intent(api: &Api, request: &Request, id: &str) -> Answer {
    let body = object(request)?;
    let intent = body.get("name").filter(|name| !name.is_null() && **name != json!("")).map(python_text);
    let Some(intent) = intent else {
        let message = "Name of the intent not provided in request body.";
        return Err(ApiError::bad_parameter(message, "name", "body"));
    };
    let verbosity = verbosity(request)?;
    let outlets = Outlets::new(api, request);
    let trigger = Trigger { intent, entities: body.get("entities").cloned().unwrap_or_default() };
    let look = move |tracker: &Tracker| wire::tracker_state(tracker, verbosity);
    let name = trigger.intent.clone();
    let state = api.server.trigger_intent(id.to_owned(), trigger, outlets.pick(), look).await;
    let state = state.map_err(|error| match error.kind {
        intendant_serve::error::Kind::UnknownName => {
            let message = format!("The intent {name} does not exist in the domain.");
            ApiError::new(StatusCode::NOT_FOUND, "NotFound", message)
        }
        _ => ApiError::from(error),
    })?;
    ok(outlets.answer(state))
}

pub async fn predict(api: &Api, id: &str) -> Answer {
    known(api, id, Scope::LastSession).await?;
    let look = |tracker: &Tracker, prediction: Option<Prediction>, assistant: &Assistant| {
        let state = wire::tracker_state(tracker, Verbosity::AfterRestart);
        prediction.map(|prediction| prediction_json(&prediction, assistant, state))
    };
    let mut body = api.server.predict(id.to_owned(), look).await?.ok_or_else(no_policies)?;
    if let Some(Value::Array(scores)) = body.get_mut("scores") {
        let score = |entry: &Value| entry["score"].as_f64().unwrap_or(0.0);
        scores.sort_by(|left, right| {
            let by_name = || left["action"].as_str().cmp(&right["action"].as_str());
            score(right).total_cmp(&score(left)).then_with(by_name)
        });
    }
    ok(body)
}

pub fn predict_events(api: &Api, request: &Request) -> Answer {
    let body = request.json()?;
    let events = events(api, &body)?;
    let verbosity = verbosity(request)?;
    if !body.is_array() {
        return Err(ApiError::bad_request("Supplied events are not a list."));
    }
    let assistant = api.server.assistant().ok_or_else(ApiError::no_model)?;
    let mut tracker = Tracker::new("default", Arc::clone(&assistant.mind.slots));
    for event in events {
        tracker.update(event);
    }
    let prediction = assistant.mind.predict(&tracker).ok_or_else(no_policies)?;
    ok(prediction_json(&prediction, &assistant, wire::tracker_state(&tracker, verbosity)))
}

pub async fn add_message(api: &Api, request: &Request, id: &str) -> Answer {
    let body = request.json()?;
    if body.is_null() {
        let message = "No message defined in request body. Add a message to the request body in order to \
                       add it to the tracker.";
        return Err(ApiError::bad_request(message));
    }
    let body = body.as_object().ok_or_else(ApiError::internal)?;
    let verbosity = verbosity(request)?;
    let sender = body.get("sender").cloned().unwrap_or_default();
    if sender != json!("user") {
        let message = format!(
            "Currently, only user messages can be passed to this endpoint. Messages of sender '{}' cannot be \
             handled.",
            python_text(&sender)
        );
        return Err(ApiError::bad_parameter(message, "sender", "body"));
    }
    let text = body.get("text").and_then(Value::as_str);
    let text = text.ok_or_else(|| ApiError::conversation("the message has no text"))?;
    let parse = match body.get("parse_data") {
        None | Some(Value::Null) => None,
        Some(parse_data) => Some(wire::parse_from_json(parse_data).map_err(ApiError::conversation)?),
    };
    let incoming = Incoming { text: text.to_owned(), sender_id: id.to_owned(), parse, ..Incoming::default() };
    let look = move |tracker: &Tracker| wire::tracker_state(tracker, verbosity);
    ok(api.server.log(incoming, Arc::new(Collector::default()), look).await?)
}

fn ok(body: Value) -> Answer {
    Ok(json_response(StatusCode::OK, &body))
}

fn no_policies() -> ApiError {
    ApiError::conversation("the model was trained without policies, so nothing can be predicted")
}

fn prediction_json(prediction: &Prediction, assistant: &Assistant, mut tracker: Value) -> Value {
    // Predicting uses a pending follow-up action up.
    tracker["followup_action"] = Value::Null;
    let actions = assistant.mind.actions().iter();
    let scores: Vec<Value> = actions
        .zip(&prediction.probabilities)
        .map(|(action, score)| json!({"action": action, "score": score}))
        .collect();
    json!({
        "scores": scores,
        "policy": prediction.policy,
        "confidence": prediction.confidence(),
        "tracker": tracker,
    })
}

/// The conversation as stored, or the answer that it is not known.
async fn known(api: &Api, id: &str, scope: Scope) -> Result<Tracker, ApiError> {
    api.server.stored(id, scope).await?.ok_or_else(ApiError::unknown_conversation)
}

/// The body, which must be an object; the framework below Rasa fails on anything else.
fn object(request: &Request) -> Result<Object, ApiError> {
    match request.json()? {
        Value::Object(object) => Ok(object),
        _ => Err(ApiError::internal()),
    }
}

fn events(api: &Api, body: &Value) -> Result<Vec<Event>, ApiError> {
    let now = api.server.outside().clock.now();
    wire::validate_events(body, now).map_err(|error| match error.kind {
        ErrorKind::Schema => ApiError::bad_request(format!(
            "Failed to validate the events format. For more information about the format visit the docs. \
             Error: {error}"
        )),
        ErrorKind::Event => ApiError::conversation(error),
    })
}

fn verbosity(request: &Request) -> Result<Verbosity, ApiError> {
    let Some(text) = request.query("include_events") else {
        return Ok(Verbosity::AfterRestart);
    };
    Verbosity::parse(text).ok_or_else(|| {
        let message = "Invalid parameter value for 'include_events'. Should be one of NONE, APPLIED, \
                       AFTER_RESTART, ALL";
        ApiError::bad_parameter(message, "include_events", "query")
    })
}

fn until(request: &Request) -> Option<Timestamp> {
    let text = request.query("until")?;
    let Ok(seconds) = text.trim().parse::<f64>() else {
        tracing::warn!(until = text, "the query parameter is not a number and is ignored");
        return None;
    };
    Some(Timestamp::from_secs_f64(seconds))
}

/// The conversation up to the first event after `until`.
fn back_in_time(tracker: &Tracker, until: Timestamp) -> Tracker {
    let mut earlier = Tracker::new(tracker.sender_id.clone(), Arc::clone(tracker.slots()));
    for event in tracker.events().iter().take_while(|event| event.timestamp <= until) {
        earlier.update_shared(Arc::clone(event));
    }
    earlier
}

/// Sends to a channel and keeps a copy.
struct Tee {
    outlet: Arc<dyn Outlet>,
    collector: Arc<Collector>,
}

impl Outlet for Tee {
    fn name(&self) -> &str {
        self.outlet.name()
    }

    fn send<'a>(
        &'a self,
        recipient_id: &'a str,
        message: &'a Object,
    ) -> BoxFuture<'a, intendant_port::error::Result<()>> {
        Box::pin(async move {
            self.collector.send(recipient_id, message).await?;
            self.outlet.send(recipient_id, message).await
        })
    }
}

/// Where the answers of one request go: to the channel it names, or back to the caller.
struct Outlets<'a> {
    api: &'a Api,
    requested: Option<String>,
    collector: Arc<Collector>,
}

impl<'a> Outlets<'a> {
    fn new(api: &'a Api, request: &Request) -> Self {
        Self { api, requested: request.query("output_channel").map(str::to_owned), collector: Arc::default() }
    }

    fn pick(&self) -> PickOutlet {
        let requested = self.requested.clone();
        let channels = self.api.channels.clone();
        let collector = Arc::clone(&self.collector);
        Box::new(move |tracker| {
            let name = match requested.as_deref() {
                Some("latest") => tracker.latest_input_channel(),
                other => other,
            };
            // Whatever goes elsewhere is shown to the caller as well.
            match name.and_then(|name| channels.outlet(name, tracker)) {
                Some(outlet) => Arc::new(Tee { outlet, collector }),
                None => collector,
            }
        })
    }

    fn answer(&self, tracker: Value) -> Value {
        json!({"tracker": tracker, "messages": self.collector.take()})
    }
}
