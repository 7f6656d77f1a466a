//! `intendant data validate`.

use std::process::ExitCode;

use intendant_component::diagnostic::Diagnostic;
use intendant_config::Environment;
use intendant_rasa_format::project::Project;

use crate::cli::{ValidateArgs, ValidateOnly};
use crate::failure::Failure;
use crate::project::{self, Paths};
use crate::report;

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
    if project.domain.dict.is_empty() && !project::has_errors(&findings) {
        return Err(Failure::new("", "Encountered empty domain during validation."));
    }
    if arguments.only.is_none() {
        // validate
    }
    if matches!(arguments.only, None | Some(ValidateOnly::Stories)) && !project::has_errors(&findings) {
        findings.extend(intendant_policy::conflicts(
            &project.domain,
            &project.stories,
            arguments.max_history,
        ));
    }
    conclude(&findings, arguments.fail_on_warnings)?;
    println!("No problems found that stop a training.");
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
    let mut findings = read.to_vec();
    // validate
    if !project::has_errors(&findings) {
        findings.extend(intendant_policy::conflicts(&project.domain, &project.stories, options.max_history));
    }
    conclude(&findings, options.fail_on_warnings)
}

fn conclude(findings: &[Diagnostic], fail_on_warnings: bool) -> Result<(), Failure> {
    report::print(findings);
    let counts = report::count(findings);
    if counts.errors > 0 || (fail_on_warnings && counts.warnings > 0) {
        return Err(Failure::new("", "Project validation completed with errors."));
    }
    Ok(())
}
