//! Events as rows of an `events` table in SQLite.

use std::path::Path;
use std::sync::Arc;

use intendant_port::BoxFuture;
use intendant_port::broker::EventBroker;
use intendant_port::error::{Error, Kind, Result};
use intendant_store::group::{Field, GroupWriter, Table};
use intendant_store::sqlite::options;
use intendant_talk::event::Event;
use sqlx::{ConnectOptions, Connection};

use crate::payload;

const EVENTS: Table = Table { target: "events (sender_id, data)", columns: 2 };

const CREATE: &str = "CREATE TABLE IF NOT EXISTS events (
    id INTEGER NOT NULL,
    sender_id VARCHAR(255),
    data TEXT,
    PRIMARY KEY (id)
)";

/// The broker of `type: sql` with SQLite.
pub struct SqlBroker {
    writer: GroupWriter,
}

impl SqlBroker {
    /// Opens the database, creating file and table where they are missing.
    pub async fn open(path: &Path) -> Result<Self> {
        let failed = |error: sqlx::Error| {
            let message = format!("cannot open the event database {}", path.display());
            Error::new(Kind::Unavailable, message).because(error)
        };
        let options = options(path);
        let mut connection = options.connect().await.map_err(failed)?;
        sqlx::query(CREATE).execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        Ok(Self { writer: GroupWriter::start(options, EVENTS).await? })
    }
}

impl EventBroker for SqlBroker {
    fn publish<'a>(&'a self, sender_id: &'a str, events: &'a [Arc<Event>]) -> BoxFuture<'a, Result<()>> {
        let rows = events
            .iter()
            .map(|event| {
                vec![Field::Text(sender_id.to_owned()), Field::Text(payload(sender_id, event).to_string())]
            })
            .collect();
        Box::pin(self.writer.write(rows))
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.writer.tidy())
    }
}
