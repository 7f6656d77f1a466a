//! Diagnostics on the terminal.

use intendant_component::diagnostic::{Diagnostic, Severity};
use serde_json::{Value, json};

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

/// Warnings and errors in file order, each once.
fn shown(findings: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut shown: Vec<&Diagnostic> =
        findings.iter().filter(|finding| finding.severity != Severity::Info).collect();
    shown.sort_by(|left, right| (&left.source, left.severity).cmp(&(&right.source, right.severity)));
    shown.dedup();
    shown
}

/// Warnings and errors as JSON, in file order, each once.
pub fn to_json(findings: &[Diagnostic]) -> Value {
    let shown = shown(findings);
    let counts = |severity| shown.iter().filter(|finding| finding.severity == severity).count();
    let diagnostics: Vec<Value> = shown
        .iter()
        .map(|finding| {
            let source = &finding.source;
            let known = |number: usize| (number > 0).then_some(number);
            json!({
                "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
                "file": (!source.file.is_empty()).then_some(&source.file),
                "line": known(source.line),
                "column": known(source.column),
                "message": finding.message,
                "hint": finding.hint,
            })
        })
        .collect();
    json!({
        "ok": counts(Severity::Error) == 0,
        "errors": counts(Severity::Error),
        "warnings": counts(Severity::Warning),
        "diagnostics": diagnostics,
    })
}

/// Prints warnings and errors to standard error.
pub fn print(findings: &[Diagnostic]) {
    let shown = shown(findings);
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
