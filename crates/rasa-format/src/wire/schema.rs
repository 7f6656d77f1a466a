//! The schema that events posted over HTTP must satisfy.

use intendant_talk::event::Event;
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use serde_json::Value;

use super::Error;
use super::event::event_from_json;
use super::parse::kind_of;

/// Event types of the schema.
const EVENTS: [&str; 23] = [
    "user",
    "action",
    "slot",
    "entities",
    "user_featurization",
    "cancel_reminder",
    "reminder",
    "action_execution_rejected",
    "form_validation",
    "loop_interrupted",
    "form",
    "active_loop",
    "reset_slots",
    "resume",
    "pause",
    "followup",
    "export",
    "restart",
    "undo",
    "rewind",
    "bot",
    "session_started",
    "agent",
];

/// Reads the body of `POST /conversations/{id}/tracker/events`: one event or a list of them.
///
/// # Errors
/// [`super::ErrorKind::Schema`] when the body breaks the schema (a bad request),
/// [`super::ErrorKind::Event`] when no event can be made of it nevertheless.
pub fn validate_events(body: &Value, default_time: Timestamp) -> Result<Vec<Event>, Error> {
    let items = match body {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    for (idx, item) in items.iter().enumerate() {
        check_event(item).map_err(|error| Error::schema(format!("event {idx}: {}", error.message)))?;
    }
    let mut events = Vec::with_capacity(items.len());
    for item in items {
        events.extend(event_from_json(item, default_time)?);
    }
    Ok(events)
}

fn check_event(item: &Value) -> Result<(), Error> {
    let event = object(item, "an event")?;
    let Some(name) = event.get("event") else {
        return Err(Error::schema("`event` is a required property"));
    };
    let name = name.as_str().ok_or_else(|| wrong("event", "a string", name))?;
    if !EVENTS.contains(&name) {
        return Err(Error::schema(format!("`{name}` is not a known event type")));
    }
    check(event, "timestamp", "a number or null", |value| value.is_number() || value.is_null())?;
    check(event, "metadata", "an object or null", |value| value.is_object() || value.is_null())?;
    match name {
        "user" => check_user(event),
        "action" => check_action(event),
        "slot" => {
            require(event, "name")?;
            check(event, "name", "a string", Value::is_string)?;
            require(event, "value")
        }
        "entities" => {
            require(event, "entities")?;
            check_entities(event)
        }
        _ => Ok(()),
    }
}

fn check_user(event: &Object) -> Result<(), Error> {
    for key in ["text", "input_channel", "message_id"] {
        check(event, key, "a string or null", is_text_or_null)?;
    }
    let Some(parse) = event.get("parse_data") else { return Ok(()) };
    let parse = object(parse, "`parse_data`")?;
    check(parse, "text", "a string or null", is_text_or_null)?;
    check_entities(parse)?;
    if let Some(intent) = parse.get("intent") {
        check_intent(intent)?;
    }
    if let Some(ranking) = parse.get("intent_ranking") {
        let items = ranking.as_array().ok_or_else(|| wrong("intent_ranking", "a list", ranking))?;
        items.iter().try_for_each(check_intent)?;
    }
    if let Some(selector) = parse.get("response_selector") {
        check_selector(object(selector, "`response_selector`")?)?;
    }
    Ok(())
}

fn check_action(event: &Object) -> Result<(), Error> {
    for key in ["policy", "name", "action_text"] {
        check(event, key, "a string or null", is_text_or_null)?;
    }
    check(event, "confidence", "a number or null", |value| value.is_number() || value.is_null())?;
    check(event, "hide_rule_turn", "a boolean", Value::is_boolean)
}

fn check_intent(intent: &Value) -> Result<(), Error> {
    let intent = object(intent, "an intent")?;
    check(intent, "name", "a string", Value::is_string)?;
    check(intent, "confidence", "a number", Value::is_number)
}

fn check_entities(holder: &Object) -> Result<(), Error> {
    let Some(entities) = holder.get("entities") else { return Ok(()) };
    let items = entities.as_array().ok_or_else(|| wrong("entities", "a list", entities))?;
    for item in items {
        let entity = object(item, "an entity")?;
        require(entity, "entity")?;
        require(entity, "value")?;
        check(entity, "entity", "a string", Value::is_string)?;
        check(entity, "confidence", "a number", Value::is_number)?;
        for key in ["start", "end"] {
            check(entity, key, "an integer", is_integer)?;
        }
        for key in ["extractor", "role", "group"] {
            check(entity, key, "a string or null", is_text_or_null)?;
        }
    }
    Ok(())
}

/// Exactly one of two shapes: with a list of retrieval intents, or with selectors' outputs only.
fn check_selector(selector: &Object) -> Result<(), Error> {
    let has_list_or_nothing = selector.get("all_retrieval_intents").is_none_or(Value::is_array);
    let has_outputs_only = selector.values().all(|output| {
        let Value::Object(output) = output else { return false };
        output.get("response").is_none_or(Value::is_object)
            && output.get("ranking").is_none_or(Value::is_array)
    });
    if has_list_or_nothing == has_outputs_only {
        return Err(Error::schema("`response_selector` is not valid under exactly one of its schemas"));
    }
    Ok(())
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

/// Without a fraction, as JSON schemas have it.
fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, Error> {
    let found = kind_of(value);
    value.as_object().ok_or_else(|| Error::schema(format!("{what} must be an object, found {found}")))
}

fn require(object: &Object, key: &str) -> Result<(), Error> {
    if object.contains_key(key) {
        Ok(())
    } else {
        Err(Error::schema(format!("`{key}` is a required property")))
    }
}

fn check(object: &Object, key: &str, expected: &str, is_right: fn(&Value) -> bool) -> Result<(), Error> {
    match object.get(key) {
        Some(value) if !is_right(value) => Err(wrong(key, expected, value)),
        _ => Ok(()),
    }
}

fn wrong(key: &str, expected: &str, found: &Value) -> Error {
    Error::schema(format!("`{key}` must be {expected}, found {}", kind_of(found)))
}
