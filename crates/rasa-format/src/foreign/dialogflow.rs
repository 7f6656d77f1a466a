//! Dialogflow agents as exported: intents and entities, each with a file of examples beside it.

use std::collections::HashSet;

use intendant_talk::data::{Example, Lookup, NluData, Regex};
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use super::{Target, distinct, full_intent, list, slice, spans, synonyms_by_value, text};

pub(super) fn read_intent(json: &Value, target: &mut Target<'_>) {
    let Some(examples) = examples("usersays", target) else { return };
    let intent = text(json, "name");
    for example in &examples {
        let mut message = String::new();
        let mut n_chars = 0;
        let mut entities = Vec::new();
        for chunk in list(example, "data") {
            let part = text(chunk, "text").unwrap_or_default();
            let end = n_chars + part.chars().count();
            let kind = text(chunk, "alias").or_else(|| text(chunk, "meta"));
            if let Some(kind) = kind.filter(|kind| *kind != "@sys.ignore") {
                entities.push(Entity {
                    entity: kind.to_owned(),
                    value: part.into(),
                    start_chars: Some(n_chars),
                    end_chars: Some(end),
                    ..Entity::default()
                });
            }
            message.push_str(part);
            n_chars = end;
        }
        target.push_example(&message, intent, entities);
    }
}

pub(super) fn read_entity(json: &Value, target: &mut Target<'_>) {
    let Some(entries) = examples("entries", target) else { return };
    let name = text(json, "name").unwrap_or_default().to_owned();
    let source = target.source();
    let mut synonyms = Vec::new();
    for entry in &entries {
        for synonym in list(entry, "synonyms").iter().filter_map(Value::as_str) {
            if let Some(value) = text(entry, "value") {
                target.data.data.synonyms.insert(synonym.to_owned(), value.to_owned());
            }
            synonyms.push(synonym.to_owned());
        }
    }
    if json.get("isRegexp") == Some(&Value::Bool(true)) {
        let regex = |pattern| Regex { name: name.clone(), pattern, source: source.clone() };
        target.data.data.regexes.extend(synonyms.into_iter().map(regex));
        return;
    }
    synonyms.retain(|synonym| !synonym.contains('@'));
    if !synonyms.is_empty() {
        target.data.data.lookups.push(Lookup { name, elements: synonyms, source });
    }
}

/// The list in the file beside the target's: `x.json` -> `x_usersays_en.json`.
fn examples(kind: &str, target: &mut Target<'_>) -> Option<Vec<Value>> {
    let path = target.file.path.replace(".json", &format!("_{kind}_{}.json", target.language));
    let file = target.others.iter().find(|file| file.path == path);
    let examples: Option<Vec<Value>> = file.and_then(|file| serde_json::from_slice(&file.bytes).ok());
    if examples.as_ref().is_none_or(Vec::is_empty) {
        target.warning(format!("there are no examples in `{path}`"));
        return None;
    }
    examples
}

/// Writes an agent as Dialogflow exports it, for `data convert nlu -f dialogflow`: texts by path below the agent's
/// folder. Entities of the examples, lookup tables and patterns become entity types.
pub fn dialogflow_files(data: &NluData, language: &str) -> Vec<(String, String)> {
    let pretty = |json: &Value| format!("{json:#}\n");
    let agent = json!({ "displayName": "converted", "language": language, "supportedLanguages": [language] });
    let mut files = vec![
        ("agent.json".to_owned(), pretty(&agent)),
        ("package.json".to_owned(), pretty(&json!({ "version": "1.0.0" }))),
    ];
    let mut names = FileNames::default();
    for intent in distinct(data.examples.iter().filter_map(full_intent)) {
        let file = names.unused("intents", intent);
        let own = data.examples.iter().filter(|example| full_intent(example) == Some(intent));
        let examples: Vec<Value> = own.map(says).collect();
        let definition = json!({ "name": intent, "auto": true, "responses": [], "priority": 500_000 });
        files.push((format!("{file}.json"), pretty(&definition)));
        files.push((format!("{file}_usersays_{language}.json"), pretty(&Value::Array(examples))));
    }
    for (name, entries, is_pattern) in entity_types(data) {
        let file = names.unused("entities", name);
        let definition = json!({
            "name": name, "isOverridable": true, "isEnum": false, "isRegexp": is_pattern,
            "automatedExpansion": !is_pattern, "allowFuzzyExtraction": false,
        });
        files.push((format!("{file}.json"), pretty(&definition)));
        files.push((format!("{file}_entries_{language}.json"), pretty(&Value::Array(entries))));
    }
    files
}

/// An example as chunks of text, annotated ones with the entity's name.
fn says(example: &Example) -> Value {
    let mut chunks = Vec::new();
    let mut position = 0;
    let plain =
        |start: usize, end: usize| json!({ "text": slice(&example.text, start, end), "userDefined": false });
    for (start, end, entity) in spans(example) {
        if start < position {
            continue;
        }
        if position < start {
            chunks.push(plain(position, start));
        }
        chunks.push(json!({
            "text": slice(&example.text, start, end),
            "alias": entity.entity,
            "meta": format!("@{}", entity.entity),
            "userDefined": true,
        }));
        position = end;
    }
    let n_chars = example.text.chars().count();
    if position < n_chars {
        chunks.push(plain(position, n_chars));
    }
    json!({ "data": chunks, "isTemplate": false, "count": 0 })
}

/// Entity types with their entries, and whether these are patterns.
fn entity_types(data: &NluData) -> Vec<(&str, Vec<Value>, bool)> {
    let synonyms = synonyms_by_value(data);
    let entry = |value: &str| {
        let texts = synonyms.iter().find(|(known, _)| *known == value).map(|(_, texts)| texts.clone());
        let all: Vec<&str> = std::iter::once(value).chain(texts.unwrap_or_default()).collect();
        json!({ "value": value, "synonyms": all })
    };
    let entities = || data.examples.iter().flat_map(|example| &example.entities);
    let lookups = data.lookups.iter().map(|lookup| lookup.name.as_str());
    let kinds = distinct(entities().map(|entity| entity.entity.as_str()).chain(lookups));
    let mut types: Vec<(&str, Vec<Value>, bool)> = Vec::new();
    for kind in kinds {
        let annotated =
            entities().filter(|entity| entity.entity == kind).filter_map(|entity| entity.value.as_str());
        let same = data.lookups.iter().filter(|lookup| lookup.name == kind);
        let listed = same.flat_map(|lookup| lookup.elements.iter().map(String::as_str));
        // What is a synonym of another value stands with that one.
        let values = distinct(annotated.chain(listed).filter(|value| !is_synonym(data, value)));
        types.push((kind, values.into_iter().map(entry).collect(), false));
    }
    for name in distinct(data.regexes.iter().map(|regex| regex.name.as_str())) {
        if types.iter().any(|(known, ..)| *known == name) {
            continue;
        }
        let same = data.regexes.iter().filter(|regex| regex.name == name);
        let entries = same.map(|regex| json!({ "value": regex.pattern, "synonyms": [regex.pattern] }));
        types.push((name, entries.collect(), true));
    }
    types
}

fn is_synonym(data: &NluData, value: &str) -> bool {
    data.synonyms.get(value).is_some_and(|canonical| canonical != value)
}

/// File names that no two intents share, without what folders cannot hold.
#[derive(Default)]
struct FileNames(HashSet<String>);

impl FileNames {
    fn unused(&mut self, folder: &str, name: &str) -> String {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let plain = plain.trim_start_matches('.');
        let mut path = format!("{folder}/{plain}");
        let mut number = 2;
        while !self.0.insert(path.to_lowercase()) {
            path = format!("{folder}/{plain}_{number}");
            number += 1;
        }
        path
    }
}
