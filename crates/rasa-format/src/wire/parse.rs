//! Parse results, intents and entities.

use intendant_talk::message::{Entity, Intent, Object, Parse};
use serde_json::{Value, json};

use super::Error;

/// Writes a parse result as `POST /model/parse` answers it.
pub fn parse_to_json(parse: &Parse) -> Value {
    let mut object = Object::new();
    object.insert("text".to_owned(), option(parse.text.as_deref()));
    object.insert("intent".to_owned(), intent_to_json(&parse.intent));
    object.insert("entities".to_owned(), entities_to_json(&parse.entities));
    write_components(parse, &mut object);
    Value::Object(object)
}

/// Adds what other components than classifiers and extractors found.
pub(super) fn write_components(parse: &Parse, object: &mut Object) {
    if let Some(tokens) = &parse.text_tokens {
        let tokens = tokens.iter().map(|(start, end)| json!([start, end])).collect();
        object.insert("text_tokens".to_owned(), Value::Array(tokens));
    }
    if let Some(ranking) = &parse.intent_ranking {
        let ranking = ranking.iter().map(intent_to_json).collect();
        object.insert("intent_ranking".to_owned(), Value::Array(ranking));
    }
    if let Some(selector) = &parse.response_selector {
        object.insert("response_selector".to_owned(), Value::Object(selector.clone()));
    }
    for (key, value) in &parse.extra {
        object.insert(key.clone(), value.clone());
    }
}

/// Reads a parse result; keys it does not know are kept in `extra`.
///
/// # Errors
/// When it is no object or an intent or entity in it has the wrong shape.
pub fn parse_from_json(value: &Value) -> Result<Parse, Error> {
    let Value::Object(object) = value else {
        return Err(Error::event(format!("parse data must be an object, found {}", kind_of(value))));
    };
    let mut parse = Parse::default();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("text", Value::String(text)) => parse.text = Some(text.clone()),
            ("text" | "intent" | "entities", Value::Null) => {}
            ("intent", value) => parse.intent = intent_from_json(value)?,
            ("entities", value) => parse.entities = entities_from_json(value)?,
            ("intent_ranking", Value::Array(items)) => {
                parse.intent_ranking = Some(items.iter().map(intent_from_json).collect::<Result<_, _>>()?);
            }
            ("response_selector", Value::Object(selector)) => {
                parse.response_selector = Some(selector.clone());
            }
            ("text_tokens", value) => match tokens_from_json(value) {
                Some(tokens) => parse.text_tokens = Some(tokens),
                None => keep(&mut parse.extra, key, value),
            },
            (_, value) => keep(&mut parse.extra, key, value),
        }
    }
    Ok(parse)
}

fn keep(extra: &mut Object, key: &str, value: &Value) {
    extra.insert(key.to_owned(), value.clone());
}

/// An offset; some clients write `3.0`.
fn offset(value: &Value) -> Option<usize> {
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0);
    let offset = value.as_u64().or_else(|| float().map(|number| number as u64))?;
    usize::try_from(offset).ok()
}

fn tokens_from_json(value: &Value) -> Option<Vec<(usize, usize)>> {
    value
        .as_array()?
        .iter()
        .map(|token| match token.as_array()?.as_slice() {
            [start, end] => Some((offset(start)?, offset(end)?)),
            _ => None,
        })
        .collect()
}

/// Writes an intent; the empty intent of a message that was never parsed is `{}`.
pub fn intent_to_json(intent: &Intent) -> Value {
    let mut object = Object::new();
    if intent.name.is_some() || intent.confidence.is_some() || !intent.extra.is_empty() {
        object.insert("name".to_owned(), option(intent.name.as_deref()));
    }
    if let Some(confidence) = intent.confidence {
        object.insert("confidence".to_owned(), confidence.into());
    }
    for (key, value) in &intent.extra {
        object.insert(key.clone(), value.clone());
    }
    Value::Object(object)
}

/// Reads an intent.
///
/// # Errors
/// When it is no object or its name is no string.
pub fn intent_from_json(value: &Value) -> Result<Intent, Error> {
    let Value::Object(object) = value else {
        return Err(Error::event(format!("an intent must be an object, found {}", kind_of(value))));
    };
    let mut intent = Intent::default();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("name", Value::String(name)) => intent.name = Some(name.clone()),
            ("name", Value::Null) => {}
            ("name", other) => {
                return Err(Error::event(format!(
                    "an intent's name must be a string, found {}",
                    kind_of(other)
                )));
            }
            ("confidence", Value::Number(number)) => intent.confidence = number.as_f64(),
            (_, value) => keep(&mut intent.extra, key, value),
        }
    }
    Ok(intent)
}

pub(super) fn entities_to_json(entities: &[Entity]) -> Value {
    Value::Array(entities.iter().map(entity_to_json).collect())
}

/// Writes an entity; absent fields are absent.
pub fn entity_to_json(entity: &Entity) -> Value {
    let mut object = Object::new();
    object.insert("entity".to_owned(), Value::String(entity.entity.clone()));
    let offsets = [("start", entity.start_chars), ("end", entity.end_chars)];
    for (key, offset) in offsets {
        if let Some(offset) = offset {
            object.insert(key.to_owned(), offset.into());
        }
    }
    object.insert("value".to_owned(), entity.value.clone());
    let labels = [("role", &entity.role), ("group", &entity.group), ("extractor", &entity.extractor)];
    for (key, label) in labels {
        if let Some(label) = label {
            object.insert(key.to_owned(), Value::String(label.clone()));
        }
    }
    for (key, value) in &entity.extra {
        object.insert(key.clone(), value.clone());
    }
    Value::Object(object)
}

/// Reads an entity; keys it does not know are kept in `extra`.
///
/// # Errors
/// When it is no object or has no `entity` string.
pub fn entity_from_json(value: &Value) -> Result<Entity, Error> {
    let Value::Object(object) = value else {
        return Err(Error::event(format!("an entity must be an object, found {}", kind_of(value))));
    };
    let mut entity = Entity::default();
    let mut is_named = false;
    for (key, value) in object {
        match (key.as_str(), value) {
            ("entity", Value::String(name)) => {
                entity.entity = name.clone();
                is_named = true;
            }
            ("value", value) => entity.value = value.clone(),
            ("start", value @ Value::Number(_)) => entity.start_chars = offset(value),
            ("end", value @ Value::Number(_)) => entity.end_chars = offset(value),
            ("role", Value::String(role)) => entity.role = Some(role.clone()),
            ("group", Value::String(group)) => entity.group = Some(group.clone()),
            ("extractor", Value::String(extractor)) => entity.extractor = Some(extractor.clone()),
            (_, value) => keep(&mut entity.extra, key, value),
        }
    }
    if is_named { Ok(entity) } else { Err(Error::event("an entity needs the key `entity` with a string")) }
}

/// Reads entities: a list of them, or a map of type to value as `trigger_intent` accepts.
///
/// # Errors
/// When it is neither, or an entity has the wrong shape.
pub fn entities_from_json(value: &Value) -> Result<Vec<Entity>, Error> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(entity_from_json).collect(),
        Value::Object(map) => Ok(map
            .iter()
            .map(|(name, value)| Entity { entity: name.clone(), value: value.clone(), ..Entity::default() })
            .collect()),
        other => Err(Error::event(format!("entities must be a list or an object, found {}", kind_of(other)))),
    }
}

pub(super) fn option(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

/// Names a JSON value's type for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
