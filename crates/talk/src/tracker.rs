//! A conversation: its events and the state that replaying them gives.
//!
//! Source: `spec: dialogue.md §1`. A tracker never forgets an event; `rewind` and `undo` change
//! the state by replaying what remains, not by deleting.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::{Domain, Slot};
use crate::event::{ActionExecuted, BotUtterance, Event, EventKind, UserMessage};
use crate::message::Parse;
use crate::time::Timestamp;

/// The loop (form) that has the floor.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveLoop {
    /// Its name.
    pub name: String,
    /// The form will not validate its next input.
    pub is_interrupted: bool,
    /// Its last execution was rejected.
    pub rejected: bool,
    /// What the user said when it was activated.
    pub trigger_message: Option<Arc<Event>>,
}

/// One conversation.
///
/// Clones share their events until one of them goes on, so that showing somebody a conversation
/// does not cost its length.
#[derive(Clone, Debug)]
pub struct Tracker {
    /// The conversation's id.
    pub sender_id: String,
    slots: Arc<[Slot]>,
    events: Arc<Vec<Arc<Event>>>,
    applied: Arc<Applied>,
    state: State,
}

/// Which events are in force, kept up to date so that no question costs a replay.
#[derive(Clone, Debug, Default)]
struct Applied {
    /// Positions in the list of all events, ascending.
    indices: Vec<u32>,
    /// Names that ever appeared in a loop's activation.
    loop_names: Vec<String>,
}

#[derive(Clone, Debug)]
struct State {
    values: Vec<Value>,
    latest_message: Option<Arc<Event>>,
    /// Entities and featurization added to the latest message by later events.
    latest_parse: Option<Arc<Parse>>,
    use_text_for_featurization: Option<bool>,
    latest_action: Option<ActionExecuted>,
    latest_bot_utterance: Option<Arc<Event>>,
    active_loop: Option<ActiveLoop>,
    followup_action: Option<String>,
    paused: bool,
}

impl State {
    fn initial(slots: &[Slot]) -> Self {
        Self {
            values: slots.iter().map(|slot| slot.initial_value.clone()).collect(),
            latest_message: None,
            latest_parse: None,
            use_text_for_featurization: None,
            latest_action: None,
            latest_bot_utterance: None,
            active_loop: None,
            followup_action: Some("action_listen".to_owned()),
            paused: false,
        }
    }

    fn is_listening(&self) -> bool {
        self.latest_action.as_ref().is_some_and(|action| action.name.as_deref() == Some("action_listen"))
    }
}

impl Tracker {
    /// An empty conversation over the domain's slots.
    pub fn new(sender_id: impl Into<String>, slots: Arc<[Slot]>) -> Self {
        let state = State::initial(&slots);
        let (events, applied) = (Arc::default(), Arc::default());
        Self { sender_id: sender_id.into(), slots, events, applied, state }
    }

    /// An empty conversation over the slots of `domain`; share the slice with [`Tracker::new`]
    /// when many trackers are made.
    pub fn for_domain(sender_id: impl Into<String>, domain: &Domain) -> Self {
        Self::new(sender_id, domain.slots.clone().into())
    }

    /// Appends an event and changes the state accordingly.
    pub fn update(&mut self, event: Event) {
        self.update_shared(Arc::new(event));
    }

    /// Appends an event that is held elsewhere too.
    pub fn update_shared(&mut self, event: Arc<Event>) {
        Arc::make_mut(&mut self.events).push(Arc::clone(&event));
        Arc::make_mut(&mut self.applied).push(&self.events);
        match event.kind {
            EventKind::Rewind | EventKind::Undo => self.replay(),
            _ => apply(&mut self.state, &self.slots, &event),
        }
    }

    /// Gives the conversation another domain's slots, by replaying all events over them.
    pub fn with_slots(mut self, slots: Arc<[Slot]>) -> Self {
        self.slots = slots;
        let events = std::mem::take(&mut self.events);
        self.applied = Arc::default();
        self.state = State::initial(&self.slots);
        for event in events.iter() {
            self.update_shared(Arc::clone(event));
        }
        self
    }

    /// The same conversation in the state that its applied events alone make: a message that a form
    /// took in is not the latest then. Rasa shows conversations kept in memory like that.
    pub fn as_applied(mut self) -> Self {
        self.replay();
        self
    }

    /// The next action is forced again, as the conversation's last event has it.
    pub fn force_followup_action(&mut self, action: String) {
        self.state.followup_action = Some(action);
    }

    fn replay(&mut self) {
        let mut state = State::initial(&self.slots);
        for idx in &self.applied.indices {
            apply(&mut state, &self.slots, &self.events[*idx as usize]);
        }
        self.state = state;
    }

    /// The next action is no longer forced.
    pub fn clear_followup_action(&mut self) {
        self.state.followup_action = None;
    }

    /// All events, oldest first.
    pub fn events(&self) -> &[Arc<Event>] {
        &self.events
    }

    /// The slots this conversation has, in domain order.
    pub fn slots(&self) -> &Arc<[Slot]> {
        &self.slots
    }

    /// Slot values in domain order.
    pub fn slot_values(&self) -> impl Iterator<Item = (&Slot, &Value)> {
        self.slots.iter().zip(&self.state.values)
    }

    /// The value of a slot; `None` when the domain has no such slot.
    pub fn slot_value(&self, name: &str) -> Option<&Value> {
        let idx = self.slots.iter().position(|slot| slot.name == name)?;
        Some(&self.state.values[idx])
    }

    /// The event of the user's latest message.
    pub fn latest_message_event(&self) -> Option<&Arc<Event>> {
        self.state.latest_message.as_ref()
    }

    /// The user's latest message.
    pub fn latest_message(&self) -> Option<&UserMessage> {
        match self.state.latest_message.as_deref() {
            Some(Event { kind: EventKind::User(message), .. }) => Some(message),
            _ => None,
        }
    }

    /// What was understood of the latest message, entities added by policies included.
    pub fn latest_parse(&self) -> Option<&Parse> {
        self.state.latest_parse.as_deref().or_else(|| self.latest_message().map(|message| &message.parse))
    }

    /// Whether policies read the latest message by text (`Some(true)`), intent, or both (`None`).
    pub fn use_text_for_featurization(&self) -> Option<bool> {
        self.state.use_text_for_featurization
    }

    /// The action that ran last.
    pub fn latest_action(&self) -> Option<&ActionExecuted> {
        self.state.latest_action.as_ref()
    }

    /// The name of the action that ran last.
    pub fn latest_action_name(&self) -> Option<&str> {
        self.state.latest_action.as_ref().and_then(|action| action.name.as_deref())
    }

    /// What the bot said last.
    pub fn latest_bot_utterance(&self) -> Option<&BotUtterance> {
        match self.state.latest_bot_utterance.as_deref() {
            Some(Event { kind: EventKind::Bot(utterance), .. }) => Some(utterance),
            _ => None,
        }
    }

    /// The loop that has the floor.
    pub fn active_loop(&self) -> Option<&ActiveLoop> {
        self.state.active_loop.as_ref()
    }

    /// The name of the loop that has the floor.
    pub fn active_loop_name(&self) -> Option<&str> {
        self.state.active_loop.as_ref().map(|active| active.name.as_str())
    }

    /// The action that must come next.
    pub fn followup_action(&self) -> Option<&str> {
        self.state.followup_action.as_deref()
    }

    /// The bot is silenced.
    pub fn is_paused(&self) -> bool {
        self.state.paused
    }

    /// The channel of the latest user message.
    pub fn latest_input_channel(&self) -> Option<&str> {
        let last = self.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::User(message) => Some(message),
            _ => None,
        });
        last.and_then(|message| message.input_channel.as_deref())
    }

    /// The time of the last event.
    pub fn latest_event_time(&self) -> Option<Timestamp> {
        self.events.last().map(|event| event.timestamp)
    }

    /// The events that remain after restarts, rewinds, undos, with loops folded into one turn
    /// (`spec: dialogue.md §1.3`).
    pub fn applied_events(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> + ExactSizeIterator {
        self.applied.indices.iter().map(|idx| &self.events[*idx as usize])
    }

    /// The events after the last restart, as action servers get them.
    pub fn events_after_restart(&self) -> &[Arc<Event>] {
        let last = self.events.iter().rposition(|event| matches!(event.kind, EventKind::Restart));
        &self.events[last.map_or(0, |idx| idx + 1)..]
    }
}

fn apply(state: &mut State, slots: &[Slot], event: &Arc<Event>) {
    match &event.kind {
        EventKind::User(_) => {
            state.latest_message = Some(Arc::clone(event));
            state.latest_parse = None;
            state.use_text_for_featurization = None;
            state.followup_action = None;
        }
        EventKind::Bot(_) => state.latest_bot_utterance = Some(Arc::clone(event)),
        EventKind::Action(action) => {
            if let Some(active) = &mut state.active_loop {
                active.is_interrupted = false;
                if action.name.as_deref() == Some(active.name.as_str()) {
                    active.rejected = false;
                }
            }
            state.latest_action = Some(action.clone());
            state.followup_action = None;
        }
        EventKind::Slot { name, value } => {
            if let Some(idx) = slots.iter().position(|slot| slot.name == *name) {
                state.values[idx] = slots[idx].coerce(value.clone());
            }
        }
        EventKind::Entities { entities } if state.is_listening() => add_entities(state, entities),
        EventKind::UserFeaturization { use_text } if state.is_listening() => {
            state.use_text_for_featurization = *use_text;
        }
        EventKind::Restart => {
            *state = State::initial(slots);
            state.followup_action = Some("action_session_start".to_owned());
        }
        EventKind::SessionStarted => {
            *state = State::initial(slots);
        }
        EventKind::ResetSlots => {
            state.values = slots.iter().map(|slot| slot.initial_value.clone()).collect();
        }
        EventKind::Followup { name } => state.followup_action = name.clone(),
        EventKind::Pause => state.paused = true,
        EventKind::Resume => state.paused = false,
        EventKind::ActiveLoop { name } => {
            state.active_loop = name.as_ref().map(|name| ActiveLoop {
                name: name.clone(),
                is_interrupted: false,
                rejected: false,
                trigger_message: state.latest_message.clone(),
            });
        }
        EventKind::LoopInterrupted { is_interrupted } => {
            if let Some(active) = &mut state.active_loop {
                active.is_interrupted = *is_interrupted;
            }
        }
        EventKind::ActionExecutionRejected { name, .. } => {
            if let Some(active) = &mut state.active_loop
                && active.name == *name
            {
                active.rejected = true;
            }
        }
        EventKind::Entities { .. }
        | EventKind::UserFeaturization { .. }
        | EventKind::Rewind
        | EventKind::Undo
        | EventKind::Reminder(_)
        | EventKind::CancelReminder { .. }
        | EventKind::Export { .. }
        | EventKind::Agent { .. } => {}
    }
}

fn add_entities(state: &mut State, entities: &[crate::message::Entity]) {
    // Before the first message they are kept as if an empty one had come.
    let mut parse = match (state.latest_parse.as_deref(), state.latest_message.as_deref()) {
        (Some(parse), _) => parse.clone(),
        (None, Some(Event { kind: EventKind::User(message), .. })) => message.parse.clone(),
        _ => Parse::default(),
    };
    for entity in entities {
        if !parse.entities.contains(entity) {
            parse.entities.push(entity.clone());
        }
    }
    state.latest_parse = Some(Arc::new(parse));
}

/// Positions of the events that remain after restarts, rewinds, undos, with loops folded into one
/// turn (`spec: dialogue.md §1.3`).
pub fn applied_positions(events: &[Arc<Event>]) -> Vec<usize> {
    let mut applied = Applied::default();
    for end in 1..=events.len() {
        applied.push(&events[..end]);
    }
    applied.indices.into_iter().map(|idx| idx as usize).collect()
}

impl Applied {
    /// Takes the last of `events` into account.
    fn push(&mut self, events: &[Arc<Event>]) {
        let Some(event) = events.last() else { return };
        let position = events.len() as u32 - 1;
        match &event.kind {
            EventKind::Restart | EventKind::SessionStarted => self.indices.clear(),
            EventKind::Undo => self.undo_to_last(events, is_action),
            EventKind::Rewind => {
                self.undo_to_last(events, is_user);
                self.undo_to_last(events, is_action);
            }
            EventKind::ActiveLoop { name: Some(name) } if !self.loop_names.contains(name) => {
                self.learn_loop(events, name);
                self.indices.push(position);
            }
            EventKind::Action(action) => match action.name.as_deref() {
                Some(name) if self.is_loop(name) && !self.opens_loop(events, name) => {
                    self.fold_loop(events, name);
                }
                _ => self.indices.push(position),
            },
            _ => self.indices.push(position),
        }
    }

    fn is_loop(&self, name: &str) -> bool {
        self.loop_names.iter().any(|known| known == name)
    }

    /// A loop's name counts for the time before its first activation too.
    fn learn_loop(&mut self, events: &[Arc<Event>], name: &str) {
        self.loop_names.push(name.to_owned());
        let earlier = &events[..events.len() - 1];
        if earlier.iter().filter(|event| action_name(event) == Some(name)).count() > 1 {
            self.indices.clear();
            for end in 1..=earlier.len() {
                self.push(&events[..end]);
            }
        }
    }

    fn undo_to_last(&mut self, events: &[Arc<Event>], matches: fn(&Event) -> bool) {
        while let Some(idx) = self.indices.pop() {
            if matches(&events[idx as usize]) {
                break;
            }
        }
    }

    /// First execution of the loop action, or part of an unhappy path.
    fn opens_loop(&self, events: &[Arc<Event>], loop_name: &str) -> bool {
        let mut next_action: Option<&str> = None;
        for idx in self.indices.iter().rev() {
            match &events[*idx as usize].kind {
                EventKind::ActiveLoop { name: None } => return true,
                EventKind::ActionExecutionRejected { name, .. } if name == loop_name => return true,
                EventKind::User(_) if next_action.is_some_and(|next| next != loop_name) => return true,
                EventKind::Action(action) => {
                    if action.name.as_deref() == Some(loop_name) {
                        return false;
                    }
                    next_action = action.name.as_deref();
                }
                _ => {}
            }
        }
        true
    }

    /// Goes back to the loop's previous execution: the turns in between disappear, slots stay.
    fn fold_loop(&mut self, events: &[Arc<Event>], loop_name: &str) {
        let previous = |idx: &u32| action_name(&events[*idx as usize]) == Some(loop_name);
        let Some(start) = self.indices.iter().rposition(previous) else {
            return;
        };
        let after = self.indices.split_off(start + 1);
        self.indices.extend(after.into_iter().filter(|idx| {
            !matches!(
                events[*idx as usize].kind,
                EventKind::Action(_) | EventKind::User(_) | EventKind::UserFeaturization { .. }
            )
        }));
    }
}

fn is_action(event: &Event) -> bool {
    matches!(event.kind, EventKind::Action(_))
}

fn is_user(event: &Event) -> bool {
    matches!(event.kind, EventKind::User(_))
}

fn action_name(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Action(action) => action.name.as_deref(),
        _ => None,
    }
}
