//! Responses and their variations, in domain and NLU files.

use super::Sources;
use crate::reader::Reader;
use crate::yaml::{Kind, Node};

const KEYS: [&str; 12] = [
    "text",
    "image",
    "custom",
    "buttons",
    "button_type",
    "quick_replies",
    "attachment",
    "elements",
    "channel",
    "metadata",
    "id",
    "condition",
];

pub(crate) fn check_all(node: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    for entry in reader.map(node, "responses") {
        sources.insert(format!("responses/{}", entry.key), reader.source(entry.mark));
        let place = format!("the response `{}`", entry.key);
        match &entry.value.kind {
            Kind::List(variations) => {
                for variation in variations {
                    check_variation(variation, &place, reader);
                }
            }
            Kind::Text(_) => reader.error_with_hint(
                entry.value.mark,
                format!("{place} must be a list of variations, found a text"),
                "write `- text: \"…\"`",
            ),
            _ => reader.mismatch(&entry.value, &entry.key, "a list of variations"),
        }
    }
}

fn check_variation(variation: &Node, place: &str, reader: &mut Reader<'_>) {
    let Kind::Map(_) = variation.kind else {
        let message = format!("a variation of {place} must be a map, found {}", variation.describe());
        return reader.error_with_hint(variation.mark, message, "write `- text: \"…\"`");
    };
    if variation.get("text").is_none() && variation.get("custom").is_none() {
        let message = format!("a variation of {place} has neither `text` nor `custom`");
        reader.error_with_hint(variation.mark, message, "add `text:`");
    }
    reader.known_keys(variation, &format!("a variation of {place}"), &KEYS);
    for entry in variation.entries() {
        let value = &entry.value;
        match entry.key.as_str() {
            "text" | "image" | "button_type" | "channel" | "id" => drop(reader.text(value, &entry.key)),
            "custom" | "attachment" if value.is_null() => reader.mismatch(value, &entry.key, "a map"),
            "custom" | "attachment" => drop(reader.map(value, &entry.key)),
            "buttons" | "quick_replies" => {
                for button in reader.list(value, &entry.key) {
                    check_button(button, reader);
                }
            }
            "elements" => {
                for element in reader.list(value, &entry.key) {
                    reader.map(element, "an item of elements");
                }
            }
            "condition" => {
                for condition in reader.list(value, &entry.key) {
                    check_condition(condition, place, reader);
                }
            }
            _ => {}
        }
    }
}

fn check_button(button: &Node, reader: &mut Reader<'_>) {
    reader.map(button, "a button");
    for key in ["title", "payload"] {
        if let Some(node) = button.get(key) {
            reader.text(node, key);
        }
    }
}

fn check_condition(condition: &Node, place: &str, reader: &mut Reader<'_>) {
    let Kind::Map(_) = condition.kind else {
        return reader.mismatch(condition, "an item of condition", "a map with `type`, `name` and `value`");
    };
    reader.known_keys(condition, &format!("a condition of {place}"), &["type", "name", "value"]);
    if let Some(kind) = condition.get("type")
        && kind.as_text() != Some("slot")
    {
        let message = format!("a condition of {place} must be of type `slot`, found {}", kind.describe());
        reader.error_with_hint(kind.mark, message, "write `type: slot`");
    }
    match condition.get("name") {
        Some(name) => drop(reader.text(name, "name")),
        None => {
            let message = format!("a condition of {place} names no slot");
            reader.error_with_hint(condition.mark, message, "add `name:` with the slot's name");
        }
    }
}
