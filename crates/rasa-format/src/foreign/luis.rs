//! LUIS applications.

use intendant_talk::data::Regex;
use intendant_talk::message::Entity;
use serde_json::Value;

use super::{Target, list, offset, slice, text};

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
