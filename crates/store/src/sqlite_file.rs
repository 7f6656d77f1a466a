//! A SQLite file as the one thread has it that writes to it.
//!
//! A transaction in the write-ahead log is a few system calls, and handing it to another thread takes
//! longer than that. So who writes has a thread of its own and waits there for the database: a caller
//! wakes it once and is woken once.
//!
//! The log with `synchronous = NORMAL` makes a commit one write to a file that the operating system
//! keeps: acknowledged rows survive the death of the process; the loss of power may cost the last
//! moments, never the database. SQLite would fold the log into the database in the middle of some
//! write, and wait for the disk there. Here a second thread does it beside the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use intendant_port::error::{Error, Kind, Result};
use rusqlite::{Connection, Params, Row};

/// How long to wait for another process's transaction.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the log is folded into the database: so often that it is done in a few milliseconds,
/// for messages wait for a core meanwhile.
const FOLD_INTERVAL: Duration = Duration::from_millis(100);
/// Frames of the log, of 4 KiB each, after which the writer begins it anew.
const LOG_FRAMES_MAX: i64 = 16_000;
/// Readers are waited for, but not long; the last timeout is [`BUSY_TIMEOUT`].
const BEGIN_ANEW: &str =
    "PRAGMA busy_timeout = 50; PRAGMA wal_checkpoint(RESTART); PRAGMA busy_timeout = 5000";

/// What an acknowledged line survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process; the loss of power may cost the last moments.
    #[default]
    Process,
    /// The loss of power too, for a wait for the disk with every transaction.
    Power,
}

/// A file, and what is known of its write-ahead log.
pub(crate) struct SqliteFile {
    path: PathBuf,
    durability: Durability,
    /// Tells the thread that folds the log that something was written; that thread ends with it.
    written: SyncSender<()>,
    /// The log is so long that it should begin anew.
    is_long: Arc<AtomicBool>,
}

impl SqliteFile {
    /// Starts the thread that folds the log. A file that exists, with its tables, is opened with the first
    /// write.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(path: &Path, durability: Durability) -> Result<Arc<Self>> {
        let (written, told) = sync_channel(1);
        let is_long = Arc::new(AtomicBool::new(false));
        let folding = Folding { path: path.to_owned(), durability, told, is_long: Arc::clone(&is_long) };
        let thread = thread::Builder::new().name("sqlite-log".to_owned());
        thread.spawn(move || folding.run()).map_err(|error| {
            let message = format!("cannot start a thread beside the database {}", path.display());
            Error::new(Kind::Unavailable, message).because(error)
        })?;
        Ok(Arc::new(Self { path: path.to_owned(), durability, written, is_long }))
    }

    /// Connects for writing.
    pub fn connect(self: &Arc<Self>) -> rusqlite::Result<SqliteConnection> {
        Ok(SqliteConnection { inner: connect(&self.path, self.durability)?, file: Arc::clone(self) })
    }
}

fn connect(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let synchronous = match durability {
        Durability::Process => "NORMAL",
        Durability::Power => "FULL",
    };
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 0"
    ))?;
    Ok(connection)
}

/// The connection that writes. Statements are prepared once.
pub(crate) struct SqliteConnection {
    inner: Connection,
    file: Arc<SqliteFile>,
}

impl SqliteConnection {
    /// Takes the lock of the database.
    pub fn begin(&self) -> rusqlite::Result<()> {
        if self.file.is_long.swap(false, Ordering::Relaxed) {
            // Nearly all of it is folded already. Readers of old states may forbid it for now.
            drop(self.inner.execute_batch(BEGIN_ANEW));
        }
        self.execute("BEGIN IMMEDIATE", [])
    }

    /// Makes what was done since [`Self::begin`] last, and gives the lock back.
    pub fn commit(&self) -> rusqlite::Result<()> {
        self.execute("COMMIT", [])?;
        // What is told already need not be told again.
        let _ = self.file.written.try_send(());
        Ok(())
    }

    /// Executes a statement that gives no rows.
    pub fn execute(&self, statement: &str, parameters: impl Params) -> rusqlite::Result<()> {
        self.execute_all(statement, [parameters])
    }

    /// Executes a statement that gives no rows, once with each of these.
    pub fn execute_all<P: Params>(
        &self,
        statement: &str,
        parameters: impl IntoIterator<Item = P>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.inner.prepare_cached(statement)?;
        for parameters in parameters {
            statement.execute(parameters)?;
        }
        Ok(())
    }

    /// The rows of a query.
    pub fn rows<T>(&self, query: &str, parameters: impl Params) -> rusqlite::Result<Vec<T>>
    where
        T: for<'a> TryFrom<&'a Row<'a>, Error = rusqlite::Error>,
    {
        self.inner.prepare_cached(query)?.query_map(parameters, |row| T::try_from(row))?.collect()
    }
}

struct Folding {
    path: PathBuf,
    durability: Durability,
    told: Receiver<()>,
    is_long: Arc<AtomicBool>,
}

impl Folding {
    /// Folds the log into the database while the writer goes on, as long as there is a writer.
    fn run(self) {
        let mut connection = None;
        while self.told.recv().is_ok() {
            thread::sleep(FOLD_INTERVAL);
            if self.told.try_recv() == Err(TryRecvError::Disconnected) {
                return;
            }
            match self.fold(&mut connection) {
                Ok(frames) => self.is_long.store(frames > LOG_FRAMES_MAX, Ordering::Relaxed),
                Err(error) => {
                    connection = None;
                    tracing::debug!(%error, "the log of the database cannot be folded now");
                }
            }
        }
    }

    /// Gives the length of the log.
    fn fold(&self, connection: &mut Option<Connection>) -> rusqlite::Result<i64> {
        let open = match connection.take() {
            Some(open) => open,
            None => connect(&self.path, self.durability)?,
        };
        connection.insert(open).query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
    }
}
