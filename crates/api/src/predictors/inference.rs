//! The Open Inference Protocol, version 2, over REST.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use intendant_component::predictor::{Class, Prediction};
use intendant_predictor::output::{probability, told};
use intendant_score::service::{Answers, Explain, Failure, Served, Version};
use intendant_table::{Column, Kind, Table};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::early::Early;

use super::{Predictors, RequestId, answer, busy, count, json_body, unknown};

type Shared = State<Arc<Predictors>>;

/// Types of tensors.
const DATATYPES: [&str; 13] = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
    "BYTES",
];

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
    let extensions = json!(["model_repository", "statistics"]);
    json_body(
        StatusCode::OK,
        &json!({"name": "intendant", "version": env!("CARGO_PKG_VERSION"), "extensions": extensions}),
    )
}

async fn index(State(predictors): Shared) -> Response {
    let names: Vec<&str> = predictors.service.all().map(|predictor| predictor.spec.name.as_str()).collect();
    json_body(StatusCode::OK, &json!({"models": names}))
}

async fn repository(State(predictors): Shared, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let only_ready = asked["ready"].as_bool().unwrap_or(false);
    let models: Vec<Value> = predictors
        .service
        .all()
        .filter_map(|predictor| match predictor.version() {
            Some(version) => Some(json!({
                "name": predictor.spec.name, "version": version.number, "state": "READY", "reason": "",
            })),
            None if only_ready => None,
            None => {
                let reason = if predictor.is_unloaded() { "unloaded" } else { "no version is in use" };
                Some(json!({"name": predictor.spec.name, "state": "UNAVAILABLE", "reason": reason}))
            }
        })
        .collect();
    json_body(StatusCode::OK, &Value::Array(models))
}

/// Puts the version that shall be in use into use, also after [`unload`].
async fn load(State(predictors): Shared, Path(name): Path<String>) -> Response {
    let Some(predictor) = predictors.service.get(&name) else {
        return error(StatusCode::NOT_FOUND, unknown(&predictors, &name));
    };
    predictor.allow();
    if let Err(message) = (predictors.look)(name.clone()).await {
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

/// The predictor, and the version in use when it is the one that was asked for.
fn find<'a>(
    predictors: &'a Predictors,
    name: &str,
    wanted: Option<&str>,
) -> Result<(&'a Arc<Served>, Option<Arc<Version>>), Early> {
    let Some(predictor) = predictors.service.get(name) else {
        return Err(error(StatusCode::NOT_FOUND, unknown(predictors, name)).into());
    };
    let version = predictor.version();
    if let Some(wanted) = wanted {
        let current = version.as_ref().map(|version| version.number.as_str());
        if current != Some(wanted) {
            let current = current.unwrap_or("none");
            let message = format!("version {wanted} of `{name}` is not in use; in use is {current}");
            return Err(error(StatusCode::NOT_FOUND, message).into());
        }
    }
    Ok((predictor, version))
}

async fn metadata(State(predictors): Shared, Path(name): Path<String>) -> Response {
    described(&predictors, &name, None)
}

async fn metadata_of(State(predictors): Shared, Path((name, version)): Path<(String, String)>) -> Response {
    described(&predictors, &name, Some(&version))
}

fn described(predictors: &Predictors, name: &str, wanted: Option<&str>) -> Response {
    let (predictor, version) = match find(predictors, name, wanted) {
        Ok(found) => found,
        Err(early) => return early.into_response(),
    };
    let Some(version) = version else {
        return error(StatusCode::SERVICE_UNAVAILABLE, format!("no version of `{name}` is in use"));
    };
    let inputs: Vec<Value> = version
        .signature
        .fields
        .iter()
        .map(|field| json!({"name": field.name, "datatype": datatype(field.kind), "shape": [-1]}))
        .collect();
    let outputs: Vec<Value> = outputs_of(&version)
        .into_iter()
        .map(|(name, datatype, shape)| json!({"name": name, "datatype": datatype, "shape": shape}))
        .collect();
    json_body(
        StatusCode::OK,
        &json!({
            "name": name,
            "versions": [version.number],
            "platform": format!("intendant_{}", predictor.spec.kind.name()),
            "inputs": inputs,
            "outputs": outputs,
        }),
    )
}

fn datatype(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "FP64",
        Kind::Boolean => "BOOL",
        Kind::Date | Kind::Category | Kind::Text => "BYTES",
    }
}

/// Outputs with types and shapes.
fn outputs_of(version: &Version) -> Vec<(&'static str, &'static str, Vec<i64>)> {
    let predictor = version.model.predictor.as_ref();
    let classes = predictor.classes().len();
    match version.model.spec.kind {
        intendant_predictor::spec::Kind::Recommender => vec![("items", "BYTES", vec![-1])],
        _ if classes == 0 => vec![("prediction", "FP64", vec![-1])],
        kind => {
            let mut outputs = vec![
                ("probability", "FP64", vec![-1]),
                ("label", "BYTES", vec![-1]),
                ("probabilities", "FP64", vec![-1, classes as i64]),
            ];
            if kind == intendant_predictor::spec::Kind::Text {
                outputs.push(("entities", "BYTES", vec![-1]));
            }
            outputs
        }
    }
}

async fn model_ready(State(predictors): Shared, Path(name): Path<String>) -> Response {
    readiness(&predictors, &name, None)
}

async fn ready_of(State(predictors): Shared, Path((name, version)): Path<(String, String)>) -> Response {
    readiness(&predictors, &name, Some(&version))
}

fn readiness(predictors: &Predictors, name: &str, wanted: Option<&str>) -> Response {
    match find(predictors, name, wanted) {
        Ok((_, Some(_))) => json_body(StatusCode::OK, &json!({"name": name, "ready": true})),
        Ok((_, None)) => json_body(StatusCode::SERVICE_UNAVAILABLE, &json!({"name": name, "ready": false})),
        Err(early) => early.into_response(),
    }
}

async fn stats(State(predictors): Shared, Path(name): Path<String>) -> Response {
    counted(&predictors, &name, None)
}

async fn stats_of(State(predictors): Shared, Path((name, version)): Path<(String, String)>) -> Response {
    counted(&predictors, &name, Some(&version))
}

fn counted(predictors: &Predictors, name: &str, wanted: Option<&str>) -> Response {
    match find(predictors, name, wanted) {
        Ok((_, version)) => {
            let (requests, rows) = predictors.service.metrics.totals(name);
            let version = version.map(|version| version.number.clone());
            let stats = json!({"name": name, "version": version, "inference_count": rows, "execution_count": requests});
            json_body(StatusCode::OK, &json!({"model_stats": [stats]}))
        }
        Err(early) => early.into_response(),
    }
}

#[derive(Deserialize)]
struct InferenceRequest {
    id: Option<String>,
    inputs: Vec<Tensor>,
    #[serde(default)]
    outputs: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    data: Vec<Value>,
}

async fn infer(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    inferred(&predictors, (&name, None), (&body, &id)).await
}

async fn infer_of(
    State(predictors): Shared,
    Extension(id): Extension<RequestId>,
    Path((name, version)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    inferred(&predictors, (&name, Some(&version)), (&body, &id)).await
}

async fn inferred(
    predictors: &Predictors,
    (name, wanted): (&str, Option<&str>),
    (body, id): (&[u8], &RequestId),
) -> Response {
    let start = Instant::now();
    let (predictor, version) = match find(predictors, name, wanted) {
        Ok(found) => found,
        Err(early) => return early.into_response(),
    };
    let Some(version) = version else {
        return error(StatusCode::SERVICE_UNAVAILABLE, format!("no version of `{name}` is in use"));
    };
    let request: InferenceRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(problem) => {
            return error(StatusCode::BAD_REQUEST, format!("the request is not as expected: {problem}"));
        }
    };
    let known = outputs_of(&version);
    if let Some(wanted) =
        request.outputs.iter().find(|wanted| !known.iter().any(|(name, _, _)| *name == wanted.name))
    {
        let names: Vec<&str> = known.iter().map(|(name, _, _)| *name).collect();
        let message = format!("there is no output `{}`; there are {}", wanted.name, names.join(", "));
        return error(StatusCode::BAD_REQUEST, message);
    }
    let table = match table(&version, &request.inputs) {
        Ok(table) => table,
        Err(message) => return error(StatusCode::BAD_REQUEST, message),
    };
    let answered = predictor.predict_table(&table, Explain::No).await;
    count(predictors, predictor, &answered, (table.rows(), start));
    match answered {
        Ok(answers) => {
            predictor.observe_table(&table, &answers, &id.0);
            let mut outputs = tensors(predictor, &answers);
            if !request.outputs.is_empty() {
                outputs.retain(|output| {
                    request.outputs.iter().any(|wanted| output["name"] == wanted.name.as_str())
                });
            }
            let mut told =
                json!({"model_name": name, "model_version": answers.version.number, "outputs": outputs});
            if let Some(id) = request.id {
                told["id"] = id.into();
            }
            json_body(StatusCode::OK, &told)
        }
        Err(Failure::Invalid(problems)) => {
            let shown: Vec<String> = problems.iter().take(10).map(ToString::to_string).collect();
            error(StatusCode::BAD_REQUEST, shown.join("; "))
        }
        Err(Failure::NoModel) => {
            error(StatusCode::SERVICE_UNAVAILABLE, format!("no version of `{name}` is in use"))
        }
        Err(Failure::Busy) => busy(json!({"error": "too many predictions are waiting"})),
        Err(Failure::Refused(message)) => error(StatusCode::BAD_REQUEST, message),
    }
}

/// Tensors as a table: one per column, or one of two dimensions with a column per field.
fn table(version: &Version, inputs: &[Tensor]) -> Result<Table, String> {
    if inputs.is_empty() {
        return Err("`inputs` is empty".to_owned());
    }
    let mut columns = Vec::with_capacity(inputs.len());
    for input in inputs {
        if !DATATYPES.contains(&input.datatype.as_str()) {
            return Err(format!("input `{}`: there is no datatype `{}`", input.name, input.datatype));
        }
        let mut flat = Vec::with_capacity(input.data.len());
        flatten(&input.data, &mut flat);
        let size = input.shape.iter().try_fold(1_usize, |size, length| size.checked_mul(*length));
        if size != Some(flat.len()) {
            let message =
                format!("input `{}`: shape {:?} does not fit {} values", input.name, input.shape, flat.len());
            return Err(message);
        }
        let fields: Vec<String> = version.signature.fields.iter().map(|field| field.name.clone()).collect();
        match input.shape[..] {
            [_] | [_, 1] => columns.push((input.name.clone(), column(input, &flat)?)),
            [rows, width] if inputs.len() == 1 && width == fields.len() => {
                for (at, name) in fields.into_iter().enumerate() {
                    let cells: Vec<&Value> = (0..rows).map(|row| flat[row * width + at]).collect();
                    columns.push((name, column(input, &cells)?));
                }
            }
            _ => {
                let message = format!(
                    "input `{}`: shape {:?} must be [rows], [rows, 1], or of a single input [rows, {}]",
                    input.name,
                    input.shape,
                    fields.len()
                );
                return Err(message);
            }
        }
    }
    Table::new(columns).map_err(|problem| problem.to_string())
}

fn flatten<'a>(data: &'a [Value], flat: &mut Vec<&'a Value>) {
    for value in data {
        match value {
            Value::Array(inner) => flatten(inner, flat),
            value => flat.push(value),
        }
    }
}

fn column(input: &Tensor, cells: &[&Value]) -> Result<Column, String> {
    let wrong = |cell: &Value| format!("input `{}`: `{cell}` is no {}", input.name, input.datatype);
    Ok(match input.datatype.as_str() {
        "BOOL" => Column::Boolean(
            cells
                .iter()
                .map(|cell| {
                    if cell.is_null() {
                        Ok(None)
                    } else {
                        cell.as_bool().map(Some).ok_or_else(|| wrong(cell))
                    }
                })
                .collect::<Result<_, _>>()?,
        ),
        "BYTES" => Column::Text(
            cells
                .iter()
                .map(|cell| match cell {
                    Value::Null => Ok(None),
                    Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
                    cell => Err(wrong(cell)),
                })
                .collect::<Result<_, _>>()?,
        ),
        _ => Column::Number(
            cells
                .iter()
                .map(
                    |cell| {
                        if cell.is_null() { Ok(f64::NAN) } else { cell.as_f64().ok_or_else(|| wrong(cell)) }
                    },
                )
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn tensors(predictor: &Served, answers: &Answers) -> Vec<Value> {
    let version = &answers.version;
    let rows = answers.predictions.len();
    let known = version.model.predictor.as_ref();
    let tensor = |name: &str, datatype: &str, shape: Value, data: Vec<Value>| json!({"name": name, "datatype": datatype, "shape": shape, "data": data});
    let each =
        |get: &dyn Fn(&Prediction) -> Value| -> Vec<Value> { answers.predictions.iter().map(get).collect() };
    if predictor.spec.kind == intendant_predictor::spec::Kind::Recommender {
        let items = each(&|prediction| {
            let items = answer::placeholder(version, prediction, "$items").unwrap_or_default();
            items.to_string().into()
        });
        return vec![tensor("items", "BYTES", json!([rows]), items)];
    }
    if known.classes().is_empty() {
        let numbers = each(&|prediction| match prediction {
            Prediction::Number(number) => (*number).into(),
            _ => Value::Null,
        });
        return vec![tensor("prediction", "FP64", json!([rows]), numbers)];
    }
    let of_class = |get: &dyn Fn(&Class) -> Value| {
        each(&|prediction| told(&predictor.spec, prediction).map_or(Value::Null, get))
    };
    let labels = of_class(&|class| known.classes().get(class.label).cloned().into());
    let probabilities: Vec<Value> = answers
        .predictions
        .iter()
        .filter_map(|prediction| told(&predictor.spec, prediction))
        .flat_map(|class| class.probabilities.iter().map(|value| Value::from(*value)))
        .collect();
    let mut outputs = vec![
        tensor("probability", "FP64", json!([rows]), of_class(&|class| probability(known, class).into())),
        tensor("label", "BYTES", json!([rows]), labels),
        tensor("probabilities", "FP64", json!([rows, known.classes().len()]), probabilities),
    ];
    if predictor.spec.kind == intendant_predictor::spec::Kind::Text {
        let entities = each(&|prediction| {
            answer::placeholder(version, prediction, "$entities").unwrap_or_default().to_string().into()
        });
        outputs.push(tensor("entities", "BYTES", json!([rows]), entities));
    }
    outputs
}

/// An object per row of a table.
pub fn objects(table: &Table) -> Vec<Map<String, Value>> {
    (0..table.rows()).map(|row| intendant_table::ndjson::object(table, row)).collect()
}
