//! Where conversations are kept (memory, SQLite, PostgreSQL, MySQL, Redis) and who has the floor in them;
//! where spent money is written down.
//!
//! SQL stores use the `events` table and Redis the values exactly as Rasa creates them, so that an
//! existing database continues. [`open`] chooses by the settings; [`fail_safe`] wraps what can fail.

pub mod agent_sessions;
pub mod books;
pub mod counted_queries;
pub mod database;
pub mod fail_safe;
pub mod group;
pub mod jobs;
pub mod journal;
pub mod ledger;
pub mod ledger_postgres;
pub mod ledger_redis;
pub mod ledger_sql;
pub mod ledger_sqlite;
pub mod lock;
pub mod memory;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod open;
mod patience;
pub mod postgres;
pub mod queue;
pub mod redis;
pub mod redis_link;
pub mod session;
pub mod sql;
pub mod sql_settings;
pub mod sqlite;
pub mod sqlite_file;
pub mod ticket;
pub mod ticket_locks;
pub mod ticket_records;
