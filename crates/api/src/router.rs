//! From an HTTP request to an operation and back: size limit, routes, authentication, CORS.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use intendant_channel::platform::Call;
use intendant_port::deliver::Courier;
use intendant_port::trace::{SpanContext, SpanKind};
use intendant_port::web::form_decode;
use intendant_serve::server::Server;
use intendant_serve::trace::{self, Begun};
use intendant_serve::workshop::Workshop;

use crate::auth::Auth;
use crate::cors::Cors;
use crate::error::{ApiError, json_response};
use crate::request::Request;
use crate::route::{Gate, Matched, Operation, find};
use crate::sockets::Desk;
use crate::station::Station;
use crate::webhooks::Channels;
use crate::{conversations, metrics, model, openapi, system, webhooks};

/// The largest body taken when nothing else is said: training data of large projects fit.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The largest body of a channel's message.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// How the API behaves.
#[derive(Clone)]
pub struct ApiSettings {
    /// `--enable-api`: everything; otherwise only `GET /` and the channels.
    pub enable_api: bool,
    /// Who may call.
    pub auth: Auth,
    /// Which web pages may call.
    pub cors: Cors,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// How long a response may take to begin; what it waits for goes on without it.
    pub response_timeout: Duration,
}

/// What the handlers work with.
pub struct Api {
    /// The server.
    pub server: Server,
    /// Training, loading, testing.
    pub workshop: Arc<dyn Workshop>,
    /// The open channels.
    pub channels: Channels,
    /// Delivery of results to `callback_url`s.
    pub courier: Arc<dyn Courier>,
    /// How the API behaves.
    pub settings: ApiSettings,
    /// Trainings that are running.
    pub trainings: AtomicUsize,
}

/// The router: answers every path that no other router of the process claims.
pub fn router(api: Api) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(api))
}

async fn answer(
    State(api): State<Arc<Api>>,
    request: http::Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    if let Some(sockets) = api.channels.sockets_at(parts.uri.path())
        && parts.method != Method::OPTIONS
    {
        let headers = parts.headers.clone();
        let desk = Desk { server: api.server.clone(), sockets: Arc::clone(sockets) };
        let mut response = desk.respond(parts, body).await;
        api.settings.cors.decorate(&headers, response.headers_mut());
        return Ok(response);
    }
    if let Some((station, tail)) = api.channels.station_at(parts.uri.path())
        && matches!(parts.method, Method::GET | Method::POST)
    {
        let call = Call {
            method: parts.method,
            tail: tail.to_owned(),
            target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            query: form_decode(parts.uri.query().unwrap_or("")),
            headers: parts.headers,
            body: bytes::Bytes::new(),
        };
        let (start, method) = (Instant::now(), call.method.clone());
        let response = respond_at(&api, station, call, body).await;
        let status = response.status();
        let labels = [method.as_str(), "/webhooks/{channel}/webhook", status.as_str()];
        api.server.metrics().requests.add(&labels, start.elapsed());
        return Ok(response);
    }
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: form_decode(parts.uri.query().unwrap_or("")),
        headers: parts.headers,
        body: bytes::Bytes::new(),
    };
    let origin_headers = request.headers.clone();
    let mut response = if request.method == Method::OPTIONS {
        Response::new(Body::empty())
    } else {
        observed(&api, request, body).await
    };
    api.settings.cors.decorate(&origin_headers, response.headers_mut());
    Ok(response)
}

/// Answers a request, counts it and tells who traces.
async fn observed(api: &Arc<Api>, request: Request, body: Body) -> Response<Body> {
    let start = Instant::now();
    let method = request.method.clone();
    let matched = find(method.as_str(), &request.path);
    let (route, is_of_interest) = match &matched {
        Matched::Route { path, operation, .. } => (*path, !operation.is_for_operators()),
        Matched::WrongMethod { .. } | Matched::Unknown => ("none", false),
    };
    let mut span = match is_of_interest {
        true => {
            let parent = request.header("traceparent").and_then(SpanContext::parse);
            api.server.begin_span(format!("{method} {route}"), SpanKind::Server, parent)
        }
        false => None,
    };
    let context = span.as_ref().map(Begun::context);
    let response = trace::within(context, respond(api, request, body)).await;
    let status = response.status();
    if let Some(span) = &mut span {
        span.set("http.request.method", method.as_str());
        span.set("http.route", route);
        span.set("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.fail(status.to_string());
        }
    }
    let method = if route == "none" { "any" } else { method.as_str() };
    api.server.metrics().requests.add(&[method, route, status.as_str()], start.elapsed());
    response
}

async fn respond(api: &Arc<Api>, mut request: Request, body: Body) -> Response<Body> {
    match admit(api, &mut request, body).await {
        Ok((operation, parameter)) => {
            let performed = perform(api, operation, &request, &parameter);
            match tokio::time::timeout(api.settings.response_timeout, performed).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => error.into_response(&request),
                Err(_) => ApiError::too_slow().into_response(&request),
            }
        }
        Err(error) => {
            let mut response = error.into_response(&request);
            if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                // The rest of the body is not read, so the connection cannot be used again.
                response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
            }
            response
        }
    }
}

/// Answers a request to a provider's webhook.
async fn respond_at(api: &Api, station: &Arc<Station>, mut call: Call, body: Body) -> Response<Body> {
    match read_body(body, &call.headers, MESSAGE_BYTES_MAX).await {
        Ok(body) => {
            call.body = body;
            station.receive(&api.server, call).await
        }
        Err(error) => {
            let Call { method, target, query, headers, body, .. } = call;
            error.into_response(&Request { method, path: target, query, headers, body })
        }
    }
}

/// Finds the operation, checks who calls, reads the body.
async fn admit(api: &Api, request: &mut Request, body: Body) -> Result<(Operation, String), ApiError> {
    let (operation, gate, parameter) = match find(request.method.as_str(), &request.path) {
        Matched::Route { operation, gate, parameter, .. } => (operation, gate, parameter.map(str::to_owned)),
        Matched::WrongMethod { allow } => return Err(wrong_method(request, allow)),
        Matched::Unknown => return Err(ApiError::unknown_path(request)),
    };
    if !matches!(gate, Gate::Open | Gate::Guarded) && !api.settings.enable_api {
        return Err(ApiError::unknown_path(request));
    }
    if gate == Gate::Tokens && !api.settings.auth.checks_tokens() {
        return Err(ApiError::unknown_path(request));
    }
    if matches!(gate, Gate::Guarded | Gate::Authenticated | Gate::WithModel) {
        api.settings.auth.check(request, parameter.as_deref())?;
    }
    if gate == Gate::WithModel && api.server.assistant().is_none() {
        return Err(ApiError::no_model());
    }
    let is_channel = matches!(operation, Operation::ChannelHealth | Operation::ChannelMessage);
    if is_channel && parameter.as_deref().and_then(|name| api.channels.find(name)).is_none() {
        return Err(ApiError::unknown_path(request));
    }
    let limit = match operation {
        Operation::ChannelMessage => api.settings.body_bytes_max.min(MESSAGE_BYTES_MAX),
        _ => api.settings.body_bytes_max,
    };
    request.body = read_body(body, &request.headers, limit).await?;
    Ok((operation, parameter.unwrap_or_default()))
}

async fn read_body(body: Body, headers: &HeaderMap, limit: usize) -> Result<bytes::Bytes, ApiError> {
    let too_large = || {
        let message = format!("The request body is larger than {limit} bytes");
        ApiError::framework(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => {
            Err(ApiError::framework(StatusCode::BAD_REQUEST, format!("Cannot read the body: {error}")))
        }
    }
}

fn wrong_method(request: &Request, allow: &'static [&'static str]) -> ApiError {
    let message = format!("Method {} not allowed for URL {}", request.method, request.path);
    ApiError::Framework { status: StatusCode::METHOD_NOT_ALLOWED, message, allow }
}

async fn perform(
    api: &Arc<Api>,
    operation: Operation,
    request: &Request,
    parameter: &str,
) -> Result<Response<Body>, ApiError> {
    match operation {
        Operation::Hello => Ok(system::hello()),
        Operation::Version => Ok(system::version()),
        Operation::Status => system::status(api),
        Operation::Domain => system::domain(api, request),
        Operation::RetrieveTracker => conversations::retrieve_tracker(api, request, parameter).await,
        Operation::AppendEvents => conversations::append_events(api, request, parameter).await,
        Operation::ReplaceEvents => conversations::replace_events(api, request, parameter).await,
        Operation::RetrieveStory => conversations::retrieve_story(api, request, parameter).await,
        Operation::ExecuteAction => conversations::execute_action(api, request, parameter).await,
        Operation::TriggerIntent => conversations::trigger_intent(api, request, parameter).await,
        Operation::PredictConversation => conversations::predict(api, parameter).await,
        Operation::AddMessage => conversations::add_message(api, request, parameter).await,
        Operation::PredictEvents => conversations::predict_events(api, request),
        Operation::Parse => model::parse(api, request).await,
        Operation::Train => model::now_or_later(api, request, model::train).await,
        Operation::TestStories => model::test_stories(Arc::clone(api), request.clone()).await,
        Operation::TestIntents => model::now_or_later(api, request, model::test_intents).await,
        Operation::LoadModel => model::load(api, request).await,
        Operation::UnloadModel => model::unload(api),
        Operation::Metrics => Ok(metrics::metrics(api)),
        Operation::Alive => Ok(metrics::alive()),
        Operation::Ready => Ok(metrics::ready(api)),
        Operation::OpenApi => Ok(openapi::document(api)),
        Operation::Docs => Ok(openapi::page()),
        Operation::Login => Err(ApiError::tokens_not_issued()),
        Operation::Me => Err(ApiError::no_user_lookup()),
        Operation::VerifyToken => {
            api.settings.auth.verify(request)?;
            Ok(json_response(StatusCode::OK, &serde_json::json!({"valid": true})))
        }
        Operation::ChannelHealth => Ok(webhooks::health()),
        Operation::ChannelMessage => match api.channels.find(parameter) {
            Some(channel) => webhooks::receive(&api.server, parameter, channel, request).await,
            None => Err(ApiError::unknown_path(request)),
        },
    }
}
