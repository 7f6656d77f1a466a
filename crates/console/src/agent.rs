//! One message of the chat page to an agent, with the reasons of its answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use intendant_port::upstream::{Input, Nearby, Question};
use serde_json::{Value, json};

use crate::chat::{ChatMessage, answered, problem};

/// An agent that is talked to.
#[derive(Clone)]
pub struct Partner {
    /// Answers, and tells all of `detectIntent`.
    pub agent: Arc<dyn Nearby>,
    /// What the page shows in its head: the agent's name.
    pub name: String,
    /// The model's file.
    pub model_file: String,
    /// The agent's own language.
    pub language: String,
}

/// `GET /api/chat/about`.
pub async fn about(State(partner): State<Partner>) -> Json<Value> {
    Json(json!({"assistant_id": partner.name, "model_file": partner.model_file}))
}

/// `POST /api/chat`.
pub async fn message(State(partner): State<Partner>, Json(message): Json<ChatMessage>) -> Response {
    let started = Instant::now();
    let question = Question {
        session: message.sender,
        input: Input::Text(message.message),
        language: partner.language.clone(),
        before: Vec::new(),
        query_params: None,
    };
    let answer = match partner.agent.answer(&question).await {
        Ok(answer) => answer,
        Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, &error.chain()),
    };
    let duration = started.elapsed();
    let reasons = reasons(&answer.detected.unwrap_or_default()["queryResult"]);
    answered(&answer.messages, reasons, duration)
}

/// What a query result says, in the page's words.
fn reasons(result: &Value) -> Value {
    let ranking = match result["intent"]["displayName"].as_str() {
        Some(name) => json!([{"name": name, "confidence": result["intentDetectionConfidence"]}]),
        None => json!([]),
    };
    let is_filled =
        |value: &Value| !(value.is_null() || value == "" || value.as_array() == Some(&Vec::new()));
    let parameters = result["parameters"].as_object().into_iter().flatten();
    let entities: Vec<Value> = parameters
        .filter(|(_, value)| is_filled(value))
        .map(|(name, value)| json!({"entity": name, "value": value, "extractor": "agent"}))
        .collect();
    let action = result["action"].as_str().filter(|action| !action.is_empty());
    let actions: Vec<Value> = action.map(|action| json!({"name": action})).into_iter().collect();
    let contexts = result["outputContexts"].as_array().into_iter().flatten();
    let slots: Vec<Value> = contexts
        .filter_map(|context| {
            let name = context["name"].as_str()?.rsplit('/').next()?;
            Some(json!({"name": name, "value": context["lifespanCount"]}))
        })
        .collect();
    json!({"intent_ranking": ranking, "entities": entities, "actions": actions, "slots": slots})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_result_says_why() {
        let found = reasons(&json!({
            "intent": {"displayName": "order"}, "intentDetectionConfidence": 0.9, "action": "take.order",
            "parameters": {"drink": "tea", "size": "", "extras": []},
            "outputContexts": [{"name": "projects/p/agent/sessions/s/contexts/ordering", "lifespanCount": 4}],
        }));
        let expected = json!({
            "intent_ranking": [{"name": "order", "confidence": 0.9}],
            "entities": [{"entity": "drink", "value": "tea", "extractor": "agent"}],
            "actions": [{"name": "take.order"}],
            "slots": [{"name": "ordering", "value": 4}],
        });
        assert_eq!(found, expected);
        let nothing = json!({"intent_ranking": [], "entities": [], "actions": [], "slots": []});
        assert_eq!(reasons(&Value::Null), nothing);
    }
}
