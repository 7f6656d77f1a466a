//! States as texts: what rules are looked up by and stored as.

use std::fmt::Write as _;

use intendant_component::stored::Unreadable;
use serde_json::Value;

use super::{Previous, SHOULD_NOT_BE_SET, SlotFeatures, State, User};

/// The text that names a sequence of states: JSON as Python writes it with sorted keys, so that
/// "the longest key" means what it means in Rasa.
pub(crate) fn key_of(states: &[State]) -> String {
    let mut key = String::from("[");
    for (idx, state) in states.iter().enumerate() {
        if idx > 0 {
            key.push_str(", ");
        }
        write_state(&mut key, state);
    }
    key.push(']');
    key
}

fn write_state(key: &mut String, state: &State) {
    key.push('{');
    let mut parts = Parts::default();
    if let Some(name) = &state.active_loop {
        parts.next(key, "active_loop");
        key.push_str("{\"name\": ");
        write_quoted(key, name);
        key.push('}');
    }
    if let Some(previous) = &state.previous {
        let (kind, content) = match previous {
            Previous::Name(name) => ("{\"action_name\": ", name),
            Previous::Text(text) => ("{\"action_text\": ", text),
        };
        parts.next(key, "prev_action");
        key.push_str(kind);
        write_quoted(key, content);
        key.push('}');
    }
    if !state.slots.is_empty() {
        parts.next(key, "slots");
        write_slots(key, &state.slots);
    }
    if let Some(user) = &state.user {
        parts.next(key, "user");
        write_user(key, user);
    }
    key.push('}');
}

fn write_slots(key: &mut String, slots: &[(String, SlotFeatures)]) {
    let mut slots: Vec<&(String, SlotFeatures)> = slots.iter().collect();
    slots.sort_by(|a, b| a.0.cmp(&b.0));
    key.push('{');
    let mut parts = Parts::default();
    for (name, features) in slots {
        parts.next(key, name);
        match features {
            SlotFeatures::ShouldNotBeSet => write_quoted(key, SHOULD_NOT_BE_SET),
            SlotFeatures::Set(features) => {
                key.push('[');
                for (idx, feature) in features.iter().enumerate() {
                    let _ = write!(key, "{}{feature:?}", if idx > 0 { ", " } else { "" });
                }
                key.push(']');
            }
        }
    }
    key.push('}');
}

fn write_user(key: &mut String, user: &User) {
    key.push('{');
    let mut parts = Parts::default();
    if !user.entities.is_empty() {
        parts.next(key, "entities");
        key.push('[');
        for (idx, name) in user.entities.iter().enumerate() {
            key.push_str(if idx > 0 { ", " } else { "" });
            write_quoted(key, name);
        }
        key.push(']');
    }
    if let Some(intent) = &user.intent {
        parts.next(key, "intent");
        write_quoted(key, intent);
    }
    if let Some(text) = &user.text {
        parts.next(key, "text");
        write_quoted(key, text);
    }
    key.push('}');
}

/// Separates the parts of an object.
#[derive(Default)]
struct Parts {
    has_some: bool,
}

impl Parts {
    /// Begins a part; its content follows.
    fn next(&mut self, key: &mut String, name: &str) {
        if std::mem::replace(&mut self.has_some, true) {
            key.push_str(", ");
        }
        write_quoted(key, name);
        key.push_str(": ");
    }
}

/// Writes a JSON string with everything outside ASCII escaped.
fn write_quoted(key: &mut String, text: &str) {
    key.push('"');
    for c in text.chars() {
        match c {
            '"' => key.push_str("\\\""),
            '\\' => key.push_str("\\\\"),
            '\n' => key.push_str("\\n"),
            '\r' => key.push_str("\\r"),
            '\t' => key.push_str("\\t"),
            ' '..='~' => key.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(key, "\\u{unit:04x}");
                }
            }
        }
    }
    key.push('"');
}

/// Reads what [`key_of`] wrote.
pub(crate) fn states_from_key(key: &str) -> Result<Vec<State>, Unreadable> {
    let unreadable = || Unreadable::new(format!("`{key}` is no sequence of states"));
    let states: Value = serde_json::from_str(key).map_err(|_| unreadable())?;
    let states = states.as_array().ok_or_else(unreadable)?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut read = Vec::with_capacity(states.len());
    for state in states {
        let previous = state.get("prev_action").and_then(|action| {
            let name = text(action, "action_name").map(Previous::Name);
            name.or_else(|| text(action, "action_text").map(Previous::Text))
        });
        let slots = state.get("slots").and_then(Value::as_object).into_iter().flatten();
        let slots = slots.map(|(name, features)| match features {
            Value::Array(features) => {
                (name.clone(), SlotFeatures::Set(features.iter().filter_map(Value::as_f64).collect()))
            }
            _ => (name.clone(), SlotFeatures::ShouldNotBeSet),
        });
        let user = state.get("user").map(|user| User {
            text: text(user, "text"),
            intent: text(user, "intent"),
            entities: user
                .get("entities")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
        });
        let active_loop = state.get("active_loop").and_then(|active| text(active, "name"));
        read.push(State { user, slots: slots.collect(), previous, active_loop });
    }
    Ok(read)
}
