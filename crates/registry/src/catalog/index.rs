//! The index in SQLite or PostgreSQL. Both understand the same statements.

use intendant_store::database::{Database, Dialect};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{Act, Error, Kind, Version};

const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS registry_versions (\
     digest TEXT PRIMARY KEY, name TEXT NOT NULL, version BIGINT NOT NULL, record TEXT NOT NULL, \
     UNIQUE (name, version))",
    "CREATE TABLE IF NOT EXISTS registry_tags (name TEXT PRIMARY KEY, digest TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS registry_moves (\
     tag TEXT NOT NULL, step BIGINT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (tag, step))",
    "CREATE TABLE IF NOT EXISTS registry_audit (\
     at_microseconds BIGINT NOT NULL, what TEXT NOT NULL, record TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS registry_trials (\
     environment TEXT PRIMARY KEY, since_microseconds BIGINT NOT NULL, record TEXT NOT NULL)",
];

/// So many entries of the audit are shown.
const AUDITS_MAX: i64 = 1000;

/// A tag and what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Digest of the version.
    pub digest: String,
}

/// One move of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The tag.
    pub tag: String,
    /// Counted from 1 for each tag.
    pub step: i64,
    /// Where it went; `None` when it was taken away.
    pub digest: Option<String>,
    /// Where it was.
    pub from: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Who moved it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether it went back.
    #[serde(default)]
    pub is_rollback: bool,
}

/// Where a tag shall go.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The digest; `None` takes the tag away.
    pub digest: Option<&'a str>,
    /// Where the caller saw it.
    pub expected: Option<&'a str>,
    /// Whether it goes back.
    pub is_rollback: bool,
}

/// The index.
pub struct Index {
    database: Database,
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(Kind::Storage, format!("the registry's database: {error}"))
}

impl From<intendant_port::error::Error> for Error {
    fn from(error: intendant_port::error::Error) -> Self {
        Error::new(Kind::Storage, format!("the registry's database: {}", error.chain()))
    }
}

impl Index {
    /// Opens a database and makes the tables it lacks.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Ok(Self { database: Database::open(url, &TABLES).await? })
    }

    // A transaction that nobody else writes beside.
    async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        let mut transaction = self.database.begin().await?;
        if self.database.dialect() == Dialect::Postgres {
            sqlx::query("LOCK TABLE registry_versions, registry_tags IN EXCLUSIVE MODE")
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        Ok(transaction)
    }

    /// Replaces everything, in one step; `only_empty` leaves an index alone that others have begun to fill.
    pub async fn fill(&self, versions: &[Version], moves: &[Move], only_empty: bool) -> Result<(), Error> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT COUNT(*) FROM registry_versions")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        if only_empty && row.try_get::<i64, _>(0).map_err(failed)? > 0 {
            return Ok(());
        }
        for table in ["registry_versions", "registry_tags", "registry_moves"] {
            let delete = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
            sqlx::query(delete).execute(&mut *transaction).await.map_err(failed)?;
        }
        for version in versions {
            insert(&mut transaction, version).await?;
        }
        for moved in moves {
            put_move(&mut transaction, moved).await?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Records a version under the next number of its name.
    pub async fn add(&self, version: &Version) -> Result<u32, Error> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM registry_versions WHERE name = $1")
            .bind(&version.name)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        let last: i64 = row.try_get(0).map_err(failed)?;
        let number = u32::try_from(last + 1)
            .map_err(|_| Error::new(Kind::Storage, format!("`{}` has too many versions", version.name)))?;
        insert(&mut transaction, &Version { version: number, ..version.clone() }).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(number)
    }

    /// Changes what is recorded of a version.
    pub async fn change(&self, version: &Version) -> Result<(), Error> {
        sqlx::query("UPDATE registry_versions SET record = $1 WHERE digest = $2")
            .bind(json(version)?)
            .bind(&version.digest)
            .execute(self.database.pool())
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// All versions, newest first.
    pub async fn versions(&self) -> Result<Vec<Version>, Error> {
        let rows = sqlx::query("SELECT record FROM registry_versions")
            .fetch_all(self.database.pool())
            .await
            .map_err(failed)?;
        let mut versions = rows.iter().map(read).collect::<Result<Vec<Version>, Error>>()?;
        versions.sort_by(|one, other| {
            (other.trained_at, &other.name, other.version).cmp(&(one.trained_at, &one.name, one.version))
        });
        Ok(versions)
    }

    /// The version of a digest.
    pub async fn by_digest(&self, digest: &str) -> Result<Option<Version>, Error> {
        let row = sqlx::query("SELECT record FROM registry_versions WHERE digest = $1")
            .bind(digest)
            .fetch_optional(self.database.pool())
            .await
            .map_err(failed)?;
        row.as_ref().map(read).transpose()
    }

    /// All tags by name.
    pub async fn tags(&self) -> Result<Vec<Tag>, Error> {
        let rows = sqlx::query("SELECT name, digest FROM registry_tags ORDER BY name")
            .fetch_all(self.database.pool())
            .await
            .map_err(failed)?;
        rows.iter().map(tag).collect()
    }

    /// One tag.
    pub async fn tag(&self, name: &str) -> Result<Option<Tag>, Error> {
        let row = sqlx::query("SELECT name, digest FROM registry_tags WHERE name = $1")
            .bind(name)
            .fetch_optional(self.database.pool())
            .await
            .map_err(failed)?;
        row.as_ref().map(tag).transpose()
    }

    /// Moves a tag, or takes it away, if it still is where the caller saw it.
    pub async fn step(&self, name: &str, step: Step<'_>, act: Act<'_>) -> Result<Move, Error> {
        let Step { digest, expected, is_rollback } = step;
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT name, digest FROM registry_tags WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let current = row.as_ref().map(tag).transpose()?.map(|tag| tag.digest);
        if current.as_deref() != expected {
            let message = format!("`{name}` was moved by somebody else meanwhile; look at it and try again");
            return Err(Error::new(Kind::Refused, message));
        }
        let row = sqlx::query("SELECT COALESCE(MAX(step), 0) FROM registry_moves WHERE tag = $1")
            .bind(name)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        let moved = Move {
            tag: name.to_owned(),
            step: row.try_get::<i64, _>(0).map_err(failed)? + 1,
            digest: digest.map(str::to_owned),
            from: current,
            at: act.at,
            by: act.by.to_owned(),
            reason: act.reason.to_owned(),
            is_rollback,
        };
        put_move(&mut transaction, &moved).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(moved)
    }

    /// The moves of a tag, oldest first.
    pub async fn history(&self, name: &str) -> Result<Vec<Move>, Error> {
        let rows = sqlx::query("SELECT record FROM registry_moves WHERE tag = $1 ORDER BY step")
            .bind(name)
            .fetch_all(self.database.pool())
            .await
            .map_err(failed)?;
        rows.iter().map(read).collect()
    }
}

impl Index {
    /// Adds to the audit.
    pub async fn audit(&self, what: &str, at: Timestamp, record: &Value) -> Result<(), Error> {
        sqlx::query("INSERT INTO registry_audit (at_microseconds, what, record) VALUES ($1, $2, $3)")
            .bind(at.as_microsecond())
            .bind(what)
            .bind(json(record)?)
            .execute(self.database.pool())
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The audit, the newest first.
    pub async fn audits(&self, what: &str) -> Result<Vec<Value>, Error> {
        let rows = sqlx::query(
            "SELECT record FROM registry_audit WHERE what = $1 ORDER BY at_microseconds DESC LIMIT $2",
        )
        .bind(what)
        .bind(AUDITS_MAX)
        .fetch_all(self.database.pool())
        .await
        .map_err(failed)?;
        rows.iter().map(read).collect()
    }
}

/// What servers try beside the models in use: one record for each environment.
impl Index {
    /// Records what has begun, instead of what was tried before.
    pub async fn begin_trial(&self, environment: &str, since: i64, record: &Value) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO registry_trials (environment, since_microseconds, record) VALUES ($1, $2, $3) \
             ON CONFLICT (environment) DO UPDATE SET since_microseconds = excluded.since_microseconds, \
             record = excluded.record",
        )
        .bind(environment)
        .bind(since)
        .bind(json(record)?)
        .execute(self.database.pool())
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Records how it goes, unless something else is tried by now.
    pub async fn keep_trial(&self, environment: &str, since: i64, record: &Value) -> Result<(), Error> {
        sqlx::query(
            "UPDATE registry_trials SET record = $1 WHERE environment = $2 AND since_microseconds = $3",
        )
        .bind(json(record)?)
        .bind(environment)
        .bind(since)
        .execute(self.database.pool())
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// All records, with their environments.
    pub async fn trials(&self) -> Result<Vec<(String, Value)>, Error> {
        let rows = sqlx::query("SELECT environment, record FROM registry_trials")
            .fetch_all(self.database.pool())
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Ok((row.try_get("environment").map_err(failed)?, read(row)?))).collect()
    }
}

async fn insert(transaction: &mut Transaction<'_, Any>, version: &Version) -> Result<(), Error> {
    sqlx::query("INSERT INTO registry_versions (digest, name, version, record) VALUES ($1, $2, $3, $4)")
        .bind(&version.digest)
        .bind(&version.name)
        .bind(i64::from(version.version))
        .bind(json(version)?)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn put_move(transaction: &mut Transaction<'_, Any>, moved: &Move) -> Result<(), Error> {
    sqlx::query("INSERT INTO registry_moves (tag, step, record) VALUES ($1, $2, $3)")
        .bind(&moved.tag)
        .bind(moved.step)
        .bind(json(moved)?)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    sqlx::query("DELETE FROM registry_tags WHERE name = $1")
        .bind(&moved.tag)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    if let Some(digest) = &moved.digest {
        sqlx::query("INSERT INTO registry_tags (name, digest) VALUES ($1, $2)")
            .bind(&moved.tag)
            .bind(digest)
            .execute(&mut **transaction)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::new(Kind::Storage, error.to_string()))
}

fn read<T: serde::de::DeserializeOwned>(row: &AnyRow) -> Result<T, Error> {
    let record: String = row.try_get("record").map_err(failed)?;
    serde_json::from_str(&record)
        .map_err(|error| Error::new(Kind::Damaged, format!("a record of the registry: {error}")))
}

fn tag(row: &AnyRow) -> Result<Tag, Error> {
    Ok(Tag { name: row.try_get("name").map_err(failed)?, digest: row.try_get("digest").map_err(failed)? })
}
