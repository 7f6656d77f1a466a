//! Messages that spell out their meaning: `/intent@0.9{"entity": "value"}` (`spec: nlu.md §10`).

use intendant_talk::domain::Domain;
use intendant_talk::message::{Entity, Intent, Object, Parse};
use serde_json::Value;

use crate::names::DomainNames;

/// What such a message says, and what was wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct IntentMessage {
    /// The parse result; `None` when the message is an ordinary one.
    pub parse: Option<Parse>,
    /// Worth a warning in the log.
    pub warnings: Vec<String>,
}

/// Reads a message that starts with `/`.
///
/// An empty domain (no intents at all) accepts every name.
pub fn parse_intent_message(text: &str, domain: &Domain) -> IntentMessage {
    read(text, &DomainNames::of(domain))
}

/// Parses a message without any pipeline, as an assistant without language understanding does.
pub fn parse_without_pipeline(text: &str, domain: &Domain) -> Parse {
    parse_intent_message(text, domain).parse.unwrap_or_else(|| Parse {
        text: Some(text.trim().to_owned()),
        intent: Intent::none(),
        ..Parse::default()
    })
}

pub(crate) fn read(text: &str, names: &DomainNames) -> IntentMessage {
    let mut warnings = Vec::new();
    let parse = parse(text.trim(), names, &mut warnings);
    IntentMessage { parse, warnings }
}

fn parse(text: &str, names: &DomainNames, warnings: &mut Vec<String>) -> Option<Parse> {
    let rest = text.strip_prefix('/')?;
    let name_end = rest.find(['{', '@']).unwrap_or(rest.len());
    let name = &rest[..name_end];
    if name.is_empty() {
        return None;
    }
    let rest = &rest[name_end..];
    let confidence_end = match rest.strip_prefix('@') {
        Some(digits) => 1 + digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len()),
        None => 0,
    };
    let (confidence, rest) = rest.split_at(if confidence_end > 1 { confidence_end } else { 0 });
    let intent = name.trim();
    if !names.knows_intent(intent) {
        warnings.push(format!("message names the intent `{intent}`, which is not in the domain"));
        return None;
    }
    let confidence = confidence_of(confidence, warnings);
    let braces = rest.rfind('}').filter(|_| rest.starts_with('{')).map_or("", |end| &rest[..=end]);
    let rest = &rest[braces.len()..];
    let start_chars = text.chars().count() - braces.chars().count() - rest.chars().count();
    let span = (start_chars, start_chars + braces.chars().count());
    let entities = if braces.is_empty() { Vec::new() } else { entities_of(braces, span, names, warnings) };
    if !rest.is_empty() {
        warnings.push(format!("message `/{intent}`: `{rest}` after the intent is ignored"));
    }
    let intent = Intent::new(intent, confidence);
    Some(Parse {
        text: Some(text.to_owned()),
        intent_ranking: Some(vec![intent.clone()]),
        intent,
        entities,
        ..Parse::default()
    })
}

fn confidence_of(written: &str, warnings: &mut Vec<String>) -> f64 {
    let Some(digits) = written.strip_prefix('@') else { return 1.0 };
    match digits.parse::<f64>() {
        Ok(confidence) if confidence > 1.0 => {
            warnings.push(format!("confidence {digits} of the message is above 1 and taken as 1"));
            1.0
        }
        Ok(confidence) => confidence,
        Err(_) => {
            warnings.push(format!("confidence `{digits}` of the message is not a number and taken as 0"));
            0.0
        }
    }
}

fn entities_of(
    braces: &str,
    (start_chars, end_chars): (usize, usize),
    names: &DomainNames,
    warnings: &mut Vec<String>,
) -> Vec<Entity> {
    let Ok(map) = serde_json::from_str::<Object>(braces) else {
        warnings.push(format!("entities `{braces}` of the message are not a JSON object"));
        return Vec::new();
    };
    let mut entities = Vec::new();
    for (name, values) in map {
        if !names.knows_entity(&name) {
            warnings.push(format!("message names the entity `{name}`, which is not in the domain"));
            continue;
        }
        let values = match values {
            Value::Array(values) => values,
            value => vec![value],
        };
        entities.extend(values.into_iter().map(|value| Entity {
            entity: name.clone(),
            value,
            start_chars: Some(start_chars),
            end_chars: Some(end_chars),
            extractor: Some("RegexMessageHandler".to_owned()),
            ..Entity::default()
        }));
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_talk::domain::{EntityInfo, IntentInfo};

    fn domain() -> Domain {
        Domain {
            intents: vec![IntentInfo { name: "greet".into(), ..IntentInfo::default() }],
            entities: vec![EntityInfo { name: "name".into(), ..EntityInfo::default() }],
            ..Domain::default()
        }
    }

    /// Intent, confidence, entity values with their span, number of warnings.
    type Expected<'a> = Option<(&'a str, f64, &'a [(&'a str, usize, usize)])>;

    fn check(text: &str, expected: Expected<'_>, warnings: usize) {
        let found = parse_intent_message(text, &domain());
        let summary = found.parse.as_ref().map(|parse| {
            let entities: Vec<(String, usize, usize)> = parse
                .entities
                .iter()
                .map(|e| (e.value.to_string(), e.start_chars.unwrap(), e.end_chars.unwrap()))
                .collect();
            (parse.intent_name().to_owned(), parse.intent.confidence.unwrap(), entities)
        });
        let expected = expected.map(|(intent, confidence, entities)| {
            let entities = entities.iter().map(|(v, s, e)| ((*v).to_owned(), *s, *e)).collect::<Vec<_>>();
            (intent.to_owned(), confidence, entities)
        });
        assert_eq!(summary, expected, "{text}");
        assert_eq!(found.warnings.len(), warnings, "{text}: {:?}", found.warnings);
    }

    #[test]
    fn spelled_out_messages_are_read() {
        check("hello", None, 0);
        check("/", None, 0);
        check("/greet", Some(("greet", 1.0, &[])), 0);
        check("  /greet ", Some(("greet", 1.0, &[])), 0);
        check("/greet@0.5", Some(("greet", 0.5, &[])), 0);
        check("/greet@7", Some(("greet", 1.0, &[])), 1);
        check("/greet@1.2.3", Some(("greet", 0.0, &[])), 1);
        check("/unknown", None, 1);
        check("/greet{\"name\":\"x\"}", Some(("greet", 1.0, &[("\"x\"", 6, 18)])), 0);
        check("/greet@0.5{\"name\":[1,\"ä\"]}", Some(("greet", 0.5, &[("1", 10, 26), ("\"ä\"", 10, 26)])), 0);
        check("/greet{\"city\":\"x\"}", Some(("greet", 1.0, &[])), 1);
        check("/greet{\"name\":", Some(("greet", 1.0, &[])), 1);
        check("/greet{name:x}", Some(("greet", 1.0, &[])), 1);
        check("/greet{\"name\":\"x\"} and more", Some(("greet", 1.0, &[("\"x\"", 6, 18)])), 1);
    }

    #[test]
    fn without_a_domain_every_name_is_known() {
        let parse = parse_without_pipeline("/anything{\"a\":1}", &Domain::default());
        assert_eq!(parse.intent_name(), "anything");
        assert_eq!(parse.entities.len(), 1);
        assert_eq!(parse_without_pipeline(" hi ", &Domain::default()).text.as_deref(), Some("hi"));
    }
}
