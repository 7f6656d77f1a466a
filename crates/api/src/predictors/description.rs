//! The OpenAPI description of predictors: made from what they declare and from the versions in use.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use intendant_predictor::articles::{Do, action};
use intendant_predictor::input::row_schema;
use intendant_predictor::routes::Path;
use intendant_predictor::spec::Route;
use intendant_score::service::Served;
use serde_json::{Map, Value, json};

use super::{Predictors, json_body};

pub async fn document(State(predictors): State<Arc<Predictors>>) -> Response {
    json_body(StatusCode::OK, &described(&predictors))
}

fn described(predictors: &Predictors) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for predictor in predictors.service.all() {
        let name = &predictor.spec.name;
        let row = match predictor.version() {
            Some(version) => row_schema(&predictor.spec, &version.signature),
            None => json!({"type": "object"}),
        };
        schemas.insert(format!("{name}_row"), row);
        let reference = json!({"$ref": format!("#/components/schemas/{name}_row")});
        for route in &predictor.spec.serve.routes {
            let path = Path::of(&route.path);
            let operations = paths.entry(path.path.to_owned()).or_insert_with(|| json!({}));
            operations[path.method.to_ascii_lowercase()] = declared(predictor, route, &path, &reference);
        }
        let rows = json!({"oneOf": [reference, {"type": "array", "items": reference}]});
        let about = predictor.spec.description.clone().unwrap_or_else(|| format!("Predictions of {name}."));
        paths.insert(format!("/predictors/{name}/predict"), operation("post", name, &about, Some(rows)));
        let frames = json!({"type": "object", "properties": {
            "dataframe_split": {"type": "object"}, "dataframe_records": {"type": "array", "items": reference},
            "instances": {"type": "array"}, "inputs": {},
        }});
        let summary = "Predictions in MLflow's input shapes.";
        paths.insert(
            format!("/predictors/{name}/invocations"),
            operation("post", name, summary, Some(frames)),
        );
        let summary = "Predictions by the Open Inference Protocol.";
        let inputs = json!({"type": "object", "required": ["inputs"], "properties": {
            "id": {"type": "string"}, "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/tensor"}},
        }});
        paths.insert(format!("/v2/models/{name}/infer"), operation("post", name, summary, Some(inputs)));
        paths.insert(
            format!("/v2/models/{name}"),
            operation("get", name, "What the model expects and gives.", None),
        );
        paths.insert(
            format!("/v2/models/{name}/ready"),
            operation("get", name, "Whether a version is in use.", None),
        );
    }
    for (path, summary) in [
        ("/v2", "What this server is."),
        ("/v2/health/live", "Whether the server lives."),
        ("/v2/health/ready", "Whether every model has a version in use."),
        ("/v2/models", "All models."),
        ("/predictors", "All predictors."),
    ] {
        paths.insert(path.to_owned(), operation("get", "server", summary, None));
    }
    let asked = json!({"type": "object", "properties": {"ready": {"type": "boolean"}}});
    paths.insert(
        "/v2/repository/index".to_owned(),
        operation("post", "server", "All models and whether they are ready.", Some(asked)),
    );
    for (word, summary) in [("load", "Puts its version into use."), ("unload", "Takes it out of use.")] {
        let path = format!("/v2/repository/models/{{name}}/{word}");
        let mut described = operation("post", "server", summary, None);
        described["post"]["parameters"] =
            json!([{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]);
        paths.insert(path, described);
    }
    if predictors.service.all().any(|predictor| predictor.articles.is_some()) {
        schemas.insert(
            "article".to_owned(),
            json!({"type": "object", "required": ["uri", "headline", "pub_date"], "properties": {
                "uri": {"type": "string"}, "headline": {"type": "string"},
                "pub_date": {"type": "string", "format": "date-time"}, "abstract": {"type": ["string", "null"]},
                "byline": {"type": ["array", "null"]}, "keywords": {"type": ["array", "null"]},
                "source": {"type": ["string", "null"]},
            }}),
        );
    }
    schemas.insert(
        "tensor".to_owned(),
        json!({"type": "object", "required": ["name", "shape", "datatype", "data"], "properties": {
            "name": {"type": "string"}, "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string"}, "data": {"type": "array"},
        }}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Intendant predictors", "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    })
}

fn operation(method: &str, tag: &str, summary: &str, body: Option<Value>) -> Value {
    let mut operation =
        json!({"tags": [tag], "summary": summary, "responses": {"200": {"description": "The answer."}}});
    if let Some(schema) = body {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
        operation["responses"]["400"] = json!({"description": "The request is not as expected."});
    }
    json!({method: operation})
}

fn declared(predictor: &Served, route: &Route, path: &Path<'_>, row: &Value) -> Value {
    let mut parameters: Vec<Value> = path
        .parameters
        .iter()
        .map(|name| {
            let lookup = route.lookup.as_ref().and_then(|lookup| predictor.spec.lookups.get(lookup));
            let kind = lookup.and_then(|lookup| lookup.parameters.get(*name)).map(String::as_str);
            let kind =
                if kind == Some("text") || kind.is_none() { "string" } else { kind.unwrap_or("string") };
            json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
        })
        .collect();
    let lookup = route.lookup.as_ref().and_then(|lookup| predictor.spec.lookups.get(lookup));
    parameters.extend(route.query.iter().map(|(name, otherwise)| {
        let kind = lookup.and_then(|lookup| lookup.parameters.get(name)).map_or("string", String::as_str);
        let kind = if kind == "text" { "string" } else { kind };
        json!({"name": name, "in": "query", "schema": {"type": kind, "default": otherwise}})
    }));
    let action = route.articles.as_deref().and_then(action);
    let asked = action.map(|action| action.query).unwrap_or_default();
    let asked = asked.iter().filter(|(name, _)| !path.parameters.contains(name));
    parameters.extend(asked.map(|(name, about)| {
        let kind = if matches!(*name, "n" | "offset" | "min_support") { "integer" } else { "string" };
        json!({"name": name, "in": "query", "description": about, "schema": {"type": kind}})
    }));
    let summary = route.summary.clone().unwrap_or_else(|| format!("{} {}", path.method, path.path));
    let mut operation = json!({
        "tags": [predictor.spec.name],
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer."},
            "422": {"description": "Values that do not fit, by field."},
            "500": {"description": "No model is loaded, or the database is away."},
        },
    });
    if route.lookup.is_some() {
        operation["responses"]["404"] = json!({"description": "Nothing was found."});
    }
    if action.is_some_and(|action| action.does == Do::Add) {
        let article = json!({"$ref": "#/components/schemas/article"});
        let schema = json!({"oneOf": [article, {"type": "array", "items": article}]});
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    } else if route.lookup.is_none() && action.is_none() {
        let schema = if route.batch { json!({"type": "array", "items": row}) } else { row.clone() };
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    if route.token {
        operation["security"] = json!([{"bearer": []}]);
        operation["responses"]["401"] = json!({"description": "No good token is shown."});
    }
    operation
}
