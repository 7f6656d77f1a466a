//! How the bot's messages look to sockets.

use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::render::full;

/// Something to be emitted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Emission {
    /// To whom, unless to the recipient.
    pub(super) room: Option<String>,
    /// The event's argument.
    pub(super) data: Value,
}

/// Takes a bot message apart, in sending order.
///
/// Differs from Rasa: a custom message without `data` is sent as it is, where Rasa fails.
pub(super) fn emissions(message: &Object) -> Vec<Emission> {
    let mut emissions = Vec::new();
    let mut push = |data: Value| emissions.push(Emission { room: None, data });
    let text = message.get("text").and_then(Value::as_str).unwrap_or("");
    if let Some(replies) = full(message, "quick_replies").or_else(|| full(message, "buttons")) {
        let replies: Vec<Value> = replies.as_array().into_iter().flatten().map(quick_reply).collect();
        let mut parts = text.trim().split("\n\n").peekable();
        while let Some(part) = parts.next() {
            let shown = if parts.peek().is_some() { &[] } else { replies.as_slice() };
            push(json!({"text": part, "quick_replies": shown}));
        }
    } else if !text.is_empty() {
        for part in text.trim().split("\n\n") {
            push(json!({"text": part}));
        }
    }
    if let Some(custom) = full(message, "custom") {
        emissions.push(custom_emission(custom));
    }
    let mut push = |data: Value| emissions.push(Emission { room: None, data });
    if let Some(image) = full(message, "image") {
        push(json!({"attachment": {"type": "image", "payload": {"src": image}}}));
    }
    if let Some(attachment) = full(message, "attachment") {
        push(json!({"attachment": attachment}));
    }
    for element in full(message, "elements").and_then(Value::as_array).into_iter().flatten() {
        let payload = json!({"template_type": "generic", "elements": element});
        push(json!({"attachment": {"type": "template", "payload": payload}}));
    }
    emissions
}

fn quick_reply(button: &Value) -> Value {
    json!({"content_type": "text", "title": button["title"], "payload": button["payload"]})
}

fn custom_emission(custom: &Value) -> Emission {
    let Some(data) = custom.get("data") else {
        return Emission { room: None, data: custom.clone() };
    };
    let room = custom.get("room").filter(|room| !room.is_null()).map(python_text);
    Emission { room, data: data.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart_in_order() {
        let check = |message: Value, expected: &[Value]| {
            let found = emissions(message.as_object().unwrap());
            let found: Vec<Value> = found.into_iter().map(|emission| emission.data).collect();
            assert_eq!(found, expected, "{message}");
        };
        check(json!({}), &[]);
        check(json!({"text": " a\n\nb "}), &[json!({"text": "a"}), json!({"text": "b"})]);
        let reply = json!({"content_type": "text", "title": "T", "payload": "/t"});
        let button = json!({"title": "T", "payload": "/t", "type": "postback"});
        check(
            json!({"text": "a\n\nb", "buttons": [button]}),
            &[json!({"text": "a", "quick_replies": []}), json!({"text": "b", "quick_replies": [reply]})],
        );
        check(json!({"buttons": [button]}), &[json!({"text": "", "quick_replies": [reply]})]);
        check(
            json!({"image": "i", "attachment": {"x": 1}, "custom": {"c": 1}, "elements": [{"e": 1}]}),
            &[
                json!({"c": 1}),
                json!({"attachment": {"type": "image", "payload": {"src": "i"}}}),
                json!({"attachment": {"x": 1}}),
                json!({"attachment": {
                    "type": "template",
                    "payload": {"template_type": "generic", "elements": {"e": 1}},
                }}),
            ],
        );
    }

    #[test]
    fn custom_messages_may_name_a_room() {
        let message = json!({"custom": {"data": {"a": 1}, "room": "r"}});
        let expected = Emission { room: Some("r".to_owned()), data: json!({"a": 1}) };
        assert_eq!(emissions(message.as_object().unwrap()), [expected]);
    }
}
