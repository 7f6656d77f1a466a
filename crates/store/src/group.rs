//! Group commit: one task writes rows, and whatever piled up while it was busy shares one
//! transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use intendant_port::error::{Error, Kind, Result};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

/// Writes waiting for the writer; callers wait beyond that.
const WAITING_MAX: usize = 4096;
/// Most writes in one transaction; few enough that they usually fit one statement.
const BATCH_MAX: usize = 32;
/// Most rows of one statement, so that bound values stay within SQLite's limit.
const ROWS_MAX: usize = 256;

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name and columns: `events (sender_id, data)`.
    pub target: &'static str,
    /// Number of columns.
    pub columns: usize,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Field {
    Text(String),
    Number(f64),
    Null,
}

/// One row, as many fields as the table has columns.
pub type Row = Vec<Field>;

/// Writes rows by one task of its own, which ends when all clones are gone.
#[derive(Clone)]
pub struct GroupWriter {
    jobs: mpsc::Sender<Job>,
    foreign_writes: Arc<AtomicU64>,
}

enum Job {
    Write { rows: Vec<Row>, done: oneshot::Sender<Result<()>> },
    Look { done: oneshot::Sender<Result<()>> },
    Tidy { done: oneshot::Sender<Result<()>> },
}

impl GroupWriter {
    /// Opens the writer's connection and starts its task.
    pub async fn start(options: SqliteConnectOptions, table: Table) -> Result<Self> {
        let connection = options.connect().await.map_err(|error| failed("open", error))?;
        let (jobs, receiver) = mpsc::channel(WAITING_MAX);
        let foreign_writes = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            options,
            table,
            connection: Some(connection),
            seen_version: None,
            foreign_writes: Arc::clone(&foreign_writes),
        };
        tokio::spawn(writer.run(receiver));
        Ok(Self { jobs, foreign_writes })
    }

    /// Writes rows in order, all or none; they are committed when this returns.
    pub async fn write(&self, rows: Vec<Row>) -> Result<()> {
        self.ask(|done| Job::Write { rows, done }).await
    }

    /// How often others were seen to have written, without looking again.
    pub fn foreign_writes(&self) -> u64 {
        self.foreign_writes.load(Ordering::Relaxed)
    }

    /// Looks whether others have written.
    pub async fn look(&self) -> Result<u64> {
        self.ask(|done| Job::Look { done }).await?;
        Ok(self.foreign_writes())
    }

    /// Folds the write-ahead log into the database file.
    pub async fn tidy(&self) -> Result<()> {
        self.ask(|done| Job::Tidy { done }).await
    }

    async fn ask(&self, job: impl FnOnce(oneshot::Sender<Result<()>>) -> Job) -> Result<()> {
        let (done, answer) = oneshot::channel();
        let gone = || Error::new(Kind::Unavailable, "the writer of the database has ended");
        self.jobs.send(job(done)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

struct Writer {
    options: SqliteConnectOptions,
    table: Table,
    connection: Option<SqliteConnection>,
    seen_version: Option<i64>,
    foreign_writes: Arc<AtomicU64>,
}

type Waiting = Vec<(Vec<Row>, oneshot::Sender<Result<()>>)>;

impl Writer {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut waiting = Waiting::new();
            let mut looking = Vec::new();
            let mut tidying = Vec::new();
            for job in batch.drain(..) {
                // Nobody may be waiting any more; the work is done all the same.
                match job {
                    Job::Write { rows, done } => waiting.push((rows, done)),
                    Job::Look { done } => looking.push(done),
                    Job::Tidy { done } => tidying.push(done),
                }
            }
            self.write(waiting).await;
            for done in looking {
                drop(done.send(self.look().await));
            }
            for done in tidying {
                drop(done.send(self.tidy().await));
            }
        }
        if let Some(connection) = self.connection.take() {
            drop(connection.close().await);
        }
    }

    /// Writes a batch in one transaction; if that fails, each write in its own, so that one bad
    /// write does not take the others with it.
    async fn write(&mut self, waiting: Waiting) {
        if waiting.is_empty() {
            return;
        }
        let rows: Vec<&Row> = waiting.iter().flat_map(|(rows, _)| rows).collect();
        match self.transact(&rows).await {
            Ok(()) => {
                for (_, done) in waiting {
                    drop(done.send(Ok(())));
                }
            }
            Err(error) if waiting.len() == 1 => {
                for (_, done) in waiting {
                    drop(done.send(Err(again(&error))));
                }
            }
            Err(_) => {
                for (rows, done) in waiting {
                    let rows: Vec<&Row> = rows.iter().collect();
                    drop(done.send(self.transact(&rows).await));
                }
            }
        }
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

    async fn transact(&mut self, rows: &[&Row]) -> Result<()> {
        let table = self.table;
        let connection = self.connection().await?;
        let outcome = insert_all(connection, table, rows).await;
        if outcome.is_err() {
            // Whatever state the connection is in, a new one starts clean.
            if let Some(connection) = self.connection.take() {
                drop(connection.close().await);
            }
        }
        outcome.map_err(|error| failed("write to", error))
    }

    /// SQLite counts the commits of other connections for us.
    async fn look(&mut self) -> Result<()> {
        let connection = self.connection().await?;
        let version: i64 = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(connection)
            .await
            .map_err(|error| failed("read", error))?;
        let before = self.seen_version.replace(version);
        if before != Some(version) {
            self.foreign_writes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn tidy(&mut self) -> Result<()> {
        let connection = self.connection().await?;
        let tidied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await;
        tidied.map(drop).map_err(|error| failed("tidy up", error))
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
    let row = format!("({})", vec!["?"; table.columns].join(","));
    format!("INSERT INTO {} VALUES {}", table.target, vec![row; rows].join(","))
}

fn failed(what: &str, error: sqlx::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {what} the database")).because(error)
}

fn again(error: &Error) -> Error {
    Error::new(error.kind, error.chain())
}
