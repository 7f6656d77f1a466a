//! The users' own databases: SQLite or PostgreSQL, opened when first needed, so that a server starts without them.
//!
//! Rows come and go as JSON: PostgreSQL makes and reads it itself (`row_to_json`, `json_populate_recordset`), which
//! knows every type that a column can have. Values are never written into statements.

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Number, Value};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

/// How long a caller may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections to one database.
const CONNECTIONS_MAX: u32 = 8;
/// How long to wait for another writer of a SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An object per row.
pub type Row = Map<String, Value>;

/// Connections to a database, opened when needed.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

/// Why a database did not do what it was asked.
#[derive(Debug)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: Kind,
    message: String,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its address cannot be used.
    Address,
    /// It cannot be reached.
    Away,
    /// It refused: the statement does not fit its tables, or a row its constraints.
    Refused,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        let kind = match error {
            sqlx::Error::Database(database) => {
                // Class 08 and 57P are about the connection; 3D000 is a database that is not there (yet).
                let code = database.code().unwrap_or_default();
                let is_away =
                    code.starts_with("08") || code.starts_with("57P") || code == "3D000" || code == "14";
                if is_away { Kind::Away } else { Kind::Refused }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
                Kind::Refused
            }
            _ => Kind::Away,
        };
        Self { kind, message: error.to_string() }
    }
}

/// A value bound to a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

macro_rules! bound {
    ($query:expr, $parameters:expr) => {{
        let mut query = $query;
        for parameter in $parameters {
            query = match parameter {
                Parameter::Integer(value) => query.bind(*value),
                Parameter::Number(value) => query.bind(*value),
                Parameter::Text(value) => query.bind(value.clone()),
            };
        }
        query
    }};
}

impl Database {
    /// A database by its URL: `postgres://…`, `postgresql://…` or `sqlite://…`. Nothing is opened yet.
    ///
    /// # Errors
    /// When the URL is of no database that is known.
    pub fn at(url: &str) -> Result<Self, Error> {
        let unusable = |error: &dyn std::fmt::Display| Error {
            kind: Kind::Address,
            message: format!("the address of the database cannot be used: {error}"),
        };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|error| unusable(&error))?;
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE_TIMEOUT);
            return Ok(Self::Postgres(pool.connect_lazy_with(options)));
        }
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(|error| unusable(&error))?;
            let options = options.busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
            let pool =
                SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE_TIMEOUT);
            return Ok(Self::Sqlite(pool.connect_lazy_with(options)));
        }
        Err(unusable(&"it begins neither with postgres:// nor with sqlite://"))
    }

    /// The placeholder of the parameter at this position, from 1.
    pub fn placeholder(&self, position: usize) -> String {
        match self {
            Self::Sqlite(_) => format!("?{position}"),
            Self::Postgres(_) => format!("${position}"),
        }
    }

    /// A query whose rows come as JSON; prepared once per connection.
    pub fn selecting(&self, query: &str) -> String {
        let query = query.trim().trim_end_matches(';');
        match self {
            Self::Sqlite(_) => query.to_owned(),
            Self::Postgres(_) => format!("select row_to_json(given)::text from ({query}) as given"),
        }
    }

    /// The rows of a statement made by [`Database::selecting`].
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn select(&self, statement: &str, parameters: &[Parameter]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(pool) => {
                let query = bound!(sqlx::query(AssertSqlSafe(statement.to_owned())), parameters);
                let rows = query.fetch_all(pool).await.map_err(|error| Error::of(&error))?;
                rows.iter().map(sqlite_row).collect::<Result<_, _>>().map_err(|error| Error::of(&error))
            }
            Self::Postgres(pool) => {
                let query = bound!(sqlx::query_scalar(AssertSqlSafe(statement.to_owned())), parameters);
                let rows: Vec<String> = query.fetch_all(pool).await.map_err(|error| Error::of(&error))?;
                let parsed = rows.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>();
                parsed.map_err(|error| Error { kind: Kind::Refused, message: error.to_string() })
            }
        }
    }

    /// Runs a statement; gives the number of rows it changed.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn run(&self, statement: &str, parameters: &[Parameter]) -> Result<u64, Error> {
        let statement = AssertSqlSafe(statement.to_owned());
        let done = match self {
            Self::Sqlite(pool) => bound!(sqlx::query(statement), parameters)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
            Self::Postgres(pool) => bound!(sqlx::query(statement), parameters)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()),
        };
        done.map_err(|error| Error::of(&error))
    }

    /// Runs statements in one transaction: all of them, or none.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses; then nothing was changed.
    pub async fn together(&self, steps: Vec<(String, Vec<Parameter>)>) -> Result<(), Error> {
        macro_rules! all {
            ($pool:expr) => {{
                let mut transaction = $pool.begin().await?;
                for (statement, parameters) in steps {
                    let query = sqlx::query(AssertSqlSafe(statement));
                    bound!(query, &parameters).execute(&mut *transaction).await?;
                }
                transaction.commit().await
            }};
        }
        let done = async {
            match self {
                Self::Sqlite(pool) => all!(pool),
                Self::Postgres(pool) => all!(pool),
            }
        };
        done.await.map_err(|error: sqlx::Error| Error::of(&error))
    }

    /// Rows given as JSON as a source called `given`, with columns of these names and types of PostgreSQL. The parameter
    /// is the JSON array.
    pub(crate) fn given(&self, columns: &[(&str, &str)]) -> String {
        match self {
            Self::Sqlite(_) => {
                let fields: Vec<String> = columns
                    .iter()
                    .map(|(column, _)| format!("value->>{} as {column}", text(column)))
                    .collect();
                format!("(select {} from json_each(?1)) as given", fields.join(", "))
            }
            Self::Postgres(_) => {
                let fields: Vec<String> =
                    columns.iter().map(|(column, kind)| format!("{column} {kind}")).collect();
                format!("json_to_recordset($1::json) as given({})", fields.join(", "))
            }
        }
    }

    /// Whether it can be reached.
    pub async fn is_there(&self) -> bool {
        self.run("select 1", &[]).await.is_ok()
    }

    /// The columns of a table, in order; none when there is no such table.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn columns(&self, table: &str) -> Result<Vec<String>, Error> {
        let query = match self {
            Self::Sqlite(_) => "select name from pragma_table_info(?1)",
            Self::Postgres(_) => {
                "select attname as name from pg_attribute where attrelid = to_regclass($1) and attnum > 0 \
                 and not attisdropped order by attnum"
            }
        };
        let rows = self.select(&self.selecting(query), &[Parameter::Text(table.to_owned())]).await?;
        Ok(rows.iter().filter_map(|row| row["name"].as_str().map(str::to_owned)).collect())
    }

    /// Rows given as JSON in one statement: a source to insert these columns from. The parameter is the JSON array.
    pub(crate) fn rows_of(&self, table: &str, columns: &[String]) -> String {
        match self {
            Self::Sqlite(_) => {
                let fields: Vec<String> =
                    columns.iter().map(|column| format!("value->>{}", text(column))).collect();
                format!("select {} from json_each(?1) where true", fields.join(", "))
            }
            Self::Postgres(_) => {
                let table = name(table);
                format!("select {} from json_populate_recordset(null::{table}, $1::json)", names(columns))
            }
        }
    }

    /// A query of how many rows given as JSON are in the table already: `there`.
    pub(crate) fn count_of(&self, table: &str, key: &str) -> String {
        let key_there = name(key);
        let given = self.rows_of(table, &[key.to_owned()]);
        self.selecting(&format!(
            "select count(*) as there from {} where {key_there} in ({given})",
            name(table)
        ))
    }
}

/// An identifier in quotes.
pub(crate) fn name(identifier: &str) -> String {
    let parts: Vec<String> =
        identifier.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

/// Identifiers in quotes, with commas between.
pub(crate) fn names(identifiers: &[String]) -> String {
    identifiers.iter().map(|identifier| name(identifier)).collect::<Vec<_>>().join(", ")
}

fn text(content: &str) -> String {
    format!("'{}'", content.replace('\'', "''"))
}

fn sqlite_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let mut read = Row::new();
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info().name().to_owned();
        let value = match kind.as_str() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" | "BOOLEAN" => Value::from(row.try_get_unchecked::<i64, _>(at)?),
            "REAL" => Number::from_f64(row.try_get_unchecked(at)?).map_or(Value::Null, Value::Number),
            _ => Value::from(row.try_get_unchecked::<String, _>(at)?),
        };
        read.insert(column.name().to_owned(), value);
    }
    Ok(read)
}
