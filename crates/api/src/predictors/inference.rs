//! The Open Inference Protocol, version 2, over REST.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use intendant_score::service::{Explain, Failure, Served, Version};
use intendant_table::{Field, Kind, Table};
use serde_json::{Map, Value, json};

use crate::early::Early;

use super::{Predictors, RequestId, busy, count, json_body, tensors, unknown};

type Shared = State<Arc<Predictors>>;

pub fn router() -> Router<Arc<Predictors>> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/models", get(index))
        .route("/v2/repository/index", post(repository))
        .route("/v2/repository/models/{name}/load", post(load))
        .route("/v2/repository/models/{name}/unload", post(unload))
        .route("/v2/models/{name}", get(metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(infer))
        .route("/v2/models/{name}/stats", get(stats))
        .route("/v2/models/{name}/versions/{version}", get(metadata_of))
        .route("/v2/models/{name}/versions/{version}/ready", get(ready_of))
        .route("/v2/models/{name}/versions/{version}/infer", post(infer_of))
        .route("/v2/models/{name}/versions/{version}/stats", get(stats_of))
}

fn error(status: StatusCode, message: impl Into<String>) -> Response {
    json_body(status, &json!({"error": message.into()}))
}

pub async fn live() -> Response {
    json_body(StatusCode::OK, &json!({"live": true}))
}

pub async fn ready(State(predictors): Shared) -> Response {
    let is_ready = predictors.service.all().all(|predictor| predictor.version().is_some());
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_body(status, &json!({"ready": is_ready, "live": true}))
}

async fn server() -> Response {
    let extensions = json!(["model_repository", "statistics", "binary_tensor_data", "classification"]);
    json_body(
        StatusCode::OK,
        &json!({"name": "intendant", "version": env!("CARGO_PKG_VERSION"), "extensions": extensions}),
    )
}

async fn index(State(predictors): Shared) -> Response {
    let names: Vec<&str> = predictors.service.all().map(|predictor| predictor.spec.name.as_str()).collect();
    json_body(StatusCode::OK, &json!({"models": names}))
}

/// Every version of every model.
async fn repository(State(predictors): Shared, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let only_ready = asked["ready"].as_bool().unwrap_or(false);
    let mut models = Vec::new();
    for predictor in predictors.service.all() {
        let name = &predictor.spec.name;
        let used = predictor.version().map(|version| version.number.clone());
        let numbers = numbers(&predictors, predictor).await;
        if numbers.is_empty() && !only_ready {
            models.push(json!({"name": name, "state": "UNAVAILABLE", "reason": "there is no version"}));
        }
        for number in numbers {
            let is_ready = used.as_ref() == Some(&number) || predictor.shelf.holds(&number);
            let reason = match is_ready {
                true => "",
                false if predictor.is_unloaded() => "unloaded",
                false => "loaded when it is asked for",
            };
            let state = if is_ready { "READY" } else { "UNAVAILABLE" };
            if is_ready || !only_ready {
                models.push(json!({"name": name, "version": number, "state": state, "reason": reason}));
            }
        }
    }
    json_body(StatusCode::OK, &Value::Array(models))
}

/// Puts the version that shall be in use into use, also after [`unload`].
async fn load(State(predictors): Shared, Path(name): Path<String>) -> Response {
    let Some(predictor) = predictors.service.get(&name) else {
        return error(StatusCode::NOT_FOUND, unknown(&predictors, &name));
    };
    predictor.allow();
    if let Err(message) = predictors.versions.look(&name).await {
        return error(StatusCode::BAD_REQUEST, message);
    }
    match predictor.version() {
        Some(_) => json_body(StatusCode::OK, &json!({})),
        None => error(StatusCode::BAD_REQUEST, format!("`{name}` has no version that can be used")),
    }
}

/// Takes a predictor out of use; requests in hand are finished.
async fn unload(State(predictors): Shared, Path(name): Path<String>) -> Response {
    let Some(predictor) = predictors.service.get(&name) else {
        return error(StatusCode::NOT_FOUND, unknown(&predictors, &name));
    };
    predictor.unload();
    tracing::info!(predictor = name, "taken out of use");
    json_body(StatusCode::OK, &json!({}))
}

/// The predictor, and the version that was asked for; none when nothing is in use.
async fn find<'a>(
    predictors: &'a Predictors,
    name: &str,
    wanted: Option<&str>,
) -> Result<(&'a Arc<Served>, Option<Arc<Version>>), Early> {
    let Some(predictor) = predictors.service.get(name) else {
        return Err(error(StatusCode::NOT_FOUND, unknown(predictors, name)).into());
    };
    let version = match wanted {
        Some(wanted) => at(predictors, predictor, wanted).await?,
        None => predictor.version(),
    };
    Ok((predictor, version))
}

/// The version of this number: the one in use, or another, which is loaded when nobody has asked for it lately.
async fn at(
    predictors: &Predictors,
    predictor: &Served,
    wanted: &str,
) -> Result<Option<Arc<Version>>, Early> {
    let known = || {
        predictor.version().filter(|version| version.number == wanted).or_else(|| predictor.shelf.get(wanted))
    };
    if let Some(version) = known() {
        return Ok(Some(version));
    }
    if predictor.is_unloaded() {
        return Ok(None);
    }
    let name = &predictor.spec.name;
    let is_there = numbers(predictors, predictor).await.iter().any(|number| number == wanted);
    if !is_there {
        return Err(error(StatusCode::NOT_FOUND, format!("there is no version {wanted} of `{name}`")).into());
    }
    if predictor.shelf.versions_max() == 0 {
        let message = format!("version {wanted} of `{name}` is not in use; `versions_max` is 0");
        return Err(error(StatusCode::NOT_FOUND, message).into());
    }
    let _turn = predictor.shelf.loading.lock().await;
    if let Some(version) = known() {
        return Ok(Some(version));
    }
    match predictors.versions.load(name, wanted).await {
        Ok(version) => {
            tracing::info!(predictor = name, version = wanted, "loaded for a caller");
            Ok(Some(predictor.shelf.put(version)))
        }
        Err(why) => {
            tracing::warn!(predictor = name, version = wanted, error = why, "a version cannot be loaded");
            let message = format!("version {wanted} of `{name}` cannot be loaded: {why}");
            Err(error(StatusCode::SERVICE_UNAVAILABLE, message).into())
        }
    }
}

/// Numbers of all versions that can be asked, the one in use among them.
async fn numbers(predictors: &Predictors, predictor: &Served) -> Vec<String> {
    let mut numbers = predictors.versions.numbers(&predictor.spec.name).await.unwrap_or_else(|why| {
        tracing::warn!(predictor = predictor.spec.name, error = why, "the models folder cannot be read");
        Vec::new()
    });
    numbers.extend(predictor.version().map(|version| version.number.clone()));
    numbers.sort_by_key(|number| number.parse::<u64>().unwrap_or_default());
    numbers.dedup();
    numbers
}

fn none_in_use(name: &str) -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, format!("no version of `{name}` is in use"))
}

async fn metadata(State(predictors): Shared, Path(name): Path<String>) -> Response {
    described(&predictors, &name, None).await
}

async fn metadata_of(State(predictors): Shared, Path((name, version)): Path<(String, String)>) -> Response {
    described(&predictors, &name, Some(&version)).await
}

async fn described(predictors: &Predictors, name: &str, wanted: Option<&str>) -> Response {
    let (predictor, version) = match find(predictors, name, wanted).await {
        Ok((predictor, Some(version))) => (predictor, version),
        Ok(_) => return none_in_use(name),
        Err(early) => return early.into_response(),
    };
    let outputs: Vec<Value> = tensors::outputs_of(&version)
        .into_iter()
        .map(|(name, datatype, shape)| json!({"name": name, "datatype": datatype, "shape": shape}))
        .collect();
    json_body(
        StatusCode::OK,
        &json!({
            "name": name,
            "versions": numbers(predictors, predictor).await,
            "platform": format!("intendant_{}", predictor.spec.kind.name()),
            "inputs": inputs_of(&version),
            "outputs": outputs,
        }),
    )
}

/// Inputs with types and shapes; numbers called `NAME.0`, `NAME.1`, … are one tensor of rows.
fn inputs_of(version: &Version) -> Vec<Value> {
    let mut inputs = Vec::new();
    let mut fields = &version.signature.fields[..];
    while let Some((field, rest)) = fields.split_first() {
        let stem = field.name.strip_suffix(".0");
        let is_part = |(at, field): (usize, &Field)| {
            stem.is_some_and(|stem| field.kind == Kind::Number && field.name == format!("{stem}.{at}"))
        };
        let parts = fields.iter().enumerate().take_while(|(at, field)| is_part((*at, field))).count();
        match stem {
            Some(stem) if parts > 1 => {
                inputs.push(json!({"name": stem, "datatype": "FP64", "shape": [-1, parts]}));
                fields = &fields[parts..];
            }
            _ => {
                inputs.push(json!({"name": field.name, "datatype": datatype(field.kind), "shape": [-1]}));
                fields = rest;
            }
        }
    }
    inputs
}

fn datatype(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "FP64",
        Kind::Boolean => "BOOL",
        Kind::Date | Kind::Category | Kind::Text => "BYTES",
    }
}

async fn model_ready(State(predictors): Shared, Path(name): Path<String>) -> Response {
    readiness(&predictors, &name, None).await
}

async fn ready_of(State(predictors): Shared, Path((name, version)): Path<(String, String)>) -> Response {
    readiness(&predictors, &name, Some(&version)).await
}

async fn readiness(predictors: &Predictors, name: &str, wanted: Option<&str>) -> Response {
    match find(predictors, name, wanted).await {
        Ok((_, Some(_))) => json_body(StatusCode::OK, &json!({"name": name, "ready": true})),
        Ok((_, None)) => json_body(StatusCode::SERVICE_UNAVAILABLE, &json!({"name": name, "ready": false})),
        Err(early) => early.into_response(),
    }
}

async fn stats(State(predictors): Shared, Path(name): Path<String>) -> Response {
    counted(&predictors, &name, None).await
}

async fn stats_of(State(predictors): Shared, Path((name, version)): Path<(String, String)>) -> Response {
    counted(&predictors, &name, Some(&version)).await
}

/// Counts of every version that was asked, or of one.
async fn counted(predictors: &Predictors, name: &str, wanted: Option<&str>) -> Response {
    let Some(predictor) = predictors.service.get(name) else {
        return error(StatusCode::NOT_FOUND, unknown(predictors, name));
    };
    let mut counts = predictors.service.metrics.of_versions(name);
    let wanted_or_used = match wanted {
        Some(wanted) if numbers(predictors, predictor).await.iter().any(|number| number == wanted) => {
            counts.retain(|number, _| number == wanted);
            Some(wanted.to_owned())
        }
        Some(wanted) => {
            return error(StatusCode::NOT_FOUND, format!("there is no version {wanted} of `{name}`"));
        }
        None => predictor.version().map(|version| version.number.clone()),
    };
    if let Some(number) = wanted_or_used {
        counts.entry(number).or_default();
    }
    let told: Vec<Value> = counts
        .into_iter()
        .map(|(version, (requests, rows))| {
            json!({"name": name, "version": version, "inference_count": rows, "execution_count": requests})
        })
        .collect();
    json_body(StatusCode::OK, &json!({"model_stats": told}))
}

async fn infer(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    inferred(&predictors, (&name, None), (&headers, &body, &id)).await
}

async fn infer_of(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    inferred(&predictors, (&name, Some(&version)), (&headers, &body, &id)).await
}

async fn inferred(
    predictors: &Predictors,
    (name, wanted): (&str, Option<&str>),
    (headers, body, id): (&HeaderMap, &[u8], &RequestId),
) -> Response {
    let start = Instant::now();
    let (predictor, version) = match find(predictors, name, wanted).await {
        Ok((predictor, Some(version))) => (predictor, version),
        Ok(_) => return none_in_use(name),
        Err(early) => return early.into_response(),
    };
    let asked = match tensors::read(&version, headers, body) {
        Ok(asked) => asked,
        Err(message) => return error(StatusCode::BAD_REQUEST, message),
    };
    let answered = predictor.predict_table(&version, &asked.table, Explain::No).await;
    count(predictors, predictor, &answered, (asked.table.rows(), start));
    match answered {
        Ok(answers) => {
            predictor.observe_table(&asked.table, &answers, &id.0);
            tensors::write(&asked, predictor, &answers)
        }
        Err(Failure::Invalid(problems)) => {
            let shown: Vec<String> = problems.iter().take(10).map(ToString::to_string).collect();
            error(StatusCode::BAD_REQUEST, shown.join("; "))
        }
        Err(Failure::NoModel) => none_in_use(name),
        Err(Failure::Busy) => busy(json!({"error": "too many predictions are waiting"})),
        Err(Failure::Refused(message)) => error(StatusCode::BAD_REQUEST, message),
    }
}

/// An object per row of a table.
pub fn objects(table: &Table) -> Vec<Map<String, Value>> {
    (0..table.rows()).map(|row| intendant_table::ndjson::object(table, row)).collect()
}
