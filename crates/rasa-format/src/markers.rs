//! Marker definitions: YAML maps of a marker's name to its condition (`spec:
//! http-and-channels.md §3`). How deep conditions nest is limited by the YAML parser.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::domain::Domain;
use intendant_talk::marker::{Condition, Marker, Test};

use crate::reader::{Reader, quoted};
use crate::suggest::{closest, did_you_mean};
use crate::yaml::{self, Entry, Environment, Kind, Node, SourceFile};

/// Every key that a condition may have.
const KEYS: [&str; 13] = [
    "and",
    "or",
    "not",
    "seq",
    "at_least_once",
    "never",
    "at_least_one_not",
    "action",
    "not_action",
    "intent",
    "not_intent",
    "slot_was_set",
    "slot_was_not_set",
];

/// Reads the markers of all files; names must be unique among them.
pub fn read(files: &[SourceFile], env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Vec<Marker> {
    let mut markers: Vec<Marker> = Vec::new();
    for file in files {
        let Some(document) = yaml::parse(file, env, findings) else { continue };
        let reader = &mut Reader { file: &file.path, findings };
        if !matches!(document.kind, Kind::Map(_)) {
            reader.mismatch(&document, "the document", "a map of marker names to conditions");
            continue;
        }
        for entry in document.entries() {
            if KEYS.contains(&entry.key.as_str()) {
                let message = format!("`{}` is a condition where a marker's name is expected", entry.key);
                let hint = format!("name it, and indent `{}:` below that name", entry.key);
                reader.error_with_hint(entry.mark, message, hint);
                continue;
            }
            if let Some(known) = markers.iter().find(|marker| marker.name == entry.key) {
                let place = format!("{}:{}", known.source.file, known.source.line);
                let message = format!("the marker `{}` is defined already, at {place}", entry.key);
                reader.error_with_hint(entry.mark, message, "give it another name");
                continue;
            }
            markers.extend(marker(entry, reader));
        }
    }
    markers
}

/// Reports names in the markers that the domain does not have.
pub fn check(markers: &[Marker], domain: &Domain) -> Vec<Diagnostic> {
    let names = Names {
        actions: domain.action_names(),
        intents: domain.intents.iter().map(|intent| intent.name.clone()).collect(),
        slots: domain.slots.iter().map(|slot| slot.name.clone()).collect(),
    };
    let mut findings = Vec::new();
    for marker in markers {
        names.check(&marker.condition, &mut findings);
    }
    findings
}

struct Names {
    actions: Vec<String>,
    intents: Vec<String>,
    slots: Vec<String>,
}

impl Names {
    fn check(&self, condition: &Condition, findings: &mut Vec<Diagnostic>) {
        for part in condition.parts() {
            self.check(part, findings);
        }
        let (kind, name, known) = match &condition.test {
            Test::Action(name) => ("action", name, &self.actions),
            Test::Intent(name) => ("intent", name, &self.intents),
            Test::Slot(name) => ("slot", name, &self.slots),
            _ => return,
        };
        // A retrieval intent or its action may be written with a response key.
        let base = name.split('/').next().unwrap_or(name);
        if known.iter().any(|known| known == name || (kind != "slot" && known == base)) {
            return;
        }
        let message = format!("the {kind} `{name}` is not in the domain");
        let finding = Diagnostic::error(condition.source.clone(), message);
        findings.push(match did_you_mean(name, known.iter().map(String::as_str)) {
            Some(hint) => finding.with_hint(hint),
            None => finding,
        });
    }
}

fn marker(entry: &Entry, reader: &mut Reader<'_>) -> Option<Marker> {
    let description = match entry.value.get("description") {
        Some(node) if !node.is_null() => reader.text(node, "description").map(str::to_owned),
        _ => None,
    };
    let condition = condition(&entry.value, &format!("the marker `{}`", entry.key), reader)?;
    Some(Marker { name: entry.key.clone(), description, condition, source: reader.source(entry.mark) })
}

fn condition(node: &Node, place: &str, reader: &mut Reader<'_>) -> Option<Condition> {
    if !matches!(node.kind, Kind::Map(_)) {
        reader.mismatch(node, place, "a map with one condition, such as `intent: greet`");
        return None;
    }
    let mut found: Option<&Entry> = None;
    for entry in node.entries() {
        let key = entry.key.as_str();
        if key == "description" {
            continue;
        }
        if !KEYS.contains(&key) {
            let hint = match closest(key, KEYS) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known conditions are {}", quoted(&KEYS)),
            };
            reader.error_with_hint(entry.mark, format!("`{key}` is no condition"), hint);
            return None;
        }
        if let Some(first) = found {
            let message = format!("{place} has two conditions, `{}` and `{key}`", first.key);
            reader.error_with_hint(entry.mark, message, "combine them under `and`, `or` or `seq`");
            return None;
        }
        found = Some(entry);
    }
    let Some(entry) = found else {
        reader.error_with_hint(
            node.mark,
            format!("{place} has no condition"),
            format!("add one of {}", quoted(&KEYS)),
        );
        return None;
    };
    let (test, is_negated) = test(entry, reader)?;
    Some(Condition { is_negated, test, source: reader.source(entry.mark) })
}

fn test(entry: &Entry, reader: &mut Reader<'_>) -> Option<(Test, bool)> {
    let key = entry.key.as_str();
    let test = match key {
        "and" | "at_least_one_not" => Test::All(parts(entry, reader)?),
        "or" => Test::Any(parts(entry, reader)?),
        "seq" => Test::Sequence(parts(entry, reader)?),
        "not" => Test::Not(Box::new(part(entry, reader)?)),
        "at_least_once" | "never" => Test::AtLeastOnce(Box::new(part(entry, reader)?)),
        _ => {
            let name = reader.text(&entry.value, key)?.to_owned();
            match key {
                "action" | "not_action" => Test::Action(name),
                "intent" | "not_intent" => Test::Intent(name),
                _ => Test::Slot(name),
            }
        }
    };
    let is_negated =
        matches!(key, "at_least_one_not" | "never" | "not_action" | "not_intent" | "slot_was_not_set");
    Some((test, is_negated))
}

fn parts(entry: &Entry, reader: &mut Reader<'_>) -> Option<Vec<Condition>> {
    let Kind::List(items) = &entry.value.kind else {
        reader.mismatch(&entry.value, &entry.key, "a list of conditions");
        return None;
    };
    if items.is_empty() {
        reader.error_with_hint(entry.mark, format!("`{}` has no conditions", entry.key), "list at least one");
        return None;
    }
    let place = format!("an item of `{}`", entry.key);
    items.iter().map(|item| condition(item, &place, reader)).collect()
}

fn part(entry: &Entry, reader: &mut Reader<'_>) -> Option<Condition> {
    let mut parts = parts(entry, reader)?;
    if parts.len() > 1 {
        let message = format!("`{}` takes one condition, found {}", entry.key, parts.len());
        reader.error_with_hint(entry.mark, message, "combine them under `and`, `or` or `seq`");
        return None;
    }
    parts.pop()
}
