//! The loop of a conversation: session, message, slots, decisions, actions.
//!
//! Source: `spec: dialogue.md §4`.

use std::sync::Arc;

use intendant_policy::Prediction;
use intendant_talk::event::{ActionExecuted, Event, EventKind, Reminder, UserMessage};
use intendant_talk::message::{Entity, Intent, Object, Parse};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::action::Refusal;
use crate::machine::Line;
use crate::mind::Mind;
use crate::turn::{BotMessage, Effect, Input, Level, Message, Settings};

/// A conversation in the middle of a turn.
pub(crate) struct Conversation {
    pub mind: Arc<Mind>,
    pub tracker: Tracker,
    pub settings: Settings,
    pub line: Line,
    /// State of the turn's chance.
    pub chance: u64,
}

impl Conversation {
    pub(crate) fn new(mind: Arc<Mind>, tracker: Tracker, settings: Settings, line: Line) -> Self {
        let chance = settings.seed;
        Self { mind, tracker, settings, line, chance }
    }

    pub(crate) async fn run(mut self, input: Input) -> Tracker {
        match input {
            Input::Message(message) => {
                self.receive(message).await;
                if self.mind.ensemble.is_some() {
                    self.fill_slots().await;
                    self.go_on().await;
                } else {
                    self.log(Level::Warn, "the model only understands language, so there is no answer").await;
                }
            }
            Input::Log(message) => {
                self.receive(message).await;
                self.fill_slots().await;
            }
            Input::External { intent, entities } => {
                self.start_session_if_due(&Object::new()).await;
                self.hear_external(&intent, &entities).await;
            }
            Input::Reminder(reminder) => self.remind(&reminder).await,
            Input::Execute { action, policy, confidence } => {
                self.start_session_if_due(&Object::new()).await;
                let mut prediction =
                    Prediction::for_action(self.mind.actions(), &action, confidence.unwrap_or(0.0));
                prediction.policy = policy;
                self.act(&action, prediction).await;
            }
            Input::SessionIfDue { metadata } => self.start_session_if_due(&metadata).await,
            Input::SessionIfEmpty => self.start_session_if_empty().await,
            Input::Events { events, side_effects } => {
                if !begins_with_session_start(&events) {
                    self.start_session_if_empty().await;
                }
                for event in events.clone() {
                    self.append_as_is(event).await;
                }
                if side_effects {
                    self.effects_of(&events).await;
                }
            }
        }
        self.tracker
    }

    // Sessions.

    async fn start_session_if_due(&mut self, metadata: &Object) {
        if self.tracker.applied_events().len() == 0 || self.has_session_expired() {
            self.start_session(metadata).await;
        }
    }

    async fn start_session_if_empty(&mut self) {
        if self.tracker.events().is_empty() {
            self.start_session(&Object::new()).await;
        }
    }

    async fn start_session(&mut self, metadata: &Object) {
        if !metadata.is_empty() {
            let name = intendant_talk::domain::SESSION_METADATA_SLOT.to_owned();
            self.append_new(EventKind::Slot { name, value: Value::Object(metadata.clone()) }).await;
        }
        let start = "action_session_start";
        self.act(start, Prediction::for_action(self.mind.actions(), start, 1.0)).await;
    }

    fn has_session_expired(&self) -> bool {
        let minutes = self.mind.domain.session.expiration_minutes;
        if minutes <= 0.0 {
            return false;
        }
        let last = self.tracker.applied_events().rev().find(|event| matches!(event.kind, EventKind::User(_)));
        last.is_some_and(|event| {
            let idle_micros = self.line.now().micros.saturating_sub(event.timestamp.micros);
            idle_micros as f64 / 60e6 > minutes
        })
    }

    // What comes in.

    async fn receive(&mut self, message: Message) {
        self.start_session_if_due(&message.metadata).await;
        let Message { text, parse, input_channel, message_id, metadata } = message;
        let mut event =
            self.event(EventKind::User(Box::new(UserMessage { text, parse, input_channel, message_id })));
        event.metadata = metadata;
        self.append(event).await;
    }

    async fn hear_external(&mut self, intent: &str, entities: &Value) {
        let entities = match entities {
            Value::Array(items) => items.iter().filter_map(|item| Some(entity(item.as_object()?))).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| Entity {
                    entity: name.clone(),
                    value: value.clone(),
                    ..Entity::default()
                })
                .collect(),
            _ => Vec::new(),
        };
        let text = format!("EXTERNAL: {intent}");
        let intent = Intent { name: Some(intent.to_owned()), ..Intent::default() };
        let parse = Parse { text: Some(text.clone()), intent, entities, ..Parse::default() };
        let input_channel = self.tracker.latest_input_channel().map(str::to_owned);
        let message = UserMessage { text: Some(text), parse, input_channel, message_id: None };
        let mut event = self.event(EventKind::User(Box::new(message)));
        event.metadata.insert("is_external".to_owned(), true.into());
        self.append(event).await;
        self.fill_slots().await;
        self.go_on().await;
    }

    async fn remind(&mut self, reminder: &Reminder) {
        self.start_session_if_due(&Object::new()).await;
        if (reminder.kill_on_user_message && self.has_message_after(&reminder.name))
            || !self.is_still_set(&reminder.name)
        {
            let message = format!("the reminder `{}` is outdated and dropped", reminder.name);
            self.log(Level::Debug, message).await;
            return;
        }
        self.hear_external(&reminder.intent, reminder.entities.as_ref().unwrap_or(&Value::Null)).await;
    }

    fn has_message_after(&self, reminder: &str) -> bool {
        for event in self.tracker.events().iter().rev() {
            match &event.kind {
                EventKind::Reminder(found) if found.name == reminder => return false,
                EventKind::User(message) if message.text.as_ref().is_some_and(|text| !text.is_empty()) => {
                    return true;
                }
                _ => {}
            }
        }
        true
    }

    fn is_still_set(&self, reminder: &str) -> bool {
        self.tracker
            .applied_events()
            .rev()
            .any(|event| matches!(&event.kind, EventKind::Reminder(found) if found.name == reminder))
    }

    // Deciding and acting.

    async fn go_on(&mut self) {
        loop {
            if self.tracker.is_paused() && self.latest_intent() != Some("restart") {
                return;
            }
            if self.is_limit_reached() {
                let message = format!(
                    "circuit breaker tripped: {} actions since the user was listened to, no more are predicted",
                    self.settings.max_predictions
                );
                self.log(Level::Warn, message).await;
                return;
            }
            let Some(mut prediction) = self.predict().await else { return };
            let action = self.mind.actions().get(prediction.action_index()).cloned().unwrap_or_default();
            if prediction.is_end_to_end {
                // Slots are filled by what the policy found in the text, too.
                let is_found = |event: &EventKind| matches!(event, EventKind::Entities { .. });
                let (found, others): (Vec<_>, _) = prediction.events.into_iter().partition(is_found);
                prediction.events = others;
                for entities in found {
                    self.append_new(entities).await;
                }
                self.fill_slots().await;
            }
            self.act(&action, prediction).await;
            if is_resting(&action) {
                return;
            }
        }
    }

    fn latest_intent(&self) -> Option<&str> {
        self.tracker.latest_message().and_then(|message| message.parse.intent.name.as_deref())
    }

    fn is_limit_reached(&self) -> bool {
        if self.tracker.latest_action_name().is_some_and(is_resting) {
            return false;
        }
        let mut count = 0;
        for event in self.tracker.events().iter().rev() {
            let EventKind::Action(action) = &event.kind else { continue };
            if action.name.as_deref().is_some_and(is_resting) {
                break;
            }
            count += 1;
            if count >= self.settings.max_predictions {
                return true;
            }
        }
        self.settings.max_predictions == 0
    }

    async fn predict(&mut self) -> Option<Prediction> {
        if let Some(followup) = self.tracker.followup_action().map(str::to_owned) {
            let prediction = self.mind.predict(&self.tracker);
            self.tracker.clear_followup_action();
            if self.mind.actions().contains(&followup) {
                return prediction;
            }
            let message = format!("the follow-up action `{followup}` is not in the domain; policies decide");
            self.log(Level::Error, message).await;
        }
        self.mind.predict(&self.tracker)
    }

    /// Runs an action and records it with everything it brings.
    async fn act(&mut self, name: &str, prediction: Prediction) {
        let confidence = prediction.confidence();
        let events = match self.run_action(name, &prediction).await {
            Ok(events) => events,
            Err(Refusal::Rejected(message)) => {
                self.log(Level::Debug, message).await;
                let (name, policy) = (name.to_owned(), prediction.policy);
                let confidence = Some(confidence);
                self.append_new(EventKind::ActionExecutionRejected { name, policy, confidence }).await;
                return;
            }
            Err(Refusal::Failed(message)) => {
                self.log(Level::Error, format!("the action `{name}` failed: {message}")).await;
                self.apologise(name).await
            }
        };
        let is_rejected =
            events.iter().any(|event| matches!(event.kind, EventKind::ActionExecutionRejected { .. }));
        if !is_rejected {
            for kind in prediction.events {
                self.append_new(kind).await;
            }
            let is_text = self.mind.domain.end_to_end_actions.iter().any(|text| text == name);
            let mut event = self.event(EventKind::Action(ActionExecuted {
                name: (!is_text).then(|| name.to_owned()),
                policy: prediction.policy,
                confidence: Some(confidence),
                action_text: is_text.then(|| name.to_owned()),
                hide_rule_turn: prediction.hide_rule_turn,
            }));
            if let Some(Value::Object(metadata)) = prediction.action_metadata {
                event.metadata = metadata;
            }
            self.append(event).await;
        }
        self.append_all(&events).await;
        if events.iter().any(|event| matches!(event.kind, EventKind::User(_))) {
            self.fill_slots().await;
        }
        self.effects_of(&events).await;
    }

    async fn fill_slots(&mut self) {
        let tracker = self.tracker.clone();
        let events = self.extract_slots(&tracker).await;
        // Only now, for a conversation that is shared is copied when it goes on.
        drop(tracker);
        self.append_all(&events).await;
        self.send_messages(&events).await;
    }

    async fn effects_of(&mut self, events: &[Event]) {
        self.send_messages(events).await;
        for event in events {
            if let EventKind::Reminder(reminder) = &event.kind {
                self.line.tell(Effect::Schedule(reminder.clone())).await;
            }
        }
        for event in events {
            if let EventKind::CancelReminder { name, intent, entities } = &event.kind {
                let (name, intent, entities) = (name.clone(), intent.clone(), entities.clone());
                self.line.tell(Effect::Cancel { name, intent, entities }).await;
            }
        }
    }

    async fn send_messages(&mut self, events: &[Event]) {
        for event in events {
            if matches!(event.kind, EventKind::Bot(_)) {
                let message = BotMessage { event: Arc::new(event.clone()) };
                self.line.tell(Effect::Send(message)).await;
            }
        }
    }

    // Recording.

    /// An event that happens now.
    pub(crate) fn event(&self, kind: EventKind) -> Event {
        Event::new(self.line.now(), kind)
    }

    async fn append_new(&mut self, kind: EventKind) {
        self.append(self.event(kind)).await;
    }

    async fn append_all(&mut self, events: &[Event]) {
        for event in events {
            self.append(event.clone()).await;
        }
    }

    /// Records an event as happening now.
    async fn append(&mut self, mut event: Event) {
        event.timestamp = self.line.now();
        self.append_as_is(event).await;
    }

    async fn append_as_is(&mut self, mut event: Event) {
        let ids =
            [("model_id", Some(&self.mind.model_id)), ("assistant_id", self.mind.assistant_id.as_ref())];
        for (key, id) in ids {
            if let Some(id) = id.filter(|id| !id.is_empty())
                && !event.metadata.contains_key(key)
            {
                event.metadata.insert(key.to_owned(), id.clone().into());
            }
        }
        self.check_slot(&event).await;
        let event = Arc::new(event);
        self.tracker.update_shared(Arc::clone(&event));
        self.line.tell(Effect::Append(event)).await;
    }

    async fn check_slot(&self, event: &Event) {
        if let EventKind::Slot { name, .. } = &event.kind
            && self.mind.domain.slot(name).is_none()
        {
            let message = format!("the slot `{name}` cannot be set because the domain does not have it");
            self.log(Level::Error, message).await;
        }
    }

    pub(crate) async fn log(&self, level: Level, message: impl Into<String>) {
        self.line.tell(Effect::Log { level, message: message.into() }).await;
    }
}

/// Nothing more is predicted after these.
fn is_resting(action: &str) -> bool {
    action == "action_listen" || action == "action_session_start"
}

fn begins_with_session_start(events: &[Event]) -> bool {
    let [first, second, ..] = events else { return false };
    let is_start = matches!(&first.kind,
        EventKind::Action(action) if action.name.as_deref() == Some("action_session_start"));
    is_start && matches!(second.kind, EventKind::SessionStarted)
}

/// An entity as posted, keys it need not have included.
fn entity(object: &Object) -> Entity {
    let mut rest = object.clone();
    let mut text = |key: &str| match rest.get(key) {
        Some(Value::String(_)) => match rest.shift_remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    };
    let (name, role, group, extractor) = (text("entity"), text("role"), text("group"), text("extractor"));
    let value = rest.shift_remove("value").unwrap_or(Value::Null);
    let mut offset = |key: &str| {
        let offset = rest.get(key).and_then(Value::as_u64).map(|offset| offset as usize);
        if offset.is_some() {
            rest.shift_remove(key);
        }
        offset
    };
    let (start_chars, end_chars) = (offset("start"), offset("end"));
    let entity = name.unwrap_or_default();
    Entity { entity, value, start_chars, end_chars, role, group, extractor, extra: rest }
}

/// A copy of a conversation with events it does not really have (yet), unstamped.
pub(crate) fn imagine(tracker: &Tracker, kinds: &[EventKind], now: Timestamp) -> Tracker {
    let mut imagined = tracker.clone();
    for kind in kinds {
        imagined.update(Event::new(now, kind.clone()));
    }
    imagined
}

/// A conversation of the events after the last restart, with more events after them.
pub(crate) fn after_restart(tracker: &Tracker, events: impl IntoIterator<Item = Event>) -> Tracker {
    let mut copy = Tracker::new(tracker.sender_id.clone(), Arc::clone(tracker.slots()));
    for event in tracker.events_after_restart() {
        copy.update_shared(Arc::clone(event));
    }
    for event in events {
        copy.update(event);
    }
    copy
}
