//! The binary as its users meet it: files, command line, HTTP, a browser, an action server.
#![allow(clippy::unwrap_used)]

mod acme;
mod agents;
mod channels;
mod cli;
mod crash;
mod delivery;
mod elsewhere;
mod endpoints;
mod foreign;
mod front;
mod gateway;
mod interactive;
mod jobs;
mod knowledge_base;
mod logging;
mod openapi;
mod page;
mod parity;
mod predictors;
mod press;
mod reference;
mod registry;
mod replicas;
mod reports;
mod retraining;
mod rotation;
mod serving;
mod sockets;
mod stand_in;
mod streams;
mod understanding;
mod widgets;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary under test.
fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_intendant"))
}

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the binary in a folder to its end.
fn intendant(folder: &Path, arguments: &[&str]) -> Output {
    intendant_reading(folder, arguments, Stdio::null())
}

/// Runs the binary in a folder to its end, with something to read.
fn intendant_reading(folder: &Path, arguments: &[&str], input: Stdio) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).stdin(input).env("NO_COLOR", "1").env_remove("LOG_LEVEL");
    command.output().unwrap()
}

/// Runs the binary and insists on success.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = intendant(folder, arguments);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} failed: {text}");
    text
}

/// The archives in a models folder, by name.
fn archives(models: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(models).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file() && path.to_string_lossy().ends_with(".tar.gz"));
    paths.sort();
    paths
}

/// A starter project, trained.
fn trained_starter() -> fixtures::project::Sandbox {
    let sandbox = fixtures::project::Sandbox::empty().unwrap();
    succeed(sandbox.path(), &["init", "--no-prompt"]);
    sandbox
}
