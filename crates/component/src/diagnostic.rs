//! What is wrong with a user's files, where, and how to mend it.

use intendant_talk::data::Source;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// One finding about a user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands; `file` is empty when it belongs to no file.
    pub source: Source,
    /// What was found and what was expected, lowercase, no full stop.
    pub message: String,
    /// The likely fix, if there is one.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(source: Source, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, source, message: message.into(), hint: None }
    }

    /// A warning.
    pub fn warning(source: Source, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, source, message: message.into(), hint: None }
    }

    /// The same finding with a likely fix.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let label = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let Source { file, line, column } = &self.source;
        match (file.is_empty(), *line) {
            (true, _) => write!(f, "{label}: {}", self.message)?,
            (false, 0) => write!(f, "{file}: {label}: {}", self.message)?,
            (false, line) => write!(f, "{file}:{line}:{}: {label}: {}", (*column).max(1), self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  help: {hint}"),
            None => Ok(()),
        }
    }
}
