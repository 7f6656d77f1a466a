//! What a message to the rest and callback channels says.

use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::Value;

/// The sender of messages that name none.
pub const DEFAULT_SENDER: &str = "default";

/// A message as posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// Whose conversation it belongs to.
    pub sender_id: String,
    /// The text; `None` when there is none or it is no text.
    pub text: Option<String>,
    /// The channel to be named in the user's event.
    pub input_channel: Option<String>,
    /// Metadata for the session and the event.
    pub metadata: Object,
}

/// Reads the body of a message; `None` when it is no object.
pub fn read(body: &Value) -> Option<Inbound> {
    let body = body.as_object()?;
    let given = |key: &str| body.get(key).filter(|value| !value.is_null());
    Some(Inbound {
        sender_id: given("sender").map_or_else(|| DEFAULT_SENDER.to_owned(), python_text),
        text: given("message").and_then(Value::as_str).map(str::to_owned),
        input_channel: given("input_channel").map(python_text).filter(|name| !name.is_empty()),
        metadata: given("metadata").and_then(Value::as_object).cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_read() {
        let check = |body: Value, expected: Option<(&str, Option<&str>)>| {
            let found = read(&body);
            let found = found.as_ref().map(|found| (found.sender_id.as_str(), found.text.as_deref()));
            assert_eq!(found, expected, "{body}");
        };
        check(json!({"sender": "a", "message": "hi"}), Some(("a", Some("hi"))));
        check(json!({"message": ""}), Some(("default", Some(""))));
        check(json!({"sender": null, "message": "hi"}), Some(("default", Some("hi"))));
        check(json!({"sender": 7, "message": 7}), Some(("7", None)));
        check(json!([1, 2]), None);
        check(json!(null), None);
    }
}
