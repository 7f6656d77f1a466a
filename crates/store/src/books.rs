//! The books of streams: which messages have been seen (inbox), what became of them (scored rows and
//! dead letters), what is to be sent (outbox, in the [`queue`](crate::queue)), how far a log has been
//! read. One step of a stream is one transaction over all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use intendant_port::error::Result;
use intendant_port::stream::{Message, Place};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::database::Database;
use crate::queue::{self, storable};

/// The tables, those of the queue included.
pub const TABLES: [&str; 8] = [
    queue::TABLES[0],
    queue::TABLES[1],
    "CREATE TABLE IF NOT EXISTS stream_inbox (
        stream TEXT NOT NULL,
        message_key TEXT NOT NULL,
        content TEXT NOT NULL,
        message_order BIGINT NOT NULL,
        seen_ms BIGINT NOT NULL,
        PRIMARY KEY (stream, message_key)
    )",
    "CREATE TABLE IF NOT EXISTS stream_scored (
        stream TEXT NOT NULL,
        message_key TEXT NOT NULL,
        input TEXT NOT NULL,
        output TEXT NOT NULL,
        model TEXT NOT NULL,
        scored_ms BIGINT NOT NULL,
        PRIMARY KEY (stream, message_key)
    )",
    "CREATE TABLE IF NOT EXISTS stream_dead (
        id TEXT NOT NULL PRIMARY KEY,
        stream TEXT NOT NULL,
        message_key TEXT NOT NULL,
        body TEXT NOT NULL,
        reason TEXT NOT NULL,
        times BIGINT NOT NULL,
        died_ms BIGINT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS stream_dead_stream ON stream_dead (stream, died_ms)",
    "CREATE TABLE IF NOT EXISTS stream_places (
        stream TEXT NOT NULL,
        log_partition BIGINT NOT NULL,
        next_offset BIGINT NOT NULL,
        PRIMARY KEY (stream, log_partition)
    )",
    "CREATE TABLE IF NOT EXISTS stream_sources (stream TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL)",
];

/// What was seen before, whatever process asks, wins: the rest of a step follows the keys that this
/// statement gives back.
const SEE: &str = "INSERT INTO stream_inbox (stream, message_key, content, message_order, seen_ms)
    SELECT $1, value ->> 'key', value ->> 'content', CAST(value ->> 'order' AS BIGINT), NOW_MS
    FROM EACH($2) WHERE true
    ON CONFLICT (stream, message_key) DO UPDATE
    SET content = excluded.content, message_order = excluded.message_order, seen_ms = excluded.seen_ms
    WHERE CAST($3 AS BIGINT) = 1 AND stream_inbox.content <> excluded.content
        AND stream_inbox.message_order <= excluded.message_order
    RETURNING message_key";

const SEEN: &str = "SELECT message_key, content FROM stream_inbox
    WHERE stream = $1 AND message_key IN (SELECT value ->> 'key' FROM EACH($2))";

const SCORE: &str = "INSERT INTO stream_scored (stream, message_key, input, output, model, scored_ms)
    SELECT $1, value ->> 'key', value ->> 'input', value ->> 'output', value ->> 'model', NOW_MS
    FROM EACH($2) WHERE true
    ON CONFLICT (stream, message_key) DO UPDATE SET input = excluded.input, output = excluded.output,
        model = excluded.model, scored_ms = excluded.scored_ms";

const BURY: &str = "INSERT INTO stream_dead (id, stream, message_key, body, reason, times, died_ms)
    SELECT value ->> 'id', $1, value ->> 'key', value ->> 'body', value ->> 'reason', 1, NOW_MS
    FROM EACH($2) WHERE true
    ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, times = stream_dead.times + 1,
        died_ms = excluded.died_ms";

const ADVANCE: &str = "INSERT INTO stream_places (stream, log_partition, next_offset)
    SELECT $1, CAST(value ->> 'partition' AS BIGINT), CAST(value ->> 'next' AS BIGINT)
    FROM EACH($2) WHERE true
    ON CONFLICT (stream, log_partition) DO UPDATE SET next_offset = excluded.next_offset
    WHERE stream_places.next_offset < excluded.next_offset";

const REMEMBER: &str = "INSERT INTO stream_sources (stream, state) VALUES ($1, $2)
    ON CONFLICT (stream) DO UPDATE SET state = excluded.state";

const EXHUME: &str = "SELECT id, message_key, body, reason, times, died_ms FROM stream_dead
    WHERE stream = $1 AND id IN (SELECT value ->> 'id' FROM EACH($2))";

const UNBURY: &str =
    "DELETE FROM stream_dead WHERE stream = $1 AND id IN (SELECT value ->> 'id' FROM EACH($2))";

/// What becomes of a message whose key was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// It is dropped.
    Skip,
    /// It is dropped if its content is the same, and takes the place of the one before otherwise.
    Update,
}

/// One message, handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// A digest of its content.
    pub content: String,
    /// Its order among those of its key.
    pub order: i64,
    /// What it was given and what came out.
    pub scored: Option<Scored>,
    /// What is sent on: topic of the queue, and text.
    pub outgoing: Option<(String, String)>,
}

/// A scored row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// JSON of the input.
    pub input: String,
    /// JSON of the output.
    pub output: String,
    /// Which model it was.
    pub model: String,
}

/// A message that cannot be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its digest.
    pub id: String,
    /// Its key, as far as one was found.
    pub key: String,
    /// Its text.
    pub body: String,
    /// Why.
    pub reason: String,
    /// How often it came.
    pub times: i64,
    /// When last, in milliseconds since 1970. Given by the database.
    pub died_ms: i64,
}

/// Everything that one step of a stream changes.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Handled messages; keys are distinct.
    pub entries: Vec<Entry>,
    /// Messages that could not be handled.
    pub dead: Vec<DeadLetter>,
    /// The places of logs up to which messages have been handled.
    pub places: Vec<Place>,
    /// The state of a source.
    pub state: Option<String>,
}

/// What is in the books of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Scored rows.
    pub scored: i64,
    /// Dead letters.
    pub dead: i64,
}

/// The books of all streams of a database.
#[derive(Clone)]
pub struct Books {
    database: Arc<Database>,
}

impl Books {
    /// Opens the books, creating the tables where they are missing.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Self { database: Arc::new(Database::open(url, &TABLES).await?) })
    }

    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Which of these keys were seen before, with the digest of their content.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seen(&self, stream: &str, keys: &[&str]) -> Result<BTreeMap<String, String>> {
        let given: Vec<Value> = keys.iter().map(|key| json!({"key": storable(key)})).collect();
        let rows = self.rows(SEEN, stream, &Value::Array(given)).await?;
        rows.iter().map(|row| Ok((self.text(row, 0)?, self.text(row, 1)?))).collect()
    }

    /// Takes one step, whole or not at all. Gives the keys that nobody else had handled before; only
    /// those have been written and sent on.
    ///
    /// # Errors
    /// When the database fails; then nothing was changed.
    pub async fn take(&self, stream: &str, repeats: Repeats, step: &Step) -> Result<BTreeSet<String>> {
        let mut transaction = self.database.begin().await?;
        let won = self.see(&mut transaction, stream, (repeats, &step.entries)).await?;
        let winners: Vec<&Entry> =
            step.entries.iter().filter(|entry| won.contains(&storable(&entry.key))).collect();
        let scored = winners.iter().filter_map(|entry| {
            let Scored { input, output, model } = entry.scored.as_ref()?;
            Some(json!({"key": storable(&entry.key), "input": input, "output": output, "model": storable(model)}))
        });
        self.write(&mut transaction, SCORE, (stream, scored.collect())).await?;
        let dead = step.dead.iter().map(|dead| {
            json!({"id": dead.id, "key": storable(&dead.key), "body": storable(&dead.body),
                   "reason": storable(&dead.reason)})
        });
        self.write(&mut transaction, BURY, (stream, dead.collect())).await?;
        let places =
            step.places.iter().map(|place| json!({"partition": place.partition, "next": place.offset + 1}));
        self.write(&mut transaction, ADVANCE, (stream, places.collect())).await?;
        let mut outgoing: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
        for entry in &winners {
            if let Some((topic, body)) = &entry.outgoing {
                let message = Message { key: Some(entry.key.clone()), body: body.clone() };
                outgoing.entry(topic).or_default().push(message);
            }
        }
        for (topic, messages) in outgoing {
            queue::add(&self.database, &mut transaction, topic, &messages).await?;
        }
        if let Some(state) = &step.state {
            let query = self.database.query(REMEMBER).bind(stream.to_owned()).bind(state.clone());
            query.execute(&mut *transaction).await.map_err(|error| self.failed(error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(error))?;
        Ok(won)
    }

    async fn see(
        &self,
        transaction: &mut Transaction<'static, Any>,
        stream: &str,
        (repeats, entries): (Repeats, &[Entry]),
    ) -> Result<BTreeSet<String>> {
        if entries.is_empty() {
            return Ok(BTreeSet::new());
        }
        // In the order of keys, so that two consumers never wait for each other crosswise.
        let mut ordered: Vec<&Entry> = entries.iter().collect();
        ordered.sort_by(|one, other| one.key.cmp(&other.key));
        let given = ordered.iter().map(
            |entry| json!({"key": storable(&entry.key), "content": entry.content, "order": entry.order}),
        );
        let query = self
            .database
            .query(SEE)
            .bind(stream.to_owned())
            .bind(Value::Array(given.collect()).to_string())
            .bind(i64::from(repeats == Repeats::Update));
        let rows = query.fetch_all(&mut **transaction).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.text(row, 0)).collect()
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'static, Any>,
        statement: &str,
        (stream, rows): (&str, Vec<Value>),
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let query = self.database.query(statement).bind(stream.to_owned());
        let written = query.bind(Value::Array(rows).to_string()).execute(&mut **transaction).await;
        written.map(drop).map_err(|error| self.failed(error))
    }

    /// How far the logs of a stream have been read: the offsets that come next.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn places(&self, stream: &str) -> Result<Vec<Place>> {
        let statement = "SELECT log_partition, next_offset FROM stream_places WHERE stream = $1";
        let query = self.database.query(statement).bind(stream.to_owned());
        let rows = query.fetch_all(self.database.pool()).await.map_err(|error| self.failed(error))?;
        let place = |row: &AnyRow| -> Result<Place> {
            let partition = i32::try_from(self.number(row, 0)?).unwrap_or(i32::MAX);
            Ok(Place { partition, offset: self.number(row, 1)? })
        };
        rows.iter().map(place).collect()
    }

    /// The state in which a source was left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn state(&self, stream: &str) -> Result<Option<String>> {
        let statement = "SELECT state FROM stream_sources WHERE stream = $1";
        let query = self.database.query(statement).bind(stream.to_owned());
        let row = query.fetch_optional(self.database.pool()).await.map_err(|error| self.failed(error))?;
        row.map(|row| self.text(&row, 0)).transpose()
    }

    /// The dead letters of a stream, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead(&self, stream: &str, most: usize) -> Result<Vec<DeadLetter>> {
        let statement = "SELECT id, message_key, body, reason, times, died_ms FROM stream_dead
            WHERE stream = $1 ORDER BY died_ms DESC, id LIMIT $2";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let query = self.database.query(statement).bind(stream.to_owned()).bind(most);
        let rows = query.fetch_all(self.database.pool()).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.dead_letter(row)).collect()
    }

    /// Takes dead letters out of the grave and puts them into a topic of the queue, in one step;
    /// without a topic they are gone. Gives how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn exhume(&self, stream: &str, ids: &[String], topic: Option<&str>) -> Result<usize> {
        let given = Value::Array(ids.iter().map(|id| json!({"id": id})).collect()).to_string();
        let mut transaction = self.database.begin().await?;
        let query = self.database.query(EXHUME).bind(stream.to_owned()).bind(given.clone());
        let rows = query.fetch_all(&mut *transaction).await.map_err(|error| self.failed(error))?;
        let letters: Vec<DeadLetter> = rows.iter().map(|row| self.dead_letter(row)).collect::<Result<_>>()?;
        if let Some(topic) = topic {
            let message = |letter: &DeadLetter| Message {
                key: Some(letter.key.clone()).filter(|key| !key.is_empty()),
                body: letter.body.clone(),
            };
            let messages: Vec<Message> = letters.iter().map(message).collect();
            queue::add(&self.database, &mut transaction, topic, &messages).await?;
        }
        let query = self.database.query(UNBURY).bind(stream.to_owned()).bind(given);
        query.execute(&mut *transaction).await.map_err(|error| self.failed(error))?;
        transaction.commit().await.map_err(|error| self.failed(error))?;
        Ok(letters.len())
    }

    /// Forgets keys that were seen longer ago than this.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, stream: &str, age_ms: i64) -> Result<()> {
        let statement = "DELETE FROM stream_inbox WHERE stream = $1 AND seen_ms < NOW_MS - $2";
        let query = self.database.query(statement).bind(stream.to_owned()).bind(age_ms);
        query.execute(self.database.pool()).await.map(drop).map_err(|error| self.failed(error))
    }

    /// How much is in the books of a stream.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tally(&self, stream: &str) -> Result<Tally> {
        let statement = "SELECT (SELECT COUNT(*) FROM stream_scored WHERE stream = $1),
            (SELECT COUNT(*) FROM stream_dead WHERE stream = $1)";
        let query = self.database.query(statement).bind(stream.to_owned());
        let row = query.fetch_one(self.database.pool()).await.map_err(|error| self.failed(error))?;
        Ok(Tally { scored: self.number(&row, 0)?, dead: self.number(&row, 1)? })
    }

    async fn rows(&self, statement: &str, stream: &str, given: &Value) -> Result<Vec<AnyRow>> {
        let query = self.database.query(statement).bind(stream.to_owned()).bind(given.to_string());
        query.fetch_all(self.database.pool()).await.map_err(|error| self.failed(error))
    }

    fn dead_letter(&self, row: &AnyRow) -> Result<DeadLetter> {
        Ok(DeadLetter {
            id: self.text(row, 0)?,
            key: self.text(row, 1)?,
            body: self.text(row, 2)?,
            reason: self.text(row, 3)?,
            times: self.number(row, 4)?,
            died_ms: self.number(row, 5)?,
        })
    }

    fn text(&self, row: &AnyRow, at: usize) -> Result<String> {
        row.try_get(at).map_err(|error| self.failed(error))
    }

    fn number(&self, row: &AnyRow, at: usize) -> Result<i64> {
        row.try_get(at).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sqlx::Error) -> intendant_port::error::Error {
        self.database.failed("use the stream tables of", error)
    }
}
