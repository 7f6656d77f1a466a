//! From the settings of `endpoints.yml` to a store.

use std::path::PathBuf;
use std::sync::Arc;

use intendant_port::error::{Error, Kind, Result};
use intendant_port::lock::LockStore;
use intendant_port::store::TrackerStore;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::domain::python_text;

use crate::fail_safe::FailSafe;
use crate::lock::MemoryLocks;
use crate::memory::MemoryStore;
use crate::sqlite::SqliteStore;

/// Opens the store that `tracker_store` names; memory when there is none.
pub async fn tracker_store(config: Option<&EndpointConfig>) -> Result<Arc<dyn TrackerStore>> {
    let Some((config, kind)) = config.and_then(|config| Some((config, config.kind.as_deref()?))) else {
        return Ok(Arc::new(MemoryStore::default()));
    };
    match kind.to_ascii_lowercase().as_str() {
        "in_memory" | "inmemorytrackerstore" => Ok(Arc::new(MemoryStore::default())),
        "sql" => {
            let path = sqlite_path(config, "tracker_store", "rasa.db")?;
            Ok(Arc::new(FailSafe::new(Arc::new(SqliteStore::open(&path).await?))))
        }
        _ => {
            Err(unsupported("tracker_store", kind, "`type: sql` with `dialect: sqlite`, or none for memory"))
        }
    }
}

/// Opens the lock store that `lock_store` names; memory when there is none.
pub fn lock_store(config: Option<&EndpointConfig>) -> Result<Arc<dyn LockStore>> {
    match config.and_then(|config| config.kind.as_deref()) {
        None => Ok(Arc::new(MemoryLocks::default())),
        Some(kind) if kind.eq_ignore_ascii_case("in_memory") => Ok(Arc::new(MemoryLocks::default())),
        Some(kind) => Err(unsupported("lock_store", kind, "`type: in_memory`")),
    }
}

/// The file of a `type: sql` setting with SQLite: `db`, or the path of a `sqlite:///` URL.
pub fn sqlite_path(config: &EndpointConfig, setting: &str, default: &str) -> Result<PathBuf> {
    let option = |key: &str| config.extra.get(key).map(python_text);
    if let Some((scheme, path)) = config.url.as_deref().and_then(|url| url.split_once("://")) {
        return match scheme.split('+').next() {
            Some("sqlite") => Ok(PathBuf::from(path.strip_prefix('/').unwrap_or(path))),
            _ => Err(unsupported_dialect(setting, scheme)),
        };
    }
    let dialect = option("dialect").unwrap_or_else(|| "sqlite".to_owned());
    if dialect.split('+').next() != Some("sqlite") {
        return Err(unsupported_dialect(setting, &dialect));
    }
    Ok(PathBuf::from(option("db").unwrap_or_else(|| default.to_owned())))
}

fn unsupported_dialect(setting: &str, dialect: &str) -> Error {
    let message = format!("{setting}: the SQL dialect '{dialect}' is not there yet; use `dialect: sqlite`");
    Error::new(Kind::Unsupported, message)
}

fn unsupported(setting: &str, kind: &str, instead: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{setting}: the type '{kind}' is not there yet; use {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_name_a_file_or_are_refused() {
        let check = |url: Option<&str>,
                     extra: serde_json::Value,
                     expected: std::result::Result<&str, &str>| {
            let extra = extra.as_object().cloned().unwrap();
            let config = EndpointConfig { url: url.map(str::to_owned), extra, ..EndpointConfig::default() };
            let found = sqlite_path(&config, "tracker_store", "rasa.db");
            let found = found.map(|path| path.display().to_string()).map_err(|error| error.message);
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        };
        check(None, json!({}), Ok("rasa.db"));
        check(Some("localhost"), json!({"dialect": "sqlite", "db": "a/b.db"}), Ok("a/b.db"));
        check(Some("sqlite:///x.db"), json!({}), Ok("x.db"));
        check(Some("sqlite:////abs/x.db"), json!({}), Ok("/abs/x.db"));
        let refused = "tracker_store: the SQL dialect 'postgresql' is not there yet; use `dialect: sqlite`";
        check(None, json!({"dialect": "postgresql"}), Err(refused));
        check(Some("postgresql://u@h/db"), json!({}), Err(refused));
    }
}
