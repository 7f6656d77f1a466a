//! Language data (`spec: training-data.md §2.6`).

use intendant_talk::data::{Example, NluData};
use intendant_talk::message::{Entity, Object};
use serde_json::{Value, json};

use super::tree::Tree;
use super::version;

/// Extractors whose entities come from a pretrained model or rules and are not trained.
const PRETRAINED: [&str; 3] = ["DucklingEntityExtractor", "DucklingHTTPExtractor", "SpacyEntityExtractor"];

/// Writes language data: intents in the order in which they first occur, synonyms by value,
/// patterns and lookup tables by name, then responses.
pub fn nlu_yaml(data: &NluData, responses: &Object) -> String {
    let mut items = intents(data);
    let synonyms = data.synonyms.iter().map(|(text, value)| (value.as_str(), text.as_str()));
    items.extend(phrases("synonym", grouped(synonyms)));
    let regexes = data.regexes.iter().map(|regex| (regex.name.as_str(), regex.pattern.as_str()));
    items.extend(phrases("regex", grouped(regexes)));
    let elements = data
        .lookups
        .iter()
        .flat_map(|lookup| lookup.elements.iter().map(|element| (lookup.name.as_str(), element.as_str())));
    items.extend(phrases("lookup", grouped(elements)));
    let mut entries = vec![("version".to_owned(), version())];
    if !items.is_empty() {
        entries.push(("nlu".to_owned(), Tree::List(items)));
    }
    if !responses.is_empty() {
        entries.push(("responses".to_owned(), Tree::of(&Value::Object(responses.clone()))));
    }
    Tree::map(entries).to_yaml()
}

/// Groups texts by name, both in the order in which they occur.
fn grouped<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for (name, text) in pairs {
        let position = *positions.entry(name).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[position].1.push(text);
    }
    groups
}

fn phrases(kind: &str, groups: Vec<(&str, Vec<&str>)>) -> Vec<Tree> {
    let item = |(name, texts): (&str, Vec<&str>)| {
        let lines: String = texts.iter().map(|text| format!("- {text}\n")).collect();
        Tree::map(vec![(kind.to_owned(), Tree::text(name)), ("examples".to_owned(), Tree::Literal(lines))])
    };
    groups.into_iter().map(item).collect()
}

fn intents(data: &NluData) -> Vec<Tree> {
    let mut groups: Vec<(&str, Vec<&Example>)> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for example in &data.examples {
        let Some(name) = example.intent_response_key.as_ref().or(example.intent.as_ref()) else { continue };
        let position = *positions.entry(name.as_str()).or_insert_with(|| {
            groups.push((name.as_str(), Vec::new()));
            groups.len() - 1
        });
        groups[position].1.push(example);
    }
    groups.into_iter().map(|(name, examples)| intent(name, &examples)).collect()
}

fn intent(name: &str, examples: &[&Example]) -> Tree {
    let texts: Vec<String> = examples
        .iter()
        .map(|example| {
            annotated_text(&example.text, &example.entities).trim_matches(['\n', '\r', ' ']).to_owned()
        })
        .collect();
    let mut entries = vec![("intent".to_owned(), Tree::text(name))];
    if let Some(metadata) = examples.iter().find_map(|example| example.intent_metadata.as_ref()) {
        entries.push(("metadata".to_owned(), Tree::of(metadata)));
    }
    let has_escapes = |text: &String| text.contains(['\u{8}', '\u{c}', '\n', '\r', '\t']);
    let as_list = examples.iter().any(|example| example.metadata.is_some()) || texts.iter().any(has_escapes);
    let written = if as_list {
        Tree::List(texts.iter().zip(examples).map(|(text, example)| listed(text, example)).collect())
    } else {
        Tree::Literal(texts.iter().map(|text| format!("- {text}\n")).collect())
    };
    entries.push(("examples".to_owned(), written));
    Tree::map(entries)
}

fn listed(text: &str, example: &Example) -> Tree {
    let mut entries = vec![("text".to_owned(), Tree::Literal(format!("{text}\n")))];
    if let Some(metadata) = &example.metadata {
        entries.push(("metadata".to_owned(), Tree::of(metadata)));
    }
    Tree::map(entries)
}

/// Writes entities into a text. Entities without span, of pretrained extractors and those that
/// overlap an earlier one are left out; texts that start with `/` stay as they are.
pub fn annotated_text(text: &str, entities: &[Entity]) -> String {
    if text.starts_with('/') {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut spans: Vec<(usize, usize, Vec<&Entity>)> = Vec::new();
    for entity in entities {
        let is_trained = entity.extractor.as_deref().is_none_or(|name| !PRETRAINED.contains(&name));
        let (Some(start), Some(end)) = (entity.start_chars, entity.end_chars) else { continue };
        if !is_trained || start >= end || end > chars.len() {
            continue;
        }
        match spans.iter_mut().find(|span| (span.0, span.1) == (start, end)) {
            Some(span) => span.2.push(entity),
            None => spans.push((start, end, vec![entity])),
        }
    }
    spans.sort_by_key(|span| (span.0, span.1));
    let mut out = String::with_capacity(text.len());
    let mut position = 0;
    for (start, end, entities) in spans {
        if start < position {
            continue;
        }
        out.extend(&chars[position..start]);
        let span: String = chars[start..end].iter().collect();
        out.push_str(&format!("[{span}]"));
        match entities.as_slice() {
            [single] => out.push_str(&label(single, &span, Short::Allowed)),
            several => {
                let labels: Vec<String> =
                    several.iter().map(|entity| label(entity, &span, Short::Refused)).collect();
                out.push_str(&format!("[{}]", labels.join(", ")));
            }
        }
        position = end;
    }
    out.extend(&chars[position..]);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Short {
    Allowed,
    Refused,
}

fn label(entity: &Entity, text: &str, short: Short) -> String {
    let has_own_value = !entity.value.is_null() && entity.value != Value::String(text.to_owned());
    let is_simple = !has_own_value && entity.role.is_none() && entity.group.is_none();
    if short == Short::Allowed && is_simple && !entity.entity.contains([':', ')']) {
        return format!("({})", entity.entity);
    }
    let mut object = Object::new();
    object.insert("entity".to_owned(), json!(entity.entity));
    for (key, value) in [("role", &entity.role), ("group", &entity.group)] {
        if let Some(value) = value {
            object.insert(key.to_owned(), json!(value));
        }
    }
    if has_own_value {
        object.insert("value".to_owned(), entity.value.clone());
    }
    spaced_json(&object)
}

/// JSON with a space after colons and commas, as in hand-written data.
fn spaced_json(object: &Object) -> String {
    let members: Vec<String> =
        object.iter().map(|(key, value)| format!("{}: {value}", Value::String(key.clone()))).collect();
    format!("{{{}}}", members.join(", "))
}
