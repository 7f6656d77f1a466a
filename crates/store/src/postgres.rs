//! PostgreSQL: the connection that writes, the pool that reads.
//!
//! One connection writes for the whole process. While it waits for the disk, further writes pile up
//! and share the next commit, so throughput does not depend on how long a commit takes.

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::Scope;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool};

use crate::group::{ColumnKind, Connection, Field, Foreign, GroupWriter, Row, Table};
use crate::patience::Patience;
use crate::sql::{EVENTS, EventReader, SqlStore};
use crate::sql_settings::Postgres;

/// How long a reader may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// As SQLAlchemy creates it for Rasa's model: the sequence is `events_id_seq`.
const CREATE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS events (
        id SERIAL NOT NULL,
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

const ALL_SESSIONS: &str = "SELECT data FROM events WHERE sender_id = $1 ORDER BY id";

const LAST_SESSION: &str = "SELECT data FROM events WHERE sender_id = $1 AND timestamp >= coalesce(
        (SELECT max(timestamp) FROM events WHERE sender_id = $1 AND type_name = 'session_started'),
        '-infinity'
    ) ORDER BY id";

/// The newest id ever given, transactions that are under way or failed included.
const NEWEST_ID: &str =
    "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('events', 'id')::regclass), 0)";

/// Opens the tracker store in a database, creating table and index where they are missing. Waits
/// for a server that is not there yet.
pub async fn open(settings: &Postgres) -> Result<SqlStore> {
    prepare(settings, &CREATE).await?;
    let writer = GroupWriter::start(PostgresWriter::new(settings.options.clone()), EVENTS)?;
    let reader = PostgresReader { readers: pool(settings) };
    Ok(SqlStore::new(writer, Box::new(reader)))
}

/// A pool that connects when it is used.
pub(crate) fn pool(settings: &Postgres) -> PgPool {
    PgPoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(settings.options.clone())
}

/// Creates the database where `login_db` is given, then the tables.
///
/// # Errors
/// When the server refuses. While there is none, it is waited for, as by Rasa.
pub async fn prepare(settings: &Postgres, create: &'static [&'static str]) -> Result<()> {
    let mut patience = Patience::default();
    while let Err(error) = try_prepare(settings, create).await {
        let may_pass = is_passing(&error);
        patience.bear(&settings.address(), error, may_pass).await?;
    }
    Ok(())
}

async fn try_prepare(
    settings: &Postgres,
    create: &'static [&'static str],
) -> std::result::Result<(), sqlx::Error> {
    if let Some(login) = &settings.login_options {
        let mut connection = login.connect().await?;
        let database = settings.options.get_database().unwrap_or_default();
        let query = sqlx::query_scalar::<_, i32>("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1");
        if query.bind(database).fetch_optional(&mut connection).await?.is_none() {
            let statement = format!("CREATE DATABASE \"{}\"", database.replace('"', "\"\""));
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
    }
    let mut connection = settings.options.connect().await?;
    if let Some(schema) = &settings.schema {
        let query = "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1";
        let found = sqlx::query_scalar::<_, i32>(query).bind(schema).fetch_optional(&mut connection).await?;
        if found.is_none() {
            let message = format!(
                "the schema '{schema}' (POSTGRESQL_SCHEMA) is not in the database; create it with CREATE SCHEMA"
            );
            return Err(sqlx::Error::Configuration(message.into()));
        }
    }
    for statement in create {
        // Another process that starts at the same time may create it between the look and the deed.
        if let Err(error) = sqlx::query(*statement).execute(&mut connection).await
            && !is_duplicate(&error)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// SQLSTATE of `unique_violation`, `duplicate_table` and `duplicate_object`.
const DUPLICATES: [&str; 3] = ["23505", "42P07", "42710"];

fn is_duplicate(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| DUPLICATES.contains(&code.as_str()))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether waiting may help: there is no server, it is starting or stopping, or it is full.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => code(error)
            .is_some_and(|code| ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))),
        sqlx::Error::Configuration(_) => false,
        _ => true,
    }
}

/// Classes of SQLSTATE that say that the data is at fault: data exception, constraint violation.
fn kind_of(error: &sqlx::Error) -> Kind {
    match code(error) {
        Some(code) if code.starts_with("22") || code.starts_with("23") => Kind::Refused,
        _ => Kind::Unavailable,
    }
}

pub(crate) fn failed(what: &str, error: sqlx::Error) -> Error {
    Error::new(kind_of(&error), format!("cannot {what} the database")).because(error)
}

struct PostgresReader {
    readers: PgPool,
}

impl EventReader for PostgresReader {
    fn data<'a>(&'a self, sender_id: &'a str, scope: Scope) -> BoxFuture<'a, Result<Vec<String>>> {
        let statement = match scope {
            Scope::AllSessions => ALL_SESSIONS,
            Scope::LastSession => LAST_SESSION,
        };
        Box::pin(async move {
            let query = sqlx::query_scalar::<_, Option<String>>(statement).bind(sender_id);
            let rows = query.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            Ok(rows.into_iter().flatten().collect())
        })
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let ids = sqlx::query_scalar("SELECT DISTINCT sender_id FROM events ORDER BY sender_id");
            ids.fetch_all(&self.readers).await.map_err(|error| failed("read", error))
        })
    }
}

/// The connection that writes to a PostgreSQL database.
pub struct PostgresWriter {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    /// The newest id that is known; whatever goes beyond was written by somebody else.
    newest_id: Option<i64>,
    /// Others were seen writing. Their transaction may end only after it was seen, so the next look
    /// says so once more.
    is_suspicious: bool,
    has_foreign: bool,
}

impl PostgresWriter {
    /// Connects with the first write.
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None, newest_id: None, is_suspicious: false, has_foreign: false }
    }

    async fn connection(&mut self) -> Result<&mut PgConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.newest_id = None;
                self.options.connect().await.map_err(|error| failed("connect to", error))?
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn saw(&mut self, newest_id: i64, own_rows: i64) {
        if self.newest_id.is_none_or(|before| before + own_rows != newest_id) {
            self.has_foreign = true;
        }
        self.newest_id = Some(newest_id);
    }
}

impl Connection for PostgresWriter {
    const BATCH_MAX: usize = 256;

    fn insert<'a>(&'a mut self, table: Table, rows: &'a [&'a Row]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let connection = self.connection().await?;
            let mut query = sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(insert_statement(table)));
            for (idx, column) in table.columns.iter().enumerate() {
                let fields = rows.iter().map(|row| &row[idx]);
                query = match column.kind {
                    ColumnKind::Text => query.bind(fields.map(text).collect::<Vec<Option<&str>>>()),
                    ColumnKind::Number => query.bind(fields.map(number).collect::<Vec<Option<f64>>>()),
                };
            }
            let (newest_id, written) =
                query.fetch_one(connection).await.map_err(|error| failed("write to", error))?;
            self.saw(newest_id, written);
            Ok(())
        })
    }

    /// The table's sequence tells how many rows were ever begun; ours are known.
    fn look(&mut self) -> BoxFuture<'_, Result<Foreign>> {
        Box::pin(async move {
            let connection = self.connection().await?;
            let query = sqlx::query_scalar(NEWEST_ID);
            let newest_id: i64 = query.fetch_one(connection).await.map_err(|error| failed("read", error))?;
            self.saw(newest_id, 0);
            let has_written = std::mem::take(&mut self.has_foreign);
            let was_suspicious = std::mem::replace(&mut self.is_suspicious, has_written);
            Ok(if has_written || was_suspicious { Foreign::Written } else { Foreign::Nothing })
        })
    }

    fn tidy(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

fn text(field: &Field) -> Option<&str> {
    match field {
        Field::Text(text) => Some(text),
        Field::Number(_) | Field::Null => None,
    }
}

fn number(field: &Field) -> Option<f64> {
    match field {
        Field::Number(number) => Some(*number),
        Field::Text(_) | Field::Null => None,
    }
}

/// One statement for any number of rows, so that it is prepared once: each column is an array. The
/// ordinality makes ids follow the order of the rows.
fn insert_statement(table: Table) -> String {
    let names = table.column_names();
    let arrays: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(idx, column)| match column.kind {
            ColumnKind::Text => format!("${}::text[]", idx + 1),
            ColumnKind::Number => format!("${}::float8[]", idx + 1),
        })
        .collect();
    format!(
        "WITH written AS (
            INSERT INTO {} ({names})
            SELECT {names} FROM unnest({}) WITH ORDINALITY AS given ({names}, place) ORDER BY place
            RETURNING id
        ) SELECT max(id)::int8, count(*) FROM written",
        table.name,
        arrays.join(", ")
    )
}
