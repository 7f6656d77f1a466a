//! One message at a time per conversation.

use crate::BoxFuture;
use crate::error::Result;

/// Hands out the floor of conversations in the order of asking.
pub trait LockStore: Send + Sync {
    /// Waits for the floor of this conversation; dropping the guard passes it on.
    fn acquire<'a>(&'a self, sender_id: &'a str) -> BoxFuture<'a, Result<Guard>>;

    /// Waits until dropped floors are given back, for the end of the process.
    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Whether somebody else has had the floor since this process last had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The lock store cannot tell: it knows of this process only.
    Unknown,
    /// Nobody has: what this process remembers of the conversation still holds.
    Unbroken,
    /// Somebody may have: the conversation must be read anew.
    Broken,
}

/// The floor of one conversation, until dropped.
pub struct Guard {
    continuity: Continuity,
    #[allow(dead_code)]
    inner: Box<dyn Send>,
}

impl Guard {
    /// Wraps whatever the lock store's own guard is.
    pub fn new(inner: impl Send + 'static) -> Self {
        Self { continuity: Continuity::Unknown, inner: Box::new(inner) }
    }

    /// The same floor, with what the lock store knows about its last holder.
    pub fn with_continuity(self, continuity: Continuity) -> Self {
        Self { continuity, ..self }
    }

    /// Whether somebody else has had the floor meanwhile.
    pub fn continuity(&self) -> Continuity {
        self.continuity
    }
}
