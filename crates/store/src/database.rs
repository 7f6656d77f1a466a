//! A database of our own tables: SQLite or PostgreSQL behind the same statements.
//!
//! Statements are written once. What the dialects do not share has a word in capitals: `EACH($1)`
//! gives the items of a JSON array as rows of one column `value`, so that any number of rows is one
//! statement and one trip; `NOW_MS` is the database's clock, the only one that all processes share.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use intendant_port::error::{Error, Kind, Result};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyPool, AssertSqlSafe, Transaction};

use crate::sqlite;

/// How long to wait for another process's transaction in SQLite, in milliseconds.
const BUSY_TIMEOUT_MS: u32 = 30_000;
/// How long a caller may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a start waits for a server that is not there yet.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections of a process.
const CONNECTIONS_MAX: u32 = 5;
/// Attempts to create tables that another process creates at the same time.
const CREATE_ATTEMPTS: usize = 20;
/// Time between them.
const CREATE_PAUSE: Duration = Duration::from_millis(100);

/// Which language the database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Dialect {
    /// The statement with the words of this dialect.
    pub fn sql(self, statement: &str) -> String {
        match self {
            Self::Sqlite => statement
                .replace("EACH(", "json_each(")
                .replace("NOW_MS", "CAST(unixepoch('subsec') * 1000 AS INTEGER)")
                .replace("SKIP_LOCKED", "")
                .replace("SERIAL_ID", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            Self::Postgres => {
                let mut text = statement
                    .replace("NOW_MS", "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")
                    .replace("SKIP_LOCKED", "FOR UPDATE SKIP LOCKED")
                    .replace("SERIAL_ID", "BIGSERIAL PRIMARY KEY");
                for parameter in ["$1", "$2", "$3", "$4"] {
                    let rows = format!("json_array_elements(CAST({parameter} AS json)) AS given(value)");
                    text = text.replace(&format!("EACH({parameter})"), &rows);
                }
                text
            }
        }
    }
}

/// An open database.
pub struct Database {
    pool: AnyPool,
    dialect: Dialect,
    address: String,
    url: String,
}

impl Database {
    /// Opens `postgresql://…`, `sqlite://PATH` or the path of a SQLite file, and creates the tables
    /// that are missing.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn open(url: &str, tables: &[&str]) -> Result<Self> {
        install_default_drivers();
        let (url, dialect, address) = settled(url)?;
        let options = AnyPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE_TIMEOUT);
        let options = options.after_connect(move |connection, _| {
            Box::pin(async move {
                if dialect == Dialect::Sqlite {
                    let pragmas =
                        format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA synchronous = NORMAL");
                    sqlx::raw_sql(AssertSqlSafe(pragmas)).execute(connection).await?;
                }
                Ok(())
            })
        });
        let pool = options.connect_lazy(&url).map_err(|error| {
            Error::new(Kind::Unsupported, format!("the database's address {address} cannot be used"))
                .because(error)
        })?;
        let database = Self { pool, dialect, address, url };
        database.create(tables).await?;
        Ok(database)
    }

    async fn create(&self, tables: &[&str]) -> Result<()> {
        let (mut attempts, mut is_told, began) = (0, false, Instant::now());
        loop {
            attempts += 1;
            match self.try_create(tables).await {
                Ok(()) => return Ok(()),
                Err(error)
                    if self.dialect == Dialect::Sqlite
                        && sqlite::is_locked(&error)
                        && began.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                // Another process creates them at this moment.
                Err(sqlx::Error::Database(_)) if attempts < CREATE_ATTEMPTS => {
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                Err(error) if self.dialect == Dialect::Postgres && began.elapsed() < PATIENCE => {
                    if !std::mem::replace(&mut is_told, true) {
                        let address = &self.address;
                        tracing::warn!(address, %error, "the database cannot be reached; waiting for it");
                    }
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                Err(error) => return Err(self.failed("create the tables of", error)),
            }
        }
    }

    async fn try_create(&self, tables: &[&str]) -> std::result::Result<(), sqlx::Error> {
        if self.dialect == Dialect::Sqlite {
            sqlx::query("PRAGMA journal_mode = WAL").execute(&self.pool).await?;
        }
        for table in tables {
            sqlx::query(AssertSqlSafe(self.dialect.sql(table))).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Begins a transaction; in SQLite the only one that writes.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<Transaction<'static, Any>> {
        let begun = match self.dialect {
            Dialect::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.pool.begin().await,
        };
        begun.map_err(|error| self.failed("write to", error))
    }

    /// A statement in the database's dialect, ready for its parameters.
    pub fn query(&self, statement: &str) -> sqlx::query::Query<'static, Any, sqlx::any::AnyArguments> {
        sqlx::query(AssertSqlSafe(self.dialect.sql(statement)))
    }

    /// The one number that a statement gives.
    ///
    /// # Errors
    /// When the database fails, or gives something else.
    pub async fn number(&self, statement: &str) -> Result<i64> {
        let row = self.query(statement).fetch_one(&self.pool).await;
        let number = row.and_then(|row| sqlx::Row::try_get(&row, 0));
        number.map_err(|error| self.failed("read", error))
    }

    /// The connections.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// The language.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where it is, without passwords.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Listens to a channel of notifications, where the database has such.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn listen(&self, channel: &str) -> Result<Option<sqlx::postgres::PgListener>> {
        if self.dialect == Dialect::Sqlite {
            return Ok(None);
        }
        let failed = |error| self.failed("listen to", error);
        let mut listener = sqlx::postgres::PgListener::connect(&self.url).await.map_err(failed)?;
        listener.listen(channel).await.map_err(failed)?;
        Ok(Some(listener))
    }

    /// A failure of the database, as what was tried.
    pub fn failed(&self, what: &str, error: sqlx::Error) -> Error {
        // Data exceptions and violated constraints: the data is at fault, not the moment.
        let code = error.as_database_error().and_then(|error| Some(error.code()?.into_owned()));
        let is_refusal = self.dialect == Dialect::Postgres
            && code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"));
        let kind = if is_refusal { Kind::Refused } else { Kind::Unavailable };
        Error::new(kind, format!("cannot {what} the database {}", self.address)).because(error)
    }
}

/// The URL as the drivers want it, the dialect, and the address to show.
fn settled(url: &str) -> Result<(String, Dialect, String)> {
    let unusable = |why: String| Error::new(Kind::Unsupported, why);
    match url.split_once("://") {
        Some((scheme, rest)) if matches!(scheme.split('+').next(), Some("postgres" | "postgresql")) => {
            let shown = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
            let shown = shown.split('?').next().unwrap_or_default().to_owned();
            Ok((format!("postgresql://{rest}"), Dialect::Postgres, shown))
        }
        Some(("sqlite", path)) => file(Path::new(path.split('?').next().unwrap_or_default())),
        Some((scheme, _)) => Err(unusable(format!(
            "`{scheme}://` is no database that is known; use postgresql://… or the path of a SQLite file"
        ))),
        None => file(Path::new(url.strip_prefix("sqlite:").unwrap_or(url))),
    }
}

fn file(path: &Path) -> Result<(String, Dialect, String)> {
    let unusable = |error: std::io::Error| {
        Error::new(Kind::Unavailable, format!("cannot use the database file {}", path.display()))
            .because(error)
    };
    let absolute: PathBuf = std::path::absolute(path).map_err(unusable)?;
    if let Some(folder) = absolute.parent() {
        std::fs::create_dir_all(folder).map_err(unusable)?;
    }
    let mut url = "sqlite://".to_owned();
    for byte in absolute.display().to_string().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url.push_str("?mode=rwc");
    Ok((url, Dialect::Sqlite, path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_show_no_password() {
        let check = |url: &str, expected: std::result::Result<(Dialect, &str), &str>| {
            let found = settled(url).map(|(_, dialect, address)| (dialect, address));
            let found = found.as_ref().map(|(dialect, address)| (*dialect, address.as_str()));
            assert_eq!(found.map_err(|error| error.message.as_str()), expected, "{url}");
        };
        check("postgresql+psycopg2://u:p@h:1/db?sslmode=require", Ok((Dialect::Postgres, "h:1/db")));
        check("postgres://h/db", Ok((Dialect::Postgres, "h/db")));
        let mysql =
            "`mysql://` is no database that is known; use postgresql://… or the path of a SQLite file";
        check("mysql://h/db", Err(mysql));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b#c").join("x.db").display().to_string();
        check(&path, Ok((Dialect::Sqlite, &path)));
        check(&format!("sqlite://{path}"), Ok((Dialect::Sqlite, &path)));
    }

    #[tokio::test]
    async fn any_file_name_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ü b#c?d%20").join("x.db");
        let database = Database::open(&path.display().to_string(), &["CREATE TABLE t (x BIGINT)"]).await;
        assert_eq!(database.unwrap().dialect(), Dialect::Sqlite);
        assert!(path.exists());
    }
}
