//! Bodies posted to a URL: results of background work, messages of the callback channel.

use crate::BoxFuture;
use crate::error::Result;

/// A body on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Posts bodies.
pub trait Courier: Send + Sync {
    /// Posts one body; any status below 400 means that it has arrived.
    fn deliver<'a>(&'a self, url: &'a str, parcel: Parcel) -> BoxFuture<'a, Result<()>>;
}
