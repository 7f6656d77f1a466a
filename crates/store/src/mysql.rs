//! MySQL and MariaDB: the connection that writes, the pool that reads.
//!
//! Differs from Rasa's table where it has to be made: times are `DOUBLE` and texts `LONGTEXT`, because
//! MySQL's `FLOAT` knows a time of today to two minutes and its `TEXT` ends at 64 KiB. A table that is
//! there is used as it is; sessions in it are told apart by the times of the events themselves.

use std::str::FromStr;
use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::store::Scope;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlPoolOptions};
use sqlx::{ConnectOptions, Connection as _, MySql, MySqlConnection, MySqlPool, QueryBuilder};

use crate::group::{Connection, Field, Foreign, GroupWriter, Row, Table};
use crate::patience::Patience;
use crate::sql::{EVENTS, EventReader, SqlStore};
use crate::sql_settings::MySqlAddress;

/// How long a reader may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most rows of one statement, so that bound values stay within the protocol's limit.
const ROWS_MAX: usize = 256;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS events (
        id INTEGER NOT NULL AUTO_INCREMENT,
        sender_id VARCHAR(255) NOT NULL,
        type_name VARCHAR(255) NOT NULL,
        timestamp DOUBLE,
        intent_name VARCHAR(255),
        action_name VARCHAR(255),
        data LONGTEXT,
        PRIMARY KEY (id),
        INDEX ix_events_sender_id (sender_id)
    ) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Values that are too long or unfit are refused instead of being cut off.
const STRICT: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')";

// Collations take names for equal that differ in case or in spaces at the end; the index is used for the first
// comparison, the second one is exact.
const ALL_SESSIONS: &str = "SELECT data FROM events WHERE sender_id = ? AND CAST(sender_id AS BINARY) = CAST(? AS BINARY) ORDER BY id";

const LAST_SESSION: &str = "SELECT data FROM events
    WHERE sender_id = ? AND CAST(sender_id AS BINARY) = CAST(? AS BINARY) AND timestamp >= coalesce(
        (SELECT max(timestamp) FROM events WHERE sender_id = ? AND CAST(sender_id AS BINARY) = CAST(? AS BINARY)
            AND type_name = 'session_started'),
        -1e300
    ) ORDER BY id";

const CONVERSATIONS: &str = "SELECT DISTINCT CAST(sender_id AS BINARY) AS id FROM events ORDER BY id";

/// Opens the tracker store in a database, creating the table where it is missing. Waits for a
/// server that is not there yet.
///
/// # Errors
/// When the address cannot be used, or the server refuses.
pub async fn open(address: &MySqlAddress) -> Result<SqlStore> {
    let options = MySqlConnectOptions::from_str(&address.url).map_err(|error| {
        Error::new(Kind::Unsupported, "tracker_store: the database's address cannot be used").because(error)
    })?;
    let mut patience = Patience::default();
    while let Err(error) = create(&options).await {
        let may_pass = is_passing(&error);
        patience.bear(&address.shown(), error, may_pass).await?;
    }
    let pool =
        MySqlPoolOptions::new().max_connections(address.connections_max).acquire_timeout(ACQUIRE_TIMEOUT);
    let readers = pool.connect_lazy_with(options.clone());
    let writer = GroupWriter::start(MySqlWriter { options, connection: None }, EVENTS)?;
    Ok(SqlStore::new(writer, Box::new(MySqlReader { readers })))
}

async fn create(options: &MySqlConnectOptions) -> std::result::Result<(), sqlx::Error> {
    sqlx::query(CREATE).execute(&mut options.connect().await?).await.map(drop)
}

/// Whether waiting may help: there is no server, it is starting or stopping, or it is full.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("08")),
        _ => false,
    }
}

/// The data is at fault: classes of SQLSTATE for exceptions and constraints, and text that the
/// table's character set does not have.
fn kind_of(error: &sqlx::Error) -> Kind {
    const INCORRECT_STRING: u16 = 1366;
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    let is_refused = error.is_some_and(|error| {
        let state = error.code().unwrap_or_default();
        state.starts_with("22") || state.starts_with("23") || error.number() == INCORRECT_STRING
    });
    if is_refused { Kind::Refused } else { Kind::Unavailable }
}

fn failed(what: &str, error: sqlx::Error) -> Error {
    Error::new(kind_of(&error), format!("cannot {what} the database")).because(error)
}

struct MySqlReader {
    readers: MySqlPool,
}

impl EventReader for MySqlReader {
    fn data<'a>(&'a self, sender_id: &'a str, scope: Scope) -> BoxFuture<'a, Result<Vec<String>>> {
        let (statement, names) = match scope {
            Scope::AllSessions => (ALL_SESSIONS, 2),
            Scope::LastSession => (LAST_SESSION, 4),
        };
        Box::pin(async move {
            let query = sqlx::query_scalar::<_, Option<String>>(statement);
            let query = (0..names).fold(query, |query, _| query.bind(sender_id));
            let rows = query.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            Ok(rows.into_iter().flatten().collect())
        })
    }

    fn conversation_ids(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async move {
            let ids = sqlx::query_scalar::<_, Vec<u8>>(CONVERSATIONS);
            let ids = ids.fetch_all(&self.readers).await.map_err(|error| failed("read", error))?;
            Ok(ids.into_iter().map(|id| String::from_utf8_lossy(&id).into_owned()).collect())
        })
    }
}

/// The connection that writes.
struct MySqlWriter {
    options: MySqlConnectOptions,
    connection: Option<MySqlConnection>,
}

impl MySqlWriter {
    async fn insert_all(&mut self, table: Table, rows: &[&Row]) -> std::result::Result<(), sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.options.connect().await?;
                sqlx::query(STRICT).execute(&mut connection).await?;
                connection
            }
        };
        let connection = self.connection.insert(connection);
        if rows.len() <= ROWS_MAX {
            return insert(connection, table, rows).await;
        }
        let mut transaction = connection.begin().await?;
        for rows in rows.chunks(ROWS_MAX) {
            insert(&mut transaction, table, rows).await?;
        }
        transaction.commit().await
    }
}

/// One statement, which is a transaction by itself; ids follow the order of the rows.
async fn insert(
    connection: &mut MySqlConnection,
    table: Table,
    rows: &[&Row],
) -> std::result::Result<(), sqlx::Error> {
    let into = format!("INSERT INTO {} ({}) ", table.name, table.column_names());
    let mut builder = QueryBuilder::<MySql>::new(into);
    builder.push_values(rows, |mut row, fields| {
        for field in fields.iter() {
            match field {
                Field::Text(text) => row.push_bind(text.as_str()),
                Field::Number(number) => row.push_bind(*number),
                Field::Null => row.push_bind(None::<&str>),
            };
        }
    });
    builder.build().execute(connection).await.map(drop)
}

impl Connection for MySqlWriter {
    const BATCH_MAX: usize = 64;

    fn insert<'a>(&'a mut self, table: Table, rows: &'a [&'a Row]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.insert_all(table, rows).await.map_err(|error| failed("write to", error)) })
    }

    /// MySQL tells nobody of transactions that are under way, so others may always have written.
    fn look(&mut self) -> BoxFuture<'_, Result<Foreign>> {
        Box::pin(std::future::ready(Ok(Foreign::Written)))
    }

    fn tidy(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}
