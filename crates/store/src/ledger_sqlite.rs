//! The ledger in a SQLite file, for the processes of one machine.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::ledger::{Entry, Needs, Sheet, Slot, Wanted};
use intendant_talk::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, FromRow, Row, SqliteConnection, SqlitePool};

use crate::ledger::Database;
use crate::ledger_sql::{self as form, Changes, Dialect};
use crate::sqlite::{self, BEGIN_ANEW, Log};

const DIALECT: Dialect = Dialect::Sqlite;
/// Columns of a [`form::RequestRow`].
const REQUEST_COLUMNS: usize = 9;

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
        let readers = sqlite::readers(&options, DIALECT.create()).await.map_err(unusable)?;
        let options = options.pragma("wal_autocheckpoint", "0");
        let log = Arc::new(Log::default());
        tokio::spawn(sqlite::fold_all(options.clone(), Arc::downgrade(&log)));
        Ok(Self { options, readers, log })
    }
}

/// Requests and counters by the number of their columns.
fn sheet_of(rows: &[SqliteRow]) -> std::result::Result<Sheet, sqlx::Error> {
    let (mut sheet, mut requests, mut counters) = (Sheet::default(), Vec::new(), Vec::new());
    for row in rows {
        match row.len() {
            REQUEST_COLUMNS => requests.push(form::RequestRow::from_row(row)?),
            _ => counters.push(form::CounterRow::from_row(row)?),
        }
    }
    form::take_requests(&mut sheet, requests);
    form::take_counters(&mut sheet, counters);
    Ok(sheet)
}

async fn store(
    connection: &mut SqliteConnection,
    statements: &Statements,
    changes: &Changes,
) -> std::result::Result<(), sqlx::Error> {
    if changes.is_empty {
        return sqlx::query("COMMIT").execute(connection).await.map(drop);
    }
    form::put_limits!(connection, changes);
    let query = sqlx::query(AssertSqlSafe(statements.commit.clone()));
    let query = query.bind(&changes.entries).bind(&changes.counters).bind(&changes.requests);
    query.execute(connection).await.map(drop)
}

impl Database for SqliteLedger {
    type Writer = SqliteWriter;

    /// On a thread of its own that does nothing else: handing work over costs more than the work, and
    /// most where a thread also waits for sockets.
    fn run_writer(run: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let unable = |error: std::io::Error| {
            Error::new(Kind::Unavailable, "cannot start the writer of the ledger").because(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(unable)?;
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        thread.spawn(move || runtime.block_on(run)).map(drop).map_err(unable)
    }

    fn connect(&self) -> BoxFuture<'_, Result<SqliteWriter>> {
        Box::pin(async move {
            let connection = self.options.connect().await.map_err(|error| failed("open", error))?;
            let statements = Statements {
                // Counters have one column more, by which their rows are known.
                begin: format!(
                    "BEGIN IMMEDIATE; {}; SELECT *, 0 FROM ({})",
                    DIALECT.select_requests(),
                    DIALECT.select_counters("$3")
                ),
                counters: DIALECT.select_counters("$1"),
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
            let overdue_before = needs.overdue_before.map_or(i64::MIN, |time| time.micros);
            let query = sqlx::query(AssertSqlSafe(statements.begin.clone()));
            let query = query.bind(form::request_ids(needs)).bind(overdue_before).bind(form::accounts(needs));
            // One trip to the connection's thread for all of it.
            let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed("lock", error))?;
            let mut sheet = sheet_of(&rows).map_err(|error| failed("read", error))?;
            if let Some(further) = form::further_accounts(needs, &sheet) {
                let query = sqlx::query_as(AssertSqlSafe(statements.counters.clone())).bind(further);
                let rows = query.fetch_all(connection).await.map_err(|error| failed("read", error))?;
                form::take_counters(&mut sheet, rows);
            }
            Ok(sheet)
        })
    }

    fn commit<'a>(writer: &'a mut SqliteWriter, changes: &'a Changes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let SqliteWriter { connection, log, statements } = writer;
            log.is_new.store(true, Ordering::Relaxed);
            store(connection, statements, changes).await.map_err(|error| failed("write to", error))
        })
    }

    form::shared!(SqliteWriter, failed);

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
}
