//! SQLite: the connection that writes, the pool that reads.
//!
//! The write-ahead log with `synchronous = NORMAL` makes a commit one write to a file that the
//! operating system keeps: acknowledged events survive the death of the process; the loss of power
//! may cost the last moments, never the database.
//!
//! SQLite would fold the log into the database in the middle of some write, and wait for the disk
//! there. Here a second connection does it beside the writer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::Scope;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, SqlitePool};

use crate::group::{Connection, Field, Foreign, GroupWriter, Row, Table};
use crate::sql::{EVENTS, EventReader, SqlStore};

/// How long to wait for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for other processes that open the file at the same moment.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between attempts.
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Prepared statements kept: one per number of rows that are written together.
const STATEMENTS_MAX: usize = 300;
/// Connections for reading.
const READERS_MAX: u32 = 4;
/// Most rows of one statement, so that bound values stay within SQLite's limit.
const ROWS_MAX: usize = 256;

/// How often the log is folded into the database: so often that it is done in a few milliseconds,
/// for messages wait for a core meanwhile.
const FOLD_INTERVAL: Duration = Duration::from_millis(100);
/// Frames of the log, of 4 KiB each, after which the writer begins it anew.
const LOG_FRAMES_MAX: i64 = 16_000;

/// Readers are waited for, but not long; the last timeout is [`BUSY_TIMEOUT`].
pub(crate) const BEGIN_ANEW: &str =
    "PRAGMA busy_timeout = 50; PRAGMA wal_checkpoint(RESTART); PRAGMA busy_timeout = 5000";

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

/// Connections that read a file in which the tables are.
pub(crate) async fn readers(
    options: &SqliteConnectOptions,
    create: &[&'static str],
) -> std::result::Result<SqlitePool, sqlx::Error> {
    let began = Instant::now();
    loop {
        match try_readers(options, create).await {
            Err(error) if is_locked(&error) && began.elapsed() < OPEN_TIMEOUT => {
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn try_readers(
    options: &SqliteConnectOptions,
    create: &[&'static str],
) -> std::result::Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
    let readers = pool.connect_with(options.clone()).await?;
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
    let options = options(path);
    let readers = readers(&options, &CREATE).await.map_err(failed)?;
    let writer = GroupWriter::start(SqliteWriter::new(options), EVENTS);
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

/// The connection that writes to a SQLite file.
pub struct SqliteWriter {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    seen_version: Option<i64>,
    log: Arc<Log>,
}

/// What is known of the write-ahead log.
#[derive(Default)]
pub(crate) struct Log {
    /// Something was written since it was folded.
    pub is_new: AtomicBool,
    /// It is so long that it should begin anew.
    pub is_long: AtomicBool,
}

impl SqliteWriter {
    /// Connects with the first write.
    pub fn new(options: SqliteConnectOptions) -> Self {
        let options = options.pragma("wal_autocheckpoint", "0");
        let log = Arc::new(Log::default());
        tokio::spawn(fold_all(options.clone(), Arc::downgrade(&log)));
        Self { options, connection: None, seen_version: None, log }
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.seen_version = None;
                self.options.connect().await.map_err(|error| failed("open", error))?
            }
        };
        Ok(self.connection.insert(connection))
    }
}

impl Connection for SqliteWriter {
    /// Few enough that the rows of a batch usually fit one statement.
    const BATCH_MAX: usize = 32;

    fn insert<'a>(&'a mut self, table: Table, rows: &'a [&'a Row]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let must_begin_anew = self.log.is_long.swap(false, Ordering::Relaxed);
            self.log.is_new.store(true, Ordering::Relaxed);
            let connection = self.connection().await?;
            if must_begin_anew {
                // Nearly all of it is folded already. Readers of old states may forbid it for now.
                drop(sqlx::raw_sql(BEGIN_ANEW).execute(&mut *connection).await);
            }
            insert_all(connection, table, rows).await.map_err(|error| {
                let kind = if is_refusal(&error) { Kind::Refused } else { Kind::Unavailable };
                Error::new(kind, "cannot write to the database").because(error)
            })
        })
    }

    /// SQLite counts the commits of other connections for us.
    fn look(&mut self) -> BoxFuture<'_, Result<Foreign>> {
        Box::pin(async move {
            let connection = self.connection().await?;
            let query = sqlx::query_scalar("PRAGMA data_version");
            let version: i64 = query.fetch_one(connection).await.map_err(|error| failed("read", error))?;
            let before = self.seen_version.replace(version);
            Ok(if before == Some(version) { Foreign::Nothing } else { Foreign::Written })
        })
    }

    /// Folds the write-ahead log into the database file.
    fn tidy(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let connection = self.connection().await?;
            let tidied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await;
            tidied.map(drop).map_err(|error| failed("tidy up", error))
        })
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

/// Folds the log into the database while the writer goes on, as long as there is a writer.
pub(crate) async fn fold_all(options: SqliteConnectOptions, log: Weak<Log>) {
    let mut connection = None;
    loop {
        tokio::time::sleep(FOLD_INTERVAL).await;
        let Some(log) = log.upgrade() else {
            return;
        };
        if !log.is_new.swap(false, Ordering::Relaxed) {
            continue;
        }
        let folded = async {
            let mut connection = match connection.take() {
                Some(connection) => connection,
                None => options.connect().await?,
            };
            let query = sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(PASSIVE)");
            let (_, frames, _) = query.fetch_one(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, frames))
        };
        match folded.await {
            Ok((open, frames)) => {
                connection = Some(open);
                log.is_long.store(frames > LOG_FRAMES_MAX, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "the log of the database cannot be folded now"),
        }
    }
}

async fn insert_all(
    connection: &mut SqliteConnection,
    table: Table,
    rows: &[&Row],
) -> std::result::Result<(), sqlx::Error> {
    // One statement is a transaction by itself and one trip to the connection's thread.
    if let Some(statement) = (rows.len() <= ROWS_MAX).then(|| insert_statement(table, rows.len())) {
        return insert(connection, statement, rows).await;
    }
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for rows in rows.chunks(ROWS_MAX) {
        insert(connection, insert_statement(table, rows.len()), rows).await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    statement: String,
    rows: &[&Row],
) -> std::result::Result<(), sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for field in rows.iter().flat_map(|row| row.iter()) {
        bind(&mut arguments, field)?;
    }
    sqlx::query_with(AssertSqlSafe(statement), arguments).execute(connection).await?;
    Ok(())
}

fn bind(arguments: &mut SqliteArguments, field: &Field) -> std::result::Result<(), sqlx::Error> {
    use sqlx::Arguments;
    let bound = match field {
        Field::Text(text) => arguments.add(text.as_str()),
        Field::Number(number) => arguments.add(*number),
        Field::Null => arguments.add(None::<String>),
    };
    bound.map_err(sqlx::Error::Encode)
}

fn insert_statement(table: Table, rows: usize) -> String {
    let row = format!("({})", vec!["?"; table.columns.len()].join(","));
    format!("INSERT INTO {} ({}) VALUES {}", table.name, table.column_names(), vec![row; rows].join(","))
}

/// Whether SQLite will never take these rows: too big, against a constraint, of a wrong type.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    // The low byte of an extended code is the plain one.
    code.is_some_and(|code| matches!(code & 0xff, 18..=20))
}

fn failed(what: &str, error: sqlx::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {what} the database")).because(error)
}
