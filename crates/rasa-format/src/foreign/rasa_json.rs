//! Rasa's former JSON format.

use intendant_talk::data::{Lookup, NluData, Regex};
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use super::{Target, list, slice, text};
use crate::wire::{entity_from_json, entity_to_json};

pub(super) fn read(json: &Value, target: &mut Target<'_>) {
    target.warning("Rasa's JSON format is deprecated; convert the file to YAML");
    if let Some(key) = json.as_object().and_then(|object| object.keys().find(|key| *key != "rasa_nlu_data")) {
        target.error(format!("`{key}` is not a key of this format; only `rasa_nlu_data` is"));
    }
    let data = &json["rasa_nlu_data"];
    for (idx, example) in list(data, "common_examples").iter().enumerate() {
        read_example(idx, example, target);
    }
    for item in list(data, "entity_synonyms") {
        let Some(value) = text(item, "value") else { continue };
        for synonym in list(item, "synonyms").iter().filter_map(Value::as_str) {
            target.data.data.synonyms.insert(synonym.to_owned(), value.to_owned());
        }
    }
    for item in list(data, "regex_features") {
        if let (Some(name), Some(pattern)) = (text(item, "name"), text(item, "pattern")) {
            let source = target.source();
            target.data.data.regexes.push(Regex {
                name: name.to_owned(),
                pattern: pattern.to_owned(),
                source,
            });
        }
    }
    for item in list(data, "lookup_tables") {
        let Some(name) = text(item, "name") else { continue };
        let elements = match &item["elements"] {
            Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
            Value::String(path) => file_lines(path, target),
            _ => continue,
        };
        let source = target.source();
        target.data.data.lookups.push(Lookup { name: name.to_owned(), elements, source });
    }
}

/// The lines of a lookup table in a file of its own.
fn file_lines(path: &str, target: &mut Target<'_>) -> Vec<String> {
    let file = target.others.iter().find(|file| file.path.ends_with(path.trim_start_matches("./")));
    let Some(file) = file else {
        target.warning(format!("the lookup table's file `{path}` is not among the training data"));
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&file.bytes);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn read_example(idx: usize, example: &Value, target: &mut Target<'_>) {
    let Some(message) = text(example, "text") else {
        return target.error(format!("example {idx} of `common_examples` has no `text`"));
    };
    let mut entities = Vec::new();
    for item in list(example, "entities") {
        match read_entity(item, message) {
            Some(entity) => entities.push(entity),
            None => target.error(format!(
                "an entity of the example `{message}` needs `start`, `end` and `entity`, with a span inside of the text"
            )),
        }
    }
    if example.get("intent").is_some_and(|intent| !intent.is_string() && !intent.is_null()) {
        target.error(format!("the intent of the example `{message}` must be a text"));
    }
    target.push_example(message, text(example, "intent"), entities);
}

fn read_entity(item: &Value, message: &str) -> Option<Entity> {
    let mut entity = entity_from_json(item).ok()?;
    let (start, end) = (entity.start_chars?, entity.end_chars?);
    if start > end || end > message.chars().count() {
        return None;
    }
    if entity.value.is_null() {
        entity.value = slice(message, start, end).into();
    }
    Some(entity)
}

/// Writes language data in Rasa's former JSON format, for `data convert nlu -f json`.
pub fn nlu_json(data: &NluData) -> String {
    let example = |example: &intendant_talk::data::Example| {
        let mut object = serde_json::Map::new();
        object.insert("text".to_owned(), json!(example.text));
        if let Some(intent) = example.intent_response_key.as_ref().or(example.intent.as_ref()) {
            object.insert("intent".to_owned(), json!(intent));
        }
        if !example.entities.is_empty() {
            object.insert("entities".to_owned(), example.entities.iter().map(entity_to_json).collect());
        }
        let metadata = [("intent", &example.intent_metadata), ("example", &example.metadata)];
        let metadata: serde_json::Map<String, Value> =
            metadata.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect();
        if !metadata.is_empty() {
            object.insert("metadata".to_owned(), Value::Object(metadata));
        }
        Value::Object(object)
    };
    let mut synonyms: Vec<(&str, Vec<&str>)> = Vec::new();
    for (text, value) in data.synonyms.iter().filter(|(text, value)| text != value) {
        match synonyms.iter_mut().find(|(known, _)| known == value) {
            Some((_, texts)) => texts.push(text),
            None => synonyms.push((value, vec![text])),
        }
    }
    let named = |name: &str, key: &str, value: Value| json!({ "name": name, key: value });
    let document = json!({ "rasa_nlu_data": {
        "common_examples": data.examples.iter().map(example).collect::<Vec<_>>(),
        "regex_features": data.regexes.iter()
            .map(|regex| named(&regex.name, "pattern", json!(regex.pattern))).collect::<Vec<_>>(),
        "lookup_tables": data.lookups.iter()
            .map(|lookup| named(&lookup.name, "elements", json!(lookup.elements))).collect::<Vec<_>>(),
        "entity_synonyms": synonyms.iter()
            .map(|(value, texts)| json!({ "value": value, "synonyms": texts })).collect::<Vec<_>>(),
    } });
    format!("{document:#}\n")
}
