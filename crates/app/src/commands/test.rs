//! `intendant test`, `test core`, `test nlu`.

use std::process::ExitCode;

use intendant_config::Environment;

use crate::cli::TestArgs;
use crate::failure::Failure;

/// Runs `intendant test [core|nlu]`.
pub fn run(_arguments: TestArgs, _environment: &Environment) -> Result<ExitCode, Failure> {
    Err(Failure::new("", "tests are not wired yet"))
}
