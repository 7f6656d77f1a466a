//! Who understands texts, when it is not the model.

use intendant_talk::message::Parse;

use crate::BoxFuture;
use crate::error::Result;

/// Understands texts, elsewhere.
pub trait Interpreter: Send + Sync {
    /// Parses one message of a conversation.
    fn parse<'a>(&'a self, text: &'a str, sender_id: &'a str) -> BoxFuture<'a, Result<Parse>>;
}
