//! From the outbox to the broker.
//!
//! The outbox is a topic of the queue in the database. Messages leave it once the broker has them, so
//! that after a crash the last ones are sent again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use intendant_port::error::Result;
use intendant_port::stream::{Message, Publisher, Subscription};
use intendant_store::books::Books;
use intendant_store::queue::Queue;

use crate::counters::Counters;
use crate::stop::{BackOff, Stop};

/// Most messages sent at once.
const BATCH: usize = 500;
/// How long messages that are being sent are left alone by others.
const LEASE: Duration = Duration::from_secs(15);
/// How long one look waits for messages.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait after failures in a row.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// The relay of one outbox.
pub struct Relay {
    outbox: Queue,
    publisher: Box<dyn Publisher>,
    counters: Arc<Counters>,
}

impl Relay {
    /// The topic of the queue in which messages wait that a role of a stream sends.
    pub fn topic(role: &str, stream: &str) -> String {
        format!("outbox/{role}/{stream}")
    }

    /// Sends what waits in `topic` by `publisher`.
    pub fn new(books: &Books, topic: &str, publisher: Box<dyn Publisher>, counters: Arc<Counters>) -> Self {
        Self { outbox: Queue::new(Arc::clone(books.database()), topic, LEASE), publisher, counters }
    }

    /// Sends until it is asked to end.
    pub async fn run(mut self, stop: &Stop) {
        let mut back_off = BackOff::up_to(BACK_OFF_MAX);
        let mut is_failing = false;
        while !stop.is_asked() {
            match self.send_some(stop).await {
                Ok(_) => {
                    is_failing = false;
                    self.counters.set_ready(true);
                    back_off.succeed();
                }
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    self.counters.set_ready(false);
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(
                            error = error.chain(),
                            "messages stay in the outbox; it is tried again"
                        );
                    }
                    self.publisher.reset();
                    Subscription::reset(&mut self.outbox);
                    stop.pause(back_off.wait()).await;
                }
            }
        }
    }

    async fn send_some(&mut self, stop: &Stop) -> Result<usize> {
        let deliveries = tokio::select! {
            deliveries = self.outbox.receive(BATCH, PATIENCE) => deliveries?,
            () = stop.asked() => return Ok(0),
        };
        if deliveries.is_empty() {
            self.counters.set_lag(self.outbox.lag().await?);
            return Ok(0);
        }
        let messages: Vec<Message> = deliveries.iter().map(|delivery| delivery.message.clone()).collect();
        self.publisher.send(&messages).await?;
        self.outbox.acknowledge(&deliveries).await?;
        Ok(messages.len())
    }
}
