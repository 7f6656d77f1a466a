//! Several domains become one (`spec: training-data.md §4.8`, §2.4, §5.3).

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use super::{Document, complete, from_dict};

const LISTS: [&str; 3] = ["intents", "entities", "actions"];
const MAPS: [&str; 3] = ["forms", "responses", "slots"];

/// Which of two definitions of one thing stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wins {
    First,
    Second,
}

/// Merges `second` into `first`: of what both define the first stays, with one warning that names
/// all of it.
pub fn merge(first: Document, second: Document, findings: &mut Vec<Diagnostic>) -> Document {
    if second.dict.is_empty() {
        return first;
    }
    if first.dict.is_empty() {
        return second;
    }
    warn_about_duplicates(&first, &second, findings);
    let dict = merge_dicts(first.dict, second.dict, Wins::First);
    let mut sources = first.sources;
    sources.insert_all(second.sources);
    Document { dict, sources }
}

/// Adds what language data brings: its responses (which replace the domain's), retrieval intents'
/// flags, and their actions.
pub fn with_retrieval_data(domain: Document, retrieval_intents: &[String], responses: Document) -> Document {
    if retrieval_intents.is_empty() && responses.dict.is_empty() {
        return domain;
    }
    let typed = from_dict(&complete(domain.dict.clone()));
    let intents = retrieval_intents.iter().map(|name| {
        let mut properties = Object::new();
        if let Some(intent) = typed.intent(name) {
            properties.insert("used_entities".to_owned(), json!(intent.used_entities));
        }
        properties.insert("is_retrieval_intent".to_owned(), Value::Bool(true));
        json!({ name.as_str(): properties })
    });
    let actions = retrieval_intents.iter().map(|name| Value::String(format!("utter_{name}")));
    let mut added = responses.dict;
    added.insert("intents".to_owned(), intents.collect());
    added.insert("actions".to_owned(), actions.collect());
    let dict = merge_dicts(domain.dict, added, Wins::Second);
    let mut sources = domain.sources;
    sources.override_all(responses.sources);
    Document { dict, sources }
}

/// Adds the texts of end-to-end bot turns.
pub fn with_end_to_end_actions(mut domain: Document, texts: impl IntoIterator<Item = String>) -> Document {
    let mut all: Vec<String> = match domain.dict.get("e2e_actions") {
        Some(Value::Array(known)) => {
            known.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    let n_known = all.len();
    all.extend(texts);
    if all.len() > n_known {
        all.sort();
        all.dedup();
        domain.dict.insert("e2e_actions".to_owned(), json!(all));
    }
    domain
}

fn merge_dicts(mut first: Object, mut second: Object, wins: Wins) -> Object {
    let is_default = |config: Option<&Value>| {
        config.is_none_or(|config| {
            config.is_null()
                || *config
                    == json!({ "session_expiration_time": 60, "carry_over_slots_to_new_session": true })
        })
    };
    if (wins == Wins::Second || is_default(first.get("session_config")))
        && !is_default(second.get("session_config"))
        && let Some(config) = second.get("session_config")
    {
        first.insert("session_config".to_owned(), config.clone());
    }
    remove_form_actions(&first, &mut second);
    for key in LISTS {
        let merged = merge_entries(keyed(first.get(key)), keyed(second.get(key)), wins);
        put(&mut first, key, Value::Array(merged.into_iter().map(|(_, item)| item).collect()));
    }
    for key in MAPS {
        let merged = merge_entries(entries(first.get(key)), entries(second.get(key)), wins);
        put(&mut first, key, Value::Object(merged.into_iter().collect()));
    }
    if let Some(Value::Array(texts)) = second.get("e2e_actions") {
        let texts = texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>();
        let document = Document { dict: first, sources: super::Sources::default() };
        first = with_end_to_end_actions(document, texts).dict;
    }
    if !first.contains_key("version")
        && let Some(version) = second.get("version")
    {
        first.insert("version".to_owned(), version.clone());
    }
    first
}

fn put(dict: &mut Object, key: &str, value: Value) {
    let is_empty =
        value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Object::is_empty);
    if !is_empty || dict.contains_key(key) {
        dict.insert(key.to_owned(), value);
    }
}

/// A form of the first domain that the second lists as an action is the form.
fn remove_form_actions(first: &Object, second: &mut Object) {
    let forms = entries(first.get("forms"));
    if let Some(Value::Array(actions)) = second.get_mut("actions") {
        actions.retain(|action| !forms.iter().any(|(form, _)| action.as_str() == Some(form)));
    }
}

/// Rasa's order: what wins keeps its value; without override the second's entries come first.
fn merge_entries(
    first: Vec<(String, Value)>,
    second: Vec<(String, Value)>,
    wins: Wins,
) -> Vec<(String, Value)> {
    let (mut merged, winners) = match wins {
        Wins::First => (second, first),
        Wins::Second => (first, second),
    };
    for (name, value) in winners {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => merged.push((name, value)),
        }
    }
    merged
}

/// Items of a list by their name: the text itself or the first key in alphabetical order.
fn keyed(list: Option<&Value>) -> Vec<(String, Value)> {
    let Some(Value::Array(items)) = list else { return Vec::new() };
    items.iter().filter_map(|item| Some((item_name(item)?.to_owned(), item.clone()))).collect()
}

/// The name of an item of `intents`, `entities` or `actions`.
pub(super) fn item_name(item: &Value) -> Option<&str> {
    match item {
        Value::String(name) => Some(name),
        Value::Object(map) => map.keys().min().map(String::as_str),
        _ => None,
    }
}

fn entries(map: Option<&Value>) -> Vec<(String, Value)> {
    let Some(Value::Object(map)) = map else { return Vec::new() };
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn warn_about_duplicates(first: &Document, second: &Document, findings: &mut Vec<Diagnostic>) {
    let mut parts = Vec::new();
    let mut place = Source::default();
    for key in ["intents", "forms", "actions", "responses", "slots", "entities"] {
        let names = |document: &Document| {
            let value = document.dict.get(key);
            if LISTS.contains(&key) { keyed(value) } else { entries(value) }
        };
        let known = names(first);
        let twice: Vec<String> = names(second)
            .into_iter()
            .filter(|(name, _)| known.iter().any(|(other, _)| other == name))
            .map(|(name, _)| name)
            .collect();
        if let Some(name) = twice.first() {
            if place == Source::default() {
                place = second.sources.find(&format!("{key}/{name}"));
            }
            let items: Vec<String> = twice
                .iter()
                .map(|name| {
                    let Source { file, line, .. } = first.sources.find(&format!("{key}/{name}"));
                    format!("`{name}` ({file}:{line})")
                })
                .collect();
            parts.push(format!("{key} {}", items.join(", ")));
        }
    }
    if !parts.is_empty() {
        let message =
            format!("other domain files define the same names, theirs are used: {}", parts.join("; "));
        findings.push(Diagnostic::warning(place, message));
    }
}
