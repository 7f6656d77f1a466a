//! `intendant data validate`.

use std::process::ExitCode;

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_config::Environment;
use intendant_rasa_format::project::Project;
use intendant_rasa_format::validate::{self, Strictness};

use crate::cli::data::{ValidateArgs, ValidateOnly};
use crate::failure::Failure;
use crate::project::{self, Paths};
use crate::report;
use crate::terminal::say;

/// How strictly a project is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValidateOptions {
    /// History length of the check for contradicting stories.
    pub max_history: Option<usize>,
    /// Warnings fail the check.
    pub fail_on_warnings: bool,
}

/// Runs `intendant data validate [stories]`.
pub fn run(arguments: ValidateArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if arguments.max_history == Some(0) {
        return Err(Failure::new("", "The value of `--max-history 0` is not a positive integer."));
    }
    let paths = Paths {
        config: Some(arguments.project.config),
        domain: arguments.project.domain,
        data: arguments.project.data,
    };
    let (project, mut findings) = project::read(&paths, environment)?;
    if !project.has_domain() && !project::has_errors(&findings) {
        return Err(Failure::new("", "Encountered empty domain during validation."));
    }
    let strictness = strictness(arguments.fail_on_warnings);
    if arguments.only.is_none() {
        findings.extend(validate::check(&project, strictness));
        findings.extend(components(&project));
    }
    if matches!(arguments.only, None | Some(ValidateOnly::Stories)) && !project::has_errors(&findings) {
        findings.extend(conflicts(&project, arguments.max_history, strictness));
    }
    if arguments.json {
        say!("{}", report::to_json(&findings));
        let has_errors = project::has_errors(&findings);
        return Ok(if has_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    conclude(&findings)?;
    say!("No problems found that stop a training.");
    Ok(ExitCode::SUCCESS)
}

/// Checks a project before training.
///
/// # Errors
/// When a check failed; everything found has been printed.
pub fn validate_project(
    project: &Project,
    read: &[Diagnostic],
    options: &ValidateOptions,
) -> Result<(), Failure> {
    let strictness = strictness(options.fail_on_warnings);
    let mut findings = read.to_vec();
    // Without a domain only understanding is trained, and there is nothing to compare with.
    if project.has_domain() {
        findings.extend(validate::check(project, strictness));
    }
    if !project::has_errors(&findings) {
        findings.extend(conflicts(project, options.max_history, strictness));
    }
    conclude(&findings)
}

fn strictness(fail_on_warnings: bool) -> Strictness {
    if fail_on_warnings { Strictness::Warnings } else { Strictness::Errors }
}

/// Component names and options; training checks them itself.
fn components(project: &Project) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if let Some(pipeline) = &project.config.pipeline {
        findings.extend(intendant_nlu::check(pipeline));
    }
    if let Some(policies) = &project.config.policies {
        findings.extend(intendant_policy::check(policies, &project.domain, &project.stories));
    }
    findings
}

/// Stories that continue the same history in different ways: warnings that the flag promotes.
fn conflicts(project: &Project, max_history: Option<usize>, strictness: Strictness) -> Vec<Diagnostic> {
    let mut findings = intendant_policy::conflicts(&project.domain, &project.stories, max_history);
    if strictness == Strictness::Warnings {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Error);
    }
    findings
}

fn conclude(findings: &[Diagnostic]) -> Result<(), Failure> {
    report::print(findings);
    if report::count(findings).errors > 0 {
        return Err(Failure::new("", "Project validation completed with errors."));
    }
    Ok(())
}
