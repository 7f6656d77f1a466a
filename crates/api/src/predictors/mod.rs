//! Predictors over HTTP: the Open Inference Protocol ([`inference`]), MLflow's scoring ([`scoring`]), routes that
//! predictors declare ([`declared`]), and pages ([`pages`]).
//!
//! Source: Open Inference Protocol v2 (REST); MLflow scoring server.

mod answer;
mod articles;
mod declared;
mod description;
mod inference;
mod pages;
mod scoring;
mod tensors;
mod tokens;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request as AxumRequest, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use intendant_port::web::form_decode;
use intendant_score::service::{Answers, Explain, Failure, Served, Service, Version};
use serde_json::{Map, Value, json};

use crate::auth::Auth;
use crate::request::Request;
use crate::stream::{self, Role};

/// The largest body taken.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The header with the id of a request.
const REQUEST_ID: &str = "x-request-id";

/// What the routes of predictors work with.
#[derive(Clone)]
pub struct Predictors {
    /// The predictors.
    pub service: Arc<Service>,
    /// Who may call the protocols; declared routes have tokens of their own.
    pub auth: Auth,
    /// Where their versions are.
    pub versions: Arc<dyn Versions>,
    /// Streams that work in the same process.
    pub streams: Arc<Vec<Role>>,
}

/// Where versions of predictors are. What goes wrong is told in words.
pub trait Versions: Send + Sync {
    /// Looks which version of a predictor shall be in use, and puts it into use.
    fn look<'a>(&'a self, name: &'a str) -> Pending<'a, ()>;
    /// Numbers of all versions of a predictor.
    fn numbers<'a>(&'a self, name: &'a str) -> Pending<'a, Vec<String>>;
    /// Loads a version.
    fn load<'a>(&'a self, name: &'a str, number: &'a str) -> Pending<'a, Version>;
}

/// What will be there, or why not.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// The id of a request.
#[derive(Clone, Debug)]
struct RequestId(String);

/// Routes beside those of an assistant.
pub fn router(predictors: &Predictors) -> Router {
    let shared = Arc::new(predictors.clone());
    let guarded = Router::new()
        .merge(inference::router())
        .merge(scoring::router())
        .merge(pages::router())
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(Arc::clone(&shared));
    let open = Router::new()
        .route("/v2/health/live", get(inference::live))
        .route("/v2/health/ready", get(inference::ready))
        .with_state(shared);
    let routes = guarded.merge(open).merge(declared::router(predictors)).merge(tokens::router(predictors));
    routes.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(middleware::from_fn(identified))
}

/// All routes of a server that has no assistant: those of [`router`], and those for operators.
pub fn standalone(predictors: &Predictors) -> Router {
    let shared = Arc::new(predictors.clone());
    let operators = Router::new()
        .route("/", get(|| async { concat!("Hello from Intendant: ", env!("CARGO_PKG_VERSION")) }))
        .route("/healthz", get(|| async { axum::Json(json!({"status": "ok"})) }))
        .route("/health", get(|| async { axum::Json(json!({"status": "healthy"})) }))
        .route("/ping", get(|| async { StatusCode::OK }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(description::document))
        .route("/docs", get(|| async { crate::openapi::page() }))
        .route("/redoc", get(|| async { crate::openapi::page() }))
        .route("/version", get(|| async { env!("CARGO_PKG_VERSION") }))
        .with_state(shared);
    let router = router(predictors).merge(operators);
    let router = match predictors.streams.is_empty() {
        true => router,
        false => router.merge(stream::beside(Arc::clone(&predictors.streams))),
    };
    router
        .fallback(|| async { told(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async { told(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") })
}

/// Everything counted of predictors, for the metrics of a server with an assistant.
pub fn write_metrics(service: &Service, text: &mut String) {
    service.metrics.write(text);
    pages::write_drift(service, text);
}

/// Gives every request an id and tells of it.
async fn identified(mut request: AxumRequest, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    tracing::debug!(request_id = id, method = %request.method(), path = request.uri().path(), "Request started");
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    tracing::debug!(request_id = id, "Request status code : {}", response.status().as_u16());
    tracing::debug!(request_id = id, "Request ended");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn guard(State(predictors): State<Arc<Predictors>>, request: AxumRequest, next: Next) -> Response {
    let asked = Request {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: form_decode(request.uri().query().unwrap_or("")),
        headers: request.headers().clone(),
        body: bytes::Bytes::new(),
    };
    match predictors.auth.check(&asked, None) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(&asked),
    }
}

async fn ready(State(predictors): State<Arc<Predictors>>) -> Response {
    let mut models = Map::new();
    let mut databases = Map::new();
    for predictor in predictors.service.all() {
        let version = predictor.version();
        let state = match &version {
            Some(version) => json!({"ready": true, "version": version.number, "digest": version.digest}),
            None => json!({"ready": false, "version": null}),
        };
        models.insert(predictor.spec.name.clone(), state);
        for (name, lookup) in &predictor.lookups {
            let is_there = lookup.database().is_there().await;
            databases.insert(name.clone(), if is_there { "ok" } else { "down" }.into());
        }
    }
    let is_ready = predictors.service.all().all(|predictor| predictor.version().is_some());
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if is_ready { "ok" } else { "not ready" };
    let mut body = json!({"status": word, "models": models, "databases": databases});
    if !predictors.streams.is_empty() {
        body["streams"] = predictors.streams.iter().map(Role::told).collect();
    }
    (status, axum::Json(body)).into_response()
}

async fn metrics(State(predictors): State<Arc<Predictors>>) -> Response {
    let mut text = String::new();
    write_metrics(&predictors.service, &mut text);
    stream::write_metrics(&predictors.streams, &mut text);
    for line in std::fs::read_to_string("/proc/self/status").unwrap_or_default().lines() {
        if let Some(kilobytes) =
            line.strip_prefix("VmRSS:").and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        {
            text.push_str(&format!(
                "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}\n",
                kilobytes * 1024.0
            ));
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Predicts, counts, keeps. What callers of every protocol do.
async fn predict(
    predictors: &Predictors,
    predictor: &Served,
    rows: &[&Map<String, Value>],
    (explain, request_id): (Explain, &str),
) -> Result<Answers, Failure> {
    let start = Instant::now();
    let answered = predictor.predict_json(rows, explain).await;
    count(predictors, predictor, &answered, (rows.len(), start));
    if let Ok(answers) = &answered {
        predictor.observe(rows, answers, request_id);
    }
    answered
}

fn count(
    predictors: &Predictors,
    predictor: &Served,
    answered: &Result<Answers, Failure>,
    (rows, start): (usize, Instant),
) {
    let outcome = match answered {
        Ok(_) => "ok",
        Err(Failure::Invalid(_)) => "invalid",
        Err(Failure::NoModel) => "no_model",
        Err(Failure::Busy) => "busy",
        Err(Failure::Refused(_)) => "refused",
    };
    let metrics = &predictors.service.metrics;
    metrics.add(&predictor.spec.name, outcome, (rows, start.elapsed().as_secs_f64()));
    if let Ok(answers) = answered {
        metrics.add_to_version(&predictor.spec.name, &answers.version.number, rows);
    }
}

fn told(status: StatusCode, detail: &str) -> Response {
    json_body(status, &json!({"detail": detail}))
}

fn busy(body: Value) -> Response {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn json_body(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unknown(predictors: &Predictors, name: &str) -> String {
    let known: Vec<&str> = predictors.service.all().map(|predictor| predictor.spec.name.as_str()).collect();
    format!("there is no model `{name}`; there are {}", known.join(", "))
}
