//! `type: sql`: events as rows of an `events` table in SQLite or PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use intendant_port::BoxFuture;
use intendant_port::broker::EventBroker;
use intendant_port::error::{Error, Kind, Result};
use intendant_store::group::{Column, Field, GroupWriter, Row, Table};
use intendant_store::postgres::{self, PostgresWriter};
use intendant_store::sql_settings::Postgres;
use intendant_store::sqlite::{SqliteWriter, options};
use intendant_talk::event::Event;
use serde_json::Value;
use sqlx::{ConnectOptions, Connection};

use crate::outbox::Transport;
use crate::payload;

const EVENTS: Table = Table { name: "events", columns: &[Column::text("sender_id"), Column::text("data")] };

const CREATE_SQLITE: &str = "CREATE TABLE IF NOT EXISTS events (
    id INTEGER NOT NULL,
    sender_id VARCHAR(255),
    data TEXT,
    PRIMARY KEY (id)
)";

const CREATE_POSTGRES: [&str; 1] = ["CREATE TABLE IF NOT EXISTS events (
    id SERIAL NOT NULL,
    sender_id VARCHAR(255),
    data TEXT,
    PRIMARY KEY (id)
)"];

/// A SQLite file, which is written at once.
pub struct SqliteBroker {
    writer: GroupWriter,
}

impl SqliteBroker {
    /// Opens the database, creating file and table where they are missing.
    pub async fn open(path: &Path) -> Result<Self> {
        let failed = |error: sqlx::Error| {
            let message = format!("cannot open the event database {}", path.display());
            Error::new(Kind::Unavailable, message).because(error)
        };
        let mut connection = options(path).connect().await.map_err(failed)?;
        sqlx::query(CREATE_SQLITE).execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        Ok(Self { writer: GroupWriter::start(SqliteWriter::new(path)?, EVENTS)? })
    }
}

impl EventBroker for SqliteBroker {
    fn publish<'a>(&'a self, sender_id: &'a str, events: &'a [Arc<Event>]) -> BoxFuture<'a, Result<()>> {
        let rows = events.iter().map(|event| row(sender_id, payload(sender_id, event).to_string())).collect();
        Box::pin(self.writer.write(rows))
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.writer.tidy())
    }
}

/// A PostgreSQL server, which may be away.
pub struct PostgresTransport {
    settings: Postgres,
    writer: Option<GroupWriter>,
}

impl PostgresTransport {
    /// Connects with the first events.
    pub fn new(settings: Postgres) -> Self {
        Self { settings, writer: None }
    }
}

impl Transport for PostgresTransport {
    fn send<'a>(&'a mut self, payloads: &'a [String]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let writer = match self.writer.take() {
                Some(writer) => writer,
                None => {
                    postgres::prepare(&self.settings, &CREATE_POSTGRES).await?;
                    GroupWriter::start(PostgresWriter::new(self.settings.options.clone()), EVENTS)?
                }
            };
            let rows = payloads.iter().map(|payload| {
                let value: Value = serde_json::from_str(payload).unwrap_or_default();
                row(value["sender_id"].as_str().unwrap_or_default(), payload.clone())
            });
            let written = writer.write(rows.collect()).await;
            self.writer = Some(writer);
            written
        })
    }

    fn reset(&mut self) {
        self.writer = None;
    }
}

fn row(sender_id: &str, payload: String) -> Row {
    vec![Field::Text(sender_id.to_owned()), Field::Text(payload)]
}
