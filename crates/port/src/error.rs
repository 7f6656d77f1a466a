//! Why something outside did not do what it was asked for.

use std::fmt;

/// Result of a call to the outside.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed call to the outside.
#[derive(Debug)]
pub struct Error {
    /// What the caller can do about it.
    pub kind: Kind,
    /// What was tried, lowercase, no full stop.
    pub message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the caller of a failed call can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not reachable or refusing for now; a later try may succeed.
    Unavailable,
    /// No answer within the time limit.
    Timeout,
    /// It answered with something that cannot be understood.
    Invalid,
    /// It answered that it will not do this.
    Refused,
    /// A setting names something that we do not have.
    Unsupported,
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error with its cause.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The message with the messages of all causes, for logs.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
