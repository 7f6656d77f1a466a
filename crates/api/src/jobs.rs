//! Jobs over HTTP: `/api/jobs` lists and submits, `/api/jobs/<id>` tells, `…/log` and `…/cancel`.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use intendant_port::error::Error;
use intendant_store::jobs::{Jobs, STATES};
use serde_json::{Value, json};

use crate::registry::{is_same, refusal};

/// Most jobs listed at once.
const JOBS_MAX: usize = 1000;
/// Unless asked for otherwise.
const JOBS_DEFAULT: usize = 50;

/// Where jobs are, and who may ask for them.
pub struct Desk {
    /// The jobs.
    pub jobs: Arc<Jobs>,
    /// Who asks must give this as `token`, or as a bearer token.
    pub token: Option<String>,
    /// How often a job is begun at most.
    pub attempts: u32,
    /// Says what is wrong with a job before it is submitted.
    pub check: fn(&str, &Value) -> Result<(), String>,
}

type Shared = State<Arc<Desk>>;

/// The routes; everything else is left to other routers.
pub fn router(desk: Desk) -> Router {
    let desk = Arc::new(desk);
    Router::new()
        .route("/api/jobs", get(list).post(submit))
        .route("/api/jobs/{id}", get(show))
        .route("/api/jobs/{id}/log", get(log))
        .route("/api/jobs/{id}/cancel", post(cancel))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&desk), let_in))
        .with_state(desk)
}

async fn let_in(State(desk): Shared, headers: HeaderMap, request: Request, next: Next) -> Response {
    let Some(wanted) = &desk.token else { return next.run(request).await };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let query = request.uri().query().unwrap_or_default();
    let fields = intendant_port::web::form_decode(query);
    let given = fields.iter().find(|(name, _)| name == "token").map(|(_, value)| value.as_str());
    match given.into_iter().chain(bearer).any(|given| is_same(given.as_bytes(), wanted.as_bytes())) {
        true => next.run(request).await,
        false => refusal(StatusCode::UNAUTHORIZED, "NotAuthenticated", "a valid token is needed"),
    }
}

fn failed(error: &Error) -> Response {
    tracing::error!(error = error.chain(), "jobs cannot be used");
    refusal(StatusCode::SERVICE_UNAVAILABLE, "JobsUnavailable", "the jobs cannot be used at present")
}

fn unknown(id: i64) -> Response {
    refusal(StatusCode::NOT_FOUND, "NotFound", &format!("there is no job {id}"))
}

#[derive(serde::Deserialize)]
struct Wanted {
    state: Option<String>,
    limit: Option<usize>,
}

async fn list(State(desk): Shared, Query(wanted): Query<Wanted>) -> Response {
    let state = match &wanted.state {
        None => None,
        Some(name) => match STATES.iter().find(|(known, _)| known == name) {
            Some((_, state)) => Some(*state),
            None => {
                let known: Vec<&str> = STATES.iter().map(|(name, _)| *name).collect();
                let message = format!("`{name}` is no state; there are {}", known.join(", "));
                return refusal(StatusCode::BAD_REQUEST, "BadRequest", &message);
            }
        },
    };
    match desk.jobs.list(state, wanted.limit.unwrap_or(JOBS_DEFAULT).min(JOBS_MAX)).await {
        Ok(jobs) => {
            let jobs: Vec<Value> = jobs.iter().map(intendant_store::jobs::Job::to_json).collect();
            Json(Value::Array(jobs)).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn submit(State(desk): Shared, body: Bytes) -> Response {
    let refuse = |message: &str| refusal(StatusCode::BAD_REQUEST, "BadRequest", message);
    let Ok(Value::Object(given)) = serde_json::from_slice::<Value>(&body) else {
        return refuse("a job is a JSON object with `job` and, if need be, `options`");
    };
    if let Some(unknown) = given.keys().find(|key| !["job", "options"].contains(&key.as_str())) {
        return refuse(&format!("`{unknown}` is not known; a job has `job` and `options`"));
    }
    let Some(kind) = given.get("job").and_then(Value::as_str) else {
        return refuse("`job` says what is to be done, like \"train\"");
    };
    let options = given.get("options").cloned().unwrap_or_else(|| json!({}));
    if let Err(why) = (desk.check)(kind, &options) {
        return refuse(&why);
    }
    let job = async {
        let id = desk.jobs.submit(kind, &options, ("http", desk.attempts)).await?;
        desk.jobs.get(id).await
    };
    match job.await {
        Ok(Some(job)) => (StatusCode::CREATED, Json(job.to_json())).into_response(),
        Ok(None) => StatusCode::CREATED.into_response(),
        Err(error) => failed(&error),
    }
}

async fn show(State(desk): Shared, Path(id): Path<i64>) -> Response {
    match desk.jobs.get(id).await {
        Ok(Some(job)) => Json(job.to_json()).into_response(),
        Ok(None) => unknown(id),
        Err(error) => failed(&error),
    }
}

#[derive(serde::Deserialize)]
struct After {
    after: Option<i64>,
}

async fn log(State(desk): Shared, Path(id): Path<i64>, Query(after): Query<After>) -> Response {
    match desk.jobs.get(id).await {
        Ok(Some(_)) => {}
        Ok(None) => return unknown(id),
        Err(error) => return failed(&error),
    }
    match desk.jobs.log(id, after.after.unwrap_or_default()).await {
        Ok(lines) => {
            let lines =
                lines.iter().map(|line| json!({"id": line.id, "time_ms": line.said_ms, "text": line.text}));
            Json(Value::Array(lines.collect())).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn cancel(State(desk): Shared, Path(id): Path<i64>) -> Response {
    match desk.jobs.cancel(id).await {
        Ok(Some(job)) => Json(job.to_json()).into_response(),
        Ok(None) => unknown(id),
        Err(error) => failed(&error),
    }
}
