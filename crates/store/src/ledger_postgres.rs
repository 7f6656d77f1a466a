//! The ledger in PostgreSQL, for the processes of many machines.

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::ledger::{Entry, Needs, Sheet, Slot, Wanted};
use intendant_talk::time::Timestamp;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool};

use crate::ledger::Database;
use crate::ledger_sql::{self as form, Changes, Dialect};
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

impl Database for PostgresLedger {
    type Writer = PgConnection;

    fn connect(&self) -> BoxFuture<'_, Result<PgConnection>> {
        Box::pin(async move { self.options.connect().await.map_err(|error| failed("connect to", error)) })
    }

    fn begin<'a>(connection: &'a mut PgConnection, needs: &'a Needs) -> BoxFuture<'a, Result<Sheet>> {
        Box::pin(async move {
            sqlx::raw_sql(BEGIN).execute(&mut *connection).await.map_err(|error| failed("lock", error))?;
            let mut sheet = Sheet::default();
            let overdue_before = needs.overdue_before.map_or(i64::MIN, |time| time.micros);
            let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_requests()));
            let query = query.bind(form::request_ids(needs)).bind(overdue_before);
            let rows = query.fetch_all(&mut *connection).await.map_err(|error| failed("read", error))?;
            form::take_requests(&mut sheet, rows);
            let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_counters()));
            let query = query.bind(form::accounts(needs, &sheet));
            let rows = query.fetch_all(connection).await.map_err(|error| failed("read", error))?;
            form::take_counters(&mut sheet, rows);
            Ok(sheet)
        })
    }

    fn commit<'a>(connection: &'a mut PgConnection, changes: &'a Changes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let failed = |error| failed("write to", error);
            for (account, limit) in &changes.limits {
                let query = match limit {
                    Some(limit) => sqlx::query(form::SET_LIMIT).bind(account).bind(limit),
                    None => sqlx::query(form::DROP_LIMIT).bind(account),
                };
                query.execute(&mut *connection).await.map_err(failed)?;
            }
            if !changes.is_empty {
                let query = sqlx::query(AssertSqlSafe(write_all()));
                let query = query.bind(&changes.entries).bind(&changes.counters).bind(&changes.requests);
                query.execute(&mut *connection).await.map_err(failed)?;
            }
            sqlx::query("COMMIT").execute(connection).await.map_err(failed)?;
            Ok(())
        })
    }

    fn sweep(connection: &mut PgConnection, before: Timestamp) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let swept = sqlx::query(form::SWEEP).bind(before.micros).execute(connection).await;
            swept.map(drop).map_err(|error| failed("sweep", error))
        })
    }

    fn rebuild(connection: &mut PgConnection) -> BoxFuture<'_, Result<Vec<Slot>>> {
        Box::pin(async move {
            let failed = |error| failed("rebuild the counters in", error);
            sqlx::raw_sql(BEGIN).execute(&mut *connection).await.map_err(failed)?;
            let query = sqlx::query_as(AssertSqlSafe(DIALECT.select_wrong()));
            let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
            let (made, wrong) = form::mended(rows);
            let statement = DIALECT.upsert_counters().replace("$2", "$1");
            let query = sqlx::query(AssertSqlSafe(statement));
            query.bind(made).execute(&mut *connection).await.map_err(failed)?;
            sqlx::query("COMMIT").execute(connection).await.map_err(failed)?;
            Ok(wrong)
        })
    }

    fn read(&self, since: Timestamp, counters_max: u32) -> BoxFuture<'_, Result<Sheet>> {
        Box::pin(async move {
            let query = sqlx::query_as(form::READ).bind(since.micros).bind(i64::from(counters_max));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            let mut sheet = Sheet::default();
            form::take_counters(&mut sheet, rows);
            Ok(sheet)
        })
    }

    fn history<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Vec<Entry>>> {
        Box::pin(async move {
            let (pattern, kinds) = form::filters(wanted);
            let since = wanted.since.map_or(i64::MIN, |since| since.micros);
            let query = sqlx::query_as(form::HISTORY).bind(pattern).bind(since).bind(kinds);
            let query = query.bind(i64::from(wanted.lines_max));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            Ok(rows.into_iter().map(form::entry).collect())
        })
    }
}
