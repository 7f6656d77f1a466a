//! One step (`spec: training-data.md §3.1`).

use intendant_talk::event::EventKind;
use intendant_talk::message::Entity;
use intendant_talk::story::{SlotAssignment, Step, StepKind, UserStep};
use serde_json::Value;

use crate::nlu::annotation;
use crate::reader::Reader;
use crate::suggest::did_you_mean;
use crate::yaml::{Kind, Mark, Node};

/// Keys that say what a step is, in the order in which they are looked for.
const STEP_KEYS: [&str; 9] =
    ["intent", "user", "or", "action", "bot", "checkpoint", "slot_was_set", "active_loop", "metadata"];

/// Event types that a story cannot express as an action.
const UNWRITABLE_EVENTS: [&str; 12] = [
    "user",
    "bot",
    "slot",
    "entities",
    "user_featurization",
    "reminder",
    "cancel_reminder",
    "agent",
    "active_loop",
    "form",
    "loop_interrupted",
    "action_execution_rejected",
];

/// What kind of list a step stands in.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub is_rule: bool,
    pub is_test: bool,
}

impl Place {
    pub fn title(self) -> &'static str {
        if self.is_rule { "rule" } else { "story" }
    }

    pub fn section(self) -> &'static str {
        if self.is_rule { "rules" } else { "stories" }
    }
}

pub(super) fn read(node: &Node, place: Place, reader: &mut Reader<'_>) -> Option<Step> {
    let Kind::Map(entries) = &node.kind else {
        reader.mismatch(node, "a step of a story", "a map such as `action: name`");
        return None;
    };
    let Some(key) = STEP_KEYS.iter().find_map(|key| node.entry(key)) else {
        let Some(first) = entries.first() else {
            reader.warning(node.mark, "this step is empty and is skipped");
            return None;
        };
        let message = format!("a {} has no step `{}`", place.title(), first.key);
        let hint = did_you_mean(&first.key, STEP_KEYS).unwrap_or_else(|| {
            "steps are `intent`, `user`, `action`, `bot`, `slot_was_set`, `active_loop`, `checkpoint` and `or`"
                .to_owned()
        });
        reader.error_with_hint(first.mark, message, hint);
        return None;
    };
    let known: &[&str] = match key.key.as_str() {
        "intent" | "user" => &["intent", "user", "entities", "metadata"],
        "checkpoint" => &["checkpoint", "slot_was_set", "metadata"],
        other => &[other, "metadata"],
    };
    reader.known_keys(node, &format!("a step `{}`", key.key), known);
    if place.is_rule && matches!(key.key.as_str(), "bot" | "checkpoint") {
        let message = format!("a rule may not have a step `{}`", key.key);
        reader.error_with_hint(key.mark, message, "write a story instead");
        return None;
    }
    let kind = match key.key.as_str() {
        "intent" | "user" => StepKind::User(user(node, place, reader)?),
        "or" => return alternatives(&key.value, node.mark, place, reader),
        "action" => action(&key.value, reader)?,
        "bot" => StepKind::Bot(reader.text(&key.value, "bot")?.to_owned()),
        "checkpoint" => checkpoint(node, &key.value, reader)?,
        "slot_was_set" => StepKind::SlotWasSet(assignments(&key.value, reader)?),
        "active_loop" => active_loop(&key.value, reader)?,
        _ => return None,
    };
    Some(Step { kind, source: reader.source(node.mark) })
}

fn active_loop(node: &Node, reader: &mut Reader<'_>) -> Option<StepKind> {
    if node.is_null() {
        return Some(StepKind::ActiveLoop(None));
    }
    reader.text(node, "active_loop").map(|name| StepKind::ActiveLoop(Some(name.to_owned())))
}

fn action(node: &Node, reader: &mut Reader<'_>) -> Option<StepKind> {
    if node.is_null() || node.as_text() == Some("") {
        reader.warning(node.mark, "this step names no action and is skipped");
        return None;
    }
    let name = reader.text(node, "action")?;
    if UNWRITABLE_EVENTS.contains(&name) {
        let message = format!("`{name}` is the name of an event, which cannot be an action");
        reader.error_with_hint(node.mark, message, "rename the action, for example to `action_…`");
        return None;
    }
    let event = match name {
        "restart" => EventKind::Restart,
        "session_started" => EventKind::SessionStarted,
        "reset_slots" => EventKind::ResetSlots,
        "rewind" => EventKind::Rewind,
        "undo" => EventKind::Undo,
        "pause" => EventKind::Pause,
        "resume" => EventKind::Resume,
        "export" => EventKind::Export { path: None },
        "followup" => EventKind::Followup { name: None },
        _ => return Some(StepKind::Action(name.to_owned())),
    };
    Some(StepKind::Event(event))
}

fn user(node: &Node, place: Place, reader: &mut Reader<'_>) -> Option<UserStep> {
    let mut step = UserStep::default();
    if let Some(intent) = node.get("intent") {
        read_intent(intent, node, place, &mut step, reader)?;
    }
    match node.get("user") {
        Some(text) => {
            let annotated = annotation::parse(reader.text(text, "user")?.trim());
            for mistake in &annotated.mistakes {
                reader.error(text.mark, mistake.message.clone());
            }
            step.entities = if annotated.text.starts_with('/') {
                literal_entities(&annotated.text)
            } else {
                annotated.entities
            };
            step.text = Some(annotated.text);
        }
        None => {
            if let Some(entities) = node.get("entities") {
                step.entities = listed_entities(entities, reader);
            }
        }
    }
    Some(step)
}

fn read_intent(
    intent: &Node,
    step_node: &Node,
    place: Place,
    step: &mut UserStep,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let name = if intent.is_null() { "" } else { reader.text(intent, "intent")?.trim() };
    if name.is_empty() {
        reader.warning(intent.mark, "this step names no intent");
        // Only its text can still say something.
        return step_node.get("user").map(|_| ());
    }
    let without_slash = name.strip_prefix('/').unwrap_or(name);
    if without_slash != name {
        let message = format!("the intent `{name}` starts with `/`, which is not needed");
        reader.warning_with_hint(intent.mark, message, format!("write `{without_slash}`"));
    }
    let (base, key) = match without_slash.split_once('/') {
        Some((base, key)) => (base, Some(key)),
        None => (without_slash, None),
    };
    if key.is_some_and(|key| key.contains('/')) {
        reader.error(intent.mark, format!("the intent `{name}` has more than one `/`"));
        return None;
    }
    if key.is_some() {
        step.full_retrieval_intent = Some(without_slash.to_owned());
        if !place.is_test {
            let message =
                format!("`{without_slash}` names a response; stories train with the intent `{base}` only");
            reader.warning_with_hint(intent.mark, message, format!("write `intent: {base}`"));
        }
    }
    step.intent = Some(base.to_owned());
    Some(())
}

/// The entities of `/intent{"entity": "value"}`.
fn literal_entities(text: &str) -> Vec<Entity> {
    let Some(open) = text.find('{') else { return Vec::new() };
    let Some(close) = text.rfind('}').filter(|close| *close > open) else { return Vec::new() };
    let Ok(Value::Object(object)) = serde_json::from_str(&text[open..=close]) else { return Vec::new() };
    let start = text[..open].chars().count();
    let end = start + text[open..=close].chars().count();
    let mut entities = Vec::new();
    for (name, value) in object {
        let values = match value {
            Value::Array(values) => values,
            single => vec![single],
        };
        entities.extend(values.into_iter().map(|value| Entity {
            entity: name.clone(),
            value,
            start_chars: Some(start),
            end_chars: Some(end),
            ..Entity::default()
        }));
    }
    entities
}

/// Entities without a text: names, or `{name: value, role, group}`.
fn listed_entities(node: &Node, reader: &mut Reader<'_>) -> Vec<Entity> {
    let mut entities = Vec::new();
    for item in reader.list(node, "entities") {
        match &item.kind {
            Kind::Text(name) => entities.push(Entity {
                entity: name.clone(),
                value: Value::String(String::new()),
                ..Entity::default()
            }),
            Kind::Map(entries) => {
                let mut entity = Entity::default();
                for entry in entries {
                    let label = || (!entry.value.is_null()).then(|| entry.value.as_text().map(str::to_owned));
                    match entry.key.as_str() {
                        "role" => entity.role = label().flatten(),
                        "group" => entity.group = label().flatten(),
                        name => {
                            entity.entity = name.to_owned();
                            entity.value = entry.value.to_json();
                        }
                    }
                }
                if entity.entity.is_empty() {
                    reader.error_with_hint(item.mark, "an entity has no name", "write `- name: value`");
                } else {
                    entities.push(entity);
                }
            }
            _ => reader.mismatch(item, "an item of entities", "a text or a map"),
        }
    }
    entities
}

fn checkpoint(node: &Node, name: &Node, reader: &mut Reader<'_>) -> Option<StepKind> {
    let name = reader.text(name, "checkpoint")?.to_owned();
    let mut conditions = Vec::new();
    if let Some(slots) = node.get("slot_was_set") {
        for item in reader.list(slots, "slot_was_set") {
            let Kind::Map(entries) = &item.kind else {
                let message = format!(
                    "a condition of the checkpoint `{name}` must be a map of slot and value, found {}; the step is skipped",
                    item.describe()
                );
                reader.warning(item.mark, message);
                return None;
            };
            conditions.extend(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())));
        }
    }
    Some(StepKind::Checkpoint { name, conditions })
}

fn assignments(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<SlotAssignment>> {
    if let Kind::Map(_) = node.kind {
        reader.mismatch(node, "slot_was_set", "a list");
        return None;
    }
    let mut assignments = Vec::new();
    for item in reader.list(node, "slot_was_set") {
        match &item.kind {
            Kind::Text(slot) => assignments.push(SlotAssignment { slot: slot.clone(), value: None }),
            Kind::Map(entries) => {
                assignments.extend(entries.iter().map(|entry| SlotAssignment {
                    slot: entry.key.clone(),
                    value: Some(entry.value.to_json()),
                }))
            }
            _ => {
                let found = item.describe();
                reader.warning(
                    item.mark,
                    format!(
                        "a slot must be a name, or a map of name and value, found {found}; it is skipped"
                    ),
                );
            }
        }
    }
    Some(assignments)
}

/// Alternatives: users' turns, or slots of which each is an alternative of its own.
fn alternatives(node: &Node, mark: Mark, place: Place, reader: &mut Reader<'_>) -> Option<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for item in reader.list(node, "or") {
        if item.get("intent").is_some() {
            if let Some(user) = user(item, place, reader) {
                reader.known_keys(item, "an alternative", &["intent", "user", "entities"]);
                steps.push(Step { kind: StepKind::User(user), source: reader.source(item.mark) });
            }
        } else if let Some(slots) = item.get("slot_was_set") {
            for assignment in assignments(slots, reader)? {
                let kind = StepKind::SlotWasSet(vec![assignment]);
                steps.push(Step { kind, source: reader.source(item.mark) });
            }
        } else {
            reader.error(item.mark, "an alternative must be an `intent` or `slot_was_set`");
            return None;
        }
    }
    match steps.len() {
        0 => None,
        1 => steps.pop(),
        _ => Some(Step { kind: StepKind::Or(steps), source: reader.source(mark) }),
    }
}
