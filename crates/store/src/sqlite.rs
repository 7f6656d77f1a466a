//! SQLite: the tracker store, with one connection that writes and a pool that reads.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::Scope;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{ErrorCode, ToSql, params_from_iter};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::group::{Connection, Field, Foreign, GroupWriter, Row, Table};
use crate::sql::{EVENTS, EventReader, SqlStore};
use crate::sqlite_file::{BUSY_TIMEOUT, Durability, SqliteConnection, SqliteFile};

/// How long to wait for other processes that open the file at the same moment.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between attempts.
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Connections for reading.
const READERS_MAX: u32 = 4;

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
}

/// Connections that read a file in which the tables are.
pub(crate) async fn readers(
    path: &Path,
    create: &[&'static str],
) -> std::result::Result<SqlitePool, sqlx::Error> {
    let began = Instant::now();
    loop {
        match try_readers(path, create).await {
            Err(error) if is_locked(&error) && began.elapsed() < OPEN_TIMEOUT => {
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn try_readers(path: &Path, create: &[&'static str]) -> std::result::Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
    let readers = pool.connect_with(options(path)).await?;
    for statement in create {
        sqlx::query(*statement).execute(&readers).await?;
    }
    Ok(readers)
}

/// Whether another process is in the way. Who switches the journal of a file or makes its tables while
/// another does is told so at once, whatever the timeout.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED; an extended code has its kind in the low byte.
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Opens the tracker store in a file, creating file, table and index where they are missing.
pub async fn open(path: &Path) -> Result<SqlStore> {
    let failed = |error: sqlx::Error| {
        let message = format!("cannot open the tracker database {}", path.display());
        Error::new(Kind::Unavailable, message).because(error)
    };
    let readers = readers(path, &CREATE).await.map_err(failed)?;
    let writer = GroupWriter::start(SqliteWriter::new(path)?, EVENTS)?;
    Ok(SqlStore::new(writer, Box::new(SqliteReader { readers })))
}

struct SqliteReader {
    readers: SqlitePool,
}

fn read_error(error: sqlx::Error) -> Error {
    Error::new(Kind::Unavailable, "cannot read the tracker database").because(error)
}

impl EventReader for SqliteReader {
    fn data<'a>(&'a self, sender_id: &'a str, scope: Scope) -> BoxFuture<'a, Result<Vec<String>>> {
        let statement = match scope {
            Scope::AllSessions => ALL_SESSIONS,
            Scope::LastSession => LAST_SESSION,
        };
        Box::pin(async move {
            let query = sqlx::query_scalar::<_, Option<String>>(statement).bind(sender_id);
            let rows = query.fetch_all(&self.readers).await.map_err(read_error)?;
            Ok(rows.into_iter().flatten().collect())
        })
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let ids = sqlx::query_scalar("SELECT DISTINCT sender_id FROM events ORDER BY sender_id");
            ids.fetch_all(&self.readers).await.map_err(read_error)
        })
    }
}

/// What writes to a SQLite file.
pub struct SqliteWriter {
    file: Arc<SqliteFile>,
    connection: Option<SqliteConnection>,
    seen_version: Option<i64>,
}

impl SqliteWriter {
    /// Connects with the first write.
    ///
    /// # Errors
    /// When there is no thread for what is done beside the writer.
    pub fn new(path: &Path) -> Result<Self> {
        let file = SqliteFile::start(path, Durability::Process)?;
        Ok(Self { file, connection: None, seen_version: None })
    }

    fn connection(&mut self) -> Result<&SqliteConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.seen_version = None;
                self.file.connect().map_err(|error| failed("open", error))?
            }
        };
        Ok(self.connection.insert(connection))
    }
}

/// All of it is done on the writer's thread, which waits for the database.
impl Connection for SqliteWriter {
    const BATCH_MAX: usize = 32;
    const THREAD: Option<&'static str> = Some("sqlite");

    fn insert<'a>(&'a mut self, table: Table, rows: &'a [&'a Row]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            insert_all(self.connection()?, table, rows).map_err(|error| {
                let kind = if is_refusal(&error) { Kind::Refused } else { Kind::Unavailable };
                Error::new(kind, "cannot write to the database").because(error)
            })
        })
    }

    /// SQLite counts the commits of other connections for us.
    fn look(&mut self) -> BoxFuture<'_, Result<Foreign>> {
        Box::pin(async move {
            let versions = self.connection()?.rows::<(i64,)>("PRAGMA data_version", []);
            let version = versions.map_err(|error| failed("read", error))?.first().map(|(version,)| *version);
            let before = std::mem::replace(&mut self.seen_version, version);
            Ok(if before == version { Foreign::Nothing } else { Foreign::Written })
        })
    }

    /// Folds the write-ahead log into the database file.
    fn tidy(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let tidied = self.connection()?.rows::<(i64,)>("PRAGMA wal_checkpoint(TRUNCATE)", []);
            tidied.map(drop).map_err(|error| failed("tidy up", error))
        })
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

fn insert_all(connection: &SqliteConnection, table: Table, rows: &[&Row]) -> rusqlite::Result<()> {
    connection.begin()?;
    let places = vec!["?"; table.columns.len()].join(", ");
    let statement = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.column_names());
    connection.execute_all(&statement, rows.iter().map(|row| params_from_iter(row.iter())))?;
    connection.commit()
}

impl ToSql for Field {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Number(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Self::Null => ToSqlOutput::Owned(Value::Null),
        })
    }
}

/// Whether SQLite will never take these rows: too big, against a constraint, of a wrong type.
fn is_refusal(error: &rusqlite::Error) -> bool {
    let refusals = [ErrorCode::TooBig, ErrorCode::ConstraintViolation, ErrorCode::TypeMismatch];
    error.sqlite_error_code().is_some_and(|code| refusals.contains(&code))
}

fn failed(what: &str, error: rusqlite::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {what} the database")).because(error)
}
