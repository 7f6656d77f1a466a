//! Words of Rasa's command line that have nothing left to do here.

use std::process::ExitCode;

use crate::cli::tools::{TelemetryArgs, TelemetryCommand, XArgs};
use crate::failure::Failure;
use crate::terminal::say;

/// Runs `intendant telemetry`.
pub fn telemetry(arguments: &TelemetryArgs) -> ExitCode {
    match arguments.command {
        Some(TelemetryCommand::Enable) => {
            say!("Nothing to enable: this program reports to nobody.");
            ExitCode::FAILURE
        }
        Some(TelemetryCommand::Disable) | None => {
            say!("Telemetry reporting is disabled: this program reports to nobody.");
            ExitCode::SUCCESS
        }
    }
}

/// Says of `intendant x` what to use; with `--production` somebody counts on a server, who gets an error.
pub fn x(arguments: &XArgs) -> Result<ExitCode, Failure> {
    const GONE: &str = "Rasa X was discontinued and is no part of this program";
    if arguments.rest.iter().any(|argument| argument == "--production") {
        let way =
            "run `intendant run` with the endpoints and credentials that the configuration server handed out";
        return Err(Failure::new("", format!("{GONE}: {way}")));
    }
    say!("{GONE}: `intendant up` serves the project with its console");
    Ok(ExitCode::SUCCESS)
}
