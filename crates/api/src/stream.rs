//! What a producer or consumer of a stream answers: whether it lives, whether it works, what it
//! counts, and, where that is allowed, messages given by hand.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{StatusCode, header};
use intendant_port::stream::{Delivery, Message};
use intendant_streams::consumer::Consumer;
use intendant_streams::counters::{self, Counters};
use serde_json::{Value, json};

/// Most messages given by hand at once.
const MESSAGES_MAX: usize = 10_000;

/// One role of a stream, as it is asked about.
#[derive(Clone)]
pub struct Role {
    /// The stream's name.
    pub stream: String,
    /// `producer` or `consumer`.
    pub role: &'static str,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// The consumer, if it takes messages given by hand.
    pub hook: Option<Arc<Consumer>>,
}

/// `/health`, `/healthz`, `/readyz`, `/metrics`, and `POST /consumer/messages` with a hook.
pub fn router(role: Role) -> Router {
    let mut router = Router::new()
        .route("/health", get(|| async { Json(json!({"status": "healthy"})) }))
        .route("/healthz", get(|| async { Json(json!({"status": "healthy"})) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    if role.hook.is_some() {
        router = router.route("/consumer/messages", post(give));
    }
    router.with_state(role)
}

/// What is told of streams that work beside a server: `GET /streams`, and `POST /streams/NAME/messages` for those that
/// take messages given by hand.
pub fn beside(roles: Arc<Vec<Role>>) -> Router {
    Router::new()
        .route("/streams", get(all))
        .route("/streams/{stream}/messages", post(give_to))
        .with_state(roles)
}

/// Everything counted of streams that work beside a server.
pub fn write_metrics(roles: &[Role], text: &mut String) {
    let counted: Vec<(&str, &str, &Counters)> =
        roles.iter().map(|role| (role.stream.as_str(), role.role, role.counters.as_ref())).collect();
    if !counted.is_empty() {
        counters::write(&counted, text);
    }
}

impl Role {
    /// How it is, in numbers.
    pub fn told(&self) -> Value {
        let counted =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let counters = &self.counters;
        json!({
            "ready": counters.is_ready(), "stream": self.stream, "role": self.role,
            "done": counted(&counters.done), "repeated": counted(&counters.repeated),
            "dead": counted(&counters.dead), "lag": counters.lag(),
            "rate": (counters.rate() * 10.0).round() / 10.0,
        })
    }
}

async fn all(State(roles): State<Arc<Vec<Role>>>) -> Response {
    Json(roles.iter().map(Role::told).collect::<Vec<_>>()).into_response()
}

async fn give_to(State(roles): State<Arc<Vec<Role>>>, Path(stream): Path<String>, body: Bytes) -> Response {
    match roles.iter().find(|role| role.stream == stream && role.hook.is_some()) {
        Some(role) => give(State(role.clone()), body).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn ready(State(role): State<Role>) -> Response {
    let status = match role.counters.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(role.told())).into_response()
}

async fn metrics(State(role): State<Role>) -> Response {
    let mut text = String::new();
    write_metrics(std::slice::from_ref(&role), &mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Messages as if they came from the broker: the same books, the same transaction.
async fn give(State(role): State<Role>, body: Bytes) -> Response {
    let Some(consumer) = &role.hook else { return StatusCode::NOT_FOUND.into_response() };
    let refuse =
        |message: String| (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": message}))).into_response();
    let messages = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Array(messages)) if messages.len() > MESSAGES_MAX => {
            return refuse(format!("at most {MESSAGES_MAX} messages are taken at once"));
        }
        Ok(Value::Array(messages)) => messages,
        Ok(message @ Value::Object(_)) => vec![message],
        Ok(_) => return refuse("a message is a JSON object; several are an array of objects".to_owned()),
        Err(error) => return refuse(format!("the body is not JSON: {error}")),
    };
    let delivery = |message: &Value| Delivery {
        message: Message { key: None, body: message.to_string() },
        damage: None,
        receipt: 0,
        place: None,
        order: 0,
    };
    let deliveries: Vec<Delivery> = messages.iter().map(delivery).collect();
    match consumer.handle(&deliveries).await {
        Ok(handled) => {
            let scored: Vec<Value> =
                handled.scored.iter().map(|(key, output)| json!({"key": key, "output": output})).collect();
            let dead: Vec<Value> =
                handled.dead.iter().map(|dead| json!({"id": dead.id, "reason": dead.reason})).collect();
            Json(json!({"scored": scored, "repeated": handled.repeated, "dead": dead})).into_response()
        }
        Err(error) => {
            tracing::error!(error = error.chain(), "messages given by hand could not be handled");
            let body = json!({"error": "the messages cannot be handled now; nothing was written"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
