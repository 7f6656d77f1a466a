//! A connection to Redis by the settings that tracker store and lock store share.
//!
//! It is opened with the first command and opens itself anew when it breaks; commands meanwhile
//! fail at once.

use std::time::Duration;

use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::domain::python_text;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates,
};
use serde_json::Value;

/// Redis's own port.
const PORT_DEFAULT: u16 = 6379;
/// How long an answer may take, unless `socket_timeout` says otherwise.
const ANSWER_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause between attempts to connect.
const RETRY_DELAY_MAX: Duration = Duration::from_millis(500);

/// Where a Redis is and what keys begin with.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    client: Client,
    answer_timeout: Duration,
    /// What keys begin with.
    pub prefix: String,
}

/// Reads the settings. `db` and `prefix` are those of the store without options.
pub fn read(config: &EndpointConfig, setting: &str, db: i64, prefix: &str) -> Result<RedisSettings> {
    let options = Options { config, setting };
    let client = client(&options, db)?;
    let answer_timeout = match options.number::<f64>("socket_timeout")? {
        Some(seconds) => {
            Duration::try_from_secs_f64(seconds).map_err(|_| options.unusable("socket_timeout"))?
        }
        None => ANSWER_TIMEOUT_DEFAULT,
    };
    let prefix = match options.text("key_prefix") {
        Some(own) if !own.is_empty() && own.chars().all(char::is_alphanumeric) => format!("{own}:{prefix}"),
        Some(own) if !own.is_empty() => {
            tracing::warn!(
                setting,
                key_prefix = own,
                "a key_prefix has letters and digits only; it is left out"
            );
            prefix.to_owned()
        }
        _ => prefix.to_owned(),
    };
    Ok(RedisSettings { client, answer_timeout, prefix })
}

impl RedisSettings {
    /// Host, port and database, for messages and names of files.
    pub fn address(&self) -> String {
        let info = self.client.get_connection_info();
        format!("{}/{}", info.addr(), info.redis_settings().db())
    }

    /// A connection that all clones share.
    pub fn connect(&self) -> Result<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(self.answer_timeout))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_max_delay(RETRY_DELAY_MAX)
            .set_number_of_retries(1);
        self.client.get_connection_manager_lazy(config).map_err(|error| failed("connect to", error))
    }
}

/// An error of Redis; a later try may succeed.
pub(crate) fn failed(what: &str, error: RedisError) -> Error {
    let kind = if error.is_timeout() { Kind::Timeout } else { Kind::Unavailable };
    Error::new(kind, format!("cannot {what} redis")).because(error)
}

fn client(options: &Options<'_>, db: i64) -> Result<Client> {
    let failed = |error: RedisError| {
        let message = format!("{}: the redis address cannot be used", options.setting);
        Error::new(Kind::Unsupported, message).because(error)
    };
    let host = options.config.url.as_deref().unwrap_or("localhost");
    let certificates = certificates(options)?;
    let info = match host.contains("://") {
        true => host.into_connection_info().map_err(failed)?,
        false => address(options, host, db)?,
    };
    match matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        true => Client::build_with_tls(info, certificates).map_err(failed),
        false => Client::open(info).map_err(failed),
    }
}

fn address(options: &Options<'_>, host: &str, db: i64) -> Result<ConnectionInfo> {
    let (host, port) = match host.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    let port = match port {
        Some(port) => port,
        None => options.number("port")?.unwrap_or(PORT_DEFAULT),
    };
    let host = host.to_owned();
    let address = match options.flag("use_ssl") {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    };
    let mut settings = RedisConnectionInfo::default().set_db(options.number("db")?.unwrap_or(db));
    if let Some(username) = options.text("username") {
        settings = settings.set_username(username);
    }
    if let Some(password) = options.text("password") {
        settings = settings.set_password(password);
    }
    let unusable = |_| options.unusable("url");
    Ok(address.into_connection_info().map_err(unusable)?.set_redis_settings(settings))
}

fn certificates(options: &Options<'_>) -> Result<TlsCertificates> {
    let file = |key: &str| match options.text(key) {
        None => Ok(None),
        Some(path) => std::fs::read(&path).map(Some).map_err(|error| {
            Error::new(Kind::Unsupported, format!("{}: cannot read {key} {path}", options.setting))
                .because(error)
        }),
    };
    let client_tls = match (file("ssl_certfile")?, file("ssl_keyfile")?) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        (None, None) => None,
        _ => {
            let message = format!("{}: ssl_certfile and ssl_keyfile go together", options.setting);
            return Err(Error::new(Kind::Unsupported, message));
        }
    };
    Ok(TlsCertificates { client_tls, root_cert: file("ssl_ca_certs")? })
}

struct Options<'a> {
    config: &'a EndpointConfig,
    setting: &'a str,
}

impl Options<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.config.extra.get(key).filter(|value| !value.is_null()).map(python_text)
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>> {
        self.text(key).map(|text| text.trim().parse().map_err(|_| self.unusable(key))).transpose()
    }

    fn flag(&self, key: &str) -> bool {
        match self.config.extra.get(key) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    fn unusable(&self, key: &str) -> Error {
        let value = if key == "url" { self.config.url.clone() } else { self.text(key) };
        let message = format!("{}: {key} cannot be '{}'", self.setting, value.unwrap_or_default());
        Error::new(Kind::Unsupported, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_name_a_server_or_are_refused() {
        let check = |url: Option<&str>, extra: Value, expected: std::result::Result<&str, &str>| {
            let extra = extra.as_object().cloned().unwrap();
            let config = EndpointConfig { url: url.map(str::to_owned), extra, ..EndpointConfig::default() };
            let found = read(&config, "lock_store", 1, "lock:").map(|settings| {
                let info = settings.client.get_connection_info();
                let redis = info.redis_settings();
                format!("{} db {} as {:?} {}", info.addr(), redis.db(), redis.username(), settings.prefix)
            });
            assert_eq!(found.as_deref().map_err(|error| error.message.as_str()), expected);
        };
        check(None, json!({}), Ok("localhost:6379 db 1 as None lock:"));
        let extra = json!({"port": "7000", "db": 3, "username": "u", "key_prefix": "Bot1"});
        check(Some("h"), extra, Ok("h:7000 db 3 as Some(\"u\") Bot1:lock:"));
        check(Some("h:7001"), json!({"key_prefix": "a-b"}), Ok("h:7001 db 1 as None lock:"));
        check(Some("h"), json!({"use_ssl": true}), Ok("h:6379 db 1 as None lock:"));
        check(Some("redis://u:p@h:7002/4"), json!({}), Ok("h:7002 db 4 as Some(\"u\") lock:"));
        check(None, json!({"port": "x"}), Err("lock_store: port cannot be 'x'"));
        check(None, json!({"socket_timeout": -1}), Err("lock_store: socket_timeout cannot be '-1'"));
        let message = "lock_store: ssl_certfile and ssl_keyfile go together";
        check(None, json!({"use_ssl": true, "ssl_certfile": "/dev/null"}), Err(message));
    }
}
