//! The binary: reads the command line, wires adapters to services, prints.
//!
//! The only crate that names concrete adapters, and the only one that prints.

mod agent_wiring;
mod chores;
mod cli;
mod commands;
mod failure;
mod following;
mod front;
mod gateway_wiring;
mod interactive;
mod logging;
mod measure;
mod model;
mod nlu_test;
mod parity;
mod progress;
mod project;
mod provenance;
mod pulling;
mod remote;
mod report;
mod stopping;
mod story_report;
mod syslog;
mod systemd;
mod terminal;
mod tracing_endpoint;
mod understanding;
mod watching;
mod wiring;
mod workshop;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use intendant_config::Environment;

use crate::cli::{Cli, Command, examples};
use crate::failure::Failure;
use crate::logging::Level;

/// Messages are handled by whatever thread is free, so that one thread frees what another allocated;
/// the C library's allocator makes threads wait for each other there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = examples::with_examples(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    if cli.version {
        return Ok(commands::version::run(cli.json));
    }
    let Some(command) = cli.command else {
        // As Rasa: help, and exit code 1.
        let _ = examples::with_examples(Cli::command()).print_help();
        return Ok(ExitCode::FAILURE);
    };
    let environment = Environment::read();
    let (level, targets) = match &command {
        Command::Run(arguments) => (Level::Info, Some(&arguments.server.log)),
        Command::Up(_) | Command::Models(_) | Command::Gateway(_) => (Level::Info, None),
        Command::Stream(_) | Command::Worker(_) => (Level::Info, None),
        Command::X(arguments) => (Level::Info, Some(&arguments.server.log)),
        Command::Shell(arguments) => (Level::Warn, Some(&arguments.server.log)),
        _ => (Level::Warn, None),
    };
    logging::start(&cli.logging, targets, &environment, level)?;
    let quiet = cli.logging.quiet;
    match command {
        Command::Init(arguments) => commands::init::run(&arguments, &environment),
        Command::Train(arguments) => commands::train::run(arguments, quiet, &environment),
        Command::Run(arguments) => commands::run::run(*arguments, &environment),
        Command::Up(arguments) => commands::up::run(&arguments, &environment),
        Command::Shell(arguments) => commands::shell::run(arguments, &environment),
        Command::Load(arguments) => commands::predictors::load::run(&arguments, &environment),
        Command::Predict(arguments) => commands::predictors::predict::run(&arguments, &environment),
        Command::Test(arguments) => commands::test::run(arguments, &environment),
        Command::Data(arguments) => commands::data::run(arguments.command, &environment),
        Command::Entities(arguments) => commands::entities::run(&arguments),
        Command::Models(arguments) => commands::models::run(&arguments, &environment),
        Command::Gateway(arguments) => commands::gateway::run(&arguments, &environment),
        Command::Budget(arguments) => commands::budget::run(&arguments, &environment),
        Command::Jobs(arguments) => commands::jobs::run(&arguments, &environment),
        Command::Worker(arguments) => commands::worker::run(&arguments, &environment),
        Command::Stream(arguments) => commands::stream::run(&arguments, &environment),
        Command::Interactive(arguments) => commands::interactive::run(*arguments, &environment),
        Command::Visualize(arguments) => commands::visualize::run(&arguments, &environment),
        Command::Import(arguments) => commands::agents::import(&arguments),
        Command::Backup(arguments) => commands::agents::backup(&arguments),
        Command::Export(arguments) => commands::export::run(&arguments, &environment),
        Command::Evaluate(arguments) => commands::markers::run(arguments, &environment),
        Command::Parity(arguments) => commands::parity::run(&arguments, &environment),
        Command::Completions(arguments) => Ok(commands::completions::run(&arguments)),
        Command::Telemetry(arguments) => Ok(commands::compatible::telemetry(&arguments)),
        Command::X(arguments) => commands::compatible::x(*arguments, &environment),
        Command::Reference => commands::reference::run(),
    }
}
