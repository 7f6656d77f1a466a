//! One message at a time per conversation.

use crate::BoxFuture;
use crate::error::Result;

/// Hands out the floor of conversations in the order of asking.
pub trait LockStore: Send + Sync {
    /// Waits for the floor of this conversation; dropping the guard passes it on.
    fn acquire<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Guard>>;
}

/// The floor of one conversation, until dropped.
pub struct Guard(#[allow(dead_code)] Box<dyn Send>);

impl Guard {
    /// Wraps whatever the lock store's own guard is.
    pub fn new(inner: impl Send + 'static) -> Self {
        Self(Box::new(inner))
    }
}
