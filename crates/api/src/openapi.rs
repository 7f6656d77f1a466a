//! The description of the API, made from the table of routes: `GET /openapi.json` for programs,
//! `GET /docs` for people.
//!
//! It says what this server does with its settings: without authentication no operation asks for
//! it, and routes that are not there are not described. Whatever a gate adds to an operation
//! (who may, which errors) is added here once, for all.

mod operations;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::error::{API_VERSION, json_response};
use crate::route::{Gate, ROUTES, Row};
use crate::router::Api;
use operations::{About, Answer, about};

const SCHEMAS: &str = include_str!("openapi/schemas.json");
const PAGE: &str = include_str!("openapi/page.html");

/// `GET /openapi.json`.
pub fn document(api: &Api) -> Response<Body> {
    let auth = &api.settings.auth;
    let described = Described { asks_for_users: auth.is_required(), checks_tokens: auth.checks_tokens() };
    json_response(StatusCode::OK, &described.document())
}

/// `GET /docs`.
pub fn page() -> Response<Body> {
    let mut response = Response::new(Body::from(PAGE));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// What of the server's settings shows in the description.
struct Described {
    asks_for_users: bool,
    checks_tokens: bool,
}

impl Described {
    fn document(&self) -> Value {
        let mut paths = Map::new();
        let rows = ROUTES.iter().filter(|row| row.gate != Gate::Tokens || self.checks_tokens);
        for row in rows {
            let path = row.path.replace("{id}", "{conversation_id}");
            let operations = paths.entry(path).or_insert_with(|| json!({}));
            operations[row.method.to_ascii_lowercase()] = self.operation(row);
        }
        let schemas: Value = serde_json::from_str(SCHEMAS).expect("invariant: a test reads the schemas");
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Intendant",
                "version": API_VERSION,
                "summary": "The HTTP API of Rasa Open Source 3.6 and what goes beyond it.",
                "license": {"name": "MIT OR Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "token": {"type": "apiKey", "in": "query", "name": "token"},
                    "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                },
            },
        })
    }

    fn operation(&self, row: &Row) -> Value {
        let About { tag, summary, description, parameters, body, answers } = about(row.operation);
        let mut all = path_parameters(row.path);
        all.extend(parameters);
        let mut responses = Map::new();
        for answer in answers.into_iter().chain(self.answers_of_gate(row, body.is_some())) {
            let Answer { status, description, content } = answer;
            // The first description of a status is the operation's own.
            let response =
                responses.entry(status.to_string()).or_insert_with(|| json!({"description": description}));
            for (media_type, schema) in content {
                let known = &mut response["content"][media_type]["schema"];
                *known = match known.take() {
                    Value::Null => schema,
                    earlier if earlier == schema => earlier,
                    earlier => json!({"anyOf": [earlier, schema]}),
                };
            }
        }
        let mut operation = json!({
            "operationId": format!("{:?}", row.operation),
            "tags": [tag],
            "summary": summary,
            "parameters": all,
            "responses": responses,
        });
        if !description.is_empty() {
            operation["description"] = description.into();
        }
        if let Some(body) = body {
            operation["requestBody"] = body;
        }
        if self.is_guarded(row) {
            operation["security"] = json!([{"token": []}, {"jwt": []}]);
        }
        operation
    }

    fn is_guarded(&self, row: &Row) -> bool {
        self.asks_for_users && matches!(row.gate, Gate::Guarded | Gate::Authenticated | Gate::WithModel)
    }

    /// Errors that come before the operation itself.
    fn answers_of_gate(&self, row: &Row, has_body: bool) -> Vec<Answer> {
        let mut answers = Vec::new();
        if self.is_guarded(row) {
            answers.push(Answer::error(401, "Who is calling is not known."));
            answers.push(Answer::error(403, "The caller may not do this."));
            answers
                .push(Answer::token_error(400, "The `Authorization` header is not of the form `Bearer …`."));
        }
        if row.gate == Gate::WithModel {
            answers.push(Answer::error(409, "No model is loaded."));
        }
        if has_body {
            answers.push(Answer::framework_error(413, "The body is too large."));
        }
        answers.push(Answer::framework_error(503, "The answer took too long, or the server is stopping."));
        answers
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let parameter = |name: &str, description: &str| {
        let schema = json!({"type": "string", "minLength": 1});
        json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
    };
    let mut parameters = Vec::new();
    if path.contains("{id}") {
        parameters.push(parameter("conversation_id", "Whose conversation; at most 255 characters as sent."));
    }
    if path.contains("{channel}") {
        parameters.push(parameter("channel", "The name of an open channel."));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_every_reference_resolves() {
        for (asks_for_users, checks_tokens) in [(false, false), (true, false), (true, true)] {
            let document = Described { asks_for_users, checks_tokens }.document();
            let mut found = Vec::new();
            references(&document, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            for row in ROUTES {
                let path = row.path.replace("{id}", "{conversation_id}");
                let operation = &document["paths"][&path][row.method.to_ascii_lowercase()];
                let is_there = row.gate != Gate::Tokens || checks_tokens;
                assert_eq!(operation.is_object(), is_there, "{} {path}", row.method);
                let is_guarded = !operation["security"].is_null();
                let expects_users = !matches!(row.gate, Gate::Open | Gate::Public | Gate::Tokens);
                assert_eq!(is_guarded, asks_for_users && expects_users, "{} {path}", row.method);
            }
        }
    }
}
