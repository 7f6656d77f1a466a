//! Dialogflow's own `detectIntent` (`spec: dialogflow.md §3`), so that a client only changes its host.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use intendant_gateway::inquiry::{Refused, Reply};
use intendant_port::upstream::Input;
use intendant_talk::message::Object;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Asked, Front, retry_after, status_of};

/// The longest id of a session.
const SESSION_CHARS_MAX: usize = 36;

/// `POST …/sessions/{session}:detectIntent`.
pub async fn intent(
    State(front): State<Arc<Front>>,
    Path(path): Path<std::collections::HashMap<String, String>>,
    request: Request,
) -> Response {
    let asked = match Asked::read(&front, request, |status, _, why| error(status, why)).await {
        Ok(asked) => asked,
        Err(early) => return early.into_response(),
    };
    let call = path.get("call").map_or("", String::as_str);
    let Some(session) = call
        .strip_suffix(":detectIntent")
        .filter(|session| !session.is_empty() && session.chars().count() <= SESSION_CHARS_MAX)
    else {
        let why = "only `sessions/<at most 36 characters>:detectIntent` is served here";
        return asked.refuse(&front, error(StatusCode::NOT_FOUND, why));
    };
    let query = &asked.body["queryInput"];
    let (input, code) = match (&query["text"], &query["event"]) {
        (Value::Object(text), _) => (
            text.get("text").and_then(Value::as_str).map(|text| Input::Text(text.to_owned())),
            &query["text"],
        ),
        (_, Value::Object(event)) => {
            let parameters = event.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
            let name = event.get("name").and_then(Value::as_str);
            (name.map(|name| Input::Event { name: name.to_owned(), parameters }), &query["event"])
        }
        _ => (None, &Value::Null),
    };
    let Some(input) = input.filter(|input| !input.text().is_empty()) else {
        let why = "`queryInput` has a `text` or an `event`; sound is not metered here";
        return asked.refuse(&front, error(StatusCode::BAD_REQUEST, why));
    };
    let language = code["languageCode"].as_str().map_or_else(|| asked.language(&front), str::to_owned);
    let text = input.text().to_owned();
    let mut inquiry = asked.inquiry(&front, "dialogflow", (session.to_owned(), input, language.clone()));
    inquiry.question.query_params = asked.body.get("queryParams").cloned();
    let scopes = inquiry.scopes.clone();
    match front.gateway.answer(inquiry, None).await {
        Ok(reply) => {
            let response = axum::Json(detected(reply, &text, &language)).into_response();
            asked.allow(&front, response, scopes).await
        }
        Err(refused) => asked.refuse(&front, refusal(&refused, &language)),
    }
}

fn detected(reply: Reply, text: &str, language: &str) -> Value {
    if let Some(detected) = reply.answer.detected {
        return detected;
    }
    let messages: Vec<Value> = reply.answer.messages.iter().map(message).collect();
    let texts = reply.answer.messages.iter().filter_map(|message| message.get("text")?.as_str());
    json!({
        "responseId": Uuid::new_v4().to_string(),
        "queryResult": {
            "queryText": text,
            "languageCode": language,
            "allRequiredParamsPresent": true,
            "fulfillmentText": texts.collect::<Vec<_>>().join("\n"),
            "fulfillmentMessages": messages,
        },
    })
}

fn message(message: &Object) -> Value {
    let text = message.get("text").cloned().unwrap_or_default();
    if let Some(Value::Array(buttons)) = message.get("buttons") {
        let titles: Vec<&Value> = buttons.iter().map(|button| &button["title"]).collect();
        return json!({"quickReplies": {"title": text, "quickReplies": titles}});
    }
    if let Some(image) = message.get("image") {
        return json!({"image": {"imageUri": image}});
    }
    match message.get("custom") {
        Some(custom) => json!({"payload": custom}),
        None => json!({"text": {"text": [text]}}),
    }
}

/// A refusal as Google writes it.
fn refusal(refused: &Refused, language: &str) -> Response {
    let status = match refused {
        Refused::TooLong(_) => StatusCode::BAD_REQUEST,
        other => status_of(other),
    };
    let mut response = error(status, refused.excuse(language));
    retry_after(refused, response.headers_mut());
    response
}

fn error(status: StatusCode, message: &str) -> Response {
    let word = match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => "INVALID_ARGUMENT",
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::METHOD_NOT_ALLOWED => "UNIMPLEMENTED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "RESOURCE_EXHAUSTED",
        StatusCode::CONFLICT => "ABORTED",
        _ => "UNAVAILABLE",
    };
    let body = json!({"error": {"code": status.as_u16(), "message": message, "status": word}});
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}
