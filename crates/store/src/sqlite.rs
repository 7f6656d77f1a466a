//! Conversations in SQLite, in the `events` table as Rasa creates it (`spec: http-and-channels.md
//! §6`), so that an existing database continues and Rasa can read what we write.
//!
//! The write-ahead log with `synchronous = NORMAL` makes a commit one write to a file that the
//! operating system keeps: acknowledged events survive the death of the process; the loss of power
//! may cost the last moments, never the database.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::wire::{event_from_json, event_to_json};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::time::Timestamp;
use serde_json::Value;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::group::{Field, GroupWriter, Row, Table};

/// How long to wait for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept: one per number of rows that are written together.
const STATEMENTS_MAX: usize = 300;
/// Connections for reading.
const READERS_MAX: u32 = 4;
/// How often, at most, it is looked whether others have written.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

const EVENTS: Table =
    Table { target: "events (sender_id, type_name, timestamp, intent_name, action_name, data)", columns: 6 };

const CREATE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS events (
        id INTEGER NOT NULL,
        sender_id VARCHAR(255) NOT NULL,
        type_name VARCHAR(255) NOT NULL,
        timestamp FLOAT,
        intent_name VARCHAR(255),
        action_name VARCHAR(255),
        data TEXT,
        PRIMARY KEY (id)
    )",
    "CREATE INDEX IF NOT EXISTS ix_events_sender_id ON events (sender_id)",
];

const ALL_SESSIONS: &str = "SELECT data FROM events WHERE sender_id = ?1 ORDER BY id";

const LAST_SESSION: &str = "SELECT data FROM events WHERE sender_id = ?1 AND timestamp >= coalesce(
        (SELECT max(timestamp) FROM events WHERE sender_id = ?1 AND type_name = 'session_started'),
        -9e999
    ) ORDER BY id";

/// How a database file is opened.
pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_MAX)
}

/// The tracker store of `type: sql` with SQLite.
pub struct SqliteStore {
    writer: GroupWriter,
    readers: SqlitePool,
    looked: Mutex<Option<Instant>>,
}

impl SqliteStore {
    /// Opens the database, creating file, table and index where they are missing.
    pub async fn open(path: &Path) -> Result<Self> {
        let failed = |error: sqlx::Error| {
            let message = format!("cannot open the tracker database {}", path.display());
            Error::new(Kind::Unavailable, message).because(error)
        };
        let options = options(path);
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
        let readers = pool.connect_with(options.clone()).await.map_err(failed)?;
        for statement in CREATE {
            sqlx::query(statement).execute(&readers).await.map_err(failed)?;
        }
        let writer = GroupWriter::start(options, EVENTS).await?;
        Ok(Self { writer, readers, looked: Mutex::new(None) })
    }

    async fn read(&self, sender_id: &str, scope: Scope) -> Result<Vec<Arc<Event>>> {
        let statement = match scope {
            Scope::AllSessions => ALL_SESSIONS,
            Scope::LastSession => LAST_SESSION,
        };
        let query = sqlx::query_scalar::<_, Option<String>>(statement).bind(sender_id);
        let rows = query.fetch_all(&self.readers).await.map_err(read_error)?;
        Ok(rows.into_iter().flatten().filter_map(|data| event(sender_id, &data)).collect())
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

fn read_error(error: sqlx::Error) -> Error {
    Error::new(Kind::Unavailable, "cannot read the tracker database").because(error)
}

/// Reads a stored event. One that cannot be read is left out: the rest of the conversation is
/// worth more than its completeness.
fn event(sender_id: &str, data: &str) -> Option<Arc<Event>> {
    let read = serde_json::from_str::<Value>(data).map_err(|error| error.to_string());
    let read = read
        .and_then(|value| event_from_json(&value, Timestamp::default()).map_err(|error| error.to_string()));
    match read {
        Ok(event) => event.map(Arc::new),
        Err(error) => {
            tracing::warn!(sender_id, error, "a stored event cannot be read and is left out");
            None
        }
    }
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

impl TrackerStore for SqliteStore {
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
            let stored = self.read(sender_id, Scope::LastSession).await?.len();
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
        Box::pin(async move {
            let ids = sqlx::query_scalar("SELECT DISTINCT sender_id FROM events ORDER BY sender_id");
            ids.fetch_all(&self.readers).await.map_err(read_error)
        })
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
