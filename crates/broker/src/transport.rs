//! From the settings of a stream's transport to the brokers that carry it.

use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::{Publisher, Subscription};
use intendant_rasa_format::endpoints::EndpointConfig;

use crate::kafka::Kafka;
use crate::kafka_stream::{KafkaPublisher, KafkaSubscription};
use crate::open::{Environment, Options};
use crate::pika;
use crate::rabbitmq::{RabbitPublisher, RabbitSubscription};

/// Brokers that carry messages, as `type` names them.
pub const KINDS: [&str; 2] = ["rabbitmq", "kafka"];

/// Takes messages of a topic, at most `batch` at once. Nothing is connected.
///
/// # Errors
/// When the settings are not as they should be.
pub fn subscription(
    config: &EndpointConfig,
    environment: &Environment,
    (topic, batch): (&str, usize),
) -> Result<Box<dyn Subscription>> {
    match config.kind.as_deref() {
        Some("rabbitmq") => {
            let address = pika::address(&Options(config), environment)?;
            // Twice a batch, so that the next one comes while this one is scored.
            let prefetch = u16::try_from(batch.saturating_mul(2)).unwrap_or(u16::MAX);
            Ok(Box::new(RabbitSubscription::new(address, topic, prefetch.max(1))))
        }
        Some("kafka") => {
            let partitions = Options(config).texts("partitions");
            let partitions: std::result::Result<Vec<i32>, _> =
                partitions.iter().map(|partition| partition.trim().parse()).collect();
            let partitions = partitions
                .map_err(|_| Error::new(Kind::Unsupported, "transport: partitions are whole numbers"))?;
            Ok(Box::new(KafkaSubscription::new(kafka(config, environment, topic)?, partitions)))
        }
        kind => Err(unknown(kind)),
    }
}

/// Sends messages to a topic. Nothing is connected.
///
/// # Errors
/// When the settings are not as they should be.
pub fn publisher(
    config: &EndpointConfig,
    environment: &Environment,
    topic: &str,
) -> Result<Box<dyn Publisher>> {
    match config.kind.as_deref() {
        Some("rabbitmq") => {
            let address = pika::address(&Options(config), environment)?;
            Ok(Box::new(RabbitPublisher::new(address, topic)))
        }
        Some("kafka") => Ok(Box::new(KafkaPublisher::new(kafka(config, environment, topic)?))),
        kind => Err(unknown(kind)),
    }
}

fn kafka(config: &EndpointConfig, environment: &Environment, topic: &str) -> Result<Kafka> {
    let mut config = config.clone();
    config.extra.insert("topic".to_owned(), topic.into());
    // Without a login there is nothing to protect it with.
    config.extra.entry("security_protocol").or_insert_with(|| "PLAINTEXT".into());
    Kafka::new(&config, environment)
}

fn unknown(kind: Option<&str>) -> Error {
    let kind = kind.unwrap_or_default();
    Error::new(Kind::Unsupported, format!("the transport `{kind}` is not known; use rabbitmq, kafka or sql"))
}
