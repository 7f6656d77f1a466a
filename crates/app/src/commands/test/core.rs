//! `intendant test core`: test stories against a model.

use std::process::ExitCode;

use intendant_config::Environment;

use crate::cli::{CoreTestOptions, TestOptions};
use crate::failure::Failure;

/// Plays test stories; end to end, messages are parsed as well.
pub fn run(
    _options: &TestOptions,
    _core: &CoreTestOptions,
    _end_to_end: bool,
    _environment: &Environment,
) -> Result<ExitCode, Failure> {
    Err(Failure::new("", "story tests are not wired yet"))
}
