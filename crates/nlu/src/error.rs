//! Why a pipeline could not be trained.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::training::Cancelled;

/// What a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The configuration or the training data is wrong; the diagnostics say where.
    Input,
    /// Training was stopped on request.
    Cancelled,
}

/// A pipeline that could not be trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What it is.
    pub kind: Kind,
    /// All findings, warnings included; at least one error when the kind is [`Kind::Input`].
    pub diagnostics: Vec<Diagnostic>,
}

impl Error {
    pub(crate) fn input(diagnostics: Vec<Diagnostic>) -> Self {
        Self { kind: Kind::Input, diagnostics }
    }
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Self { kind: Kind::Cancelled, diagnostics: Vec::new() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Cancelled => write!(f, "training of language understanding was cancelled"),
            Kind::Input => {
                write!(f, "language understanding cannot be trained")?;
                for diagnostic in &self.diagnostics {
                    write!(f, "\n{diagnostic}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}
