//! Words of Rasa's command line that have little left to do here.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use intendant_client::endpoint::Endpoint;
use intendant_client::http::{HttpClient, Outgoing};
use intendant_config::Environment;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::cli::RunArgs;
use crate::cli::tools::{TelemetryArgs, TelemetryCommand, XArgs};
use crate::failure::Failure;
use crate::terminal::say;
use crate::wiring;

/// How often the configuration is asked for, and the pause between.
const CONFIG_TRIES: u32 = 60;
const CONFIG_PAUSE: Duration = Duration::from_secs(5);
const CONFIG_TIMEOUT: Duration = Duration::from_secs(60);

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

/// Runs `intendant x`: with `--production` a server whose endpoints and credentials another one hands out, which is how
/// Rasa X started those it steered; else says what to use.
pub fn x(arguments: XArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if !arguments.production {
        say!(
            "Rasa X was discontinued and is no part of this program: `intendant up` serves the project with its console"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let XArgs { config_endpoint, mut model, mut server, front, .. } = arguments;
    server.enable_api = true;
    // Held until the server ends: the files go with it.
    let mut files = Vec::new();
    if let Some(url) = config_endpoint {
        let handed_out = wiring::runtime()?.block_on(runtime_config(&url))?;
        for (key, place) in [("endpoints", &mut model.endpoints), ("credentials", &mut server.credentials)] {
            let text = handed_out.get(key).and_then(Value::as_str);
            let text =
                text.ok_or_else(|| Failure::new("", format!("the answer of {url} has no text `{key}`")))?;
            let file = kept(text).map_err(|error| Failure::of("", &error))?;
            *place = Some(file.path().to_owned());
            files.push(file);
        }
    }
    super::run::run(RunArgs { part: None, model, server, front }, environment)
}

/// A file that only this user may read.
fn kept(text: &str) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(".yml").tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Asks until there is an answer, as often as Rasa.
async fn runtime_config(url: &str) -> Result<Value, Failure> {
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let client = HttpClient::new().map_err(failed)?;
    let endpoint = Endpoint::bare(url).map_err(failed)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let why = match client.send(&endpoint, Outgoing::get(CONFIG_TIMEOUT)).await {
            Ok(answer) if answer.status.is_success() => {
                return serde_json::from_slice(&answer.body)
                    .map_err(|error| Failure::new("", format!("the answer of {url} is no JSON: {error}")));
            }
            Ok(answer) => format!("status {}", answer.status.as_u16()),
            Err(error) => error.to_string(),
        };
        if tries == CONFIG_TRIES {
            return Err(Failure::new("", format!("cannot fetch the configuration from {url}: {why}")));
        }
        tracing::warn!(url, why, "the configuration cannot be fetched yet");
        tokio::time::sleep(CONFIG_PAUSE).await;
    }
}
