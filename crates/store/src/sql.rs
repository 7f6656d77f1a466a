//! The `events` table as Rasa creates it (`spec: http-and-channels.md §6`), whatever database
//! holds it: an existing table continues, and Rasa can read what we write.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::wire::{event_from_json, event_to_json};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::time::Timestamp;
use serde_json::Value;

use crate::group::{Column, Field, GroupWriter, Row, Table};

/// How often, at most, it is looked whether others have written.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Where events of conversations go.
pub const EVENTS: Table = Table {
    name: "events",
    columns: &[
        Column::text("sender_id"),
        Column::text("type_name"),
        Column::number("timestamp"),
        Column::text("intent_name"),
        Column::text("action_name"),
        Column::text("data"),
    ],
};

/// Reads the table of one database.
pub trait EventReader: Send + Sync {
    /// The column `data` of a conversation's rows, oldest first.
    fn data<'a>(&'a self, sender_id: &'a str, scope: Scope) -> BoxFuture<'a, Result<Vec<String>>>;

    /// Ids of all conversations, sorted.
    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>>;
}

/// The tracker store of `type: sql`.
pub struct SqlStore {
    writer: GroupWriter,
    reader: Box<dyn EventReader>,
    looked: Mutex<Option<Instant>>,
}

impl SqlStore {
    /// A store that writes by `writer` what `reader` reads.
    pub fn new(writer: GroupWriter, reader: Box<dyn EventReader>) -> Self {
        Self { writer, reader, looked: Mutex::new(None) }
    }

    async fn read(&self, sender_id: &str, scope: Scope) -> Result<Vec<Arc<Event>>> {
        let rows = self.reader.data(sender_id, scope).await?;
        let events = rows.into_iter().filter_map(|data| event(sender_id, &data)).collect();
        // A column of times may be less exact than the events.
        Ok(if scope == Scope::LastSession { self.last_session(events) } else { events })
    }

    fn must_look(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let must = looked.is_none_or(|last| last.elapsed() > LOOK_INTERVAL);
        if must {
            *looked = Some(Instant::now());
        }
        must
    }
}

/// Reads a stored event. One that cannot be read is left out: the rest of the conversation is
/// worth more than its completeness.
pub(crate) fn event(sender_id: &str, data: &str) -> Option<Arc<Event>> {
    let read = serde_json::from_str::<Value>(data).map_err(|error| error.to_string());
    read.and_then(|value| event_of(&value)).unwrap_or_else(|error| {
        tracing::warn!(sender_id, error, "a stored event cannot be read and is left out");
        None
    })
}

/// Reads an event's JSON; `None` for one that means nothing.
pub(crate) fn event_of(value: &Value) -> std::result::Result<Option<Arc<Event>>, String> {
    let event = event_from_json(value, Timestamp::default()).map_err(|error| error.to_string())?;
    Ok(event.map(Arc::new))
}

fn row(sender_id: &str, event: &Event) -> Row {
    let value = event_to_json(event);
    let text = |value: &Value| value.as_str().map_or(Field::Null, |text| Field::Text(text.to_owned()));
    vec![
        Field::Text(sender_id.to_owned()),
        Field::Text(event.kind.type_name().to_owned()),
        Field::Number(event.timestamp.as_secs_f64()),
        text(&value["parse_data"]["intent"]["name"]),
        text(&value["name"]),
        Field::Text(value.to_string()),
    ]
}

impl TrackerStore for SqlStore {
    fn load<'a>(
        &'a self,
        sender_id: &'a str,
        scope: Scope,
    ) -> BoxFuture<'a, Result<Option<Vec<Arc<Event>>>>> {
        Box::pin(async move {
            let events = self.read(sender_id, scope).await?;
            Ok(if events.is_empty() { None } else { Some(events) })
        })
    }

    fn append<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if events.is_empty() {
                return Ok(());
            }
            self.writer.write(events.iter().map(|event| row(sender_id, event)).collect()).await
        })
    }

    fn replace<'a>(&'a self, sender_id: &'a str, events: Vec<Arc<Event>>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let stored = self.reader.data(sender_id, Scope::LastSession).await?.len();
            let beyond: Vec<Row> = events.iter().skip(stored).map(|event| row(sender_id, event)).collect();
            if beyond.is_empty() { Ok(()) } else { self.writer.write(beyond).await }
        })
    }

    fn last_session(&self, mut events: Vec<Arc<Event>>) -> Vec<Arc<Event>> {
        let starts = events.iter().filter(|event| matches!(event.kind, EventKind::SessionStarted));
        if let Some(newest) = starts.map(|event| event.timestamp).max() {
            events.retain(|event| event.timestamp >= newest);
        }
        events
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.reader.conversation_ids()
    }

    fn epoch(&self) -> BoxFuture<'_, u64> {
        if !self.must_look() {
            return Box::pin(std::future::ready(self.writer.foreign_writes()));
        }
        Box::pin(async move {
            match self.writer.look().await {
                Ok(epoch) => epoch,
                Err(error) => {
                    tracing::debug!(error = error.chain(), "cannot see whether others have written");
                    self.writer.foreign_writes()
                }
            }
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.writer.tidy())
    }
}
