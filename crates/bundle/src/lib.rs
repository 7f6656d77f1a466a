//! Our model archive: bytes to values and back.
//!
//! An archive is a gzip tar named like Rasa's. It holds, in this order,
//!
//! * `metadata.json`: kind, ids, configuration, fingerprints, and the SHA-256 of every other file,
//! * `domain.json`: the domain as Rasa writes it,
//! * `components/<node>/state.json` and `components/<node>/weights.safetensors` for every trained
//!   component, nodes in pipeline order.
//!
//! Nothing in it is ever executed. Reading checks every digest before anything is used, and bounds
//! what a hostile archive can make us allocate. The same values give the same bytes: no clock, no
//! user names, no file modes of the machine that trained it.

mod archive;
mod metadata;
mod tensors;

pub use archive::{Bundle, read, read_metadata, read_metadata_from, write};
pub use metadata::{ARCHIVE_FORMAT, Metadata, TrainingType};

/// Why an archive could not be read or written.
#[derive(Debug)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: Kind,
    message: String,
}

/// Kinds of archive errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not a gzip tar, truncated, or a digest does not match.
    Damaged,
    /// A sound archive of a kind or version that this build does not read.
    Unsupported,
    /// Larger than the limits allow.
    TooLarge,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
