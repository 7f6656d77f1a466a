//! `/api/serving`: which models answer, and which one is tried.
//!
//! | method and path | does |
//! |---|---|
//! | `GET /api/serving` | tells the model in use, the one before it, the trial with its figures, what could not be loaded |
//! | `PUT /api/serving/trial` | tries `{"model", "role": "canary"\|"shadow", "percent", "rules"}` beside the model in use |
//! | `DELETE /api/serving/trial` | ends that |
//! | `POST /api/serving/trial/promote` | puts the model that is tried into use |
//! | `POST /api/serving/rollback` | puts the model before back into use, if it is kept in memory |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::{Method, StatusCode, request};
use intendant_port::web::form_decode;
use intendant_registry::catalog::{self, Catalog};
use intendant_serve::assistant::Assistant;
use intendant_serve::server::Server;
use intendant_serve::shadow::{Difference, Handling};
use intendant_serve::trial::{Compared, Figures, Plan, Role, Rules, Trial};
use intendant_serve::workshop::Workshop;
use intendant_talk::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::early::Early;
use crate::registry::{ModelServer, refusal};
use crate::request::Request;

/// What the routes work with.
pub struct Desk {
    /// The server.
    pub server: Server,
    /// Loads models.
    pub workshop: Arc<dyn Workshop>,
    /// Where models are looked up; its token lets in who may change what is served.
    pub models: ModelServer,
    /// Who else is let in.
    pub auth: Auth,
}

/// The routes; everything else is left to other routers.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/api/serving", get(show))
        .route("/api/serving/trial", put(begin).delete(end))
        .route("/api/serving/trial/promote", post(promote))
        .route("/api/serving/rollback", post(roll_back))
        .with_state(Arc::new(desk))
}

type Shared = State<Arc<Desk>>;
type Answer = Result<Response, Early>;

/// What is to be tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialBody {
    model: String,
    role: String,
    #[serde(default = "whole")]
    percent: f64,
    #[serde(default)]
    rules: RulesBody,
}

fn whole() -> f64 {
    100.0
}

/// Rules as they travel; what is missing is as usual.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RulesBody {
    window: Option<usize>,
    messages_min: Option<usize>,
    error_rate_worse_by: Option<f64>,
    fallback_rate_worse_by: Option<f64>,
    latency_p95_factor_max: Option<f64>,
    latency_p95_ms_max: Option<f64>,
}

impl RulesBody {
    fn rules(&self) -> Rules {
        let usual = Rules::default();
        Rules {
            window: self.window.unwrap_or(usual.window),
            messages_min: self.messages_min.unwrap_or(usual.messages_min),
            error_rate_worse_by: self.error_rate_worse_by.unwrap_or(usual.error_rate_worse_by),
            fallback_rate_worse_by: self.fallback_rate_worse_by.unwrap_or(usual.fallback_rate_worse_by),
            latency_p95_factor_max: self.latency_p95_factor_max.unwrap_or(usual.latency_p95_factor_max),
            latency_p95_max: self
                .latency_p95_ms_max
                .and_then(|milliseconds| Duration::try_from_secs_f64(milliseconds / 1000.0).ok()),
        }
    }
}

async fn show(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    Ok(axum::Json(desk.standing()).into_response())
}

async fn begin(State(desk): Shared, parts: request::Parts, body: Bytes) -> Answer {
    desk.let_in(&parts)?;
    let body: TrialBody = serde_json::from_slice(&body)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, "BadRequest", &format!("the body: {error}")))?;
    let role = [Role::Shadow, Role::Canary].into_iter().find(|role| role.name() == body.role);
    let role = role.ok_or_else(|| {
        let message = format!("`role` must be `shadow` or `canary`, found `{}`", body.role);
        refusal(StatusCode::BAD_REQUEST, "BadRequest", &message)
    })?;
    if !(0.0..=100.0).contains(&body.percent) {
        let message = format!("`percent` must be between 0 and 100, found {}", body.percent);
        return Err(refusal(StatusCode::BAD_REQUEST, "BadRequest", &message).into());
    }
    let candidate = desk.load(&body.model).await?;
    desk.server.begin_trial(candidate, Plan { role, percent: body.percent, rules: body.rules.rules() });
    Ok(axum::Json(desk.standing()).into_response())
}

async fn end(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    match desk.server.end_trial("it was ended by hand") {
        Some(_) => Ok(axum::Json(desk.standing()).into_response()),
        None => {
            Err(refusal(StatusCode::CONFLICT, "Conflict", "no model is tried beside the one in use").into())
        }
    }
}

async fn promote(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    desk.changed(desk.server.promote_trial())
}

async fn roll_back(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    desk.changed(desk.server.put_previous_model())
}

impl Desk {
    fn let_in(&self, parts: &request::Parts) -> Result<(), Early> {
        let query = form_decode(parts.uri.query().unwrap_or(""));
        if self.models.token.is_some() && self.models.lets_in(&query, &parts.headers) {
            return Ok(());
        }
        let (method, headers) = (Method::clone(&parts.method), parts.headers.clone());
        let path = parts.uri.path().to_owned();
        let request = Request { method, path, query, headers, body: Bytes::new() };
        // A token for models shuts the door for those who have none, whatever the API asks for.
        let is_let_in = match self.models.token.is_some() && !self.auth.is_required() {
            true => false,
            false => self.auth.check(&request, None).is_ok(),
        };
        let refused = || refusal(StatusCode::UNAUTHORIZED, "NotAuthenticated", "a valid token is needed");
        if is_let_in { Ok(()) } else { Err(refused().into()) }
    }

    fn changed(&self, changed: Result<Arc<Assistant>, intendant_serve::error::Error>) -> Answer {
        match changed {
            Ok(_) => Ok(axum::Json(self.standing()).into_response()),
            Err(error) => Err(refusal(StatusCode::CONFLICT, "Conflict", &error.message).into()),
        }
    }

    async fn load(&self, reference: &str) -> Result<Arc<Assistant>, Early> {
        let unknown = |error: catalog::Error| {
            let status = match error.kind {
                catalog::Kind::NotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, "ModelNotFound", &error.to_string())
        };
        let catalog = Catalog::open(&self.models.folder, self.models.database.as_deref()).await;
        let catalog = catalog.map_err(unknown)?;
        catalog.adopt().await.map_err(unknown)?;
        let version = catalog.find(reference).await.map_err(unknown)?;
        let path = self.models.folder.join(&version.file).display().to_string();
        let workshop = Arc::clone(&self.workshop);
        let loaded = tokio::task::spawn_blocking(move || {
            let assistant = workshop.load(&path)?;
            assistant.warm();
            Ok(assistant)
        });
        let why = match loaded.await {
            Ok(Ok(assistant)) => {
                catalog.mark(&version.digest, None).await.map_err(unknown)?;
                return Ok(Arc::new(assistant));
            }
            Ok(Err(error)) => {
                let error: intendant_serve::workshop::WorkshopError = error;
                error.message
            }
            Err(error) => error.to_string(),
        };
        self.server.note_unloadable(&version.file, &why);
        catalog.mark(&version.digest, Some(&why)).await.map_err(unknown)?;
        let message = format!("{} cannot be loaded: {why}", version.reference());
        Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "LoadingError", &message).into())
    }

    fn standing(&self) -> Value {
        let slots = self.server.slots();
        let ended = slots.ended.as_ref().map(|ended| {
            let mut told = trial(&ended.trial);
            told["reason"] = json!(ended.reason);
            told["is_rollback"] = json!(ended.is_rollback);
            told["ended"] = time(ended.at);
            told
        });
        let unloadable: Vec<Value> = slots
            .unloadable
            .iter()
            .map(|one| json!({"model": one.model, "reason": one.reason, "at": time(one.at)}))
            .collect();
        json!({
            "model": slots.current.as_deref().map(model),
            "previous": slots.previous.as_deref().map(model),
            "trial": slots.trial.as_deref().map(trial),
            "last_trial": ended,
            "unloadable": unloadable,
        })
    }
}

fn model(assistant: &Assistant) -> Value {
    json!({"model_file": assistant.model_file, "model_id": assistant.model_id()})
}

fn trial(trial: &Trial) -> Value {
    let plan = trial.plan;
    let mut told = json!({
        "model": model(&trial.candidate),
        "role": plan.role.name(),
        "percent": plan.percent,
        "since": time(trial.since),
    });
    match plan.role {
        Role::Shadow => told["comparison"] = comparison(&trial.comparison()),
        Role::Canary => {
            let (current, candidate) = trial.figures();
            let rules = plan.rules;
            told["rules"] = json!({
                "window": rules.window,
                "messages_min": rules.messages_min,
                "error_rate_worse_by": rules.error_rate_worse_by,
                "fallback_rate_worse_by": rules.fallback_rate_worse_by,
                "latency_p95_factor_max": rules.latency_p95_factor_max,
                "latency_p95_ms_max": rules.latency_p95_max.map(milliseconds),
            });
            told["current"] = figures(&current);
            told["candidate"] = figures(&candidate);
        }
    }
    told
}

fn figures(figures: &Figures) -> Value {
    json!({
        "messages": figures.messages,
        "failed": figures.failed,
        "fallbacks": figures.fell_back,
        "error_rate": figures.error_rate,
        "fallback_rate": figures.fallback_rate,
        "latency_p95_ms": milliseconds(figures.latency_p95),
    })
}

fn comparison(compared: &Compared) -> Value {
    let handling = |handling: &Handling| json!({"intent": handling.intent, "entities": handling.entities, "actions": handling.actions});
    let example = |difference: &Difference| {
        json!({
            "at": time(difference.at),
            "sender_id": difference.sender_id,
            "text": difference.text,
            "differs": difference.what,
            "current": handling(&difference.current),
            "shadow": handling(&difference.shadow),
        })
    };
    json!({
        "messages": compared.messages,
        "different": compared.different,
        "skipped": compared.skipped,
        "examples": compared.examples.iter().map(example).collect::<Vec<_>>(),
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn time(at: Timestamp) -> Value {
    jiff::Timestamp::from_microsecond(at.micros).map_or(Value::Null, |at| json!(at.to_string()))
}
