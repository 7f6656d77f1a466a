//! A conversation's state (`spec: dialogue.md §1.1`).

use intendant_talk::event::UserMessage;
use intendant_talk::message::Object;
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use super::event::{event_to_json, message_metadata, parse_data, user_parse_data};
use super::parse::{entities_to_json, option};

/// Which events a tracker's state lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// None: `events` is null.
    None,
    /// What policies see.
    Applied,
    /// Everything after the last restart.
    AfterRestart,
    /// Everything.
    All,
}

impl Verbosity {
    /// Reads the query value `include_events`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "NONE" => Some(Self::None),
            "APPLIED" => Some(Self::Applied),
            "AFTER_RESTART" => Some(Self::AfterRestart),
            "ALL" => Some(Self::All),
            _ => None,
        }
    }
}

/// Writes a conversation's state.
pub fn tracker_state(tracker: &Tracker, verbosity: Verbosity) -> Value {
    let slots: Object =
        tracker.slot_values().map(|(slot, value)| (slot.name.clone(), value.clone())).collect();
    let active_loop = match tracker.active_loop() {
        None => json!({}),
        Some(active) => json!({
            "name": active.name,
            "is_interrupted": active.is_interrupted,
            "rejected": active.rejected,
            "trigger_message": match &active.trigger_message {
                Some(event) => user_parse_data(event),
                None => parse_data(&UserMessage::default(), &Object::new()),
            },
        }),
    };
    let latest_action = match tracker.latest_action() {
        None => json!({}),
        Some(action) if action.name.is_some() => json!({ "action_name": action.name }),
        Some(action) => json!({ "action_text": action.action_text }),
    };
    json!({
        "sender_id": tracker.sender_id,
        "slots": slots,
        "latest_message": latest_message(tracker),
        "latest_event_time": tracker.latest_event_time().map(|time| time.as_secs_f64()),
        "followup_action": option(tracker.followup_action()),
        "paused": tracker.is_paused(),
        "events": events(tracker, verbosity),
        "latest_input_channel": option(tracker.latest_input_channel()),
        "active_loop": active_loop,
        "latest_action": latest_action,
        "latest_action_name": option(tracker.latest_action_name()),
    })
}

/// The latest message's parse data, with the entities that policies added to it.
fn latest_message(tracker: &Tracker) -> Value {
    let mut data = match (tracker.latest_message_event(), tracker.latest_message()) {
        (Some(event), Some(message)) => parse_data(message, &message_metadata(&event.metadata)),
        _ => parse_data(&UserMessage::default(), &Object::new()),
    };
    if let (Value::Object(data), Some(parse)) = (&mut data, tracker.latest_parse()) {
        data.insert("entities".to_owned(), entities_to_json(&parse.entities));
    }
    data
}

fn events(tracker: &Tracker, verbosity: Verbosity) -> Value {
    match verbosity {
        Verbosity::None => Value::Null,
        Verbosity::Applied => tracker.applied_events().map(|event| event_to_json(event)).collect(),
        Verbosity::AfterRestart => {
            tracker.events_after_restart().iter().map(|event| event_to_json(event)).collect()
        }
        Verbosity::All => tracker.events().iter().map(|event| event_to_json(event)).collect(),
    }
}
