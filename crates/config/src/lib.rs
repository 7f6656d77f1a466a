//! Settings that come from the environment and from `intendant.yml`. No other crate reads either.
//!
//! Rasa's variables keep their names. A variable that is set to something unusable is an error
//! that names it, never silently ignored.

pub mod agents;
pub mod aws;
pub mod budget;
pub mod gateway;
pub mod jobs;
pub mod platform;
pub mod registry;
pub mod rotation;
pub mod service;
pub mod serving;
pub mod streams;

use std::collections::BTreeMap;
use std::time::Duration;

/// A snapshot of the environment, taken once at start.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// A variable is set to something that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The variable's name.
    pub variable: &'static str,
    /// What it is set to.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "environment variable {}: expected {}, found `{}`",
            self.variable, self.expected, self.value
        )
    }
}

impl std::error::Error for Unusable {}

/// How many actions may follow one message, unless `MAX_NUMBER_OF_PREDICTIONS` says otherwise.
pub const PREDICTIONS_MAX_DEFAULT: usize = 10;

/// A documented environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is without being set.
    pub default: &'static str,
    /// What it does, with its unit.
    pub description: &'static str,
}

/// Every variable that is read, for the reference page.
pub const ALL: &[Variable] = &[
    Variable {
        name: "MAX_NUMBER_OF_PREDICTIONS",
        default: "10",
        description: "Actions that may follow one message before the conversation waits for the user.",
    },
    Variable {
        name: "INTENDANT_AGENT_WEBHOOK_URL",
        default: "as the agent says",
        description: "Address of the webhook of a Dialogflow agent; stands for `agents.webhook.url`.",
    },
    Variable {
        name: "INTENDANT_AGENT_WEBHOOK_AUTHORIZATION",
        default: "none",
        description: "Header `Authorization` of calls to that webhook, not to one that an agent names.",
    },
    Variable {
        name: "LOG_LEVEL",
        default: "INFO for `run` and `up`, WARNING else",
        description: "DEBUG, INFO, WARNING or ERROR; the flags -v, -vv and --quiet win.",
    },
    Variable {
        name: "FORCE_JSON_LOGGING",
        default: "false",
        description: "`true` writes logs as JSON lines.",
    },
    Variable {
        name: "COMPRESS_ACTION_SERVER_REQUEST",
        default: "false",
        description: "`true` sends requests to the action server deflated.",
    },
    Variable {
        name: "RASA_DUCKLING_HTTP_URL",
        default: "unset",
        description: "A Duckling server that `DucklingEntityExtractor` asks instead of finding entities in process; \
                      wins over its option `url`.",
    },
    Variable {
        name: "BUCKET_NAME",
        default: "unset",
        description: "The bucket of `--remote-storage aws` and `gcs`.",
    },
    Variable {
        name: "AWS_ENDPOINT_URL",
        default: "unset",
        description: "Where a store stands that speaks like Amazon S3; keys and region come from AWS_ACCESS_KEY_ID, \
                      AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION and the others that Amazon names.",
    },
    Variable {
        name: "AWS_PROFILE",
        default: "default",
        description: "The profile of `~/.aws/credentials` and `~/.aws/config` that says what no variable says; \
                      AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name other files.",
    },
    Variable {
        name: "GOOGLE_APPLICATION_CREDENTIALS",
        default: "unset",
        description: "The file with the key of a Google service account, for `gcs` and `gs://`; a bucket that is \
                      missing is made in its project, or that of GOOGLE_CLOUD_PROJECT.",
    },
    Variable {
        name: "STORAGE_EMULATOR_HOST",
        default: "unset",
        description: "Where a stand-in for Google Cloud Storage listens.",
    },
    Variable {
        name: "AZURE_CONTAINER",
        default: "unset",
        description: "The container of `--remote-storage azure`, with AZURE_ACCOUNT_NAME and AZURE_ACCOUNT_KEY.",
    },
    Variable {
        name: "INTENDANT_<SECTION>__<KEY>",
        default: "unset",
        description: "Overrides a key of `intendant.yml`; two underscores go down one level.",
    },
    Variable {
        name: "INTENDANT_<SECTION>__<KEY>_FILE",
        default: "unset",
        description: "A file that holds the value of that key, for secrets.",
    },
    Variable { name: "TARGET_DIR", default: "models", description: "The models folder of `models rotate`." },
    Variable {
        name: "LATEST_MODEL_PATH",
        default: "latest.tar.gz in the models folder",
        description: "Where `models rotate` publishes the newest model.",
    },
    Variable {
        name: "THROTTLE_DELAY",
        default: "5000",
        description: "Milliseconds for which a file must not have changed before `models rotate` looks at it.",
    },
    Variable {
        name: "IGNORE_FILE_PATHS",
        default: "unset",
        description: "Files and folders that `models rotate` never removes, separated by commas.",
    },
    Variable {
        name: "TICKET_LOCK_LIFETIME",
        default: "10",
        description: "Seconds after which the floor of a server that died is passed on (lock stores `redis` and `sql`).",
    },
    Variable {
        name: "POSTGRESQL_SCHEMA",
        default: "unset",
        description: "The schema in which tables of PostgreSQL are looked for and created.",
    },
    Variable {
        name: "SQL_POOL_SIZE",
        default: "10",
        description: "Connections to PostgreSQL that read; they are opened when needed, writing takes one more.",
    },
    Variable { name: "SQL_MAX_OVERFLOW", default: "0", description: "Added to SQL_POOL_SIZE." },
    Variable {
        name: "RASA_ENVIRONMENT",
        default: "unset",
        description: "Where events come from: the `app_id` of messages to RabbitMQ, a header of those to Kafka.",
    },
    Variable {
        name: "RABBITMQ_SSL_CLIENT_CERTIFICATE",
        default: "unset",
        description: "A file with the certificate to show to RabbitMQ.",
    },
    Variable { name: "RABBITMQ_SSL_CLIENT_KEY", default: "unset", description: "A file with its key." },
    Variable {
        name: "NO_COLOR",
        default: "unset",
        description: "Any value turns off colours on the terminal (no-color.org).",
    },
];

impl Environment {
    /// Reads the process's environment; variables that are not UTF-8 are left out.
    pub fn read() -> Self {
        let variables = std::env::vars_os();
        let utf8 =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: utf8.collect() }
    }

    /// An environment of these variables, for tests.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { variables: owned.collect() }
    }

    /// The value of any variable: `${NAME}` in the user's files is expanded with it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// `MAX_NUMBER_OF_PREDICTIONS`.
    ///
    /// # Errors
    /// When it is not a positive whole number.
    pub fn predictions_max(&self) -> Result<usize, Unusable> {
        const NAME: &str = "MAX_NUMBER_OF_PREDICTIONS";
        match self.get(NAME) {
            None => Ok(PREDICTIONS_MAX_DEFAULT),
            Some(value) => match value.trim().parse() {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(Unusable {
                    variable: NAME,
                    value: value.to_owned(),
                    expected: "a whole number above 0",
                }),
            },
        }
    }

    /// Every variable, for what names its keys and addresses by many of them: object stores.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// `RASA_DUCKLING_HTTP_URL`, if it is set to anything.
    pub fn duckling_url(&self) -> Option<&str> {
        self.get("RASA_DUCKLING_HTTP_URL").map(str::trim).filter(|url| !url.is_empty())
    }

    /// `LOG_LEVEL`, lower-cased as log filters want it.
    ///
    /// # Errors
    /// When it names no level.
    pub fn log_level(&self) -> Result<Option<&'static str>, Unusable> {
        const NAME: &str = "LOG_LEVEL";
        let Some(value) = self.get(NAME).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        match value.to_ascii_uppercase().as_str() {
            "DEBUG" => Ok(Some("debug")),
            "INFO" => Ok(Some("info")),
            "WARNING" | "WARN" => Ok(Some("warn")),
            "ERROR" | "CRITICAL" => Ok(Some("error")),
            _ => Err(Unusable {
                variable: NAME,
                value: value.to_owned(),
                expected: "DEBUG, INFO, WARNING or ERROR",
            }),
        }
    }

    /// Who is at the keyboard: `USER`, or `USERNAME`.
    pub fn user(&self) -> Option<&str> {
        self.get("USER").or_else(|| self.get("USERNAME"))
    }

    /// `FORCE_JSON_LOGGING`.
    pub fn json_logging(&self) -> bool {
        self.is_true("FORCE_JSON_LOGGING")
    }

    /// `COMPRESS_ACTION_SERVER_REQUEST`.
    pub fn compress_action_requests(&self) -> bool {
        self.is_true("COMPRESS_ACTION_SERVER_REQUEST")
    }

    /// `TICKET_LOCK_LIFETIME`.
    ///
    /// # Errors
    /// When it is not a number of seconds above 0.
    pub fn ticket_lifetime(&self) -> Result<Option<Duration>, Unusable> {
        const NAME: &str = "TICKET_LOCK_LIFETIME";
        let Some(value) = self.get(NAME).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let seconds = value.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match seconds.filter(|lifetime| !lifetime.is_zero()) {
            Some(lifetime) => Ok(Some(lifetime)),
            None => Err(Unusable {
                variable: NAME,
                value: value.to_owned(),
                expected: "a number of seconds above 0",
            }),
        }
    }

    /// `SQL_POOL_SIZE` and `SQL_MAX_OVERFLOW`, added up.
    ///
    /// # Errors
    /// When one of them is not a whole number.
    pub fn sql_connections_max(&self) -> Result<Option<u32>, Unusable> {
        let number = |name: &'static str| match self.get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.trim().parse::<u32>().map(Some).map_err(|_| Unusable {
                variable: name,
                value: value.to_owned(),
                expected: "a whole number",
            }),
        };
        let overflow = number("SQL_MAX_OVERFLOW")?.unwrap_or(0);
        Ok(number("SQL_POOL_SIZE")?.map(|size| size.saturating_add(overflow)))
    }

    /// A variable that is a text; an empty one counts as unset.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Whether terminal output may be coloured.
    pub fn allows_colour(&self) -> bool {
        self.get("NO_COLOR").is_none_or(str::is_empty)
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_values_are_named() {
        let cases = [("0", false), ("10", true), (" 3 ", true), ("-1", false), ("many", false), ("", false)];
        for (value, is_usable) in cases {
            let found = Environment::of(&[("MAX_NUMBER_OF_PREDICTIONS", value)]).predictions_max();
            assert_eq!(found.is_ok(), is_usable, "{value:?}");
        }
        for (value, is_usable) in [("0", false), ("1.5", true), ("-1", false), ("soon", false), ("", true)] {
            let found = Environment::of(&[("TICKET_LOCK_LIFETIME", value)]).ticket_lifetime();
            assert_eq!(found.is_ok(), is_usable, "{value:?}");
        }
        let sizes = Environment::of(&[("SQL_POOL_SIZE", "3"), ("SQL_MAX_OVERFLOW", "4")]);
        assert_eq!(sizes.sql_connections_max(), Ok(Some(7)));
        let error = Environment::of(&[("LOG_LEVEL", "loud")]).log_level().unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable LOG_LEVEL: expected DEBUG, INFO, WARNING or ERROR, found `loud`"
        );
    }
}
