//! The written form of a domain becomes the typed one.

use std::collections::BTreeSet;

use intendant_talk::domain::{
    DEFAULT_INTENTS, Domain, EntityInfo, Form, IntentInfo, MappingCondition, MappingKind, REQUESTED_SLOT,
    ResponseVariation, SESSION_METADATA_SLOT, SessionConfig, Slot, SlotKind, SlotMapping, python_text,
};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use super::merge::item_name;
use crate::reader::FORMAT_VERSION;

const KNOWLEDGE_BASE_ACTION: &str = "action_query_knowledge_base";
const KNOWLEDGE_BASE_SLOTS: [&str; 3] =
    ["knowledge_base_listed_objects", "knowledge_base_last_object", "knowledge_base_last_object_type"];

/// Completes a written domain to the form that action servers and `GET /domain` get: no empty
/// keys, session settings and version always there, intents sorted, forms with `required_slots`.
pub fn complete(mut dict: Object) -> Object {
    dict.retain(|_, value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    });
    if let Some(Value::Object(forms)) = dict.get_mut("forms") {
        for form in forms.values_mut() {
            if !form.is_null() && form.get("required_slots").is_none() {
                *form = json!({ "required_slots": form.take() });
            }
        }
    }
    if !dict.contains_key("session_config") {
        let default = json!({ "session_expiration_time": 60, "carry_over_slots_to_new_session": true });
        dict.insert("session_config".to_owned(), default);
    }
    if !dict.contains_key("version") {
        dict.insert("version".to_owned(), FORMAT_VERSION.into());
    }
    if let Some(Value::Array(intents)) = dict.get_mut("intents") {
        intents.iter_mut().for_each(reset_intent_flags);
        intents.sort_by(|left, right| item_name(left).cmp(&item_name(right)));
    }
    dict
}

/// `false`, null and the like for "no entities" become the empty list.
fn reset_intent_flags(intent: &mut Value) {
    let Value::Object(intent) = intent else { return };
    for properties in intent.values_mut() {
        let Value::Object(properties) = properties else { continue };
        for key in ["use_entities", "ignore_entities"] {
            if let Some(value) = properties.get_mut(key)
                && matches!(value, Value::Null | Value::Bool(false))
            {
                *value = json!([]);
            }
        }
    }
}

/// Makes the typed domain of a completed written one. What a file reader reported as an error is
/// left out here.
pub fn from_dict(dict: &Object) -> Domain {
    let entities = entities(dict.get("entities"));
    let responses = responses(dict.get("responses"));
    let forms = forms(dict.get("forms"));
    let actions = dict.get("actions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let user_actions: Vec<String> = actions.iter().filter_map(item_name).map(str::to_owned).collect();
    let end_to_end_actions = texts(dict.get("e2e_actions"));
    let flag = |section: &str, key: &str| dict.get(section)?.get(key)?.as_bool();
    let mut slots = slots(dict.get("slots"));
    add_automatic_slots(&mut slots, !forms.is_empty(), &user_actions);
    Domain {
        intents: intents(dict.get("intents"), &entities),
        entities,
        slots,
        responses,
        forms,
        actions_with_domain: actions.iter().filter_map(action_with_domain).collect(),
        user_actions,
        end_to_end_actions,
        session: session(dict.get("session_config")),
        store_entities_as_slots: flag("config", "store_entities_as_slots").unwrap_or(true),
        dict: dict.clone(),
    }
}

fn action_with_domain(action: &Value) -> Option<String> {
    match action {
        Value::String(name) if name.starts_with("validate_") => Some(name.clone()),
        Value::Object(map) => {
            let (name, options) = map.iter().next()?;
            (options.get("send_domain") == Some(&Value::Bool(true))).then(|| name.clone())
        }
        _ => None,
    }
}

fn session(config: Option<&Value>) -> SessionConfig {
    let default = SessionConfig::default();
    let Some(config) = config else { return default };
    SessionConfig {
        expiration_minutes: config
            .get("session_expiration_time")
            .and_then(Value::as_f64)
            .unwrap_or(default.expiration_minutes),
        carry_over_slots: config
            .get("carry_over_slots_to_new_session")
            .and_then(Value::as_bool)
            .unwrap_or(default.carry_over_slots),
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn entities(list: Option<&Value>) -> Vec<EntityInfo> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut entities: Vec<EntityInfo> = Vec::new();
    for item in items {
        let Some(name) = item_name(item) else { continue };
        let options = item.get(name);
        let option = |key: &str| options.and_then(|options| options.get(key));
        entities.push(EntityInfo {
            name: name.to_owned(),
            roles: texts(option("roles")),
            groups: texts(option("groups")),
            influence_conversation: option("influence_conversation") != Some(&Value::Bool(false)),
        });
    }
    entities.sort_by(|left, right| left.name.cmp(&right.name));
    entities.dedup_by(|left, right| left.name == right.name);
    entities
}

fn intents(list: Option<&Value>, entities: &[EntityInfo]) -> Vec<IntentInfo> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut intents: Vec<IntentInfo> = Vec::new();
    for item in items {
        let Some(name) = item_name(item) else { continue };
        let properties = item.get(name).and_then(Value::as_object);
        intents.push(IntentInfo {
            name: name.to_owned(),
            is_retrieval_intent: properties.and_then(|map| map.get("is_retrieval_intent"))
                == Some(&Value::Bool(true)),
            used_entities: used_entities(properties, entities),
        });
    }
    for name in DEFAULT_INTENTS {
        if !intents.iter().any(|intent| intent.name == name) {
            let used_entities = used_entities(None, entities);
            intents.push(IntentInfo { name: name.to_owned(), used_entities, ..IntentInfo::default() });
        }
    }
    intents.sort_by(|left, right| left.name.cmp(&right.name));
    intents.dedup_by(|left, right| left.name == right.name);
    intents
}

/// The entity names and labels that count with an intent (`spec: training-data.md §4.2`).
fn used_entities(properties: Option<&Object>, entities: &[EntityInfo]) -> Vec<String> {
    let property = |key: &str| properties.and_then(|properties| properties.get(key));
    if let (None, Some(Value::Array(_))) = (property("use_entities"), property("used_entities")) {
        return texts(property("used_entities"));
    }
    let labels = |entity: &EntityInfo| -> Vec<String> {
        let labels = entity.roles.iter().chain(&entity.groups);
        labels.map(|label| format!("{}#{label}", entity.name)).collect()
    };
    let with_labels = |names: &[String]| -> BTreeSet<String> {
        let listed = entities.iter().filter(|entity| names.contains(&entity.name));
        names.iter().cloned().chain(listed.flat_map(labels)).collect()
    };
    let silent = || entities.iter().filter(|entity| !entity.influence_conversation);
    let mut used: BTreeSet<String> = match property("use_entities") {
        None | Some(Value::Bool(true)) => {
            let audible = entities.iter().filter(|entity| entity.influence_conversation);
            let names = audible.map(|entity| entity.name.clone());
            names.chain(entities.iter().flat_map(labels)).collect()
        }
        listed => with_labels(&texts(listed)),
    };
    let ignored: Vec<String> = match property("ignore_entities") {
        None => silent().map(|entity| entity.name.clone()).collect(),
        listed => texts(listed),
    };
    for name in with_labels(&ignored) {
        used.remove(&name);
    }
    used.into_iter().collect()
}

fn responses(map: Option<&Value>) -> Vec<(String, Vec<ResponseVariation>)> {
    let Some(Value::Object(map)) = map else { return Vec::new() };
    let variations = |value: &Value| -> Vec<ResponseVariation> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_object).map(variation).collect()
    };
    map.iter().map(|(name, value)| (name.clone(), variations(value))).collect()
}

/// Makes the typed form of one variation of a response.
fn variation(dict: &Object) -> ResponseVariation {
    let mut content = dict.clone();
    for key in ["condition", "channel", "id"] {
        content.shift_remove(key);
    }
    let text = |key: &str| dict.get(key).and_then(Value::as_str).map(str::to_owned);
    let conditions = dict.get("condition").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let condition = |condition: &Value| {
        let name = condition.get("name")?.as_str()?.to_owned();
        Some((name, condition.get("value").cloned().unwrap_or_default()))
    };
    ResponseVariation {
        content,
        conditions: conditions.iter().filter_map(condition).collect(),
        channel: text("channel"),
        id: text("id"),
        dict: dict.clone(),
    }
}

fn forms(map: Option<&Value>) -> Vec<Form> {
    let Some(Value::Object(map)) = map else { return Vec::new() };
    let form = |(name, body): (&String, &Value)| Form {
        name: name.clone(),
        required_slots: match body.get("required_slots") {
            Some(Value::Object(slots)) => slots.keys().cloned().collect(),
            listed => texts(listed),
        },
        ignored_intents: texts(body.get("ignored_intents")),
    };
    map.iter().map(form).collect()
}

fn slots(map: Option<&Value>) -> Vec<Slot> {
    let Some(Value::Object(map)) = map else { return Vec::new() };
    let slots = map.iter().filter(|(name, _)| *name != SESSION_METADATA_SLOT);
    slots.map(|(name, body)| slot(name, body)).collect()
}

fn slot(name: &str, body: &Value) -> Slot {
    let number = |key: &str, default: f64| body.get(key).and_then(Value::as_f64).unwrap_or(default);
    let kind = match body.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => SlotKind::Text,
        "bool" => SlotKind::Bool,
        "categorical" => {
            let values = body.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let values = values.iter().filter(|value| !value.is_null());
            SlotKind::Categorical { values: values.map(|value| python_text(value).to_lowercase()).collect() }
        }
        "float" => SlotKind::Float { min: number("min_value", 0.0), max: number("max_value", 1.0) },
        "list" => SlotKind::List,
        _ => SlotKind::Any,
    };
    let mappings = body.get("mappings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let influences = body.get("influence_conversation") != Some(&Value::Bool(false));
    Slot {
        name: name.to_owned(),
        influence_conversation: influences && kind != SlotKind::Any,
        kind,
        initial_value: body.get("initial_value").cloned().unwrap_or_default(),
        mappings: mappings.iter().filter_map(mapping).collect(),
        is_automatic: false,
    }
}

fn mapping(dict: &Value) -> Option<SlotMapping> {
    let text = |key: &str| dict.get(key).and_then(Value::as_str).map(str::to_owned);
    let value = || dict.get("value").cloned().unwrap_or_default();
    let kind = match dict.get("type")?.as_str()? {
        "from_entity" => {
            MappingKind::FromEntity { entity: text("entity")?, role: text("role"), group: text("group") }
        }
        "from_intent" => MappingKind::FromIntent { value: value() },
        "from_trigger_intent" => MappingKind::FromTriggerIntent { value: value() },
        "from_text" => MappingKind::FromText,
        "custom" => MappingKind::Custom { action: text("action") },
        _ => return None,
    };
    let conditions = dict.get("conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let condition = |condition: &Value| MappingCondition {
        active_loop: condition.get("active_loop").and_then(Value::as_str).map(str::to_owned),
        requested_slot: condition.get("requested_slot").and_then(Value::as_str).map(str::to_owned),
    };
    Some(SlotMapping {
        kind,
        intents: texts(dict.get("intent")),
        not_intents: texts(dict.get("not_intent")),
        conditions: conditions.iter().map(condition).collect(),
    })
}

fn add_automatic_slots(slots: &mut Vec<Slot>, has_forms: bool, actions: &[String]) {
    let mut names: Vec<&str> = Vec::new();
    if has_forms {
        names.push(REQUESTED_SLOT);
    }
    if actions.iter().any(|action| action == KNOWLEDGE_BASE_ACTION) {
        names.extend(KNOWLEDGE_BASE_SLOTS);
    }
    for name in names {
        if !slots.iter().any(|slot| slot.name == name) {
            slots.push(automatic_slot(name, SlotKind::Text));
        }
    }
    slots.push(automatic_slot(SESSION_METADATA_SLOT, SlotKind::Any));
}

fn automatic_slot(name: &str, kind: SlotKind) -> Slot {
    Slot {
        name: name.to_owned(),
        kind,
        initial_value: Value::Null,
        influence_conversation: false,
        mappings: Vec::new(),
        is_automatic: true,
    }
}
