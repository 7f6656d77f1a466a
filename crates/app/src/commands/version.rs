//! `intendant --version`.

use std::process::ExitCode;

/// The version of Rasa Open Source that files, HTTP and events are compatible with.
pub const COMPATIBLE_RASA_VERSION: &str = "3.6.21";

/// Prints the product's version and what it is compatible with.
pub fn run() -> ExitCode {
    println!("Intendant Version      : {}", env!("CARGO_PKG_VERSION"));
    println!("Compatible with Rasa   : {COMPATIBLE_RASA_VERSION}");
    println!("Compatible rasa-sdk    : 3.6");
    println!("Operating System       : {} {}", std::env::consts::OS, std::env::consts::ARCH);
    ExitCode::SUCCESS
}
