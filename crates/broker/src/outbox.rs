//! Events on their way to a broker that may be away.
//!
//! Publishing writes to a journal and returns; one task sends what waits there, in order, and goes
//! on where it stopped as soon as the broker is back. Each event arrives at least once: after a
//! failure those under way are sent again.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::broker::EventBroker;
use intendant_port::error::{Error, Kind, Result};
use intendant_store::journal::Journal;
use intendant_talk::event::Event;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::payload;

/// About how many bytes are sent before they are confirmed.
const BATCH_BYTES: usize = 256 << 10;
/// How long a broker may take to confirm them.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the end of the process waits for a broker that takes nothing.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection without traffic is looked after.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);
/// Most bytes that wait in memory where there is no journal.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// A way to a broker. It connects when it has to.
pub trait Transport: Send + 'static {
    /// Sends payloads in order; they have arrived when it returns. After an error some may have.
    fn send<'a>(&'a mut self, payloads: &'a [String]) -> BoxFuture<'a, Result<()>>;

    /// Connects where that was not done yet, and looks after a connection without traffic.
    fn idle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Forgets the connection, in whatever state it is.
    fn reset(&mut self);
}

/// What becomes of events that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// They wait.
    Keep,
    /// They are dropped (`should_keep_unpublished_messages: false`).
    Drop,
}

/// How an outbox behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What becomes of events that cannot be sent.
    pub unsent: Unsent,
    /// Time between attempts.
    pub retry_delay: Duration,
}

/// A broker behind a journal.
pub struct Outbox {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    backlog: Mutex<Backlog>,
    arrived: Notify,
    /// How many batches have been passed on.
    batches: AtomicU64,
    settings: Settings,
}

/// What waits.
pub enum Backlog {
    /// In a file that outlives the process.
    File(Journal),
    /// In memory, where no file can be written or nothing is to be kept.
    Memory(VecDeque<String>),
}

impl Backlog {
    /// A journal in this folder, or memory where it cannot be written.
    pub fn open(folder: &Path, name: &str) -> Self {
        match Journal::open(folder, name) {
            Ok(journal) => Self::File(journal),
            Err(error) => {
                tracing::warn!(
                    error = error.chain(),
                    "events that wait for the broker are kept in memory only"
                );
                Self::Memory(VecDeque::new())
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::File(journal) => journal.is_empty(),
            Self::Memory(lines) => lines.is_empty(),
        }
    }

    fn append(&mut self, payloads: Vec<String>) -> Result<()> {
        match self {
            Self::File(journal) => journal.append(&payloads),
            Self::Memory(lines) => {
                let bytes: usize = lines.iter().map(String::len).sum();
                if bytes > MEMORY_BYTES_MAX {
                    return Err(Error::new(Kind::Unavailable, "too many events wait for the broker"));
                }
                lines.extend(payloads);
                Ok(())
            }
        }
    }

    /// The oldest payloads, and what [`Backlog::pass`] wants to be told.
    fn next(&mut self) -> Result<Option<(Vec<String>, u64)>> {
        match self {
            Self::File(journal) => Ok(journal.next_lines(BATCH_BYTES)?.map(|lines| (lines.lines, lines.end))),
            Self::Memory(lines) if lines.is_empty() => Ok(None),
            Self::Memory(lines) => {
                let batch: Vec<String> = lines.iter().take(256).cloned().collect();
                let count = batch.len() as u64;
                Ok(Some((batch, count)))
            }
        }
    }

    fn pass(&mut self, end: u64) -> Result<()> {
        match self {
            Self::File(journal) => journal.pass(end),
            Self::Memory(lines) => {
                lines.drain(..usize::try_from(end).unwrap_or(usize::MAX).min(lines.len()));
                Ok(())
            }
        }
    }
}

impl Outbox {
    /// Starts to send what is in the backlog and what will come.
    pub fn start(transport: impl Transport, backlog: Backlog, settings: Settings) -> Self {
        if !backlog.is_empty() {
            tracing::info!("events of an earlier run wait for the broker");
        }
        let shared = Arc::new(Shared {
            backlog: Mutex::new(backlog),
            arrived: Notify::new(),
            batches: AtomicU64::new(0),
            settings,
        });
        let task = tokio::spawn(Arc::clone(&shared).send_all(transport)).abort_handle();
        Self { shared, task }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EventBroker for Outbox {
    fn publish<'a>(&'a self, sender_id: &'a str, events: &'a [Arc<Event>]) -> BoxFuture<'a, Result<()>> {
        let payloads = events.iter().map(|event| payload(sender_id, event).to_string()).collect();
        // An append to a local file is shorter than handing it to another thread.
        let written = self.shared.backlog().append(payloads);
        self.shared.arrived.notify_one();
        Box::pin(std::future::ready(written))
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut seen = (self.shared.batches.load(Ordering::Relaxed), Instant::now());
            while !self.shared.backlog().is_empty() {
                let batches = self.shared.batches.load(Ordering::Relaxed);
                if batches != seen.0 {
                    seen = (batches, Instant::now());
                }
                if seen.1.elapsed() > FLUSH_TIMEOUT {
                    return Err(Error::new(
                        Kind::Unavailable,
                        "events stay in the outbox for the next start",
                    ));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        })
    }
}

impl Shared {
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_all(self: Arc<Self>, mut transport: impl Transport) {
        let mut is_failing = false;
        let mut is_connected = false;
        loop {
            let next = self.backlog().next();
            let outcome = match &next {
                Ok(Some((payloads, _))) => limited(transport.send(payloads)).await,
                // A broker that cannot be reached is told of before there is anything to send.
                Ok(None) if !is_connected => limited(transport.idle()).await,
                Ok(None) => tokio::select! {
                    () = self.arrived.notified() => continue,
                    () = tokio::time::sleep(IDLE_INTERVAL) => limited(transport.idle()).await,
                },
                Err(error) => Err(Error::new(error.kind, error.chain())),
            };
            is_connected = outcome.is_ok();
            match outcome {
                Ok(()) => {
                    if std::mem::take(&mut is_failing) {
                        tracing::info!("the event broker takes events again");
                    }
                    self.pass(next.ok().flatten());
                }
                Err(error) => {
                    transport.reset();
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(error = error.chain(), "the event broker fails; events wait");
                    }
                    if self.settings.unsent == Unsent::Drop {
                        self.pass(next.ok().flatten());
                    }
                    tokio::time::sleep(self.settings.retry_delay).await;
                }
            }
        }
    }

    fn pass(&self, batch: Option<(Vec<String>, u64)>) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        if let Some((_, end)) = batch
            && let Err(error) = self.backlog().pass(end)
        {
            tracing::error!(error = error.chain(), "events may be sent once more");
        }
    }
}

async fn limited(work: BoxFuture<'_, Result<()>>) -> Result<()> {
    tokio::time::timeout(CONFIRM_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err(Error::new(Kind::Timeout, "the event broker does not answer")))
}
