//! Counters of the ledger in Redis, for whoever wants to look at them there.
//!
//! The database decides; Redis is told afterwards. What is told may be late by a moment or lost with
//! Redis, and nothing is ever decided by it: so an empty, old or meddled-with Redis lets nobody
//! overspend.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::ledger::{Counter, Entry, Ledger, Needs, Sheet, Slot, Wanted, Work};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::time::Timestamp;
use redis::aio::ConnectionManager;
use tokio::sync::mpsc;

use crate::redis_link;

/// What keys begin with: `intendant:budget:<account>:<period's begin in seconds>`.
const PREFIX: &str = "intendant:budget:";
/// Transactions that wait to be told of; further ones are not told.
const WAITING_MAX: usize = 1_024;
/// Counters are forgotten by Redis after so long without change.
const KEEP: Duration = Duration::from_secs(62 * 24 * 3_600);

/// A ledger whose counters are also told to Redis.
pub struct Mirrored {
    ledger: Arc<dyn Ledger>,
    counters: mpsc::Sender<Vec<(Slot, Counter)>>,
}

impl Mirrored {
    /// Tells a Redis at a URL or host.
    ///
    /// # Errors
    /// When the address cannot be used. Nothing is connected.
    pub fn start(ledger: Arc<dyn Ledger>, url: &str) -> Result<Self> {
        let config = EndpointConfig { url: Some(url.to_owned()), ..EndpointConfig::default() };
        let connection = redis_link::read(&config, "budget.redis", 0, "")?.connect()?;
        let (counters, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(tell_all(connection, receiver));
        Ok(Self { ledger, counters })
    }
}

async fn tell_all(connection: ConnectionManager, mut counters: mpsc::Receiver<Vec<(Slot, Counter)>>) {
    let mut is_away = false;
    while let Some(changed) = counters.recv().await {
        let outcome = tell(connection.clone(), &changed).await;
        match outcome {
            Ok(()) => is_away = false,
            Err(error) if !is_away => {
                tracing::warn!(%error, "redis cannot be told of counters");
                is_away = true;
            }
            Err(_) => {}
        }
    }
}

async fn tell(
    mut connection: ConnectionManager,
    changed: &[(Slot, Counter)],
) -> std::result::Result<(), redis::RedisError> {
    let mut pipeline = redis::pipe();
    for ((account, slot), counter) in changed {
        let key = format!("{PREFIX}{account}:{}", slot.micros.div_euclid(1_000_000));
        let fields = [
            ("spent_micros", counter.spent.micros),
            ("reserved_micros", counter.reserved.micros),
            ("granted_micros", counter.granted.micros),
            ("saved_micros", counter.saved.micros),
            ("uncertain_micros", counter.uncertain.micros),
            ("requests", counter.requests),
        ];
        pipeline.hset_multiple(&key, &fields).ignore();
        pipeline.expire(&key, i64::try_from(KEEP.as_secs()).unwrap_or(i64::MAX)).ignore();
    }
    pipeline.query_async(&mut connection).await
}

impl Ledger for Mirrored {
    fn transact(&self, needs: Needs, work: Work) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let changed = Arc::new(Mutex::new(Vec::new()));
            let place = Arc::clone(&changed);
            let observed: Work = Box::new(move |sheet: &mut Sheet| {
                let before = sheet.counters.clone();
                work(sheet);
                let differing =
                    sheet.counters.iter().filter(|(slot, counter)| before.get(*slot) != Some(counter));
                let differing = differing.map(|(slot, counter)| (slot.clone(), counter.clone())).collect();
                *place.lock().unwrap_or_else(PoisonError::into_inner) = differing;
            });
            self.ledger.transact(needs, observed).await?;
            let changed = std::mem::take(&mut *changed.lock().unwrap_or_else(PoisonError::into_inner));
            if !changed.is_empty() {
                // With a Redis that is away too much would wait; the next change tells the sums again.
                drop(self.counters.try_send(changed));
            }
            Ok(())
        })
    }

    fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>> {
        self.ledger.read(since, counters_max)
    }

    fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>> {
        self.ledger.history(wanted)
    }

    fn rebuild(&self) -> BoxFuture<'_, Result<Vec<Slot>>> {
        self.ledger.rebuild()
    }
}
