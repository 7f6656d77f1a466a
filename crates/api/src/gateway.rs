//! The gateway's wire: a plain form for front ends, Dialogflow's `detectIntent`, Rasa's REST channel.
//!
//! `POST /api/gateway/message` `{"text", "session"?, "language"?}` gives `{"session", "messages",
//! "source"}`, or as `text/event-stream` the pieces of the text while it is made. Refusals are problem
//! JSON (RFC 9457) with `Retry-After` and a sentence for the user in `detail`; `detectIntent` refuses
//! in Google's own form. Amounts are told only to those who may see them.

mod access;
mod detect;
mod stream;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use intendant_budget::rule::Scopes;
use intendant_budget::standing::Standing;
use intendant_gateway::inquiry::{Inquiry, Refused, Reply};
use intendant_gateway::service::Gateway;
use intendant_gateway::session::Sessions;
use intendant_port::clock::Clock;
use intendant_port::upstream::{Input, Question};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use access::{Caller, Denied};

use crate::early::Early;

/// The largest body taken.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// What clients see of a message.
const SHOWN: [&str; 7] = ["text", "image", "buttons", "quick_replies", "attachment", "elements", "custom"];
/// The longest idempotency key.
const KEY_CHARS_MAX: usize = 200;
/// The longest id of a conversation that a client may choose.
const SENDER_CHARS_MAX: usize = 255;

/// Who may ask, and what they see.
#[derive(Clone)]
pub struct Door {
    /// Origins whose pages may ask, besides the gateway's own; `*` for all.
    pub origins: Vec<String>,
    /// Secrets of clients by name.
    pub keys: BTreeMap<String, String>,
    /// Whether clients without a key may ask.
    pub anonymous: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The language of messages that do not say theirs.
    pub language: String,
    /// Whether everybody may see amounts.
    pub show_amounts: bool,
    /// The project's name in accounts.
    pub project: String,
}

/// A gateway with its door.
pub struct Front {
    /// Answers.
    pub gateway: Gateway,
    /// Makes ids of conversations.
    pub sessions: Sessions,
    /// Who may ask.
    pub door: Door,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

type Shared = State<Arc<Front>>;

/// The routes beside those of an assistant.
pub fn router(front: Arc<Front>) -> Router {
    let sessions = |prefix: &str| format!("/{prefix}/sessions/{{call}}");
    let mut router = Router::new()
        .route("/api/gateway/message", any(message))
        .route("/api/gateway/webhooks/rest/webhook", any(rest))
        .route("/api/gateway/status", get(status))
        .route("/api/gateway/metrics", get(metrics));
    for version in ["v2", "v2beta1"] {
        for place in ["projects/{project}", "projects/{project}/locations/{location}"] {
            for agent in ["agent", "agent/environments/{environment}/users/{user}"] {
                router = router.route(&sessions(&format!("{version}/{place}/{agent}")), any(detect::intent));
            }
        }
    }
    router.with_state(front)
}

/// The routes of a gateway that is alone: the REST channel where clients expect it, and what
/// operators look at, with `figures` beside its own.
pub fn lone_router(
    front: Arc<Front>,
    figures: impl Fn(&mut String) + Clone + Send + Sync + 'static,
) -> Router {
    let metrics = move |State(front): Shared, request: Request| async move {
        let mut text = own_figures(&front, request).await;
        figures(&mut text);
        written(text)
    };
    let lone = Router::new()
        .route("/", get(|| async { "Hello from Intendant, the gateway" }))
        .route("/webhooks/rest/webhook", any(rest))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { axum::Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(&front));
    lone.merge(router(front))
}

async fn ready(State(front): Shared) -> Response {
    let (status, reason) = match front.gateway.standings().await {
        None => (StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be read"),
        Some(_) => (StatusCode::OK, ""),
    };
    let word = if reason.is_empty() { "ok" } else { "not ready" };
    (status, axum::Json(json!({"status": word, "reason": reason}))).into_response()
}

async fn message(State(front): Shared, request: Request) -> Response {
    let asked = match Asked::read(&front, request, problem).await {
        Ok(asked) => asked,
        Err(early) => return early.into_response(),
    };
    let (is_new, session) = match asked.body["session"].as_str() {
        None => (true, front.sessions.make()),
        Some(id) if front.sessions.is_ours(id) => (false, id.to_owned()),
        Some(_) => {
            let why = "this session was not made here; leave `session` out to begin a new one";
            return asked.refuse(&front, problem(StatusCode::BAD_REQUEST, "unknown_session", why));
        }
    };
    let language = asked.language(&front);
    let input = match (&asked.body["text"], &asked.body["event"]) {
        (Value::String(text), _) if !text.trim().is_empty() => Input::Text(text.clone()),
        (_, Value::String(name)) => {
            let parameters = asked.body["parameters"].as_object().cloned().unwrap_or_default();
            Input::Event { name: name.clone(), parameters }
        }
        _ => {
            let why = "the body is JSON with a `text`, and maybe `session` and `language`";
            return asked.refuse(&front, problem(StatusCode::BAD_REQUEST, "bad_request", why));
        }
    };
    let mut inquiry = asked.inquiry(&front, "message", (session, input, language));
    inquiry.is_new = is_new;
    if asked.wants_stream() {
        return stream::answer(front, asked, inquiry).await;
    }
    let (session, scopes) = (inquiry.question.session.clone(), inquiry.scopes.clone());
    let language = inquiry.question.language.clone();
    match front.gateway.answer(inquiry, None).await {
        Ok(reply) => {
            let response = axum::Json(message_body(&session, &reply)).into_response();
            asked.allow(&front, response, scopes).await
        }
        Err(refused) => asked.refuse(&front, asked.problem(&front, &refused, &language)),
    }
}

fn message_body(session: &str, reply: &Reply) -> Value {
    json!({"session": session, "messages": shown(&reply.answer.messages), "source": reply.source.word()})
}

/// Messages without what is only of interest inside, such as the action that sent them.
fn shown(messages: &[Object]) -> Vec<Object> {
    let shown = |message: &Object| {
        let kept = message.iter().filter(|(key, _)| SHOWN.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    messages.iter().map(shown).collect()
}

async fn rest(State(front): Shared, request: Request) -> Response {
    let asked = match Asked::read(&front, request, problem).await {
        Ok(asked) => asked,
        Err(early) => return early.into_response(),
    };
    let sender = asked.body["sender"].as_str().unwrap_or("default");
    let Some(text) = asked.body["message"].as_str().filter(|_| sender.chars().count() <= SENDER_CHARS_MAX)
    else {
        let why = "the body is JSON with `sender` and `message`";
        return asked.refuse(&front, problem(StatusCode::BAD_REQUEST, "bad_request", why));
    };
    let (input, language) = (Input::Text(text.to_owned()), asked.language(&front));
    let session = front.sessions.derived(sender);
    let inquiry = asked.inquiry(&front, "rest", (session, input, language.clone()));
    let scopes = inquiry.scopes.clone();
    match front.gateway.answer(inquiry, None).await {
        Ok(reply) => {
            let mut messages = shown(&reply.answer.messages);
            for message in &mut messages {
                message.insert("recipient_id".to_owned(), sender.into());
            }
            let response = axum::Json(json!(messages)).into_response();
            asked.allow(&front, response, scopes).await
        }
        Err(refused) => asked.refuse(&front, asked.problem(&front, &refused, &language)),
    }
}

async fn status(State(front): Shared, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let caller = Caller::of(&front.door, &parts);
    if !caller.may_see_amounts(&front.door) {
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", "show a key to see amounts");
    }
    match front.gateway.standings().await {
        Some(standings) => axum::Json(standings_body(&standings)).into_response(),
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", "the ledger cannot be read"),
    }
}

async fn metrics(State(front): Shared, request: Request) -> Response {
    written(own_figures(&front, request).await)
}

async fn own_figures(front: &Front, request: Request) -> String {
    let (parts, _) = request.into_parts();
    let caller = Caller::of(&front.door, &parts);
    let standings = match caller.may_see_amounts(&front.door) {
        true => front.gateway.standings().await.unwrap_or_default(),
        false => Vec::new(),
    };
    let mut text = String::new();
    front.gateway.figures().write(&mut text, &standings, front.gateway.is_resting());
    text
}

fn written(figures: String) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], figures).into_response()
}

/// How accounts stand, for programs.
pub fn standings_body(standings: &[Standing]) -> Value {
    let shown = standings.iter().map(|standing| {
        let balance = &standing.balance;
        let forecast = standing.forecast.map(|forecast| {
            json!({
                "at_end_micros": forecast.at_end.micros,
                "exhausted_at_micros": forecast.exhausted_at.map(|at| at.micros),
            })
        });
        json!({
            "account": standing.account,
            "scope": standing.rule.scope.word(),
            "period": standing.rule.period.to_string(),
            "limit_micros": balance.limit.micros,
            "granted_micros": balance.granted.micros,
            "spent_micros": balance.spent.micros,
            "reserved_micros": balance.reserved.micros,
            "remaining_micros": balance.left().micros,
            "saved_micros": balance.saved.micros,
            "uncertain_micros": balance.uncertain.micros,
            "requests": balance.requests,
            "is_exhausted": standing.is_exhausted,
            "begins_at_micros": balance.window.first.micros,
            "ends_at_micros": balance.window.ends.map(|at| at.micros),
            "forecast": forecast,
        })
    });
    json!({"currency": "USD", "accounts": shown.collect::<Vec<_>>()})
}

/// How an error is written: by its status, a word for programs and a sentence.
type Written = fn(StatusCode, &str, &str) -> Response;

/// A request that was let in, read to its end.
struct Asked {
    caller: Caller,
    headers: HeaderMap,
    body: Value,
}

impl Asked {
    /// Lets a request in, or answers it in the caller's form of errors.
    async fn read(front: &Front, request: Request, error: Written) -> Result<Self, Early> {
        let (parts, body) = request.into_parts();
        let caller = Caller::of(&front.door, &parts);
        let headers = parts.headers;
        let mut asked = Self { caller, headers, body: Value::Null };
        if parts.method == Method::OPTIONS {
            return Err(asked.refuse(front, StatusCode::NO_CONTENT.into_response()).into());
        }
        if parts.method != Method::POST {
            let response = error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "send a POST");
            return Err(([(header::ALLOW, "POST, OPTIONS")], response).into_response().into());
        }
        match asked.caller.denied {
            Some(Denied::Origin) => {
                let why = "pages of this origin may not ask here; the operator lists them in gateway.origins";
                return Err(error(StatusCode::FORBIDDEN, "origin_not_allowed", why).into());
            }
            Some(Denied::Key) => {
                let response = error(StatusCode::UNAUTHORIZED, "unauthorized", "show a key of this gateway");
                return Err(asked.refuse(front, response).into());
            }
            None => {}
        }
        let bytes: Bytes = match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(_) => {
                let why = "the body is too large, or broke off";
                let response = error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", why);
                return Err(asked.refuse(front, response).into());
            }
        };
        asked.body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(asked)
    }

    fn language(&self, front: &Front) -> String {
        let own = self.body["language"].as_str();
        let accepted = || {
            let header = self.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            header.split([',', ';']).next().map(str::trim).filter(|tag| !tag.is_empty() && *tag != "*")
        };
        let is_tag = |tag: &&str| {
            tag.len() <= 35 && tag.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '-')
        };
        own.or_else(accepted).filter(is_tag).unwrap_or(&front.door.language).to_owned()
    }

    fn wants_stream(&self) -> bool {
        let accept = self.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains("text/event-stream"))
    }

    fn inquiry(
        &self,
        front: &Front,
        channel: &str,
        (session, input, language): (String, Input, String),
    ) -> Inquiry {
        let key = self.headers.get("idempotency-key").and_then(|value| value.to_str().ok());
        let scopes = Scopes {
            project: front.door.project.clone(),
            key: self.caller.key.clone(),
            channel: channel.to_owned(),
            conversation: session.clone(),
        };
        let question = Question { session, input, language, before: Vec::new(), query_params: None };
        Inquiry {
            question,
            scopes,
            address: self.caller.address.clone(),
            is_new: false,
            idempotency_key: key
                .filter(|key| !key.is_empty() && key.len() <= KEY_CHARS_MAX)
                .map(str::to_owned),
        }
    }

    /// A good answer, with what is left for those who may see it.
    async fn allow(&self, front: &Front, mut response: Response, scopes: Scopes) -> Response {
        if self.caller.may_see_amounts(&front.door) {
            let standings = front.gateway.standings_of(scopes).await;
            let tightest = standings.iter().min_by_key(|standing| standing.balance.left());
            if let Some(standing) = tightest {
                let now = front.clock.now().micros;
                let reset = standing.balance.window.ends.map(|ends| (ends.micros - now).max(0) / 1_000_000);
                let values = [
                    ("x-budget-limit", Some(standing.balance.limit.to_string())),
                    ("x-budget-remaining", Some(standing.balance.left().to_string())),
                    ("x-budget-reset", reset.map(|seconds| seconds.to_string())),
                ];
                for (name, value) in values {
                    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                        response.headers_mut().insert(name, value);
                    }
                }
            }
        }
        self.refuse(front, response)
    }

    /// Any answer, with what browsers need.
    fn refuse(&self, front: &Front, mut response: Response) -> Response {
        self.caller.decorate(&front.door, response.headers_mut());
        response
    }

    /// Why there is no answer, as problem JSON.
    fn problem(&self, front: &Front, refused: &Refused, language: &str) -> Response {
        let status = status_of(refused);
        let mut body = json!({
            "type": "about:blank",
            "title": refused.word().replace('_', " "),
            "status": status.as_u16(),
            "code": refused.word(),
            "detail": refused.excuse(language),
        });
        if let Refused::Exhausted(refusal, _) = refused {
            body["scope"] = refusal.scope.word().into();
            body["resets_at"] = refusal.resets_at.map(|at| at.micros.div_euclid(1_000_000)).into();
            if self.caller.may_see_amounts(&front.door) {
                body["limit"] = refusal.limit.to_string().into();
                body["spent"] = refusal.spent.to_string().into();
            }
        }
        let mut response = (status, body.to_string()).into_response();
        mark_problem(response.headers_mut());
        retry_after(refused, response.headers_mut());
        response
    }
}

fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::TooFast(_) | Refused::Exhausted(..) => StatusCode::TOO_MANY_REQUESTS,
        Refused::UnderWay => StatusCode::CONFLICT,
        Refused::NoPrice(_) | Refused::NoLedger | Refused::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn retry_after(refused: &Refused, headers: &mut HeaderMap) {
    let seconds = match refused {
        Refused::TooFast(seconds) => Some((*seconds).min(86_400)),
        Refused::Exhausted(_, seconds) | Refused::Unavailable(seconds) => *seconds,
        Refused::UnderWay => Some(1),
        Refused::TooLong(_) | Refused::NoPrice(_) | Refused::NoLedger => None,
    };
    if let Some(seconds) = seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn mark_problem(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
}

fn problem(status: StatusCode, code: &str, why: &str) -> Response {
    let body = json!({"type": "about:blank", "title": code.replace('_', " "), "status": status.as_u16(),
                      "code": code, "detail": why});
    let mut response = (status, Body::from(body.to_string())).into_response();
    mark_problem(response.headers_mut());
    response
}
