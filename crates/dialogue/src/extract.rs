//! Filling slots from what the user said.
//!
//! Source: `spec: dialogue.md §6`.

use intendant_talk::domain::{MappingCondition, MappingKind, REQUESTED_SLOT, Slot, SlotKind, SlotMapping};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::action::Refusal;
use crate::conversation::{Conversation, after_restart};
use crate::turn::Level;

/// The action that may correct or add slots.
const VALIDATION: &str = "action_validate_slot_mappings";

impl Conversation {
    /// The slot events, and the bot's messages on the way, that the latest message brings.
    pub(crate) async fn extract_slots(&mut self, tracker: &Tracker) -> Vec<Event> {
        let mind = std::sync::Arc::clone(&self.mind);
        let mut events = Vec::new();
        let mut called: Vec<&str> = Vec::new();
        for slot in mind.domain.slots.iter().filter(|slot| !slot.is_automatic) {
            for (idx, mapping) in slot.mappings.iter().enumerate() {
                if !self.is_meaningful(slot, mapping).await || !self.applies(slot, mapping, tracker) {
                    continue;
                }
                if let MappingKind::Custom { action } = &mapping.kind {
                    if let Some(action) = action.as_deref().filter(|action| !called.contains(action)) {
                        called.push(action);
                        events.extend(self.call_for_slots(action, tracker.clone()).await);
                    }
                } else if let Some(value) = extracted(slot, mapping, tracker) {
                    let is_news =
                        !value.is_null() || tracker.slot_value(&slot.name).is_some_and(|v| !v.is_null());
                    if is_news {
                        let which = format!("the slot `{}` is filled by its mapping {}", slot.name, idx + 1);
                        self.log(Level::Debug, which).await;
                        events.push(self.event(EventKind::Slot { name: slot.name.clone(), value }));
                        break;
                    }
                }
            }
        }
        self.validate_slots(events, tracker).await
    }

    /// What custom mappings said is not passed on; only validation may speak, as in Rasa.
    async fn validate_slots(&mut self, events: Vec<Event>, tracker: &Tracker) -> Vec<Event> {
        let slots = events.into_iter().filter(|event| slot_name(event).is_some());
        if !self.mind.domain.user_actions.iter().any(|action| action == VALIDATION) {
            return slots.collect();
        }
        let slots: Vec<Event> = slots.collect();
        let seen = after_restart(tracker, slots.iter().cloned());
        let mut validated = self.call_for_slots(VALIDATION, seen).await;
        let names: Vec<String> =
            validated.iter().filter_map(|event| slot_name(event).map(str::to_owned)).collect();
        let rest = slots
            .into_iter()
            .filter(|event| slot_name(event).is_some_and(|slot| !names.iter().any(|name| name == slot)));
        validated.extend(rest);
        validated
    }

    /// Runs a custom action that may only set slots and speak.
    async fn call_for_slots(&mut self, action: &str, tracker: Tracker) -> Vec<Event> {
        let events = match self.call(action, tracker).await {
            Ok(events) => events,
            Err(Refusal::Failed(message) | Refusal::Rejected(message)) => {
                let message = format!("the action `{action}` failed and fills no slots: {message}");
                self.log(Level::Warn, message).await;
                return Vec::new();
            }
        };
        let (allowed, others): (Vec<Event>, Vec<Event>) = events
            .into_iter()
            .partition(|event| matches!(event.kind, EventKind::Slot { .. } | EventKind::Bot(_)));
        for other in others {
            let kind = other.kind.type_name();
            let message = format!("the action `{action}` may not return events of type `{kind}` here");
            self.log(Level::Debug, message).await;
        }
        allowed
    }

    async fn is_meaningful(&self, slot: &Slot, mapping: &SlotMapping) -> bool {
        let domain = &self.mind.domain;
        let unknown = match &mapping.kind {
            MappingKind::FromEntity { entity, .. } if domain.entity(entity).is_none() => entity,
            MappingKind::FromIntent { .. } => {
                let known = |intent: &&String| domain.intent(intent).is_none();
                match mapping.intents.iter().find(known) {
                    Some(intent) => intent,
                    None => return true,
                }
            }
            _ => return true,
        };
        let message =
            format!("a mapping of slot `{}` names `{unknown}`, which the domain does not have", slot.name);
        self.log(Level::Warn, message).await;
        false
    }

    fn applies(&self, slot: &Slot, mapping: &SlotMapping, tracker: &Tracker) -> bool {
        self.is_intent_wanted(mapping, tracker)
            && (matches!(mapping.kind, MappingKind::FromTriggerIntent { .. })
                || mapping.conditions.is_empty()
                || are_conditions_met(slot, &mapping.conditions, tracker))
            && !self.is_ambiguous_in_form(slot, mapping, tracker)
    }

    fn is_intent_wanted(&self, mapping: &SlotMapping, tracker: &Tracker) -> bool {
        let intent = tracker.latest_message().and_then(|message| message.parse.intent.name.as_deref());
        let is_named =
            |names: &[String]| intent.is_some_and(|intent| names.iter().any(|name| name == intent));
        if !mapping.intents.is_empty() {
            return is_named(&mapping.intents);
        }
        let Some(form) = tracker.active_loop_name().and_then(|name| self.mind.domain.form(name)) else {
            return !is_named(&mapping.not_intents);
        };
        let concerns_form = mapping.conditions.is_empty()
            || mapping.conditions.iter().any(|condition| condition.active_loop.as_ref() == Some(&form.name));
        !(is_named(&mapping.not_intents) || concerns_form && is_named(&form.ignored_intents))
    }

    /// An entity that could fill several of a form's slots fills only the one asked for.
    fn is_ambiguous_in_form(&self, slot: &Slot, mapping: &SlotMapping, tracker: &Tracker) -> bool {
        let MappingKind::FromEntity { .. } = mapping.kind else { return false };
        let Some(form) = tracker.active_loop_name().and_then(|name| self.mind.domain.form(name)) else {
            return false;
        };
        if requested_slot(tracker) == Some(&slot.name) || !form.required_slots.contains(&slot.name) {
            return false;
        }
        let same = |name: &String| {
            let mappings =
                self.mind.domain.slot(name).map(|slot| slot.mappings.as_slice()).unwrap_or_default();
            mappings.iter().filter(|other| *other == mapping).count()
        };
        form.required_slots.iter().map(same).sum::<usize>() > 1
    }
}

fn are_conditions_met(slot: &Slot, conditions: &[MappingCondition], tracker: &Tracker) -> bool {
    let active = tracker.active_loop();
    if active.is_some_and(|active| active.rejected) && requested_slot(tracker) == Some(&slot.name) {
        return false;
    }
    conditions.iter().any(|condition| match (&condition.active_loop, active) {
        (Some(wanted), Some(active)) => {
            *wanted == active.name
                && condition
                    .requested_slot
                    .as_deref()
                    .is_none_or(|slot| requested_slot(tracker) == Some(slot))
        }
        (None, None) => true,
        _ => false,
    })
}

pub(crate) fn requested_slot(tracker: &Tracker) -> Option<&str> {
    tracker.slot_value(REQUESTED_SLOT).and_then(Value::as_str)
}

fn extracted(slot: &Slot, mapping: &SlotMapping, tracker: &Tracker) -> Option<Value> {
    let mut values = match &mapping.kind {
        MappingKind::FromEntity { entity, role, group } => {
            let entities = tracker.latest_parse().map(|parse| parse.entities.as_slice()).unwrap_or_default();
            let same = entities
                .iter()
                .filter(|found| found.entity == *entity && found.role == *role && found.group == *group);
            same.map(|found| found.value.clone()).collect()
        }
        MappingKind::FromIntent { value } => vec![value.clone()],
        MappingKind::FromTriggerIntent { value } => {
            let active = tracker.active_loop_name()?;
            let names_loops = !mapping.conditions.is_empty();
            let is_meant =
                mapping.conditions.iter().any(|condition| condition.active_loop.as_deref() == Some(active));
            if names_loops && !is_meant {
                return None;
            }
            vec![value.clone()]
        }
        MappingKind::FromText => {
            let text = tracker.latest_message().and_then(|message| message.text.clone());
            vec![text.map_or(Value::Null, Value::String)]
        }
        MappingKind::Custom { .. } => return None,
    };
    match slot.kind {
        _ if values.is_empty() => None,
        SlotKind::List => Some(Value::Array(values)),
        _ => values.pop(),
    }
}

pub(crate) fn slot_name(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Slot { name, .. } => Some(name),
        _ => None,
    }
}
