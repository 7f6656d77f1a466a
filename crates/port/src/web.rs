//! Requests to the HTTP interfaces of others, such as messaging providers.

use serde_json::Value;

use crate::BoxFuture;
use crate::error::{Error, Kind, Result};

/// A request that may be sent more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How errors name it; unlike the URL it holds no secret.
    pub label: String,
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// Headers, the content type of the body among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks.
    Get,
    /// Does something, which twice may be too often.
    Post,
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends requests.
pub trait Web: Send + Sync {
    /// Sends a request, again where that is safe and may help, and returns the last answer of
    /// whatever status.
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Answer>>;
}

impl Request {
    /// Asks for something.
    pub fn get(label: impl Into<String>, url: String) -> Self {
        Self { label: label.into(), method: Method::Get, url, headers: Vec::new(), body: Vec::new() }
    }

    /// Posts JSON.
    pub fn json(label: impl Into<String>, url: String, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { label: label.into(), method: Method::Post, url, headers, body: body.to_string().into_bytes() }
    }

    /// Posts the fields of a form.
    pub fn form(label: impl Into<String>, url: String, fields: &[(&str, &str)]) -> Self {
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let body = form_encode(fields).into_bytes();
        Self { label: label.into(), method: Method::Post, url, headers, body }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    /// The same request with a token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }
}

/// How much of an answer's text is shown.
const SHOWN_CHARS: usize = 300;

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Fails unless the status says that it went well.
    pub fn insist(&self, label: &str) -> Result<()> {
        if self.status < 400 {
            return Ok(());
        }
        Err(self.refused(label, &String::from_utf8_lossy(&self.body)))
    }

    /// The error of a request that this answer refuses.
    pub fn refused(&self, label: &str, why: &str) -> Error {
        let kind = if self.status == 429 || self.status >= 500 { Kind::Unavailable } else { Kind::Refused };
        let why: String = why.chars().take(SHOWN_CHARS).collect();
        Error::new(kind, format!("{label} was answered with status {}: {why}", self.status))
    }
}

/// Writes fields as a form or query.
pub fn form_encode(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        percent_encode(name, &mut text);
        text.push('=');
        percent_encode(value, &mut text);
    }
    text
}

/// Appends a text with everything escaped that means something in a URL or form.
pub fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Reads a query or form: its fields in order. Malformed escapes stay as they are.
pub fn form_decode(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
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
    fn forms_are_read_and_written() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = form_decode(text);
            let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(form_decode(&form_encode(&found)), form_decode(text), "{text}");
        };
        check("", &[]);
        check("a=1&b=x+y&a=2", &[("a", "1"), ("b", "x y"), ("a", "2")]);
        check("token=%C3%A9%20%2B", &[("token", "é +")]);
        check("broken=%zz%4&flag", &[("broken", "%zz%4"), ("flag", "")]);
    }
}
