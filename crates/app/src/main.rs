//! The binary: reads the command line, wires adapters to services, prints.
//!
//! The only crate that names concrete adapters, and the only one that prints.
#![allow(clippy::print_stdout)]

mod cli;
mod commands;
mod failure;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    if cli.version {
        return Ok(commands::version::run());
    }
    match cli.command {
        Some(Command::Run(arguments)) => commands::run::run(arguments),
        None => {
            // As Rasa: help, and exit code 1.
            let _ = Cli::command().print_help();
            Ok(ExitCode::FAILURE)
        }
        Some(_) => Err(Failure::new("NotImplemented", "this command is being built")),
    }
}
