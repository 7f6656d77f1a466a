//! The ledger of spent money in SQLite or PostgreSQL.
//!
//! All work of a process goes through one writer, and whatever piles up while it is busy shares one
//! transaction; between processes the transaction holds the database's lock from its first read to
//! its commit. So decisions see what all others decided, and there is nothing to try again. SQL and
//! the form of rows are in [`crate::ledger_sql`]; the databases differ in how the lock is taken, and
//! in where the writer runs.

use std::sync::Arc;
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::ledger::{Entry, Ledger, Needs, Sheet, Slot, Wanted, Work};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;

use crate::group::{self, again};
use crate::ledger_postgres::PostgresLedger;
use crate::ledger_sql::{self as form, Changes, CounterRow};
use crate::ledger_sqlite::SqliteLedger;
use crate::sql_settings::{self, SqlEnvironment, SqlSettings};
use crate::sqlite_file::Durability;

/// Where the ledger is unless settings say otherwise.
pub const DATABASE_DEFAULT: &str = "budget.db";
/// Most works in one transaction.
const BATCH_MAX: usize = 64;
/// Works that wait for the task; callers wait beyond that.
const WAITING_MAX: usize = 4096;
/// How long a transaction may take, waiting for other processes included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long callers wait: for the transaction before their own, and for their own. A writer that waits
/// for its database itself cannot be interrupted.
const CALLER_TIMEOUT: Duration = Duration::from_secs(60);
/// Transactions between two sweeps of requests that ended long ago.
const TRANSACTIONS_PER_SWEEP: u64 = 2_000;
/// Ended requests are kept so long for repetitions of them.
const KEEP_MICROS: i64 = 2 * 24 * 3_600 * 1_000_000;

/// Opens the ledger at a URL (`postgresql://…`, `sqlite:///…`) or in a file.
///
/// # Errors
/// When the database cannot be used.
pub async fn open(
    database: Option<&str>,
    environment: &SqlEnvironment,
    durability: Durability,
) -> Result<Arc<dyn Ledger>> {
    let database = database.unwrap_or(DATABASE_DEFAULT);
    let mut config = EndpointConfig::default();
    match database.contains("://") {
        true => config.url = Some(database.to_owned()),
        false => drop(config.extra.insert("db".to_owned(), database.into())),
    }
    Ok(match sql_settings::read(&config, "budget.database", DATABASE_DEFAULT, environment)? {
        SqlSettings::Sqlite(path) => {
            Arc::new(GroupLedger::start(SqliteLedger::open(&path, durability).await?)?)
        }
        SqlSettings::Postgres(settings) => {
            Arc::new(GroupLedger::start(PostgresLedger::open(&settings).await?)?)
        }
        SqlSettings::MySql(_) => return Err(SqlSettings::no_mysql("budget.database")),
    })
}

/// A database that holds the ledger.
pub trait Database: Send + Sync + Sized + 'static {
    /// The connection that writes.
    type Writer: Send;
    /// The thread on which the writer runs alone, if it waits for the database itself.
    const THREAD: Option<&'static str> = None;

    /// Connects.
    fn connect(&self) -> BoxFuture<'_, Result<Self::Writer>>;

    /// Takes the lock and loads what is needed.
    fn begin<'a>(writer: &'a mut Self::Writer, needs: &'a Needs) -> BoxFuture<'a, Result<Sheet>>;

    /// Stores what changed and gives the lock back.
    fn commit(writer: &mut Self::Writer, changes: Changes) -> BoxFuture<'_, Result<()>>;

    /// Removes requests that ended and were begun before a time.
    fn sweep(writer: &mut Self::Writer, before: Timestamp) -> BoxFuture<'_, Result<()>>;

    /// Takes the lock and makes all counters anew from the lines; gives those that are kept differently.
    fn begin_mending(writer: &mut Self::Writer) -> BoxFuture<'_, Result<Vec<CounterRow>>>;

    /// See [`Ledger::read`].
    fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>>;

    /// See [`Ledger::history`].
    fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>>;
}

/// A ledger whose work is done by one writer, which ends with it.
pub struct GroupLedger<D> {
    database: Arc<D>,
    jobs: mpsc::Sender<Job>,
}

enum Job {
    Transact { needs: Needs, work: Work, done: oneshot::Sender<Result<()>> },
    Rebuild { done: oneshot::Sender<Result<Vec<Slot>>> },
}

impl<D: Database> GroupLedger<D> {
    /// Starts the writer.
    ///
    /// # Errors
    /// When there is no place for it to run.
    pub fn start(database: D) -> Result<Self> {
        let database = Arc::new(database);
        let (jobs, receiver) = mpsc::channel(WAITING_MAX);
        let writer = Writer { database: Arc::clone(&database), connection: None, transactions: 0 };
        group::run_beside(D::THREAD, writer.run(receiver))?;
        Ok(Self { database, jobs })
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job) -> Result<T> {
        let (done, answer) = oneshot::channel();
        let gone = || Error::new(Kind::Unavailable, "the writer of the ledger has ended");
        self.jobs.send(job(done)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl<D: Database> Ledger for GroupLedger<D> {
    fn transact(&self, needs: Needs, work: Work) -> BoxFuture<'_, Result<()>> {
        let transacted = self.ask(|done| Job::Transact { needs, work, done });
        Box::pin(async { tokio::time::timeout(CALLER_TIMEOUT, transacted).await.unwrap_or_else(late) })
    }

    fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>> {
        self.database.read(since, counters_max)
    }

    fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>> {
        self.database.history(wanted)
    }

    fn rebuild(&self) -> BoxFuture<'_, Result<Vec<Slot>>> {
        Box::pin(self.ask(|done| Job::Rebuild { done }))
    }
}

struct Writer<D: Database> {
    database: Arc<D>,
    connection: Option<D::Writer>,
    transactions: u64,
}

impl<D: Database> Writer<D> {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut needs = Needs::default();
            let mut works = Vec::new();
            let mut rebuilding = Vec::new();
            for job in batch.drain(..) {
                match job {
                    Job::Transact { needs: more, work, done } => {
                        needs.accounts.extend(more.accounts);
                        needs.requests.extend(more.requests);
                        needs.overdue_before = needs.overdue_before.max(more.overdue_before);
                        works.push((work, done));
                    }
                    Job::Rebuild { done } => rebuilding.push(done),
                }
            }
            if !works.is_empty() {
                let (works, waiting): (Vec<Work>, Vec<_>) = works.into_iter().unzip();
                let outcome =
                    self.within_time(async |writer: &mut Self| writer.transact(&needs, works).await).await;
                for done in waiting {
                    // Nobody may be waiting for the answer any more; the work is done all the same.
                    drop(done.send(again(&outcome)));
                }
            }
            for done in rebuilding {
                let outcome = self.rebuild().await;
                if outcome.is_err() {
                    self.connection = None;
                }
                drop(done.send(outcome));
            }
        }
    }

    async fn transact(&mut self, needs: &Needs, works: Vec<Work>) -> Result<()> {
        let connection = self.connection().await?;
        let mut sheet = D::begin(connection, needs).await?;
        let before = sheet.clone();
        for work in works {
            work(&mut sheet);
        }
        let changes = Changes::between(&before, sheet);
        let newest = changes.newest;
        D::commit(connection, changes).await?;
        self.transactions += 1;
        if self.transactions.is_multiple_of(TRANSACTIONS_PER_SWEEP)
            && let Some(newest) = newest
        {
            let before = Timestamp::from_micros(newest.micros.saturating_sub(KEEP_MICROS));
            D::sweep(self.connection().await?, before).await?;
        }
        Ok(())
    }

    async fn rebuild(&mut self) -> Result<Vec<Slot>> {
        let connection = self.connection().await?;
        let (changes, wrong) = form::mended(D::begin_mending(connection).await?);
        D::commit(connection, changes).await?;
        Ok(wrong)
    }

    /// After an error a connection may be in any state, a transaction open; a new one starts clean.
    async fn within_time(&mut self, work: impl AsyncFnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let outcome = tokio::time::timeout(ANSWER_TIMEOUT, work(self)).await.unwrap_or_else(late);
        if let Err(error) = &outcome {
            tracing::error!(error = error.chain(), "the ledger cannot be written");
            self.connection = None;
        }
        outcome
    }

    async fn connection(&mut self) -> Result<&mut D::Writer> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }
}

fn late<T>(_: Elapsed) -> Result<T> {
    Err(Error::new(Kind::Timeout, "the ledger's database does not answer"))
}
