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

async fn store(connection: &mut PgConnection, changes: &Changes) -> std::result::Result<(), sqlx::Error> {
    form::put_limits!(connection, changes);
    if !changes.is_empty {
        let query = sqlx::query(AssertSqlSafe(write_all()));
        let query = query.bind(&changes.entries).bind(&changes.counters).bind(&changes.requests);
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

    fn commit<'a>(writer: &'a mut PostgresWriter, changes: &'a Changes) -> BoxFuture<'a, Result<()>> {
        let stored = store(&mut writer.connection, changes);
        Box::pin(async move { stored.await.map_err(|error| failed("write to", error)) })
    }

    form::shared!(PostgresWriter, failed);

    fn rebuild(writer: &mut PostgresWriter) -> BoxFuture<'_, Result<Vec<Slot>>> {
        Box::pin(async move {
            let connection = &mut writer.connection;
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
}
