//! What goes into a turn, and what comes out of it.

use intendant_port::upstream::Input;
use intendant_talk::message::Object;
use serde_json::Value;

use crate::lexicon::SessionEntities;
use crate::session::ActiveContext;
use crate::values::Message;

/// A message with what comes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What happened.
    pub input: Input,
    /// The language of the message.
    pub language: String,
    /// IANA name of the user's time zone; the agent's unless given.
    pub time_zone: Option<String>,
    /// Whether all contexts end before.
    pub resets_contexts: bool,
    /// Contexts that are set before.
    pub contexts: Vec<ActiveContext>,
    /// Entities of this session, set before.
    pub entities: Vec<SessionEntities>,
    /// Now, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Chooses among variants.
    pub seed: u64,
}

/// What comes out of a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The message or the event's name.
    pub query_text: String,
    /// The language of the message.
    pub language: String,
    /// The intent that was found.
    pub intent: Option<FoundIntent>,
    /// The intent's action.
    pub action: String,
    /// The intent's parameters; empty ones are there as well.
    pub parameters: Object,
    /// Whether no parameter has to be asked for any more.
    pub is_complete: bool,
    /// Whether the user did not want to be asked any more.
    pub cancels_filling: bool,
    /// What is said.
    pub text: String,
    /// What is said and shown, on every platform.
    pub messages: Vec<Said>,
    /// The contexts as they are now.
    pub contexts: Vec<ActiveContext>,
    /// How sure the intent is, from 0 to 1.
    pub confidence: f64,
    /// What the webhook sent along.
    pub payload: Option<Object>,
    /// Who made the answer, if a webhook did and said so.
    pub source: Option<String>,
    /// How asking the webhook went, if it was asked.
    pub webhook: Option<Result<(), String>>,
    /// How many intents a webhook has started in this turn.
    pub(crate) hops: usize,
}

/// The intent of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundIntent {
    /// Its id; its name for want of one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it answers what nothing else does.
    pub is_fallback: bool,
    /// Whether the conversation ends with it.
    pub ends_interaction: bool,
}

/// Something said or shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A message of the agent with its references filled in.
    Own(Message),
    /// A message as a webhook sent it, in the form of the API.
    Sent(Value),
}

/// What a turn came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The answer.
    Done(Answer),
    /// The answer if the webhook, which is to be asked now, has nothing better.
    Ask(Answer),
}

/// What a webhook said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// What is said.
    pub text: Option<String>,
    /// What is said and shown, in the form of the API.
    pub messages: Vec<Value>,
    /// Who made it.
    pub source: Option<String>,
    /// Passed on to the client.
    pub payload: Option<Object>,
    /// Contexts to set, or to end with lifespan 0.
    pub contexts: Vec<ActiveContext>,
    /// Entities of the session from now on.
    pub entities: Vec<SessionEntities>,
    /// An event that starts another intent instead: name and parameters.
    pub event: Option<(String, Object)>,
}
