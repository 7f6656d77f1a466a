//! One message of the chat page, with the reasons of its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use intendant_channel::collect::Keeper;
use intendant_port::store::Scope;
use intendant_rasa_format::wire;
use intendant_serve::server::{Incoming, Server};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::message::Object;
use serde::Deserialize;
use serde_json::{Value, json};

/// The channel's name, as response variations and trackers see it.
const CHANNEL: &str = "console";

#[derive(Deserialize)]
pub struct ChatMessage {
    pub sender: String,
    pub message: String,
}

/// `GET /api/chat/about`: what the page shows in its head.
pub async fn about(State(server): State<Server>) -> Json<Value> {
    let assistant = server.assistant();
    Json(json!({
        "assistant_id": assistant.as_ref().and_then(|assistant| assistant.mind.assistant_id.clone()),
        "model_file": assistant.as_ref().map(|assistant| assistant.model_file.clone()),
    }))
}

/// `POST /api/chat`: answers a message and says why.
pub async fn message(State(server): State<Server>, Json(message): Json<ChatMessage>) -> Response {
    let started = Instant::now();
    let keeper = Arc::new(Keeper::new(CHANNEL));
    let sender_id = message.sender;
    let incoming = Incoming {
        text: message.message,
        sender_id: sender_id.clone(),
        input_channel: Some(CHANNEL.to_owned()),
        metadata: Object::new(),
        parse: None,
    };
    if let Err(error) = server.handle(incoming, Arc::<Keeper>::clone(&keeper)).await {
        return problem(StatusCode::CONFLICT, &error.to_string());
    }
    let duration = started.elapsed();
    let tracker = match server.stored(&sender_id, Scope::LastSession).await {
        Ok(tracker) => tracker,
        Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let reasons = reasons(tracker.as_ref().map_or(&[], |tracker| tracker.events()));
    answered(&keeper.take_filled(), reasons, duration)
}

/// An answer as the page takes it.
pub fn answered(messages: &[Object], mut reasons: Value, duration: Duration) -> Response {
    reasons["duration_micros"] = json!(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    Json(json!({"messages": messages, "reasons": reasons})).into_response()
}

/// Another site's page must not talk in the name of whoever has this one open.
pub async fn refuse_other_origins(request: Request, next: Next) -> Response {
    match is_own_page(request.headers()) {
        true => next.run(request).await,
        false => problem(StatusCode::FORBIDDEN, "this page may only be used from its own address"),
    }
}

fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("null"));
    text(header::ORIGIN).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == text(header::HOST))
    })
}

pub fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"status": "failure", "message": message, "code": status.as_u16()}))).into_response()
}

/// What happened since the last user message, in the page's words.
fn reasons(events: &[Arc<Event>]) -> Value {
    let start = events.iter().rposition(|event| matches!(event.kind, EventKind::User(_)));
    let Some(start) = start else {
        return json!({"intent_ranking": [], "entities": [], "actions": [], "slots": []});
    };
    let mut reasons = json!({"intent_ranking": [], "entities": []});
    if let EventKind::User(message) = &events[start].kind {
        let parse = wire::parse_to_json(&message.parse);
        let intent = parse.get("intent").cloned().unwrap_or_default();
        reasons["intent_ranking"] = match parse.get("intent_ranking") {
            Some(Value::Array(ranking)) if !ranking.is_empty() => json!(ranking),
            _ if intent.get("name").is_some_and(|name| !name.is_null()) => json!([intent]),
            _ => json!([]),
        };
        reasons["entities"] = parse.get("entities").cloned().unwrap_or_else(|| json!([]));
    }
    let mut actions = Vec::new();
    let mut slots = Vec::new();
    for event in &events[start + 1..] {
        match &event.kind {
            EventKind::Action(action) => actions.push(json!({
                "name": action.name.as_deref().or(action.action_text.as_deref()),
                "policy": action.policy,
                "confidence": action.confidence,
            })),
            EventKind::ActionExecutionRejected { name, policy, confidence } => actions.push(json!({
                "name": format!("{name} (rejected)"),
                "policy": policy,
                "confidence": confidence,
            })),
            EventKind::Slot { name, value } => slots.push(json!({"name": name, "value": value})),
            _ => {}
        }
    }
    reasons["actions"] = json!(actions);
    reasons["slots"] = json!(slots);
    reasons
}
