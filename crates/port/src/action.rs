//! Who runs custom actions.

use intendant_talk::domain::Domain;
use intendant_talk::event::Event;
use intendant_talk::message::Object;
use intendant_talk::tracker::Tracker;

use crate::BoxFuture;
use crate::error::Result;

/// A custom action to be run.
#[derive(Clone, Copy)]
pub struct ActionCall<'a> {
    /// The action's name.
    pub name: &'a str,
    /// The conversation as it stands.
    pub tracker: &'a Tracker,
    /// The domain in use.
    pub domain: &'a Domain,
    /// The action wants the domain even where domains are sent selectively.
    pub needs_domain: bool,
    /// The header `traceparent` of the request, when somebody traces.
    pub traceparent: Option<&'a str>,
}

/// What an action server answered.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionReply {
    /// The action ran.
    Done {
        /// Its events, in order.
        events: Vec<Event>,
        /// Its messages as sent by the server: response name or literal content.
        responses: Vec<Object>,
    },
    /// The action refuses to run now; the conversation goes on without it.
    Rejected {
        /// The name given in the refusal.
        action_name: String,
        /// Why.
        reason: String,
    },
}

/// Runs custom actions, elsewhere.
pub trait ActionServer: Send + Sync {
    /// Runs one action. An error means that it failed or could not be asked.
    fn run<'a>(&'a self, call: ActionCall<'a>) -> BoxFuture<'a, Result<ActionReply>>;
}
