//! A tracker store that does not let a message down when the store behind it does.
//!
//! What cannot be written is kept in memory, in order, and written as soon as the store takes it;
//! meanwhile reading sees it. Rasa loses such events with the process as well, but never writes
//! them later. Everything that happens to the store is logged as an error once, and its recovery.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::{Scope, TrackerStore};
use intendant_talk::event::Event;

/// Most events kept while the store fails; beyond, messages fail.
const KEPT_EVENTS_MAX: usize = 200_000;
/// Time between attempts to write what is kept.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Wraps a store.
pub struct FailSafe {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn TrackerStore>,
    kept: Mutex<Kept>,
    /// Held while kept events are written, so that two attempts do not write them twice.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    by_sender: HashMap<String, Vec<Arc<Event>>>,
    events: usize,
    is_retrying: bool,
}

impl FailSafe {
    /// Wraps `store`.
    pub fn new(store: Arc<dyn TrackerStore>) -> Self {
        let shared = Shared { store, kept: Mutex::default(), writing: tokio::sync::Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// How many events wait for the store to recover.
    pub fn kept_events(&self) -> usize {
        self.shared.kept().events
    }

    fn keep(&self, sender_id: &str, events: Vec<Arc<Event>>) -> Result<()> {
        let mut kept = self.shared.kept();
        if kept.events + events.len() > KEPT_EVENTS_MAX {
            return Err(Error::new(
                Kind::Unavailable,
                "the tracker store fails and no more events can be kept",
            ));
        }
        kept.events += events.len();
        kept.by_sender.entry(sender_id.to_owned()).or_default().extend(events);
        if !kept.is_retrying {
            kept.is_retrying = true;
            tokio::spawn(retry(Arc::downgrade(&self.shared)));
        }
        Ok(())
    }

    fn is_kept(&self, sender_id: &str) -> bool {
        self.shared.kept().by_sender.contains_key(sender_id)
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is kept, conversation by conversation, until the store fails.
    async fn write_kept(&self) -> Result<()> {
        let _writing = self.writing.lock().await;
        loop {
            let next = self.kept().by_sender.iter().next().map(|(id, events)| (id.clone(), events.clone()));
            let Some((sender_id, events)) = next else {
                return Ok(());
            };
            let written = events.len();
            self.store.append(&sender_id, events).await?;
            let mut kept = self.kept();
            kept.events -= written;
            // More may have been kept meanwhile.
            let rest = kept.by_sender.get_mut(&sender_id).map(|events| events.split_off(written));
            match rest {
                Some(rest) if !rest.is_empty() => kept.by_sender.insert(sender_id, rest),
                _ => kept.by_sender.remove(&sender_id),
            };
        }
    }
}

async fn retry(shared: std::sync::Weak<Shared>) {
    loop {
        tokio::time::sleep(RETRY_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.write_kept().await.is_ok() {
            let mut kept = shared.kept();
            if kept.by_sender.is_empty() {
                kept.is_retrying = false;
                tracing::info!("the tracker store has recovered; everything kept is stored");
                return;
            }
        }
    }
}

impl TrackerStore for FailSafe {
    fn load<'a>(
        &'a self,
        sender_id: &'a str,
        scope: Scope,
    ) -> BoxFuture<'a, Result<Option<Vec<Arc<Event>>>>> {
        Box::pin(async move {
            // While something is kept it must not move into the store between the two readings.
            let _writing =
                if self.is_kept(sender_id) { Some(self.shared.writing.lock().await) } else { None };
            let stored = self.shared.store.load(sender_id, scope).await.unwrap_or_else(|error| {
                tracing::error!(
                    sender_id,
                    error = error.chain(),
                    "cannot load a conversation; it starts anew"
                );
                None
            });
            let kept = self.shared.kept().by_sender.get(sender_id).cloned();
            let Some(kept) = kept else {
                return Ok(stored);
            };
            let mut events = stored.unwrap_or_default();
            events.extend(kept);
            Ok(Some(match scope {
                Scope::LastSession => self.last_session(events),
                Scope::AllSessions => events,
            }))
        })
    }

    fn append<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.is_kept(sender_id) {
                return self.keep(sender_id, events);
            }
            match self.shared.store.append(sender_id, events.clone()).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    let count = events.len();
                    tracing::error!(
                        sender_id,
                        count,
                        error = error.chain(),
                        "cannot store events; they are kept in memory and tried again"
                    );
                    self.keep(sender_id, events)
                }
            }
        })
    }

    fn replace<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.shared.write_kept().await?;
            self.shared.store.replace(sender_id, events).await
        })
    }

    fn last_session(&self, events: Vec<Arc<Event>>) -> Vec<Arc<Event>> {
        self.shared.store.last_session(events)
    }

    fn shows_applied(&self) -> bool {
        self.shared.store.shows_applied()
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let mut ids = self.shared.store.conversation_ids().await?;
            ids.extend(self.shared.kept().by_sender.keys().cloned());
            ids.sort();
            ids.dedup();
            Ok(ids)
        })
    }

    fn epoch(&self) -> BoxFuture<'_, u64> {
        self.shared.store.epoch()
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let written = self.shared.write_kept().await;
            let lost = self.kept_events();
            if lost > 0 {
                tracing::error!(lost, "events could not be stored before the end");
            }
            written?;
            self.shared.store.flush().await
        })
    }
}
