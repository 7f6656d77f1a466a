//! A request, read to its end, with the ways in which Rasa looks at it.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use crate::error::ApiError;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, percent signs and all.
    pub path: String,
    /// Query parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A flag of the query: true only for the word `true` in any case.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.query(name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    /// A header as text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The client sends JSON and so gets errors of the framework as JSON.
    pub fn speaks_json(&self) -> bool {
        let content_type = self.header(header::CONTENT_TYPE).unwrap_or("");
        content_type.starts_with("application/json")
            || self.header(header::ACCEPT).is_some_and(|accept| accept.starts_with("application/json"))
    }

    /// The body as JSON; an absent body is null.
    pub fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| ApiError::bad_json())
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.body)
            .map_err(|_| ApiError::bad_request("The request body is not valid UTF-8."))
    }
}
