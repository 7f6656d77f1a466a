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
use intendant_registry::catalog::{self, Catalog, Version};
use intendant_serve::assistant::Assistant;
use intendant_serve::shadow::{Difference, Handling};
use intendant_serve::trial::{Compared, Figures, Plan, Role, Rules, Trial};
use intendant_talk::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::Auth;
use crate::early::Early;
use crate::registry::refusal;
use crate::request::Request;
use crate::trials::Trials;

/// What the routes work with.
pub struct Desk {
    /// The server and what it tries; the token of its models lets in who may change what is served.
    pub trials: Arc<Trials>,
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

/// What is to be tried, as it travels and is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanBody {
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

/// Reads `role`, `percent` and `rules`.
///
/// # Errors
/// What is wrong with them.
pub fn plan_of(text: &Value) -> Result<Plan, String> {
    let body = PlanBody::deserialize(text).map_err(|error| format!("the body: {error}"))?;
    let role = [Role::Shadow, Role::Canary].into_iter().find(|role| role.name() == body.role);
    let role = role.ok_or_else(|| format!("`role` must be `shadow` or `canary`, found `{}`", body.role))?;
    if !(0.0..=100.0).contains(&body.percent) {
        return Err(format!("`percent` must be between 0 and 100, found {}", body.percent));
    }
    Ok(Plan { role, percent: body.percent, rules: body.rules.rules() })
}

/// What [`plan_of`] reads.
pub(crate) fn plan_text(plan: &Plan) -> Value {
    json!({"role": plan.role.name(), "percent": plan.percent, "rules": rules(&plan.rules)})
}

fn rules(rules: &Rules) -> Value {
    json!({
        "window": rules.window,
        "messages_min": rules.messages_min,
        "error_rate_worse_by": rules.error_rate_worse_by,
        "fallback_rate_worse_by": rules.fallback_rate_worse_by,
        "latency_p95_factor_max": rules.latency_p95_factor_max,
        "latency_p95_ms_max": rules.latency_p95_max.map(milliseconds),
    })
}

async fn show(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    Ok(axum::Json(desk.standing()).into_response())
}

async fn begin(State(desk): Shared, parts: request::Parts, body: Bytes) -> Answer {
    desk.let_in(&parts)?;
    let refuse = |message: &str| refusal(StatusCode::BAD_REQUEST, "BadRequest", message);
    let body: Result<Map<String, Value>, _> = serde_json::from_slice(&body);
    let mut body = body.map_err(|error| refuse(&format!("the body: {error}")))?;
    let Some(Value::String(model)) = body.remove("model") else {
        return Err(
            refuse("`model` names what is tried: a tag, `name:version`, a file's name or a digest").into()
        );
    };
    let plan = plan_of(&Value::Object(body)).map_err(|why| refuse(&why))?;
    let (version, candidate) = desk.load(&model).await?;
    let kept = desk.trials.begin(&version, candidate, (plan, true)).await;
    kept.map_err(|error| refusal(StatusCode::INTERNAL_SERVER_ERROR, "ModelError", &error.to_string()))?;
    Ok(axum::Json(desk.standing()).into_response())
}

async fn end(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    match desk.trials.server.end_trial("it was ended by hand") {
        Some(_) => Ok(desk.kept().await),
        None => {
            Err(refusal(StatusCode::CONFLICT, "Conflict", "no model is tried beside the one in use").into())
        }
    }
}

async fn promote(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    desk.changed(desk.trials.server.promote_trial()).await
}

async fn roll_back(State(desk): Shared, parts: request::Parts) -> Answer {
    desk.let_in(&parts)?;
    desk.changed(desk.trials.server.put_previous_model()).await
}

impl Desk {
    fn let_in(&self, parts: &request::Parts) -> Result<(), Early> {
        let query = form_decode(parts.uri.query().unwrap_or(""));
        if self.trials.models.token.is_some() && self.trials.models.lets_in(&query, &parts.headers) {
            return Ok(());
        }
        let (method, headers) = (Method::clone(&parts.method), parts.headers.clone());
        let path = parts.uri.path().to_owned();
        let request = Request { method, path, query, headers, body: Bytes::new() };
        // A token for models shuts the door for those who have none, whatever the API asks for.
        let is_let_in = match self.trials.models.token.is_some() && !self.auth.is_required() {
            true => false,
            false => self.auth.check(&request, None).is_ok(),
        };
        let refused = || refusal(StatusCode::UNAUTHORIZED, "NotAuthenticated", "a valid token is needed");
        if is_let_in { Ok(()) } else { Err(refused().into()) }
    }

    /// How things stand, when that is on record.
    async fn kept(&self) -> Response {
        if let Err(error) = self.trials.look().await {
            tracing::warn!(%error, "what is tried cannot be kept at present");
        }
        axum::Json(self.standing()).into_response()
    }

    async fn changed(&self, changed: Result<Arc<Assistant>, intendant_serve::error::Error>) -> Answer {
        match changed {
            Ok(_) => Ok(self.kept().await),
            Err(error) => Err(refusal(StatusCode::CONFLICT, "Conflict", &error.message).into()),
        }
    }

    async fn load(&self, reference: &str) -> Result<(Version, Arc<Assistant>), Early> {
        let unknown = |error: catalog::Error| {
            let status = match error.kind {
                catalog::Kind::NotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, "ModelNotFound", &error.to_string())
        };
        let models = &self.trials.models;
        let catalog = Catalog::open(&models.folder, models.database.as_deref()).await.map_err(unknown)?;
        catalog.adopt().await.map_err(unknown)?;
        let version = catalog.find(reference).await.map_err(unknown)?;
        match self.trials.load(&catalog, &version).await.map_err(unknown)? {
            Ok(candidate) => Ok((version, candidate)),
            Err(why) => {
                let message = format!("{} cannot be loaded: {why}", version.reference());
                Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "LoadingError", &message).into())
            }
        }
    }

    fn standing(&self) -> Value {
        let slots = self.trials.server.slots();
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
            told["rules"] = rules(&plan.rules);
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
