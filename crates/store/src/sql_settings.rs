//! Settings of `type: sql`: which database, where (`spec: http-and-channels.md §6`).
//!
//! SQLAlchemy's URLs are understood (`postgresql+psycopg2://…`), as are Rasa's single options.

use std::path::PathBuf;
use std::str::FromStr;

use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::domain::python_text;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

/// Connections that read, unless `SQL_POOL_SIZE` and `SQL_MAX_OVERFLOW` say otherwise. They are
/// opened when they are needed; writing takes one more.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 10;

/// What the environment says about databases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlEnvironment {
    /// `POSTGRESQL_SCHEMA`.
    pub schema: Option<String>,
    /// `SQL_POOL_SIZE` and `SQL_MAX_OVERFLOW`, added up.
    pub connections_max: Option<u32>,
}

/// A database.
#[derive(Clone, Debug)]
pub enum SqlSettings {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<Postgres>),
    /// A server of MySQL or MariaDB, for conversations only.
    MySql(MySqlAddress),
}

impl SqlSettings {
    /// What is said where a MySQL server cannot hold what is to be kept.
    pub fn no_mysql(setting: &str) -> Error {
        let message = format!(
            "{setting}: a MySQL database holds conversations only; use `dialect: postgresql` or `dialect: sqlite` here"
        );
        Error::new(Kind::Unsupported, message)
    }
}

/// A MySQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MySqlAddress {
    /// `mysql://…`
    pub url: String,
    /// Most connections that read.
    pub connections_max: u32,
}

impl MySqlAddress {
    /// Host, port and database, for messages.
    pub fn shown(&self) -> String {
        let rest = self.url.trim_start_matches("mysql://");
        let rest = rest.split('?').next().unwrap_or(rest);
        rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned()
    }
}

/// A PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// How to connect.
    pub options: PgConnectOptions,
    /// How to connect to create the database, with `login_db`.
    pub login_options: Option<PgConnectOptions>,
    /// `POSTGRESQL_SCHEMA`.
    pub schema: Option<String>,
    /// Most connections that read.
    pub connections_max: u32,
}

impl Postgres {
    /// Host, port and database, for messages.
    pub fn address(&self) -> String {
        let database = self.options.get_database().unwrap_or_default();
        format!("{}:{}/{database}", self.options.get_host(), self.options.get_port())
    }
}

/// Reads the settings. `setting` is their name for messages, `default_db` the database without `db`.
pub fn read(
    config: &EndpointConfig,
    setting: &str,
    default_db: &str,
    environment: &SqlEnvironment,
) -> Result<SqlSettings> {
    let option = |key: &str| config.extra.get(key).filter(|value| !value.is_null()).map(python_text);
    let full_url = config.url.as_deref().and_then(|url| url.split_once("://"));
    let dialect = match full_url {
        Some((scheme, _)) => scheme.to_owned(),
        None => option("dialect").unwrap_or_else(|| "sqlite".to_owned()),
    };
    let db = option("db").unwrap_or_else(|| default_db.to_owned());
    let connections_max = environment.connections_max.unwrap_or(CONNECTIONS_MAX_DEFAULT).max(1);
    match dialect.split('+').next().unwrap_or_default() {
        "sqlite" => Ok(SqlSettings::Sqlite(match full_url {
            Some((_, path)) => PathBuf::from(path.strip_prefix('/').unwrap_or(path)),
            None => PathBuf::from(db),
        })),
        "postgresql" | "postgres" => {
            let (address, login) = match full_url {
                Some((_, rest)) => (rest.to_owned(), None),
                None => {
                    let server = server(config)?;
                    let query = query(config);
                    let at = |db: &str| format!("{server}/{}{query}", encoded(db));
                    (at(&db), option("login_db").map(|login| at(&login)))
                }
            };
            let schema = environment.schema.clone();
            let parsed = |address: &str| options(setting, address, schema.as_deref());
            Ok(SqlSettings::Postgres(Box::new(Postgres {
                options: parsed(&address)?,
                login_options: login.map(|login| parsed(&login)).transpose()?,
                schema: schema.clone(),
                connections_max,
            })))
        }
        "mysql" | "mariadb" => {
            let address = match full_url {
                Some((_, rest)) => rest.to_owned(),
                None => format!("{}/{}{}", server(config)?, encoded(&db), query(config)),
            };
            Ok(SqlSettings::MySql(MySqlAddress { url: format!("mysql://{address}"), connections_max }))
        }
        other => {
            let message = format!(
                "{setting}: the SQL dialect '{other}' is not supported; use `dialect: postgresql`, `dialect: mysql` \
                 or `dialect: sqlite`"
            );
            Err(Error::new(Kind::Unsupported, message))
        }
    }
}

fn options(setting: &str, address: &str, schema: Option<&str>) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(&format!("postgresql://{address}")).map_err(|error| {
        Error::new(Kind::Unsupported, format!("{setting}: the database's address cannot be used"))
            .because(error)
    })?;
    let options = options.application_name("intendant");
    Ok(match schema {
        Some(schema) => options.options([("search_path", schema)]),
        None => options,
    })
}

/// `username:password@host:port` from single options; the host may carry the port.
fn server(config: &EndpointConfig) -> Result<String> {
    let option = |key: &str| config.extra.get(key).filter(|value| !value.is_null()).map(python_text);
    let host = config.url.as_deref().unwrap_or("localhost");
    let mut server = String::new();
    if let Some(username) = option("username") {
        server.push_str(&encoded(&username));
        if let Some(password) = option("password") {
            server.push(':');
            server.push_str(&encoded(&password));
        }
        server.push('@');
    }
    match host.starts_with('/') {
        // The folder of a Unix socket.
        true => server.push_str(&encoded(host)),
        false => server.push_str(host),
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if let Some(port) = option("port").filter(|_| !has_port) {
        let port: u16 = port.parse().map_err(|_| {
            Error::new(Kind::Unsupported, format!("the port of a database is a number, not '{port}'"))
        })?;
        server.push_str(&format!(":{port}"));
    }
    Ok(server)
}

/// `?sslmode=…` from the option `query`.
fn query(config: &EndpointConfig) -> String {
    let Some(Value::Object(query)) = config.extra.get("query") else {
        return String::new();
    };
    let pairs: Vec<String> = query
        .iter()
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(&python_text(value))))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Encodes everything that means something in a URL.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn described(
        url: Option<&str>,
        extra: Value,
        environment: &SqlEnvironment,
    ) -> std::result::Result<String, String> {
        let extra = extra.as_object().cloned().unwrap();
        let config = EndpointConfig { url: url.map(str::to_owned), extra, ..EndpointConfig::default() };
        match read(&config, "tracker_store", "rasa.db", environment) {
            Ok(SqlSettings::Sqlite(path)) => Ok(path.display().to_string()),
            Ok(SqlSettings::Postgres(postgres)) => {
                let options = &postgres.options;
                let login = postgres.login_options.as_ref().and_then(|login| login.get_database());
                Ok(format!(
                    "{}@{} {:?} {:?} {login:?}",
                    options.get_username(),
                    postgres.address(),
                    options.get_ssl_mode(),
                    options.get_options()
                ))
            }
            Ok(SqlSettings::MySql(mysql)) => Ok(format!("{} {}", mysql.url, mysql.shown())),
            Err(error) => Err(error.message),
        }
    }

    #[test]
    fn settings_name_a_database_or_are_refused() {
        let check = |url: Option<&str>, extra: Value, expected: std::result::Result<&str, &str>| {
            let found = described(url, extra, &SqlEnvironment::default());
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        };
        check(None, json!({}), Ok("rasa.db"));
        check(Some("localhost"), json!({"dialect": "sqlite", "db": "a/b.db"}), Ok("a/b.db"));
        check(Some("sqlite:///x.db"), json!({}), Ok("x.db"));
        check(Some("sqlite:////abs/x.db"), json!({}), Ok("/abs/x.db"));
        let oracle = "tracker_store: the SQL dialect 'oracle' is not supported; use `dialect: postgresql`, \
                      `dialect: mysql` or `dialect: sqlite`";
        check(None, json!({"dialect": "oracle"}), Err(oracle));
        let extra =
            json!({"dialect": "mysql+pymysql", "username": "u", "password": "a/b", "db": "d", "port": 3307});
        check(Some("h"), extra, Ok("mysql://u:a%2Fb@h:3307/d h:3307/d"));
        check(
            Some("mysql+pymysql://u:p@h/db?ssl-mode=required"),
            json!({}),
            Ok("mysql://u:p@h/db?ssl-mode=required h/db"),
        );
        let plain = Ok("u@h:5432/db Prefer None None");
        check(Some("postgresql://u@h/db"), json!({}), plain);
        check(Some("postgresql+psycopg2://u:p@h/db"), json!({}), plain);
        check(
            Some("h"),
            json!({"dialect": "postgresql", "username": "u", "password": "a/b@c", "db": "db"}),
            plain,
        );
        let extra = json!({"dialect": "postgresql", "username": "u", "port": 99, "db": "d b",
                           "login_db": "postgres", "query": {"sslmode": "require"}});
        check(Some("h"), extra.clone(), Ok("u@h:99/d b Require None Some(\"postgres\")"));
        check(Some("h:98"), extra, Ok("u@h:98/d b Require None Some(\"postgres\")"));
        let bad = json!({"dialect": "postgresql", "port": "x"});
        check(Some("h"), bad, Err("the port of a database is a number, not 'x'"));
    }

    #[test]
    fn a_schema_is_searched_first() {
        let environment = SqlEnvironment { schema: Some("s".to_owned()), connections_max: None };
        let found = described(Some("postgresql://u@h/db"), json!({}), &environment);
        assert_eq!(found.as_deref(), Ok("u@h:5432/db Prefer Some(\"-c search_path=s\") None"));
    }
}
