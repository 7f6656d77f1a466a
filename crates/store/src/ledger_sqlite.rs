//! The ledger in a SQLite file, for the processes of one machine.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::ledger::{Entry, Needs, Sheet, Slot, Wanted};
use intendant_talk::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, SqlitePool};

use crate::ledger::Database;
use crate::ledger_sql::{self as form, Changes, Dialect};
use crate::sqlite::{self, BEGIN_ANEW, Log};

/// Connections for reading.
const READERS_MAX: u32 = 2;
const DIALECT: Dialect = Dialect::Sqlite;

/// What an acknowledged line survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process; the loss of power may cost the last moments.
    #[default]
    Process,
    /// The loss of power too, for a wait for the disk with every transaction.
    Power,
}

/// A SQLite file.
pub struct SqliteLedger {
    options: SqliteConnectOptions,
    readers: SqlitePool,
    log: Arc<Log>,
}

/// The connection that writes.
pub struct SqliteWriter {
    connection: SqliteConnection,
    log: Arc<Log>,
    statements: Statements,
}

struct Statements {
    begin: String,
    counters: String,
    commit: String,
}

fn failed(what: &str, error: sqlx::Error) -> Error {
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
        let options = sqlite::options(path).synchronous(match durability {
            Durability::Process => SqliteSynchronous::Normal,
            Durability::Power => SqliteSynchronous::Full,
        });
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
        let readers = pool.connect_with(options.clone()).await.map_err(unusable)?;
        for statement in DIALECT.create() {
            sqlx::query(*statement).execute(&readers).await.map_err(unusable)?;
        }
        let options = options.pragma("wal_autocheckpoint", "0");
        let log = Arc::new(Log::default());
        tokio::spawn(sqlite::fold_all(options.clone(), Arc::downgrade(&log)));
        Ok(Self { options, readers, log })
    }
}

impl Database for SqliteLedger {
    type Writer = SqliteWriter;

    fn connect(&self) -> BoxFuture<'_, Result<SqliteWriter>> {
        Box::pin(async move {
            let connection = self.options.connect().await.map_err(|error| failed("open", error))?;
            let statements = Statements {
                begin: format!("BEGIN IMMEDIATE; {}", DIALECT.select_requests()),
                counters: DIALECT.select_counters(),
                commit: format!(
                    "{}; {}; {}; COMMIT",
                    DIALECT.insert_entries(),
                    DIALECT.upsert_counters(),
                    DIALECT.upsert_requests()
                ),
            };
            Ok(SqliteWriter { connection, log: Arc::clone(&self.log), statements })
        })
    }

    fn begin<'a>(writer: &'a mut SqliteWriter, needs: &'a Needs) -> BoxFuture<'a, Result<Sheet>> {
        Box::pin(async move {
            let SqliteWriter { connection, log, statements } = writer;
            if log.is_long.swap(false, Ordering::Relaxed) {
                // Nearly all of it is folded already. Readers of old states may forbid it for now.
                drop(sqlx::raw_sql(BEGIN_ANEW).execute(&mut *connection).await);
            }
            let mut sheet = Sheet::default();
            let overdue_before = needs.overdue_before.map_or(i64::MIN, |time| time.micros);
            let query = sqlx::query_as(AssertSqlSafe(statements.begin.clone()));
            let query = query.bind(form::request_ids(needs)).bind(overdue_before);
            let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed("lock", error))?;
            form::take_requests(&mut sheet, rows);
            let query = sqlx::query_as(AssertSqlSafe(statements.counters.clone()));
            let query = query.bind(form::accounts(needs, &sheet));
            let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed("read", error))?;
            form::take_counters(&mut sheet, rows);
            Ok(sheet)
        })
    }

    fn commit<'a>(writer: &'a mut SqliteWriter, changes: &'a Changes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let SqliteWriter { connection, log, statements } = writer;
            let failed = |error| failed("write to", error);
            if changes.is_empty {
                sqlx::query("COMMIT").execute(connection).await.map_err(failed)?;
                return Ok(());
            }
            log.is_new.store(true, Ordering::Relaxed);
            for (account, limit) in &changes.limits {
                let query = match limit {
                    Some(limit) => sqlx::query(form::SET_LIMIT).bind(account).bind(limit),
                    None => sqlx::query(form::DROP_LIMIT).bind(account),
                };
                query.execute(&mut *connection).await.map_err(failed)?;
            }
            let query = sqlx::query(AssertSqlSafe(statements.commit.clone()));
            let query = query.bind(&changes.entries).bind(&changes.counters).bind(&changes.requests);
            query.execute(connection).await.map_err(failed)?;
            Ok(())
        })
    }

    fn sweep(writer: &mut SqliteWriter, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let swept = sqlx::query(form::SWEEP).bind(before.micros).execute(&mut writer.connection).await;
            swept.map(drop).map_err(|error| failed("sweep", error))
        })
    }

    fn rebuild(writer: &mut SqliteWriter) -> BoxFuture<'_, Result<Vec<Slot>>> {
        Box::pin(async move {
            let connection = &mut writer.connection;
            let failed = |error| failed("rebuild the counters of", error);
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(failed)?;
            let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_wrong()));
            let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
            let (made, wrong) = form::mended(rows);
            let query = sqlx::query(AssertSqlSafe(DIALECT.upsert_counters()));
            query.bind("").bind(made).execute(&mut *connection).await.map_err(failed)?;
            sqlx::query("COMMIT").execute(connection).await.map_err(failed)?;
            Ok(wrong)
        })
    }

    fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>> {
        Box::pin(async move {
            let query = sqlx::query_as(form::READ).bind(since.micros).bind(i64::from(counters_max));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            let mut sheet = Sheet::default();
            form::take_counters(&mut sheet, rows);
            Ok(sheet)
        })
    }

    fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(async move {
            let (pattern, kinds) = form::filters(wanted);
            let since = wanted.since.map_or(i64::MIN, |since| since.micros);
            let query = sqlx::query_as(form::HISTORY).bind(pattern).bind(since).bind(kinds);
            let query = query.bind(i64::from(wanted.lines_max));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            Ok(rows.into_iter().map(form::entry).collect())
        })
    }
}
