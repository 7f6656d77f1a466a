//! Takes a bot message apart into what simple channels can show.

use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::{Value, json};

/// The messages of collecting channels (rest, callback): `recipient_id` and one of `text` (with
/// `buttons`), `custom`, `image`, `attachment` each, in sending order.
pub fn collected(recipient_id: &str, message: &Object) -> Vec<Object> {
    let mut sent = Sent { recipient_id, messages: Vec::new() };
    let text = message.get("text").cloned().unwrap_or_default();
    if let Some(replies) = full(message, "quick_replies").or_else(|| full(message, "buttons")) {
        sent.push(&[("text", &text), ("buttons", replies)]);
    } else if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
        for part in text.trim().split("\n\n") {
            sent.push(&[("text", &json!(part))]);
        }
    }
    for key in ["custom", "image", "attachment"] {
        if let Some(value) = full(message, key) {
            sent.push(&[(key, value)]);
        }
    }
    if let Some(Value::Array(elements)) = full(message, "elements") {
        for element in elements {
            let part = |key: &str| element.get(key).map(python_text).unwrap_or_default();
            let text = format!("{} : {}", part("title"), part("subtitle"));
            let buttons = element.get("buttons").cloned().unwrap_or_else(|| json!([]));
            sent.push(&[("text", &json!(text)), ("buttons", &buttons)]);
        }
    }
    sent.messages
}

struct Sent<'a> {
    recipient_id: &'a str,
    messages: Vec<Object>,
}

impl Sent<'_> {
    fn push(&mut self, parts: &[(&str, &Value)]) {
        let mut message = Object::new();
        message.insert("recipient_id".to_owned(), self.recipient_id.into());
        for (key, value) in parts.iter().filter(|(_, value)| !value.is_null()) {
            message.insert((*key).to_owned(), (*value).clone());
        }
        self.messages.push(message);
    }
}

/// A part that is there and not empty, in Python's sense.
pub(crate) fn full<'a>(message: &'a Object, key: &str) -> Option<&'a Value> {
    message.get(key).filter(|value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart_in_order() {
        let check = |message: Value, expected: Value| {
            let Value::Object(message) = message else { panic!("{message}") };
            let messages = collected("u", &message);
            let found: Vec<Value> = messages
                .into_iter()
                .map(|mut message| {
                    assert_eq!(message.shift_remove("recipient_id"), Some(json!("u")));
                    Value::Object(message)
                })
                .collect();
            assert_eq!(Value::Array(found), expected);
        };
        check(json!({}), json!([]));
        check(json!({"text": null, "image": null, "buttons": []}), json!([]));
        check(json!({"text": "a\n\nb"}), json!([{"text": "a"}, {"text": "b"}]));
        check(
            json!({"text": "a\n\nb", "buttons": [{"title": "T", "payload": "/t"}]}),
            json!([{"text": "a\n\nb", "buttons": [{"title": "T", "payload": "/t"}]}]),
        );
        check(
            json!({"text": "a", "quick_replies": [{"title": "Q"}], "buttons": [{"title": "B"}]}),
            json!([{"text": "a", "buttons": [{"title": "Q"}]}]),
        );
        check(
            json!({"text": "a", "image": "i", "attachment": {"x": 1}, "custom": {"c": []}, "utter_action": "u"}),
            json!([{"text": "a"}, {"custom": {"c": []}}, {"image": "i"}, {"attachment": {"x": 1}}]),
        );
        check(
            json!({"elements": [{"title": "t", "subtitle": "s", "buttons": [{"title": "x"}]}, {"title": "e"}]}),
            json!([{"text": "t : s", "buttons": [{"title": "x"}]}, {"text": "e : ", "buttons": []}]),
        );
    }
}
