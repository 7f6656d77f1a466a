//! The words in which a turn and its driver talk to each other.

use std::sync::Arc;

use intendant_talk::event::{Event, EventKind, Reminder};
use intendant_talk::message::{Object, Parse};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::machine::Machine;
use crate::mind::Mind;

/// A turn in progress.
pub struct Turn {
    machine: Machine,
}

impl Turn {
    /// Begins a turn on a conversation, usually its last session. Nothing happens before the first
    /// [`Turn::step`].
    pub fn start(mind: Arc<Mind>, tracker: Tracker, input: Input, settings: Settings) -> Self {
        Self { machine: Machine::new(mind, tracker, input, settings) }
    }

    /// Goes on to the next effect, question, or the end. `answer` is the answer to the question of
    /// the previous step and is `None` otherwise; `now` becomes the time of new events.
    ///
    /// A missing or unfitting answer counts as a failure of what was asked. After
    /// [`Step::Done`] every further step is `Done` with an empty conversation.
    pub fn step(&mut self, answer: Option<Answer>, now: Timestamp) -> Step {
        self.machine.step(answer, now)
    }
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Do this, then step on.
    Effect(Effect),
    /// Find this out, then step on with the answer.
    Ask(Box<Question>),
    /// The turn is over; all appended events are in the tracker.
    Done(Box<Tracker>),
}

/// What starts a turn. Every input but [`Input::Events`] first starts a session where one is due.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message of the user, to be answered.
    Message(Message),
    /// A message of the user, to be recorded and searched for slots, not answered.
    Log(Message),
    /// An intent from outside; `entities` is a list of entities or a map of type to value.
    External {
        /// The intent's name.
        intent: String,
        /// A list of entity objects, a map `{type: value}`, or null.
        entities: Value,
    },
    /// A reminder that is due; dropped when it is no longer valid.
    Reminder(Reminder),
    /// One action, run as if a policy had chosen it.
    Execute {
        /// The action's name; must be one of [`Mind::actions`].
        action: String,
        /// The policy to be named in the action's event.
        policy: Option<String>,
        /// The confidence in the action's event; 0 when absent.
        confidence: Option<f64>,
    },
    /// Starts a session if the conversation has none or its last one expired.
    SessionIfDue {
        /// Becomes the session's metadata slot when not empty.
        metadata: Object,
    },
    /// Starts a session only if the conversation has no events at all.
    SessionIfEmpty,
    /// Events from outside, appended as they are. Unless they begin with a session start, an empty
    /// conversation gets one first.
    Events {
        /// In order.
        events: Vec<Event>,
        /// Whether bot messages are sent and reminders scheduled and cancelled.
        side_effects: bool,
    },
}

/// A user's message with what was understood of it.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The text as it came; `None` when there was none.
    pub text: Option<String>,
    /// What understanding made of it.
    pub parse: Parse,
    /// The channel it came by.
    pub input_channel: Option<String>,
    /// Unique id.
    pub message_id: Option<String>,
    /// The channel's metadata.
    pub metadata: Object,
}

/// Circumstances of a turn.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the channel that answers go to; responses may depend on it. Channels that collect
    /// answers for the caller are called `collector`.
    pub output_channel: String,
    /// Actions allowed since the user was last listened to.
    pub max_predictions: usize,
    /// Decides which variation of a response is taken.
    pub seed: u64,
    /// Who makes the texts of responses.
    pub generator: Generator,
}

impl Settings {
    /// The usual circumstances: answers are collected, at most 10 actions, responses of the domain.
    pub fn new(seed: u64) -> Self {
        Self {
            output_channel: "collector".to_owned(),
            max_predictions: 10,
            seed,
            generator: Generator::Domain,
        }
    }
}

/// Who makes the texts of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// The domain's variations.
    Domain,
    /// Somebody outside, asked by [`Question::Generate`].
    Outside,
}

/// Something to be done, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The conversation got this event.
    Append(Arc<Event>),
    /// Say this to the user.
    Send(BotMessage),
    /// Wake this conversation up at the reminder's time.
    Schedule(Reminder),
    /// Cancel this conversation's reminders that match all that is given; nothing given means all.
    Cancel {
        /// The reminder's name.
        name: Option<String>,
        /// The reminder's intent.
        intent: Option<String>,
        /// The reminder's entities.
        entities: Option<Value>,
    },
    /// Tell the operator.
    Log {
        /// How bad it is.
        level: Level,
        /// Lowercase, no full stop.
        message: String,
    },
}

/// Importance of an [`Effect::Log`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Warn,
    Error,
}

/// What the bot says.
#[derive(Clone, Debug, PartialEq)]
pub struct BotMessage {
    /// A [`EventKind::Bot`] event.
    pub event: Arc<Event>,
}

impl BotMessage {
    /// What channels get: data, text, timestamp and metadata in one object; an attachment that
    /// repeats the image is left out.
    pub fn content(&self) -> Object {
        let EventKind::Bot(utterance) = &self.event.kind else {
            return Object::new();
        };
        let mut content = Object::new();
        for key in ["elements", "quick_replies", "buttons", "attachment", "image", "custom"] {
            content.insert(key.to_owned(), utterance.data.get(key).cloned().unwrap_or(Value::Null));
        }
        content.insert("text".to_owned(), utterance.text.clone().map_or(Value::Null, Value::String));
        content.insert("timestamp".to_owned(), self.event.timestamp.as_secs_f64().into());
        for (key, value) in &self.event.metadata {
            content.insert(key.clone(), value.clone());
        }
        if content.get("image") == content.get("attachment") {
            content.insert("attachment".to_owned(), Value::Null);
        }
        content
    }
}

/// Something only the outside knows.
#[derive(Debug)]
pub enum Question {
    /// Run a custom action; answered by [`Answer::Action`].
    CallAction(ActionCall),
    /// Make the text of a response; answered by [`Answer::Generated`].
    Generate(GenerateCall),
}

/// A custom action to be run.
#[derive(Debug)]
pub struct ActionCall {
    /// The action's name.
    pub name: String,
    /// The conversation as the action must see it.
    pub tracker: Tracker,
    /// The action wants the domain even where domains are sent selectively.
    pub needs_domain: bool,
}

/// A response to be generated.
#[derive(Debug)]
pub struct GenerateCall {
    /// The response's name.
    pub response: String,
    /// Id of the first variation that fits; `None` when there is none or it has no id.
    pub id: Option<String>,
    /// Values beyond the conversation's slots.
    pub arguments: Object,
    /// The conversation.
    pub tracker: Tracker,
    /// The channel it is meant for.
    pub channel: String,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Question::CallAction`].
    Action(Result<ActionReply, ActionFailure>),
    /// To [`Question::Generate`]: the message's keys, or what went wrong.
    Generated(Result<Object, String>),
}

/// What an action server replied.
#[derive(Clone, Debug, Default)]
pub struct ActionReply {
    /// Events in order, already checked against the schema.
    pub events: Vec<Event>,
    /// Messages in order, as they came.
    pub responses: Vec<Object>,
}

/// Why an action did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionFailure {
    /// The action refused to run (status 400); another action may be predicted.
    Rejected(String),
    /// Anything else.
    Failed(String),
}
