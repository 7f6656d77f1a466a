//! A queue in a database: messages by topic, taken under a lease.
//!
//! Consumers take what nobody else has (`SKIP LOCKED`); what a consumer that died had taken comes
//! back when its lease has run out. With PostgreSQL consumers are woken by notifications.

use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::stream::{Delivery, Message, Publisher, Subscription};
use serde_json::json;
use sqlx::postgres::PgListener;
use sqlx::{Any, Row, Transaction};

use crate::database::{Database, Dialect};

/// The table.
pub const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS stream_queue (
        id SERIAL_ID,
        topic TEXT NOT NULL,
        message_key TEXT NOT NULL,
        body TEXT NOT NULL,
        sent_ms BIGINT NOT NULL,
        taken_until_ms BIGINT NOT NULL DEFAULT 0
    )",
    "CREATE INDEX IF NOT EXISTS stream_queue_topic ON stream_queue (topic, id)",
];

/// The channel that consumers listen to; the notification names the topic.
const CHANNEL: &str = "intendant_stream";

const SEND: &str = "INSERT INTO stream_queue (topic, message_key, body, sent_ms)
    SELECT $1, value ->> 'key', value ->> 'body', NOW_MS FROM EACH($2)";

const NOTIFY: &str = "SELECT 1 FROM (SELECT pg_notify('intendant_stream', $1)) AS told";

const TAKE: &str = "UPDATE stream_queue SET taken_until_ms = NOW_MS + $3 WHERE id IN (
        SELECT id FROM stream_queue WHERE topic = $1 AND taken_until_ms <= NOW_MS
        ORDER BY id LIMIT $2 SKIP_LOCKED
    ) RETURNING id, message_key, body";

const FORGET: &str =
    "DELETE FROM stream_queue WHERE id IN (SELECT CAST(CAST(value AS TEXT) AS BIGINT) FROM EACH($1))";

const COUNT: &str = "SELECT COUNT(*) FROM stream_queue WHERE topic = $1";

/// Where nobody tells, it is looked this often at most, and more rarely while nothing comes.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(5);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(250);
/// Even where somebody tells, leases of the dead run out without a word.
const LISTEN_MAX: Duration = Duration::from_secs(1);

/// One topic of the queue.
pub struct Queue {
    database: Arc<Database>,
    topic: String,
    lease: Duration,
    listener: Option<PgListener>,
}

impl Queue {
    /// A topic in a database that has the [`TABLES`]. A message that is taken stays with its taker for
    /// the time of the lease.
    pub fn new(database: Arc<Database>, topic: &str, lease: Duration) -> Self {
        Self { database, topic: topic.to_owned(), lease, listener: None }
    }

    async fn take(&self, most: usize) -> Result<Vec<Delivery>> {
        let rows = self
            .database
            .query(TAKE)
            .bind(self.topic.clone())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .bind(i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX))
            .fetch_all(self.database.pool())
            .await
            .map_err(|error| self.failed("take messages from", error))?;
        let delivery = |row: &sqlx::any::AnyRow| {
            let id: i64 = row.try_get(0)?;
            let key: String = row.try_get(1)?;
            let message = Message { key: Some(key).filter(|key| !key.is_empty()), body: row.try_get(2)? };
            Ok(Delivery { message, damage: None, receipt: id, place: None, order: id })
        };
        let deliveries: std::result::Result<Vec<Delivery>, sqlx::Error> = rows.iter().map(delivery).collect();
        let mut deliveries = deliveries.map_err(|error| self.failed("read messages of", error))?;
        deliveries.sort_by_key(|delivery| delivery.receipt);
        Ok(deliveries)
    }

    /// Waits until something may have come.
    async fn wait(&mut self, pause: Duration) {
        if self.listener.is_none() && self.database.dialect() == Dialect::Postgres {
            self.listener = self.database.listen(CHANNEL).await.unwrap_or_default();
            // Something may have come before we listened.
            if self.listener.is_some() {
                return;
            }
        }
        let Some(listener) = &mut self.listener else {
            return tokio::time::sleep(pause.min(LOOK_PAUSE_MAX)).await;
        };
        let deadline = Instant::now() + pause.min(LISTEN_MAX);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, listener.recv()).await {
                Ok(Ok(told)) if told.payload() != self.topic => {}
                Ok(Ok(_)) | Err(_) => return,
                Ok(Err(_)) => {
                    self.listener = None;
                    return;
                }
            }
        }
    }

    fn failed(&self, what: &str, error: sqlx::Error) -> intendant_port::error::Error {
        self.database.failed(what, error)
    }
}

/// Adds messages to a topic within a transaction.
///
/// # Errors
/// When the database fails.
pub async fn add(
    database: &Database,
    transaction: &mut Transaction<'static, Any>,
    topic: &str,
    messages: &[Message],
) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let given = messages.iter().map(|message| {
        json!({"key": storable(message.key.as_deref().unwrap_or_default()), "body": storable(&message.body)})
    });
    let given = serde_json::Value::Array(given.collect()).to_string();
    let failed = |error| database.failed("add messages to", error);
    database
        .query(SEND)
        .bind(topic.to_owned())
        .bind(given)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    if database.dialect() == Dialect::Postgres {
        let told = database.query(NOTIFY).bind(topic.to_owned());
        told.execute(&mut **transaction).await.map_err(failed)?;
    }
    Ok(())
}

/// Removes messages by their ids within a transaction.
///
/// # Errors
/// When the database fails.
pub async fn remove(
    database: &Database,
    transaction: &mut Transaction<'static, Any>,
    ids: &[i64],
) -> Result<()> {
    let removed = database.query(FORGET).bind(json!(ids).to_string()).execute(&mut **transaction).await;
    removed.map(drop).map_err(|error| database.failed("remove messages of", error))
}

/// PostgreSQL has no place for the character U+0000 in texts.
pub fn storable(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

impl Subscription for Queue {
    fn receive(&mut self, most: usize, patience: Duration) -> BoxFuture<'_, Result<Vec<Delivery>>> {
        Box::pin(async move {
            let deadline = Instant::now() + patience;
            let mut pause = LOOK_PAUSE_MIN;
            loop {
                let taken = self.take(most).await?;
                let left = deadline.saturating_duration_since(Instant::now());
                if !taken.is_empty() || left.is_zero() {
                    return Ok(taken);
                }
                let pause_max = if self.database.dialect() == Dialect::Postgres { left } else { pause };
                self.wait(pause_max.min(left)).await;
                pause = (pause * 2).min(LOOK_PAUSE_MAX);
            }
        })
    }

    fn acknowledge<'a>(&'a mut self, deliveries: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        let ids: Vec<i64> = deliveries.iter().map(|delivery| delivery.receipt).collect();
        Box::pin(async move {
            let query = self.database.query(FORGET).bind(json!(ids).to_string());
            let removed = query.execute(self.database.pool()).await;
            removed.map(drop).map_err(|error| self.failed("remove messages of", error))
        })
    }

    fn lag(&mut self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let query = self.database.query(COUNT).bind(self.topic.clone());
            let row = query.fetch_one(self.database.pool()).await;
            let count = row.and_then(|row| row.try_get::<i64, _>(0));
            let count = count.map_err(|error| self.failed("count messages of", error))?;
            Ok(u64::try_from(count).unwrap_or_default())
        })
    }

    fn reset(&mut self) {
        self.listener = None;
    }
}

impl Publisher for Queue {
    fn send<'a>(&'a mut self, messages: &'a [Message]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            add(&self.database, &mut transaction, &self.topic, messages).await?;
            transaction.commit().await.map_err(|error| self.failed("add messages to", error))
        })
    }

    fn reset(&mut self) {
        self.listener = None;
    }
}
