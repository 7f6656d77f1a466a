//! Conversations with agents between messages: their contexts and the parameters that are asked for.
//!
//! Whoever answers a message takes the conversation first, under a lease, and puts it back with what it
//! has become, so that two processes on one database never answer in the same conversation at once. One
//! that dies renews nothing, and another takes the conversation as it was before.

use std::time::Duration;

use intendant_port::error::Result;
use sqlx::Row;

use crate::database::Database;
use crate::queue::storable;

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS agent_sessions (
        name TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        used_ms BIGINT NOT NULL,
        holder TEXT NOT NULL,
        lease_until_ms BIGINT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS agent_sessions_used ON agent_sessions (used_ms)",
];

/// Nothing comes back when somebody else has it.
const TAKE: &str = "INSERT INTO agent_sessions (name, state, used_ms, holder, lease_until_ms)
    VALUES ($1, '', $2, $3, NOW_MS + $4)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, lease_until_ms = excluded.lease_until_ms
        WHERE agent_sessions.lease_until_ms < NOW_MS
    RETURNING state, used_ms";

const RENEW: &str = "UPDATE agent_sessions SET lease_until_ms = NOW_MS + $1 WHERE name = $2 AND holder = $3";

const PUT: &str = "UPDATE agent_sessions SET state = $1, used_ms = $2, holder = '', lease_until_ms = 0
    WHERE name = $3 AND holder = $4";

/// One that says nothing need not be kept.
const DROP: &str = "DELETE FROM agent_sessions WHERE name = $1 AND holder = $2";

const FORGET: &str = "DELETE FROM agent_sessions WHERE used_ms < $1 AND lease_until_ms < NOW_MS";

/// A conversation that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What was put last; empty for a new one.
    pub state: String,
    /// When that was, in milliseconds since 1970 UTC.
    pub used_ms: i64,
}

/// Conversations in a database.
pub struct AgentSessions {
    database: Database,
}

impl AgentSessions {
    /// Opens `postgresql://…` or a SQLite file, and creates what is missing.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Self { database: Database::open(url, &TABLES).await? })
    }

    /// Takes a conversation for the time of a lease, unless somebody else has it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take(
        &self,
        name: &str,
        holder: &str,
        (now_ms, lease): (i64, Duration),
    ) -> Result<Option<Taken>> {
        let query = self.database.query(TAKE).bind(storable(name)).bind(now_ms).bind(holder.to_owned());
        let query = query.bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let row = query.fetch_optional(self.database.pool()).await.map_err(|error| self.failed(error))?;
        let read = |row: sqlx::any::AnyRow| Ok(Taken { state: row.try_get(0)?, used_ms: row.try_get(1)? });
        row.map(read).transpose().map_err(|error| self.failed(error))
    }

    /// Holds a conversation that was taken for longer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(&self, name: &str, holder: &str, lease: Duration) -> Result<bool> {
        let millis = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let query = self.database.query(RENEW).bind(millis).bind(storable(name)).bind(holder.to_owned());
        let done = query.execute(self.database.pool()).await.map_err(|error| self.failed(error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Puts a conversation back as it is now, `None` for one of which nothing is remembered. Says whether it
    /// was still held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put(&self, name: &str, holder: &str, (state, now_ms): (Option<&str>, i64)) -> Result<bool> {
        let query = match state {
            Some(state) => self.database.query(PUT).bind(state.to_owned()).bind(now_ms),
            None => self.database.query(DROP),
        };
        let query = query.bind(storable(name)).bind(holder.to_owned());
        let done = query.execute(self.database.pool()).await.map_err(|error| self.failed(error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes conversations that were last used before a moment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, before_ms: i64) -> Result<u64> {
        let query = self.database.query(FORGET).bind(before_ms);
        let done = query.execute(self.database.pool()).await.map_err(|error| self.failed(error))?;
        Ok(done.rows_affected())
    }

    fn failed(&self, error: sqlx::Error) -> intendant_port::error::Error {
        self.database.failed("keep conversations in", error)
    }
}
