//! `intendant --version`.

use std::process::ExitCode;

use crate::terminal::say;

/// The version of Rasa Open Source that files, HTTP and events are compatible with.
pub const COMPATIBLE_RASA_VERSION: &str = "3.6.21";

/// Prints the product's version and what it is compatible with.
pub fn run() -> ExitCode {
    say!("Intendant Version      : {}", env!("CARGO_PKG_VERSION"));
    say!("Compatible with Rasa   : {COMPATIBLE_RASA_VERSION}");
    say!("Compatible rasa-sdk    : 3.6");
    say!("Operating System       : {} {}", std::env::consts::OS, std::env::consts::ARCH);
    ExitCode::SUCCESS
}
