//! Wit.ai utterances.

use intendant_talk::data::{Example, NluData};
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use super::{Target, full_intent, list, offset, slice, spans, text};
use crate::wire::entity_from_json;

pub(super) fn read(json: &Value, target: &mut Target<'_>) {
    for utterance in list(json, "utterances") {
        if utterance.get("entities").is_none_or(Value::is_null) {
            continue;
        }
        let Some(message) = text(utterance, "text") else { continue };
        let intent = match utterance.get("intent") {
            None => Some("out_of_scope"),
            Some(intent) => intent.as_str(),
        };
        let entities = list(utterance, "entities").iter().filter_map(entity).collect();
        target.push_example(message, intent, entities);
    }
}

fn entity(item: &Value) -> Option<Entity> {
    let Some((name, role)) = text(item, "entity")?.rsplit_once(':') else {
        return entity_from_json(item).ok();
    };
    Some(Entity {
        entity: name.to_owned(),
        value: item.get("body").cloned().unwrap_or_default(),
        start_chars: offset(item, "start"),
        end_chars: offset(item, "end"),
        role: Some(role.to_owned()),
        ..Entity::default()
    })
}

/// Writes utterances as wit.ai's training API takes them, for `data convert nlu -f wit`. Examples of retrieval intents
/// keep their full name; synonyms, patterns and lookup tables have no place in the format.
pub fn wit_json(data: &NluData) -> String {
    let utterance = |example: &Example| {
        let entities: Vec<Value> = spans(example)
            .into_iter()
            .map(|(start, end, entity)| {
                let role = entity.role.as_deref().unwrap_or(&entity.entity);
                json!({
                    "entity": format!("{}:{role}", entity.entity),
                    "start": start,
                    "end": end,
                    "body": slice(&example.text, start, end),
                    "entities": [],
                })
            })
            .collect();
        json!({ "text": example.text, "intent": full_intent(example), "entities": entities, "traits": [] })
    };
    let utterances: Vec<Value> = data.examples.iter().map(utterance).collect();
    format!("{:#}\n", json!({ "utterances": utterances }))
}
