//! `data migrate`: domains of Rasa 2 become domains of Rasa 3 (`spec: training-data.md §11`).
//!
//! Slot mappings move from forms to slots. Pure: the caller reads the files, keeps the originals
//! and writes what comes back.

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_talk::data::Source;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::classify::classify;
use crate::reader::FORMAT_VERSION;
use crate::write::object_yaml;
use crate::yaml::{self, Environment, Kind, Mark, SourceFile};

/// What is to be migrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// One domain file.
    File,
    /// The files of a folder, of which some are domain files.
    Folder,
}

/// Migrates domain files: the new content of each, by the same path. Nothing when the findings
/// hold an error.
pub fn migrate(
    files: &[SourceFile],
    given: Given,
    env: Environment<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<SourceFile> {
    let n_before = findings.len();
    let domains = read(files, given, env, findings);
    let is_broken = |findings: &[Diagnostic]| {
        findings[n_before..].iter().any(|finding| finding.severity == Severity::Error)
    };
    if is_broken(findings) {
        return Vec::new();
    }
    let section = |key: &str| -> Object {
        let sections = domains.iter().filter_map(|(_, dict)| dict.get(key)?.as_object());
        sections.flat_map(|section| section.clone()).collect()
    };
    let mut slots = section("slots");
    let forms = move_mappings(section("forms"), &mut slots);
    let entities: Vec<String> = domains
        .iter()
        .filter_map(|(_, dict)| dict.get("entities")?.as_array())
        .flatten()
        .filter_map(|entity| entity.as_str().map(str::to_owned))
        .collect();
    for (name, slot) in &mut slots {
        complete_slot(name, slot, &entities, findings);
    }
    let sections = [("slots", Value::Object(slots)), ("forms", Value::Object(forms))];
    domains.into_iter().map(|(file, dict)| rewrite(file, dict, &sections)).collect()
}

fn rewrite(file: &SourceFile, mut dict: Object, sections: &[(&str, Value); 2]) -> SourceFile {
    let has_section = sections.iter().any(|(key, _)| dict.contains_key(*key));
    for (key, section) in sections {
        if let Some(value) = dict.get_mut(*key) {
            value.clone_from(section);
        }
    }
    if dict.contains_key("version") || !has_section {
        dict.insert("version".to_owned(), FORMAT_VERSION.into());
    }
    SourceFile::new(file.path.clone(), object_yaml(&dict))
}

fn read<'f>(
    files: &'f [SourceFile],
    given: Given,
    env: Environment<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<(&'f SourceFile, Object)> {
    let mut domains: Vec<(&SourceFile, Object)> = Vec::new();
    for file in files {
        if !classify(file).domain {
            if given == Given::File {
                let source = Mark::default().source(&file.path);
                findings.push(Diagnostic::error(source, "this is not a domain file"));
            }
            continue;
        }
        let Some(document) = yaml::parse(file, env, findings) else { continue };
        if let Some(version) =
            document.get("version").filter(|version| version.as_text() == Some(FORMAT_VERSION))
        {
            let message = format!("this file already has the format version {FORMAT_VERSION}");
            let hint = "leave out the files that are migrated already";
            findings.push(Diagnostic::error(version.mark.source(&file.path), message).with_hint(hint));
        }
        for key in ["slots", "forms"] {
            let Some(entry) = document.entry(key) else { continue };
            if !matches!(entry.value.kind, Kind::Map(_) | Kind::Null) {
                let message = format!("`{key}` must be a map, found {}", entry.value.describe());
                findings.push(Diagnostic::error(entry.value.mark.source(&file.path), message));
            }
            if let Some((other, _)) = domains.iter().find(|(_, dict)| dict.contains_key(key)) {
                let message = format!("`{key}` is in this file and in {}", other.path);
                let hint = "put them into one file";
                findings.push(Diagnostic::error(entry.mark.source(&file.path), message).with_hint(hint));
            }
        }
        domains.push((file, document.to_object()));
    }
    if given == Given::Folder {
        check_folder(&domains, findings);
    }
    domains
}

fn check_folder(domains: &[(&SourceFile, Object)], findings: &mut Vec<Diagnostic>) {
    if domains.is_empty() {
        findings.push(Diagnostic::error(Source::default(), "the folder holds no domain file"));
        return;
    }
    for key in ["slots", "forms"] {
        let has_some =
            |dict: &Object| dict.get(key).is_some_and(|value| value != &json!({}) && !value.is_null());
        if !domains.iter().any(|(_, dict)| has_some(dict)) {
            findings.push(Diagnostic::error(Source::default(), format!("no file of the folder has `{key}`")));
        }
    }
}

/// Moves each form's mappings to the slots; gives the forms as they are now.
fn move_mappings(forms: Object, slots: &mut Object) -> Object {
    let mut migrated = Object::new();
    for (form, body) in forms {
        let mut body = match body {
            Value::Object(body) => body,
            _ => Object::new(),
        };
        let ignored = body.shift_remove("ignored_intents");
        let required = match body.shift_remove("required_slots") {
            Some(Value::Object(required)) => required,
            Some(Value::Array(names)) => {
                names.iter().filter_map(|name| Some((name.as_str()?.to_owned(), json!([])))).collect()
            }
            Some(_) => Object::new(),
            None => body,
        };
        let names: Vec<&String> = required.keys().collect();
        let mut new_form = Object::from_iter([("required_slots".to_owned(), json!(names))]);
        if let Some(ignored) = ignored.filter(|ignored| !ignored.is_null() && *ignored != json!([])) {
            new_form.insert("ignored_intents".to_owned(), ignored);
        }
        for (name, mappings) in required {
            let mappings = match mappings {
                Value::Array(mappings) => mappings,
                Value::Object(mapping) => vec![Value::Object(mapping)],
                _ => Vec::new(),
            };
            let slot = slots.entry(name.clone()).or_insert_with(|| json!({}));
            if !slot.is_object() {
                *slot = json!({});
            }
            add_mappings(slot, mappings, &form, &name);
        }
        migrated.insert(form, Value::Object(new_form));
    }
    migrated
}

/// Adds a form's mappings to a slot. A mapping that the slot has already gets one more condition.
fn add_mappings(slot: &mut Value, mappings: Vec<Value>, form: &str, name: &str) {
    let mut known = match slot.get_mut("mappings").map(Value::take) {
        Some(Value::Array(known)) => known,
        _ => Vec::new(),
    };
    for mapping in mappings {
        let Value::Object(mut mapping) = mapping else { continue };
        let mut condition = json!({ "active_loop": form });
        if !matches!(mapping.get("type").and_then(Value::as_str), Some("from_entity" | "from_trigger_intent"))
        {
            condition["requested_slot"] = name.into();
        }
        let same = known.iter_mut().find(|other| without_conditions(other) == mapping);
        match same.and_then(|other| other.as_object_mut()) {
            Some(other) => {
                let conditions = other.entry("conditions").or_insert_with(|| json!([]));
                if let Value::Array(conditions) = conditions {
                    conditions.push(condition);
                }
            }
            None => {
                mapping.insert("conditions".to_owned(), json!([condition]));
                known.push(Value::Object(mapping));
            }
        }
    }
    slot["mappings"] = Value::Array(known);
}

fn without_conditions(mapping: &Value) -> Object {
    let mut mapping = mapping.as_object().cloned().unwrap_or_default();
    mapping.shift_remove("conditions");
    mapping
}

/// What slots did by themselves in Rasa 2 becomes a mapping.
fn complete_slot(name: &str, slot: &mut Value, entities: &[String], findings: &mut Vec<Diagnostic>) {
    let Value::Object(properties) = slot else { return };
    let auto_fill = properties.shift_remove("auto_fill");
    let mappings = properties.entry("mappings").or_insert_with(|| json!([]));
    if !mappings.is_array() {
        *mappings = json!([]);
    }
    let Value::Array(mappings) = mappings else { return };
    let from_entity = json!({ "type": "from_entity", "entity": name });
    let is_filled = auto_fill.is_none_or(|flag| flag == Value::Bool(true));
    if is_filled && entities.iter().any(|entity| entity == name) && !mappings.contains(&from_entity) {
        mappings.push(from_entity);
    }
    if mappings.is_empty() {
        mappings.push(json!({ "type": "custom" }));
        let message =
            format!("the slot `{name}` has no mapping and got a custom one; check whether that is right");
        findings.push(Diagnostic::warning(Source::default(), message));
    }
}
