//! Test stories played against an assistant (`spec: dialogue.md §11`).
//!
//! Each story is replayed event by event. Before an expected action the policies are asked; then
//! the *expected* turn goes on the tracker, so that one error does not derail what follows.

use std::sync::Arc;

use intendant_policy::{Conversation, Prediction};
use intendant_talk::data::Source;
use intendant_talk::domain::python_text;
use intendant_talk::event::{ActionExecuted, Event, EventKind, UserMessage};
use intendant_talk::message::{Entity, Parse};
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::mind::Mind;

/// What is predicted instead of an action when too many follow each other.
pub const CIRCUIT_BREAKER: &str = "circuit breaker tripped";
/// Actions that may follow each other before the user is listened to.
const ACTIONS_MAX: usize = 10;
const LISTEN: &str = "action_listen";
const UNLIKELY_INTENT: &str = "action_unlikely_intent";

/// One played story.
#[derive(Clone, Debug)]
pub struct PlayedStory {
    /// The story's name.
    pub name: String,
    /// Where it stands.
    pub source: Source,
    /// What happened at each of its events but the first.
    pub steps: Vec<PlayedStep>,
}

/// One event of a played story.
#[derive(Clone, Debug)]
pub enum PlayedStep {
    /// An action was expected.
    Action(Box<PlayedAction>),
    /// The user said something.
    User(Box<PlayedUser>),
    /// Anything else, taken over as it is.
    Event(Arc<Event>),
}

/// An expected action and what was predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayedAction {
    /// The expected action's name or end-to-end text.
    pub expected: String,
    /// It is an end-to-end text.
    pub is_text: bool,
    /// What the policies chose.
    pub predicted: String,
    /// The policy that chose.
    pub policy: Option<String>,
    /// Its confidence.
    pub confidence: f64,
    /// An unexpected `action_unlikely_intent` came first: its policy's metadata.
    pub unlikely_intent: Option<Option<Value>>,
    /// Entities of the text that this action answers, where policies are to find them.
    pub entities: Option<TextEntities>,
}

/// A text told without an intent, with the entities that the story has and those that a policy found.
#[derive(Clone, Debug, PartialEq)]
pub struct TextEntities {
    /// The text.
    pub text: String,
    /// What is annotated.
    pub expected: Vec<Entity>,
    /// What the deciding policy found.
    pub found: Vec<Entity>,
}

/// A user's turn and what was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayedUser {
    /// What the story says; the full retrieval intent where it was written.
    pub message: UserMessage,
    /// The expected intent, full where the story is.
    pub expected_intent: String,
    /// What was understood; `None` when messages are not parsed in this test, and for texts that the
    /// story tells without an intent: of these only the decision counts.
    pub understood: Option<Understood>,
}

/// What was understood of a user's turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// The intent, full where the story's is.
    pub intent: String,
    /// The entities found.
    pub entities: Vec<Entity>,
}

impl PlayedStory {
    /// Everything was predicted as expected.
    pub fn is_correct(&self) -> bool {
        self.steps.iter().all(PlayedStep::is_correct)
    }

    /// An intent surprised the policies somewhere.
    pub fn has_warning(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, PlayedStep::Action(action) if action.unlikely_intent.is_some()))
    }

    /// How much the most surprising intent surprised the policies; 0 where none did.
    pub fn severity(&self) -> f64 {
        let severity = |step: &PlayedStep| match step {
            PlayedStep::Action(action) => {
                let metadata = action.unlikely_intent.as_ref()?.as_ref()?;
                metadata["query_intent"]["severity"].as_f64()
            }
            _ => None,
        };
        self.steps.iter().filter_map(severity).fold(0.0, f64::max)
    }
}

impl PlayedStep {
    /// It was predicted as expected.
    pub fn is_correct(&self) -> bool {
        match self {
            Self::Action(action) => action.expected == action.predicted,
            Self::User(user) => user.has_right_intent() && user.has_right_entities(),
            Self::Event(_) => true,
        }
    }
}

impl PlayedUser {
    /// The intent is the expected one, or was not looked at.
    pub fn has_right_intent(&self) -> bool {
        self.understood.as_ref().is_none_or(|understood| understood.intent == self.expected_intent)
    }

    /// The same entities as annotated, in whatever order, or they were not looked at.
    pub fn has_right_entities(&self) -> bool {
        self.understood.as_ref().is_none_or(|understood| {
            let expected = entity_set(&self.message.parse.entities);
            expected == entity_set(&understood.entities)
        })
    }
}

type EntityKey = (Option<usize>, Option<usize>, String, String);

fn entity_set(entities: &[Entity]) -> std::collections::BTreeSet<EntityKey> {
    let key = |entity: &Entity| {
        (entity.start_chars, entity.end_chars, entity.entity.clone(), python_text(&entity.value))
    };
    entities.iter().map(key).collect()
}

/// Plays a story. With `understand` messages are parsed and compared as well (end to end).
pub fn play(mind: &Mind, story: &Conversation, understand: Option<&dyn Fn(&str) -> Parse>) -> PlayedStory {
    let tracker = Tracker::new("default", Arc::clone(&mind.slots));
    let mut player = Player { mind, tracker, actions: 0, told: None };
    let mut events = story.events.iter();
    if let Some(first) = events.next() {
        player.tracker.update_shared(Arc::clone(first));
    }
    let steps = events.map(|event| player.step(event, understand)).collect();
    PlayedStory { name: story.name.clone(), source: story.source.clone(), steps }
}

struct Player<'a> {
    mind: &'a Mind,
    tracker: Tracker,
    /// Actions since the user was last listened to.
    actions: usize,
    /// A text told without an intent that is not answered yet.
    told: Option<UserMessage>,
}

impl Player<'_> {
    fn step(&mut self, event: &Arc<Event>, understand: Option<&dyn Fn(&str) -> Parse>) -> PlayedStep {
        match &event.kind {
            EventKind::Action(action) => PlayedStep::Action(Box::new(self.action(action))),
            EventKind::User(message) => PlayedStep::User(Box::new(self.user(message, understand))),
            _ => {
                self.tracker.update_shared(Arc::clone(event));
                PlayedStep::Event(Arc::clone(event))
            }
        }
    }

    fn user(&mut self, message: &UserMessage, understand: Option<&dyn Fn(&str) -> Parse>) -> PlayedUser {
        let full = message.parse.intent.extra.get("full_retrieval_intent_name").and_then(Value::as_str);
        let expected_intent = full.map_or_else(|| message.parse.intent_name().to_owned(), str::to_owned);
        let text = message.text.as_deref().filter(|text| !text.trim().is_empty());
        let mut on_tracker = message.clone();
        let mut compared = None;
        let parse = understand.zip(text).map(|(understand, text)| understand(text));
        if message.parse.intent.name.is_none() && text.is_some() {
            // Policies get what they get in a conversation, not what the story knows.
            on_tracker.parse = parse.unwrap_or_default();
            self.told = Some(message.clone());
        } else if let Some(parse) = parse {
            on_tracker.parse.response_selector.clone_from(&parse.response_selector);
            compared = Some(understood(&parse, &expected_intent));
        }
        self.append(EventKind::User(Box::new(on_tracker)));
        PlayedUser { message: message.clone(), expected_intent, understood: compared }
    }

    fn action(&mut self, action: &ActionExecuted) -> PlayedAction {
        let is_text = action.name.is_none();
        let expected = action.name.clone().or_else(|| action.action_text.clone()).unwrap_or_default();
        let (mut predicted, mut prediction) = self.predict_patiently(&expected);
        let mut unlikely_intent = None;
        if predicted == UNLIKELY_INTENT && expected != UNLIKELY_INTENT {
            unlikely_intent = Some(prediction.action_metadata.clone());
            self.append(EventKind::Action(executed(UNLIKELY_INTENT, &prediction)));
            (predicted, prediction) = self.predict_patiently(&expected);
        }
        let entities = self.told.take().and_then(|told| text_entities(told, &prediction));
        if predicted == expected {
            for event in prediction.events.clone() {
                self.append(event);
            }
        } else {
            // The story's turn is not the rule's.
            prediction.hide_rule_turn = false;
        }
        let on_tracker = if is_text {
            ActionExecuted { name: None, action_text: Some(expected.clone()), ..executed("", &prediction) }
        } else {
            // Policies know a retrieval action by its base name.
            executed(expected.split('/').next().unwrap_or_default(), &prediction)
        };
        self.append(EventKind::Action(on_tracker));
        self.actions = if expected == LISTEN { 0 } else { self.actions + 1 };
        PlayedAction {
            expected,
            is_text,
            predicted,
            confidence: prediction.confidence(),
            policy: prediction.policy,
            unlikely_intent,
            entities,
        }
    }

    /// A form may have refused what the story goes on with: then it is asked again as if it had.
    fn predict_patiently(&mut self, expected: &str) -> (String, Prediction) {
        let (predicted, prediction) = self.predict(expected);
        let is_active_form = self.tracker.active_loop_name() == Some(predicted.as_str())
            && self.mind.domain.form(&predicted).is_some();
        if predicted == expected || !is_active_form || prediction.policy.is_none() {
            return (predicted, prediction);
        }
        let confidence = Some(prediction.confidence());
        let policy = prediction.policy;
        self.append(EventKind::ActionExecutionRejected { name: predicted, policy, confidence });
        self.predict(expected)
    }

    /// The chosen action, by the kind of name that the story uses.
    fn predict(&self, expected: &str) -> (String, Prediction) {
        if self.actions >= ACTIONS_MAX {
            return (CIRCUIT_BREAKER.to_owned(), Prediction::default());
        }
        let Some(prediction) = self.mind.predict(&self.tracker) else {
            return (String::new(), Prediction::default());
        };
        let name = self.mind.actions().get(prediction.action_index()).cloned().unwrap_or_default();
        let full = expected.contains('/').then(|| self.full_retrieval_name(&name)).flatten();
        (full.unwrap_or(name), prediction)
    }

    /// `utter_faq/hours` of `utter_faq`, as the response selector chose for the latest message.
    fn full_retrieval_name(&self, action: &str) -> Option<String> {
        let intent = action.strip_prefix("utter_")?;
        let selectors = self.tracker.latest_parse()?.response_selector.as_ref()?;
        let own = selectors.get(intent).or_else(|| selectors.get("default"))?;
        own.get("response")?.get("utter_action")?.as_str().map(str::to_owned)
    }

    fn append(&mut self, kind: EventKind) {
        let timestamp = self.tracker.latest_event_time().unwrap_or_default();
        self.tracker.update(Event::new(timestamp, kind));
    }
}

/// `None` where there is nothing to find and nothing was found.
fn text_entities(told: UserMessage, prediction: &Prediction) -> Option<TextEntities> {
    let found = prediction.events.iter().filter_map(|event| match event {
        EventKind::Entities { entities } => Some(entities.as_slice()),
        _ => None,
    });
    let found: Vec<Entity> = found.flatten().cloned().collect();
    let expected = told.parse.entities;
    let has_some = !expected.is_empty() || !found.is_empty();
    has_some.then(|| TextEntities { text: told.text.unwrap_or_default(), expected, found })
}

fn executed(name: &str, prediction: &Prediction) -> ActionExecuted {
    ActionExecuted {
        name: Some(name.to_owned()),
        policy: prediction.policy.clone(),
        confidence: Some(prediction.confidence()),
        action_text: None,
        hide_rule_turn: prediction.hide_rule_turn,
    }
}

fn understood(parse: &Parse, expected_intent: &str) -> Understood {
    let base = parse.intent_name();
    let mut intent = base.to_owned();
    if base != expected_intent
        && let Some(selectors) = &parse.response_selector
    {
        let selector = selectors.get("default").or_else(|| selectors.get(base));
        let key =
            selector.and_then(|selector| selector.get("response")?.get("intent_response_key")?.as_str());
        // Only the selected response of the understood intent names that intent in full.
        if let Some(key) = key.filter(|key| key.split('/').next() == Some(base)) {
            intent = key.to_owned();
        }
    }
    Understood { intent, entities: parse.entities.clone() }
}
