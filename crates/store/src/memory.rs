//! Conversations in memory, lost with the process.
//!
//! As in Rasa, only the last stored session survives the next save, which also bounds what one
//! conversation can hold on to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::store::{Scope, TrackerStore};
use intendant_talk::event::Event;

use crate::session::last_session_start;

type Conversations = HashMap<String, Vec<Arc<Event>>>;

/// The store of servers without a `tracker_store` setting.
#[derive(Default)]
pub struct MemoryStore {
    conversations: Mutex<Conversations>,
}

impl MemoryStore {
    fn conversations(&self) -> MutexGuard<'_, Conversations> {
        // Every change is a single call on a container, so a panic elsewhere leaves nothing half done.
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackerStore for MemoryStore {
    fn load<'a>(
        &'a self,
        sender_id: &'a str,
        scope: Scope,
    ) -> BoxFuture<'a, Result<Option<Vec<Arc<Event>>>>> {
        let found = self.conversations().get(sender_id).map(|events| match scope {
            Scope::AllSessions => events.clone(),
            Scope::LastSession => events[last_session_start(events)..].to_vec(),
        });
        Box::pin(std::future::ready(Ok(found)))
    }

    fn append<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        let mut conversations = self.conversations();
        match conversations.get_mut(sender_id) {
            Some(stored) => {
                let start = last_session_start(stored);
                stored.drain(..start);
                stored.extend(events);
            }
            None => {
                conversations.insert(sender_id.to_owned(), events);
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn shows_applied(&self) -> bool {
        true
    }

    fn replace<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        self.conversations().insert(sender_id.to_owned(), events);
        Box::pin(std::future::ready(Ok(())))
    }

    fn last_session(&self, mut events: Vec<Arc<Event>>) -> Vec<Arc<Event>> {
        events.drain(..last_session_start(&events));
        events
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        let ids = self.conversations().keys().cloned().collect();
        Box::pin(std::future::ready(Ok(ids)))
    }

    fn epoch(&self) -> BoxFuture<'_, u64> {
        Box::pin(std::future::ready(0))
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
