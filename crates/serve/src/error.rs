//! Why the server could not do what it was asked for.

use std::fmt;

/// A request that failed.
#[derive(Debug)]
pub struct Error {
    /// What kind of failure it is.
    pub kind: Kind,
    /// What was tried, lowercase, no full stop.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No model is loaded.
    NoModel,
    /// The conversation is not known.
    UnknownConversation,
    /// The action or intent is not known to the model.
    UnknownName,
    /// The input cannot be used.
    BadInput,
    /// The tracker store failed.
    Store,
    /// The server is stopping and takes no more work.
    Stopping,
    /// Anything else.
    Internal,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<intendant_port::error::Error> for Error {
    fn from(error: intendant_port::error::Error) -> Self {
        Self::new(Kind::Store, error.chain())
    }
}
