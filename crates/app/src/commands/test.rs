//! `intendant test`, `test core`, `test nlu`.

mod core;
mod nlu;

use std::path::Path;
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_train::files;
use serde_json::Value;

use crate::cli::{TestArgs, TestPart};
use crate::failure::Failure;

/// Runs `intendant test [core|nlu]`; without a part both, stories end to end.
pub fn run(arguments: TestArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    match arguments.part {
        Some(TestPart::Core { options, core, e2e }) => core::run(&options, &core, e2e, environment),
        Some(TestPart::Nlu { options, nlu }) => nlu::run(&options, &nlu, environment),
        None => {
            core::run(&arguments.options, &arguments.core, true, environment)?;
            nlu::run(&arguments.options, &arguments.nlu, environment)
        }
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::of("", &error))?;
    write_text(path, &format!("{text}\n"))
}

fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    files::write_whole(path, text.as_bytes()).map_err(|error| Failure::of("", &error))
}
