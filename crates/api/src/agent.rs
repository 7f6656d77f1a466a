//! An agent over HTTP: Dialogflow's `detectIntent` with contexts and session entities (v2 REST), and
//! Rasa's REST channel for the same agent.
//!
//! `/v2/projects/<project>/agent[/environments/<e>/users/<u>]/sessions/<session>:detectIntent`, also
//! with `/locations/<l>` before `/agent` and with `/v2beta1`. One server has one agent, so the project
//! may be any. Errors are those of Google's APIs.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{any, get, post};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use intendant_agent::Answer;
use intendant_agents::service::{Broken, Service};
use intendant_dialogflow_format::wire;
use intendant_port::web::form_decode;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::cors::Cors;
use crate::error::{ApiError, json_response};
use crate::request::Request;

/// The largest body that is taken.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest id of a session, in characters; Dialogflow itself takes 36.
const SESSION_CHARS_MAX: usize = 255;

/// An agent with who may talk to it.
pub struct AgentApi {
    /// The agent.
    pub service: Arc<Service>,
    /// Who may call.
    pub auth: Auth,
    /// Which web pages may call.
    pub cors: Cors,
}

/// The routes; everything else is left to other routers.
pub fn router(api: AgentApi) -> Router {
    Router::new()
        .route("/v2/projects/{*rest}", any(answer))
        .route("/v2beta1/projects/{*rest}", any(answer))
        .route("/webhooks/rest/webhook", post(rest_channel).options(rest_channel))
        .route("/readyz", get(|| async { axum::Json(json!({"status": "ok"})) }))
        .with_state(Arc::new(api))
}

/// An error as Google's APIs tell it.
struct Refusal {
    status: StatusCode,
    name: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let name = match status {
            StatusCode::NOT_FOUND => "NOT_FOUND",
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::METHOD_NOT_ALLOWED => "UNIMPLEMENTED",
            StatusCode::CONFLICT => "ABORTED",
            StatusCode::INTERNAL_SERVER_ERROR => "INTERNAL",
            StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
            _ => "INVALID_ARGUMENT",
        };
        Self { status, name, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn unknown(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is nothing at {path}."))
    }

    fn response(self) -> Response<Body> {
        let error = json!({"code": self.status.as_u16(), "message": self.message, "status": self.name});
        json_response(self.status, &json!({"error": error}))
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        let (status, message) = match broken {
            Broken::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "The message could not be answered."),
            Broken::Busy => (StatusCode::CONFLICT, "Another message of this session is being answered."),
            Broken::Unreachable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The session cannot be read or kept now.")
            }
        };
        Self::new(status, message)
    }
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Detect,
    Contexts,
    Context(&'a str),
    EntityTypes,
    EntityType(&'a str),
}

/// Splits a path into that of the session and what is meant of it.
fn target(path: &str) -> Option<(&str, Target<'_>)> {
    let path = path.strip_prefix("/v2/").or_else(|| path.strip_prefix("/v2beta1/"))?;
    let at = path.find("/sessions/")? + "/sessions/".len();
    let head = &path[..at];
    if !head.starts_with("projects/") || !head.contains("/agent/") {
        return None;
    }
    let tail = &path[at..];
    if let Some(session) = tail.strip_suffix(":detectIntent") {
        let is_session = !session.is_empty() && !session.contains('/');
        return is_session.then(|| (&path[..at + session.len()], Target::Detect));
    }
    let (session, rest) = tail.split_once('/')?;
    let path = &path[..at + session.len()];
    let target = match rest.split_once('/') {
        None if rest == "contexts" => Target::Contexts,
        None if rest == "entityTypes" => Target::EntityTypes,
        Some(("contexts", name)) if !name.is_empty() => Target::Context(name),
        Some(("entityTypes", name)) if !name.is_empty() => Target::EntityType(name),
        _ => return None,
    };
    (!session.is_empty()).then_some((path, target))
}

async fn answer(State(api): State<Arc<AgentApi>>, request: http::Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let mut response = match admit(&api, parts, body).await {
        Err(refusal) => refusal.response(),
        Ok(request) if request.method == Method::OPTIONS => json_response(StatusCode::OK, &json!({})),
        Ok(request) => match perform(&api, &request).await {
            Ok(value) => json_response(StatusCode::OK, &value),
            Err(refusal) => refusal.response(),
        },
    };
    api.cors.decorate(&headers, response.headers_mut());
    response
}

/// Reads a request and checks who sends it.
async fn admit(api: &AgentApi, parts: http::request::Parts, body: Body) -> Result<Request, Refusal> {
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.");
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| too_large())?.to_bytes();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: form_decode(parts.uri.query().unwrap_or("")),
        headers: parts.headers,
        body,
    };
    if request.method == Method::OPTIONS {
        return Ok(request);
    }
    // A shared token may come as the bearer token that Dialogflow's own clients send.
    let bearer = request.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let mut asked = request.clone();
    asked.query.extend(bearer.map(|token| ("token".to_owned(), token.to_owned())));
    match api.auth.check(&asked, None) {
        Ok(()) => Ok(request),
        Err(_) => Err(Refusal::new(StatusCode::UNAUTHORIZED, "A valid token is needed.")),
    }
}

async fn perform(api: &AgentApi, request: &Request) -> Result<Value, Refusal> {
    let unknown = || Refusal::unknown(&request.path);
    let (session, target) = target(&request.path).ok_or_else(unknown)?;
    let id = session.rsplit('/').next().unwrap_or("");
    if id.chars().count() > SESSION_CHARS_MAX {
        return Err(Refusal::bad(format!("A session's id has {SESSION_CHARS_MAX} characters at most.")));
    }
    let service = &api.service;
    let wrong_method = || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "This method does nothing here.");
    match (target, &request.method) {
        (Target::Detect, &Method::POST) => detect(service, session, &body(request)?).await,
        (Target::Contexts, &Method::GET) => {
            let contexts = service.with_session(session, |state| state.contexts.clone()).await?;
            let contexts: Vec<Value> =
                contexts.iter().map(|context| wire::write_context(session, context)).collect();
            Ok(json!({"contexts": contexts}))
        }
        (Target::Contexts, &Method::POST) => put_context(service, session, &body(request)?).await,
        (Target::Contexts, &Method::DELETE) => {
            service.with_session(session, |state| state.contexts.clear()).await?;
            Ok(json!({}))
        }
        (Target::Context(name), &Method::PATCH) => {
            let mut value = body(request)?;
            if !value.is_object() {
                return Err(Refusal::bad("The context must be an object."));
            }
            value["name"] = json!(name);
            put_context(service, session, &value).await
        }
        (Target::Context(name), &Method::GET) => {
            let name = name.to_lowercase();
            let find = |state: &mut intendant_agent::Session| {
                state.contexts.iter().find(|context| context.name == name).cloned()
            };
            let context = service.with_session(session, find).await?.ok_or_else(unknown)?;
            Ok(wire::write_context(session, &context))
        }
        (Target::Context(name), &Method::DELETE) => {
            let name = name.to_lowercase();
            service
                .with_session(session, |state| state.contexts.retain(|context| context.name != name))
                .await?;
            Ok(json!({}))
        }
        (Target::EntityTypes, &Method::GET) => {
            let types = service.with_session(session, |state| state.entities.clone()).await?;
            let types: Vec<Value> =
                types.iter().map(|entities| wire::write_entities(session, entities)).collect();
            Ok(json!({"sessionEntityTypes": types}))
        }
        (Target::EntityTypes, &Method::POST) => put_entities(service, session, &body(request)?).await,
        (Target::EntityType(name), &Method::PATCH) => {
            let mut value = body(request)?;
            if !value.is_object() {
                return Err(Refusal::bad("The entity type must be an object."));
            }
            value["name"] = json!(name);
            put_entities(service, session, &value).await
        }
        (Target::EntityType(name), &Method::GET) => {
            let find = |state: &mut intendant_agent::Session| {
                state.entities.iter().find(|entities| entities.name.eq_ignore_ascii_case(name)).cloned()
            };
            let entities = service.with_session(session, find).await?.ok_or_else(unknown)?;
            Ok(wire::write_entities(session, &entities))
        }
        (Target::EntityType(name), &Method::DELETE) => {
            service.set_entities(session, name, None).await?;
            Ok(json!({}))
        }
        _ => Err(wrong_method()),
    }
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::bad(format!("Invalid JSON payload received: {error}")))
}

async fn detect(service: &Arc<Service>, session: &str, body: &Value) -> Result<Value, Refusal> {
    let (answer, response_id) = ask(service, session, body).await?;
    Ok(wire::write_answer(session, &response_id, &answer))
}

/// Answers the body of `detectIntent`, with its response.
///
/// # Errors
/// What is wrong with it, as the API says it.
pub async fn detected(service: &Arc<Service>, session: &str, body: &Value) -> Result<Value, String> {
    detect(service, session, body).await.map_err(|refusal| refusal.message)
}

async fn ask(service: &Arc<Service>, session: &str, body: &Value) -> Result<(Answer, String), Refusal> {
    let response_id = uuid::Uuid::new_v4();
    let assistant = service.assistant();
    let language = assistant.agent().settings.own_language();
    let (_, seed) = response_id.as_u64_pair();
    let now = wire::Now { language, now_ms: service.now_ms(), seed };
    let query = wire::read_query(body, now).map_err(Refusal::bad)?;
    let response_id = response_id.to_string();
    let answer = service.detect(session, &response_id, query).await?;
    Ok((answer, response_id))
}

async fn put_context(service: &Arc<Service>, session: &str, body: &Value) -> Result<Value, Refusal> {
    let context = wire::read_context(body).map_err(Refusal::bad)?;
    let written = wire::write_context(session, &context);
    service.set_context(session, context).await?;
    Ok(written)
}

async fn put_entities(service: &Arc<Service>, session: &str, body: &Value) -> Result<Value, Refusal> {
    let entities = wire::read_entities(body).map_err(Refusal::bad)?;
    let written = wire::write_entities(session, &entities);
    let name = entities.name.clone();
    service.set_entities(session, &name, Some(entities)).await?;
    Ok(written)
}

/// Rasa's REST channel: `{"sender", "message"}` in, a list of messages out.
async fn rest_channel(State(api): State<Arc<AgentApi>>, request: http::Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map(|body| body.to_bytes());
    let mut response = match body {
        _ if parts.method == Method::OPTIONS => json_response(StatusCode::OK, &json!({})),
        Ok(body) => rest_answer(&api, &parts, body).await,
        Err(_) => Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.").response(),
    };
    api.cors.decorate(&headers, response.headers_mut());
    response
}

async fn rest_answer(api: &AgentApi, parts: &http::request::Parts, body: Bytes) -> Response<Body> {
    let request = Request {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: Vec::new(),
        headers: parts.headers.clone(),
        body,
    };
    let Ok(value) = serde_json::from_slice::<Value>(&request.body) else {
        return ApiError::bad_json().into_response(&request);
    };
    let sender = value["sender"].as_str().unwrap_or("default");
    let said = value["message"].as_str().unwrap_or("");
    let metadata = &value["metadata"];
    let mut input = json!({"text": {"text": said}});
    // As Rasa's `/restart` and `/greet`: a word after a slash is an event.
    if let Some(event) = said.strip_prefix('/').filter(|name| !name.is_empty() && !name.contains(' ')) {
        input = json!({"event": {"name": event}});
    }
    if let Some(language) = metadata["language"].as_str() {
        let kind = if input["event"].is_null() { "text" } else { "event" };
        input[kind]["languageCode"] = json!(language);
    }
    let session = format!("projects/rest/agent/sessions/{}", sender.replace('/', "_"));
    match ask(&api.service, &session, &json!({"queryInput": input})).await {
        Ok((answer, _)) => json_response(StatusCode::OK, &json!(rest_messages(sender, &answer))),
        Err(refusal) => refusal.response(),
    }
}

/// Messages for no platform in particular, or for want of them of the first platform there is.
fn rest_messages(sender: &str, answer: &Answer) -> Vec<Value> {
    let written: Vec<Value> = answer.messages.iter().map(wire::write_said).collect();
    let platform = |message: &Value| message["platform"].as_str().unwrap_or("").to_owned();
    let chosen = if written.iter().any(|message| platform(message).is_empty()) {
        String::new()
    } else {
        written.first().map(platform).unwrap_or_default()
    };
    let mine = written.iter().filter(|message| platform(message) == chosen);
    let mut messages: Vec<Value> = Vec::new();
    for message in mine {
        let mut said = Object::new();
        let mut put = |name: &str, value: &Value| {
            if !value.is_null() && value != "" {
                said.insert(name.to_owned(), value.clone());
            }
        };
        if let Some(text) = message.pointer("/text/text/0") {
            put("text", text);
        } else if let Some(replies) = message.get("quickReplies") {
            put("text", &replies["title"]);
            let buttons = replies["quickReplies"].as_array().into_iter().flatten();
            put("buttons", &buttons.map(|reply| json!({"title": reply, "payload": reply})).collect());
        } else if let Some(card) = message.get("card") {
            let lines = [&card["title"], &card["subtitle"]].into_iter().filter_map(Value::as_str);
            put("text", &json!(lines.collect::<Vec<_>>().join("\n")));
            put("image", &card["imageUri"]);
            let buttons = card["buttons"].as_array().into_iter().flatten();
            let buttons: Vec<Value> = buttons
                .map(|button| json!({"title": button["text"], "payload": button["postback"]}))
                .collect();
            put("buttons", &if buttons.is_empty() { Value::Null } else { json!(buttons) });
        } else if let Some(image) = message.get("image") {
            put("image", &image["imageUri"]);
        } else {
            put("custom", message.get("payload").unwrap_or(message));
        }
        if !said.is_empty() {
            said.insert("recipient_id".to_owned(), json!(sender));
            messages.push(Value::Object(said));
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood() {
        let check =
            |path: &str, expected: Option<(&str, Target<'_>)>| assert_eq!(target(path), expected, "{path}");
        let session = "projects/p/agent/sessions/s";
        check("/v2/projects/p/agent/sessions/s:detectIntent", Some((session, Target::Detect)));
        check("/v2/projects/p/agent/sessions/s/contexts", Some((session, Target::Contexts)));
        check("/v2/projects/p/agent/sessions/s/contexts/c", Some((session, Target::Context("c"))));
        check("/v2/projects/p/agent/sessions/s/entityTypes/e", Some((session, Target::EntityType("e"))));
        let long = "projects/p/locations/eu/agent/environments/draft/users/-/sessions/s:1";
        check(&format!("/v2beta1/{long}:detectIntent"), Some((long, Target::Detect)));
        check("/v2/projects/p/agent/sessions/:detectIntent", None);
        check("/v2/projects/p/agent/sessions/s", None);
        check("/v2/projects/p/agent/intents", None);
        check("/v2/models/m", None);
    }
}
