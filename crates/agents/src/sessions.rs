//! Conversations between messages, in memory or in a database that several servers share.
//!
//! Messages of one conversation are answered one after the other: within a process by a lock, between
//! processes by a lease in the database. A conversation that nobody used for half an hour is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_agent::Session;
use intendant_store::agent_sessions::AgentSessions;
use tokio::sync::OwnedMutexGuard;

use crate::state;

/// How long a conversation is kept without use.
const LIFETIME_MS: i64 = 30 * 60 * 1000;
/// The most conversations that are kept in memory; beyond, the ones longest unused go.
const HELD_MAX: usize = 50_000;
/// Uses after which the unused are looked for.
const USES_MAX: usize = 1_000;
/// How often those in the database are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How long a conversation is taken for; longer than the webhook may take.
const LEASE: Duration = Duration::from_secs(15);
/// How long to wait for a conversation in which another server answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before looking again, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Why a message could not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A fault of ours; it is in the log.
    Failed,
    /// Another message of the same conversation is being answered for too long.
    Busy,
    /// The database cannot be reached; why is in the log.
    Unreachable,
}

/// All conversations.
#[derive(Default)]
pub(crate) struct Sessions {
    table: Mutex<Table>,
    database: Option<AgentSessions>,
    forgot: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Table {
    held: HashMap<String, Held>,
    /// Uses since the unused were last looked for.
    uses: usize,
}

struct Held {
    session: Arc<tokio::sync::Mutex<Session>>,
    used_ms: i64,
}

/// A conversation in hand. Unless it is put back, it stays as it was.
pub(crate) struct Floor {
    name: String,
    holder: String,
    guard: OwnedMutexGuard<Session>,
    /// The conversation as it becomes.
    pub(crate) session: Session,
}

impl Sessions {
    /// Those of a database.
    pub(crate) fn of(database: AgentSessions) -> Self {
        Self { database: Some(database), ..Self::default() }
    }

    /// Takes a conversation as soon as nobody else has it.
    ///
    /// # Errors
    /// When that takes too long, or the database fails.
    pub(crate) async fn take(&self, name: &str, now_ms: i64) -> Result<Floor, Broken> {
        let guard = self.held(name, now_ms).lock_owned().await;
        let mut floor = Floor { name: name.to_owned(), holder: String::new(), session: guard.clone(), guard };
        if let Some(database) = &self.database {
            floor.holder = uuid::Uuid::new_v4().to_string();
            let taken = wait_for(database, &floor, now_ms).await?;
            if now_ms - taken.used_ms <= LIFETIME_MS {
                floor.session = state::read(&taken.state);
            }
        }
        Ok(floor)
    }

    /// Makes sure that a conversation stays in hand for another while.
    ///
    /// # Errors
    /// When it was lost meanwhile, or the database fails.
    pub(crate) async fn keep_hold(&self, floor: &Floor) -> Result<(), Broken> {
        let Some(database) = &self.database else { return Ok(()) };
        held_still(database.renew(&floor.name, &floor.holder, LEASE).await, &floor.name)
    }

    /// Puts a conversation back as it has become.
    ///
    /// # Errors
    /// When it was lost meanwhile, or the database fails.
    pub(crate) async fn put(&self, mut floor: Floor, now_ms: i64) -> Result<(), Broken> {
        let Some(database) = &self.database else {
            *floor.guard = floor.session;
            return Ok(());
        };
        let text = state::write(&floor.session);
        let put = database.put(&floor.name, &floor.holder, (text.as_deref(), now_ms)).await;
        self.forget(database, now_ms).await;
        held_still(put, &floor.name)
    }

    /// Removes what nobody used for long from the database, from time to time.
    async fn forget(&self, database: &AgentSessions, now_ms: i64) {
        let is_due = {
            let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = forgot.is_none_or(|last| last.elapsed() >= FORGET_EVERY);
            if is_due {
                *forgot = Some(Instant::now());
            }
            is_due
        };
        if is_due && let Err(error) = database.forget(now_ms - LIFETIME_MS).await {
            tracing::warn!(error = error.chain(), "conversations that are over were not removed");
        }
    }

    fn held(&self, name: &str, now_ms: i64) -> Arc<tokio::sync::Mutex<Session>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.uses += 1;
        if table.uses > USES_MAX || table.held.len() >= HELD_MAX {
            table.forget(now_ms, self.database.is_some());
        }
        let held = table.held.entry(name.to_owned());
        let held = held.or_insert_with(|| Held { session: Arc::default(), used_ms: now_ms });
        if now_ms - held.used_ms > LIFETIME_MS {
            held.session = Arc::default();
        }
        held.used_ms = now_ms;
        Arc::clone(&held.session)
    }
}

impl Table {
    /// Removes what nobody used for long, or, where a database remembers, what nobody has in hand.
    fn forget(&mut self, now_ms: i64, is_kept_elsewhere: bool) {
        self.uses = 0;
        self.held.retain(|_, held| match is_kept_elsewhere {
            true => Arc::strong_count(&held.session) > 1,
            false => now_ms - held.used_ms <= LIFETIME_MS,
        });
        if self.held.len() >= HELD_MAX {
            let mut times: Vec<i64> = self.held.values().map(|held| held.used_ms).collect();
            let middle = times.len() / 2;
            let (_, middle, _) = times.select_nth_unstable(middle);
            let middle = *middle;
            self.held.retain(|_, held| held.used_ms > middle);
        }
    }
}

/// Looks again until nobody else has the conversation.
async fn wait_for(
    database: &AgentSessions,
    floor: &Floor,
    now_ms: i64,
) -> Result<intendant_store::agent_sessions::Taken, Broken> {
    let (began, mut pause) = (Instant::now(), PAUSES.0);
    loop {
        let taken = database.take(&floor.name, &floor.holder, (now_ms, LEASE)).await;
        match taken.map_err(|error| unreachable_database(&error))? {
            Some(taken) => return Ok(taken),
            None if began.elapsed() > PATIENCE => {
                tracing::warn!(
                    session = floor.name,
                    "another server answers in this conversation for too long"
                );
                return Err(Broken::Busy);
            }
            None => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn held_still(result: intendant_port::error::Result<bool>, name: &str) -> Result<(), Broken> {
    if result.map_err(|error| unreachable_database(&error))? {
        return Ok(());
    }
    tracing::error!(session = name, "another server took this conversation, as answering took too long");
    Err(Broken::Failed)
}

fn unreachable_database(error: &intendant_port::error::Error) -> Broken {
    tracing::error!(error = error.chain(), "the database of conversations failed");
    Broken::Unreachable
}
