//! The ledger in PostgreSQL, for the processes of many machines.

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::ledger::{Entry, Needs, Sheet, Wanted};
use intendant_talk::time::Timestamp;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool};

use crate::ledger::Database;
use crate::ledger_sql::{self as form, Changes, CounterRow, Dialect};
use crate::postgres::{self, failed};
use crate::sql_settings::Postgres;

/// Connections for reading.
const READERS_MAX: u32 = 2;
const DIALECT: Dialect = Dialect::Postgres;
/// One writer at a time in this database. The number is only ours.
const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(7961645203346915)";

/// A PostgreSQL database.
pub struct PostgresLedger {
    options: PgConnectOptions,
    readers: PgPool,
}

/// The connection that writes.
pub struct PostgresWriter {
    connection: PgConnection,
}

impl PostgresLedger {
    /// Creates the tables where they are missing; waits for a server that is not there yet.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open(settings: &Postgres) -> Result<Self> {
        postgres::prepare(settings, DIALECT.create()).await?;
        let limited =
            Postgres { connections_max: settings.connections_max.min(READERS_MAX), ..settings.clone() };
        Ok(Self { options: settings.options.clone(), readers: postgres::pool(&limited) })
    }
}

/// All tables in one trip.
fn write_all() -> String {
    format!(
        "WITH lines AS ({}), counted AS ({}) {}",
        DIALECT.insert_entries(),
        DIALECT.upsert_counters(),
        DIALECT.upsert_requests()
    )
}

async fn store(connection: &mut PgConnection, changes: Changes) -> std::result::Result<(), sqlx::Error> {
    for (account, limit) in &changes.limits {
        let query = match limit {
            Some(limit) => sqlx::query(form::SET_LIMIT).bind(account).bind(limit),
            None => sqlx::query(form::DROP_LIMIT).bind(account),
        };
        query.execute(&mut *connection).await?;
    }
    if !changes.is_empty() {
        let query = sqlx::query(AssertSqlSafe(write_all()));
        let Changes { entries, counters, requests, .. } = changes;
        let [entries, counters, requests] = [json!(entries), json!(counters), json!(requests)];
        let query = query.bind(entries.to_string()).bind(counters.to_string()).bind(requests.to_string());
        query.execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(connection).await.map(drop)
}

impl Database for PostgresLedger {
    type Writer = PostgresWriter;

    fn connect(&self) -> BoxFuture<'_, Result<PostgresWriter>> {
        Box::pin(async move {
            let connection = self.options.connect().await.map_err(|error| failed("connect to", error))?;
            Ok(PostgresWriter { connection })
        })
    }

    fn begin<'a>(writer: &'a mut PostgresWriter, needs: &'a Needs) -> BoxFuture<'a, Result<Sheet>> {
        Box::pin(async move {
            let connection = &mut writer.connection;
            sqlx::raw_sql(BEGIN).execute(&mut *connection).await.map_err(|error| failed("lock", error))?;
            let mut sheet = Sheet::default();
            let overdue_before = needs.overdue_before.map_or(i64::MIN, |time| time.micros);
            let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_requests()));
            let query = query.bind(form::request_ids(needs)).bind(overdue_before);
            let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed("read", error))?;
            form::take_requests(&mut sheet, rows);
            for accounts in
                [Some(form::accounts(needs)), form::further_accounts(needs, &sheet)].iter().flatten()
            {
                let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_counters("$1"))).bind(accounts);
                let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed("read", error))?;
                form::take_counters(&mut sheet, rows);
            }
            Ok(sheet)
        })
    }

    fn commit(writer: &mut PostgresWriter, changes: Changes) -> BoxFuture<'_, Result<()>> {
        let stored = store(&mut writer.connection, changes);
        Box::pin(async move { stored.await.map_err(|error| failed("write to", error)) })
    }

    fn sweep(writer: &mut PostgresWriter, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let query = sqlx::query(form::SWEEP).bind(before.micros);
            query.execute(&mut writer.connection).await.map(drop).map_err(|error| failed("sweep", error))
        })
    }

    fn begin_mending(writer: &mut PostgresWriter) -> BoxFuture<'_, Result<Vec<CounterRow>>> {
        Box::pin(async move {
            let connection = &mut writer.connection;
            let failed = |error| failed("rebuild the counters in", error);
            sqlx::raw_sql(BEGIN).execute(&mut *connection).await.map_err(failed)?;
            let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_wrong()));
            query.fetch_all(connection).await.map_err(failed)
        })
    }

    form::reading!(failed);
}
