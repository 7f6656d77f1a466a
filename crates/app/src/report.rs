//! Diagnostics on the terminal.

use intendant_component::diagnostic::{Diagnostic, Severity};

/// The most findings of one severity that are printed; the rest is counted.
const PRINTED_MAX: usize = 200;

/// How many findings of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
}

/// Counts findings.
pub fn count(findings: &[Diagnostic]) -> Counts {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    Counts { errors: of(Severity::Error), warnings: of(Severity::Warning) }
}

/// Prints warnings and errors to standard error, in file order, each once.
pub fn print(findings: &[Diagnostic]) {
    let mut shown: Vec<&Diagnostic> =
        findings.iter().filter(|finding| finding.severity != Severity::Info).collect();
    shown.sort_by(|left, right| (&left.source, left.severity).cmp(&(&right.source, right.severity)));
    shown.dedup();
    for severity in [Severity::Warning, Severity::Error] {
        let of_kind: Vec<_> = shown.iter().filter(|finding| finding.severity == severity).collect();
        for finding in of_kind.iter().take(PRINTED_MAX) {
            eprintln!("{finding}");
        }
        if of_kind.len() > PRINTED_MAX {
            eprintln!("… and {} more of these", of_kind.len() - PRINTED_MAX);
        }
    }
}
