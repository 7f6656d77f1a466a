//! The binary: reads the command line, wires adapters to services, prints.
//!
//! The only crate that names concrete adapters, and the only one that prints.

mod cli;
mod commands;
mod failure;
mod logging;
mod model;
mod nlu_test;
mod progress;
mod project;
mod report;
mod story_report;
mod terminal;
mod wiring;
mod workshop;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use intendant_config::Environment;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::logging::Level;

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
    let Some(command) = cli.command else {
        // As Rasa: help, and exit code 1.
        let _ = Cli::command().print_help();
        return Ok(ExitCode::FAILURE);
    };
    let environment = Environment::read();
    let (level, targets) = match &command {
        Command::Run(arguments) => (Level::Info, Some(&arguments.server.log)),
        Command::Up(_) | Command::Models(_) => (Level::Info, None),
        Command::Shell(arguments) => (Level::Warn, Some(&arguments.server.log)),
        _ => (Level::Warn, None),
    };
    logging::start(&cli.logging, targets, &environment, level)?;
    let quiet = cli.logging.quiet;
    match command {
        Command::Init(arguments) => commands::init::run(&arguments, &environment),
        Command::Train(arguments) => commands::train::run(arguments, quiet, &environment),
        Command::Run(arguments) => commands::run::run(arguments, &environment),
        Command::Up(arguments) => commands::up::run(&arguments, &environment),
        Command::Shell(arguments) => commands::shell::run(arguments, &environment),
        Command::Test(arguments) => commands::test::run(arguments, &environment),
        Command::Data(arguments) => commands::data::run(arguments.command, &environment),
        Command::Entities(arguments) => commands::entities::run(&arguments),
        Command::Models(arguments) => commands::models::run(&arguments, &environment),
        Command::Reference => commands::reference::run(),
    }
}
