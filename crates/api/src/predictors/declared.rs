//! Routes that predictors declare, with errors as FastAPI writes them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, RawPathParams};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use intendant_component::predictor::Prediction;
use intendant_predictor::routes::{self, Path};
use intendant_predictor::spec::{Kind, Route};
use intendant_score::lookup;
use intendant_score::service::{Answers, Explain, Failure, Served};
use serde_json::{Map, Value, json};

use super::{Predictors, RequestId, answer, busy, json_body, predict, scoring, tokens};
use crate::early::Early;

/// Everything one declared route needs.
struct Declared {
    predictors: Predictors,
    predictor: Arc<Served>,
    route: Route,
}

/// The routes of all predictors.
pub fn router(predictors: &Predictors) -> Router {
    let mut paths: std::collections::BTreeMap<String, MethodRouter> = std::collections::BTreeMap::new();
    for predictor in predictors.service.all() {
        for route in &predictor.spec.serve.routes {
            let declared = Arc::new(Declared {
                predictors: predictors.clone(),
                predictor: Arc::clone(predictor),
                route: route.clone(),
            });
            let path = Path::of(&route.path);
            // With and without a slash at the end, as both are called.
            let bare = path.path.trim_end_matches('/');
            for written in [bare.to_owned(), format!("{bare}/")] {
                let handler = method_router(path.method, &declared);
                let known = paths.remove(&written);
                paths.insert(
                    written,
                    match known {
                        Some(known) => known.merge(handler),
                        None => handler,
                    },
                );
            }
        }
    }
    paths
        .into_iter()
        .filter(|(path, _)| !path.is_empty())
        .fold(Router::new(), |router, (path, methods)| router.route(&path, methods))
}

fn method_router(method: &str, declared: &Arc<Declared>) -> MethodRouter {
    let declared = Arc::clone(declared);
    let handler =
        move |parameters: RawPathParams, id: Extension<RequestId>, headers: HeaderMap, body: Bytes| {
            let declared = Arc::clone(&declared);
            async move { declared.answer(&parameters, (&headers, &id.0.0), &body).await }
        };
    match method {
        "GET" => get(handler),
        _ => post(handler),
    }
}

/// A failure as FastAPI tells it.
pub fn failed(failure: Failure) -> Response {
    match failure {
        Failure::Invalid(problems) => {
            let details: Vec<Value> = problems
                .iter()
                .map(|problem| {
                    let kind =
                        if problem.message.ends_with("is required") { "missing" } else { "value_error" };
                    json!({"loc": ["body", problem.field], "msg": problem.message, "type": kind})
                })
                .collect();
            json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": details}))
        }
        Failure::NoModel => message(StatusCode::INTERNAL_SERVER_ERROR, "The model is not loaded"),
        Failure::Busy => busy(json!({"message": "too many predictions are waiting"})),
        Failure::Refused(why) => message(StatusCode::UNPROCESSABLE_ENTITY, &why),
    }
}

fn message(status: StatusCode, text: &str) -> Response {
    json_body(status, &json!({"message": text}))
}

fn invalid(place: Value, text: impl Into<String>, kind: &str) -> Response {
    let detail = json!({"loc": place, "msg": text.into(), "type": kind});
    json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": [detail]}))
}

impl Declared {
    async fn answer(
        &self,
        parameters: &RawPathParams,
        (headers, request_id): (&HeaderMap, &str),
        body: &[u8],
    ) -> Response {
        if self.route.token
            && let Err(early) = tokens::check(&self.predictor.spec, headers)
        {
            return early.into_response();
        }
        let given: HashMap<&str, &str> = parameters.iter().collect();
        let rows = match (&self.route.lookup, self.route.batch) {
            (Some(name), _) => match self.looked_up(name, &given).await {
                Ok(row) if self.route.answer.is_none() => {
                    return json_body(StatusCode::OK, &Value::Object(row));
                }
                Ok(row) => vec![row],
                Err(early) => return early.into_response(),
            },
            (None, true) => match self.many(headers, body) {
                Ok(rows) => rows,
                Err(early) => return early.into_response(),
            },
            (None, false) => match self.one(body) {
                Ok(row) => vec![row],
                Err(early) => return early.into_response(),
            },
        };
        let rows: Vec<Map<String, Value>> = rows.into_iter().map(|row| self.prepared(row)).collect();
        if let (Some(empty), [row]) = (&self.route.empty, &rows[..])
            && self.is_empty(row)
        {
            return json_body(StatusCode::OK, empty);
        }
        let borrowed: Vec<&Map<String, Value>> = rows.iter().collect();
        match predict(&self.predictors, &self.predictor, &borrowed, (Explain::No, request_id)).await {
            Ok(answers) => self.told(&answers, &rows, request_id),
            Err(Failure::NoModel) => {
                let name = &self.predictor.spec.name;
                let mut characters = name.chars();
                let capital: String = characters
                    .next()
                    .map(|first| first.to_uppercase().collect::<String>() + characters.as_str())
                    .unwrap_or_default();
                message(StatusCode::INTERNAL_SERVER_ERROR, &format!("{capital} model not loaded"))
            }
            Err(failure) => failed(failure),
        }
    }

    async fn looked_up(&self, name: &str, given: &HashMap<&str, &str>) -> Result<Map<String, Value>, Early> {
        let Some(lookup) = self.predictor.lookups.get(name) else {
            return Err(message(StatusCode::INTERNAL_SERVER_ERROR, "No SQL connection").into());
        };
        match lookup.find(given).await {
            Ok(Some(row)) => Ok((*row).clone()),
            Ok(None) => {
                let template = self.route.not_found.as_deref().unwrap_or("nothing was found");
                let text = given.iter().fold(template.to_owned(), |text, (name, value)| {
                    text.replace(&format!("{{{name}}}"), value)
                });
                Err(message(StatusCode::NOT_FOUND, &text).into())
            }
            Err(lookup::Failed::Parameter { name, expected }) => {
                let kind = if expected == "integer" { "int_parsing" } else { "value_error" };
                Err(invalid(json!(["path", name]), format!("Input should be a valid {expected}"), kind)
                    .into())
            }
            Err(lookup::Failed::Database(error)) => {
                tracing::warn!(predictor = self.predictor.spec.name, lookup = name, %error, "a look-up failed");
                Err(message(StatusCode::INTERNAL_SERVER_ERROR, "No SQL connection").into())
            }
        }
    }

    fn one(&self, body: &[u8]) -> Result<Map<String, Value>, Early> {
        let row = match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(row)) => row,
            Ok(_) => {
                return Err(invalid(
                    json!(["body"]),
                    "Input should be a valid dictionary or object",
                    "model_attributes_type",
                )
                .into());
            }
            Err(error) => {
                return Err(invalid(
                    json!(["body", error.column()]),
                    format!("JSON decode error: {error}"),
                    "json_invalid",
                )
                .into());
            }
        };
        let mut problems = Vec::new();
        for (name, kind) in &self.route.required {
            match row.get(name) {
                None | Some(Value::Null) => {
                    problems.push(json!({"loc": ["body", name], "msg": "Field required", "type": "missing"}));
                }
                Some(value) if !is_of(value, kind) => {
                    let text = format!("Input should be a valid {kind}");
                    problems
                        .push(json!({"loc": ["body", name], "msg": text, "type": format!("{kind}_type")}));
                }
                Some(_) => {}
            }
        }
        match problems.is_empty() {
            true => Ok(row),
            false => Err(json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": problems})).into()),
        }
    }

    fn many(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Map<String, Value>>, Early> {
        let is_csv = headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|media_type| media_type.starts_with("text/csv"));
        if is_csv {
            let options = intendant_predictor::files::options(&self.predictor.spec, None);
            let format = intendant_predictor::files::Format::Csv;
            let read = intendant_predictor::files::read(body, format, &options)
                .map_err(|error| invalid(json!(["body"]), error.to_string(), "value_error"))?;
            return Ok(super::inference::objects(&read.table));
        }
        let rows: Result<Vec<Map<String, Value>>, _> = serde_json::from_slice(body);
        rows.map_err(|error| {
            invalid(json!(["body"]), format!("a list of objects is expected: {error}"), "list_type").into()
        })
    }

    /// The row as the predictor knows it: the text in its own column, filters and numbers of the route.
    fn prepared(&self, row: Map<String, Value>) -> Map<String, Value> {
        let mut row = scoring::plain(row);
        let spec = &self.predictor.spec;
        if let Some(from) = &self.route.text
            && let Some(text) = row.get(from).cloned()
        {
            row.insert(spec.text.clone().unwrap_or_else(|| "text".to_owned()), text);
        }
        if let (Some(column), Some(entities)) = (&spec.entity, row.get("entities").cloned()) {
            row.entry(column.clone()).or_insert(entities);
        }
        if spec.kind == Kind::Recommender {
            if let Some(top) = self.route.top {
                row.insert("n".to_owned(), top.into());
            }
            if !self.route.filter.is_empty() {
                let filters: Vec<String> =
                    self.route.filter.iter().map(|(field, value)| format!("{field}={value}")).collect();
                row.insert("filters".to_owned(), filters.join(";").into());
            }
        }
        row
    }

    fn is_empty(&self, row: &Map<String, Value>) -> bool {
        let column = self.predictor.spec.text.as_deref().unwrap_or("text");
        row.get(column)
            .is_none_or(|text| text.is_null() || text.as_str().is_some_and(|text| text.trim().is_empty()))
    }

    fn told(&self, answers: &Answers, rows: &[Map<String, Value>], request_id: &str) -> Response {
        let one = |(prediction, row): (&Prediction, &Map<String, Value>)| match &self.route.answer {
            Some(template) => routes::fill(template, &|name| match name {
                "$row" => Some(Value::Object(row.clone())),
                "$request_id" => Some(request_id.into()),
                name => answer::placeholder(&answers.version, prediction, name),
            }),
            None => answer::whole(&answers.version, prediction, None),
        };
        let mut told: Vec<Value> = answers.predictions.iter().zip(rows).map(one).collect();
        let body = if self.route.batch { Value::Array(told) } else { told.pop().unwrap_or_default() };
        json_body(StatusCode::OK, &body)
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" | "text" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "list" => value.is_array(),
        "boolean" => value.is_boolean(),
        "datetime" => value.as_str().is_some_and(|text| intendant_table::Moment::parse(text).is_some()),
        _ => true,
    }
}
