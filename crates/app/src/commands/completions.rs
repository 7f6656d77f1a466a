//! `intendant completions`: scripts that let a shell complete words and flags.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::tools::CompletionsArgs;
use crate::terminal;

/// Runs `intendant completions`.
pub fn run(arguments: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "intendant", &mut script);
    terminal::part(format_args!("{}", String::from_utf8_lossy(&script)));
    ExitCode::SUCCESS
}
