//! Routes that predictors declare, with errors as FastAPI writes them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, RawPathParams, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use intendant_component::predictor::Prediction;
use intendant_port::web::form_decode;
use intendant_predictor::articles::action;
use intendant_predictor::files::{self, Format};
use intendant_predictor::routes::{self, Path};
use intendant_predictor::spec::{Kind, Route};
use intendant_score::lookup;
use intendant_score::service::{Answers, Explain, Failure, Served};
use serde_json::{Map, Value, json};

use super::articles::{self, Asked};
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
    let handler = move |parameters: RawPathParams,
                        id: Extension<RequestId>,
                        RawQuery(query): RawQuery,
                        headers: HeaderMap,
                        body: Bytes| {
        let declared = Arc::clone(&declared);
        async move {
            let query = form_decode(query.as_deref().unwrap_or_default());
            let asked = Asked {
                parameters: &parameters.iter().collect(),
                query: &query,
                headers: &headers,
                body: &body,
            };
            declared.answer(asked, &id.0.0).await
        }
    };
    match method {
        "GET" => get(handler),
        _ => post(handler),
    }
}

/// A failure as FastAPI tells it.
pub fn failed(failure: Failure, shape: Shape) -> Response {
    match failure {
        Failure::Invalid(problems) => {
            let details: Vec<Value> = problems
                .iter()
                .map(|problem| {
                    let kind =
                        if problem.message.ends_with("is required") { "missing" } else { "value_error" };
                    let place = shape.place(problem.row, &problem.field);
                    json!({"loc": place, "msg": problem.message, "type": kind})
                })
                .collect();
            json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": details}))
        }
        Failure::NoModel => message(StatusCode::INTERNAL_SERVER_ERROR, "The model is not loaded"),
        Failure::Busy => busy(json!({"message": "too many predictions are waiting"})),
        Failure::Refused(why) => message(StatusCode::UNPROCESSABLE_ENTITY, &why),
    }
}

pub(super) fn message(status: StatusCode, text: &str) -> Response {
    json_body(status, &json!({"message": text}))
}

pub(super) fn invalid(place: Value, text: impl Into<String>, kind: &str) -> Response {
    let detail = json!({"loc": place, "msg": text.into(), "type": kind});
    json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": [detail]}))
}

impl Declared {
    async fn answer(&self, asked: Asked<'_>, request_id: &str) -> Response {
        if self.route.token
            && let Err(early) = tokens::check(&self.predictor.spec, asked.headers)
        {
            return early.into_response();
        }
        if let Some(action) = self.route.articles.as_deref().and_then(action) {
            return articles::answer(&self.predictors.service, (&self.predictor, &self.route), action, asked)
                .await;
        }
        let (rows, shape) = match self.asked_about(&asked).await {
            Ok(rows) => rows,
            Err(early) => return early.into_response(),
        };
        let rows: Vec<Map<String, Value>> = rows.into_iter().map(|row| self.prepared(row)).collect();
        if let (Some(empty), [row]) = (&self.route.empty, &rows[..])
            && self.is_empty(row)
        {
            return json_body(StatusCode::OK, empty);
        }
        let borrowed: Vec<&Map<String, Value>> = rows.iter().collect();
        let is_explained = asked.query.iter().any(|(name, value)| name == "explain" && value == "true");
        let explain = if is_explained { Explain::Yes } else { Explain::No };
        match predict(&self.predictors, &self.predictor, &borrowed, (explain, request_id)).await {
            Ok(answers) => self.told(&answers, (&rows, shape), request_id),
            Err(Failure::NoModel) => {
                let name = &self.predictor.spec.name;
                let mut characters = name.chars();
                let capital: String = characters
                    .next()
                    .map(|first| first.to_uppercase().collect::<String>() + characters.as_str())
                    .unwrap_or_default();
                message(StatusCode::INTERNAL_SERVER_ERROR, &format!("{capital} model not loaded"))
            }
            Err(failure) => failed(failure, shape),
        }
    }

    /// The rows to predict; those that are looked up only to be told are the answer.
    async fn asked_about(&self, asked: &Asked<'_>) -> Result<(Vec<Map<String, Value>>, Shape), Early> {
        let Some(name) = &self.route.lookup else {
            return self.rows(asked.headers, asked.body);
        };
        let mut rows = self.looked_up(name, &self.parameters(asked.parameters, asked.query)).await?;
        let shape = if self.route.batch { Shape::List } else { Shape::One };
        if self.route.answer.is_some() {
            return Ok((rows, shape));
        }
        let told = match shape {
            Shape::One => rows.pop().map(Value::Object).unwrap_or_default(),
            _ => rows.into_iter().map(Value::Object).collect(),
        };
        Err(json_body(StatusCode::OK, &told).into())
    }

    /// Parameters of a look-up: those of the path, those that may be given in the query, and what they are otherwise.
    fn parameters(&self, given: &HashMap<&str, &str>, query: &[(String, String)]) -> HashMap<String, String> {
        let declared = self.route.query.iter().map(|(name, otherwise)| {
            let asked = query.iter().find(|(asked, _)| asked == name).map(|(_, value)| value.clone());
            let otherwise = || otherwise.as_str().map_or_else(|| otherwise.to_string(), str::to_owned);
            (name.clone(), asked.unwrap_or_else(otherwise))
        });
        let of_path = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        declared.chain(of_path).collect()
    }

    /// The row that is looked up, or all rows.
    async fn looked_up(
        &self,
        name: &str,
        given: &HashMap<String, String>,
    ) -> Result<Vec<Map<String, Value>>, Early> {
        let given: HashMap<&str, &str> =
            given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let Some(lookup) = self.predictor.lookups.get(name) else {
            return Err(message(StatusCode::INTERNAL_SERVER_ERROR, "No SQL connection").into());
        };
        let found = match self.route.batch {
            true => lookup.find_all(&given).await.map(Some),
            false => lookup.find(&given).await.map(|row| row.map(|row| vec![(*row).clone()])),
        };
        match found {
            Ok(Some(rows)) => Ok(rows),
            Ok(None) => {
                let template = self.route.not_found.as_deref().unwrap_or("nothing was found");
                let text = given.iter().fold(template.to_owned(), |text, (name, value)| {
                    text.replace(&format!("{{{name}}}"), value)
                });
                Err(message(StatusCode::NOT_FOUND, &text).into())
            }
            Err(lookup::Failed::Parameter { name, expected }) => {
                let kind = if expected == "integer" { "int_parsing" } else { "value_error" };
                let place = if self.route.query.contains_key(&name) { "query" } else { "path" };
                Err(invalid(json!([place, name]), format!("Input should be a valid {expected}"), kind).into())
            }
            Err(lookup::Failed::Database(error)) => {
                tracing::warn!(predictor = self.predictor.spec.name, lookup = name, %error, "a look-up failed");
                Err(message(StatusCode::INTERNAL_SERVER_ERROR, "No SQL connection").into())
            }
        }
    }

    /// The rows of a body, all as they are expected.
    fn rows(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Vec<Map<String, Value>>, Shape), Early> {
        let (rows, shape) =
            if self.route.batch { self.many(headers, body)? } else { (vec![one(body)?], Shape::One) };
        let mut problems = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let place = |name: &str| shape.place(at, name);
            for (name, kind) in &self.route.required {
                match row.get(name) {
                    None | Some(Value::Null) => {
                        problems
                            .push(json!({"loc": place(name), "msg": "Field required", "type": "missing"}));
                    }
                    Some(value) if !is_of(value, kind) => {
                        let text = format!("Input should be a valid {kind}");
                        problems
                            .push(json!({"loc": place(name), "msg": text, "type": format!("{kind}_type")}));
                    }
                    Some(_) => {}
                }
            }
        }
        match problems.is_empty() {
            true => Ok((rows, shape)),
            false => Err(json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": problems})).into()),
        }
    }

    /// A row, a list of them, CSV, or NDJSON.
    fn many(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Vec<Map<String, Value>>, Shape), Early> {
        let media_type =
            headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if is_ndjson(media_type) {
            return ndjson(body).map(|rows| (rows, Shape::Lines));
        }
        if media_type.starts_with("text/csv") {
            let options = files::options(&self.predictor.spec, None);
            let read = files::read(body, Format::Csv, &options)
                .map_err(|error| invalid(json!(["body"]), error.to_string(), "value_error"))?;
            return match read.rejected.first() {
                Some((line, reason)) => Err(invalid(json!(["body", line]), reason, "value_error").into()),
                None => Ok((super::inference::objects(&read.table), Shape::List)),
            };
        }
        if body.trim_ascii_start().starts_with(b"{") {
            return Ok((vec![one(body)?], Shape::One));
        }
        let rows: Result<Vec<Map<String, Value>>, _> = serde_json::from_slice(body);
        rows.map(|rows| (rows, Shape::List)).map_err(|error| {
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

    fn told(
        &self,
        answers: &Answers,
        (rows, shape): (&[Map<String, Value>], Shape),
        request_id: &str,
    ) -> Response {
        let one = |(at, (prediction, row)): (usize, (&Prediction, &Map<String, Value>))| {
            let reasons = answers.reasons.as_ref().and_then(|reasons| reasons.get(at));
            let Some(template) = &self.route.answer else {
                return answer::whole(&answers.version, prediction, reasons);
            };
            let mut told = routes::fill(template, &|name| match name {
                "$row" => Some(Value::Object(row.clone())),
                "$request_id" => Some(request_id.into()),
                name => answer::placeholder(&answers.version, prediction, name),
            });
            if let (Some(reasons), Value::Object(told)) = (reasons, &mut told) {
                told.insert("explanation".to_owned(), answer::explanation(reasons));
            }
            told
        };
        let mut told: Vec<Value> = answers.predictions.iter().zip(rows).enumerate().map(one).collect();
        match shape {
            Shape::One => json_body(StatusCode::OK, &told.pop().unwrap_or_default()),
            Shape::List => json_body(StatusCode::OK, &Value::Array(told)),
            Shape::Lines => scoring::lines(&told),
        }
    }
}

/// How rows came, and how they are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    One,
    List,
    Lines,
}

impl Shape {
    /// Where a field stands in the body.
    pub fn place(self, row: usize, field: &str) -> Value {
        match self {
            Shape::One => json!(["body", field]),
            Shape::List | Shape::Lines => json!(["body", row, field]),
        }
    }
}

/// Whether a body is one JSON object per line.
pub(super) fn is_ndjson(media_type: &str) -> bool {
    media_type.contains("ndjson") || media_type.contains("jsonl")
}

/// Objects, one per line.
pub(super) fn ndjson(body: &[u8]) -> Result<Vec<Map<String, Value>>, Early> {
    let lines: Result<_, _> = serde_json::Deserializer::from_slice(body).into_iter().collect();
    lines.map_err(|error: serde_json::Error| {
        invalid(json!(["body", error.line()]), format!("JSON decode error: {error}"), "json_invalid").into()
    })
}

/// The row of a body.
fn one(body: &[u8]) -> Result<Map<String, Value>, Early> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(_) => {
            let expected = "Input should be a valid dictionary or object";
            Err(invalid(json!(["body"]), expected, "model_attributes_type").into())
        }
        Err(error) => {
            let place = json!(["body", error.column()]);
            Err(invalid(place, format!("JSON decode error: {error}"), "json_invalid").into())
        }
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
