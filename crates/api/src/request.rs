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

/// Decodes a query string; malformed escapes stay as they are.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key), percent_decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut idx = 0;
    while idx < bytes.len() {
        match bytes[idx] {
            b'+' => decoded.push(b' '),
            b'%' => match hex_pair(bytes.get(idx + 1..idx + 3)) {
                Some(byte) => {
                    decoded.push(byte);
                    idx += 2;
                }
                None => decoded.push(b'%'),
            },
            byte => decoded.push(byte),
        }
        idx += 1;
    }
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_pair(pair: Option<&[u8]>) -> Option<u8> {
    let digits = std::str::from_utf8(pair?).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_strings_are_decoded() {
        let check = |query: &str, expected: &[(&str, &str)]| {
            let found = parse_query(query);
            let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(found, expected, "{query}");
        };
        check("", &[]);
        check("a=1&b=x+y&a=2", &[("a", "1"), ("b", "x y"), ("a", "2")]);
        check("token=%C3%A9%20%2B", &[("token", "é +")]);
        check("broken=%zz%4&flag", &[("broken", "%zz%4"), ("flag", "")]);
    }
}
