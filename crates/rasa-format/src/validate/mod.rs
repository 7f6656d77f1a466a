//! `data validate` (`spec: training-data.md §8`), except story structure (check 12), which needs
//! policies and belongs to them.
//!
//! What is wrong within one file was said when it was read; here the files are compared with each
//! other. A finding of severity error makes validation fail.

mod domain;
mod language;
mod stories;

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_talk::data::Source;

use crate::config::PLACEHOLDER_ASSISTANT_ID;
use crate::project::Project;

pub use language::check_amounts;

/// What validation fails on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Errors.
    #[default]
    Errors,
    /// Errors, and those warnings that Rasa's `--fail-on-warnings` promotes.
    Warnings,
}

/// Checks a project's parts against each other.
pub fn check(project: &Project, strictness: Strictness) -> Vec<Diagnostic> {
    let mut checker = Checker { project, strictness, findings: Vec::new() };
    if !project.has_domain() {
        let source = Source { file: String::new(), ..Source::default() };
        let finding = Diagnostic::error(source, "the domain is empty");
        checker.findings.push(finding.with_hint("list intents, responses and actions in `domain.yml`"));
        return checker.findings;
    }
    checker.config();
    checker.intents();
    checker.repeated_examples();
    checker.responses();
    checker.actions_and_loops();
    checker.forms_and_slots();
    checker.references();
    checker.findings
}

struct Checker<'a> {
    project: &'a Project,
    strictness: Strictness,
    findings: Vec<Diagnostic>,
}

impl Checker<'_> {
    /// A warning that `--fail-on-warnings` makes an error.
    fn promoted(&self, source: Source, message: impl Into<String>) -> Diagnostic {
        let severity = match self.strictness {
            Strictness::Errors => Severity::Warning,
            Strictness::Warnings => Severity::Error,
        };
        Diagnostic { severity, source, message: message.into(), hint: None }
    }

    fn push(&mut self, finding: Diagnostic, hint: Option<String>) {
        self.findings.push(match hint {
            Some(hint) => finding.with_hint(hint),
            None => finding,
        });
    }

    /// Check 13: mandatory keys of the configuration.
    fn config(&mut self) {
        let config = &self.project.config;
        for key in ["language", "assistant_id"] {
            if !config.dict.contains_key(key) {
                let message = format!("the configuration has no `{key}`");
                let finding = Diagnostic::warning(config.source.clone(), message);
                self.findings.push(finding.with_hint(format!("add `{key}:`")));
            }
        }
        if config.assistant_id.as_deref() == Some(PLACEHOLDER_ASSISTANT_ID) {
            let message = format!("`assistant_id` still is `{PLACEHOLDER_ASSISTANT_ID}`");
            let finding = Diagnostic::warning(config.source.clone(), message);
            self.findings.push(finding.with_hint("give the assistant a name of its own"));
        }
    }
}
