//! From the setting `event_broker` to a broker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use intendant_port::broker::EventBroker;
use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_store::journal::short_name;
use intendant_store::open::outbox_folder;
use intendant_store::sql_settings::{self, SqlEnvironment, SqlSettings};
use intendant_talk::domain::python_text;
use serde_json::Value;

use crate::file::FileBroker;
use crate::kafka::Kafka;
use crate::outbox::{Backlog, Outbox, Settings, Transport, Unsent};
use crate::pika::Pika;
use crate::sql::{PostgresTransport, SqliteBroker};

/// What the setting means without a type.
const DEFAULT_KIND: &str = "pika";
/// Time between attempts to send what waits, unless `retry_delay_in_seconds` says less.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);
const RETRY_DELAY_DEFAULT: Duration = Duration::from_secs(1);
/// Attempts of a start with `raise_on_failure`, unless `connection_attempts` says otherwise.
const ATTEMPTS_DEFAULT: u32 = 20;

/// What the environment says about brokers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `RASA_ENVIRONMENT`: where events come from.
    pub rasa_environment: Option<String>,
    /// `RABBITMQ_SSL_CLIENT_CERTIFICATE`.
    pub rabbitmq_certificate: Option<String>,
    /// `RABBITMQ_SSL_CLIENT_KEY`.
    pub rabbitmq_key: Option<String>,
    /// By which consumers know the messages of one `export`; none where conversations are held.
    pub export_process_id: Option<String>,
    /// `POSTGRESQL_SCHEMA` and the like.
    pub sql: SqlEnvironment,
}

/// Opens the broker that `event_broker` names; none when there is no such setting.
pub async fn event_broker(
    config: Option<&EndpointConfig>,
    environment: &Environment,
) -> Result<Option<Arc<dyn EventBroker>>> {
    let Some(config) = config else {
        return Ok(None);
    };
    let kind = config.kind.as_deref().unwrap_or(DEFAULT_KIND);
    let options = Options(config);
    Ok(Some(match kind.to_ascii_lowercase().as_str() {
        "file" => {
            let path = options.text("path").unwrap_or_else(|| "rasa_event.log".to_owned());
            Arc::new(FileBroker::open(Path::new(&path))?)
        }
        "sql" => match sql_settings::read(config, "event_broker", "events.db", &environment.sql)? {
            SqlSettings::Sqlite(path) => Arc::new(SqliteBroker::open(&path).await?),
            SqlSettings::Postgres(settings) => {
                let described = settings.address();
                Arc::new(outbox(&options, PostgresTransport::new(*settings), &described)?)
            }
            SqlSettings::MySql(_) => return Err(SqlSettings::no_mysql("event_broker")),
        },
        "pika" => {
            let mut pika = Pika::new(config, environment)?;
            let described = pika.described();
            if options.flag("raise_on_failure") {
                insist(&options, async || pika.connected().await.map(drop)).await?;
            }
            Arc::new(outbox(&options, pika, &described)?)
        }
        "kafka" => {
            let kafka = Kafka::new(config, environment)?;
            let described = kafka.described();
            Arc::new(outbox(&options, kafka, &described)?)
        }
        _ => return Err(unsupported(kind)),
    }))
}

/// A start that is to fail without its broker.
async fn insist(options: &Options<'_>, mut connect: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let attempts = options.number("connection_attempts")?.unwrap_or(ATTEMPTS_DEFAULT).max(1);
    let delay = options.seconds("retry_delay_in_seconds")?.unwrap_or(RETRY_DELAY_MAX);
    for attempt in 1.. {
        match connect().await {
            Ok(()) => break,
            Err(error) if attempt >= attempts => return Err(error),
            Err(error) => {
                tracing::warn!(attempt, error = error.chain(), "the event broker cannot be reached")
            }
        }
        tokio::time::sleep(delay).await;
    }
    Ok(())
}

fn outbox(options: &Options<'_>, transport: impl Transport, described: &str) -> Result<Outbox> {
    let is_kept = options.0.extra.get("should_keep_unpublished_messages") != Some(&Value::Bool(false));
    let backlog = match is_kept {
        true => Backlog::open(&outbox_folder(options.0), &format!("events-{}", short_name(described))),
        false => Backlog::Memory(Default::default()),
    };
    let given = options.seconds("retry_delay_in_seconds")?;
    let settings = Settings {
        unsent: if is_kept { Unsent::Keep } else { Unsent::Drop },
        retry_delay: given.map_or(RETRY_DELAY_DEFAULT, |delay| delay.min(RETRY_DELAY_MAX)),
    };
    Ok(Outbox::start(transport, backlog, settings))
}

fn unsupported(kind: &str) -> Error {
    let known = "use `pika`, `kafka`, `sql` or `file`";
    let message = if kind.contains('.') {
        format!("event_broker: `{kind}` is a class in Python and cannot be loaded; {known}")
    } else {
        format!("event_broker: the type `{kind}` is not known; {known}")
    };
    Error::new(Kind::Unsupported, message)
}

/// The options of the setting, as YAML writes them.
pub(crate) struct Options<'a>(pub(crate) &'a EndpointConfig);

impl Options<'_> {
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.0.extra.get(key).filter(|value| !value.is_null()).map(python_text)
    }

    /// A list of texts, or one text.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        match self.0.extra.get(key) {
            Some(Value::Array(texts)) => texts.iter().map(python_text).collect(),
            _ => self.text(key).into_iter().collect(),
        }
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>> {
        let number = self.text(key).map(|text| text.trim().parse().map_err(|_| self.unusable(key)));
        number.transpose()
    }

    fn seconds(&self, key: &str) -> Result<Option<Duration>> {
        let seconds = self.number::<f64>(key)?;
        let duration = |seconds| Duration::try_from_secs_f64(seconds).map_err(|_| self.unusable(key));
        seconds.map(duration).transpose()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        match self.0.extra.get(key) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    fn unusable(&self, key: &str) -> Error {
        let value = self.text(key).unwrap_or_default();
        Error::new(Kind::Unsupported, format!("event_broker: {key} cannot be '{value}'"))
    }
}
