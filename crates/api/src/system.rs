//! Operations about the server itself.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use intendant_rasa_format::write::domain_yaml;
use serde_json::{Value, json};

use crate::error::{API_VERSION, ApiError, MINIMUM_COMPATIBLE_VERSION, json_response, text_response};
use crate::request::Request;
use crate::router::Api;

pub fn hello() -> Response<Body> {
    text_response(StatusCode::OK, format!("Hello from Rasa: {API_VERSION}"))
}

pub fn version() -> Response<Body> {
    let body = json!({"version": API_VERSION, "minimum_compatible_version": MINIMUM_COMPATIBLE_VERSION});
    json_response(StatusCode::OK, &body)
}

pub fn status(api: &Api) -> Result<Response<Body>, ApiError> {
    let assistant = api.server.assistant().ok_or_else(ApiError::no_model)?;
    let body = json!({
        "model_file": assistant.model_file,
        "model_id": assistant.model_id(),
        "num_active_training_jobs": api.trainings.load(std::sync::atomic::Ordering::Relaxed),
    });
    Ok(json_response(StatusCode::OK, &body))
}

pub fn domain(api: &Api, request: &Request) -> Result<Response<Body>, ApiError> {
    let assistant = api.server.assistant().ok_or_else(ApiError::no_model)?;
    let accept = request.header(header::ACCEPT).unwrap_or("application/json");
    if accept.ends_with("json") {
        return Ok(json_response(StatusCode::OK, &Value::Object(assistant.domain().dict.clone())));
    }
    if accept.ends_with("yml") || accept.ends_with("yaml") {
        let mut response = text_response(StatusCode::OK, domain_yaml(assistant.domain()));
        let yaml = HeaderValue::from_static("application/x-yaml");
        response.headers_mut().insert(header::CONTENT_TYPE, yaml);
        return Ok(response);
    }
    let message = "Invalid Accept header. Domain can be provided as json (\"Accept: application/json\") or\
                   yml (\"Accept: application/x-yaml\"). Make sure you've set the appropriate Accept header.";
    Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message))
}
