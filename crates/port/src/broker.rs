//! Who listens to events.

use std::sync::Arc;

use intendant_talk::event::Event;

use crate::BoxFuture;
use crate::error::Result;

/// Receives every new event of every conversation, once, in the order of the conversation.
pub trait EventBroker: Send + Sync {
    /// Hands over the new events of one conversation.
    fn publish<'a>(&'a self, sender_id: &'a str, events: &'a [Arc<Event>]) -> BoxFuture<'a, Result<()>>;

    /// Makes sure that everything handed over has left, for the end of the process.
    fn flush(&self) -> BoxFuture<'_, Result<()>>;
}
