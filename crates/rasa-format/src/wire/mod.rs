//! The JSON of events, parse results and trackers, as Rasa's HTTP API, action servers, brokers
//! and tracker tables exchange it (`spec: dialogue.md §1`, `nlu.md §9`).
//!
//! Reading is lenient where Rasa is (unknown keys are kept), [`validate_events`] is as strict as
//! its HTTP schema.

mod event;
mod parse;
mod schema;
mod tracker;

pub use event::{event_from_json, event_to_json, user_parse_data};
pub use parse::{
    entities_from_json, entity_from_json, entity_to_json, intent_from_json, intent_to_json, parse_from_json,
    parse_to_json,
};
pub use schema::validate_events;
pub use tracker::{Verbosity, tracker_state};

/// JSON that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What a caller decides by.
    pub kind: ErrorKind,
    /// What was found and expected, lowercase, no full stop.
    pub message: String,
}

/// Kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The JSON breaks the published schema; over HTTP a bad request.
    Schema,
    /// The JSON has the right shape but no event can be made of it.
    Event,
}

impl Error {
    pub(crate) fn schema(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Schema, message: message.into() }
    }

    pub(crate) fn event(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Event, message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
