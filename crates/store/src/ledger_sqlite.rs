//! The ledger in a SQLite file, for the processes of one machine.

use std::path::Path;
use std::sync::Arc;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::ledger::{Entry, Needs, Sheet, Wanted};
use intendant_talk::time::Timestamp;
use sqlx::SqlitePool;

use crate::ledger::Database;
use crate::ledger_sql::{self as form, Changes, CounterRow, Dialect};
use crate::sqlite;
use crate::sqlite_file::{Durability, SqliteConnection, SqliteFile};

const DIALECT: Dialect = Dialect::Sqlite;

/// A SQLite file.
pub struct SqliteLedger {
    file: Arc<SqliteFile>,
    readers: SqlitePool,
}

/// The connection that writes.
pub struct SqliteWriter {
    connection: SqliteConnection,
    statements: Statements,
}

struct Statements {
    requests: String,
    counters: String,
    insert_entries: String,
    upsert_counters: String,
    upsert_requests: String,
}

fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {what} the ledger")).because(error)
}

impl SqliteLedger {
    /// Opens the file, creating file and tables where they are missing.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self> {
        let unusable = |error: sqlx::Error| {
            let message = format!("cannot open the ledger {}", path.display());
            Error::new(Kind::Unavailable, message).because(error)
        };
        let readers = sqlite::readers(path, DIALECT.create()).await.map_err(unusable)?;
        Ok(Self { file: SqliteFile::start(path, durability)?, readers })
    }
}

impl SqliteWriter {
    fn load(&self, needs: &Needs) -> rusqlite::Result<Sheet> {
        let Self { connection, statements } = self;
        let mut sheet = Sheet::default();
        let overdue_before = needs.overdue_before.map_or(i64::MIN, |time| time.micros);
        let requests = connection.rows(&statements.requests, (form::request_ids(needs), overdue_before))?;
        form::take_requests(&mut sheet, requests);
        for accounts in [Some(form::accounts(needs)), form::further_accounts(needs, &sheet)] {
            let Some(accounts) = accounts else { continue };
            form::take_counters(&mut sheet, connection.rows(&statements.counters, [accounts])?);
        }
        Ok(sheet)
    }

    fn store(&self, changes: Changes) -> rusqlite::Result<()> {
        let Self { connection, statements } = self;
        let Changes { entries, counters, requests, limits, .. } = changes;
        for (account, limit) in limits {
            match limit {
                Some(limit) => connection.execute(form::SET_LIMIT, (account, limit))?,
                None => connection.execute(form::DROP_LIMIT, [account])?,
            }
        }
        connection.execute_all(&statements.insert_entries, entries)?;
        connection.execute_all(&statements.upsert_counters, counters)?;
        connection.execute_all(&statements.upsert_requests, requests)?;
        connection.commit()
    }
}

/// All of it is done on the writer's thread, which waits for the database.
impl Database for SqliteLedger {
    type Writer = SqliteWriter;
    const THREAD: Option<&'static str> = Some("ledger");

    fn connect(&self) -> BoxFuture<'_, Result<SqliteWriter>> {
        Box::pin(async move {
            let connection = self.file.connect().map_err(|error| failed("open", error))?;
            let statements = Statements {
                requests: DIALECT.select_requests(),
                counters: DIALECT.select_counters("$1"),
                insert_entries: DIALECT.insert_entries(),
                upsert_counters: DIALECT.upsert_counters(),
                upsert_requests: DIALECT.upsert_requests(),
            };
            Ok(SqliteWriter { connection, statements })
        })
    }

    fn begin<'a>(writer: &'a mut SqliteWriter, needs: &'a Needs) -> BoxFuture<'a, Result<Sheet>> {
        Box::pin(async move {
            writer.connection.begin().map_err(|error| failed("lock", error))?;
            writer.load(needs).map_err(|error| failed("read", error))
        })
    }

    fn commit(writer: &mut SqliteWriter, changes: Changes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { writer.store(changes).map_err(|error| failed("write to", error)) })
    }

    fn sweep(writer: &mut SqliteWriter, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let swept = writer.connection.execute(form::SWEEP, [before.micros]);
            swept.map_err(|error| failed("sweep", error))
        })
    }

    fn begin_mending(writer: &mut SqliteWriter) -> BoxFuture<'_, Result<Vec<CounterRow>>> {
        Box::pin(async move {
            writer.connection.begin().map_err(|error| failed("lock", error))?;
            let wrong = writer.connection.rows(&DIALECT.select_wrong(), []);
            wrong.map_err(|error| failed("rebuild the counters of", error))
        })
    }

    form::reading!(failed);
}
