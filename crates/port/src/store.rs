//! Where conversations are kept.

use std::sync::Arc;

use intendant_talk::event::Event;

use crate::BoxFuture;
use crate::error::Result;

/// Which part of a conversation is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// From the newest session start on; what predictions are made from.
    LastSession,
    /// Everything that is stored.
    AllSessions,
}

/// The events of conversations, append-only but for [`TrackerStore::replace`].
///
/// Callers hold the conversation's lock, so calls for one conversation never overlap. When a
/// write returns `Ok`, its events survive the death of this process.
pub trait TrackerStore: Send + Sync {
    /// The stored events, oldest first; `None` when the conversation was never stored.
    fn load<'a>(&'a self, sender_id: &'a str, scope: Scope)
    -> BoxFuture<'a, Result<Option<Vec<Arc<Event>>>>>;

    /// Adds events after those stored, all or none. Without events the conversation becomes known.
    fn append<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>>;

    /// Saves a conversation made anew from `events`, by the store's own rule: the memory store
    /// forgets what it had; SQL stores add what goes beyond the last session's number of events.
    fn replace<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>>;

    /// What [`Scope::LastSession`] would give of these events, by the store's own rule.
    fn last_session(&self, events: Vec<Arc<Event>>) -> Vec<Arc<Event>>;

    /// Whether a whole conversation is shown in the state that its applied events make, as Rasa's
    /// store of this name does.
    fn shows_applied(&self) -> bool {
        false
    }

    /// Ids of all stored conversations.
    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>>;

    /// A number that changes when somebody else may have written: what callers hold in memory
    /// from before is stale then. It may lag by a fraction of a second.
    fn epoch(&self) -> BoxFuture<'_, u64>;

    /// Makes sure that everything accepted is stored, for the end of the process.
    fn flush(&self) -> BoxFuture<'_, Result<()>>;
}
