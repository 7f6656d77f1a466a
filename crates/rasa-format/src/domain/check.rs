//! What a domain file may say, checked with positions.

use intendant_talk::domain::SESSION_METADATA_SLOT;

use super::{KEYS, Sources, response, slot};
use crate::reader::Reader;
use crate::suggest::closest;
use crate::yaml::{Entry, Kind, Node};

/// Keys that other readers of the same file know.
pub(super) const FOREIGN_KEYS: [&str; 12] = [
    "nlu",
    "stories",
    "rules",
    "pipeline",
    "policies",
    "language",
    "recipe",
    "assistant_id",
    "importers",
    "imports",
    "spaces",
    "domain",
];

pub(super) fn check(document: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    for entry in document.entries() {
        let value = &entry.value;
        match entry.key.as_str() {
            "intents" => intents(value, reader, sources),
            "entities" => entities(value, reader, sources),
            "slots" => slots(value, reader, sources),
            "responses" => response::check_all(value, reader, sources),
            "actions" => actions(value, reader, sources),
            "forms" => forms(value, reader, sources),
            "e2e_actions" => drop(reader.texts(value, "e2e_actions")),
            "session_config" => session(value, reader),
            "config" => config(value, reader),
            "version" => {}
            key if FOREIGN_KEYS.contains(&key) => {}
            key => {
                if let Some(known) = closest(key, KEYS) {
                    let message = format!("the key `{key}` has no meaning in a domain");
                    reader.warning_with_hint(entry.mark, message, format!("did you mean `{known}`?"));
                }
            }
        }
    }
}

/// Names of a list whose items are texts or `{name: body}`; reports what is named twice.
fn named<'n>(
    node: &'n Node,
    what: (&str, &str),
    reader: &mut Reader<'_>,
    sources: &mut Sources,
) -> Vec<(String, Option<&'n Entry>)> {
    let (plural, singular) = what;
    let mut names = Vec::new();
    for item in reader.list(node, plural) {
        let (name, body) = match &item.kind {
            Kind::Text(name) if !name.is_empty() => (name.clone(), None),
            Kind::Map(entries) if !entries.is_empty() => {
                if let Some(second) = entries.get(1) {
                    reader.warning_with_hint(
                        second.mark,
                        format!(
                            "an item of `{plural}` holds one name, found `{}` after `{}`",
                            second.key, entries[0].key
                        ),
                        "indent the options of an item further than its name, or start a new item with `- `",
                    );
                }
                (entries[0].key.clone(), Some(&entries[0]))
            }
            _ => {
                reader.mismatch(item, &format!("an item of {plural}"), "a text or a map");
                continue;
            }
        };
        let path = format!("{plural}/{name}");
        let first = sources.find(&path);
        if first.line > 0 {
            let message = format!("the {singular} `{name}` is there twice, first on line {}", first.line);
            reader.error_with_hint(item.mark, message, "remove one of the two");
        }
        sources.insert(path, reader.source(item.mark));
        names.push((name, body));
    }
    names
}

fn intents(node: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    for (name, body) in named(node, ("intents", "intent"), reader, sources) {
        let Some(body) = body else { continue };
        if is_empty(&body.value) {
            let message = format!("the intent `{name}` has no options after its colon");
            reader.error_with_hint(body.mark, message, "remove the colon");
            continue;
        }
        reader.map(&body.value, &name);
        let place = format!("the intent `{name}`");
        let known = ["use_entities", "ignore_entities", "triggers", "used_entities", "is_retrieval_intent"];
        reader.usual_keys(&body.value, &place, &known);
        let listed = |key: &str, reader: &mut Reader<'_>| match body.value.get(key) {
            Some(Node { kind: Kind::Bool(_) | Kind::Null, .. }) | None => Vec::new(),
            Some(value) => reader.texts(value, key),
        };
        let used = listed("use_entities", reader);
        let ignored = listed("ignore_entities", reader);
        for entity in used.iter().filter(|entity| ignored.contains(entity)) {
            reader.warning(
                body.mark,
                format!("{place} both uses and ignores the entity `{entity}`; it is ignored"),
            );
        }
        if let Some(triggers) = body.value.entry("triggers") {
            reader.error_with_hint(
                triggers.mark,
                format!("{place} uses the key `triggers`, which Rasa 3 no longer has"),
                "write a rule with this intent and the action instead",
            );
        }
    }
}

fn entities(node: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    for (name, body) in named(node, ("entities", "entity"), reader, sources) {
        let Some(body) = body else { continue };
        if is_empty(&body.value) {
            let message = format!("the entity `{name}` has no options after its colon");
            reader.error_with_hint(body.mark, message, "remove the colon");
            continue;
        }
        reader.map(&body.value, &name);
        let place = format!("the entity `{name}`");
        reader.usual_keys(&body.value, &place, &["roles", "groups", "influence_conversation"]);
        for key in ["roles", "groups"] {
            if let Some(labels) = body.value.get(key) {
                for label in reader.list(labels, key) {
                    reader.text(label, &format!("an item of {key}"));
                }
            }
        }
        if let Some(flag) = body.value.get("influence_conversation") {
            reader.flag(flag, "influence_conversation");
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => true,
        Kind::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn slots(node: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    for entry in reader.map(node, "slots") {
        sources.insert(format!("slots/{}", entry.key), reader.source(entry.mark));
        if entry.key == SESSION_METADATA_SLOT {
            let message = format!("the slot `{SESSION_METADATA_SLOT}` is made automatically");
            reader.error_with_hint(entry.mark, message, "remove it from the domain");
            continue;
        }
        slot::check(entry, reader, sources);
    }
}

fn actions(node: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    for (name, body) in named(node, ("actions", "action"), reader, sources) {
        let Some(body) = body else { continue };
        reader.map(&body.value, &name);
        let place = format!("the action `{name}`");
        reader.known_keys(&body.value, &place, &["send_domain"]);
        if let Some(flag) = body.value.get("send_domain") {
            reader.flag(flag, "send_domain");
        }
    }
}

fn forms(node: &Node, reader: &mut Reader<'_>, sources: &mut Sources) {
    if let Kind::List(_) = node.kind {
        let message = "`forms` must be a map, found a list";
        return reader.error_with_hint(
            node.mark,
            message,
            "write each form as `name:` with `required_slots:`",
        );
    }
    for entry in reader.map(node, "forms") {
        let name = &entry.key;
        let body = &entry.value;
        sources.insert(format!("forms/{name}"), reader.source(entry.mark));
        match &body.kind {
            Kind::Null => continue,
            Kind::Map(_) => {}
            _ => {
                reader.mismatch(body, name, "a map with `required_slots`");
                continue;
            }
        }
        let place = format!("the form `{name}`");
        let Some(required) = body.get("required_slots") else {
            if let Some(ignored) = body.entry("ignored_intents") {
                let message = format!("{place} has `ignored_intents` but no `required_slots`");
                reader.error_with_hint(ignored.mark, message, "add `required_slots: []`");
            } else if let Some(first) = body.entries().first() {
                let message = format!("{place} has no `required_slots`, found `{}`", first.key);
                reader.warning_with_hint(first.mark, message, "write `required_slots: [slot, …]`");
            }
            continue;
        };
        reader.known_keys(body, &place, &["required_slots", "ignored_intents"]);
        if let Kind::Map(_) = required.kind {
            let message = format!("{place}: `required_slots` must be a list, found a map as in Rasa 2");
            reader.error_with_hint(
                required.mark,
                message,
                "list the slots here and write their mappings under `slots`",
            );
            continue;
        }
        for slot in reader.list(required, "required_slots") {
            if let Some(slot_name) = reader.text(slot, "an item of required_slots") {
                let path = format!("forms/{name}/required_slots/{slot_name}");
                sources.insert(path, reader.source(slot.mark));
            }
        }
        if let Some(ignored) = body.get("ignored_intents") {
            reader.texts(ignored, "ignored_intents");
        }
    }
}

fn session(node: &Node, reader: &mut Reader<'_>) {
    reader.map(node, "session_config");
    let known = ["session_expiration_time", "carry_over_slots_to_new_session"];
    reader.usual_keys(node, "`session_config`", &known);
    if let Some(minutes) = node.get(known[0]).filter(|node| !node.is_null())
        && reader.number(minutes, known[0]).is_some_and(|number| number < 0.0)
    {
        reader.error(minutes.mark, "`session_expiration_time` must not be negative");
    }
    if let Some(flag) = node.get(known[1]) {
        reader.flag(flag, known[1]);
    }
}

fn config(node: &Node, reader: &mut Reader<'_>) {
    reader.map(node, "config");
    if let Some(flag) = node.get("store_entities_as_slots") {
        reader.flag(flag, "store_entities_as_slots");
    }
}
