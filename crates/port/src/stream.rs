//! Messages that come and go: where they are taken from, where they are sent.
//!
//! Every implementation delivers at least once: a message comes again until it is acknowledged,
//! whatever dies in between. Who takes messages keeps books of their keys.

use std::time::Duration;

use crate::BoxFuture;
use crate::error::Result;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about; messages of one key stay in order.
    pub key: Option<String>,
    /// The text.
    pub body: String,
}

/// A message as it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// What is wrong with it already as a message, such as its size.
    pub damage: Option<String>,
    /// What its acknowledgement says.
    pub receipt: i64,
    /// Where it stands in a log that the consumer keeps its place in.
    pub place: Option<Place>,
    /// Grows with the age of messages of one key; 0 where the transport does not number them.
    pub order: i64,
}

/// A place in a partitioned log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The number in it.
    pub offset: i64,
}

/// Where messages are taken from. It connects when it has to.
pub trait Subscription: Send {
    /// Up to `most` messages; none when none came for so long.
    fn receive(&mut self, most: usize, patience: Duration) -> BoxFuture<'_, Result<Vec<Delivery>>>;

    /// Says that these need not come again.
    fn acknowledge<'a>(&'a mut self, deliveries: &'a [Delivery]) -> BoxFuture<'a, Result<()>>;

    /// How many messages wait, those delivered and not acknowledged included.
    fn lag(&mut self) -> BoxFuture<'_, Result<u64>>;

    /// Goes on after these places, where the transport keeps no books itself.
    fn resume(&mut self, _places: &[Place]) {}

    /// Whether [`Subscription::resume`] has to be called, at the start and after [`Subscription::reset`].
    fn wants_places(&self) -> bool {
        false
    }

    /// Forgets the connection, in whatever state it is.
    fn reset(&mut self);
}

/// Where messages are sent to. It connects when it has to.
pub trait Publisher: Send {
    /// Sends messages in order; they are safe when it returns. After an error some may have arrived.
    fn send<'a>(&'a mut self, messages: &'a [Message]) -> BoxFuture<'a, Result<()>>;

    /// Forgets the connection, in whatever state it is.
    fn reset(&mut self);
}
