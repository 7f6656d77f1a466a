//! A message as a row: what its key is, and a digest of its content.

use intendant_port::stream::{Delivery, Message};
use intendant_store::books::DeadLetter;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The longest key; a longer one is replaced by its digest.
const KEY_BYTES_MAX: usize = 1024;

/// A message that can be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// A digest of its content.
    pub content: String,
    /// Its order among those of its key.
    pub order: i64,
    /// The message.
    pub value: Value,
}

impl Row {
    /// Reads a message. `path` names the key in it, with dots between names.
    ///
    /// # Errors
    /// The message with what is wrong about it.
    pub fn read(stream: &str, path: Option<&str>, delivery: &Delivery) -> Result<Self, DeadLetter> {
        let Delivery { message, damage, order, .. } = delivery;
        let dead = |reason: String| dead_letter(stream, message, reason);
        if let Some(damage) = damage {
            return Err(dead(format!("the message cannot be used: {damage}")));
        }
        let value: Value = serde_json::from_str(&message.body)
            .map_err(|error| dead(format!("the message is not JSON: {error}")))?;
        if !value.is_object() {
            return Err(dead("the message is not a JSON object".to_owned()));
        }
        let key = key(path, &value, message);
        Ok(Self { key, content: digest(message.body.as_bytes()), order: *order, value })
    }
}

/// The key of a message: the value that `path` names, else the transport's key, else the digest of the
/// text.
pub fn key(path: Option<&str>, value: &Value, message: &Message) -> String {
    let key = path.and_then(|path| at(value, path)).and_then(|found| match found {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::String(_) | Value::Null => None,
        other => Some(other.to_string()),
    });
    let key = key.or_else(|| message.key.clone()).unwrap_or_else(|| digest(message.body.as_bytes()));
    if key.len() > KEY_BYTES_MAX { digest(key.as_bytes()) } else { key }
}

/// The value at a path like `meta.id`.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// A message that cannot be handled. The same message is the same dead letter.
pub fn dead_letter(stream: &str, message: &Message, reason: String) -> DeadLetter {
    let id = digest(format!("{stream}\0{}", message.body).as_bytes());
    let key = message.key.clone().unwrap_or_default();
    DeadLetter { id: id[..16].to_owned(), key, body: message.body.clone(), reason, times: 0, died_ms: 0 }
}

/// A SHA-256 in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_or_made() {
        let check = |path: Option<&str>, key: Option<&str>, body: &str, expected: &str| {
            let message = Message { key: key.map(str::to_owned), body: body.to_owned() };
            let delivery = Delivery { message, damage: None, receipt: 1, place: None, order: 0 };
            let found = Row::read("s", path, &delivery).map(|row| row.key).map_err(|dead| dead.reason);
            assert_eq!(found.unwrap_or_else(|reason| reason), expected, "{body}");
        };
        check(Some("uri"), Some("k"), r#"{"uri": "a"}"#, "a");
        check(Some("meta.id"), None, r#"{"meta": {"id": 7}}"#, "7");
        check(Some("ids.1"), None, r#"{"ids": [7, 8]}"#, "8");
        check(Some("uri"), Some("k"), r#"{"uri": null}"#, "k");
        check(None, Some("k"), r#"{"uri": "a"}"#, "k");
        check(None, None, "{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        check(None, None, "[]", "the message is not a JSON object");
        check(None, None, "{", "the message is not JSON: EOF while parsing an object at line 1 column 1");
        let long = format!("{{\"uri\": \"{}\"}}", "x".repeat(2000));
        check(Some("uri"), None, &long, &digest("x".repeat(2000).as_bytes()));
    }
}
