//! A tracker store that does not let a message down when the store behind it does.
//!
//! A store that fails is waited for, a short while, with the conversation's floor held, so that
//! other servers keep the order too. What cannot be written even then is kept, in memory and in a
//! file, in order, and written as soon as the store takes it; meanwhile reading sees it. Rasa keeps
//! such events in memory and never writes them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::wire::event_to_json;
use intendant_talk::event::Event;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::journal::Journal;
use crate::sql::event_of;

/// Most events kept while the store fails; beyond, messages fail.
const KEPT_EVENTS_MAX: usize = 200_000;
/// Time between attempts to write what is kept.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Time between attempts of a caller that waits.
const WAIT_INTERVAL: Duration = Duration::from_millis(100);

/// How a store is made safe.
#[derive(Clone, Debug, Default)]
pub struct Safety {
    /// How long, from the beginning of an outage, callers wait for the store.
    pub patience: Duration,
    /// Folder and name of the file of events that wait; without, they live in memory only.
    pub outbox: Option<(PathBuf, String)>,
}

/// Wraps a store.
pub struct FailSafe {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn TrackerStore>,
    safety: Safety,
    kept: Mutex<Kept>,
    /// Held while kept events are written, so that two attempts do not write them twice.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    by_sender: HashMap<String, Vec<Arc<Event>>>,
    events: usize,
    journal: Option<Journal>,
    is_retrying: bool,
    /// When the store began to fail.
    failing_since: Option<Instant>,
}

impl FailSafe {
    /// Wraps `store`. Events that an earlier process left behind are written soon.
    pub fn new(store: Arc<dyn TrackerStore>, safety: Safety) -> Result<Self> {
        let left = match &safety.outbox {
            Some((folder, name)) => Journal::open_left(folder, name)?,
            None => None,
        };
        let mut kept = Kept::default();
        if let Some(mut journal) = left {
            kept.read(&mut journal)?;
            kept.journal = Some(journal);
        }
        let shared = Arc::new(Shared {
            store,
            safety,
            kept: Mutex::new(kept),
            writing: tokio::sync::Mutex::default(),
        });
        let left = shared.kept().events;
        if left > 0 {
            tracing::warn!(events = left, "events of an earlier run wait for the tracker store");
            shared.start_retrying();
        }
        Ok(Self { shared })
    }

    /// How many events wait for the store to recover.
    pub fn kept_events(&self) -> usize {
        self.shared.kept().events
    }

    fn is_kept(&self, sender_id: &str) -> bool {
        self.shared.kept().by_sender.contains_key(sender_id)
    }
}

impl Kept {
    fn read(&mut self, journal: &mut Journal) -> Result<()> {
        let Some(lines) = journal.next_lines(usize::MAX)? else {
            return Ok(());
        };
        for line in &lines.lines {
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            let events = value["events"].as_array().into_iter().flatten();
            let events: Vec<Arc<Event>> = events.filter_map(|event| event_of(event).ok()?).collect();
            match value["sender_id"].as_str() {
                Some(sender_id) => self.add(sender_id, events),
                None => {
                    tracing::error!(path = %journal.path().display(), "a line of the outbox cannot be read")
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, sender_id: &str, events: Vec<Arc<Event>>) {
        self.events += events.len();
        self.by_sender.entry(sender_id.to_owned()).or_default().extend(events);
    }

    /// Takes out the first events of a conversation; more may have been kept behind them.
    fn remove(&mut self, sender_id: &str, count: usize) {
        self.events -= count;
        let rest = self.by_sender.get_mut(sender_id).map(|events| events.split_off(count));
        match rest {
            Some(rest) if !rest.is_empty() => drop(self.by_sender.insert(sender_id.to_owned(), rest)),
            _ => drop(self.by_sender.remove(sender_id)),
        }
        if self.by_sender.is_empty()
            && let Some(journal) = &mut self.journal
            && let Err(error) = journal.pass_all()
        {
            tracing::warn!(error = error.chain(), "the outbox cannot be emptied");
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a failure; tells whether it is worth waiting for the store.
    fn may_wait(&self, error: &Error) -> bool {
        let mut kept = self.kept();
        let since = *kept.failing_since.get_or_insert_with(|| {
            tracing::error!(error = error.chain(), "the tracker store fails");
            Instant::now()
        });
        since.elapsed() < self.safety.patience
    }

    fn note_success(&self) {
        if self.kept().failing_since.take().is_some() {
            tracing::info!("the tracker store answers again");
        }
    }

    /// Writes events, waiting for a store that fails. Those that reached it although it reported an
    /// error are not written twice.
    async fn append(
        &self,
        sender_id: &str,
        mut events: Vec<Arc<Event>>,
    ) -> std::result::Result<(), Unwritten> {
        loop {
            let error = match self.store.append(sender_id, events.clone()).await {
                Ok(()) => {
                    self.note_success();
                    return Ok(());
                }
                Err(error) => error,
            };
            if error.kind == Kind::Refused {
                return Err(Unwritten::Never(error));
            }
            loop {
                if !self.may_wait(&error) {
                    return Err(Unwritten::Later(events));
                }
                tokio::time::sleep(WAIT_INTERVAL).await;
                if let Ok(rest) = self.missing(sender_id, events.clone()).await {
                    events = rest;
                    break;
                }
            }
            if events.is_empty() {
                self.note_success();
                return Ok(());
            }
        }
    }

    /// Those events that are not at the end of what is stored.
    async fn missing(&self, sender_id: &str, events: Vec<Arc<Event>>) -> Result<Vec<Arc<Event>>> {
        let stored = self.store.load(sender_id, Scope::AllSessions).await?.unwrap_or_default();
        let tail: Vec<Value> =
            stored.iter().rev().take(events.len()).rev().map(|event| event_to_json(event)).collect();
        let new: Vec<Value> = events.iter().map(|event| stored_form(event)).collect();
        let already = (1..=tail.len()).rev().find(|count| tail[tail.len() - count..] == new[..*count]);
        Ok(events.into_iter().skip(already.unwrap_or(0)).collect())
    }

    async fn load(&self, sender_id: &str, scope: Scope) -> Result<Option<Vec<Arc<Event>>>> {
        loop {
            match self.store.load(sender_id, scope).await {
                Ok(events) => {
                    self.note_success();
                    return Ok(events);
                }
                Err(error) if !self.may_wait(&error) => return Err(error),
                Err(_) => tokio::time::sleep(WAIT_INTERVAL).await,
            }
        }
    }

    fn keep(self: &Arc<Self>, sender_id: &str, events: Vec<Arc<Event>>) -> Result<()> {
        let mut kept = self.kept();
        if kept.events + events.len() > KEPT_EVENTS_MAX {
            let message = "the tracker store fails and no more events can be kept";
            return Err(Error::new(Kind::Unavailable, message));
        }
        self.write_journal(&mut kept, sender_id, &events);
        kept.add(sender_id, events);
        drop(kept);
        self.start_retrying();
        Ok(())
    }

    fn write_journal(&self, kept: &mut Kept, sender_id: &str, events: &[Arc<Event>]) {
        let Some((folder, name)) = &self.safety.outbox else {
            return;
        };
        let journal = match kept.journal.take() {
            Some(journal) => Ok(journal),
            None => Journal::open(folder, name),
        };
        let events: Vec<Value> = events.iter().map(|event| event_to_json(event)).collect();
        let line = json!({"sender_id": sender_id, "events": events});
        let written = journal.and_then(|mut journal| {
            journal.append(&[line.to_string()])?;
            Ok(journal)
        });
        match written {
            Ok(journal) => kept.journal = Some(journal),
            Err(error) => {
                tracing::error!(
                    error = error.chain(),
                    "events that cannot be stored are kept in memory only"
                );
            }
        }
    }

    /// Tells the operator what becomes of events that could not be stored before the end.
    fn tell_kept(&self) {
        let kept = self.kept();
        match (kept.events, &kept.journal) {
            (0, _) => {}
            (events, Some(journal)) => {
                let path = journal.path().display().to_string();
                tracing::warn!(events, path, "events stay in the outbox for the next start");
            }
            (events, None) => tracing::error!(events, "events could not be stored before the end"),
        }
    }

    fn start_retrying(self: &Arc<Self>) {
        let mut kept = self.kept();
        if !kept.is_retrying {
            kept.is_retrying = true;
            tokio::spawn(retry(Arc::downgrade(self)));
        }
    }

    /// Writes what is kept, conversation by conversation, until the store fails.
    async fn write_kept(&self) -> Result<()> {
        let _writing = self.writing.lock().await;
        loop {
            let next = self.kept().by_sender.iter().next().map(|(id, events)| (id.clone(), events.clone()));
            let Some((sender_id, events)) = next else {
                return Ok(());
            };
            let count = events.len();
            let missing = self.missing(&sender_id, events).await?;
            let written =
                if missing.is_empty() { Ok(()) } else { self.store.append(&sender_id, missing).await };
            match written {
                Err(error) if error.kind == Kind::Refused => {
                    tracing::error!(
                        sender_id,
                        count,
                        error = error.chain(),
                        "the tracker store refuses events"
                    );
                }
                other => other?,
            }
            self.note_success();
            self.kept().remove(&sender_id, count);
        }
    }
}

/// Why events are not written.
enum Unwritten {
    /// The store is away; these are missing.
    Later(Vec<Arc<Event>>),
    /// The store will never take them.
    Never(Error),
}

/// The event as it comes back from a store.
fn stored_form(event: &Event) -> Value {
    let value = event_to_json(event);
    match event_of(&value) {
        Ok(Some(event)) => event_to_json(&event),
        _ => value,
    }
}

async fn retry(shared: Weak<Shared>) {
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
            let stored = self.shared.load(sender_id, scope).await?;
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
                return self.shared.keep(sender_id, events);
            }
            match self.shared.append(sender_id, events).await {
                Ok(()) => Ok(()),
                Err(Unwritten::Never(error)) => Err(error),
                Err(Unwritten::Later(events)) => {
                    let count = events.len();
                    tracing::warn!(sender_id, count, "events wait for the tracker store");
                    self.shared.keep(sender_id, events)
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
            self.shared.tell_kept();
            written?;
            self.shared.store.flush().await
        })
    }
}
