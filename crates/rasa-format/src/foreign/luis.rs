//! LUIS applications.

use intendant_talk::data::{Example, Lookup, NluData, Regex};
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use super::{Target, distinct, full_intent, list, offset, slice, spans, synonyms_by_value, text};

/// The newest major version of the schema that is known.
const MAJOR_VERSION: u64 = 7;

pub(super) fn read(json: &Value, target: &mut Target<'_>) {
    let version = text(json, "luis_schema_version").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major > MAJOR_VERSION) {
        target.warning(format!(
            "the LUIS schema version {version} is newer than {MAJOR_VERSION}, the newest one known"
        ));
    }
    for utterance in list(json, "utterances") {
        let Some(message) = text(utterance, "text") else { continue };
        let entities = list(utterance, "entities").iter().filter_map(|item| entity(item, message));
        target.push_example(message, text(utterance, "intent"), entities.collect());
    }
    let activated =
        list(json, "regex_features").iter().filter(|item| item.get("activated") == Some(&Value::Bool(true)));
    let patterns = activated.map(|item| (text(item, "name"), text(item, "pattern"))).chain(
        list(json, "regex_entities").iter().map(|item| (text(item, "name"), text(item, "regexPattern"))),
    );
    for (name, pattern) in patterns {
        if let (Some(name), Some(pattern)) = (name, pattern) {
            let source = target.source();
            target.data.data.regexes.push(Regex {
                name: name.to_owned(),
                pattern: pattern.to_owned(),
                source,
            });
        }
    }
    read_lists(json, target);
}

fn read_lists(json: &Value, target: &mut Target<'_>) {
    for item in list(json, "closedLists") {
        let Some(name) = text(item, "name") else { continue };
        let mut elements = Vec::new();
        for entry in list(item, "subLists") {
            let Some(value) = text(entry, "canonicalForm") else { continue };
            elements.push(value.to_owned());
            for synonym in list(entry, "list").iter().filter_map(Value::as_str) {
                elements.push(synonym.to_owned());
                target.data.data.synonyms.insert(synonym.to_owned(), value.to_owned());
            }
        }
        let source = target.source();
        target.data.data.lookups.push(Lookup { name: name.to_owned(), elements, source });
    }
}

fn entity(item: &Value, message: &str) -> Option<Entity> {
    let (start, end) = (offset(item, "startPos")?, offset(item, "endPos")?.saturating_add(1));
    Some(Entity {
        entity: text(item, "entity")?.to_owned(),
        value: slice(message, start, end).into(),
        start_chars: Some(start),
        end_chars: Some(end),
        role: Some(text(item, "role").unwrap_or("O").to_owned()),
        ..Entity::default()
    })
}

/// Writes a LUIS application, for `data convert nlu -f luis`: entities with roles become machine-learned entities,
/// lookup tables and synonyms closed lists.
pub fn luis_json(data: &NluData, language: &str) -> String {
    let named =
        |names: Vec<&str>| -> Vec<Value> { names.iter().map(|name| json!({ "name": name })).collect() };
    let intents = distinct(data.examples.iter().filter_map(full_intent));
    let kinds = distinct(
        data.examples.iter().flat_map(|example| &example.entities).map(|entity| entity.entity.as_str()),
    );
    let entities: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let all = data.examples.iter().flat_map(|example| &example.entities);
            let roles = distinct(
                all.filter(|entity| entity.entity == *kind).filter_map(|entity| entity.role.as_deref()),
            );
            json!({ "name": kind, "children": [], "roles": roles, "features": [] })
        })
        .collect();
    let utterance = |example: &Example| {
        let entities: Vec<Value> = spans(example)
            .into_iter()
            .map(|(start, end, entity)| {
                let mut item = json!({ "entity": entity.entity, "startPos": start, "endPos": end - 1 });
                if let Some(role) = &entity.role {
                    item["role"] = json!(role);
                }
                item
            })
            .collect();
        json!({ "text": example.text, "intent": full_intent(example), "entities": entities })
    };
    let synonyms = synonyms_by_value(data);
    let lists: Vec<Value> = distinct(data.lookups.iter().map(|lookup| lookup.name.as_str()))
        .into_iter()
        .map(|name| {
            let same = data.lookups.iter().filter(|lookup| lookup.name == name);
            let values = distinct(same.flat_map(|lookup| lookup.elements.iter().map(String::as_str)));
            let sublists: Vec<Value> = values
                .into_iter()
                .map(|value| {
                    let list =
                        synonyms.iter().find(|(known, _)| *known == value).map(|(_, texts)| texts.clone());
                    json!({ "canonicalForm": value, "list": list.unwrap_or_default() })
                })
                .collect();
            json!({ "name": name, "subLists": sublists, "roles": [] })
        })
        .collect();
    let patterns: Vec<Value> = data
        .regexes
        .iter()
        .map(|regex| json!({ "name": regex.name, "pattern": regex.pattern, "activated": true }))
        .collect();
    let application = json!({
        "luis_schema_version": "7.0.0",
        "versionId": "0.1",
        "name": "converted",
        "desc": "",
        "culture": culture(language),
        "intents": named(intents),
        "entities": entities,
        "closedLists": lists,
        "regex_features": patterns,
        "regex_entities": [],
        "patternAnyEntities": [],
        "prebuiltEntities": [],
        "composites": [],
        "hierarchicals": [],
        "patterns": [],
        "phraselists": [],
        "settings": [],
        "utterances": data.examples.iter().map(utterance).collect::<Vec<_>>(),
    });
    format!("{application:#}\n")
}

/// LUIS names a region beside the language.
fn culture(language: &str) -> String {
    match language {
        "en" => "en-us".to_owned(),
        "pt" => "pt-br".to_owned(),
        "zh" => "zh-cn".to_owned(),
        "ja" => "ja-jp".to_owned(),
        "ko" => "ko-kr".to_owned(),
        other if other.contains('-') => other.to_lowercase(),
        other => format!("{other}-{other}"),
    }
}
