//! Where a producer finds items.

pub mod broker;
pub mod file;
pub mod http;
pub mod records;

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::stream::Message;

/// What one look at a source gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polled {
    /// Items, oldest first.
    pub items: Vec<Message>,
    /// Where the next look goes on, once the items are in the books.
    pub state: Option<String>,
    /// When the next look is due.
    pub next: Next,
}

/// When the next look at a source is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// There is more.
    #[default]
    Now,
    /// After so long.
    After(Duration),
    /// Nothing comes any more.
    Never,
}

/// Gives items from where it was left.
pub trait Source: Send {
    /// Goes on where a state says; from the beginning without one.
    fn restore(&mut self, state: Option<&str>);

    /// Looks once. It may be broken off at any time.
    fn poll(&mut self) -> BoxFuture<'_, Result<Polled>>;

    /// The items of the last look are in the books.
    fn taken(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How long to wait after the last failure, where the other side said so.
    fn asked_wait(&self) -> Option<Duration> {
        None
    }
}
