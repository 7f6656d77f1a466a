//! `type: kafka`, with Rasa's options (`spec: http-and-channels.md §7`).
//!
//! Differs from Rasa: events of one conversation always go to the same partition, so that they
//! stay in order, whether or not `partition_by_sender` gives messages a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use serde_json::Value;

use crate::open::{Environment, Options};
use crate::outbox::Transport;
use crate::tls::TlsFiles;

const TOPIC_DEFAULT: &str = "rasa_core_events";
/// What the header says where `RASA_ENVIRONMENT` is not set.
const NO_ENVIRONMENT: &str = "RASA_ENVIRONMENT_NOT_SET";

/// The way to Kafka.
pub struct Kafka {
    bootstrap: Vec<String>,
    pub(crate) topic: String,
    client_id: Option<String>,
    has_keys: bool,
    sasl: Option<SaslConfig>,
    tls: Option<Arc<rustls::ClientConfig>>,
    environment: String,
    pub(crate) connection: Option<Connection>,
}

pub(crate) struct Connection {
    client: Client,
    pub(crate) partitions: Vec<i32>,
    open: BTreeMap<i32, PartitionClient>,
}

impl Kafka {
    /// Reads the settings. Nothing is connected.
    pub fn new(config: &EndpointConfig, environment: &Environment) -> Result<Self> {
        let options = Options(config);
        let url = config.url.clone().unwrap_or_else(|| "localhost".to_owned());
        let with_port = |server: &str| match server.trim().rsplit_once(':') {
            Some(_) => server.trim().to_owned(),
            None => format!("{}:9092", server.trim()),
        };
        let protocol = options.text("security_protocol").unwrap_or_else(|| "SASL_PLAINTEXT".to_owned());
        let (has_sasl, has_tls) = match protocol.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => (false, false),
            "SASL_PLAINTEXT" => (true, false),
            "SSL" => (false, true),
            "SASL_SSL" => (true, true),
            _ => return Err(unusable(format!("security_protocol cannot be '{protocol}'"))),
        };
        let files = TlsFiles {
            authorities: options.text("ssl_cafile"),
            certificate: options.text("ssl_certfile"),
            key: options.text("ssl_keyfile"),
        };
        Ok(Self {
            bootstrap: url.split(',').map(with_port).collect(),
            topic: options.text("topic").unwrap_or_else(|| TOPIC_DEFAULT.to_owned()),
            client_id: options.text("client_id"),
            has_keys: options.flag("partition_by_sender"),
            sasl: if has_sasl { Some(sasl(&options)?) } else { None },
            tls: if has_tls { Some(files.config()?) } else { None },
            environment: environment.rasa_environment.clone().unwrap_or_else(|| NO_ENVIRONMENT.to_owned()),
            connection: None,
        })
    }

    /// Servers and topic, for messages and names of files.
    pub fn described(&self) -> String {
        format!("kafka://{} {}", self.bootstrap.join(","), self.topic)
    }

    /// Connects unless that is done.
    pub async fn connected(&mut self) -> Result<()> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut builder = ClientBuilder::new(self.bootstrap.clone());
        if let Some(client_id) = &self.client_id {
            builder = builder.client_id(client_id.as_str());
        }
        if let Some(sasl) = &self.sasl {
            builder = builder.sasl_config(sasl.clone());
        }
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        let client = builder.build().await.map_err(|error| failed("connect to", error))?;
        let topics = client.list_topics().await.map_err(|error| failed("list the topics of", error))?;
        let topic = topics.into_iter().find(|topic| topic.name == self.topic);
        let partitions: Vec<i32> =
            topic.map(|topic| topic.partitions.into_iter().collect()).unwrap_or_default();
        if partitions.is_empty() {
            let message = format!("kafka has no topic '{}'; create it", self.topic);
            return Err(Error::new(Kind::Unavailable, message));
        }
        self.connection = Some(Connection { client, partitions, open: BTreeMap::new() });
        Ok(())
    }

    fn record(&self, payload: &str, sender_id: &str) -> Record {
        let headers = [("RASA_ENVIRONMENT".to_owned(), self.environment.clone().into_bytes())];
        Record {
            key: self.has_keys.then(|| sender_id.as_bytes().to_vec()),
            value: Some(payload.as_bytes().to_vec()),
            headers: headers.into_iter().collect(),
            timestamp: Utc::now(),
        }
    }
}

impl Connection {
    pub(crate) async fn partition(&mut self, topic: &str, partition: i32) -> Result<&PartitionClient> {
        if !self.open.contains_key(&partition) {
            let opened = self.client.partition_client(topic, partition, UnknownTopicHandling::Error).await;
            self.open.insert(partition, opened.map_err(|error| failed("open a partition of", error))?);
        }
        self.open.get(&partition).ok_or_else(|| Error::new(Kind::Unavailable, "a partition of kafka is gone"))
    }
}

impl Transport for Kafka {
    fn send<'a>(&'a mut self, payloads: &'a [String]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.connected().await?;
            let count = self.connection.as_ref().map_or(1, |connection| connection.partitions.len());
            let mut by_partition: BTreeMap<usize, Vec<Record>> = BTreeMap::new();
            for payload in payloads {
                let value: Value = serde_json::from_str(payload).unwrap_or_default();
                let sender_id = value["sender_id"].as_str().unwrap_or_default();
                let records = by_partition.entry(place(sender_id, count)).or_default();
                records.push(self.record(payload, sender_id));
            }
            let topic = self.topic.clone();
            let Some(connection) = &mut self.connection else {
                return Ok(());
            };
            for (place, records) in by_partition {
                let partition = connection.partitions[place];
                let client = connection.partition(&topic, partition).await?;
                let produced = client.produce(records, Compression::NoCompression).await;
                produced.map_err(|error| failed("write to", error))?;
            }
            Ok(())
        })
    }

    fn idle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.connected())
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

/// Which of `count` partitions a conversation goes to (FNV-1a).
pub(crate) fn place(sender_id: &str, count: usize) -> usize {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = sender_id.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    usize::try_from(hash % count.max(1) as u64).unwrap_or(0)
}

fn sasl(options: &Options<'_>) -> Result<SaslConfig> {
    let credentials = Credentials::new(
        options.text("sasl_username").unwrap_or_default(),
        options.text("sasl_password").unwrap_or_default(),
    );
    let mechanism = options.text("sasl_mechanism").unwrap_or_else(|| "PLAIN".to_owned());
    match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Ok(SaslConfig::Plain(credentials)),
        "SCRAM-SHA-256" => Ok(SaslConfig::ScramSha256(credentials)),
        "SCRAM-SHA-512" => Ok(SaslConfig::ScramSha512(credentials)),
        _ => Err(unusable(format!(
            "sasl_mechanism '{mechanism}' is not supported; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        ))),
    }
}

fn unusable(what: String) -> Error {
    Error::new(Kind::Unsupported, format!("event_broker: {what}"))
}

pub(crate) fn failed(what: &str, error: rskafka::client::error::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {what} kafka")).because(error)
}
