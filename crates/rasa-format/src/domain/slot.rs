//! Slots and their mappings.

use super::Sources;
use crate::reader::Reader;
use crate::suggest::did_you_mean;
use crate::yaml::{Entry, Kind, Node};

const TYPES: [&str; 6] = ["text", "bool", "categorical", "float", "list", "any"];
const MAPPINGS: [&str; 5] = ["from_entity", "from_intent", "from_trigger_intent", "from_text", "custom"];

pub(super) fn check(entry: &Entry, reader: &mut Reader<'_>, sources: &mut Sources) {
    let name = &entry.key;
    let place = format!("the slot `{name}`");
    let Kind::Map(_) = entry.value.kind else {
        return reader.mismatch(&entry.value, name, "a map with `type` and `mappings`");
    };
    let kind = check_type(entry, &place, reader);
    check_options(entry, &place, kind, reader);
    let Some(mappings) = entry.value.entry("mappings") else {
        return reader.error_with_hint(
            entry.mark,
            format!("{place} has no `mappings`"),
            "add `mappings:` with for example `- type: from_entity`, or `- type: custom` when only actions set it",
        );
    };
    for (idx, mapping) in reader.list(&mappings.value, "mappings").iter().enumerate() {
        let path = format!("slots/{name}/mappings/{idx}");
        sources.insert(path.clone(), reader.source(mapping.mark));
        check_mapping(mapping, &place, reader);
        for (idx, condition) in conditions(mapping).iter().enumerate() {
            sources.insert(format!("{path}/conditions/{idx}"), reader.source(condition.mark));
        }
    }
}

fn check_type<'n>(entry: &'n Entry, place: &str, reader: &mut Reader<'_>) -> Option<&'n str> {
    let Some(node) = entry.value.get("type") else {
        let hint = format!("add `type:` with one of {}", TYPES.join(", "));
        reader.error_with_hint(entry.mark, format!("{place} has no `type`"), hint);
        return None;
    };
    let name = reader.text(node, "type")?;
    if TYPES.contains(&name) {
        return Some(name);
    }
    if name.contains('.') {
        reader.error_with_hint(
            node.mark,
            format!("{place} has the type `{name}`, a Python class, which cannot run here"),
            "use `any` and compute what policies need in a custom action",
        );
    } else {
        let hint =
            did_you_mean(name, TYPES).unwrap_or_else(|| format!("known types are {}", TYPES.join(", ")));
        reader.error_with_hint(node.mark, format!("{place} has the unknown type `{name}`"), hint);
    }
    None
}

fn check_options(entry: &Entry, place: &str, kind: Option<&str>, reader: &mut Reader<'_>) {
    let mut known = vec!["type", "mappings", "initial_value", "influence_conversation", "value_reset_delay"];
    match kind {
        Some("categorical") => known.push("values"),
        Some("float") => known.extend(["min_value", "max_value"]),
        None => return,
        _ => {}
    }
    if let Some(auto_fill) = entry.value.entry("auto_fill") {
        reader.error_with_hint(
            auto_fill.mark,
            format!("{place} has the key `auto_fill`, which Rasa 3 no longer has"),
            "remove it, and add a mapping `- type: from_entity` if an entity shall fill the slot",
        );
        known.push("auto_fill");
    }
    reader.known_keys(&entry.value, place, &known);
    if let Some(flag) = entry.value.get("influence_conversation") {
        let flag_value = reader.flag(flag, "influence_conversation");
        if flag_value == Some(true) && kind == Some("any") {
            reader.error_with_hint(
                flag.mark,
                format!("{place} is of type `any`, which cannot influence the conversation"),
                "use `influence_conversation: false` or another type",
            );
        }
    }
    if kind == Some("categorical") {
        check_values(entry, place, reader);
    }
    if kind == Some("float") {
        check_range(entry, place, reader);
    }
}

fn check_values(entry: &Entry, place: &str, reader: &mut Reader<'_>) {
    let Some(values) = entry.value.get("values") else {
        return reader.warning_with_hint(
            entry.mark,
            format!("{place} is categorical but has no `values`"),
            "add `values:` with the list of its values",
        );
    };
    for value in reader.list(values, "values") {
        if value.is_null() {
            reader.warning(value.mark, format!("{place} has the value null, which is ignored"));
        }
    }
}

fn check_range(entry: &Entry, place: &str, reader: &mut Reader<'_>) {
    let mut bound = |key: &str, default: f64| match entry.value.get(key) {
        Some(node) => (reader.number(node, key).unwrap_or(default), node.mark),
        None => (default, entry.mark),
    };
    let (min, _) = bound("min_value", 0.0);
    let (max, mark) = bound("max_value", 1.0);
    if min >= max {
        let message = format!("{place} has the range {min} to {max}; its minimum must be below its maximum");
        return reader.error(mark, message);
    }
    let Some(initial) = entry.value.get("initial_value").filter(|node| !node.is_null()) else { return };
    if let Some(number) = reader.number(initial, "initial_value")
        && !(min..=max).contains(&number)
    {
        let message = format!("{place} starts with {number}, outside of its range {min} to {max}");
        reader.warning(initial.mark, message);
    }
}

fn check_mapping(mapping: &Node, place: &str, reader: &mut Reader<'_>) {
    let Kind::Map(_) = mapping.kind else {
        return reader.mismatch(mapping, "an item of mappings", "a map with `type`");
    };
    let Some(type_node) = mapping.get("type") else {
        return reader.error_with_hint(
            mapping.mark,
            format!("a mapping of {place} has no `type`"),
            format!("add `type:` with one of {}", MAPPINGS.join(", ")),
        );
    };
    let Some(kind) = reader.text(type_node, "type") else { return };
    let own: &[&str] = match kind {
        "from_entity" => &["entity", "role", "group"],
        "from_intent" | "from_trigger_intent" => &["value"],
        "from_text" => &[],
        "custom" => &["action"],
        _ => {
            let hint = did_you_mean(kind, MAPPINGS)
                .unwrap_or_else(|| format!("known types are {}", MAPPINGS.join(", ")));
            let message = format!("a mapping of {place} has the unknown type `{kind}`");
            return reader.error_with_hint(type_node.mark, message, hint);
        }
    };
    let required = if matches!(kind, "from_text" | "custom") { None } else { own.first() };
    if let Some(key) = required.filter(|key| mapping.get(key).is_none()) {
        let message = format!("a mapping `{kind}` of {place} has no `{key}`");
        reader.error_with_hint(mapping.mark, message, format!("add `{key}:`"));
    }
    let known: Vec<&str> =
        ["type", "intent", "not_intent", "conditions"].iter().chain(own).copied().collect();
    reader.usual_keys(mapping, &format!("a mapping `{kind}`"), &known);
    for key in ["entity", "role", "group", "action"] {
        if let Some(node) = mapping.get(key).filter(|node| !node.is_null()) {
            reader.text(node, key);
        }
    }
    for key in ["intent", "not_intent"] {
        if let Some(node) = mapping.get(key) {
            reader.texts(node, key);
        }
    }
    if let Some(node) = mapping.get("conditions") {
        reader.list(node, "conditions");
    }
    for condition in conditions(mapping) {
        check_condition(condition, place, reader);
    }
}

fn check_condition(condition: &Node, place: &str, reader: &mut Reader<'_>) {
    let Kind::Map(_) = condition.kind else {
        return reader.mismatch(condition, "an item of conditions", "a map with `active_loop`");
    };
    reader.known_keys(condition, "a condition", &["active_loop", "requested_slot"]);
    let Some(active) = condition.get("active_loop") else {
        return reader.warning_with_hint(
            condition.mark,
            format!("a mapping condition of {place} has no `active_loop`, which means no form"),
            "name the form, or write `active_loop: null`",
        );
    };
    for node in [Some(active), condition.get("requested_slot")].into_iter().flatten() {
        if !node.is_null() {
            reader.text(node, "active_loop or requested_slot");
        }
    }
    check_loop_text(active, reader);
}

/// `active_loop: "null"` in quotes is a form of that name, hardly ever meant.
fn check_loop_text(active: &Node, reader: &mut Reader<'_>) {
    if let Some(text @ ("null" | "none" | "None")) = active.as_text() {
        let message = format!("`active_loop: {text}` names a form");
        reader.warning_with_hint(active.mark, message, "write `active_loop: null` for no form");
    }
}

fn conditions(mapping: &Node) -> &[Node] {
    mapping.get("conditions").and_then(Node::as_list).unwrap_or_default()
}
