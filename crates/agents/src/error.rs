//! What can go wrong with agents on disk.

use std::fmt;
use std::path::Path;

use intendant_component::diagnostic::Diagnostic;

/// Why something was not done.
#[derive(Debug)]
pub struct Error {
    /// Which branch a caller takes.
    pub kind: Kind,
    message: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file or folder could not be read or written.
    File,
    /// What was read is no agent.
    Input,
    /// A version is not there, or not as it was kept.
    Version,
    /// Training was cancelled or refused.
    Training,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn file(action: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(Kind::File, format!("cannot {action} {}: {error}", path.display()))
    }

    pub(crate) fn input(path: &Path, findings: &[Diagnostic]) -> Self {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Self::new(
            Kind::Input,
            format!("{} is no agent that can be read\n{}", path.display(), findings.join("\n")),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
