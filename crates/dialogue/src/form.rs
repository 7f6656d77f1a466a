//! Forms: asking for slots until all are filled.
//!
//! Source: `spec: dialogue.md §7`.

use intendant_talk::domain::{Form, REQUESTED_SLOT};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::action::{Outcome, Refusal};
use crate::conversation::{Conversation, after_restart, imagine};
use crate::extract::{requested_slot, slot_name};
use crate::turn::Level;

impl Conversation {
    /// Runs a form once. `tracker` is the conversation with the decision recorded.
    pub(crate) async fn run_form(&mut self, name: &str, tracker: &Tracker) -> Outcome {
        let Some(form) = self.mind.domain.form(name).cloned() else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        if tracker.active_loop_name() != Some(name) {
            events = self.activate(&form, tracker).await?;
        }
        if !is_done(&events) {
            let done = self.ask_on(&form, tracker, &events).await?;
            events.extend(done);
        }
        if is_done(&events) {
            events.push(self.event(EventKind::ActiveLoop { name: None }));
        }
        Ok(events)
    }

    /// Switches the form on and takes what is already known.
    async fn activate(&mut self, form: &Form, tracker: &Tracker) -> Outcome {
        let activation = EventKind::ActiveLoop { name: Some(form.name.clone()) };
        let mut events = vec![self.event(activation.clone())];
        let mut active = imagine(tracker, &[activation], self.line.now());
        let extracted = self.extract_slots(&active).await;
        for event in &extracted {
            active.update(event.clone());
        }
        let slots = extracted.into_iter().filter(|event| slot_name(event).is_some());
        if !self.has_validation(form) {
            events.extend(slots);
            return Ok(events);
        }
        let prefilled: Vec<(String, Value)> = form
            .required_slots
            .iter()
            .filter_map(|name| {
                let value = active.slot_value(name).filter(|value| !value.is_null())?;
                Some((name.clone(), value.clone()))
            })
            .collect();
        let validated = self.validate(form, prefilled, &active).await?;
        let names: Vec<String> =
            validated.iter().filter_map(|event| slot_name(event).map(str::to_owned)).collect();
        let slots =
            slots.filter(|event| slot_name(event).is_some_and(|name| !names.iter().any(|n| n == name)));
        let slots: Vec<Event> = slots.collect();
        events.extend(validated);
        events.extend(slots);
        Ok(events)
    }

    /// Validates the user's answer where that is due, and asks for the next slot.
    async fn ask_on(&mut self, form: &Form, tracker: &Tracker, so_far: &[Event]) -> Outcome {
        let is_fresh = so_far.iter().all(|event| matches!(event.kind, EventKind::ActiveLoop { .. }));
        let mut events = Vec::new();
        if is_fresh {
            let active = tracker.active_loop();
            let is_answer = tracker.latest_action_name() == Some("action_listen")
                && active.is_some_and(|active| !active.is_interrupted);
            events = if active.is_none() || is_answer {
                self.validate_answer(form, tracker).await?
            } else {
                self.validate(form, Vec::new(), tracker).await?
            };
        }
        if !is_rejected(&events) {
            let so_far: Vec<Event> = so_far.iter().chain(&events).cloned().collect();
            events.extend(self.request_next(form, tracker, so_far).await?);
        }
        Ok(events)
    }

    async fn validate_answer(&mut self, form: &Form, tracker: &Tracker) -> Outcome {
        let candidates = candidates(form, tracker);
        let has_candidates = !candidates.is_empty();
        let events = self.validate(form, candidates, tracker).await?;
        let was_validated =
            events.iter().any(|event| slot_name(event).is_some_and(|name| name != REQUESTED_SLOT));
        match slot_to_fill(form, tracker) {
            Some(slot) if !has_candidates && !was_validated && !is_rejected(&events) => {
                Err(Refusal::Rejected(format!("failed to extract slot `{slot}` with action `{}`", form.name)))
            }
            _ => Ok(events),
        }
    }

    fn has_validation(&self, form: &Form) -> bool {
        let name = format!("validate_{}", form.name);
        self.mind.actions().contains(&name)
    }

    async fn validate(
        &mut self,
        form: &Form,
        candidates: Vec<(String, Value)>,
        tracker: &Tracker,
    ) -> Outcome {
        if !self.has_validation(form) {
            return Ok(Vec::new());
        }
        let candidates: Vec<Event> =
            candidates.into_iter().map(|(name, value)| self.event(EventKind::Slot { name, value })).collect();
        let seen = self.with_form_turn(form, tracker, candidates);
        self.call(&format!("validate_{}", form.name), seen).await
    }

    /// The conversation with the form's execution in it, so that what comes after stands out.
    fn with_form_turn(&self, form: &Form, tracker: &Tracker, events: Vec<Event>) -> Tracker {
        let value = slot_to_fill(form, tracker).map_or(Value::Null, |slot| slot.into());
        let requested = self.event(EventKind::Slot { name: REQUESTED_SLOT.to_owned(), value });
        let turn = self.event(EventKind::action(form.name.clone()));
        after_restart(tracker, [requested, turn].into_iter().chain(events))
    }

    async fn request_next(&mut self, form: &Form, tracker: &Tracker, so_far: Vec<Event>) -> Outcome {
        let request = |slot: Option<&str>| EventKind::Slot {
            name: REQUESTED_SLOT.to_owned(),
            value: slot.map_or(Value::Null, |slot| slot.into()),
        };
        if is_done(&so_far) {
            return Ok(vec![self.event(request(None))]);
        }
        let chosen = so_far.iter().find_map(|event| match &event.kind {
            EventKind::Slot { name, value } if name == REQUESTED_SLOT => {
                Some(value.as_str().map(str::to_owned))
            }
            _ => None,
        });
        let seen = self.with_form_turn(form, tracker, so_far);
        let mut events = Vec::new();
        let slot = match chosen.flatten() {
            Some(slot) => slot,
            None => {
                let missing =
                    form.required_slots.iter().find(|slot| seen.slot_value(slot).is_none_or(Value::is_null));
                events.push(self.event(request(missing.map(String::as_str))));
                match missing {
                    Some(slot) => slot.clone(),
                    None => return Ok(events),
                }
            }
        };
        events.extend(self.ask_for(form, &slot, &seen).await?);
        Ok(events)
    }

    async fn ask_for(&mut self, form: &Form, slot: &str, tracker: &Tracker) -> Outcome {
        let form = &form.name;
        let names = [
            format!("action_ask_{form}_{slot}"),
            format!("utter_ask_{form}_{slot}"),
            format!("action_ask_{slot}"),
            format!("utter_ask_{slot}"),
        ];
        match names.iter().find(|name| self.mind.actions().contains(name)) {
            Some(name) => self.run_plain(name, tracker).await,
            None => {
                let message = format!("there is no response or action that asks for slot `{slot}`");
                self.log(Level::Debug, message).await;
                Ok(Vec::new())
            }
        }
    }
}

/// The slot the form asked for; another form's question does not count.
fn slot_to_fill<'a>(form: &Form, tracker: &'a Tracker) -> Option<&'a str> {
    requested_slot(tracker).filter(|_| tracker.active_loop_name() == Some(&form.name))
}

/// What the latest message set of the slots that the form wants.
fn candidates(form: &Form, tracker: &Tracker) -> Vec<(String, Value)> {
    let wanted = slot_to_fill(form, tracker);
    let events = tracker.events();
    let from = events.iter().rposition(|event| matches!(event.kind, EventKind::User(_) | EventKind::Restart));
    let mut candidates: Vec<(String, Value)> = Vec::new();
    for event in &events[from.unwrap_or(0)..] {
        let EventKind::Slot { name, value } = &event.kind else { continue };
        if !form.required_slots.contains(name) && wanted != Some(name) {
            continue;
        }
        match candidates.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.clone_from(value),
            None => candidates.push((name.clone(), value.clone())),
        }
    }
    candidates
}

fn is_rejected(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event.kind, EventKind::ActionExecutionRejected { .. }))
}

/// The last word on the requested slot or on the loop is that there is none.
fn is_done(events: &[Event]) -> bool {
    if is_rejected(events) {
        return false;
    }
    let request = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::Slot { name, value } if name == REQUESTED_SLOT => Some(value.is_null()),
        _ => None,
    });
    let active = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::ActiveLoop { name } => Some(name.is_none()),
        _ => None,
    });
    request == Some(true) || active == Some(true)
}
