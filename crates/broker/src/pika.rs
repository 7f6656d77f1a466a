//! `type: pika`: RabbitMQ, as Rasa publishes to it (`spec: http-and-channels.md §7`): persistent
//! messages to a fanout exchange to which durable queues are bound.

use std::sync::Arc;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;

use crate::amqp::{Address, Connection, Labels, Topology};
use crate::open::{Environment, Options};
use crate::outbox::Transport;
use crate::tls::TlsFiles;

const PORT_DEFAULT: u16 = 5672;
const TLS_PORT_DEFAULT: u16 = 5671;
const EXCHANGE_DEFAULT: &str = "rasa-exchange";
const QUEUE_DEFAULT: &str = "rasa_core_events";

/// The way to RabbitMQ.
pub struct Pika {
    address: Address,
    topology: Topology,
    labels: Labels,
    connection: Option<Connection>,
}

impl Pika {
    /// Reads the settings. Nothing is connected.
    pub fn new(config: &EndpointConfig, environment: &Environment) -> Result<Self> {
        let options = Options(config);
        let exchange = options.text("exchange_name").unwrap_or_else(|| EXCHANGE_DEFAULT.to_owned());
        let mut queues = options.texts("queues");
        if queues.is_empty() {
            tracing::warn!("event_broker names no `queues`; events go to `{QUEUE_DEFAULT}`");
            queues.push(QUEUE_DEFAULT.to_owned());
        }
        let address = address(&options, environment)?;
        let labels = Labels {
            app_id: environment.rasa_environment.clone(),
            export_process_id: environment.export_process_id.clone(),
        };
        Ok(Self { address, topology: Topology { exchange, queues }, labels, connection: None })
    }

    /// Host, port, virtual host and exchange, for messages and names of files.
    pub fn described(&self) -> String {
        let Address { host, port, vhost, .. } = &self.address;
        format!("amqp://{host}:{port}{vhost} {}", self.topology.exchange)
    }

    /// Connects unless that is done.
    pub async fn connected(&mut self) -> Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = Connection::open(&self.address).await?;
                connection.declare(&self.topology).await?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }
}

impl Transport for Pika {
    fn send<'a>(&'a mut self, payloads: &'a [String]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (exchange, labels) = (self.topology.exchange.clone(), self.labels.clone());
            self.connected().await?.publish(&exchange, &labels, payloads).await
        })
    }

    fn idle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.connected().await?.beat().await })
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

/// From `url` (a host, or `amqp://…`) and the single options; what the URL says wins.
pub(crate) fn address(options: &Options<'_>, environment: &Environment) -> Result<Address> {
    let url = options.0.url.clone().unwrap_or_else(|| "localhost".to_owned());
    let (scheme, rest) =
        url.split_once("://").map_or(("amqp", url.as_str()), |(scheme, rest)| (scheme, rest));
    if !["amqp", "amqps"].contains(&scheme) {
        let message =
            format!("event_broker: `{scheme}://` is no address of RabbitMQ; use amqp:// or amqps://");
        return Err(Error::new(Kind::Unsupported, message));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, server) =
        authority.rsplit_once('@').map_or((None, authority), |(login, server)| (Some(login), server));
    let (username, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        Some((username, password)) => (Some(decoded(username)), Some(decoded(password))),
        None => (None, None),
    };
    let (host, port) = match server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)))
    {
        Some((host, port)) => (host, Some(port)),
        None => (server, None),
    };
    let files = tls_files(query, environment)?;
    let has_tls = scheme == "amqps" || files != TlsFiles::default();
    let default_port = if scheme == "amqps" { TLS_PORT_DEFAULT } else { PORT_DEFAULT };
    Ok(Address {
        host: host.to_owned(),
        port: port.or(options.number("port")?).unwrap_or(default_port),
        username: username.or_else(|| options.text("username")).unwrap_or_else(|| "guest".to_owned()),
        password: password.or_else(|| options.text("password")).unwrap_or_else(|| "guest".to_owned()),
        vhost: if vhost.is_empty() { "/".to_owned() } else { decoded(vhost) },
        tls: if has_tls { Some(files.config()?) } else { None },
    })
}

fn tls_files(query: &str, environment: &Environment) -> Result<TlsFiles> {
    let mut files = TlsFiles {
        authorities: None,
        certificate: environment.rabbitmq_certificate.clone(),
        key: environment.rabbitmq_key.clone(),
    };
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = decoded(value);
        match key {
            "cacertfile" | "cafile" => files.authorities = Some(value),
            "certfile" => files.certificate = Some(value),
            "keyfile" => files.key = Some(value),
            "verify" if value == "verify_none" => return Err(unverified()),
            "no_verify_ssl" if value != "0" => return Err(unverified()),
            _ => tracing::warn!(parameter = key, "this parameter of the broker's url has no effect"),
        }
    }
    Ok(files)
}

fn unverified() -> Error {
    let message = "event_broker: connections without verified certificates are not supported; name the authority \
                   with `cacertfile`";
    Error::new(Kind::Unsupported, message)
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl std::fmt::Debug for Pika {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Address { host, port, username, vhost, tls, .. } = &self.address;
        let has_tls = tls.as_ref().map(Arc::as_ref).is_some();
        write!(f, "{username}@{host}:{port}{vhost} tls {has_tls} {:?}", self.topology)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn settings_name_a_broker_or_are_refused() {
        let check = |url: &str, extra: Value, expected: &str| {
            let extra = extra.as_object().cloned().unwrap();
            let config = EndpointConfig { url: Some(url.to_owned()), extra, ..EndpointConfig::default() };
            let found = Pika::new(&config, &Environment::default());
            let found = found.map_or_else(|error| error.message, |pika| format!("{pika:?}"));
            assert!(found.starts_with(expected), "{found}");
        };
        check(
            "h",
            json!({}),
            "guest@h:5672/ tls false Topology { exchange: \"rasa-exchange\", queues: [\"rasa_core_events\"] }",
        );
        let extra = json!({"username": "u", "password": "p", "port": "99", "queues": ["a", "b"], "exchange_name": "e"});
        check("h", extra.clone(), "u@h:99/ tls false Topology { exchange: \"e\", queues: [\"a\", \"b\"] }");
        check("amqp://x:y@h:98/v%2Fw", extra, "x@h:98v/w tls false");
        check(
            "amqp://h/",
            json!({"queues": "one"}),
            "guest@h:5672/ tls false Topology { exchange: \"rasa-exchange\", queues: [\"one\"] }",
        );
        check("amqps://h", json!({}), "guest@h:5671/ tls true");
        check(
            "amqps://h?verify=verify_none",
            json!({}),
            "event_broker: connections without verified certificates",
        );
        check(
            "amqps://h?cacertfile=/no/such",
            json!({}),
            "event_broker: cannot read certificates in /no/such",
        );
        check("http://h", json!({}), "event_broker: `http://` is no address of RabbitMQ");
        check("h", json!({"port": "x"}), "event_broker: port cannot be 'x'");
    }
}
