//! Group commit: one writer stores rows, and whatever piled up while it was busy shares one
//! transaction.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio::time::error::Elapsed;

/// Writes waiting for the writer; callers wait beyond that.
const WAITING_MAX: usize = 4096;
/// How long the database may take for one transaction before its connection is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long callers wait: for the transaction before their own, and for their own. A writer that waits
/// for its database itself cannot be interrupted.
const CALLER_TIMEOUT: Duration = Duration::from_secs(60);
/// From this time on a commit is worth sharing with writers who are not there yet.
const SLOW_COMMIT: Duration = Duration::from_millis(4);
/// They are waited for a commit's time divided by this,
const GATHERING_SHARE: u32 = 4;
/// but no longer than this, for the next commit may be quick.
const GATHERING_MAX: Duration = Duration::from_millis(5);

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that are written.
    pub columns: &'static [Column],
}

/// A column that is written.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What its fields are.
    pub kind: ColumnKind,
}

/// What the fields of a column are, besides null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ColumnKind {
    Text,
    Number,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Text }
    }

    /// A column of numbers.
    pub const fn number(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Number }
    }
}

impl Table {
    /// The names of the columns with commas between.
    pub fn column_names(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }
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

/// A connection that writes, and opens itself anew after an error.
///
/// An error of the kind [`Kind::Refused`] means that the database is well and will never take
/// these rows; after any other the caller cannot know whether they were written.
pub trait Connection: Send + 'static {
    /// Most writes in one transaction.
    const BATCH_MAX: usize;
    /// The thread on which the writer runs alone, if it waits for the database itself.
    const THREAD: Option<&'static str> = None;

    /// Inserts rows in order, all or none; committed when it returns.
    fn insert<'a>(&'a mut self, table: Table, rows: &'a [&'a Row]) -> BoxFuture<'a, Result<()>>;

    /// Whether others may have written since the last call.
    fn look(&mut self) -> BoxFuture<'_, Result<Foreign>>;

    /// Leaves the database tidy, for the end of the process.
    fn tidy(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Forgets the connection, in whatever state it is.
    fn reset(&mut self);
}

/// Whether others have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Foreign {
    Written,
    Nothing,
}

/// Writes rows by one writer, which ends when all clones are gone.
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
    /// Starts what writes to `table`.
    ///
    /// # Errors
    /// When there is no place for it to run.
    pub fn start<C: Connection>(connection: C, table: Table) -> Result<Self> {
        let (jobs, receiver) = mpsc::channel(WAITING_MAX);
        let foreign_writes = Arc::new(AtomicU64::new(0));
        let (foreign, pace) = (Arc::clone(&foreign_writes), Pace::default());
        let writer = Writer { connection, table, foreign_writes: foreign, pace };
        run_beside(C::THREAD, writer.run(receiver))?;
        Ok(Self { jobs, foreign_writes })
    }

    /// Writes rows in order, all or none; they are committed when this returns.
    pub async fn write(&self, rows: Vec<Row>) -> Result<()> {
        self.ask_in_time(|done| Job::Write { rows, done }).await
    }

    /// How often others were seen to have written, without looking again.
    pub fn foreign_writes(&self) -> u64 {
        self.foreign_writes.load(Ordering::Relaxed)
    }

    /// Looks whether others have written.
    pub async fn look(&self) -> Result<u64> {
        self.ask_in_time(|done| Job::Look { done }).await?;
        Ok(self.foreign_writes())
    }

    /// Leaves the database tidy.
    pub async fn tidy(&self) -> Result<()> {
        self.ask(|done| Job::Tidy { done }).await
    }

    async fn ask_in_time(&self, job: impl FnOnce(oneshot::Sender<Result<()>>) -> Job) -> Result<()> {
        tokio::time::timeout(CALLER_TIMEOUT, self.ask(job)).await.unwrap_or_else(late)
    }

    async fn ask(&self, job: impl FnOnce(oneshot::Sender<Result<()>>) -> Job) -> Result<()> {
        let (done, answer) = oneshot::channel();
        let gone = || Error::new(Kind::Unavailable, "the writer of the database has ended");
        self.jobs.send(job(done)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

struct Writer<C> {
    connection: C,
    table: Table,
    foreign_writes: Arc<AtomicU64>,
    pace: Pace,
}

/// What the last transactions were like.
#[derive(Clone, Copy, Default)]
struct Pace {
    commit: Duration,
    writes: usize,
    writes_before: usize,
}

impl Pace {
    /// Who gets the answer of a slow commit is soon back with the next write. Those who come first
    /// would begin another commit, and all others would wait for two.
    async fn gather(self, batch: &mut Vec<Job>, jobs: &mut mpsc::Receiver<Job>, batch_max: usize) {
        let expected = self.writes.max(self.writes_before).min(batch_max);
        let until = Instant::now() + (self.commit / GATHERING_SHARE).min(GATHERING_MAX);
        while self.commit >= SLOW_COMMIT && batch.len() < expected {
            let missing = expected - batch.len();
            let more = jobs.recv_many(batch, missing);
            if !tokio::time::timeout_at(until, more).await.is_ok_and(|count| count > 0) {
                return;
            }
        }
    }
}

type Waiting = Vec<(Vec<Row>, oneshot::Sender<Result<()>>)>;

impl<C: Connection> Writer<C> {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.recv_many(&mut batch, C::BATCH_MAX).await > 0 {
            self.pace.gather(&mut batch, &mut jobs, C::BATCH_MAX).await;
            let mut waiting = Waiting::new();
            let mut looking = Vec::new();
            let mut tidying = Vec::new();
            for job in batch.drain(..) {
                match job {
                    Job::Write { rows, done } => waiting.push((rows, done)),
                    Job::Look { done } => looking.push(done),
                    Job::Tidy { done } => tidying.push(done),
                }
            }
            // Nobody may be waiting for an answer any more; the work is done all the same.
            self.write(waiting).await;
            if !looking.is_empty() {
                let outcome = self.look().await;
                looking.into_iter().for_each(|done| drop(done.send(again(&outcome))));
            }
            if !tidying.is_empty() {
                let outcome = self.connection.tidy().await;
                tidying.into_iter().for_each(|done| drop(done.send(again(&outcome))));
            }
        }
    }

    /// Writes a batch in one transaction. If the database refuses it, each write goes in its own,
    /// so that one bad write does not take the others with it.
    async fn write(&mut self, waiting: Waiting) {
        if waiting.is_empty() {
            return;
        }
        let rows: Vec<&Row> = waiting.iter().flat_map(|(rows, _)| rows).collect();
        let start = Instant::now();
        let outcome = self.transact(&rows).await;
        self.pace = Pace { commit: start.elapsed(), writes: waiting.len(), writes_before: self.pace.writes };
        let is_refused = outcome.as_ref().is_err_and(|error| error.kind == Kind::Refused);
        for (rows, done) in waiting {
            let outcome = match is_refused {
                true => self.transact(&rows.iter().collect::<Vec<_>>()).await,
                false => again(&outcome),
            };
            drop(done.send(outcome));
        }
    }

    async fn transact(&mut self, rows: &[&Row]) -> Result<()> {
        let inserted = tokio::time::timeout(ANSWER_TIMEOUT, self.connection.insert(self.table, rows)).await;
        self.checked(inserted)
    }

    async fn look(&mut self) -> Result<()> {
        let looked = tokio::time::timeout(ANSWER_TIMEOUT, self.connection.look()).await;
        if self.checked(looked)? == Foreign::Written {
            self.foreign_writes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// After an error a connection may be in any state; a new one starts clean.
    fn checked<T>(&mut self, outcome: std::result::Result<Result<T>, Elapsed>) -> Result<T> {
        let outcome = outcome.unwrap_or_else(late);
        if outcome.is_err() {
            self.connection.reset();
        }
        outcome
    }
}

/// Runs a writer to its end: on a thread of its own, if it has the name for one, else as a task.
///
/// # Errors
/// When there is no thread to be had.
pub(crate) fn run_beside(thread: Option<&str>, run: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let Some(name) = thread else {
        tokio::spawn(run);
        return Ok(());
    };
    let unable = |error: std::io::Error| {
        Error::new(Kind::Unavailable, "cannot start the thread that writes to a database").because(error)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(unable)?;
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || runtime.block_on(run)).map(drop).map_err(unable)
}

fn late<T>(_: Elapsed) -> Result<T> {
    Err(Error::new(Kind::Timeout, "the database does not answer"))
}

/// The same outcome for another caller.
pub(crate) fn again(outcome: &Result<()>) -> Result<()> {
    outcome.as_ref().copied().map_err(|error| Error::new(error.kind, error.chain()))
}
