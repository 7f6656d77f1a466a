//! The universe an assistant lives in: intents, entities, slots, responses, forms, actions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::message::Object;

/// Intents every domain has (`spec: training-data.md §4.2`).
pub const DEFAULT_INTENTS: [&str; 5] = ["restart", "back", "out_of_scope", "session_start", "nlu_fallback"];

/// Actions every domain has, in index order.
pub const DEFAULT_ACTIONS: [&str; 13] = [
    "action_listen",
    "action_restart",
    "action_session_start",
    "action_default_fallback",
    "action_deactivate_loop",
    "action_revert_fallback_events",
    "action_default_ask_affirmation",
    "action_default_ask_rephrase",
    "action_two_stage_fallback",
    "action_unlikely_intent",
    "action_back",
    "...",
    "action_extract_slots",
];

/// The pseudo-action that marks "anything may have happened before" in rules.
pub const RULE_SNIPPET_ACTION: &str = "...";
/// The slot that names what a form asked for.
pub const REQUESTED_SLOT: &str = "requested_slot";
/// The slot that holds the metadata of a session's first message.
pub const SESSION_METADATA_SLOT: &str = "session_started_metadata";

/// A merged, checked domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Domain {
    /// Sorted by name, default intents included.
    pub intents: Vec<IntentInfo>,
    /// Sorted by name.
    pub entities: Vec<EntityInfo>,
    /// In file order, automatic slots last.
    pub slots: Vec<Slot>,
    /// Response name -> variations, in file order.
    pub responses: Vec<(String, Vec<ResponseVariation>)>,
    /// In file order.
    pub forms: Vec<Form>,
    /// The `actions` list as written, in order; retrieval `utter_<intent>` actions added.
    pub user_actions: Vec<String>,
    /// Actions that get the domain with every call even under `enable_selective_domain`.
    pub actions_with_domain: Vec<String>,
    /// Texts of end-to-end bot turns, sorted.
    pub end_to_end_actions: Vec<String>,
    /// Session rules.
    pub session: SessionConfig,
    /// `config.store_entities_as_slots`; affects story events only.
    pub store_entities_as_slots: bool,
    /// The domain as Rasa writes it to action servers and `GET /domain`.
    pub dict: Object,
}

/// An intent of the domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntentInfo {
    /// Its name.
    pub name: String,
    /// Some example is labelled `name/key`.
    pub is_retrieval_intent: bool,
    /// Entity names and `entity#label`s that policies see with it, sorted.
    pub used_entities: Vec<String>,
}

/// An entity type of the domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityInfo {
    /// Its name.
    pub name: String,
    /// Role labels, in file order.
    pub roles: Vec<String>,
    /// Group labels, in file order.
    pub groups: Vec<String>,
    /// Policies see it unless this is false.
    pub influence_conversation: bool,
}

/// A slot: a named value the conversation remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Its type, with the type's own options.
    pub kind: SlotKind,
    /// Value at the start and after a reset.
    pub initial_value: Value,
    /// Policies see it.
    pub influence_conversation: bool,
    /// Ways to fill it, tried in order.
    pub mappings: Vec<SlotMapping>,
    /// Added by us (`requested_slot` and the like), not written in the file.
    pub is_automatic: bool,
}

/// Slot types (`spec: training-data.md §4.3`).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum SlotKind {
    Text,
    Bool,
    /// Lower-cased values, without the appended `__other__`.
    Categorical {
        values: Vec<String>,
    },
    Float {
        min: f64,
        max: f64,
    },
    List,
    Any,
}

/// One way to fill a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotMapping {
    /// What is looked at.
    pub kind: MappingKind,
    /// Only for these intents; empty means any.
    pub intents: Vec<String>,
    /// Not for these intents.
    pub not_intents: Vec<String>,
    /// Any one must hold; empty means always.
    pub conditions: Vec<MappingCondition>,
}

/// What a slot mapping looks at.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum MappingKind {
    FromEntity { entity: String, role: Option<String>, group: Option<String> },
    FromIntent { value: Value },
    FromTriggerIntent { value: Value },
    FromText,
    Custom { action: Option<String> },
}

/// When a mapping applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingCondition {
    /// The loop that must be active; `None` means that none may be.
    pub active_loop: Option<String>,
    /// The slot that must be the one asked for.
    pub requested_slot: Option<String>,
}

/// One variation of a response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseVariation {
    /// All keys as written except `condition`, `channel` and `id`.
    pub content: Object,
    /// Slot name and value pairs that must all hold.
    pub conditions: Vec<(String, Value)>,
    /// Only for this channel.
    pub channel: Option<String>,
    /// Its id.
    pub id: Option<String>,
    /// All keys as written, conditions included.
    pub dict: Object,
}

/// A form: slots to be asked for until all are filled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// Its name.
    pub name: String,
    /// Slots in asking order.
    pub required_slots: Vec<String>,
    /// Intents that fill nothing while it is active.
    pub ignored_intents: Vec<String>,
}

/// When a conversation starts anew.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionConfig {
    /// Minutes without a user message; 0 means never.
    pub expiration_minutes: f64,
    /// Slots are set again in the new session.
    pub carry_over_slots: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { expiration_minutes: 60.0, carry_over_slots: true }
    }
}

impl Domain {
    /// Finds an intent by name.
    pub fn intent(&self, name: &str) -> Option<&IntentInfo> {
        let found = self.intents.binary_search_by(|intent| intent.name.as_str().cmp(name));
        found.ok().map(|idx| &self.intents[idx])
    }

    /// Finds an entity type by name.
    pub fn entity(&self, name: &str) -> Option<&EntityInfo> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// Finds a slot by name.
    pub fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    /// Finds a form by name.
    pub fn form(&self, name: &str) -> Option<&Form> {
        self.forms.iter().find(|form| form.name == name)
    }

    /// Finds the variations of a response.
    pub fn response(&self, name: &str) -> Option<&[ResponseVariation]> {
        let found = self.responses.iter().find(|(response, _)| response == name);
        found.map(|(_, variations)| variations.as_slice())
    }

    /// All actions in the index order of policy probabilities (`spec: training-data.md §4.7`):
    /// default actions, user actions, response names sorted, forms, end-to-end texts.
    pub fn action_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut seen = BTreeMap::new();
        let mut push = |name: &str, names: &mut Vec<String>| {
            if seen.insert(name.to_owned(), ()).is_none() {
                names.push(name.to_owned());
            }
        };
        for name in DEFAULT_ACTIONS {
            push(name, &mut names);
        }
        for name in &self.user_actions {
            push(name, &mut names);
        }
        let mut responses: Vec<&String> = self.responses.iter().map(|(name, _)| name).collect();
        responses.sort();
        for name in responses {
            push(name, &mut names);
        }
        for form in &self.forms {
            push(&form.name, &mut names);
        }
        for text in &self.end_to_end_actions {
            push(text, &mut names);
        }
        names
    }
}

impl Slot {
    /// The value a slot holds after being given `value`: list slots wrap a truthy non-list.
    pub fn coerce(&self, value: Value) -> Value {
        let is_truthy = match &value {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(_) => return value,
            Value::Object(map) => !map.is_empty(),
        };
        if matches!(self.kind, SlotKind::List) && is_truthy { Value::Array(vec![value]) } else { value }
    }

    /// The feature vector policies see (`spec: training-data.md §4.3`); empty when the slot has none.
    pub fn features(&self, value: &Value) -> Vec<f64> {
        if !self.influence_conversation {
            return Vec::new();
        }
        match &self.kind {
            SlotKind::Text => vec![if value.is_null() { 0.0 } else { 1.0 }],
            SlotKind::Bool => match as_bool(value) {
                Some(flag) => vec![1.0, if flag { 1.0 } else { 0.0 }],
                None => vec![0.0, 0.0],
            },
            SlotKind::Categorical { values } => categorical_features(values, value),
            SlotKind::Float { min, max } => match as_float(value) {
                Some(number) => {
                    let share = if max > min { (number.clamp(*min, *max) - min) / (max - min) } else { 0.0 };
                    vec![1.0, share]
                }
                None => vec![0.0, 0.0],
            },
            SlotKind::List => match value {
                Value::Array(items) if !items.is_empty() => vec![1.0],
                _ => vec![0.0],
            },
            SlotKind::Any => Vec::new(),
        }
    }
}

fn categorical_features(values: &[String], value: &Value) -> Vec<f64> {
    let mut features = vec![0.0; values.len() + 1];
    if value.is_null() {
        return features;
    }
    let text = python_text(value).to_lowercase();
    let idx = values.iter().position(|known| *known == text).unwrap_or(values.len());
    features[idx] = 1.0;
    features
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(if *flag { 1.0 } else { 0.0 }),
        _ => None,
    }
}

fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_f64() == Some(1.0)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::String(text) => text.trim().parse::<f64>().ok().map(|number| number == 1.0),
        _ => None,
    }
}

/// The text Python's `str()` gives for a JSON value: `None`, `True`, `1.5`, `['a', 1]`.
pub fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut repr = String::with_capacity(text.len() + 2);
            repr.push(quote);
            for c in text.chars() {
                match c {
                    '\\' => repr.push_str("\\\\"),
                    '\n' => repr.push_str("\\n"),
                    '\r' => repr.push_str("\\r"),
                    '\t' => repr.push_str("\\t"),
                    c if c == quote => {
                        repr.push('\\');
                        repr.push(c);
                    }
                    c => repr.push(c),
                }
            }
            repr.push(quote);
            repr
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    format!("{}: {}", python_repr(&Value::String(key.clone())), python_repr(value))
                })
                .collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}
