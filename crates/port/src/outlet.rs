//! Where the bot's messages go.

use intendant_talk::message::Object;

use crate::BoxFuture;
use crate::error::Result;

/// The way back to a user.
pub trait Outlet: Send + Sync {
    /// The channel's name, which response variations may ask for.
    fn name(&self) -> &str;

    /// Sends one bot message: `text`, `buttons`, `quick_replies`, `image`, `attachment`,
    /// `elements`, `custom` and whatever else the response carried.
    fn send<'a>(&'a self, recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>>;
}
