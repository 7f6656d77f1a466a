//! The side that takes messages: `basic.qos`, `basic.consume`, `basic.ack`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::{Delivery, Message};

use super::frame::{self, Method, Received, Writer};
use super::{Address, Connection, declaration, unreadable};

/// The largest text of a message; what goes beyond is cut off and said to be damaged.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How often the broker hears from us while nothing else is said.
const BEAT_INTERVAL: Duration = Duration::from_secs(15);

/// A consumer of one queue.
pub struct Consumer {
    connection: Connection,
    queue: String,
    /// A message whose parts are still coming.
    partial: Option<Partial>,
    /// Whole messages that nobody has asked for yet.
    ready: VecDeque<Delivery>,
    /// Delivered and not acknowledged.
    open: u64,
    beaten: Instant,
}

struct Partial {
    tag: u64,
    message_id: Option<String>,
    length: u64,
    arrived: u64,
    body: Vec<u8>,
}

impl Consumer {
    /// Connects and asks for the messages of a queue, which is declared durable if it does not exist.
    /// At most `prefetch` of them are under way.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub async fn open(address: &Address, queue: &str, prefetch: u16) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        connection.declare_queue(queue).await?;
        let mut qos = Writer::method(1, frame::BASIC_QOS);
        qos.u32(0);
        qos.u16(prefetch);
        qos.u8(0);
        let mut consume = Writer::method(1, frame::BASIC_CONSUME);
        consume.u16(0);
        consume.short(queue);
        consume.short("");
        consume.u8(0);
        consume.table(&[], &[]);
        connection.write([qos.end(), consume.end()].concat()).await?;
        connection.expect(frame::BASIC_QOS_OK).await?;
        connection.expect(frame::BASIC_CONSUME_OK).await?;
        let queue = queue.to_owned();
        Ok(Self { connection, queue, partial: None, ready: VecDeque::new(), open: 0, beaten: Instant::now() })
    }

    /// Up to `most` messages; none when none came for so long.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn receive(&mut self, most: usize, patience: Duration) -> Result<Vec<Delivery>> {
        let deadline = Instant::now() + patience;
        while self.ready.is_empty() {
            self.beat().await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            match tokio::time::timeout(left.min(BEAT_INTERVAL), self.connection.receive()).await {
                Ok(received) => drop(self.look_at(received?).await?),
                Err(_) => continue,
            }
        }
        // Whatever has arrived by now belongs to the same batch.
        while self.ready.len() < most {
            match self.connection.received.try_recv() {
                Ok(received) => drop(self.look_at(received?).await?),
                Err(_) => break,
            }
        }
        let count = self.ready.len().min(most);
        Ok(self.ready.drain(..count).collect())
    }

    /// Acknowledges messages.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn acknowledge(&mut self, deliveries: &[Delivery]) -> Result<()> {
        let mut bytes = Vec::new();
        for delivery in deliveries {
            let mut ack = Writer::method(1, frame::BASIC_ACK);
            ack.u64(u64::try_from(delivery.receipt).unwrap_or_default());
            ack.u8(0);
            bytes.extend(ack.end());
        }
        self.open = self.open.saturating_sub(deliveries.len() as u64);
        self.beaten = Instant::now();
        self.connection.write(bytes).await
    }

    /// How many messages wait, those under way included.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn lag(&mut self) -> Result<u64> {
        self.connection.write(declaration(&self.queue, frame::PASSIVE)).await?;
        loop {
            let received = self.connection.receive().await?;
            if let Some(method) = self.look_at(received).await? {
                let ready = method.message_count().ok_or_else(unreadable)?;
                return Ok(u64::from(ready) + self.open);
            }
        }
    }

    async fn beat(&mut self) -> Result<()> {
        if self.beaten.elapsed() < BEAT_INTERVAL {
            return Ok(());
        }
        self.beaten = Instant::now();
        self.connection.write(frame::HEARTBEAT.to_vec()).await
    }

    /// Puts a message together; gives back the answer to a `queue.declare`.
    async fn look_at(&mut self, received: Received) -> Result<Option<Method>> {
        match received {
            Received::Heartbeat => {}
            Received::Method(method) if method.id == frame::QUEUE_DECLARE_OK => return Ok(Some(method)),
            Received::Method(method) if method.id == frame::BASIC_DELIVER => {
                let tag = method.delivery_tag().ok_or_else(unreadable)?;
                self.partial =
                    Some(Partial { tag, message_id: None, length: 0, arrived: 0, body: Vec::new() });
            }
            Received::Method(method) if method.id == frame::BASIC_CANCEL => {
                let message = format!("the broker has no queue '{}' any more", self.queue);
                return Err(Error::new(Kind::Unavailable, message));
            }
            Received::Method(method) => self.connection.not_expected(&method).await?,
            Received::Header(length, message_id) => {
                if let Some(partial) = &mut self.partial {
                    (partial.length, partial.message_id) = (length, message_id);
                }
                self.complete();
            }
            Received::Body(part) => {
                if let Some(partial) = &mut self.partial {
                    partial.arrived += part.len() as u64;
                    let room = BODY_BYTES_MAX - partial.body.len();
                    partial.body.extend(&part[..part.len().min(room)]);
                }
                self.complete();
            }
        }
        Ok(None)
    }

    fn complete(&mut self) {
        let Some(partial) = self.partial.take_if(|partial| partial.arrived >= partial.length) else {
            return;
        };
        let Partial { tag, message_id, length, body, .. } = partial;
        let is_cut_off = length > body.len() as u64;
        let (body, is_text) = match String::from_utf8(body) {
            Ok(text) => (text, true),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
        };
        let damage = match (is_cut_off, is_text) {
            (true, _) => Some(format!("it is {length} bytes long; at most {BODY_BYTES_MAX} are taken")),
            (false, false) => Some("it is not UTF-8".to_owned()),
            (false, true) => None,
        };
        self.open += 1;
        self.ready.push_back(Delivery {
            message: Message { key: message_id.filter(|key| !key.is_empty()), body },
            damage,
            receipt: i64::try_from(tag).unwrap_or(i64::MAX),
            place: None,
            order: 0,
        });
    }
}
