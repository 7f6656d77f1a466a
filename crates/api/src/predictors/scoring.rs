//! Scoring in MLflow's input shapes (`/invocations`), and in our own (`/predictors/NAME/predict`).

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use intendant_predictor::files::{self, Format};
use intendant_score::load::Failed;
use intendant_score::service::{Explain, Failure, Served};
use serde_json::{Map, Value, json};

use super::declared::{Shape, failed, is_ndjson};
use super::{Predictors, RequestId, answer, busy, inference, json_body, predict, unknown};
use crate::early::Early;

type Shared = State<Arc<Predictors>>;

/// The shapes of which a request has exactly one.
const SHAPES: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

pub fn router() -> Router<Arc<Predictors>> {
    Router::new()
        .route("/invocations", post(invocations))
        .route("/predictors", get(index))
        .route("/predictors/{name}/invocations", post(invocations_of))
        .route("/predictors/{name}/predict", post(natural))
        .route("/predictors/{name}/tables/{table}", post(load))
}

async fn index(State(predictors): Shared) -> Response {
    let all: Vec<Value> = predictors
        .service
        .all()
        .map(|predictor| {
            let version = predictor.version();
            json!({
                "name": predictor.spec.name,
                "kind": predictor.spec.kind.name(),
                "description": predictor.spec.description,
                "version": version.as_ref().map(|version| version.number.clone()),
                "metrics": version.as_ref().map(|version| version.model.figures.clone()),
            })
        })
        .collect();
    Json(all).into_response()
}

fn bad(message: impl Into<String>) -> Response {
    refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
}

fn refused(status: StatusCode, code: &str, message: impl Into<String>) -> Response {
    json_body(status, &json!({"error_code": code, "message": message.into()}))
}

async fn invocations(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut all = predictors.service.all();
    match (all.next(), all.next()) {
        (Some(only), None) => scored(&predictors, only, (&headers, &body, &id)).await,
        _ => {
            let message = "several predictors are served: ask /predictors/NAME/invocations";
            refused(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
        }
    }
}

async fn invocations_of(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match predictors.service.get(&name) {
        Some(predictor) => scored(&predictors, predictor, (&headers, &body, &id)).await,
        None => refused(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", unknown(&predictors, &name)),
    }
}

async fn scored(
    predictors: &Predictors,
    predictor: &Served,
    (headers, body, id): (&HeaderMap, &[u8], &RequestId),
) -> Response {
    let rows = match rows(predictor, headers, body) {
        Ok(rows) => rows,
        Err(early) => return early.into_response(),
    };
    let borrowed: Vec<&Map<String, Value>> = rows.iter().collect();
    match predict(predictors, predictor, &borrowed, (Explain::No, &id.0)).await {
        Ok(answers) => {
            let told: Vec<Value> = answers
                .predictions
                .iter()
                .map(|prediction| answer::short(&answers.version, prediction))
                .collect();
            json_body(StatusCode::OK, &json!({"predictions": told}))
        }
        Err(Failure::Invalid(problems)) => {
            bad(problems.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        Err(Failure::NoModel) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "no version is in use")
        }
        Err(Failure::Busy) => {
            busy(json!({"error_code": "RESOURCE_EXHAUSTED", "message": "too many predictions are waiting"}))
        }
        Err(Failure::Refused(message)) => bad(message),
    }
}

fn rows(predictor: &Served, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Map<String, Value>>, Early> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if let Some(charset) = parameters.trim().to_ascii_lowercase().strip_prefix("charset=")
        && !matches!(charset.trim_matches('"'), "utf-8" | "utf8")
    {
        return Err(
            refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST", "the charset must be utf-8").into()
        );
    }
    let format = match media_type.trim().to_ascii_lowercase().as_str() {
        "application/json" => return frames(predictor, body).map_err(|why| bad(why).into()),
        "text/csv" => Format::Csv,
        "application/x-ndjson" | "application/jsonl" => Format::Ndjson,
        "application/vnd.apache.parquet" => Format::Parquet,
        other => {
            let message = format!(
                "`{other}` is not read; send application/json, text/csv or application/vnd.apache.parquet"
            );
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST", message).into());
        }
    };
    let read = files::read(body, format, &files::options(&predictor.spec, None))
        .map_err(|error| bad(error.to_string()))?;
    match read.rejected.first() {
        Some((line, reason)) => Err(bad(format!("line {line}: {reason}")).into()),
        None => Ok(inference::objects(&read.table)),
    }
}

/// Rows of one of MLflow's shapes.
fn frames(predictor: &Served, body: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let shape = format!("the body must be an object with exactly one of {}", SHAPES.join(", "));
    let object = value.as_object().ok_or_else(|| shape.clone())?;
    let given: Vec<&str> = SHAPES.into_iter().filter(|shape| object.contains_key(*shape)).collect();
    let ([given], None) =
        (&given[..], object.keys().find(|key| !SHAPES.contains(&key.as_str()) && key.as_str() != "params"))
    else {
        return Err(shape);
    };
    let frame = &object[*given];
    let fields = || -> Vec<String> {
        let version = predictor.version();
        version
            .map(|version| version.signature.fields.iter().map(|field| field.name.clone()).collect())
            .unwrap_or_default()
    };
    match *given {
        "dataframe_split" => {
            let columns: Option<Vec<String>> = frame["columns"]
                .as_array()
                .map(|columns| columns.iter().map(|name| name.as_str().map(str::to_owned)).collect())
                .unwrap_or_else(|| Some(fields()));
            let columns = columns.ok_or("`dataframe_split.columns` must be a list of names")?;
            let data = frame["data"].as_array().ok_or("`dataframe_split.data` must be a list of rows")?;
            data.iter().enumerate().map(|(row, cells)| zipped(&columns, cells, row)).collect()
        }
        "dataframe_records" | "instances" => {
            let items = frame.as_array().ok_or_else(|| format!("`{given}` must be a list"))?;
            let names = fields();
            items
                .iter()
                .enumerate()
                .map(|(row, item)| match item {
                    Value::Object(object) => Ok(object.clone()),
                    Value::Array(_) => zipped(&names, item, row),
                    single if names.len() == 1 || *given == "instances" && single.is_string() => {
                        zipped(&names[..names.len().min(1)], &json!([single]), row)
                    }
                    _ => Err(format!("row {row} of `{given}` must be an object")),
                })
                .collect()
        }
        _ => match frame {
            Value::Object(columns) => by_column(columns),
            Value::Array(items) => {
                let names = fields();
                items
                    .iter()
                    .enumerate()
                    .map(|(row, cells)| match cells {
                        Value::Object(object) => Ok(object.clone()),
                        Value::Array(_) => zipped(&names, cells, row),
                        single => zipped(&names[..names.len().min(1)], &json!([single]), row),
                    })
                    .collect()
            }
            _ => Err("`inputs` must be an object of columns, or a list of rows".to_owned()),
        },
    }
}

fn zipped(names: &[String], cells: &Value, row: usize) -> Result<Map<String, Value>, String> {
    let cells = cells.as_array().ok_or_else(|| format!("row {row} must be a list of values"))?;
    if cells.len() != names.len() {
        return Err(format!("row {row} has {} values for {} columns", cells.len(), names.len()));
    }
    Ok(names.iter().cloned().zip(cells.iter().cloned()).collect())
}

fn by_column(columns: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, String> {
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for (at, (name, cells)) in columns.iter().enumerate() {
        let single = [cells.clone()];
        let cells = cells.as_array().map_or(&single[..], Vec::as_slice);
        if at == 0 {
            rows = vec![Map::new(); cells.len()];
        }
        if rows.len() != cells.len() {
            return Err(format!("column `{name}` has {} values, the others {}", cells.len(), rows.len()));
        }
        for (row, cell) in rows.iter_mut().zip(cells) {
            // Columns of one value per row come as lists of one, too.
            let cell = match cell {
                Value::Array(inner) if inner.len() == 1 => inner[0].clone(),
                cell => cell.clone(),
            };
            row.insert(name.clone(), cell);
        }
    }
    Ok(rows)
}

/// A CSV file into one of the predictor's tables.
async fn load(
    State(predictors): Shared,
    Path((name, table)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let Some(predictor) = predictors.service.get(&name) else {
        return json_body(StatusCode::NOT_FOUND, &json!({"error": unknown(&predictors, &name)}));
    };
    match predictor.load(&table, &body).await {
        Ok(loaded) => json_body(StatusCode::OK, &loaded.to_json()),
        Err(Failed::File(why)) => json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"error": why})),
        Err(Failed::Database(error)) => {
            tracing::warn!(predictor = name, table, %error, "a file could not be loaded");
            json_body(StatusCode::INTERNAL_SERVER_ERROR, &json!({"message": "No SQL connection"}))
        }
    }
}

#[derive(serde::Deserialize)]
struct Wishes {
    #[serde(default)]
    explain: bool,
}

async fn natural(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    (Path(name), Query(wishes)): (Path<String>, Query<Wishes>),
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(predictor) = predictors.service.get(&name) else {
        return json_body(StatusCode::NOT_FOUND, &json!({"error": unknown(&predictors, &name)}));
    };
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let explain = if wishes.explain { Explain::Yes } else { Explain::No };
    let is_json = media_type.starts_with("application/json");
    let is_lines = is_ndjson(media_type);
    let (rows, is_single) = if is_json {
        match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Object(row)) => (vec![row], true),
            Ok(Value::Array(items)) if items.iter().all(Value::is_object) => {
                let rows = items.into_iter().filter_map(|item| match item {
                    Value::Object(row) => Some(row),
                    _ => None,
                });
                (rows.collect(), false)
            }
            Ok(_) => {
                return json_body(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    &json!({"error": "the body must be an object, or a list of objects"}),
                );
            }
            Err(error) => {
                return json_body(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    &json!({"error": format!("the body is not JSON: {error}")}),
                );
            }
        }
    } else {
        match self::rows(predictor, &headers, &body) {
            Ok(rows) => (rows, false),
            Err(early) => return early.into_response(),
        }
    };
    let rows: Vec<Map<String, Value>> = rows.into_iter().map(plain).collect();
    let borrowed: Vec<&Map<String, Value>> = rows.iter().collect();
    match predict(&predictors, predictor, &borrowed, (explain, &id.0)).await {
        Ok(answers) => {
            let mut told: Vec<Value> = answers
                .predictions
                .iter()
                .enumerate()
                .map(|(row, prediction)| {
                    let reasons = answers.reasons.as_ref().and_then(|reasons| reasons.get(row));
                    answer::whole(&answers.version, prediction, reasons)
                })
                .collect();
            if is_lines {
                return lines(&told);
            }
            let body = if is_single { told.pop().unwrap_or_default() } else { Value::Array(told) };
            json_body(StatusCode::OK, &body)
        }
        Err(failure) => failed(failure, if is_single { Shape::One } else { Shape::List }),
    }
}

/// One answer per line.
pub fn lines(told: &[Value]) -> Response {
    let lines: String = told.iter().map(|answer| format!("{answer}\n")).collect();
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

/// Lists of names as one text: entities on lines of their own, items with commas between; filters as texts.
pub fn plain(mut row: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in &mut row {
        match value {
            Value::Array(items) => {
                let separator = if name == "history" { "," } else { "\n" };
                let words: Vec<String> = items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    .collect();
                *value = words.join(separator).into();
            }
            Value::Object(pairs) => {
                let pairs: Vec<String> = pairs
                    .iter()
                    .map(|(field, value)| {
                        format!("{field}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    })
                    .collect();
                *value = pairs.join(";").into();
            }
            _ => {}
        }
    }
    row
}
