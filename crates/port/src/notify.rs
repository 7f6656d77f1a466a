//! Somebody who wants to know.

use serde_json::Value;

use crate::BoxFuture;
use crate::error::Result;

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// In a few words.
    pub subject: String,
    /// In sentences.
    pub text: String,
    /// For programs.
    pub data: Value,
}

/// Tells somebody.
pub trait Notifier: Send + Sync {
    /// Tells it; how often it is tried is up to the way.
    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<()>>;
}
