//! Who writes responses, when it is not the domain.

use intendant_talk::message::Object;
use intendant_talk::tracker::Tracker;

use crate::BoxFuture;
use crate::error::Result;

/// A response to be written.
#[derive(Clone, Copy)]
pub struct GenerateCall<'a> {
    /// The response's name.
    pub response: &'a str,
    /// Id of the first eligible variation, if it has a unique one.
    pub response_id: Option<&'a str>,
    /// Arguments for placeholders.
    pub arguments: &'a Object,
    /// The conversation as it stands.
    pub tracker: &'a Tracker,
    /// The channel the answer goes to.
    pub channel: &'a str,
    /// The header `traceparent` of the request, when somebody traces.
    pub traceparent: Option<&'a str>,
}

/// Writes responses, elsewhere.
pub trait Generator: Send + Sync {
    /// Writes one response: `text`, `buttons`, `image`, `elements`, `attachment`, `custom`.
    fn generate<'a>(&'a self, call: GenerateCall<'a>) -> BoxFuture<'a, Result<Object>>;
}
