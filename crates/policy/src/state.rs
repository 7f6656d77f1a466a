//! What policies see of a conversation: one [`State`] before every action.
//!
//! Source: `spec: dialogue.md §2`. A state is built by replaying applied events with [`Replay`],
//! which borrows everything; only the states that some policy asks for are materialised, so a long
//! conversation costs a short scan.

pub(crate) mod key;
pub(crate) mod situation;

use std::sync::Arc;

use intendant_talk::domain::{Domain, Slot};
use intendant_talk::event::{ActionExecuted, Event, EventKind, UserMessage};
use intendant_talk::message::Entity;
use serde_json::Value;

/// Stands for an explicit "must not be set" in rules, as a slot's value or a loop's name.
pub(crate) const SHOULD_NOT_BE_SET: &str = "should_not_be_set";

/// The situation before an action.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub user: Option<User>,
    /// Slots with some feature that is not zero, in domain order.
    pub slots: Vec<(String, SlotFeatures)>,
    pub previous: Option<Previous>,
    /// A loop's name or [`SHOULD_NOT_BE_SET`].
    pub active_loop: Option<String>,
}

/// What the user said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct User {
    pub text: Option<String>,
    pub intent: Option<String>,
    /// Names and `name#label`s, sorted.
    pub entities: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SlotFeatures {
    Set(Vec<f64>),
    ShouldNotBeSet,
}

/// The action before this point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Previous {
    Name(String),
    Text(String),
}

impl Previous {
    fn of(action: &ActionExecuted) -> Option<Self> {
        match (&action.name, &action.action_text) {
            (Some(name), _) => Some(Self::Name(name.clone())),
            (None, Some(text)) => Some(Self::Text(text.clone())),
            (None, None) => None,
        }
    }
}

impl State {
    pub(crate) fn previous_name(&self) -> Option<&str> {
        match &self.previous {
            Some(Previous::Name(name)) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn follows_listen(&self) -> bool {
        self.previous_name() == Some("action_listen")
    }

    /// The loop that has the floor.
    pub(crate) fn loop_name(&self) -> Option<&str> {
        self.active_loop.as_deref().filter(|name| *name != SHOULD_NOT_BE_SET)
    }

    /// Keeps only the text or only the intent of what the user just said.
    pub(crate) fn choose_user_input(&mut self, input: UserInput) {
        if !self.follows_listen() {
            return;
        }
        let Some(user) = &mut self.user else { return };
        match input {
            UserInput::Text => {
                user.intent = None;
                user.entities.clear();
            }
            UserInput::Intent => user.text = None,
        }
        if *user == User::default() {
            self.user = None;
        }
    }
}

/// Which side of the user's message a policy reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserInput {
    Text,
    Intent,
}

/// The state of a conversation while its events pass by; borrows from them.
#[derive(Clone, Debug)]
pub(crate) struct Replay<'a> {
    domain: &'a Domain,
    values: Vec<&'a Value>,
    has_been_set: Vec<bool>,
    pub user: Option<&'a UserMessage>,
    /// The conversation's latest message, in force or not; known only of running conversations.
    pub latest_message: Option<&'a UserMessage>,
    added_entities: Vec<&'a Entity>,
    use_text: Option<bool>,
    pub previous: Option<&'a ActionExecuted>,
    pub active_loop: Option<&'a str>,
    pub is_loop_rejected: bool,
    has_followup: bool,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(domain: &'a Domain) -> Self {
        Self {
            domain,
            values: domain.slots.iter().map(|slot| &slot.initial_value).collect(),
            has_been_set: vec![false; domain.slots.len()],
            user: None,
            latest_message: None,
            added_entities: Vec::new(),
            use_text: None,
            previous: None,
            active_loop: None,
            is_loop_rejected: false,
            has_followup: true,
        }
    }

    /// The loop that has the floor.
    pub(crate) fn loop_name(&self) -> Option<&'a str> {
        self.active_loop.filter(|name| *name != SHOULD_NOT_BE_SET)
    }

    pub(crate) fn previous_name(&self) -> Option<&'a str> {
        self.previous.and_then(|action| action.name.as_deref())
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.previous_name() == Some("action_listen")
    }

    pub(crate) fn intent_name(&self) -> Option<&'a str> {
        self.user.and_then(|user| user.parse.intent.name.as_deref())
    }

    /// How sure the latest message was understood, also one that a form took in and that is no
    /// longer in force.
    pub(crate) fn intent_confidence(&self) -> f64 {
        let user = self.latest_message.or(self.user);
        user.and_then(|user| user.parse.intent.confidence).unwrap_or(1.0)
    }

    pub(crate) fn apply(&mut self, event: &'a Event) {
        match &event.kind {
            EventKind::User(message) => {
                self.user = Some(message);
                self.added_entities.clear();
                self.use_text = None;
                self.has_followup = false;
            }
            EventKind::Action(action) => {
                if action.name.as_deref().is_some_and(|name| Some(name) == self.active_loop) {
                    self.is_loop_rejected = false;
                }
                self.previous = Some(action);
                self.has_followup = false;
            }
            EventKind::Slot { name, value } => {
                if let Some(idx) = self.domain.slots.iter().position(|slot| slot.name == *name) {
                    self.values[idx] = value;
                    self.has_been_set[idx] = true;
                }
            }
            EventKind::ResetSlots => self.reset_slots(),
            EventKind::Entities { entities } if self.is_listening() => {
                self.added_entities.extend(entities);
            }
            EventKind::UserFeaturization { use_text } if self.is_listening() => self.use_text = *use_text,
            EventKind::Followup { name } => self.has_followup = name.is_some(),
            EventKind::ActiveLoop { name } => {
                self.active_loop = name.as_deref();
                self.is_loop_rejected = false;
            }
            EventKind::ActionExecutionRejected { name, .. } if self.active_loop == Some(name) => {
                self.is_loop_rejected = true;
            }
            _ => {}
        }
    }

    fn reset_slots(&mut self) {
        for (idx, slot) in self.domain.slots.iter().enumerate() {
            self.values[idx] = &slot.initial_value;
            self.has_been_set[idx] = false;
        }
    }

    /// The state at this point.
    pub(crate) fn state(&self, unset_slots: UnsetSlots) -> State {
        State {
            user: self.user_state(),
            slots: self.slot_states(unset_slots),
            previous: self.previous.and_then(Previous::of),
            active_loop: self.active_loop.map(str::to_owned),
        }
    }

    fn user_state(&self) -> Option<User> {
        let message = self.user?;
        let mut user = User::default();
        let intent = message.parse.intent.name.as_deref().filter(|name| !name.is_empty());
        let is_by_text = match self.use_text {
            Some(by_text) => by_text,
            // Stories are annotated by intent or, end to end, by text alone. Conversations get both
            // until the last turn is narrowed by the policy.
            None => intent.is_none(),
        };
        let text = message.text.as_deref().filter(|text| !text.is_empty());
        if is_by_text || (self.use_text.is_none() && self.is_listening()) {
            user.text = text.map(str::to_owned);
        }
        if !is_by_text {
            user.intent = intent.map(str::to_owned);
            user.entities = self.entities_of(message);
        }
        (user != User::default()).then_some(user)
    }

    fn entities_of(&self, message: &UserMessage) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for entity in message.parse.entities.iter().chain(self.added_entities.iter().copied()) {
            names.push(entity.entity.clone());
            for label in [&entity.role, &entity.group].into_iter().flatten() {
                names.push(format!("{}#{label}", entity.entity));
            }
        }
        if names.is_empty() {
            return names;
        }
        if let Some(intent) = message.parse.intent.name.as_deref().and_then(|name| self.domain.intent(name)) {
            names.retain(|name| intent.used_entities.contains(name));
        }
        names.sort();
        names.dedup();
        names
    }

    fn slot_states(&self, unset_slots: UnsetSlots) -> Vec<(String, SlotFeatures)> {
        let mut states = Vec::new();
        for (idx, slot) in self.domain.slots.iter().enumerate() {
            if !has_features(slot) || (unset_slots == UnsetSlots::Omit && !self.has_been_set[idx]) {
                continue;
            }
            if self.values[idx].as_str() == Some(SHOULD_NOT_BE_SET) {
                states.push((slot.name.clone(), SlotFeatures::ShouldNotBeSet));
                continue;
            }
            let features = match self.values[idx] {
                value @ (Value::Null | Value::Array(_)) => slot.features(value),
                value => slot.features(&slot.coerce(value.clone())),
            };
            if features.iter().any(|feature| *feature != 0.0) {
                states.push((slot.name.clone(), SlotFeatures::Set(features)));
            }
        }
        states
    }
}

/// Policies see the slot at all.
pub(crate) fn has_features(slot: &Slot) -> bool {
    !slot.features(&Value::Null).is_empty()
}

/// Whether slots that were never set (but may have an initial value) are part of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnsetSlots {
    Keep,
    Omit,
}

/// States before every action of `events` (already applied), and at the end.
pub(crate) fn all_states(domain: &Domain, events: &[&Arc<Event>], unset_slots: UnsetSlots) -> Vec<State> {
    let mut replay = Replay::new(domain);
    let mut states = Vec::new();
    for event in events {
        if matches!(event.kind, EventKind::Action(_)) {
            states.push(replay.state(unset_slots));
        }
        replay.apply(event);
    }
    states.push(replay.state(unset_slots));
    states
}
