//! `intendant run`.

use std::process::ExitCode;

use crate::cli::RunArgs;
use crate::failure::Failure;

/// Serves a model, or starts the action server.
pub fn run(arguments: RunArgs) -> Result<ExitCode, Failure> {
    if let Some(part) = &arguments.part {
        return super::run_actions::run(part);
    }
    Err(Failure::new("NotImplemented", "this command is being built"))
}
