//! Kafka as a transport of streams: one topic, its partitions read from the places that the consumer
//! keeps in its own books. A consumer reads all partitions, or those that it is given.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::Utc;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::{Delivery, Message, Place, Publisher, Subscription};
use rskafka::client::error::{Error as KafkaError, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt};
use rskafka::record::{Record, RecordAndOffset};

use crate::kafka::{Connection, Kafka, failed, place};

/// The library tries again for ever; we do not.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes fetched at once from a partition.
const FETCH_BYTES_MAX: i32 = 4 << 20;
/// How long one partition may keep the others waiting, in milliseconds.
const WAIT_MS_MAX: u128 = 200;

/// The side that takes messages.
pub struct KafkaSubscription {
    kafka: Kafka,
    /// The partitions that are read; all of them where none are named.
    partitions: Vec<i32>,
    /// The offset that comes next.
    next: BTreeMap<i32, i64>,
    /// The end of the log as it was last seen.
    end: BTreeMap<i32, i64>,
    /// Delivered and not acknowledged.
    open: u64,
    /// Fetched and not asked for yet.
    ready: Vec<Delivery>,
}

impl KafkaSubscription {
    /// Takes from the topic of `kafka`. Nothing is connected.
    pub fn new(kafka: Kafka, partitions: Vec<i32>) -> Self {
        let (next, end) = (BTreeMap::new(), BTreeMap::new());
        Self { kafka, partitions, next, end, open: 0, ready: Vec::new() }
    }

    async fn fetch_all(&mut self, patience: Duration) -> Result<()> {
        self.kafka.connected().await?;
        let topic = self.kafka.topic.clone();
        let Some(connection) = &mut self.kafka.connection else { return Ok(()) };
        let partitions = match self.partitions.is_empty() {
            true => connection.partitions.clone(),
            false => self.partitions.clone(),
        };
        let wait_ms = (patience.as_millis() / partitions.len().max(1) as u128).min(WAIT_MS_MAX);
        let wait_ms = i32::try_from(wait_ms).unwrap_or(0);
        for partition in partitions {
            let known = self.next.get(&partition).copied();
            let (next, records, end) = fetch(connection, (&topic, partition), known, wait_ms).await?;
            self.end.insert(partition, end);
            self.next.insert(partition, records.last().map_or(next, |last| last.offset + 1));
            self.ready.extend(records.into_iter().map(|record| delivery(partition, record)));
        }
        Ok(())
    }
}

/// The records that come next in a partition, the offset they were asked from, and the log's end.
async fn fetch(
    connection: &mut Connection,
    (topic, partition): (&str, i32),
    known: Option<i64>,
    wait_ms: i32,
) -> Result<(i64, Vec<RecordAndOffset>, i64)> {
    let client = connection.partition(topic, partition).await?;
    let earliest = || async {
        client.get_offset(OffsetAt::Earliest).await.map_err(|error| failed("read the offsets of", error))
    };
    let next = match known {
        Some(next) => next,
        None => earliest().await?,
    };
    match client.fetch_records(next, 1..FETCH_BYTES_MAX, wait_ms).await {
        Ok((records, end)) => Ok((next, records, end)),
        // What we had not read yet was removed by Kafka's retention.
        Err(KafkaError::ServerError { protocol_error: ProtocolError::OffsetOutOfRange, .. }) => {
            let first = earliest().await?;
            tracing::warn!(topic, partition, next, first, "kafka has removed messages before they were read");
            Ok((first, Vec::new(), first))
        }
        Err(error) => Err(failed("read from", error)),
    }
}

fn delivery(partition: i32, RecordAndOffset { record, offset }: RecordAndOffset) -> Delivery {
    let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (text, Some("it is not UTF-8".to_owned()))
        }
    };
    let (body, damage) = match record.value {
        Some(value) => text(value),
        None => (String::new(), Some("it has no value".to_owned())),
    };
    let key = record.key.map(|key| text(key).0).filter(|key| !key.is_empty());
    Delivery {
        message: Message { key, body },
        damage,
        receipt: offset,
        place: Some(Place { partition, offset }),
        order: offset,
    }
}

impl Subscription for KafkaSubscription {
    fn receive(&mut self, most: usize, patience: Duration) -> BoxFuture<'_, Result<Vec<Delivery>>> {
        Box::pin(async move {
            let deadline = Instant::now() + patience;
            while self.ready.is_empty() {
                let left = deadline.saturating_duration_since(Instant::now());
                within(self.fetch_all(left)).await?;
                if self.ready.is_empty() && left.is_zero() {
                    return Ok(Vec::new());
                }
            }
            let count = self.ready.len().min(most);
            self.open += count as u64;
            Ok(self.ready.drain(..count).collect())
        })
    }

    /// The consumer's books say it.
    fn acknowledge<'a>(&'a mut self, deliveries: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        self.open = self.open.saturating_sub(deliveries.len() as u64);
        Box::pin(std::future::ready(Ok(())))
    }

    fn lag(&mut self) -> BoxFuture<'_, Result<u64>> {
        let behind = self.end.iter().map(|(partition, end)| {
            let next = self.next.get(partition).copied().unwrap_or(*end);
            u64::try_from(end - next).unwrap_or_default()
        });
        let lag = behind.sum::<u64>() + self.ready.len() as u64 + self.open;
        Box::pin(std::future::ready(Ok(lag)))
    }

    fn resume(&mut self, places: &[Place]) {
        self.next = places.iter().map(|place| (place.partition, place.offset)).collect();
    }

    fn wants_places(&self) -> bool {
        true
    }

    fn reset(&mut self) {
        self.kafka.connection = None;
        self.next.clear();
        self.ready.clear();
        self.open = 0;
    }
}

/// The side that sends messages.
pub struct KafkaPublisher {
    kafka: Kafka,
}

impl KafkaPublisher {
    /// Sends to the topic of `kafka`. Nothing is connected.
    pub fn new(kafka: Kafka) -> Self {
        Self { kafka }
    }

    async fn send_all(&mut self, messages: &[Message]) -> Result<()> {
        self.kafka.connected().await?;
        let topic = self.kafka.topic.clone();
        let Some(connection) = &mut self.kafka.connection else { return Ok(()) };
        let mut by_partition: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
        for message in messages {
            let key = message.key.as_deref().unwrap_or(&message.body);
            let partition = connection.partitions[place(key, connection.partitions.len())];
            by_partition.entry(partition).or_default().push(Record {
                key: message.key.as_ref().map(|key| key.as_bytes().to_vec()),
                value: Some(message.body.as_bytes().to_vec()),
                headers: BTreeMap::new(),
                timestamp: Utc::now(),
            });
        }
        for (partition, records) in by_partition {
            let client = connection.partition(&topic, partition).await?;
            let produced = client.produce(records, Compression::NoCompression).await;
            produced.map_err(|error| failed("write to", error))?;
        }
        Ok(())
    }
}

impl Publisher for KafkaPublisher {
    fn send<'a>(&'a mut self, messages: &'a [Message]) -> BoxFuture<'a, Result<()>> {
        Box::pin(within(self.send_all(messages)))
    }

    fn reset(&mut self) {
        self.kafka.connection = None;
    }
}

async fn within<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| Err(Error::new(Kind::Timeout, "kafka does not answer")))
}
