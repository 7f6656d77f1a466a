//! Where ticket queues are kept: Redis, under the keys and in the form of Rasa; PostgreSQL and
//! SQLite, in a table of our own.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, Script};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{PgPool, SqlitePool};

use crate::redis_link::{self, RedisSettings};
use crate::sql_settings::Postgres;
use crate::ticket_locks::Records;
use crate::{postgres, sqlite};

/// How long the record of a silent conversation is kept; longer than any ticket lives.
const KEEP: Duration = Duration::from_secs(3600);
/// How many records are written between two sweeps of old ones.
const WRITES_PER_SWEEP: u64 = 10_000;
/// Connections of a process to the table.
const CONNECTIONS_MAX: u32 = 8;

/// KEYS: the record's key. ARGV: what it must be ('' for absent), what it becomes, milliseconds to
/// keep it.
const SWAP: &str = r#"
local found = redis.call('GET', KEYS[1])
if (found or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"#;

/// Records in Redis.
pub struct RedisRecords {
    connection: ConnectionManager,
    prefix: String,
    swap: Script,
}

impl RedisRecords {
    /// Records that connect when they are used.
    pub fn new(settings: &RedisSettings) -> Result<Self> {
        Ok(Self { connection: settings.connect()?, prefix: settings.prefix.clone(), swap: Script::new(SWAP) })
    }

    fn key(&self, sender_id: &str) -> String {
        format!("{}{sender_id}", self.prefix)
    }
}

impl Records for RedisRecords {
    fn get<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            connection
                .get(self.key(sender_id))
                .await
                .map_err(|error| redis_link::failed("read a lock in", error))
        })
    }

    fn swap<'a>(
        &'a self,
        sender_id: &'a str,
        old: Option<&'a str>,
        new: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let swapped: i64 = self
                .swap
                .key(self.key(sender_id))
                .arg(old.unwrap_or_default())
                .arg(new)
                .arg(KEEP.as_millis().to_string())
                .invoke_async(&mut connection)
                .await
                .map_err(|error| redis_link::failed("write a lock in", error))?;
            Ok(swapped == 1)
        })
    }
}

/// Not logged, because nothing is lost with it: tickets of a server that died would expire anyway.
const CREATE_POSTGRES: [&str; 1] = ["CREATE UNLOGGED TABLE IF NOT EXISTS intendant_locks (
    conversation_id VARCHAR(255) PRIMARY KEY, queue TEXT NOT NULL, written TIMESTAMPTZ NOT NULL
)"];

const CREATE_SQLITE: &str = "CREATE TABLE IF NOT EXISTS intendant_locks (
    conversation_id VARCHAR(255) PRIMARY KEY, queue TEXT NOT NULL, written TEXT NOT NULL
)";

/// Records in PostgreSQL.
pub struct PostgresRecords {
    pool: PgPool,
    writes: AtomicU64,
}

impl PostgresRecords {
    /// Creates the table where it is missing; waits for a server that is not there yet.
    pub async fn open(settings: &Postgres) -> Result<Self> {
        postgres::prepare(settings, &CREATE_POSTGRES).await?;
        let settings =
            Postgres { connections_max: settings.connections_max.min(CONNECTIONS_MAX), ..settings.clone() };
        Ok(Self { pool: postgres::pool(&settings), writes: AtomicU64::new(0) })
    }

    async fn sweep(&self) -> std::result::Result<(), sqlx::Error> {
        if is_time_to_sweep(&self.writes) {
            let seconds = i32::try_from(KEEP.as_secs()).unwrap_or(i32::MAX);
            let query =
                sqlx::query("DELETE FROM intendant_locks WHERE written < now() - make_interval(secs => $1)");
            query.bind(f64::from(seconds)).execute(&self.pool).await?;
        }
        Ok(())
    }
}

fn is_time_to_sweep(writes: &AtomicU64) -> bool {
    writes.fetch_add(1, Ordering::Relaxed) % WRITES_PER_SWEEP == WRITES_PER_SWEEP - 1
}

impl Records for PostgresRecords {
    fn get<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT queue FROM intendant_locks WHERE conversation_id = $1");
            let found = query.bind(sender_id).fetch_optional(&self.pool).await;
            found.map_err(|error| postgres::failed("read a lock in", error))
        })
    }

    fn swap<'a>(
        &'a self,
        sender_id: &'a str,
        old: Option<&'a str>,
        new: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        let statement = match old {
            None => {
                "INSERT INTO intendant_locks (conversation_id, queue, written) VALUES ($1, $2, now()) \
                 ON CONFLICT (conversation_id) DO NOTHING"
            }
            Some(_) => {
                "UPDATE intendant_locks SET queue = $2, written = now() WHERE conversation_id = $1 AND queue = $3"
            }
        };
        Box::pin(async move {
            let query = sqlx::query(statement).bind(sender_id).bind(new);
            let query = if let Some(old) = old { query.bind(old) } else { query };
            let failed = |error| postgres::failed("write a lock in", error);
            let done = query.execute(&self.pool).await.map_err(failed)?;
            self.sweep().await.map_err(failed)?;
            Ok(done.rows_affected() == 1)
        })
    }
}

/// Records in a SQLite file, for processes of one machine.
pub struct SqliteRecords {
    pool: SqlitePool,
    writes: AtomicU64,
}

fn sqlite_failed(error: sqlx::Error) -> Error {
    Error::new(Kind::Unavailable, "cannot use the lock database").because(error)
}

impl SqliteRecords {
    /// Opens the file, creating file and table where they are missing.
    pub async fn open(path: &Path) -> Result<Self> {
        let failed = |error: sqlx::Error| {
            let message = format!("cannot open the lock database {}", path.display());
            Error::new(Kind::Unavailable, message).because(error)
        };
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).test_before_acquire(false);
        let pool = pool.connect_with(sqlite::options(path)).await.map_err(failed)?;
        sqlx::query(CREATE_SQLITE).execute(&pool).await.map_err(failed)?;
        Ok(Self { pool, writes: AtomicU64::new(0) })
    }
}

impl Records for SqliteRecords {
    fn get<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT queue FROM intendant_locks WHERE conversation_id = ?1");
            query.bind(sender_id).fetch_optional(&self.pool).await.map_err(sqlite_failed)
        })
    }

    fn swap<'a>(
        &'a self,
        sender_id: &'a str,
        old: Option<&'a str>,
        new: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        let statement = match old {
            None => {
                "INSERT INTO intendant_locks (conversation_id, queue, written) VALUES (?1, ?2, datetime('now')) \
                 ON CONFLICT (conversation_id) DO NOTHING"
            }
            Some(_) => {
                "UPDATE intendant_locks SET queue = ?2, written = datetime('now') \
                 WHERE conversation_id = ?1 AND queue = ?3"
            }
        };
        Box::pin(async move {
            let query = sqlx::query(statement).bind(sender_id).bind(new);
            let query = if let Some(old) = old { query.bind(old) } else { query };
            let done = query.execute(&self.pool).await.map_err(sqlite_failed)?;
            if is_time_to_sweep(&self.writes) {
                let query = sqlx::query("DELETE FROM intendant_locks WHERE written < datetime('now', ?1)");
                let query = query.bind(format!("-{} seconds", KEEP.as_secs()));
                query.execute(&self.pool).await.map_err(sqlite_failed)?;
            }
            Ok(done.rows_affected() == 1)
        })
    }
}
