//! RabbitMQ as a transport of streams: one durable queue. Consumers share its messages.

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::stream::{Delivery, Message, Publisher, Subscription};

use crate::amqp::{Address, Connection, Consumer};

/// How long the broker may take to confirm messages, or to answer a question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The side that takes messages.
pub struct RabbitSubscription {
    address: Address,
    queue: String,
    prefetch: u16,
    consumer: Option<Consumer>,
}

impl RabbitSubscription {
    /// Takes from a queue, with at most `prefetch` messages under way. Nothing is connected.
    pub fn new(address: Address, queue: &str, prefetch: u16) -> Self {
        Self { address, queue: queue.to_owned(), prefetch, consumer: None }
    }

    async fn connected(&mut self) -> Result<&mut Consumer> {
        let consumer = match self.consumer.take() {
            Some(consumer) => consumer,
            None => Consumer::open(&self.address, &self.queue, self.prefetch).await?,
        };
        Ok(self.consumer.insert(consumer))
    }
}

impl Subscription for RabbitSubscription {
    fn receive(&mut self, most: usize, patience: Duration) -> BoxFuture<'_, Result<Vec<Delivery>>> {
        Box::pin(async move { self.connected().await?.receive(most, patience).await })
    }

    fn acknowledge<'a>(&'a mut self, deliveries: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match &mut self.consumer {
                Some(consumer) => consumer.acknowledge(deliveries).await,
                // Delivered by a connection that is gone: they come again.
                None => Ok(()),
            }
        })
    }

    fn lag(&mut self) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move { within(self.connected().await?.lag()).await })
    }

    fn reset(&mut self) {
        self.consumer = None;
    }
}

/// The side that sends messages.
pub struct RabbitPublisher {
    address: Address,
    queue: String,
    connection: Option<Connection>,
}

impl RabbitPublisher {
    /// Sends to a queue. Nothing is connected.
    pub fn new(address: Address, queue: &str) -> Self {
        Self { address, queue: queue.to_owned(), connection: None }
    }
}

impl Publisher for RabbitPublisher {
    fn send<'a>(&'a mut self, messages: &'a [Message]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => {
                    let mut connection = Connection::open(&self.address).await?;
                    connection.declare_queue(&self.queue).await?;
                    connection
                }
            };
            within(self.connection.insert(connection).publish_to(&self.queue, messages)).await
        })
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

async fn within<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    use intendant_port::error::{Error, Kind};
    tokio::time::timeout(ANSWER_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| Err(Error::new(Kind::Timeout, "the broker does not answer")))
}
