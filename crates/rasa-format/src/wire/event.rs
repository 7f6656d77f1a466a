//! Events (`spec: dialogue.md §1.2`).

use intendant_talk::event::{ActionExecuted, BotUtterance, Event, EventKind, Reminder, UserMessage};
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use serde_json::Value;

use super::Error;
use super::parse::{
    entities_from_json, entities_to_json, intent_to_json, kind_of, option, parse_from_json, write_components,
};

/// Keys that every event of a running assistant gets; a message's own metadata lacks them.
const STAMPS: [&str; 2] = ["model_id", "assistant_id"];

/// Writes an event.
pub fn event_to_json(event: &Event) -> Value {
    let mut object = Object::new();
    object.insert("event".to_owned(), event.kind.type_name().into());
    object.insert("timestamp".to_owned(), event.timestamp.as_secs_f64().into());
    if !event.metadata.is_empty() {
        object.insert("metadata".to_owned(), Value::Object(event.metadata.clone()));
    }
    write_kind(event, &mut object);
    Value::Object(object)
}

fn write_kind(event: &Event, object: &mut Object) {
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    match &event.kind {
        EventKind::User(message) => {
            put("text", option(message.text.as_deref()));
            put("parse_data", user_parse_data(event));
            put("input_channel", option(message.input_channel.as_deref()));
            put("message_id", option(message.message_id.as_deref()));
            put("metadata", Value::Object(event.metadata.clone()));
        }
        EventKind::Bot(utterance) => {
            put("text", option(utterance.text.as_deref()));
            put("data", Value::Object(utterance.data.clone()));
            put("metadata", Value::Object(event.metadata.clone()));
        }
        EventKind::Action(action) => {
            put("name", option(action.name.as_deref()));
            put("policy", option(action.policy.as_deref()));
            put("confidence", action.confidence.into());
            put("action_text", option(action.action_text.as_deref()));
            put("hide_rule_turn", action.hide_rule_turn.into());
        }
        EventKind::Slot { name, value } => {
            put("name", name.as_str().into());
            put("value", value.clone());
        }
        EventKind::Entities { entities } => put("entities", entities_to_json(entities)),
        EventKind::UserFeaturization { use_text } => put("use_text_for_featurization", (*use_text).into()),
        EventKind::Reminder(reminder) => {
            let intent = Some(reminder.intent.as_str()).filter(|intent| !intent.is_empty());
            put("intent", option(intent));
            put("date_time", reminder.date_time.as_str().into());
            put("entities", reminder.entities.clone().unwrap_or_default());
            put("name", reminder.name.as_str().into());
            put("kill_on_user_msg", reminder.kill_on_user_message.into());
        }
        EventKind::Followup { name } | EventKind::ActiveLoop { name } => put("name", option(name.as_deref())),
        EventKind::Agent { text, data } => {
            put("text", option(text.as_deref()));
            put("data", data.clone());
        }
        EventKind::LoopInterrupted { is_interrupted } => put("is_interrupted", (*is_interrupted).into()),
        EventKind::ActionExecutionRejected { name, policy, confidence } => {
            put("name", name.as_str().into());
            put("policy", option(policy.as_deref()));
            put("confidence", (*confidence).into());
        }
        // What a cancelled reminder or an export names is read but never written.
        EventKind::CancelReminder { .. }
        | EventKind::Export { .. }
        | EventKind::Restart
        | EventKind::SessionStarted
        | EventKind::ResetSlots
        | EventKind::Rewind
        | EventKind::Undo
        | EventKind::Pause
        | EventKind::Resume => {}
    }
}

/// Writes the `parse_data` of a user event: its parse result, the message's id and the metadata
/// the message came with. The empty message's for any other event.
pub fn user_parse_data(event: &Event) -> Value {
    match &event.kind {
        EventKind::User(message) => parse_data(message, &message_metadata(&event.metadata)),
        _ => parse_data(&UserMessage::default(), &Object::new()),
    }
}

pub(super) fn parse_data(message: &UserMessage, metadata: &Object) -> Value {
    let parse = &message.parse;
    let mut object = Object::new();
    object.insert("intent".to_owned(), intent_to_json(&parse.intent));
    object.insert("entities".to_owned(), entities_to_json(&parse.entities));
    object.insert("text".to_owned(), option(parse.text.as_deref().or(message.text.as_deref())));
    object.insert("message_id".to_owned(), option(message.message_id.as_deref()));
    object.insert("metadata".to_owned(), Value::Object(metadata.clone()));
    write_components(parse, &mut object);
    Value::Object(object)
}

/// The metadata a message came with, without what the assistant stamped on it.
pub(super) fn message_metadata(metadata: &Object) -> Object {
    let own = metadata.iter().filter(|(key, _)| !STAMPS.contains(&key.as_str()));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Reads an event. `None` for what Rasa ignores: objects without `event`, and events of type `topic`.
///
/// An event without time stamp gets `default_time`; a reminder without name gets one made from
/// its content and `default_time`.
///
/// # Errors
/// For an unknown event type and for content no event can be made of.
pub fn event_from_json(value: &Value, default_time: Timestamp) -> Result<Option<Event>, Error> {
    let Value::Object(object) = value else {
        return Err(Error::event(format!("an event must be an object, found {}", kind_of(value))));
    };
    let name = match object.get("event") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => name.as_str(),
        Some(other) => {
            return Err(Error::event(format!("an event's type must be a string, found {}", kind_of(other))));
        }
    };
    if name == "topic" {
        return Ok(None);
    }
    let timestamp =
        object.get("timestamp").and_then(Value::as_f64).map_or(default_time, Timestamp::from_secs_f64);
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata.clone(),
        _ => Object::new(),
    };
    let fields = Fields { object, event: name };
    let kind = read_kind(&fields, &metadata, default_time)?;
    Ok(Some(Event { timestamp, metadata, kind }))
}

struct Fields<'a> {
    object: &'a Object,
    event: &'a str,
}

impl Fields<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, Error> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(Error::event(format!(
                "`{key}` of event `{}` must be a string, found {}",
                self.event,
                kind_of(other)
            ))),
        }
    }

    fn required_text(&self, key: &str) -> Result<String, Error> {
        let text = self.text(key)?;
        text.ok_or_else(|| Error::event(format!("event `{}` needs the key `{key}`", self.event)))
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.object.get(key).and_then(Value::as_f64)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.object.get(key).and_then(Value::as_bool)
    }

    fn value(&self, key: &str) -> Value {
        self.object.get(key).cloned().unwrap_or_default()
    }

    fn some_value(&self, key: &str) -> Option<Value> {
        self.object.get(key).filter(|value| !value.is_null()).cloned()
    }
}

fn read_kind(fields: &Fields<'_>, metadata: &Object, now: Timestamp) -> Result<EventKind, Error> {
    Ok(match fields.event {
        "user" => EventKind::User(Box::new(read_user(fields, metadata)?)),
        "bot" => EventKind::Bot(Box::new(BotUtterance {
            text: fields.text("text")?,
            data: match fields.value("data") {
                Value::Object(data) => data,
                _ => Object::new(),
            },
        })),
        "action" => EventKind::Action(read_action(fields)?),
        "slot" => EventKind::Slot { name: fields.required_text("name")?, value: fields.value("value") },
        "entities" => EventKind::Entities { entities: entities_from_json(&fields.value("entities"))? },
        "user_featurization" => {
            EventKind::UserFeaturization { use_text: fields.flag("use_text_for_featurization") }
        }
        "restart" => EventKind::Restart,
        "session_started" => EventKind::SessionStarted,
        "reset_slots" => EventKind::ResetSlots,
        "rewind" => EventKind::Rewind,
        "undo" => EventKind::Undo,
        "reminder" => EventKind::Reminder(read_reminder(fields, now)?),
        "cancel_reminder" => EventKind::CancelReminder {
            name: fields.text("name")?,
            intent: fields.text("intent")?,
            entities: fields.some_value("entities"),
        },
        "followup" => EventKind::Followup { name: fields.text("name")? },
        "pause" => EventKind::Pause,
        "resume" => EventKind::Resume,
        "export" => EventKind::Export { path: fields.text("path")? },
        "agent" => EventKind::Agent { text: fields.text("text")?, data: fields.value("data") },
        "active_loop" | "form" => EventKind::ActiveLoop { name: fields.text("name")? },
        "loop_interrupted" => {
            EventKind::LoopInterrupted { is_interrupted: fields.flag("is_interrupted").unwrap_or(false) }
        }
        "form_validation" => {
            EventKind::LoopInterrupted { is_interrupted: !fields.flag("validate").unwrap_or(true) }
        }
        "action_execution_rejected" => EventKind::ActionExecutionRejected {
            name: fields.required_text("name")?,
            policy: fields.text("policy")?,
            confidence: fields.number("confidence"),
        },
        unknown => return Err(Error::event(format!("unknown event type `{unknown}`"))),
    })
}

fn read_user(fields: &Fields<'_>, metadata: &Object) -> Result<UserMessage, Error> {
    let parse_data = fields.object.get("parse_data").filter(|value| !value.is_null());
    let parse_data = parse_data.ok_or_else(|| Error::event("event `user` needs the key `parse_data`"))?;
    let mut message = UserMessage {
        text: fields.text("text")?,
        parse: parse_from_json(parse_data)?,
        input_channel: fields.text("input_channel")?,
        message_id: fields.text("message_id")?,
    };
    // Kept apart only when they say something else than the event does.
    let extra = &mut message.parse.extra;
    if extra.get("message_id") == Some(&option(message.message_id.as_deref())) {
        extra.shift_remove("message_id");
    }
    if extra.get("metadata").is_some_and(|value| value.as_object() == Some(&message_metadata(metadata))) {
        extra.shift_remove("metadata");
    }
    Ok(message)
}

fn read_action(fields: &Fields<'_>) -> Result<ActionExecuted, Error> {
    let action = ActionExecuted {
        name: fields.text("name")?,
        policy: fields.text("policy")?,
        confidence: fields.number("confidence"),
        action_text: fields.text("action_text")?,
        hide_rule_turn: fields.flag("hide_rule_turn").unwrap_or(false),
    };
    if action.name.is_none() && action.action_text.is_none() {
        return Err(Error::event("event `action` needs `name` or `action_text`"));
    }
    Ok(action)
}

fn read_reminder(fields: &Fields<'_>, now: Timestamp) -> Result<Reminder, Error> {
    let mut reminder = Reminder {
        intent: fields.text("intent")?.unwrap_or_default(),
        entities: fields.some_value("entities"),
        date_time: fields.required_text("date_time")?,
        name: fields.text("name")?.unwrap_or_default(),
        kill_on_user_message: fields.flag("kill_on_user_msg").unwrap_or(true),
    };
    if reminder.name.is_empty() {
        reminder.name = reminder_name(&reminder, now);
    }
    Ok(reminder)
}

/// A name that only an equal reminder of the same moment shares.
fn reminder_name(reminder: &Reminder, now: Timestamp) -> String {
    let entities = reminder.entities.clone().unwrap_or_default();
    let content = format!("{}\n{}\n{entities}\n{}", reminder.intent, reminder.date_time, now.micros);
    format!("{:016x}{:016x}", fnv1a(content.as_bytes(), 0), fnv1a(content.as_bytes(), 1))
}

fn fnv1a(bytes: &[u8], salt: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
