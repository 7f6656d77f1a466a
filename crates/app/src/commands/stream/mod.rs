//! `intendant stream …`: messages scored as they come.

mod beside;
mod dead;
mod roles;
mod scorer;
mod wire;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use intendant_config::Environment;

use crate::failure::Failure;
use crate::wiring;

pub use beside::Beside;
pub use wire::Running;

/// What `intendant stream` does.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StreamCommand,
}

/// The commands of streams.
#[derive(Debug, Subcommand)]
pub enum StreamCommand {
    /// Looks at a stream's source and sends what is new.
    Produce(roles::ProduceArgs),
    /// Takes a stream's messages, scores them and writes the rows.
    Consume(roles::ConsumeArgs),
    /// Lists the streams of `intendant.yml` and what is in their books.
    List(dead::ListArgs),
    /// Messages that could not be scored.
    Dead(dead::DeadArgs),
}

/// Runs a command of streams.
///
/// # Errors
/// What the command could not do.
pub fn run(arguments: &StreamArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    wiring::runtime()?.block_on(async {
        match &arguments.command {
            StreamCommand::Produce(arguments) => roles::produce(arguments, environment).await,
            StreamCommand::Consume(arguments) => roles::consume(arguments, environment).await,
            StreamCommand::List(arguments) => dead::list(arguments, environment).await,
            StreamCommand::Dead(arguments) => dead::run(arguments, environment).await,
        }
    })
}
