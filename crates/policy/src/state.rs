//! What policies see of a conversation: one [`State`] before every action.
//!
//! Source: `spec: dialogue.md §2`. A state is built by replaying applied events with [`Replay`],
//! which borrows everything; only the states that some policy asks for are materialised, so a long
//! conversation costs a short scan.

mod tail;

use std::fmt::Write as _;
use std::sync::Arc;

use intendant_component::stored::Unreadable;
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

/// What only rules know of; policies that learn from stories must not see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RuleOnly {
    pub slots: Vec<String>,
    pub loops: Vec<String>,
}

/// A conversation prepared for one prediction of all policies.
pub(crate) struct Situation<'a> {
    /// The state of affairs after all events.
    pub now: Replay<'a>,
    /// The last states as rules see them, oldest first; enough for the longest rule.
    pub rule_states: Vec<State>,
    /// The last states as learning policies see them: turns made by rules alone are hidden.
    pub learned_states: Vec<State>,
    /// The first of [`Self::learned_states`] is the first of the conversation.
    pub is_learned_complete: bool,
}

/// How many last states are needed, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    pub rule_states: usize,
    pub learned_states: usize,
}

/// A point before an action, or the end. Small, because long conversations have thousands.
struct Point {
    /// Number of events before it.
    end: u32,
    /// For visible points: position of the action event that learning policies take for the
    /// previous one; [`NO_POSITION`] when there is none.
    previous: u32,
    is_hidden: bool,
    is_after_listen: bool,
}

const NO_POSITION: u32 = u32::MAX;

impl Point {
    fn previous(&self) -> Option<usize> {
        (self.previous != NO_POSITION).then_some(self.previous as usize)
    }
}

impl<'a> Situation<'a> {
    pub(crate) fn new(
        domain: &'a Domain,
        events: &[&'a Arc<Event>],
        rule_only: &RuleOnly,
        needed: Needed,
    ) -> Self {
        let base = Base { start: 0, replay: Replay::new(domain), previous: None };
        let scan = scan(&base, events);
        let (learned_from, is_learned_complete) = learned_start(&scan.points, needed.learned_states);
        let view = View { learned_from, is_learned_complete, rule_only, needed };
        Self::materialise(base, scan, events, &view)
    }

    /// As [`Self::new`] from a later point on; `None` when that is not enough.
    fn from_base(
        base: Base<'a>,
        events: &[&'a Arc<Event>],
        rule_only: &RuleOnly,
        needed: Needed,
    ) -> Option<Self> {
        let scan = scan(&base, events);
        let (learned_from, is_complete) = learned_start(&scan.points, needed.learned_states);
        // Whether the turn before the base was hidden is not known; it matters up to the first turn
        // that is not.
        let sound_from = scan.points.iter().position(|point| !point.is_hidden)? + 1;
        let rules_from = scan.points.len().checked_sub(needed.rule_states)?;
        if is_complete || learned_from.min(rules_from) < sound_from {
            return None;
        }
        let view = View { learned_from, is_learned_complete: false, rule_only, needed };
        Some(Self::materialise(base, scan, events, &view))
    }

    fn materialise(base: Base<'a>, scan: Scan<'a>, events: &[&'a Arc<Event>], view: &View<'_>) -> Self {
        let View { learned_from, is_learned_complete, rule_only, needed } = *view;
        let Scan { points, mut marks } = scan;
        let rules_from = points.len().saturating_sub(needed.rule_states);
        let (mut rule_states, mut learned_states) = (Vec::new(), Vec::<State>::new());
        marks.retain(|(idx, _)| *idx <= rules_from.min(learned_from));
        let (first, mut now) = marks.pop().unwrap_or((0, base.replay));
        let mut position = if first == 0 { base.start } else { points[first].end as usize };
        for (idx, point) in points.iter().enumerate().skip(first) {
            for event in &events[position..point.end as usize] {
                now.apply(event);
            }
            position = point.end as usize;
            if idx < rules_from && (idx < learned_from || point.is_hidden) {
                continue;
            }
            let state = now.state(UnsetSlots::Keep);
            if idx >= learned_from && !point.is_hidden {
                let mut visible = state.clone();
                hide_rules(&mut visible, learned_states.last(), rule_only);
                if let Some(previous) = point.previous() {
                    visible.previous = match &events[previous].kind {
                        EventKind::Action(action) => Previous::of(action),
                        _ => None,
                    };
                }
                if visible.user.as_ref().is_some_and(|user| user.intent.is_some()) {
                    visible.choose_user_input(UserInput::Intent);
                }
                learned_states.push(visible);
            }
            if idx >= rules_from {
                rule_states.push(state);
            }
        }
        learned_states.retain(|state| state.previous_name() != Some("action_unlikely_intent"));
        Self { now, rule_states, learned_states, is_learned_complete }
    }
}

/// What is known before an event from which a scan begins.
struct Base<'a> {
    /// The event's position.
    start: usize,
    replay: Replay<'a>,
    /// Position of the action before it.
    previous: Option<usize>,
}

/// Which part of a conversation is turned into states.
struct View<'a> {
    learned_from: usize,
    is_learned_complete: bool,
    rule_only: &'a RuleOnly,
    needed: Needed,
}

/// Removes what only rules know, and what the user said in turns that rules took.
fn hide_rules(state: &mut State, earlier: Option<&State>, rule_only: &RuleOnly) {
    state.slots.retain(|(name, _)| !rule_only.slots.contains(name));
    if state.active_loop.as_ref().is_some_and(|name| rule_only.loops.contains(name)) {
        state.active_loop = None;
    }
    if let Some(earlier) = earlier
        && !state.follows_listen()
    {
        state.user.clone_from(&earlier.user);
    }
}

/// Points between two marks from which a replay can go on.
const MARK_EVERY: usize = 64;

/// All points, and the state of affairs at some of them.
struct Scan<'a> {
    points: Vec<Point>,
    /// Index of a point, and the replay up to it.
    marks: Vec<(usize, Replay<'a>)>,
}

fn scan<'a>(base: &Base<'a>, events: &[&'a Arc<Event>]) -> Scan<'a> {
    // About every third event is an action.
    let count = (events.len() - base.start) / 2 + 1;
    let mut scan = Scan { points: Vec::with_capacity(count), marks: Vec::new() };
    let mut replay = base.replay.clone();
    let mut previous = base.previous;
    let mut turn = Turn::default();
    for (idx, event) in events.iter().enumerate().skip(base.start) {
        if let EventKind::Action(action) = &event.kind {
            if scan.points.len().is_multiple_of(MARK_EVERY) {
                scan.marks.push((scan.points.len(), replay.clone()));
            }
            turn.advance(&replay, previous, action.hide_rule_turn);
            scan.points.push(turn.point(&replay, idx));
            previous = Some(idx);
        }
        replay.apply(event);
    }
    turn.advance(&replay, previous, false);
    scan.points.push(turn.point(&replay, events.len()));
    scan
}

/// Which turn learning policies take themselves to be in.
#[derive(Default)]
struct Turn {
    is_hidden: bool,
    /// Position of the action before the last turn that is not hidden.
    previous: Option<usize>,
}

impl Turn {
    fn advance(&mut self, replay: &Replay, previous: Option<usize>, hide: bool) {
        if !self.is_hidden {
            self.previous = previous;
        }
        // Follow-ups and a form's next question do not change whether a turn is hidden.
        let follows_loop = replay.active_loop.is_some() && replay.previous_name() == replay.active_loop;
        if !replay.has_followup && !follows_loop {
            self.is_hidden = hide;
        }
    }

    fn point(&self, replay: &Replay, end: usize) -> Point {
        let is_after_listen = replay.is_listening();
        let position = |idx: usize| u32::try_from(idx).unwrap_or(NO_POSITION);
        let previous = self.previous.map_or(NO_POSITION, position);
        Point { end: position(end), previous, is_hidden: self.is_hidden, is_after_listen }
    }
}

/// The first point to materialise so that the last `count` visible states come out right, and
/// whether it is the first of all.
fn learned_start(points: &[Point], count: usize) -> (usize, bool) {
    if count == 0 {
        return (points.len(), false);
    }
    let mut visible = 0;
    for (idx, point) in points.iter().enumerate().rev() {
        if point.is_hidden {
            continue;
        }
        visible += 1;
        // What the user said is taken over from the last visible turn after a listen.
        if visible > count && point.is_after_listen {
            return (idx, false);
        }
    }
    (0, true)
}

/// The text that names a sequence of states: JSON as Python writes it with sorted keys, so that
/// "the longest key" means what it means in Rasa.
pub(crate) fn key_of(states: &[State]) -> String {
    let mut key = String::from("[");
    for (idx, state) in states.iter().enumerate() {
        if idx > 0 {
            key.push_str(", ");
        }
        write_state(&mut key, state);
    }
    key.push(']');
    key
}

fn write_state(key: &mut String, state: &State) {
    key.push('{');
    let mut parts = Parts::default();
    if let Some(name) = &state.active_loop {
        parts.next(key, "active_loop");
        key.push_str("{\"name\": ");
        write_quoted(key, name);
        key.push('}');
    }
    if let Some(previous) = &state.previous {
        let (kind, content) = match previous {
            Previous::Name(name) => ("{\"action_name\": ", name),
            Previous::Text(text) => ("{\"action_text\": ", text),
        };
        parts.next(key, "prev_action");
        key.push_str(kind);
        write_quoted(key, content);
        key.push('}');
    }
    if !state.slots.is_empty() {
        parts.next(key, "slots");
        write_slots(key, &state.slots);
    }
    if let Some(user) = &state.user {
        parts.next(key, "user");
        write_user(key, user);
    }
    key.push('}');
}

fn write_slots(key: &mut String, slots: &[(String, SlotFeatures)]) {
    let mut slots: Vec<&(String, SlotFeatures)> = slots.iter().collect();
    slots.sort_by(|a, b| a.0.cmp(&b.0));
    key.push('{');
    let mut parts = Parts::default();
    for (name, features) in slots {
        parts.next(key, name);
        match features {
            SlotFeatures::ShouldNotBeSet => write_quoted(key, SHOULD_NOT_BE_SET),
            SlotFeatures::Set(features) => {
                key.push('[');
                for (idx, feature) in features.iter().enumerate() {
                    let _ = write!(key, "{}{feature:?}", if idx > 0 { ", " } else { "" });
                }
                key.push(']');
            }
        }
    }
    key.push('}');
}

fn write_user(key: &mut String, user: &User) {
    key.push('{');
    let mut parts = Parts::default();
    if !user.entities.is_empty() {
        parts.next(key, "entities");
        key.push('[');
        for (idx, name) in user.entities.iter().enumerate() {
            key.push_str(if idx > 0 { ", " } else { "" });
            write_quoted(key, name);
        }
        key.push(']');
    }
    if let Some(intent) = &user.intent {
        parts.next(key, "intent");
        write_quoted(key, intent);
    }
    if let Some(text) = &user.text {
        parts.next(key, "text");
        write_quoted(key, text);
    }
    key.push('}');
}

/// Separates the parts of an object.
#[derive(Default)]
struct Parts {
    has_some: bool,
}

impl Parts {
    /// Begins a part; its content follows.
    fn next(&mut self, key: &mut String, name: &str) {
        if std::mem::replace(&mut self.has_some, true) {
            key.push_str(", ");
        }
        write_quoted(key, name);
        key.push_str(": ");
    }
}

/// Writes a JSON string with everything outside ASCII escaped.
fn write_quoted(key: &mut String, text: &str) {
    key.push('"');
    for c in text.chars() {
        match c {
            '"' => key.push_str("\\\""),
            '\\' => key.push_str("\\\\"),
            '\n' => key.push_str("\\n"),
            '\r' => key.push_str("\\r"),
            '\t' => key.push_str("\\t"),
            ' '..='~' => key.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(key, "\\u{unit:04x}");
                }
            }
        }
    }
    key.push('"');
}

/// Reads what [`key_of`] wrote.
pub(crate) fn states_from_key(key: &str) -> Result<Vec<State>, Unreadable> {
    let unreadable = || Unreadable::new(format!("`{key}` is no sequence of states"));
    let states: Value = serde_json::from_str(key).map_err(|_| unreadable())?;
    let states = states.as_array().ok_or_else(unreadable)?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut read = Vec::with_capacity(states.len());
    for state in states {
        let previous = state.get("prev_action").and_then(|action| {
            let name = text(action, "action_name").map(Previous::Name);
            name.or_else(|| text(action, "action_text").map(Previous::Text))
        });
        let slots = state.get("slots").and_then(Value::as_object).into_iter().flatten();
        let slots = slots.map(|(name, features)| match features {
            Value::Array(features) => {
                (name.clone(), SlotFeatures::Set(features.iter().filter_map(Value::as_f64).collect()))
            }
            _ => (name.clone(), SlotFeatures::ShouldNotBeSet),
        });
        let user = state.get("user").map(|user| User {
            text: text(user, "text"),
            intent: text(user, "intent"),
            entities: user
                .get("entities")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
        });
        let active_loop = state.get("active_loop").and_then(|active| text(active, "name"));
        read.push(State { user, slots: slots.collect(), previous, active_loop });
    }
    Ok(read)
}
