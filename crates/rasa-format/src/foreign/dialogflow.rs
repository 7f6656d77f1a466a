//! Dialogflow agents as exported: intents and entities, each with a file of examples beside it.

use intendant_talk::data::{Lookup, Regex};
use intendant_talk::message::Entity;
use serde_json::Value;

use super::{Target, list, text};

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
