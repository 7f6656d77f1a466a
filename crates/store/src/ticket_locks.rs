//! The floor of conversations across processes: a queue of tickets per conversation, kept where all
//! processes reach it ([`Records`]).
//!
//! Who asks first is served first. A ticket expires unless its process renews it, so the floor of a
//! process that dies is passed on after the tickets' lifetime; a process that lives keeps its floor
//! as long as it needs, which Rasa's does not. While the records cannot be reached, callers wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::lock::{Continuity, Guard, LockStore};
use intendant_talk::time::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::lock::MemoryLocks;
use crate::ticket::{Place, Queue};

/// How long a ticket lives without being renewed, unless `TICKET_LOCK_LIFETIME` says otherwise.
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(10);
/// How long an acquirer or the end of the process waits for records that cannot be reached.
const OUTAGE_MAX: Duration = Duration::from_secs(30);
/// Pauses between looks at the queue; the first ones are short.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(2);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(50);
/// Pause between attempts to reach records that cannot be reached.
const OUTAGE_PAUSE: Duration = Duration::from_millis(100);

/// Where queues are kept, one text for each conversation.
pub trait Records: Send + Sync + 'static {
    /// The record of a conversation.
    fn get<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Option<String>>>;

    /// Writes a record if it still is `old`; tells whether it was.
    fn swap<'a>(
        &'a self,
        sender_id: &'a str,
        old: Option<&'a str>,
        new: &'a str,
    ) -> BoxFuture<'a, Result<bool>>;
}

/// The lock store of several processes.
pub struct TicketLocks {
    shared: Arc<Shared>,
}

struct Shared {
    records: Box<dyn Records>,
    lifetime: Duration,
    /// Names this process.
    process: String,
    /// Whoever asks first gets the first ticket.
    issuing: MemoryLocks,
    /// Floors held and tickets waiting in this process.
    held: Mutex<HashMap<u64, Held>>,
    next_key: AtomicU64,
    released: Notify,
    runtime: Handle,
}

#[derive(Clone)]
struct Held {
    sender_id: String,
    number: i64,
    /// The ticket's name.
    owner: String,
}

/// A conversation, and the name of the ticket for it.
type Asker<'a> = (&'a str, &'a str);

/// A ticket, until dropped.
struct Floor {
    shared: Arc<Shared>,
    key: u64,
}

impl TicketLocks {
    /// Locks whose queues are `records`. Tickets live for `lifetime` unless they are renewed.
    pub fn new(records: impl Records, lifetime: Duration) -> Self {
        let shared = Arc::new(Shared {
            records: Box::new(records),
            lifetime,
            process: uuid::Uuid::new_v4().simple().to_string(),
            issuing: MemoryLocks::default(),
            held: Mutex::default(),
            next_key: AtomicU64::new(0),
            released: Notify::new(),
            runtime: Handle::current(),
        });
        tokio::spawn(renew_all(Arc::downgrade(&shared), lifetime / 3));
        Self { shared }
    }
}

impl LockStore for TicketLocks {
    fn acquire<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Guard>> {
        Box::pin(async move {
            let issuing = self.shared.issuing.acquire(sender_id).await?;
            let shared = &self.shared;
            let key = shared.next_key.fetch_add(1, Ordering::Relaxed);
            let owner = format!("{}-{key}", shared.process);
            let number =
                shared.change((sender_id, &owner), |queue| queue.issue(&owner, shared.expiry())).await?;
            let floor = shared.take_in(key, Held { sender_id: sender_id.to_owned(), number, owner });
            drop(issuing);
            let continuity = shared.wait(sender_id, floor.key).await?;
            Ok(Guard::new(floor).with_continuity(continuity))
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let deadline = Instant::now() + OUTAGE_MAX;
            while !self.shared.held().is_empty() {
                if Instant::now() > deadline {
                    return Err(Error::new(
                        Kind::Unavailable,
                        "cannot give back the floors of conversations",
                    ));
                }
                tokio::time::sleep(LOOK_PAUSE_MIN).await;
            }
            Ok(())
        })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let (shared, key) = (Arc::clone(&self.shared), self.key);
        self.shared.runtime.spawn(async move { shared.release(key).await });
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expiry(&self) -> Timestamp {
        let lifetime = i64::try_from(self.lifetime.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(now().micros.saturating_add(lifetime))
    }

    fn take_in(self: &Arc<Self>, key: u64, held: Held) -> Floor {
        self.held().insert(key, held);
        Floor { shared: Arc::clone(self), key }
    }

    /// Changes a queue; waits while the records cannot be reached, and tries again when another
    /// process was faster.
    async fn change<T>(&self, asker: Asker<'_>, change: impl Fn(&mut Queue) -> T) -> Result<T> {
        let (sender_id, _) = asker;
        let started = Instant::now();
        let mut is_told = false;
        loop {
            match self.try_change(asker, &change).await {
                Ok(Some(changed)) => return Ok(changed),
                Ok(None) => tokio::task::yield_now().await,
                Err(error) if started.elapsed() > OUTAGE_MAX => {
                    return Err(
                        Error::new(error.kind, "cannot get the floor of a conversation").because(error)
                    );
                }
                Err(error) => {
                    if !is_told {
                        tracing::warn!(
                            sender_id,
                            error = error.chain(),
                            "the lock store fails; waiting for it"
                        );
                        is_told = true;
                    }
                    tokio::time::sleep(OUTAGE_PAUSE).await;
                }
            }
        }
    }

    async fn try_change<T>(
        &self,
        (sender_id, owner): Asker<'_>,
        change: &impl Fn(&mut Queue) -> T,
    ) -> Result<Option<T>> {
        let old = self.records.get(sender_id).await?;
        let before = Queue::read(old.as_deref());
        let mut queue = before.clone().without_expired(now(), owner);
        let changed = change(&mut queue);
        if queue == before {
            return Ok(Some(changed));
        }
        let is_written = self.records.swap(sender_id, old.as_deref(), &queue.text(sender_id)).await?;
        Ok(is_written.then_some(changed))
    }

    /// Waits until the ticket is served. A ticket that got lost, as when the records were emptied,
    /// is issued anew.
    async fn wait(&self, sender_id: &str, key: u64) -> Result<Continuity> {
        let mut pause = LOOK_PAUSE_MIN;
        loop {
            let released = self.released.notified();
            let Some(Held { number, owner, .. }) = self.held().get(&key).cloned() else {
                return Err(Error::new(Kind::Unavailable, "the ticket for a conversation is gone"));
            };
            let (place, number, was_held) =
                self.change((sender_id, &owner), |queue| self.look(queue, number, &owner)).await?;
            if let Some(held) = self.held().get_mut(&key) {
                held.number = number;
            }
            if place == Place::Served {
                return Ok(if was_held { Continuity::Unbroken } else { Continuity::Broken });
            }
            tokio::select! {
                () = released => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LOOK_PAUSE_MAX),
            }
        }
    }

    fn look(&self, queue: &mut Queue, number: i64, owner: &str) -> (Place, i64, bool) {
        let number = match queue.place(number, owner) {
            Place::Lost => queue.issue(owner, self.expiry()),
            Place::Served | Place::Waiting => number,
        };
        let place = queue.place(number, owner);
        let was_held = place == Place::Served && queue.hold(&self.process);
        (place, number, was_held)
    }

    /// Gives a ticket back. If that fails for long, the ticket expires by itself.
    async fn release(&self, key: u64) {
        let Some(Held { sender_id, number, owner }) = self.held().get(&key).cloned() else {
            return;
        };
        if let Err(error) = self.change((&sender_id, &owner), |queue| queue.remove(number, &owner)).await {
            tracing::warn!(sender_id, error = error.chain(), "cannot give back the floor; it expires");
        }
        self.held().remove(&key);
        self.released.notify_waiters();
    }

    /// Keeps the tickets of this process from expiring.
    async fn renew(&self) {
        let all: Vec<Held> = self.held().values().cloned().collect();
        for Held { sender_id, number, owner } in all {
            let outcome = self
                .try_change((&sender_id, &owner), &|queue: &mut Queue| {
                    queue.renew(number, &owner, self.expiry())
                })
                .await;
            match outcome {
                Ok(Some(false)) => tracing::debug!(sender_id, "the ticket for a conversation is gone"),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        sender_id,
                        error = error.chain(),
                        "cannot renew the ticket for a conversation"
                    );
                }
            }
        }
    }
}

async fn renew_all(shared: Weak<Shared>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.renew().await;
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
