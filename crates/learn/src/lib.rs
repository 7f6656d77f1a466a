//! Predictive models: what is learnt from tables, how it is measured, explained and watched.
//!
//! Pure: a table and a seed go in, a model comes out, the same bytes on any number of threads.

pub mod drift;
pub mod forest;
pub mod measure;
pub mod tabular;

use std::fmt;

/// Why something could not be learnt or measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: ErrorKind,
    message: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A column that is named is not there.
    NoColumn,
    /// The target cannot be learnt as declared.
    Target,
    /// Too few rows.
    TooFewRows,
    /// What is declared contradicts itself or the table.
    Settings,
    /// Stopped on request.
    Cancelled,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
