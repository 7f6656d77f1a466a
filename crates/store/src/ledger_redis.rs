//! Counters of the ledger in Redis: they say no at once, and for all machines.
//!
//! The database is the truth. Money is held only by it, so nobody overspends whatever is in Redis,
//! or if it is empty, old or meddled with. But a budget that is used up makes every further request
//! ask the database in vain; here the counters answer it, in one trip to Redis.
//!
//! After every transaction the counters of its accounts are put into Redis, all of one account at
//! once and never those of an older transaction over those of a younger one (a Lua script compares
//! how many lines the ledger had). They count for [`FRESH`] only: then one request asks the database
//! again, and what it finds counts for as long. A Redis that comes back empty is filled from the
//! database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::ledger::{Entry, Ledger, Needs, Sheet, Slot, Wanted, Work};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::time::Timestamp;
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, RedisError, Script};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::ledger_sql::{self as form, CounterRow};
use crate::redis_link;

/// For how long counters in Redis are believed, unless the caller says otherwise.
pub const FRESH: Duration = Duration::from_secs(2);
/// What keys begin with: `intendant:budget:<account>:<period's begin in seconds>` is a hash of amounts.
const PREFIX: &str = "intendant:budget:";
/// There as long as Redis holds what was ever put into it.
const FILLED: &str = "intendant:budget:filled";
/// Transactions that wait to be told of; further ones are not told.
const WAITING_MAX: usize = 1_024;
/// Most counters that an empty Redis is filled with, the newest.
const FILLED_MAX: u32 = 10_000;
/// Counters are forgotten by Redis after so long without change.
const KEEP: Duration = Duration::from_secs(62 * 24 * 3_600);
/// How long Redis may take to be asked; the database is asked then.
const ASK_TIMEOUT: Duration = Duration::from_millis(50);
/// How long a Redis that did not answer is not asked again.
const REST: Duration = Duration::from_secs(1);
/// How long what is done by hand waits for Redis to know of it.
const BY_HAND_TIMEOUT: Duration = Duration::from_millis(500);

/// Puts one account: `KEYS` are what is believed, the number of lines it follows from, the mark that
/// Redis was filled, and a hash for each slot. Tells whether the mark is there.
const PUT: &str = "
local newest = tonumber(redis.call('GET', KEYS[2]) or '-1')
if tonumber(ARGV[1]) >= newest then
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[2])
  local names = {'spent_micros', 'reserved_micros', 'granted_micros', 'saved_micros', 'uncertain_micros', 'requests'}
  for i = 4, #KEYS do
    for n, name in ipairs(names) do
      redis.call('HSET', KEYS[i], name, ARGV[4 + (i - 4) * #names + n])
    end
    redis.call('EXPIRE', KEYS[i], ARGV[3])
  end
end
return redis.call('EXISTS', KEYS[3])
";

/// A ledger whose counters are in Redis too.
pub struct Counted {
    ledger: Arc<dyn Ledger>,
    connection: ConnectionManager,
    rests_until: Mutex<Option<Instant>>,
    news: mpsc::Sender<News>,
}

/// What became of some accounts, and who waits until Redis knows.
struct News {
    accounts: BTreeMap<String, Account>,
    known: Option<oneshot::Sender<()>>,
}

/// All that is known of one account.
struct Account {
    /// How many lines the ledger had.
    lines: i64,
    rows: Vec<CounterRow>,
}

impl Counted {
    /// Puts counters into the Redis at a URL or host, where they are believed for `fresh`.
    ///
    /// # Errors
    /// When the address cannot be used. Nothing is connected.
    pub fn start(ledger: Arc<dyn Ledger>, url: &str, fresh: Duration) -> Result<Self> {
        let config = EndpointConfig { url: Some(url.to_owned()), ..EndpointConfig::default() };
        let connection = redis_link::read(&config, "budget.redis", 0, "")?.connect()?;
        let (news, receiver) = mpsc::channel(WAITING_MAX);
        let teller = Teller {
            ledger: Arc::clone(&ledger),
            connection: connection.clone(),
            script: Script::new(PUT),
            fresh,
            is_filled: false,
            is_away: false,
        };
        tokio::spawn(teller.run(receiver));
        Ok(Self { ledger, connection, rests_until: Mutex::default(), news })
    }

    async fn ask(&self, needs: &Needs) -> Option<Sheet> {
        let rests_until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if needs.accounts.is_empty() || rests_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let keys: Vec<String> = needs.accounts.iter().map(|(account, _)| believed(account)).collect();
        let mut connection = self.connection.clone();
        let asked = tokio::time::timeout(ASK_TIMEOUT, connection.mget(&keys)).await;
        let found: Option<Vec<Option<String>>> = asked.ok().and_then(std::result::Result::ok);
        let rests_until = found.is_none().then(|| Instant::now() + REST);
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = rests_until;
        let mut sheet = Sheet::default();
        for text in found?.into_iter().flatten() {
            form::take_counters(&mut sheet, serde_json::from_str(&text).ok()?);
        }
        Some(sheet)
    }
}

fn believed(account: &str) -> String {
    format!("{PREFIX}{account}")
}

impl Ledger for Counted {
    fn transact(&self, needs: Needs, work: Work) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let wanted: Vec<String> = needs.accounts.iter().map(|(account, _)| account.clone()).collect();
            let seen = Arc::new(Mutex::new((BTreeMap::new(), false)));
            let place = Arc::clone(&seen);
            let observed: Work = Box::new(move |sheet: &mut Sheet| {
                let before = sheet.entries.len();
                work(sheet);
                let is_by_hand = sheet.entries[before..].iter().any(|entry| !entry.actor.is_empty());
                let accounts = accounts_of(sheet, wanted);
                *place.lock().unwrap_or_else(PoisonError::into_inner) = (accounts, is_by_hand);
            });
            self.ledger.transact(needs, observed).await?;
            let (accounts, is_by_hand) =
                std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
            let (known, until_known) = oneshot::channel();
            // With a Redis that is away too much would wait; the next transaction tells the sums again.
            let told = self.news.try_send(News { accounts, known: is_by_hand.then_some(known) });
            if is_by_hand && told.is_ok() {
                // Whoever did it may end now, and with it the task that tells.
                drop(tokio::time::timeout(BY_HAND_TIMEOUT, until_known).await);
            }
            Ok(())
        })
    }

    fn glance<'a>(&'a self, needs: &'a Needs) -> BoxFuture<'a, Option<Sheet>> {
        Box::pin(self.ask(needs))
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

/// Accounts of a sheet that have counters, each with all that the sheet holds of it.
fn accounts_of(sheet: &Sheet, wanted: impl IntoIterator<Item = String>) -> BTreeMap<String, Account> {
    let lines = sheet.lines + i64::try_from(sheet.entries.len()).unwrap_or(i64::MAX);
    let account = |name: String| {
        let first = (name.clone(), Timestamp::from_micros(i64::MIN));
        let last = (name.clone(), Timestamp::from_micros(i64::MAX));
        let mut rows: Vec<CounterRow> =
            sheet.counters.range(first..=last).map(|(slot, counter)| form::row_of(slot, counter)).collect();
        if rows.is_empty() {
            return None;
        }
        rows.extend(sheet.limits.get(&name).map(|limit| form::limit_row(&name, *limit)));
        Some((name, Account { lines, rows }))
    };
    wanted.into_iter().filter_map(account).collect()
}

/// Puts news into Redis, one after the other.
struct Teller {
    ledger: Arc<dyn Ledger>,
    connection: ConnectionManager,
    script: Script,
    fresh: Duration,
    /// Redis holds what it was filled with.
    is_filled: bool,
    is_away: bool,
}

impl Teller {
    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let mut waiting = Vec::new();
        while news.recv_many(&mut waiting, WAITING_MAX).await > 0 {
            // Of each account the last news is enough.
            let (mut accounts, mut known) = (BTreeMap::new(), Vec::new());
            for news in waiting.drain(..) {
                accounts.extend(news.accounts);
                known.extend(news.known);
            }
            match self.tell(&accounts).await {
                Ok(()) if self.is_away => {
                    tracing::info!("redis is told of counters again");
                    self.is_away = false;
                }
                Ok(()) => {}
                Err(error) => {
                    if !self.is_away {
                        tracing::warn!(%error, "redis cannot be told of counters; the database decides alone");
                    }
                    (self.is_away, self.is_filled) = (true, false);
                }
            }
            for known in known {
                let _ = known.send(());
            }
        }
    }

    async fn tell(&mut self, accounts: &BTreeMap<String, Account>) -> std::result::Result<(), RedisError> {
        let mut is_filled = self.is_filled;
        for (name, account) in accounts {
            is_filled &= self.put(name, account).await?;
        }
        if !is_filled {
            self.fill().await?;
        }
        self.is_filled = true;
        Ok(())
    }

    /// Puts all counters of the database into a Redis that lost them.
    async fn fill(&mut self) -> std::result::Result<(), RedisError> {
        let since = Timestamp::from_micros(i64::MIN);
        let sheet = match self.ledger.read(since, FILLED_MAX).await {
            Ok(sheet) => sheet,
            Err(error) => {
                tracing::warn!(error = error.chain(), "redis cannot be filled with counters");
                return Ok(());
            }
        };
        let names: BTreeSet<String> = sheet.counters.keys().map(|(account, _)| account.clone()).collect();
        for (name, account) in accounts_of(&sheet, names) {
            self.put(&name, &account).await?;
        }
        self.connection.set::<_, _, ()>(FILLED, 1).await
    }

    /// Whether Redis still holds what it was filled with.
    async fn put(&mut self, name: &str, account: &Account) -> std::result::Result<bool, RedisError> {
        let mut invocation = self.script.prepare_invoke();
        let believed = believed(name);
        invocation.key(&believed).key(format!("{believed}:lines")).key(FILLED);
        let fresh_ms = u64::try_from(self.fresh.as_millis()).unwrap_or(u64::MAX).max(1);
        let rows = serde_json::to_value(&account.rows).unwrap_or(Value::Null).to_string();
        invocation.arg(account.lines).arg(fresh_ms).arg(KEEP.as_secs()).arg(rows);
        for (_, slot, spent, reserved, granted, saved, uncertain, requests, _) in &account.rows {
            let Some(slot) = slot else { continue };
            invocation.key(format!("{believed}:{}", slot.div_euclid(1_000_000)));
            for amount in [spent, reserved, granted, saved, uncertain, requests] {
                invocation.arg(*amount);
            }
        }
        let is_filled: i64 = invocation.invoke_async(&mut self.connection).await?;
        Ok(is_filled == 1)
    }
}
