//! From the settings of `endpoints.yml` to a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use intendant_port::error::{Error, Kind, Result};
use intendant_port::lock::LockStore;
use intendant_port::store::TrackerStore;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::domain::python_text;

use crate::fail_safe::{FailSafe, Safety};
use crate::journal::{FOLDER_DEFAULT, short_name};
use crate::lock::MemoryLocks;
use crate::memory::MemoryStore;
use crate::redis::RedisStore;
use crate::sql_settings::{self, SqlEnvironment, SqlSettings};
use crate::ticket_locks::{LIFETIME_DEFAULT, TicketLocks};
use crate::ticket_records::{PostgresRecords, RedisRecords, SqliteRecords};
use crate::{postgres, redis_link, sqlite};

/// How long callers wait for a server that is away before events go to the outbox.
const PATIENCE: Duration = Duration::from_secs(10);

const TRACKER_STORES: &str = "`sql`, `redis`, or none for memory";
const LOCK_STORES: &str = "`redis`, `sql`, or `in_memory`";

/// Opens the store that `tracker_store` names; memory when there is none.
pub async fn tracker_store(
    config: Option<&EndpointConfig>,
    environment: &SqlEnvironment,
) -> Result<Arc<dyn TrackerStore>> {
    const SETTING: &str = "tracker_store";
    let Some((config, kind)) = config.and_then(|config| Some((config, config.kind.as_deref()?))) else {
        return Ok(Arc::new(MemoryStore::default()));
    };
    let (store, patience, address): (Arc<dyn TrackerStore>, _, _) = match kind.to_ascii_lowercase().as_str() {
        "in_memory" | "inmemorytrackerstore" => return Ok(Arc::new(MemoryStore::default())),
        "sql" => match sql_settings::read(config, SETTING, "rasa.db", environment)? {
            SqlSettings::Sqlite(path) => {
                (Arc::new(sqlite::open(&path).await?), Duration::ZERO, path.display().to_string())
            }
            SqlSettings::Postgres(settings) => {
                (Arc::new(postgres::open(&settings).await?), PATIENCE, settings.address())
            }
            #[cfg(feature = "mysql")]
            SqlSettings::MySql(address) => {
                (Arc::new(crate::mysql::open(&address).await?), PATIENCE, address.shown())
            }
            #[cfg(not(feature = "mysql"))]
            SqlSettings::MySql(_) => {
                let message = "tracker_store: this program was built without MySQL; use `dialect: postgresql` or \
                               `dialect: sqlite`";
                return Err(Error::new(Kind::Unsupported, message));
            }
        },
        "redis" => {
            let settings = redis_link::read(config, SETTING, 0, "tracker:")?;
            let store = RedisStore::new(&settings, record_lifetime(config)?)?;
            (Arc::new(store), PATIENCE, settings.address())
        }
        "mongod" | "dynamo" => {
            let message = format!(
                "tracker_store: `type: {kind}` is not supported; use `type: sql` with `dialect: postgresql` or \
                 `mysql`, or `type: redis`"
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
        _ => return Err(unsupported(SETTING, kind, TRACKER_STORES)),
    };
    let outbox = Some((outbox_folder(config), format!("tracker-{}", short_name(&address))));
    Ok(Arc::new(FailSafe::new(store, Safety { patience, outbox })?))
}

/// Opens the lock store that `lock_store` names; memory when there is none. `lifetime` is that of
/// tickets whose process has died.
pub async fn lock_store(
    config: Option<&EndpointConfig>,
    environment: &SqlEnvironment,
    lifetime: Option<Duration>,
) -> Result<Arc<dyn LockStore>> {
    const SETTING: &str = "lock_store";
    let Some((config, kind)) = config.and_then(|config| Some((config, config.kind.as_deref()?))) else {
        return Ok(Arc::new(MemoryLocks::default()));
    };
    let lifetime = lifetime.unwrap_or(LIFETIME_DEFAULT);
    Ok(match kind.to_ascii_lowercase().as_str() {
        "in_memory" => Arc::new(MemoryLocks::default()),
        "redis" => {
            let settings = redis_link::read(config, SETTING, 1, "lock:")?;
            Arc::new(TicketLocks::new(RedisRecords::new(&settings)?, lifetime))
        }
        "sql" => match sql_settings::read(config, SETTING, "locks.db", environment)? {
            SqlSettings::Sqlite(path) => {
                Arc::new(TicketLocks::new(SqliteRecords::open(&path).await?, lifetime))
            }
            SqlSettings::Postgres(settings) => {
                Arc::new(TicketLocks::new(PostgresRecords::open(&settings).await?, lifetime))
            }
            SqlSettings::MySql(_) => return Err(SqlSettings::no_mysql(SETTING)),
        },
        _ => return Err(unsupported(SETTING, kind, LOCK_STORES)),
    })
}

/// The folder of the setting `outbox`, where events wait for a store or broker that is away.
pub fn outbox_folder(config: &EndpointConfig) -> PathBuf {
    let given = config.extra.get("outbox").filter(|value| !value.is_null()).map(python_text);
    given.map_or_else(|| Path::new(FOLDER_DEFAULT).to_owned(), PathBuf::from)
}

/// `record_exp`, in seconds.
fn record_lifetime(config: &EndpointConfig) -> Result<Option<Duration>> {
    let Some(text) = config.extra.get("record_exp").filter(|value| !value.is_null()).map(python_text) else {
        return Ok(None);
    };
    let seconds =
        text.trim().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match seconds {
        Some(seconds) if seconds.is_zero() => Ok(None),
        Some(seconds) => Ok(Some(seconds)),
        None => {
            let message = format!("tracker_store: record_exp is a number of seconds, not '{text}'");
            Err(Error::new(Kind::Unsupported, message))
        }
    }
}

fn unsupported(setting: &str, kind: &str, known: &str) -> Error {
    let message = if kind.contains('.') {
        format!("{setting}: `{kind}` is a class in Python and cannot be loaded; use {known}")
    } else {
        format!("{setting}: the type `{kind}` is not known; use {known}")
    };
    Error::new(Kind::Unsupported, message)
}
