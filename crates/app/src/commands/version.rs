//! `intendant --version`.

use std::process::ExitCode;

use serde_json::json;

use crate::terminal::say;

/// The version of Rasa Open Source that files, HTTP and events are compatible with.
pub const COMPATIBLE_RASA_VERSION: &str = "3.6.21";
/// The version of rasa-sdk whose action servers are spoken to.
const COMPATIBLE_SDK_VERSION: &str = "3.6";

/// Prints the product's version and what it is compatible with.
pub fn run(as_json: bool) -> ExitCode {
    let (version, system, machine) =
        (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    if as_json {
        let versions = json!({
            "intendant": version,
            "rasa": COMPATIBLE_RASA_VERSION,
            "rasa_sdk": COMPATIBLE_SDK_VERSION,
            "operating_system": system,
            "machine": machine,
        });
        say!("{versions}");
        return ExitCode::SUCCESS;
    }
    say!("Intendant Version      : {version}");
    say!("Compatible with Rasa   : {COMPATIBLE_RASA_VERSION}");
    say!("Compatible rasa-sdk    : {COMPATIBLE_SDK_VERSION}");
    say!("Operating System       : {system} {machine}");
    ExitCode::SUCCESS
}
